"""The button from a task to the vendor's page: Airflow finds the address that the task has left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import XCom

from airflow_provider_zuora.get_provider_info import get_provider_info
from airflow_provider_zuora.links import ElasticPathLink, ZuoraLink
from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.operators.order_deletion import ZuoraDeleteOrderOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator
from airflow_provider_zuora.operators.reconcile import ZuoraReconcileOrdersOperator
from airflow_provider_zuora.sensors.elastic_path import ElasticPathJobSensor
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from tests.conftest import ORDER
from tests.operators.test_signatures import OPERATORS, SENSORS

KEY = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=3)


WITHOUT_A_PAGE = (ZuoraDeleteOrderOperator, ZuoraReconcileOrdersOperator)
"""What they leave is no order."""


def test_airflow_is_told_of_both_links():
    names = get_provider_info()["extra-links"]
    assert names == [f"{kind.__module__}.{kind.__qualname__}" for kind in (ZuoraLink, ElasticPathLink)]


@pytest.mark.parametrize("kind", [kind for kind in OPERATORS + SENSORS if kind not in WITHOUT_A_PAGE])
def test_each_task_has_the_button_of_its_vendor(kind):
    expected = (
        ElasticPathLink if kind in (ElasticPathExportOrdersOperator, ElasticPathJobSensor) else ZuoraLink
    )
    assert [type(link) for link in kind.operator_extra_links] == [expected]
    assert expected().name in ("Open Zuora", "Open Commerce Manager")


def test_the_worker_stores_what_the_task_has_found():
    task = ZuoraCreateOrderOperator(task_id="t", order=ORDER)
    task.page_url = "https://a/1"
    assert ZuoraLink().get_link(task, ti_key=KEY) == "https://a/1"


@pytest.mark.parametrize(("stored", "found"), [("https://a/1", "https://a/1"), (None, "")])
def test_a_process_that_found_none_keeps_what_an_earlier_one_has_left(monkeypatch, stored, found):
    asked = []
    monkeypatch.setattr(XCom, "get_value", lambda **which: asked.append(which) or stored)
    task = ZuoraJobSensor(task_id="t", job_id="j")

    assert ZuoraLink().get_link(task, ti_key=KEY) == found
    assert asked == [{"ti_key": KEY, "key": "page_url"}]
