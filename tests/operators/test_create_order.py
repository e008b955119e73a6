"""The operator, rendered and executed as Airflow does."""

from __future__ import annotations

import asyncio
import json
import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jinja2
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, TaskDeferred

from airflow_provider_zuora.core.job import JobResult
from airflow_provider_zuora.core.polling.events import pack_ids
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora as Plug
from airflow_provider_zuora.exceptions import LockContentionError, PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.base import BaseJobOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraPreviewOrderOperator
from tests.airflow_versions import redacted, rendered_fields
from tests.conftest import ORDER, StateStore

CARD = "4111111111111111"
CONTEXT = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="submit", map_index=-1), "ds": "2024-07-01"}


def operator(order=ORDER, **options):
    return ZuoraCreateOrderOperator(task_id="submit", order=order, **options)


def render_fields(task, **context):
    task.render_template_fields(CONTEXT | context, jinja2.sandbox.SandboxedEnvironment())
    return task


def show(task):
    """Return what the rendered-template page would show."""
    return json.dumps(rendered_fields(task))


def test_the_job_id_is_returned(zuora):
    job_id = operator().execute(CONTEXT)

    assert [order["jobId"] for order in zuora.ledger()["orders"]] == [job_id]


def test_a_retry_makes_no_second_order(zuora):
    assert operator().execute(CONTEXT) == operator().execute(CONTEXT)
    assert len(zuora.ledger()["orders"]) == 1


def test_what_is_templated():
    keys = ("idempotency_key", "raw_idempotency_key", "adopt_job_id")
    expected = ("order", "zuora_conn_id", *keys, "submission_log", "guard")

    assert expected == tuple(ZuoraCreateOrderOperator.template_fields)


def test_templates_are_rendered_at_any_depth(zuora):
    task = render_fields(operator(ORDER | {"orderDate": "{{ ds }}"}, idempotency_key="{{ ti.run_id }}"))

    assert task.order["orderDate"] == "2024-07-01"
    assert task.idempotency_key == "r"


def test_an_order_in_a_json_file(zuora, tmp_path):
    (tmp_path / "order.json").write_text(json.dumps(ORDER | {"orderDate": "{{ ds }}"}))
    with DAG("d", template_searchpath=str(tmp_path), schedule=None):
        task = operator("order.json")
    task.resolve_template_files()

    render_fields(task).execute(CONTEXT)
    assert zuora.ledger()["orders"][0]["orderDate"] == "2024-07-01"


def test_a_text_inside_of_an_order_is_never_a_file(zuora):
    task = render_fields(operator(ORDER | {"description": "imported from {{ ds }}.json"}))

    assert task.order["description"] == "imported from 2024-07-01.json"
    assert task.template_ext == (".json",)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("{not json", r"order: is no JSON: Expecting property name .* \(line 1, column 2\)"),
        ("[1]", "order: must be an object or its JSON text, not of type list"),
        (None, "order: must be an object or its JSON text, not of type NoneType"),
    ],
)
def test_what_is_no_order(zuora, order, words):
    with pytest.raises(PermanentError, match=words):
        render_fields(operator(order)).execute(CONTEXT)
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
        page = show(render_fields(operator(form(NEW_ACCOUNT))))

        assert CARD not in page
        assert "737" not in page
        assert "A-77777777" in page

    def test_they_are_sent_all_the_same(self, zuora):
        render_fields(operator(NEW_ACCOUNT)).execute(CONTEXT)

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

        assert CARD not in show(task)

    def test_they_are_hidden_in_logs(self):
        render_fields(operator(NEW_ACCOUNT))

        assert CARD not in str(redacted(f"the card is {CARD}"))

    @pytest.mark.parametrize("order", [json.dumps(NEW_ACCOUNT) + ",", str(NEW_ACCOUNT)])
    def test_a_text_that_is_no_json_is_hidden_as_a_whole(self, zuora, order):
        task = render_fields(operator(order))

        assert CARD not in show(task)
        with pytest.raises(PermanentError, match=r"order: is (no JSON|Python, not JSON)"):
            task.execute(CONTEXT)

    def test_a_violation_does_not_show_the_value(self, zuora):
        order = NEW_ACCOUNT | {"newAccount": NEW_ACCOUNT["newAccount"] | {"name": CARD * 20}}
        with pytest.raises(PermanentError) as caught:
            render_fields(operator(order)).execute(CONTEXT)

        assert CARD not in str(caught.value)
        assert "$.newAccount.name: at most 255 characters, this has 320" in str(caught.value)


def test_a_killed_task_says_that_the_order_goes_on(capsys):
    operator().on_kill()

    assert "Zuora has no cancel" in capsys.readouterr().out


class Instance(SimpleNamespace):
    """A task instance that keeps its XComs."""

    def __init__(self, **fields):
        super().__init__(dag_id="d", run_id="r", task_id="submit", map_index=-1, xcoms={}, **fields)

    def xcom_push(self, key, value):
        self.xcoms[key] = value


def event_of(deferral):
    """Return what the trigger of a deferral fires."""

    async def first():
        return (await anext(deferral.trigger.run())).payload

    return asyncio.run(first())


def make_waiting(order=ORDER, **options):
    return operator(order, wait_for_completion=True, **options)


class TestWaiting:
    @pytest.fixture
    def context(self):
        run = SimpleNamespace(queued_at=datetime.now(UTC), clear_number=0)
        return {
            "ti": Instance(try_number=1, max_tries=1),
            "task": SimpleNamespace(retries=1),
            "dag_run": run,
        }

    def retry(self, context):
        return context | {"ti": Instance(try_number=2, max_tries=1)}

    @pytest.mark.parametrize("deferrable", [True, False])
    def test_a_job_that_has_ended_is_returned_at_once(self, zuora, context, deferrable):
        result = make_waiting(deferrable=deferrable).execute(context)

        assert result["orderNumber"] == "O-1"
        assert context["ti"].xcoms["job_id"] == zuora.ledger()["orders"][0]["jobId"]

    def deferred(self, zuora, context, **options):
        zuora.sandbox.settings = replace(zuora.sandbox.settings, job_seconds=1000)
        with pytest.raises(TaskDeferred) as caught:
            make_waiting(**options).execute(context)
        return caught.value

    def test_the_wait_is_left_to_the_triggerer_and_its_end_is_the_result(self, zuora, context):
        deferral = self.deferred(zuora, context, timeout=timedelta(minutes=2))
        assert deferral.method_name == "execute_complete"
        assert deferral.trigger.job_id == context["ti"].xcoms["job_id"]
        assert deferral.trigger.deadline - time.time() <= 120

        zuora.sandbox.advance(1000)
        deferral.trigger.not_before = 0
        assert make_waiting().execute_complete(context, event_of(deferral))["orderNumber"] == "O-1"

    def test_the_end_is_the_result_also_where_the_file_of_the_order_is_gone(self, zuora, context, tmp_path):
        """It was sent: an error now would say of an order at Zuora that there is none."""
        file = tmp_path / "order.json"
        file.write_text(json.dumps(ORDER))
        deferral = self.deferred(zuora, context, order=file)
        file.unlink()
        zuora.sandbox.advance(1000)
        deferral.trigger.not_before = 0
        event = event_of(deferral)

        assert (
            make_waiting(order=file).execute_complete(context, event, **deferral.kwargs)["orderNumber"]
            == "O-1"
        )

    @pytest.mark.parametrize("later", [None, "{", json.dumps(ORDER | {"orderNumber": "O-2"})])
    def test_the_file_of_an_order_is_read_before_it_is_sent_and_not_again(
        self, zuora, context, tmp_path, later
    ):
        file = tmp_path / "order.json"
        file.write_text(json.dumps(ORDER))

        class Replaced(ZuoraCreateOrderOperator):
            def start_job(self, context):
                started = super().start_job(context)
                file.unlink() if later is None else file.write_text(later)
                return started

        task = Replaced(task_id="submit", order=file, wait_for_completion=True, deferrable=False)

        assert task.execute(context)["orderNumber"] == "O-1"

    def test_a_result_that_is_too_large_for_an_event_is_read_again(self, zuora, context):
        deferral = self.deferred(zuora, context)
        zuora.sandbox.advance(1000)
        deferral.trigger.not_before = 0
        event = event_of(deferral)
        event = {"status": "ended", "job_ids": pack_ids([event["results"][0]["job_id"]]), "states": "f"}

        assert make_waiting().execute_complete(context, event)["orderNumber"] == "O-1"

    def test_a_retry_waits_for_the_same_job(self, zuora, context):
        first, second = self.deferred(zuora, context), self.deferred(zuora, self.retry(context))

        assert first.trigger.job_id == second.trigger.job_id

    @pytest.mark.parametrize("deferrable", [True, False])
    def test_what_zuora_quotes_of_the_order_is_in_no_error_no_log_and_no_database(
        self, zuora, context, deferrable, caplog
    ):
        said = f"[40000020]: Card {CARD}, code 737, account 00123456, is not valid"
        zuora.sandbox.settings = replace(zuora.sandbox.settings, fail_jobs=said)
        order = json.loads(json.dumps(NEW_ACCOUNT))
        order["newAccount"]["creditCard"]["bankAccountNumber"] = "0012-3456"
        store = context["task_state_store"] = StateStore()
        task = render_fields(make_waiting(order=order, deferrable=deferrable))
        if deferrable:
            zuora.sandbox.settings = replace(zuora.sandbox.settings, job_seconds=1000)
            with pytest.raises(TaskDeferred) as deferral:
                task.execute(context)
            zuora.sandbox.advance(1000)
            deferral.value.trigger.not_before = 0
            event = event_of(deferral.value)
            assert CARD not in json.dumps(event)
            with pytest.raises(PermanentError) as caught:
                render_fields(make_waiting(order=order)).execute_complete(context, event)
        else:
            with pytest.raises(PermanentError) as caught:
                task.execute(context)
        texts = [str(caught.value), caplog.text, str(store.kept), str(context["ti"].xcoms)]

        assert "Card ***, code ***, account ***, is not valid" in texts[0]
        assert not any(word in text for word in (CARD, "code 737", "00123456") for text in texts)

    def test_a_timeout_is_retried(self, zuora, context):
        deferral = self.deferred(zuora, context)
        deferral.trigger.not_before = 0
        deferral.trigger.deadline = time.time()
        with pytest.raises(TransientError, match="A retry of this task waits for the same job"):
            make_waiting().execute_complete(context, event_of(deferral))

    def test_a_timeout_that_has_passed_by_the_first_look_is_retried(self, zuora, context):
        zuora.sandbox.settings = replace(zuora.sandbox.settings, job_seconds=1000)
        with pytest.raises(TransientError, match="has not ended in time: 0 s have passed"):
            make_waiting(timeout=1e-9).execute(context)

    @pytest.mark.parametrize("deferrable", [True, False])
    def test_a_lock_is_retried_and_the_retry_submits_again(self, zuora, context, deferrable):
        zuora.sandbox.settings = replace(zuora.sandbox.settings, fail_jobs="[40000050]: locked")
        with pytest.raises(LockContentionError, match="40000050"):
            make_waiting(deferrable=deferrable).execute(context)
        zuora.sandbox.settings = replace(zuora.sandbox.settings, fail_jobs="")

        context = self.retry(context)
        if deferrable:
            context["task"] = make_waiting(retries=1)
            with pytest.raises(TaskDeferred) as caught:
                context["task"].execute(context)
            rest, kwargs = caught.value.trigger.seconds, caught.value.kwargs
            event = {"status": "over", "seconds": rest}
            result = make_waiting().resume_execution("execute", {**kwargs, "event": event}, context)
        else:
            result = make_waiting(deferrable=False).execute(context)
            rest = max(zuora.naps)
        assert result["orderNumber"] == "O-1"
        assert rest > 59, "a minute's rest"

    def test_a_failed_job_is_noted_should_zuora_forget_it(self, zuora, context):
        store = StateStore()
        zuora.sandbox.settings = replace(zuora.sandbox.settings, fail_jobs="[40000050]: locked")
        with pytest.raises(LockContentionError):
            make_waiting().execute(context | {"task_state_store": store})
        zuora.sandbox.settings = replace(zuora.sandbox.settings, fail_jobs="", job_memory_seconds=0)

        operator(deferrable=False).execute(self.retry(context) | {"task_state_store": store})
        assert len(zuora.ledger()["orders"]) == 1

    def test_a_failure_for_good_is_not_retried(self, zuora, context):
        zuora.sandbox.settings = replace(zuora.sandbox.settings, fail_jobs="[40000020]: not effective")
        with pytest.raises(PermanentError, match="40000020"):
            make_waiting().execute(context)

    def test_a_pending_order_is_a_warning_or_a_failure(self, zuora, context, caplog):
        zuora.sandbox.settings = replace(zuora.sandbox.settings, order_status="Pending")
        assert make_waiting().execute(context)["status"] == "Pending"
        with pytest.raises(PermanentError, match="Pending, not Completed"):
            make_waiting(require_order_completed=True).execute(context)

    def test_an_event_that_is_not_ours_is_no_success(self, zuora, context):
        for event in (None, "success", {"status": "ended"}):
            with pytest.raises(PermanentError, match="not ours"):
                make_waiting().execute_complete(context, event)

    @pytest.mark.parametrize(
        "options",
        [
            {"timeout": 0},
            {"timeout": math.inf},
            {"timeout": timedelta.max},
            {"timeout": 1e15},
            {"timeout": True},
            {"timeout": -1},
            {"poll_interval": 0},
            {"poll_interval": math.nan},
        ],
    )
    def test_times_that_are_none(self, options):
        with pytest.raises(ValueError, match=rf"{next(iter(options))}: must be a number of seconds"):
            make_waiting(**options)

    @pytest.mark.parametrize(
        "name", ["wait_for_completion", "deferrable", "return_ids", "require_order_completed"]
    )
    def test_the_text_false_is_no_switch(self, name):
        with pytest.raises(ValueError, match=f"{name}: must be True or False, not 'False'"):
            operator(**{name: "False"})

    def test_execution_timeout_bounds_the_wait(self, zuora, context):
        deferral = self.deferred(zuora, context, execution_timeout=timedelta(seconds=50))

        assert deferral.trigger.deadline - time.time() <= 50


PREVIEW = {name: value for name, value in ORDER.items() if name != "orderNumber"} | {
    "previewOptions": {"previewThruType": "TermEnd", "previewTypes": ["BillingDocs"]}
}


class Choosy(Plug):
    """A vendor with an option of its own."""

    def list_violations(self, options):
        return () if options["empty"] == "as usual" else ("empty: must be as usual",)

    def read_result(self, job, options):
        assert job.has_ended
        return JobResult(job.job_id, job, skipped=f"there was nothing ({options['empty']})")


class EmptyHook(ZuoraHook):
    """A vendor to whom the end of a job may mean that there was nothing to do."""

    vendor = Choosy()


def test_a_subclass_says_by_names_how_its_job_is_started_and_the_vendor_what_its_end_means(zuora):
    class Start(BaseJobOperator):
        hook_class = EmptyHook
        job_method, job_options, result_options = "create_order", ("order",), ("empty",)
        zuora_conn_id, order, empty = "zuora_default", ORDER, "as usual"
        wait_for_completion = True

    context = {"ti": Instance(try_number=1, max_tries=0), "task": SimpleNamespace(retries=0)}
    with pytest.raises(AirflowSkipException, match=r"there was nothing \(as usual\)"):
        Start(task_id="start").execute(context)
    assert context["ti"].xcoms["job_id"] == zuora.ledger()["orders"][0]["jobId"]
    Start.empty = "otherwise"
    with pytest.raises(PermanentError, match=r"Nothing was sent\.\n.*empty: must be as usual"):
        Start(task_id="start").execute(context)
    assert len(zuora.posts()) == 1


def test_a_preview_is_waited_for_and_changes_nothing(zuora):
    context = {"ti": Instance(try_number=1, max_tries=0)}
    result = ZuoraPreviewOrderOperator(task_id="preview", order=PREVIEW).execute(context)

    assert len(result["invoices"]) == 1
    assert zuora.ledger()["orders"] == []
    assert {each["idempotencyKey"] for each in zuora.ledger()["recent"]} == {""}
