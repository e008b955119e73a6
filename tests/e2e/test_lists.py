"""Lists on a real Airflow: the bulk example, and a list whose every job fails."""

import pytest

from tests.e2e.conftest import start

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def runs(airflow):
    """Both runs, which share their waiting time."""
    return start(airflow, "zuora_orders_in_bulk"), start(airflow, "refused_list")


def test_the_bulk_example_waits_for_all_its_orders_in_one_trigger(zuora, runs):
    run = runs[0]
    assert run.state == "success"
    assert set(run.tasks.values()) == {"success"}
    made = {each["orderNumber"]: each["jobId"] for each in zuora.ledger()["orders"]}
    numbers = run.xcom("report")
    assert numbers == [f"{run.dag_id}-{run.run_id}-{number}" for number in range(1, 51)]
    assert [made[number] for number in numbers] == run.xcom("submit")
    assert len(run.triggers("wait")) == 1
    assert run.xcom("wait", "job_results") is None


def test_what_became_of_each_is_told_where_the_wait_fails(runs):
    run = runs[1]
    assert run.state == "failed"
    assert run.tasks == {"submit": "success", "wait": "failed"}
    results = run.xcom("wait", "job_results")
    assert [each["job_id"] for each in results] == run.xcom("submit")
    assert [each["state"] for each in results] == ["failed"] * 3
    assert all("[40000020]" in each["error"] for each in results)
    assert "3 of 3 jobs have no result (3 failed)." in run.logs_of("wait")["attempt=1.log"]
