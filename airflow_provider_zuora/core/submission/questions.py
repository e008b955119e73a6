"""What a person is asked, or told, where a submission can go no further; words, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_provider_zuora.core.submission.keys import ISSUED
from airflow_provider_zuora.core.submission.record import SubmissionRecord

_WAYS_ON_IN_A_LIST = (
    "2. It is there: take it out of the list, and clear the task.\n"
    "3. It is not: take it out of the list too, and submit it in another task."
)


def question(
    record: SubmissionRecord, document: Mapping[str, Any], title: str, why: str, now: float, *, alone: bool
) -> str:
    """
    Return what a person has to look for, and the ways on.

    :param title: the vendor's name.
    :param why: nobody knows.
    :param now: seconds since 1970.
    :param alone: False if the order is one of a list.
    """
    number = document.get("orderNumber")
    order = f"order {number}" if number else "an order"
    new = document.get("newAccount") or {}
    names = (document.get(name) for name in ("existingAccountNumber", "existingAccountId"))
    account = next((name for name in names if name), new.get("name"))
    no_number = "" if number else ", and it has no orderNumber to look it up by"
    ways_on = _ways_on(now) if alone else _WAYS_ON_IN_A_LIST
    return (
        f"Whether this order exists is unknown: {why}{no_number}. It was not sent again, that could make it "
        f"twice.\nKey {record.key}, {_sent(record)}.\n"
        f"1. Look in {title} for {order} of account {account}, dated {document['orderDate']}, made since "
        f"then (give it some minutes).\n{ways_on} More: docs/exactly-once.md"
    )


def _sent(record: SubmissionRecord) -> str:
    if not record.track_ids:
        return "not sent by this try"
    first = datetime.fromtimestamp(record.first_post, UTC).isoformat(timespec="seconds")
    return f"first sent {first}, Track-Ids {', '.join(record.track_ids)}"


def _ways_on(now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC).strftime(ISSUED)
    return (
        "2. It is there: pass its job id, or order:<orderNumber>, as adopt_job_id, and clear the task.\n"
        f"3. It is not: pass another idempotency_key that ends in the time, such as again-{moment}, and "
        "clear the task within 23 hours."
    )
