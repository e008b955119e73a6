"""Lists of 2,000 on MySQL's terms: its columns hold 65,535 bytes where PostgreSQL's hold what they get."""

import pytest

from tests.e2e.conftest import start
from tests.mysql.conftest import WORDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

COUNT = 2000


@pytest.fixture(scope="module")
def runs(airflow):
    return {dag_id: start(airflow, dag_id) for dag_id in ("made", "failed")}


def test_a_trigger_of_2000_jobs_fits_into_a_text_column(database, runs):
    """Asked while they wait: a row is deleted once its trigger has fired."""
    for run in runs.values():
        run.wait_deferred("wait")
    rows = database.ask("SELECT LENGTH(kwargs) FROM airflow.`trigger`")

    assert len(rows) == 2
    assert all(40_000 < int(size) <= 65_535 for size in rows)


def test_2000_orders_are_made_and_their_results_are_the_sensors(zuora, runs):
    run = runs["made"]

    assert run.state == "success"
    made = {each["jobId"]: each["orderNumber"] for each in zuora.ledger()["orders"]}
    assert len(made) == COUNT
    assert [made[job_id] for job_id in run.xcom("submit")] == [f"made-{number}" for number in range(COUNT)]
    waited = run.xcom("wait")
    assert [each["orderNumber"] for each in waited] == [f"made-{number}" for number in range(COUNT)]


def test_of_2000_jobs_that_fail_each_is_told_in_zuoras_words(runs):
    run = runs["failed"]

    assert run.state == "failed"
    assert run.tasks == {"submit": "success", "wait": "failed"}
    results = run.xcom("wait", "job_results")
    assert [each["job_id"] for each in results] == run.xcom("submit")
    assert [each["error"] for each in results if WORDS not in each["error"]] == []


def test_nothing_of_ours_was_too_long_for_a_column(airflow, runs):
    assert {run.state for run in runs.values()} == {"success", "failed"}
    said = airflow.logs()

    assert "Data too long" not in said
    assert "Incorrect string value" not in said
