"""The operator, rendered and executed as Airflow does."""

from __future__ import annotations

import json
from types import SimpleNamespace

import jinja2
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_zuora.hooks import PermanentError
from airflow_provider_zuora.operators import ZuoraCreateOrderOperator
from tests.conftest import ORDER

CARD = "4111111111111111"
CONTEXT = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="submit", map_index=-1), "ds": "2024-07-01"}


def operator(order=ORDER, **options):
    return ZuoraCreateOrderOperator(task_id="submit", order=order, **options)


def rendered(task, **context):
    task.render_template_fields(CONTEXT | context, jinja2.sandbox.SandboxedEnvironment())
    return task


def shown(task):
    """Return what the rendered-template page would show."""
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    return json.dumps(_serialize_rendered_fields(task))


def test_the_job_id_is_returned(zuora):
    job_id = operator().execute(CONTEXT)

    assert [order["jobId"] for order in zuora.ledger()["orders"]] == [job_id]


def test_a_retry_makes_no_second_order(zuora):
    assert operator().execute(CONTEXT) == operator().execute(CONTEXT)
    assert len(zuora.ledger()["orders"]) == 1


def test_what_is_templated():
    expected = ("order", "zuora_conn_id", "idempotency_key", "raw_idempotency_key")

    assert expected == tuple(ZuoraCreateOrderOperator.template_fields)


def test_templates_are_rendered_at_any_depth(zuora):
    task = rendered(operator(ORDER | {"orderDate": "{{ ds }}"}, idempotency_key="{{ ti.run_id }}"))

    assert task.order["orderDate"] == "2024-07-01"
    assert task.idempotency_key == "r"


def test_an_order_in_a_json_file(zuora, tmp_path):
    (tmp_path / "order.json").write_text(json.dumps(ORDER | {"orderDate": "{{ ds }}"}))
    with DAG("d", template_searchpath=str(tmp_path), schedule=None):
        task = operator("order.json")
    task.resolve_template_files()

    rendered(task).execute(CONTEXT)
    assert zuora.ledger()["orders"][0]["orderDate"] == "2024-07-01"


def test_a_text_inside_of_an_order_is_never_a_file(zuora):
    task = rendered(operator(ORDER | {"description": "imported from {{ ds }}.json"}))

    assert task.order["description"] == "imported from 2024-07-01.json"
    assert task.template_ext == (".json",)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("{not json", "order: must be an object or its JSON text, not a text that is no JSON"),
        ("[1]", "order: must be an object or its JSON text, not of type list"),
        (None, "order: must be an object or its JSON text, not of type NoneType"),
    ],
)
def test_what_is_no_order(zuora, order, words):
    with pytest.raises(PermanentError, match=words):
        rendered(operator(order)).execute(CONTEXT)
    assert zuora.ledger()["requests"] == {}


NEW_ACCOUNT = {
    "orderDate": "2024-07-01",
    "newAccount": {
        "name": "Amy",
        "currency": "USD",
        "billCycleDay": 0,
        "accountNumber": "A-77777777",
        "billToContact": {"firstName": "Amy", "lastName": "Lawrence"},
        "creditCard": {"cardNumber": CARD, "securityCode": "737", "cardType": "Visa"},
    },
    "subscriptions": ORDER["subscriptions"],
}


class TestSecrets:
    @pytest.mark.parametrize("form", [lambda order: order, json.dumps], ids=["object", "text"])
    def test_card_and_code_are_hidden_from_the_rendered_page(self, form):
        page = shown(rendered(operator(form(NEW_ACCOUNT))))

        assert CARD not in page
        assert "737" not in page
        assert "A-77777777" in page

    def test_they_are_sent_all_the_same(self, zuora):
        rendered(operator(NEW_ACCOUNT)).execute(CONTEXT)

        assert len(zuora.ledger()["orders"]) == 1

    def test_they_are_hidden_in_mapped_tasks_too(self):
        task = operator(NEW_ACCOUNT)
        task._do_render_template_fields(
            parent=task,
            template_fields=task.template_fields,
            context=CONTEXT,
            jinja_env=jinja2.sandbox.SandboxedEnvironment(),
            seen_oids=set(),
        )

        assert CARD not in shown(task)

    def test_they_are_hidden_in_logs(self):
        from airflow.sdk.log import redact

        rendered(operator(NEW_ACCOUNT))

        assert CARD not in str(redact(f"the card is {CARD}"))

    @pytest.mark.parametrize("order", [json.dumps(NEW_ACCOUNT) + ",", str(NEW_ACCOUNT)])
    def test_a_text_that_is_no_json_is_hidden_as_a_whole(self, zuora, order):
        task = rendered(operator(order))

        assert CARD not in shown(task)
        with pytest.raises(PermanentError, match="a text that is no JSON"):
            task.execute(CONTEXT)

    def test_a_violation_does_not_show_the_value(self, zuora):
        order = NEW_ACCOUNT | {"newAccount": NEW_ACCOUNT["newAccount"] | {"name": CARD * 20}}
        with pytest.raises(PermanentError) as caught:
            rendered(operator(order)).execute(CONTEXT)

        assert CARD not in str(caught.value)
        assert "$.newAccount.name: at most 255 characters, this has 320" in str(caught.value)


def test_a_killed_task_says_that_the_order_goes_on(capsys):
    operator().on_kill()

    assert "Zuora has no cancel" in capsys.readouterr().out
