"""Orders on a real Airflow: one that is made, one that Zuora refuses, one whose triggerer dies."""

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


def orders_of(zuora, run):
    return [each for each in zuora.ledger()["orders"] if each["orderNumber"] == run.order_number]


def test_an_order_is_made_once_and_its_numbers_are_the_tasks_result(zuora, made):
    assert made.state == "success"
    assert made.tasks == {"submit": "success", "wait": "success", "report": "success"}
    [order] = orders_of(zuora, made)
    assert made.xcom("submit") == order["jobId"]
    assert made.xcom("wait")["orderNumber"] == made.order_number
    assert made.xcom("report") == made.order_number


def test_the_wait_is_in_the_triggerer(made):
    assert made.state == "success"
    assert len(made.triggers("wait")) == 1
    assert not made.triggers("submit")


def test_a_job_that_fails_fails_the_task_with_zuoras_words(refusing_zuora, refused):
    assert refused.state == "failed"
    assert refused.tasks == {"submit": "success", "wait": "failed", "report": "upstream_failed"}
    log = refused.logs_of("wait")["attempt=1.log"]
    [raised] = [line for line in log.splitlines() if '"error_detail"' in line]
    assert "40000020" in raised
    assert "Rate plan is not effective" in raised
    assert refusing_zuora.ledger()["orders"] == []


def test_a_wait_survives_the_death_of_its_triggerer(zuora, survivor):
    assert survivor.state == "success"
    assert len(survivor.triggers("wait")) == 2, "the second triggerer has to have taken the wait over"
    assert survivor.xcom("wait")["orderNumber"] == survivor.order_number
    assert len(orders_of(zuora, survivor)) == 1
