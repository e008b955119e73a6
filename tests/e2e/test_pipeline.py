"""The pipeline from Elastic Path to Zuora on a real Airflow: a day's orders, and the same day once more."""

import pytest

from demo.pipeline import CHANGED, DAG_ID, ORDERS, Pipeline, make_rows
from tests.e2e.conftest import Run

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(500)]


@pytest.fixture(scope="module")
def pipeline(airflow, zuora):
    return Pipeline(airflow, zuora)


@pytest.fixture(scope="module")
def first(airflow, pipeline):
    run = Run(airflow, DAG_ID, pipeline.start_first_run())
    assert run.state == "success"
    return run


def test_the_days_orders_are_carried_over(pipeline, first):
    assert list(pipeline.check_first_run(first.run_id)) == []
    assert len(pipeline.list_made()) == ORDERS


def test_another_run_for_the_same_day_makes_nothing_twice_and_reports_what_has_changed(
    airflow, pipeline, first
):
    again = Run(airflow, DAG_ID, pipeline.start_second_run())

    assert again.state == "failed"  # a refused order must not look well
    assert again.run_id != first.run_id
    assert list(pipeline.check_second_run(again.run_id, ORDERS)) == []
    assert again.tasks["wait"] == "success"
    said = again.logs_of("report")["attempt=1.log"]
    assert f"Elastic Path order {make_rows(pipeline.day)[CHANGED]['id']}" in said
    assert "quantity is 3, this one's is 50" in said
