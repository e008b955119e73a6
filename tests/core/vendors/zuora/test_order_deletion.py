"""The deletion of an order as a kind of job: still there, or gone; and what is no answer about that order."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.vendors.zuora.order_deletion import ORDER_DELETION, build_deletion_request
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora

JOB = "order-deletion:O/1"


def page(number="O/1", status="Completed"):
    return {"success": True, "order": {"orderNumber": number, "status": status}}


def read(body):
    return Zuora().find_kind(JOB).read_job(JOB, body, ResponseInfo("GET /v1/orders/O%2F1"))


def test_the_number_is_quoted_in_both_requests():
    assert str(build_deletion_request("O/1")) == "DELETE /v1/async/orders/O%2F1"
    assert str(Zuora().build_status_request(JOB)) == "GET /v1/orders/O%2F1"


@pytest.mark.parametrize("status", ["Completed", "Draft", "Cancelled", "Failed", "Unheard Of", None])
def test_an_order_that_is_there_is_waited_for_whatever_its_status_is(status):
    job = read(page(status=status))
    assert (job.job_id, job.state, job.status) == (JOB, JobState.ACTIVE, "still there")
    assert Zuora().describe(job) == "it is still there"


@pytest.mark.parametrize("body", [{}, {"order": None}, page(number="O-2"), page(number="")])
def test_a_page_of_another_order_or_of_none_says_nothing(body):
    with pytest.raises(Unreadable):
        read(body)


def test_an_order_that_is_gone_has_its_number_as_a_result_and_for_the_receipt():
    assert ORDER_DELETION.read_absence is not None
    job = ORDER_DELETION.read_absence(JOB, None)
    assert (job.state, job.status) == (JobState.SUCCEEDED, "gone")
    assert job.result == {"orderNumber": "O/1", "success": True}
    facts = Zuora().read_facts(job)
    assert (facts.kind, facts.values) == ("order deletion", {"order_number": "O/1"})
