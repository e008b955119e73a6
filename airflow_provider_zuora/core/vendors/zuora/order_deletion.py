"""The deletion of an order: a request, and a job that has ended when Zuora knows the order no more.

Sources: developer.zuora.com, "Delete an order asynchronously" and "Retrieve an order". What becomes of the
job that the deletion names, and where it could be read, is documented nowhere: so the order itself is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.job import ORDER, Job, JobResult, JobState
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.receipt import JobFacts
from airflow_provider_zuora.core.vendors.base import JobKind, fold_status
from airflow_provider_zuora.core.vendors.zuora.order_page import NUMBERED_ORDER, build_order_request

PREFIX = "order-deletion:"
_DELETIONS = "/v1/async/orders/"
_THERE, _GONE = "still there", "gone"  # our words: an order that is deleted has no status of its own


def build_deletion_request(number: str) -> Request:
    """Return the DELETE of an order; it has no Idempotency-Key, which is for POST and PATCH alone."""
    return Request("DELETE", _DELETIONS + quote(number, safe=""))


def _read_job(job_id: str, body: Mapping[str, Any], info: ResponseInfo) -> Job:
    """Return the deletion of an order that is still there; a page of another order is `Unreadable`."""
    NUMBERED_ORDER.read_job(ORDER + job_id.removeprefix(PREFIX), body, info)
    return Job(job_id, JobState.ACTIVE, _THERE, info=info)


def _read_absence(job_id: str, info: ResponseInfo | None) -> Job:
    result = {"orderNumber": job_id.removeprefix(PREFIX), "success": True}
    return Job(job_id, JobState.SUCCEEDED, _GONE, result, info=info)


def _read_facts(job: Job) -> JobFacts:
    return JobFacts("order deletion", {"order_number": job.job_id.removeprefix(PREFIX)})


ORDER_DELETION = JobKind(
    prefix=PREFIX,
    build_status_request=build_order_request,
    states={fold_status(_THERE): JobState.ACTIVE, _GONE: JobState.SUCCEEDED},
    read_job=_read_job,
    read_result=lambda job, _: JobResult.of_job(job),
    read_facts=_read_facts,
    read_absence=_read_absence,
)
