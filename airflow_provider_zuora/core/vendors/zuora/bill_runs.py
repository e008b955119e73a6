"""Zuora's bill runs: how one is created, read, counted, found by its name, posted and cancelled.

Sources: developer.zuora.com, "Create a bill run", "Retrieve a bill run", "Post a bill run", "Cancel a bill
run"; Knowledge Center, "Bill run status types". A PUT without a body is answered 415, so each has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.vendors.base import (
    JobKind,
    RepeatedSubmit,
    RunTotals,
    fold_status,
    read_status,
)
from airflow_provider_zuora.core.vendors.response_body import read_text
from airflow_provider_zuora.core.vendors.zuora.runs import read_count, read_run, read_run_facts, read_run_id

PATH, _LIST = "/v1/bill-runs", "/object-query/billing-runs"
_MOST = "99"  # runs of one page; more of one name is an answer to another question
# How far a run is that has not failed, beyond its state.
_WAITING, _COMPLETED, _POSTING, _POSTED = ("pending", "paused"), "completed", "postinprogress", "posted"
_STATES: Mapping[str, JobState] = {
    **dict.fromkeys((*_WAITING, "processing", _POSTING), JobState.ACTIVE),
    **dict.fromkeys(("cancelinprogress", "removeinprogress"), JobState.ACTIVE),
    **dict.fromkeys((_COMPLETED, _POSTED), JobState.SUCCEEDED),
    **dict.fromkeys(("error", "canceled", "cancelled"), JobState.FAILED),
}
# Of a run that is to be posted: its invoices are drafts while it is Completed.
_STATES_OF_POST: Mapping[str, JobState] = {**_STATES, _COMPLETED: JobState.ACTIVE}
_COUNTS = {
    "invoices": "numberOfInvoices",
    "credit_memos": "numberOfCreditMemos",
    "accounts": "numberOfAccounts",
}


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


def is_postable(job: Job) -> bool:
    """Return whether a run may be posted now."""
    return fold_status(job.status) == _COMPLETED


def is_posting(job: Job) -> bool:
    """Return whether a run is posted, or about to be: to post it again would be an error."""
    return fold_status(job.status) in (_POSTING, _POSTED)


def _build_totals_request(run_id: str) -> Request:
    return Request("GET", f"{_LIST}/{quote(run_id, safe='')}")


def _read_totals(job: Job, body: Mapping[str, Any]) -> RunTotals:
    """Return the counts and the error text of a run, which its own page does not have."""
    data = body.get("data")
    row = data if isinstance(data, dict) else body
    asked = job.job_id.partition(":")[2]
    if asked not in [read_text(row.get(name)) for name in ("id", "billingRunNumber", "billRunNumber")]:
        raise Unreadable(f"The counts of {job.job_id} are those of another run.", info=job.info)
    values = {name: read_count(row.get(theirs)) for name, theirs in _COUNTS.items()}
    if wrong := [
        theirs for name, theirs in _COUNTS.items() if values[name] is None and row.get(theirs) is not None
    ]:
        raise Unreadable(f"The counts of {job.job_id} cannot be read: {', '.join(wrong)}.", info=job.info)
    message = read_text(row.get("errorMessage")).strip()
    is_counted = any(count is not None for count in values.values())  # fields that are null may be left out
    is_of_now = is_counted and fold_status(read_text(row.get("status"))) == fold_status(job.status)
    return RunTotals(values, is_of_now, int(bool(message)), message, is_of_now)


def build_lookup_request(document: Mapping[str, Any]) -> Request:
    """Return the request that lists the runs of this name ("Object Query": filters are joined by AND)."""
    return Request("GET", _LIST, (("filter[]", f"name.EQ:{document['name']}"), ("pageSize", _MOST)))


def read_named_runs(body: Mapping[str, Any], name: str, info: ResponseInfo) -> list[tuple[str, JobState]]:
    """
    Return the job id and the state of each run that a list by name holds.

    :raises Unreadable: if it is no such list: that no run is in it says nothing then.
    """
    rows = body.get("data")
    is_list = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if not is_list or body.get("nextPage"):
        raise Unreadable("The answer is no list of the bill runs of one name.", info=info)
    found = []
    for row in rows or ():
        job_id, other = read_run_id(BILL_RUN.prefix, row), read_text(row.get("name"))
        if not job_id or other.strip().casefold() != name.strip().casefold():
            words = f"The list of bill runs by name holds another one, {redact_words(other, WORD_LENGTH)}."
            raise Unreadable(words, info=info)
        found.append((job_id, read_status(row.get("status"), _STATES)[0]))
    return found


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
    read_facts=partial(read_run_facts, "bill run", "billRunNumber"),
    build_submit_request=lambda document, _: Request.post_json(PATH, document),
    repeated_submit=RepeatedSubmit.KEYED,
    read_id=partial(read_run_id, "bill-run:"),
    build_cancel_request=_build_cancel_request,
    build_totals_request=_build_totals_request,
    read_totals=_read_totals,
    waiting=_WAITING,
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
