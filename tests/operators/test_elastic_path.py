"""Elastic Path's operator and sensor, executed as Airflow does, against a served sandbox."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import jinja2
import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred

from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.sensors.elastic_path import ElasticPathJobSensor
from airflow_provider_zuora.triggers.jobs import ElasticPathJobTrigger
from tests.hooks.test_elastic_path import FILTER, ROWS

EMPTY = "ge(created_at,2030-01-01)"


class Instance(SimpleNamespace):
    """A task instance that keeps its XComs."""

    def __init__(self):
        super().__init__(
            dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, max_tries=0, xcoms={}
        )

    def xcom_push(self, key, value):
        self.xcoms[key] = json.loads(json.dumps(value))


@pytest.fixture
def context():
    return {"ti": Instance(), "task": SimpleNamespace(retries=0), "ds": "2024-07-01"}


@pytest.fixture
def shop(store):
    store.sandbox.set_exportable(ROWS)
    return store


def export(filter_=FILTER, **options):
    return ElasticPathExportOrdersOperator(task_id="t", filter=filter_, **options)


def resume(task, context):
    """Return what a task returns that defers, and is resumed with what its trigger fires."""
    with pytest.raises(TaskDeferred) as deferral:
        task.execute(context)
    trigger = deferral.value.trigger
    assert isinstance(trigger, ElasticPathJobTrigger)
    path, arguments = trigger.serialize()
    assert path == "airflow_provider_zuora.triggers.jobs.ElasticPathJobTrigger"
    again = ElasticPathJobTrigger(
        **json.loads(json.dumps(arguments)) | {"not_before": 0.0, "poll_interval": 0.3}
    )
    event = asyncio.run(anext(again.run()))
    return task.execute_complete(context, json.loads(json.dumps(event.payload)))


def test_the_job_id_is_returned_and_the_filter_is_rendered(shop, context):
    task = export("ge(created_at,{{ ds }})")
    task.render_template_fields(context, jinja2.sandbox.SandboxedEnvironment())
    job_id = task.execute(context)

    [made] = shop.sandbox.ledger()["exports"]
    assert (made["jobId"], made["filter"]) == (job_id, "ge(created_at,2024-07-01)")


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_operator_waits(shop, context, deferrable):
    result = export(wait_for_completion=True, deferrable=deferrable).execute(context)

    assert context["ti"].xcoms["job_id"] == result["id"]
    assert (result["status"], result["job_type"]) == ("SUCCESS", "order_export")
    assert ElasticPathJobSensor(task_id="t", job_id=result["id"]).execute(context) == result


def test_both_are_deferred_with_the_same_trigger(shop, context):
    shop.change(export_seconds=1)
    result = resume(export(wait_for_completion=True), context)
    assert result["status"] == "SUCCESS"

    job_id = export().execute(context)
    assert resume(ElasticPathJobSensor(task_id="t", job_id=job_id), context)["id"] == job_id


def test_an_empty_export_fails_or_skips(shop, context):
    with pytest.raises(PermanentError, match="the export is empty"):
        export(EMPTY, wait_for_completion=True).execute(context)
    with pytest.raises(AirflowSkipException, match="the export is empty"):
        export(EMPTY, wait_for_completion=True, empty_export="skip").execute(context)
    job_id = export(EMPTY).execute(context)
    with pytest.raises(PermanentError, match="the export is empty"):
        ElasticPathJobSensor(task_id="t", job_id=job_id).execute(context)
    with pytest.raises(AirflowSkipException, match="the export is empty"):
        ElasticPathJobSensor(task_id="t", job_id=job_id, empty_export="skip").execute(context)


def test_another_word_is_refused_before_anything_is_asked(shop, context):
    wrong = [export(empty_export="ignore"), ElasticPathJobSensor(task_id="t", job_id="j", empty_export="no")]
    for task in wrong:
        with pytest.raises(PermanentError, match="empty_export: must be fail or skip, not"):
            task.execute(context)
    assert not shop.sandbox.ledger()["recent"]


def test_a_list_of_exports_is_one_wait(shop, context):
    ids = [export().execute(context), export().execute(context)]
    results = ElasticPathJobSensor(task_id="t", job_id=ids).execute(context)

    assert [each["id"] for each in results] == ids


def test_an_export_that_failed_is_no_success_and_not_retried(shop, context):
    shop.change(fail_exports="Boom")
    with pytest.raises(PermanentError, match="Boom"):
        export(wait_for_completion=True).execute(context)


def test_a_time_out_says_what_a_retry_does(shop, context):
    shop.change(export_seconds=1e6)
    with pytest.raises(TransientError, match="has not ended"):
        export(wait_for_completion=True, deferrable=False, timeout=0.1, poll_interval=0.2).execute(context)
