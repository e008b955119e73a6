"""An order that was found by its number stands for its job."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.errors import NotFound, Unreadable
from airflow_provider_zuora.core.jobs import JobState, Vendor
from airflow_provider_zuora.core.vendors.zuora import Zuora as Plug
from tests.core.carriers import Script, answer
from tests.core.tries import NUMBERED, Zuora, submit


def test_an_order_reads_as_a_job_that_has_completed():
    zuora = Zuora()
    submit(zuora, None, Try(), NUMBERED).run()
    job = zuora.run(zuora.client().job("order:O-1"))

    assert (job.state, job.status) == (JobState.SUCCEEDED, "Completed")
    assert job.outcome() == {
        "orderNumber": "O-1",
        "accountNumber": "A00000097",
        "status": "Completed",
        "subscriptions": [],
        "success": True,
    }


def test_an_order_that_is_not_there_is_an_error():
    zuora = Zuora()
    with pytest.raises(NotFound):
        zuora.run(zuora.client().job("order:O-1"))


@pytest.mark.parametrize(
    "body", [{"success": True}, {"success": True, "order": {}}, {"success": True, "order": 1}]
)
def test_an_answer_without_an_order_is_none(body):
    script = Script([answer(200, body)])
    with pytest.raises(Unreadable, match="holds no order"):
        script.run(script.client().job("order:O-1"))


def test_a_number_is_escaped():
    assert Plug().status("order:A B/../C").path == "/v1/orders/A%20B%2F..%2FC"
    assert Plug().status("order:").path == "/v1/async-jobs/order%3A"


def test_another_vendor_has_no_orders_by_number():
    for call in (
        lambda: Vendor.order(Plug(), "O-1"),
        lambda: Vendor.account(Plug(), {}, {}),
        lambda: Vendor.difference(Plug(), {}, {}, {}),
    ):
        with pytest.raises(NotImplementedError, match="no orders by number"):
            call()
