"""A misspelt parameter, or another provider's word for one of ours, is answered with ours."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator
from airflow_provider_zuora.sensors.elastic_path import ElasticPathJobSensor
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from tests.conftest import ORDER

CLASSES = {
    ZuoraCreateOrderOperator: {"order": ORDER},
    ElasticPathExportOrdersOperator: {"filter": "x"},
    ZuoraJobSensor: {"job_id": "j"},
    ElasticPathJobSensor: {"job_id": "j"},
}


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        (ZuoraCreateOrderOperator, "conn_id", "zuora_conn_id"),
        (ElasticPathExportOrdersOperator, "conn_id", "elastic_path_conn_id"),
        (ZuoraCreateOrderOperator, "wait_for_termination", "wait_for_completion"),
        (ZuoraCreateOrderOperator, "poke_interval", "poll_interval"),
        (ZuoraCreateOrderOperator, "polling_period_seconds", "poll_interval"),
        (ZuoraCreateOrderOperator, "check_interval", "poll_interval"),
        (ZuoraCreateOrderOperator, "idempotency_keys", "idempotency_key"),
        (ZuoraJobSensor, "conn_id", "zuora_conn_id"),
        (ZuoraJobSensor, "poll_interval", "poke_interval"),
        (ZuoraJobSensor, "polling_period_seconds", "poke_interval"),
        (ZuoraJobSensor, "require_order_complete", "require_order_completed"),
        (ElasticPathJobSensor, "conn_id", "elastic_path_conn_id"),
        (ElasticPathJobSensor, "emtpy_export", "empty_export"),
        (ElasticPathJobSensor, "retires", "retries"),
    ],
)
def test_the_parameter_that_is_meant_is_named(kind, given, meant):
    with pytest.raises(
        TypeError, match=f"{kind.__name__} has no parameter '{given}'; did you mean '{meant}'"
    ):
        kind(task_id="t", **CLASSES[kind], **{given: 1})


@pytest.mark.parametrize("kind", CLASSES)
def test_what_reads_like_nothing_of_ours_is_refused_by_airflow(kind):
    with pytest.raises((TypeError, AirflowException), match="xyzzy"):
        kind(task_id="t", **CLASSES[kind], xyzzy=1)


@pytest.mark.parametrize("kind", CLASSES)
def test_what_airflow_takes_is_taken(kind):
    assert kind(task_id="t", **CLASSES[kind], retries=3, pool="p").retries == 3
