"""What Airflow's configuration must not hold is found before a job is started."""

import pytest

from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from tests.airflow_context.test_last_poll import OPERATORS, asked_for, each_kind, served
from tests.airflow_context.test_receipts import Task, log, order
from tests.hooks.test_elastic_path import FILTER

__all__ = ["log", "served"]  # fixtures


@pytest.fixture
def no_interval(monkeypatch):
    monkeypatch.setenv("AIRFLOW__ZUORA__POLL_INTERVAL", "30 s")


@pytest.mark.usefixtures("no_interval")
@pytest.mark.parametrize("deferrable", [True, False])
@each_kind
def test_an_interval_that_is_none_is_refused_before_anything_is_sent(served, log, kind, deferrable):
    def make():
        operator = OPERATORS[kind]()
        operator.deferrable = deferrable
        return operator

    task = Task(log, make)
    with pytest.raises(PermanentError, match=r"\[zuora\] poll_interval: must be a number of seconds above 0"):
        task.make().execute(task.context)
    assert asked_for(served, 0) == []
    assert "job_id" not in task.ti.xcoms


@pytest.mark.usefixtures("no_interval")
def test_an_export_is_not_begun(store, log, tmp_path):
    options = {"filter": FILTER, "output_path": str(tmp_path / "a.csv")}
    task = Task(log, lambda: ElasticPathExportOrdersOperator(task_id="t", **options))
    with pytest.raises(PermanentError, match=r"\[zuora\] poll_interval"):
        task.make().execute(task.context)
    assert store.sandbox.ledger()["exports"] == []


@pytest.mark.usefixtures("no_interval")
def test_a_task_that_does_not_wait_needs_none(zuora, log):
    task = order(log, wait_for_completion=False)
    assert task.make().execute(task.context)
