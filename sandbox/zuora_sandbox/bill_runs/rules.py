"""The rules for a bill run; pure functions.

Source: "Create a bill run" of Zuora's v1 API reference, and the class of this request in Zuora's SDK.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from zuora_sandbox.answers import RUNS, Violation
from zuora_sandbox.times import is_date

FILTER_TYPES = ("Account", "Subscription", "InvoiceSchedule", "BillRunErrors", "FilterCondition")
REPEATS = ("None", "Daily", "Weekly", "Monthly")
CHARGES = ("OneTime", "Recurring", "Usage")
FLAGS = (
    "autoEmail",
    "autoPost",
    "autoRenewal",
    "noEmailForZeroAmountInvoice",
    "includeSubscriptions",
    "includeOrderLineItems",
)
MOST_BATCHES, MOST_SUBSCRIPTIONS = 300, 50


def check_bill_run(body: dict[str, Any]) -> list[Violation]:
    """Return the violations of the body of a create."""
    given = {name: value for name, value in body.items() if value is not None}
    return [Violation(category, text, RUNS) for category, text in _check_fields(given)]


def _check_fields(given: dict[str, Any]) -> Iterator[tuple[int, str]]:
    if "schedule" in given:
        yield from _check_schedule(given["schedule"])
    elif "targetDate" not in given:
        yield 22, "targetDate is required for a bill run without a schedule."
    yield from ((20, f"{name} must be a date, yyyy-mm-dd.") for name in _list_wrong_dates(given))
    if ("batches" in given) == ("billRunFilters" in given):
        yield 22, "Either batches or billRunFilters must be given."
    yield from _check_batches(given)
    yield from _check_filters(given.get("billRunFilters", []))
    if not isinstance(given.get("name", ""), str):
        yield 20, "name must be text."
    for name in FLAGS:
        if not isinstance(given.get(name, False), bool):
            yield 20, f"{name} must be a boolean."
    excluded = given.get("chargeTypeToExclude", [])
    if not isinstance(excluded, list) or len(excluded) > 2 or not all(each in CHARGES for each in excluded):
        yield 20, f"chargeTypeToExclude must be at most two of {', '.join(CHARGES)}."
    if given.get("billRunType", "Regular") not in ("Regular", "CatchUp"):
        yield 20, "billRunType must be Regular or CatchUp."


def _list_wrong_dates(given: dict[str, Any]) -> list[str]:
    return [name for name in ("targetDate", "invoiceDate") if name in given and not is_date(given[name])]


def _check_batches(given: dict[str, Any]) -> Iterator[tuple[int, str]]:
    batches = given.get("batches", ["AllBatches"])
    if (
        not isinstance(batches, list)
        or not 1 <= len(batches) <= MOST_BATCHES
        or not all(re.fullmatch(r"AllBatches|Batch\d{1,3}", str(each)) for each in batches)
    ):
        yield 20, f"batches must be AllBatches, or up to {MOST_BATCHES} of Batch1, Batch2 and so on."
    if (day := given.get("billCycleDay")) is None:
        return
    if "batches" not in given:
        yield 20, "billCycleDay needs batches."
    words = ["AllBillCycleDays", *(["AsRunDay"] if "schedule" in given else []), *map(str, range(1, 32))]
    if day not in words:
        yield 20, f"billCycleDay is {day!r}; it is a text, such as AllBillCycleDays, 1 or 31."


def _check_filters(filters: Any) -> Iterator[tuple[int, str]]:
    if not isinstance(filters, list) or not all(isinstance(each, dict) for each in filters):
        yield 20, "billRunFilters must be objects."
        return
    kinds = [each.get("filterType") for each in filters]
    if any(kind not in FILTER_TYPES for kind in kinds):
        yield 20, f"filterType must be one of {', '.join(FILTER_TYPES)}."
    if len({each.get("accountId") for each in filters if each.get("accountId")}) > 1:
        yield 30, "billRunFilters may be about one account only."
    if kinds.count("Subscription") > MOST_SUBSCRIPTIONS:
        yield 30, f"billRunFilters may name {MOST_SUBSCRIPTIONS} subscriptions."


def _check_schedule(schedule: Any) -> Iterator[tuple[int, str]]:
    if not isinstance(schedule, dict):
        yield 20, "schedule must be an object."
        return
    if not is_date(schedule.get("repeatFrom")):
        yield 22, "schedule.repeatFrom must be a date, yyyy-mm-dd."
    if schedule.get("repeatTo") is not None and not is_date(schedule["repeatTo"]):
        yield 20, "schedule.repeatTo must be a date, yyyy-mm-dd."
    if schedule.get("repeatType") not in REPEATS:
        yield 22, f"schedule.repeatType must be one of {', '.join(REPEATS)}."
    hour = schedule.get("runTime")
    if not isinstance(hour, int) or not 0 <= hour <= 23:
        yield 22, "schedule.runTime must be an hour, from 0 to 23."
