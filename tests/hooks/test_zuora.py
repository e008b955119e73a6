"""The hook against a served sandbox: what it sends, what it returns, and what it raises."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
)

from airflow_provider_zuora.core.errors import InvalidInput, Refused
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.session.session import ApiSession
from tests.airflow_versions import record_masks
from tests.conftest import ORDER
from tests.core.runners import Clock
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Settings

TASK = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)}


def context(**fields):
    return {"ti": SimpleNamespace(**vars(TASK["ti"]) | fields)}


def numberless(**fields):
    return {name: value for name, value in ORDER.items() if name != "orderNumber"} | fields


class TestConnection:
    def test_get_conn_returns_the_account_without_signing_in(self, zuora):
        assert isinstance(ZuoraHook().get_conn(), ApiSession)
        assert zuora.ledger()["signIns"] == 0

    def test_a_misspelt_field_is_warned_of(self, zuora, monkeypatch, capsys):
        extra = {"enviroment": "EU Production"}
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra=extra))
        ZuoraHook().get_conn()

        assert "did you mean 'environment'?" in capsys.readouterr().out

    def test_the_connection_is_read_once(self, zuora):
        hook = ZuoraHook()

        assert hook.session is hook.session is hook.get_conn()

    def test_a_secret_that_is_changed_while_a_hook_is_in_use_is_taken(self, zuora, monkeypatch):
        extra = {"shared_sign_in": False}
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra=extra))
        hook = ZuoraHook()
        job_id = hook.create_order(ORDER)
        new = "another-secret-of-ours"
        zuora.sandbox.settings = replace(zuora.sandbox.settings, client_secret=new)
        zuora.sandbox.revoke_tokens()
        with pytest.raises(PermanentError, match="the sign-in is refused"):
            hook.get_job(job_id)
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(password="", extra=extra))
        with pytest.raises(PermanentError, match="the sign-in is refused"):
            hook.get_job(job_id)
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(password=f"{new}\n", extra=extra))

        assert hook.get_job(job_id).has_ended
        assert hook.get_conn() is hook.get_conn()

    def test_a_connection_that_is_gone_is_no_other_secret(self, zuora, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"shared_sign_in": False}))
        hook = ZuoraHook()
        hook.get_conn()
        zuora.sandbox.settings = replace(zuora.sandbox.settings, client_secret="another-secret-of-ours")
        monkeypatch.delenv("AIRFLOW_CONN_ZUORA_DEFAULT")

        with pytest.raises(PermanentError, match="the sign-in is refused"):
            hook.get_job("j")

    def test_a_missing_connection(self):
        with pytest.raises(AirflowNotFoundException):
            ZuoraHook("nowhere").get_conn()

    @pytest.mark.parametrize("conn_type", ["zuora", "generic", "http", ""])
    def test_types_that_are_taken(self, zuora, monkeypatch, conn_type):
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(conn_type=conn_type))

        assert ZuoraHook().create_order(ORDER)

    def test_a_connection_of_elastic_path_is_refused(self, zuora, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(conn_type="elastic_path"))

        with pytest.raises(PermanentError, match="conn_type: must be zuora"):
            ZuoraHook().get_conn()

    def test_a_connection_given_as_a_uri(self, zuora, monkeypatch):
        from urllib.parse import quote

        host, port = zuora.url.removeprefix("http://").split(":")
        uri = f"zuora://{CLIENT_ID}:{quote(CLIENT_SECRET, safe='')}@{host}:{port}/http?timeout=30&verify=true"
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", uri)

        assert ZuoraHook().test_connection()[0] is True


class TestCreateOrder:
    def test_the_job_id_is_returned_and_the_order_exists(self, zuora):
        job_id = ZuoraHook().create_order(ORDER)

        assert [order["jobId"] for order in zuora.ledger()["orders"]] == [job_id]

    @pytest.mark.parametrize("status", [200, 202])
    def test_both_documented_statuses_count_as_accepted(self, zuora, status):
        zuora.sandbox.settings = Settings(create_status=status, job_seconds=0)

        assert ZuoraHook().create_order(ORDER)

    def test_return_ids(self, zuora):
        hook = ZuoraHook()
        job = hook.get_job(hook.create_order(ORDER, return_ids=True))

        assert "orderId" in job.result
        assert "orderNumber" not in job.result

    def test_dates_and_decimals_are_written_as_json(self, zuora):
        order = ORDER | {"orderDate": dt.date(2024, 7, 1)}
        items = [
            {"itemName": "x", "itemType": "Fee", "amountPerUnit": Decimal("19.99"), "quantity": Decimal(2)}
        ]
        ZuoraHook().create_order(order | {"orderLineItems": items})

        assert zuora.ledger()["orders"][0]["orderDate"] == "2024-07-01"

    def test_ten_violations_are_one_error_of_ten_lines_and_nothing_is_sent(self, zuora):
        order = {
            "orderDate": "01.07.2024",
            "orderNumber": "a/b",
            "category": "Gift",
            "description": "x" * 501,
            "reasonCode": "x" * 256,
            "externallyManagedBy": "Ebay",
            "existingAccountNumber": "x" * 71,
            "orderLineItems": [{"itemType": "Thing"}],
            "subscriptions": [{"orderActions": [{"type": "Jump"}]}, {}],
        }
        with pytest.raises(PermanentError) as caught:
            ZuoraHook().create_order(order)

        head, *lines = str(caught.value).splitlines()
        assert len(lines) == 10
        assert all(line.startswith("$.") and ": " in line for line in lines)
        assert "10 rules" in head
        assert zuora.ledger()["requests"] == {}

    def test_a_refusal_is_permanent_and_says_what_zuora_said(self, zuora):
        hook = ZuoraHook()
        hook.create_order(ORDER)
        hook.get_job(zuora.ledger()["jobs"][0]["jobId"])
        with pytest.raises(
            AirflowFailException, match=r"HTTP 400: \[53200030\].*requestId.*Track-Id"
        ) as caught:
            hook.create_order(ORDER, idempotency_key="another")

        assert isinstance(caught.value.__cause__, Refused)
        assert len(zuora.ledger()["orders"]) == 1

    def test_an_outage_is_transient(self, zuora):
        zuora.fault(method="POST", path="/v1/async/orders", status=502, times=None, body=b"<html>Bad</html>")
        with pytest.raises(TransientError, match="HTTP 502"):
            ZuoraHook().create_order(ORDER)

        keys = {each["idempotencyKey"] for each in zuora.posts()}
        assert len(zuora.posts()) == 6
        assert len(keys) == 1

    @pytest.mark.parametrize("kind", ["reset", "cut"])
    def test_an_answer_that_is_lost_makes_no_second_order(self, zuora, kind):
        zuora.fault(method="POST", path="/v1/async/orders", kind=kind, when="after")
        job_id = ZuoraHook().create_order(ORDER)

        assert [order["jobId"] for order in zuora.ledger()["orders"]] == [job_id]
        assert len(zuora.posts()) == 2


class TestKeys:
    def key(self, zuora, *args, **kwargs):
        ZuoraHook().create_order(*args, **kwargs)
        return zuora.posts()[-1]["idempotencyKey"]

    def test_a_retry_of_a_task_sends_the_same_key(self, zuora):
        first = self.key(zuora, ORDER, context=TASK)

        assert first == self.key(zuora, dict(reversed(ORDER.items())), context=TASK)
        assert first.startswith("af-")
        assert len(first) == 3 + 64
        assert len(zuora.ledger()["orders"]) == 1

    @pytest.mark.parametrize(
        "changed", [{"dag_id": "e"}, {"run_id": "s"}, {"task_id": "u"}, {"map_index": 3}], ids=str
    )
    def test_another_task_has_another_key(self, zuora, changed):
        first = self.key(zuora, numberless(), context=TASK)

        assert first != self.key(zuora, numberless(), context=context(**changed))

    def test_the_map_index_plays_no_part_where_the_order_has_a_number(self, zuora):
        assert self.key(zuora, ORDER, context=TASK) == self.key(zuora, ORDER, context=context(map_index=3))

    def test_other_content_has_another_key(self, zuora):
        first = self.key(zuora, numberless(), context=TASK)

        assert first != self.key(zuora, numberless(description="x"), context=TASK)

    def test_a_users_key_replaces_the_task_but_not_the_content(self, zuora):
        one = self.key(zuora, numberless(), idempotency_key="mine", context=TASK)
        same = self.key(
            zuora, numberless(), idempotency_key="mine", context=context(task_id="u", map_index=7)
        )
        other = self.key(zuora, numberless(description="x"), idempotency_key="mine", context=TASK)

        assert one == same != other

    def test_a_raw_key_goes_out_as_it_is(self, zuora):
        assert self.key(zuora, ORDER, raw_idempotency_key="as it is") == "as it is"

    @pytest.mark.parametrize("name", ["idempotency_key", "raw_idempotency_key"])
    @pytest.mark.parametrize("key", ["", "x" * 255, "schlüssel", "a\nb", " a"])
    def test_a_key_that_no_header_can_hold_is_refused(self, zuora, name, key):
        with pytest.raises(PermanentError, match=f"{name}: must"):
            ZuoraHook().create_order(ORDER, **{name: key})
        assert zuora.ledger()["requests"] == {}

    def test_the_longest_key(self, zuora):
        assert self.key(zuora, ORDER, raw_idempotency_key="x" * 254) == "x" * 254

    def test_two_airflows_on_one_tenant(self, zuora, monkeypatch):
        first = self.key(zuora, numberless(), context=TASK)
        extra = {"idempotency_namespace": "blue"}
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra=extra))

        assert first != self.key(zuora, numberless(), context=TASK)

    @pytest.mark.parametrize("context", [None, {}])
    def test_a_context_without_a_task(self, zuora, context):
        assert self.key(zuora, numberless(), context=context)

    def test_outside_of_a_task_every_call_is_a_submission_of_its_own(self, zuora):
        assert self.key(zuora, numberless()) != self.key(zuora, numberless())


PREVIEW = {"previewOptions": {"previewThruType": "TermEnd", "previewTypes": ["BillingDocs"]}}


class TestPreview:
    def test_a_preview_is_a_job_that_changes_nothing(self, zuora):
        hook = ZuoraHook()
        job = hook.wait_for_job(hook.preview_order(numberless(**PREVIEW)))

        assert "invoices" in job.result
        assert zuora.ledger()["orders"] == []

    def test_a_wrong_preview_is_not_sent(self, zuora):
        with pytest.raises(PermanentError, match=r"\$\.previewOptions: is required"):
            ZuoraHook().preview_order(numberless())
        assert zuora.ledger()["requests"] == {}


class TestWaiting:
    def test_a_failed_job_is_returned_and_its_result_raises(self, zuora):
        zuora.sandbox.settings = Settings(job_seconds=0, fail_jobs="[40000050]: locked")
        hook = ZuoraHook()
        waited = hook.wait_for_job(hook.create_order(ORDER))

        assert (waited.job.status, waited.job.transient, waited.state) == ("Failed", True, "failed")
        with pytest.raises(PermanentError, match=r"\[40000050\] locked") as caught:
            _ = waited.result
        assert (caught.value.codes, caught.value.transient) == (("40000050",), True)

    def test_a_wait_pauses_until_the_job_has_ended(self, zuora):
        zuora.sandbox.settings = Settings(job_seconds=1e6)
        naps = []
        session = zuora.use_session(sleep=lambda seconds: (naps.append(seconds), zuora.sandbox.advance(2e6)))
        hook = ZuoraHook()

        assert hook.wait_for_job(hook.create_order(ORDER)).result["orderNumber"] == "O-1"
        assert len(naps) == 1
        assert 1 <= naps[0] <= 1.11
        session.close()

    def test_a_wait_that_takes_too_long_can_be_tried_again(self, zuora):
        zuora.sandbox.settings = Settings(job_seconds=1e9)
        hook = ZuoraHook()
        with pytest.raises(TransientError, match="has not ended in time, it is Processing"):
            hook.wait_for_job(hook.create_order(ORDER), timeout=0)

    @pytest.mark.parametrize("hours", [1, -1])
    def test_a_clock_that_is_set_leaves_a_timeout_as_long_as_it_is(self, zuora, hours):
        zuora.sandbox.settings = Settings(job_seconds=1e9)
        clock = Clock()

        def sleep(seconds):
            clock.ahead = hours * 3600.0
            clock.sleep(seconds)

        session = zuora.use_session(clock=clock, ticks=clock.ticks, sleep=sleep)
        hook = ZuoraHook()
        with pytest.raises(TransientError, match="has not ended in time, it is Processing"):
            hook.wait_for_job(hook.create_order(ORDER), timeout=30, poll_interval=10)
        assert sum(clock.naps) == pytest.approx(30)
        session.close()


class TestRequest:
    def test_any_endpoint(self, zuora):
        hook = ZuoraHook()
        hook.wait_for_job(hook.create_order(ORDER))

        assert hook.request("get", "/v1/orders/O-1")["order"]["orderNumber"] == "O-1"

    def test_what_is_sent(self, zuora):
        hook = ZuoraHook()
        order = ORDER | {"orderDate": dt.date(2024, 7, 1)}
        answer = hook.request(
            "POST",
            "/v1/async/orders",
            json=order,
            params={"returnIds": True},
            idempotency_key="mine",
            track_id="run-1",
        )

        assert answer["success"] is True
        sent = zuora.posts()[-1]
        assert (sent["idempotencyKey"], sent["trackId"]) == ("mine", "run-1")

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            ({"path": "https://evil.example/"}, "path: must start with one slash"),
            ({"path": "//evil.example/"}, "path: must start with one slash"),
            ({"path": "v1/orders"}, "path: must start with one slash"),
            ({"path": "/v1/../oauth"}, "path: must not contain the segments"),
            ({"path": "/v1/%2E%2e/oauth"}, "path: must not contain the segments"),
            ({"path": "/v1/ä"}, "path: must be percent-encoded ASCII"),
            ({"path": "/v1/a b"}, "path: must be percent-encoded ASCII"),
            ({"path": "/v1\\a"}, "path: must be percent-encoded ASCII"),
            ({"path": "/v1/a#b"}, "path: must be percent-encoded ASCII"),
            ({"method": "TRACE"}, "method: must be one of"),
            ({"method": "PUT", "idempotency_key": "k"}, "Idempotency-Key: is for POST only"),
            ({"method": "POST", "idempotency_key": "x" * 255}, "Idempotency-Key: must have 1 to 254"),
            ({"method": "POST", "idempotency_key": ""}, "Idempotency-Key: must have 1 to 254"),
            ({"track_id": "x" * 65}, "track_id: must have 1 to 64"),
            ({"track_id": "a:b"}, "track_id: must not contain :"),
            ({"track_id": "a'b"}, "track_id: must not contain '"),
            ({"track_id": "é"}, "track_id: must be printable ASCII"),
            ({"json": {"x": float("nan")}, "method": "POST"}, r"$.x: numbers must be finite"),
        ],
    )
    def test_what_cannot_be_sent(self, zuora, arguments, line):
        with pytest.raises(PermanentError) as caught:
            ZuoraHook().request(**{"method": "GET", "path": "/v1/orders/x"} | arguments)

        assert isinstance(caught.value.__cause__, InvalidInput)
        assert any(each.startswith(line) for each in caught.value.__cause__.violations)
        assert zuora.ledger()["requests"] == {}

    def test_a_get_is_repeated_and_a_post_without_a_key_is_not(self, zuora):
        zuora.fault(path="/v1/", status=503, times=2)
        hook = ZuoraHook()
        with pytest.raises(TransientError):
            hook.request("POST", "/v1/async/orders", json=ORDER)
        with pytest.raises(PermanentError, match="HTTP 404"):
            hook.request("GET", "/v1/orders/none")

        assert [each["status"] for each in zuora.ledger()["recent"] if each["path"] != "/oauth/token"] == [
            503,
            503,
            404,
        ]

    def test_parameters_that_are_none_or_many(self, zuora):
        hook = ZuoraHook()
        hook.create_order(ORDER, raw_idempotency_key="k")
        answer = hook.request(
            "POST",
            "/v1/async/orders",
            json=ORDER,
            idempotency_key="k",
            params={"page": None, "returnIds": []},
        )

        assert answer["success"] is True  # the same query as before, or the key would be refused to it

    def test_an_empty_answer_is_none(self, zuora):
        zuora.fault(path="/v1/", status=204)

        assert ZuoraHook().request("DELETE", "/v1/x") is None


def test_a_new_token_is_masked_before_it_is_used(zuora, monkeypatch):
    masked = record_masks(monkeypatch)
    ZuoraHook().create_order(ORDER)

    assert [secret for secret in masked if secret in zuora.ledger()["tokens"]] == zuora.ledger()["tokens"]


def test_forms_for_older_airflows():
    behaviour = ZuoraHook.get_ui_field_behaviour()

    assert behaviour["relabeling"]["login"] == "OAuth client ID"
    assert behaviour["hidden_fields"] == ["schema"]
    assert "443" in behaviour["placeholders"]["port"], "Airflow 3.3.2 tests no connection without a port"


def test_errors_are_airflows():
    assert issubclass(PermanentError, AirflowFailException)
    assert issubclass(TransientError, AirflowException)
    assert not issubclass(TransientError, AirflowFailException)


def test_the_order_is_not_changed(zuora):
    before = json.dumps(ORDER)
    ZuoraHook().create_order(ORDER)

    assert json.dumps(ORDER) == before


@pytest.mark.parametrize("value", [math.inf, math.nan, dt.timedelta.max, True, -1, "60", 1e15])
@pytest.mark.parametrize("name", ["timeout", "poll_interval"])
def test_a_time_that_is_none_ends_a_wait_before_anything_is_asked(zuora, name, value):
    with pytest.raises(PermanentError, match=rf"Nothing was sent\.\n{name}: must be a number of seconds"):
        ZuoraHook().wait_for_job("x", **{name: value})
    assert not zuora.ledger()["recent"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda hook: hook.create_order(ORDER, adopt_job_id=5),
            "adopt_job_id: must be a text, not of type int",
        ),
        (
            lambda hook: hook.create_order(ORDER, return_ids="no"),
            "return_ids: must be True or False, not 'no'",
        ),
        (
            lambda hook: hook.create_orders([ORDER], return_ids=None),
            "return_ids: must be True or False, not None",
        ),
        (lambda hook: hook.create_orders([ORDER], labels=["a", "b"]), "labels: must be as many as orders"),
        (lambda hook: hook.request(None, "/x"), "method: must be one of GET"),
        (lambda hook: hook.request("GET", "/x", params=["a"]), "params: must be a mapping"),
        (lambda hook: hook.request("GET", "/x", track_id=5), "track_id: must be a text, not of type int"),
    ],
)
def test_nonsense_is_named_and_nothing_is_sent(zuora, call, words):
    with pytest.raises(PermanentError, match=words):
        call(ZuoraHook())
    assert not zuora.ledger()["recent"]
