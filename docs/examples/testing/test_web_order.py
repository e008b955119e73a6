"""What the DAG web_order does when Zuora accepts, fails, refuses, and does not answer."""

import pytest
from dags.web_order import dag

from airflow_provider_zuora.hooks.zuora import ZuoraHook

pytestmark = pytest.mark.usefixtures("airflow_database")


def test_the_order_is_made(zuora_sandbox):
    run = dag.test(run_conf={"number": "WEB-1"})

    assert run.state == "success"
    [order] = zuora_sandbox.orders
    assert (order.order_number, order.account_number) == ("WEB-1", "A00000097")
    assert order.body["orderLineItems"][0]["amountPerUnit"] == 250


def test_a_job_that_fails_fails_the_task(zuora_sandbox):
    zuora_sandbox.fail(order_number="WEB-2", errors="[40000020]: The item is not effective.")
    run = dag.test(run_conf={"number": "WEB-2"})

    assert run.state == "failed"
    assert zuora_sandbox.orders == []


def test_a_refused_order_is_submitted_once(zuora_sandbox):
    zuora_sandbox.refuse(order_number="WEB-3", message="The account A00000097 is not active.")
    run = dag.test(run_conf={"number": "WEB-3"})

    assert run.state == "failed"
    submits = [each for each in zuora_sandbox.requests if each.path == "/v1/async/orders"]
    assert [(each.order_number, each.status) for each in submits] == [("WEB-3", 400)]


def test_a_lost_answer_makes_no_second_order(zuora_sandbox):
    zuora_sandbox.lose_answer(order_number="WEB-4")
    run = dag.test(run_conf={"number": "WEB-4"})

    assert run.state == "success"
    assert [each.order_number for each in zuora_sandbox.orders] == ["WEB-4"]
    submits = [each for each in zuora_sandbox.requests if each.path == "/v1/async/orders"]
    assert len(submits) == 2
    assert submits[0].idempotency_key == submits[1].idempotency_key


def test_a_job_of_an_hour(zuora_sandbox):
    zuora_sandbox.delay(order_number="WEB-5", seconds=3600)
    item = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
    order = {"orderNumber": "WEB-5", "existingAccountNumber": "A00000097", "orderDate": "2026-01-01"}
    hook = ZuoraHook("zuora_default")
    job_id = hook.create_order(order | {"orderLineItems": [item]}, idempotency_key="test")

    assert not hook.get_job(job_id).has_ended
    zuora_sandbox.advance(3600)
    assert hook.wait_for_job(job_id).result["orderNumber"] == "WEB-5"
