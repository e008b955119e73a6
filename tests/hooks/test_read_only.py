"""A connection that is read_only, in all that Airflow calls: hooks, operators, triggers."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger
from tests.conftest import ORDER

PREVIEW = {name: value for name, value in ORDER.items() if name != "orderNumber"}
PREVIEW |= {"previewOptions": {"previewTypes": ["BillingDocs"]}}
BILL_RUN = {"invoiceDate": "2024-07-01", "targetDate": "2024-07-01", "batches": ["AllBatches"]}
QUERY = {"query": "SELECT 1", "outputFormat": "JSON", "compression": "NONE", "output": {"target": "S3"}}
PAYMENT_RUN = {"targetDate": "2024-07-01", "accountId": "2c92c8955bd63cc1015bd7c151af02ab"}
RULE = "read_only: the connection allows sign-ins, reads, previews and queries alone"


@pytest.fixture
def free(zuora):
    """Return a hook whose connection may write, beside the one of the test."""
    return ZuoraHook()


@pytest.fixture
def hook(zuora, free, monkeypatch):
    """Return a hook whose connection is read_only; texts are what a URI holds."""
    free.get_conn()
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"read_only": "True"}))
    return ZuoraHook()


def list_sent(zuora):
    return [(row["method"], row["path"]) for row in zuora.ledger()["recent"] if row["path"] != "/oauth/token"]


def context(**fields):
    own = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, "max_tries": 0}
    return {"ti": SimpleNamespace(**own | fields, xcom_push=lambda **_: None)}


WRITES = {
    "create_order": lambda hook: hook.create_order(ORDER),
    "create_orders": lambda hook: hook.create_orders([ORDER, PREVIEW_AS_ORDER]),
    "create_bill_run": lambda hook: hook.create_bill_run(BILL_RUN),
    "create_payment_run": lambda hook: hook.create_payment_run(PAYMENT_RUN),
    "request": lambda hook: hook.request("POST", "/v1/accounts", json={}),
    "request in lower case": lambda hook: hook.request("delete", "/v1/orders/O-1"),
    "request with a key": lambda hook: hook.request("POST", "/v1/async/orders", json={}, idempotency_key="k"),
    "arequest": lambda hook: asyncio.run(hook.arequest("PUT", "/v1/accounts/A-1", json={})),
    "a flow of its client": lambda hook: hook._run(
        lambda client: client.send(Request("POST", "/v1/orders"), READ_POLICY)
    ),
}
PREVIEW_AS_ORDER = {**ORDER, "orderNumber": "O-2"}


@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES)
def test_a_write_is_refused_before_anything_is_sent(zuora, hook, call):
    with pytest.raises(PermanentError, match=RULE):
        call(hook)

    assert zuora.ledger()["recent"] == []


def test_no_client_of_the_session_writes(zuora, hook):
    session = hook.get_conn()
    with pytest.raises(Exception, match=RULE):
        session.run(session.client().send(Request("POST", "/v1/orders"), READ_POLICY))

    assert zuora.ledger()["recent"] == []


def test_neither_does_an_operator(zuora, hook):
    tasks = [
        ZuoraCreateOrderOperator(task_id="t", order=ORDER),
        ZuoraCreateOrdersOperator(task_id="t", orders=[ORDER]),
        ZuoraBillRunOperator(task_id="t", bill_run=BILL_RUN),
        ZuoraPaymentRunOperator(task_id="t", payment_run=PAYMENT_RUN),
    ]
    for task in tasks:
        with pytest.raises(PermanentError, match=RULE):
            task.execute(context())

    assert zuora.ledger()["recent"] == []


def test_reads_previews_and_queries_are_sent(zuora, free, hook):
    job_id = free.create_order(ORDER)
    sent = len(list_sent(zuora))

    assert hook.get_job(job_id).has_ended
    assert hook.wait_for_job(job_id).result["orderNumber"] == ORDER["orderNumber"]
    assert hook.request("GET", f"/v1/orders/{ORDER['orderNumber']}")["success"]
    assert hook.preview_order(PREVIEW)
    query = hook.request("POST", "/query/jobs", json=QUERY)
    assert hook.request("DELETE", f"/query/jobs/{query['data']['id']}")
    assert [method for method, _ in list_sent(zuora)[sent:]] == [
        "GET",
        "GET",
        "GET",
        "POST",
        "POST",
        "DELETE",
    ]


def test_a_trigger_polls_and_cancels_nothing_but_queries(zuora, free, hook):
    job_id = free.create_order(ORDER)
    event = asyncio.run(anext(ZuoraJobTrigger(job_id=job_id).run()))
    assert event.payload["status"] == "ended"
    sent = list_sent(zuora)

    trigger = ZuoraJobTrigger(job_id="bill-run:2c92c8955bd63cc1015bd7c151af02ab", cancel_on_kill=True)
    trigger.read_task_state = lambda _: "failed"
    asyncio.run(trigger.on_kill())
    assert {method for method, _ in list_sent(zuora)[len(sent) :]} == {"GET"}


def test_an_adopted_job_needs_no_write(zuora, free, hook):
    job_id = free.create_order(ORDER)

    assert hook.create_order(ORDER, adopt_job_id=job_id) == job_id


def test_a_connection_that_may_write_is_another_session_with_the_same_limits(zuora, free, hook):
    assert hook.get_conn() is not free.get_conn()
    assert hook.get_conn().config.token_file == free.get_conn().config.token_file
    assert free.create_order(ORDER)


def test_exports_of_elastic_path_are_reads_and_nothing_else_is_sent(store, monkeypatch):
    conn = {"conn_type": "elastic_path", "host": store.url, "login": "id", "password": "s"}
    known = store.session.config.credentials
    conn |= {"login": known.client_id, "password": known.client_secret, "extra": {"read_only": True}}
    monkeypatch.setenv("AIRFLOW_CONN_ELASTIC_PATH_DEFAULT", json.dumps(conn))
    hook = ElasticPathHook()

    assert hook.get_job(hook.export_orders("ge(created_at,2024-07-01)"))
    for method, path in (("POST", "/v2/orders"), ("DELETE", "/v2/jobs/1"), ("POST", "/v2/jobs")):
        with pytest.raises(PermanentError, match=RULE):
            hook.request(method, path, json={"data": {"type": "job", "job_type": "order_import"}})


@pytest.mark.parametrize("value", ["yes", 1, "1", [], {}, "readonly"])
def test_a_switch_that_is_neither_true_nor_false_is_refused(zuora, monkeypatch, value):
    """Not taken for false: that would write."""
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"read_only": value}))
    with pytest.raises(PermanentError, match="read_only: must be true or false"):
        ZuoraHook().get_conn()


@pytest.mark.parametrize(("value", "is_set"), [(None, False), ("", False), ("false", False), (" TRUE", True)])
def test_a_blank_switch_is_off(zuora, monkeypatch, value, is_set):
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"read_only": value}))

    assert ZuoraHook().get_conn().config.is_read_only is is_set
