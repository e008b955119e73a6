"""A wait that Airflow ends itself, because no triggerer runs: a last poll, for each kind, and its error."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_zuora.core.polling.events import EVENT_SIZE
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraPreviewOrderOperator
from airflow_provider_zuora.sensors.elastic_path import ElasticPathJobSensor
from tests.airflow_context.test_receipts import Task, log, order, sensor, slow, submit
from tests.airflow_versions import IS_AIRFLOW_2, TRIGGER_FAILURE, TRIGGER_TIMEOUT
from tests.conftest import ORDER
from tests.core.run_tries import BILL_RUN, PAYMENT_RUN
from tests.hooks.test_elastic_path import FILTER, ROWS
from zuora_sandbox import QueryScript

__all__ = ["log", "slow"]  # fixtures

PREVIEW = {**ORDER, "previewOptions": {"previewTypes": ["BillingDocs"]}}
del PREVIEW["orderNumber"]
WAITS = {"wait_for_completion": True}
OPERATORS = {
    "order": lambda: ZuoraCreateOrderOperator(task_id="t", order=ORDER, **WAITS),
    "preview": lambda: ZuoraPreviewOrderOperator(task_id="t", order=PREVIEW),
    "data query": lambda: ZuoraDataQueryOperator(task_id="t", query="SELECT id FROM Account"),
    "bill run": lambda: ZuoraBillRunOperator(task_id="t", bill_run=BILL_RUN),
    "payment run": lambda: ZuoraPaymentRunOperator(task_id="t", payment_run=PAYMENT_RUN),
}
ASKS = (
    rf"no trigger has ended the wait in \d+ s, so Airflow did \({TRIGGER_TIMEOUT}\), .*"
    r"Is a triggerer running\? .*Last seen: it is "
)
each_kind = pytest.mark.parametrize("kind", OPERATORS)


def end_by_airflow(task, reason=TRIGGER_TIMEOUT, **more):
    """Go on as Airflow does that has ended the deferral: what the task gave to `defer` is gone."""
    return task.make().resume_execution("__fail__", {"error": reason, **more}, task.context)


@pytest.fixture
def served(billing):
    """A sandbox in which each kind of job takes its time."""
    times = {"job_seconds": 1e6, "query_queue_seconds": 0, "query_seconds": 1e6}
    billing.sandbox.settings = replace(billing.sandbox.settings, **times)
    billing.sandbox.add_script(QueryScript(rows=[{"id": "1"}]))
    return billing


def asked_for(served, since):
    """Return what was sent that is no sign-in."""
    rows = [f"{row['method']} {row['path']}" for row in served.sandbox.ledger()["recent"][since:]]
    return [row for row in rows if "/oauth/" not in row]


@each_kind
def test_a_job_that_has_completed_meanwhile_is_a_success_and_nothing_is_submitted(served, log, kind):
    task = Task(log, OPERATORS[kind])
    task.deferral()
    served.sandbox.advance(2e6)
    since = len(served.sandbox.ledger()["recent"])
    result = end_by_airflow(task)

    assert result
    assert {row.partition(" ")[0] for row in asked_for(served, since)} == {"GET"}
    assert task.receipt["state"] == "completed"
    assert (task.receipt["polls"], task.receipt["job_id"]) == (None, task.ti.xcoms["job_id"])
    assert "Is a triggerer running?" in log.read()


@each_kind
def test_a_job_that_still_runs_is_an_error_that_asks_for_the_triggerer(served, log, kind):
    task = Task(log, OPERATORS[kind])
    task.deferral()
    since = len(served.sandbox.ledger()["recent"])
    with pytest.raises(TransientError, match=ASKS) as error:
        end_by_airflow(task)

    assert "`airflow jobs check --job-type TriggererJob`" in str(error.value)
    cancels = {"PUT", "DELETE"} if kind == "data query" else set()
    methods = {row.partition(" ")[0] for row in asked_for(served, since)}
    assert methods - cancels == {"GET"}
    assert task.receipt["state"] == "timed_out"


@pytest.mark.parametrize(("seconds", "status"), [(0, "cancelled"), (2e6, "completed")])
def test_a_query_is_cancelled_only_if_it_still_runs(served, log, seconds, status):
    task = Task(log, OPERATORS["data query"])
    task.deferral()
    served.sandbox.advance(seconds)
    if seconds:
        assert end_by_airflow(task) == [{"id": "1"}]
    else:
        with pytest.raises(
            TransientError, match=r"and is cancelled; a retry runs the query again\. The wait:"
        ):
            end_by_airflow(task)
    assert ZuoraHook().get_job(task.ti.xcoms["job_id"]).status == status


def test_a_job_that_has_failed_meanwhile_fails_as_it_would(slow, log):
    slow.sandbox.settings = replace(slow.sandbox.settings, fail_jobs="[40000020]: No")
    task = order(log)
    task.deferral()
    slow.sandbox.advance(2e6)
    with pytest.raises(PermanentError, match="40000020") as error:
        end_by_airflow(task)

    assert error.value.codes == ("40000020",)
    assert (task.receipt["state"], task.receipt["codes"]) == ("failed", ["40000020"])


def test_a_retry_after_it_waits_for_the_same_job(slow, log):
    task = order(log)
    task.deferral()
    with pytest.raises(TransientError, match="A retry of this task waits for the same job"):
        end_by_airflow(task)
    first = task.ti.xcoms.pop("job_id")
    task.ti.try_number = 2
    log.clear()
    task.deferral()

    assert task.ti.xcoms["job_id"] == first


def test_what_the_order_must_be_is_still_checked(slow, log):
    task = order(log)
    task.deferral()
    task.ti.xcoms["wait"]["kwargs"]["expected"]["orderNumber"] = "O-2"
    slow.sandbox.advance(2e6)
    with pytest.raises(PermanentError, match="O-2"):
        end_by_airflow(task)


def test_the_seconds_are_those_since_the_submission(slow, log):
    task = order(log)
    task.deferral()
    task.ti.xcoms["wait"]["totals"]["started"] -= 4020
    with pytest.raises(TransientError, match=r"in 40\d\d s, so Airflow did"):
        end_by_airflow(task)
    assert task.receipt["seconds"] >= 4020
    assert task.receipt["track_id"].startswith("af-")


def test_the_posting_of_a_bill_run_is_polled_and_not_begun_again(served, log):
    task = Task(log, lambda: ZuoraBillRunOperator(task_id="t", bill_run=BILL_RUN, post=True))
    deferral = task.deferral()
    served.sandbox.advance(2e6)
    with pytest.raises(TaskDeferred):
        task.resume(deferral, task.fire(deferral))
    [run] = served.sandbox.state.bill_runs.runs.values()
    assert run.posts == 1
    served.sandbox.advance(2e6)

    assert end_by_airflow(task)["status"] == "Posted"
    assert run.posts == 1


class TestElasticPath:
    @pytest.fixture
    def shop(self, store):
        store.change(export_seconds=9000)
        store.sandbox.set_exportable(ROWS)
        return store

    @pytest.fixture
    def task(self, log):
        options = {"filter": FILTER, "output_path": "memory://exports/last.csv"}
        return Task(log, lambda: ElasticPathExportOrdersOperator(task_id="t", **options))

    def test_an_export_that_has_completed_meanwhile_is_fetched(self, shop, task):
        task.deferral()
        shop.sandbox.advance(9000)

        assert end_by_airflow(task)["bytes"] > 0
        assert len(shop.sandbox.ledger()["exports"]) == 1

    @pytest.mark.usefixtures("shop")
    def test_one_that_still_runs(self, log, task):
        task.deferral()
        with pytest.raises(TransientError, match=ASKS):
            end_by_airflow(task)
        job_id = task.ti.xcoms["job_id"]
        waits = Task(log, lambda: ElasticPathJobSensor(task_id="t", job_id=job_id))
        with pytest.raises(AirflowSensorTimeout, match=ASKS):
            end_by_airflow(waits)


class TestASensor:
    def test_of_one_job(self, slow, log):
        task = sensor(log, submit(log), timeout=900)
        task.deferral()
        with pytest.raises(AirflowSensorTimeout, match=ASKS) as error:
            end_by_airflow(task)
        assert "in 900 s, so" in str(error.value)
        log.clear()
        slow.sandbox.advance(2e6)

        assert end_by_airflow(task)["orderNumber"] == "O-1"
        assert task.lines, "a receipt"
        assert task.ti.xcoms["receipt"]["seconds"] is None, "nobody knows when the wait began"

    def test_of_a_list_of_all_kinds(self, served, log):
        job_ids = []
        for make in OPERATORS.values():
            task = Task(log, make)
            task.deferral()
            job_ids.append(task.ti.xcoms["job_id"])
            log.clear()
        task = sensor(log, job_ids)
        since = len(served.sandbox.ledger()["recent"])
        with pytest.raises(AirflowSensorTimeout, match=f"{len(job_ids)} timed out") as error:
            end_by_airflow(task)
        assert len(re.findall("Is a triggerer running", str(error.value))) == len(job_ids)
        assert len(asked_for(served, since)) == len(job_ids), "each is polled once"
        served.sandbox.advance(2e6)

        assert [each is not None for each in end_by_airflow(task)] == [True] * len(job_ids)

    def test_results_that_are_too_large_for_an_event_are_not_read_twice(self, zuora, log):
        job_ids = [submit(log, f"O-{number:090}") for number in range(150)]
        since = len(zuora.sandbox.ledger()["recent"])
        results = end_by_airflow(sensor(log, job_ids))

        assert len(results) == 150
        assert len(json.dumps(results)) > EVENT_SIZE
        assert len(asked_for(zuora, since)) == 150


@each_kind
def test_a_trigger_that_broke_is_retried(served, log, kind):
    task = Task(log, OPERATORS[kind])
    task.deferral()
    with pytest.raises(TransientError, match=f"The trigger that waited for .* broke: {TRIGGER_FAILURE}"):
        end_by_airflow(task, TRIGGER_FAILURE, traceback=["line 7", "Boom"])
    assert "Boom" in log.read()


@each_kind
def test_without_the_xcom_the_job_is_polled_all_the_same(served, log, kind):
    task = Task(log, OPERATORS[kind])
    task.deferral()
    del task.ti.xcoms["wait"]
    served.sandbox.advance(2e6)
    assert end_by_airflow(task)
    assert task.receipt["job_id"] == task.ti.xcoms["job_id"]


def test_where_no_job_is_known_airflows_own_error_is_raised(slow, log):
    task = order(log)
    task.deferral()
    task.ti.xcoms.clear()
    with pytest.raises(AirflowException, match=TRIGGER_TIMEOUT):
        end_by_airflow(task)


class TestADagThatIsTried:
    """`dag.test()` hands the event over and nothing else of what was given to `defer`."""

    def go_on(self, served, task):
        deferral = task.deferral()
        served.sandbox.advance(2e6)
        event = task.fire(deferral)
        return lambda: task.make().resume_execution("execute_complete", {"event": event}, task.context)

    @each_kind
    def test_each_kind_goes_on(self, served, log, kind):
        task = Task(log, OPERATORS[kind])
        assert self.go_on(served, task)()
        assert task.receipt["state"] == "completed"

    def test_what_the_order_must_be_is_checked(self, slow, log):
        task = order(log)
        go_on = self.go_on(slow, task)
        task.ti.xcoms["wait"]["kwargs"]["expected"]["orderNumber"] = "O-2"
        with pytest.raises(PermanentError, match="O-2"):
            go_on()


def test_the_xcom_is_small_and_holds_what_the_deferral_held(slow, log):
    task = order(log)
    deferral = task.deferral()
    kept = task.ti.xcoms["wait"]

    assert kept["kwargs"] == json.loads(json.dumps(deferral.kwargs))
    assert kept["job_ids"] == [task.ti.xcoms["job_id"]]
    assert len(json.dumps(kept)) < 500


@pytest.mark.skipif(not IS_AIRFLOW_2, reason="Airflow 3 has a name for it")
def test_these_are_the_words_of_airflow_2():
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.trigger import Trigger

    assert f'"{TRIGGER_TIMEOUT}"' in inspect.getsource(SchedulerJobRunner.check_trigger_timeouts)
    assert f'"{TRIGGER_FAILURE}"' in inspect.getsource(Trigger.submit_failure)
