"""The rules for a payment run; pure functions.

Source: "Create a payment run" of Zuora's v1 API reference, and the class of this request in Zuora's SDK.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from zuora_sandbox.answers import RUNS, Violation
from zuora_sandbox.times import is_date

FLAGS = (
    "collectPayment",
    "consolidatedPayment",
    "processPaymentWithClosedPM",
    "applyCreditBalance",
    "autoApplyCreditMemo",
    "autoApplyUnappliedPayment",
    "useCustomPaymentMethods",
    "ignorePaymentRunRetryRule",
)
LENGTHS = {
    "accountId": 32,
    "batch": 50,
    "billCycleDay": 20,
    "currency": 3,
    "paymentGatewayId": 32,
    "billingRunId": 32,
    "paymentGatewayNumber": 40,
    "advancedFilter": 1000,
}
SELECTING = ("accountId", "batch", "billCycleDay", "currency", "paymentGatewayId", "billingRunId")
"""The fields that make a payment run one for some accounts only, besides ``data``."""

MOST_DATA = 50_000


def parse_run_date(text: Any) -> datetime | None:
    """Return the moment of a ``runDate``, of which minutes and seconds are ignored, or None if it is none."""
    with suppress(ValueError, TypeError):
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(minute=0, second=0)  # noqa: DTZ007
    return None


def check_payment_run(body: dict[str, Any]) -> list[Violation]:
    """Return the violations of the body of a create."""
    given = {name: value for name, value in body.items() if value is not None}
    found = [*_check_fields(given), *_check_data(given.get("data", []))]
    return [Violation(category, text, RUNS) for category, text in found]


def _check_fields(given: dict[str, Any]) -> Iterator[tuple[int, str]]:
    if "targetDate" not in given and "runDate" not in given:
        yield 22, "Either targetDate or runDate is required."
    if "targetDate" in given and not is_date(given["targetDate"]):
        yield 20, "targetDate must be a date, yyyy-mm-dd."
    if "runDate" in given and parse_run_date(given["runDate"]) is None:
        yield 20, "runDate must be a moment, yyyy-mm-dd hh:mm:ss."
    for name, length in LENGTHS.items():
        value = given.get(name, "")
        if not isinstance(value, str) or len(value) > length:
            yield 20, f"{name} must be text of at most {length} characters."
    for name in FLAGS:
        if not isinstance(given.get(name, False), bool):
            yield 20, f"{name} must be a boolean."
    if "accountId" in given and (others := [name for name in SELECTING[1:] if name in given]):
        yield 30, f"accountId excludes {', '.join(others)}."
    if "advancedFilter" in given and not given.get("useCustomPaymentMethods"):
        yield 30, "advancedFilter needs useCustomPaymentMethods."


def _check_data(data: Any) -> Iterator[tuple[int, str]]:
    if (
        not isinstance(data, list)
        or len(data) > MOST_DATA
        or not all(isinstance(each, dict) for each in data)
    ):
        yield 20, f"data must be at most {MOST_DATA} objects."
        return
    for each in data:
        if not each.get("accountId") and not each.get("accountNumber"):
            yield 22, "Each of data needs accountId or accountNumber."
        if not (each.get("documentId") or each.get("documentNumber") or each.get("standalone")):
            yield 22, "Each of data needs documentId or documentNumber, or is standalone."
        amount = each.get("amount")
        if amount is not None and (
            isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0
        ):
            yield 20, "amount must be a number above 0."
