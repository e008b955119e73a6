"""
Check a bill run against what Zuora documents, before it is sent, and give it a name to find it by.

Sources: developer.zuora.com, "Create a bill run"; Zuora's SDK for the lengths and the words. Unknown fields
pass; a field whose value is null counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core import json_types
from airflow_provider_zuora.core.json_types import Violation
from airflow_provider_zuora.core.vendors.zuora.bill_runs import PATH
from airflow_provider_zuora.core.vendors.zuora.field_rules import (
    BATCH,
    DATE,
    FLAG,
    Rule,
    check_day_of_month,
    check_list,
    check_object,
    check_text,
    check_whole,
    check_word,
    has,
    read_document,
)
from airflow_provider_zuora.core.vendors.zuora.runs import CheckedRun

_ALWAYS = "Airflow"  # the name of a run to which its author gives none
_MOST_SUBSCRIPTIONS = 50  # filters of one run
_OFFSETS = (
    "invoiceDateMonthOffset",
    "invoiceDateDayOfMonth",
    "targetDateMonthOffset",
    "targetDateDayOfMonth",
)
_FLAGS = (
    "autoEmail",
    "autoPost",
    "autoRenewal",
    "noEmailForZeroAmountInvoice",
    "includeSubscriptions",
    "includeOrderLineItems",
)
_FILTER: Mapping[str, Rule] = {
    "filterType": check_word(
        "Account", "Subscription", "InvoiceSchedule", "BillRunErrors", "FilterCondition"
    ),
    **dict.fromkeys(
        ("accountId", "subscriptionId", "invoiceScheduleId", "invoiceScheduleItemId", "filterId"),
        check_text(),
    ),
    "objectType": check_word("Account", "Subscription", "RatePlanCharge"),
    "condition": check_object({}),
}
_NEEDED = {"Account": "accountId", "Subscription": "subscriptionId", "InvoiceSchedule": "invoiceScheduleId"}
_SCHEDULE: Mapping[str, Rule] = {
    **dict.fromkeys(("repeatFrom", "repeatTo"), DATE),
    "repeatType": check_word("None", "Daily", "Weekly", "Monthly"),
    "runTime": check_whole(0, 23),
    "weeklyOnDay": check_list(check_text(), 0),
    "monthlyOnEndOfMonth": FLAG,
}
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("targetDate", "invoiceDate"), DATE),
    "name": check_text(),
    "batches": check_list(BATCH, 1, 300),
    "billRunFilters": check_list(check_object(_FILTER, "filterType")),
    "billCycleDay": check_day_of_month("AllBillCycleDays", "AsRunDay"),
    "billRunType": check_word("Regular", "CatchUp"),
    "chargeTypeToExclude": check_list(check_word("OneTime", "Recurring", "Usage"), 0, 2),
    **dict.fromkeys(_FLAGS, FLAG),
    "schedule": check_object(_SCHEDULE, "repeatFrom", "repeatType", "runTime"),
    "organizationLabels": check_list(check_object({}), 0),
}


def check_bill_run(bill_run: object) -> CheckedRun:
    """
    Check the body of ``POST /v1/bill-runs``.

    :raises InvalidInput: with a line for each broken rule, ``$.path: rule``, sorted by path.
    """
    document, broken = read_document(bill_run, _RULES)
    is_object = bool(document) or not broken
    json_types.raise_any("bill run", [*broken, *(_compare_fields(document) if is_object else ())])
    return CheckedRun.of("bill run", PATH, document)


def name_bill_run(checked: CheckedRun, mark: str) -> CheckedRun:
    """Return a bill run whose name is its author's own text, and a mark that no other submission has."""
    name = f"{str(checked.document.get('name') or _ALWAYS).strip()} {mark}"
    named = CheckedRun.of(checked.kind, PATH, {**checked.document, "name": name})
    return replace(named, mark=name)


def is_scheduled(document: Mapping[str, Any]) -> bool:
    """Return whether Zuora is to make the run later, or again and again."""
    return has(document, "schedule")


def _compare_fields(bill_run: dict[str, Any]) -> Iterator[Violation]:
    if not is_scheduled(bill_run):
        if not has(bill_run, "targetDate"):
            yield ("targetDate",), "is required, unless there is a schedule"
        if bill_run.get("billCycleDay") == "AsRunDay":
            yield ("billCycleDay",), "AsRunDay belongs to a schedule, and this run has none"
    schedule = bill_run.get("schedule")
    if not (isinstance(schedule, dict) and schedule.get("repeatType") == "Monthly"):
        for name in _OFFSETS:
            if has(bill_run, name):
                yield (name,), "belongs to a monthly schedule, and this run has none"
    given = [name for name in ("batches", "billRunFilters") if has(bill_run, name)]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield (), f"exactly one of batches, billRunFilters is required, this has {found}"
    if has(bill_run, "billCycleDay") and not has(bill_run, "batches"):
        yield ("billCycleDay",), "belongs to batches, and this run has filters"
    yield from _compare_filters(bill_run.get("billRunFilters"))


def _compare_filters(filters: object) -> Iterator[Violation]:
    rows = filters if isinstance(filters, list) else []
    for index, row in enumerate(rows):
        needed = _NEEDED.get(str(row.get("filterType"))) if isinstance(row, dict) else None
        if needed and not has(row, needed):
            yield ("billRunFilters", index, needed), f"is required by the filter type {row['filterType']}"
    kinds = [row.get("filterType") for row in rows if isinstance(row, dict)]
    for kind, most in (("Account", 1), ("Subscription", _MOST_SUBSCRIPTIONS)):
        if (count := kinds.count(kind)) > most:
            yield ("billRunFilters",), f"at most {most} of the type {kind}, this has {count}"
