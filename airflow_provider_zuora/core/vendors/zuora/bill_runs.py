"""Zuora's bill runs: how one is created, read, posted and cancelled.

Sources: developer.zuora.com, "Create a bill run", "Retrieve a bill run", "Post a bill run", "Cancel a bill
run"; Knowledge Center, "Bill run status types". A PUT without a body is answered 415, so each has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.vendors.base import JobKind, RepeatedSubmit
from airflow_provider_zuora.core.vendors.zuora.runs import read_run, read_run_id

PATH = "/v1/bill-runs"
_STATES: Mapping[str, JobState] = {
    **dict.fromkeys(("pending", "paused", "processing"), JobState.ACTIVE),
    **dict.fromkeys(("postinprogress", "cancelinprogress", "removeinprogress"), JobState.ACTIVE),
    **dict.fromkeys(("completed", "posted"), JobState.SUCCEEDED),
    **dict.fromkeys(("error", "canceled", "cancelled"), JobState.FAILED),
}
# Of a run that is to be posted: its invoices are drafts while it is Completed.
_STATES_OF_POST: Mapping[str, JobState] = {**_STATES, "completed": JobState.ACTIVE}


def _read_job(
    states: Mapping[str, JobState], job_id: str, body: Mapping[str, Any], info: ResponseInfo
) -> Job:
    """Return the run; one that Zuora posts by itself has not ended when it is Completed."""
    states = _STATES_OF_POST if body.get("autoPost") is True else states
    return read_run(job_id, body, info, states=states, number="billRunNumber")


def build_post_request(run_id: str, invoice_date: str | None) -> Request:
    """Return the request that posts a run; it has no Idempotency-Key, and is legal from Completed only."""
    body = {"invoiceDate": invoice_date} if invoice_date else {}
    return replace(Request.post_json(f"{_build_path(run_id)}/post", body), method="PUT")


def _build_path(run_id: str) -> str:
    return f"{PATH}/{quote(run_id, safe='')}"


def _build_cancel_request(run_id: str) -> Request:
    return replace(Request.post_json(f"{_build_path(run_id)}/cancel", {}), method="PUT")


BILL_RUN = JobKind(
    prefix="bill-run:",
    build_status_request=lambda run_id: Request("GET", _build_path(run_id)),
    states=_STATES,
    read_job=partial(_read_job, _STATES),
    read_result=lambda job, _: JobResult.of_job(job),
    build_submit_request=lambda document, _: Request.post_json(PATH, document),
    repeated_submit=RepeatedSubmit.KEYED,
    read_id=partial(read_run_id, "bill-run:"),
    build_cancel_request=_build_cancel_request,
)
BILL_RUN_POST = replace(
    BILL_RUN,
    prefix="bill-run-post:",
    states=_STATES_OF_POST,
    read_job=partial(_read_job, _STATES_OF_POST),
    build_submit_request=None,
    repeated_submit=RepeatedSubmit.NEITHER,
)
"""The posting of a bill run: the same run, but Completed is no end."""
