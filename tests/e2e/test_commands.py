"""What a user asks of Airflow's command line about this provider is answered."""

import json

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


def test_airflow_knows_the_provider(airflow):
    assert "airflow-provider-zuora" in airflow.cli("providers", "get", "airflow-provider-zuora")
    hooks = json.loads(airflow.cli("providers", "hooks", "--output", "json"))
    [zuora] = [each for each in hooks if each["connection_type"] == "zuora"]
    assert zuora["class"] == "airflow_provider_zuora.hooks.zuora.ZuoraHook"


def test_a_dag_can_be_tried_without_a_triggerer(airflow, zuora):
    """
    `airflow dags test` runs triggers inside of itself, where connections are found in another way.

    The DAG stays paused: a scheduler would take the tried run's tasks for its own.
    """
    before = len(zuora.ledger()["orders"])
    airflow.cli("dags", "test", "tried")
    assert len(zuora.ledger()["orders"]) == before + 1


def test_the_connection_can_be_tested(airflow, zuora):
    before = zuora.ledger()["signIns"]
    assert "success" in airflow.cli("connections", "test", "zuora_default").lower()
    assert zuora.ledger()["signIns"] > before
