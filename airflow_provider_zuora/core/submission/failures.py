"""The words of a submission that goes no further: errors, and the question to a person; no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.errors import (
    ApiError,
    LockContention,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TurnedAway,
    Unreadable,
)
from airflow_provider_zuora.core.submission.authority import Heard
from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.core.times import write_minute, write_second

EQUAL = "order: this task has submitted an equal one; give each an orderNumber, or an idempotency_key"
_HOW_TO_PROCEED = {
    "list": (
        "2. It is there: take it out of the list, and clear the task.\n"
        "3. It is not: take it out of the list too, and submit it in another task."
    ),
    # Which of them is which tells their count alone, so that none may be taken out without the others.
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
    :param why: nobody knows.
    :param now: seconds since 1970.
    :param place: ``alone``; ``list`` if it is one of a list; ``equals`` if that holds equal ones.
    """
    number = document.get("orderNumber")
    order = f"order {number}" if number else "an order"
    new = document.get("newAccount") or {}
    names = (document.get(name) for name in ("existingAccountNumber", "existingAccountId"))
    account = next((name for name in names if name), new.get("name"))
    no_number = "" if number else ", and it has no orderNumber to look it up by"
    return (
        f"Whether this order exists is unknown: {why}{no_number}. It was not sent again, that could make it "
        f"twice.\nKey {record.key}, {_describe_posts(record)}.\n"
        f"1. Look in {title} for {order} of account {account}, dated {document['orderDate']}, made since "
        f"then (give it some minutes).\n{_HOW_TO_PROCEED.get(place) or _proceed_alone(now)} "
        "More: docs/exactly-once.md"
    )


def _describe_posts(record: SubmissionRecord) -> str:
    if not record.track_ids:
        return "not sent by this try"
    return f"first sent {write_second(record.first_post)}, Track-Ids {', '.join(record.track_ids)}"


def _proceed_alone(now: float) -> str:
    return (
        "2. It is there: pass its job id, or order:<orderNumber>, as adopt_job_id, and clear the task.\n"
        "3. It is not: pass another idempotency_key that ends in the time, such as "
        f"again-{write_minute(now)}, and clear the task within 23 hours."
    )


def build_used_up_error(record: SubmissionRecord, title: str, heard: Heard) -> Refused:
    """Return the error of a raw key that cannot make the order."""
    used = f"is used up: {title} repeats its answer for 24 hours"
    why = "was used for another request" if heard is Heard.KEY_IN_USE else used
    known = f" What is known of it: {record.reason}" if record.reason else ""
    return Refused(f"The raw_idempotency_key {record.key} {why}. Pass another one.{known}")


def build_shared_job_error(job_id: str) -> OutcomeUnknown:
    """Return the error of a job that a try has been given for two orders."""
    return OutcomeUnknown(
        f"Job {job_id} was returned for two orders of this task that differ, so one of them was not "
        "submitted. Look in Zuora for which of them the job has made; give each an orderNumber, or an own "
        "idempotency_key."
    )


def build_stopped_error() -> RateLimited:
    """Return the error of a try that was stopped for too long to send anything."""
    return RateLimited(
        "This try was stopped for longer than its POSTs may take, so it sends nothing; the next try "
        "sends the same idempotency key.",
        transient=True,
    )


def classify_error(error: ApiError, heard: Heard, title: str) -> ApiError:
    """Return the error of an answer to a POST as what that means for the order."""
    if heard is Heard.LOCKED:
        return LockContention(str(error), transient=True)
    if heard is Heard.TURNED_AWAY and not error.transient:
        return reword_error(error, str(error), TurnedAway)
    if heard is Heard.NO_ANSWER and not error.transient:
        return Unreadable(
            f"{title} named no job, so whether there is one is unknown; the next try sends the same "
            "idempotency key.",
            info=error.info,
            transient=True,
            attempts=error.attempts,
        )
    return error


def build_undecided_error(error: ApiError, key: str) -> ApiError:
    """Return the error of an answer after which the next try sends the same key."""
    return reword_error(
        error,
        f"{error} An earlier POST under key {key} may have made the order: the next try, or a clear, sends "
        "the same key again.",
    )


def reword_error(error: ApiError, words: str, kind: type[ApiError] | None = None) -> ApiError:
    """Return an error of the same answer in other words, or of another kind."""
    reworded = (kind or type(error))(words, transient=error.transient, attempts=error.attempts)
    reworded.info = error.info
    return reworded
