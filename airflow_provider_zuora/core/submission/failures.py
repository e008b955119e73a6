"""The words of a submission that goes no further: errors, and the question to a person; no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, OutcomeUnknown
from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.core.times import write_minute, write_second

EQUAL = "order: this task has submitted an equal one; give each an orderNumber, or an idempotency_key"
_HOW_TO_PROCEED = {
    "alone": (
        "2. It is there: pass its job id, or order:<orderNumber>, as adopt_job_id, and clear the task.\n"
        "3. It is not: pass another idempotency_key that ends in the time, such as again-{now}, and clear "
        "the task within 23 hours."
    ),
    "list": (
        "2. It is there: take it out of the list, and clear the task.\n"
        "3. It is not: take it out of the list too, and submit it in another task."
    ),
    # Only their count tells equal orders apart, so none may be taken out without the others.
    "equals": (
        "2. Count how many of the equal orders of the list are there.\n"
        "3. Take all of them out of the list, and clear the task; submit those that are missing in another "
        "task."
    ),
}


def write_question(
    record: SubmissionRecord, document: Mapping[str, Any], title: str, why: str, now: float, *, place: str
) -> str:
    """
    Return what a person has to look for, and how to proceed.

    :param title: the vendor's name.
    :param why: it is unknown.
    :param now: seconds since 1970.
    :param place: of the order, as in `Submission`.
    """
    number = document.get("orderNumber")
    order = f"order {number}" if number else "an order"
    new = document.get("newAccount") or {}
    names = (document.get(name) for name in ("existingAccountNumber", "existingAccountId"))
    account = next((name for name in names if name), new.get("name"))
    no_number = "" if number else ", and it has no orderNumber to look it up by"
    posts = "not sent by this try"
    if record.track_ids:
        posts = f"first sent {write_second(record.first_post)}, Track-Ids {', '.join(record.track_ids)}"
    return (
        f"Whether this order exists is unknown: {why}{no_number}. It was not sent again, that could make it "
        f"twice.\nKey {record.key}, {posts}.\n"
        f"1. Look in {title} for {order} of account {account}, dated {document['orderDate']}, made since "
        f"then (give it some minutes).\n{_HOW_TO_PROCEED[place].format(now=write_minute(now))} "
        "More: docs/exactly-once.md"
    )


def build_shared_job_error(job_id: str) -> OutcomeUnknown:
    """Return the error of a job that a try has been given for two orders."""
    return OutcomeUnknown(
        f"Job {job_id} was returned for two orders of this task that differ, so one of them was not "
        "submitted. Look in Zuora for which of them the job has made; give each an orderNumber, or an own "
        "idempotency_key."
    )


def reword_error(error: ApiError, words: str, kind: type[ApiError] | None = None) -> ApiError:
    """Return an error of the same answer in other words, or of another kind."""
    reworded = (kind or type(error))(words, transient=error.transient, attempts=error.attempts)
    reworded.info = error.info
    return reworded
