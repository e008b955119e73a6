"""What a person is asked, or told, where a submission can go no further; words, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.core.times import write_minute, write_second

_WAYS_ON = {
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


def question(
    record: SubmissionRecord, document: Mapping[str, Any], title: str, why: str, now: float, *, ways_on: str
) -> str:
    """
    Return what a person has to look for, and the ways on.

    :param title: the vendor's name.
    :param why: nobody knows.
    :param now: seconds since 1970.
    :param ways_on: ``alone``; ``list`` if it is one of a list; ``equals`` if that holds equal ones.
    """
    number = document.get("orderNumber")
    order = f"order {number}" if number else "an order"
    new = document.get("newAccount") or {}
    names = (document.get(name) for name in ("existingAccountNumber", "existingAccountId"))
    account = next((name for name in names if name), new.get("name"))
    no_number = "" if number else ", and it has no orderNumber to look it up by"
    ways = _WAYS_ON.get(ways_on) or _ways_on(now)
    return (
        f"Whether this order exists is unknown: {why}{no_number}. It was not sent again, that could make it "
        f"twice.\nKey {record.key}, {_sent(record)}.\n"
        f"1. Look in {title} for {order} of account {account}, dated {document['orderDate']}, made since "
        f"then (give it some minutes).\n{ways} More: docs/exactly-once.md"
    )


def _sent(record: SubmissionRecord) -> str:
    if not record.track_ids:
        return "not sent by this try"
    return f"first sent {write_second(record.first_post)}, Track-Ids {', '.join(record.track_ids)}"


def _ways_on(now: float) -> str:
    return (
        "2. It is there: pass its job id, or order:<orderNumber>, as adopt_job_id, and clear the task.\n"
        "3. It is not: pass another idempotency_key that ends in the time, such as "
        f"again-{write_minute(now)}, and clear the task within 23 hours."
    )
