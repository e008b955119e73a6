"""A real Airflow whose triggerer does not run: it ends the waits itself, and each gets a last poll."""

import sqlite3
from contextlib import closing

import pytest

from demo.sandbox import ServedSandbox
from tests.e2e.conftest import start

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

WAITS = ("create", "wait")


@pytest.fixture(scope="module")
def slow_zuora(place):
    with ServedSandbox(place / "untriggered.log", "--job-seconds", "1000000") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def untriggered(airflow, slow_zuora):
    """Return an Airflow without a triggerer."""
    airflow.cli(*slow_zuora.connection("zuora_untriggered"))
    airflow.kill("triggerer")
    yield airflow
    airflow.start("triggerer")


def wait_deferred(run):
    for task_id in WAITS:
        run.stack.wait_parked(run.dag_id, run.run_id, task_id)


def let_time_out(run):
    """Let the trigger timeouts of a run, which are an hour and more, have passed."""
    change = "UPDATE task_instance SET trigger_timeout = ? WHERE dag_id = ? AND run_id = ?"
    file = run.stack.home / "airflow.db"
    with closing(sqlite3.connect(file, timeout=90)) as database, database:
        database.execute(change, ("2026-01-01 00:00:00.000000", run.dag_id, run.run_id))


def logged(run, task_id):
    return "".join(run.logs_of(task_id).values())


def test_jobs_that_still_run_are_errors_that_ask_for_the_triggerer(untriggered, slow_zuora):
    run = start(untriggered, "untriggered")
    wait_deferred(run)
    let_time_out(run)

    assert run.state == "failed"
    for task_id in WAITS:
        log = logged(run, task_id)
        assert "so Airflow did (Trigger timeout), and a worker has polled once more" in log
        assert "Is a triggerer running? `airflow jobs check --job-type TriggererJob` tells" in log
        assert "Last seen: it is Processing" in log
        assert run.xcom(task_id, "receipt")["state"] == "timed_out"
    assert untriggered.api.health()["triggerer"] != "healthy"
    assert slow_zuora.ledger()["orders"] == []


def test_jobs_that_have_completed_meanwhile_are_successes(untriggered, slow_zuora):
    run = start(untriggered, "untriggered")
    wait_deferred(run)
    slow_zuora.ask("POST", "/sandbox/clock", {"advance": 2_000_000})
    let_time_out(run)

    assert run.state == "success"
    assert run.xcom("create")["orderNumber"] == f"{run.order_number}-0"
    assert [each["orderNumber"] for each in run.xcom("wait")] == [f"{run.order_number}-{n}" for n in (1, 2)]
    for task_id in WAITS:
        assert "Is a triggerer running?" in logged(run, task_id)
        assert run.xcom(task_id, "receipt")["state"] == "completed"
    numbers = [each["orderNumber"] for each in slow_zuora.ledger()["orders"]]
    assert sorted(number for number in numbers if run.run_id in number) == sorted(
        f"{run.order_number}-{number}" for number in range(3)
    ), "each once"
