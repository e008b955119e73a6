"""How many worker processes an order takes on a real Airflow, from its submission to its result."""

import pytest

from tests.e2e.conftest import start

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

TAKES = {
    "two_tasks": {"submit": 1, "wait": 2},
    "one_task": {"submit": 2},
    "ended": {"submit": 1, "wait": 1},
    "started": {"submit": 1, "wait": 1},
    "unattended": {"submit": 1},
}


@pytest.fixture(scope="module")
def runs(airflow):
    """All runs, which share their waiting time."""
    return {name: start(airflow, name) for name in (*TAKES, "unattended_list", "unattended_refused")}


@pytest.mark.parametrize("name", list(TAKES))
def test_an_order_takes_so_many_worker_processes_and_the_next_task_gets_a_dict(zuora, runs, name):
    run = runs[name]

    assert run.state == "success"
    number = f"O-{run.run_id}-{name}"
    assert run.xcom("report") == ["dict", number]
    taken = run.worker_processes
    assert taken.pop("report") == 1
    assert taken == TAKES[name]
    assert [each["orderNumber"] for each in zuora.ledger()["orders"]].count(number) == 1


def test_a_list_needs_no_more_and_the_next_task_gets_a_list(runs):
    run = runs["unattended_list"]

    assert run.state == "success"
    assert run.xcom("report") == ["list", "-a", "-b"]
    assert run.worker_processes == {"submit": 1, "report": 1}


def test_where_a_dag_is_tried_a_worker_does_it_all(airflow, zuora):
    """The DAG stays paused: a scheduler would take the tried run's tasks for its own."""
    before = len(zuora.ledger()["orders"])
    printed = airflow.cli("dags", "test", "tried_unattended")

    assert len(zuora.ledger()["orders"]) == before + 1
    assert "'dict'" in printed or "state=success" in printed


def test_a_refused_order_is_red_and_says_why_where_no_worker_had_begun_the_task(runs):
    run = runs["unattended_refused"]

    assert run.state == "failed"
    assert run.tasks == {"submit": "success", "wait": "failed", "report": "upstream_failed"}
    assert run.worker_processes == {"submit": 1, "wait": 1}
    log = run.logs_of("wait")["attempt=1.log"]
    [raised] = [line for line in log.splitlines() if '"error_detail"' in line]
    assert "Rate plan is not effective" in raised
    assert run.xcom("wait") is None
