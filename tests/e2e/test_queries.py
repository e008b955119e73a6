"""What becomes of a query on a real Airflow when somebody ends its task, or the triggerer is replaced."""

import pytest

from demo.processes import wait_for
from tests.e2e.conftest import start

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


def find_status(zuora):
    [query] = [each for each in zuora.ledger()["queries"] if "Endless" in each["query"]]
    return query["queryStatus"]


def test_a_query_outlives_its_triggerer_and_is_cancelled_when_somebody_fails_its_task(airflow, zuora):
    zuora.ask("POST", "/sandbox/queries", {"contains": "Endless", "seconds": 3000})
    run = start(airflow, "endless_query")
    run.wait_deferred("query")
    airflow.kill("triggerer")
    airflow.start("triggerer")
    wait_for("the trigger to start again", lambda: len(run.triggers("query")) > 1, 120)
    assert find_status(zuora) in ("accepted", "in_progress")

    body = {"new_state": "failed"}
    airflow.api.call("PATCH", "dags", run.dag_id, "dagRuns", run.run_id, "taskInstances", "query", body=body)
    wait_for("the query to be cancelled", lambda: find_status(zuora) == "cancelled", 40)
    assert run.state == "failed"
