"""The rules for orders, from our own reading of Zuora's page; pure functions.

Source: "Create an order asynchronously" and "Preview an order asynchronously" of Zuora's v1 API reference.
Each rule yields its violations. A rule does not report a missing field that another rule reports.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, TypeAlias

from zuora_sandbox.actions import check_action
from zuora_sandbox.answers import Violation
from zuora_sandbox.shapes import ORDER, check_shape

Rule: TypeAlias = Callable[[dict[str, Any]], Iterator[Violation]]

MOST_LINE_ITEMS = 100
LENGTHS = {"orderNumber": 100, "existingAccountNumber": 70, "description": 500, "reasonCode": 255}
CHOICES = {
    "category": {"NewSales", "Return"},
    "externallyManagedBy": {"Amazon", "Apple", "Google", "Roku"},
}
ACCOUNTS = ("existingAccountNumber", "existingAccountId", "newAccount")
PREVIEW_ACCOUNTS = ("existingAccountNumber", "existingAccountId", "previewAccountInfo")
NOT_IN_CREATE = ("previewOptions", "previewAccountInfo", "status", "schedulingOptions", "commitments")
NOT_IN_PREVIEW = ("newAccount", "processingOptions", "externallyManagedBy")
PREVIEW_TYPES = {"ChargeMetrics", "BillingDocs", "OrderDeltaMetrics", "OrderMetrics", "RampMetrics", "Funds"}
THRU = {
    "SpecificDate": "specificPreviewThruDate",
    "NumberOfPeriods": "previewNumberOfPeriods",
    "TermEnd": "previewThruType",
}
"""The values of previewThruType, each with the field that it requires."""


def is_date(value: str) -> bool:
    """Return whether this is a date in Zuora's format, YYYY-MM-DD."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _check_order_date(order: dict[str, Any]) -> Iterator[Violation]:
    given = order.get("orderDate")
    if given is None:
        yield Violation(22, "orderDate is required.")
    elif not is_date(given):
        yield Violation(20, f"orderDate is {given!r}; it must be a date of the form YYYY-MM-DD.")


def _check_texts(order: dict[str, Any]) -> Iterator[Violation]:
    for name, most in LENGTHS.items():
        if len(order.get(name) or "") > most:
            yield Violation(20, f"{name} must be text of at most {most} characters.")
    for name, words in CHOICES.items():
        if order.get(name) is not None and order[name] not in words:
            yield Violation(20, f"{name} is {order[name]!r}; it must be one of {sorted(words)}.")
    number = order.get("orderNumber") or ""
    if set(number) & set("#?/"):
        yield Violation(20, f"orderNumber is {number!r}; the characters #, ? and / are not allowed in it.")


def _check_characters(order: dict[str, Any]) -> Iterator[Violation]:
    if any(ord(letter) > 0xFFFF for letter in json.dumps(order, ensure_ascii=False)):
        yield Violation(20, "The order holds text outside Unicode's basic plane, which is not supported.")


def _make_account_rule(names: tuple[str, ...]) -> Rule:
    def rule(order: dict[str, Any]) -> Iterator[Violation]:
        given = [name for name in names if order.get(name) is not None]
        if len(given) != 1:
            yield Violation(30, f"An order names exactly one of {', '.join(names)}; this one: {given}.")

    return rule


def _make_unknown_field_rule(names: tuple[str, ...]) -> Rule:
    def rule(order: dict[str, Any]) -> Iterator[Violation]:
        for name in names:
            if order.get(name) is not None:
                yield Violation(21, f"{name} is not a field of this request.")

    return rule


def _check_content(order: dict[str, Any]) -> Iterator[Violation]:
    subscriptions, items = order.get("subscriptions") or [], order.get("orderLineItems") or []
    if not subscriptions and not items:
        yield Violation(22, "An order needs subscriptions or orderLineItems.")
    if len(items) > MOST_LINE_ITEMS:
        yield Violation(30, f"{len(items)} orderLineItems; {MOST_LINE_ITEMS} are allowed in an order.")
    for each in subscriptions:
        yield from _check_subscription(each)


def _check_counts(order: dict[str, Any], most: int) -> Iterator[Violation]:
    subscriptions = order.get("subscriptions") or []
    if len(subscriptions) > most:
        yield Violation(30, f"{len(subscriptions)} subscriptions; {most} are allowed in a call.")
    actions = sum(len(each.get("orderActions") or []) for each in subscriptions)
    if actions > most:
        yield Violation(30, f"{actions} order actions; {most} are allowed in a call.")


def _check_subscription(each: dict[str, Any]) -> Iterator[Violation]:
    actions, number = each.get("orderActions") or [], each.get("subscriptionNumber") or ""
    if not actions:
        yield Violation(22, "Each of the subscriptions needs orderActions.")
    elif not number and all(action.get("type") != "CreateSubscription" for action in actions):
        yield Violation(22, "subscriptionNumber is required where no action creates the subscription.")
    if len(number) > 100:
        yield Violation(20, "subscriptionNumber must be text of at most 100 characters.")
    for action in actions:
        yield from check_action(action)


def _check_new_account(order: dict[str, Any]) -> Iterator[Violation]:
    account = order.get("newAccount")
    if account is None:
        return
    for name in ("name", "currency", "billCycleDay", "billToContact"):
        if account.get(name) is None:
            yield Violation(22, f"newAccount.{name} is required.")
    if len(account.get("currency") or "USD") != 3:
        yield Violation(20, "newAccount.currency must have 3 characters.")
    if account.get("creditCard") and account.get("hpmCreditCardPaymentMethodId"):
        yield Violation(30, "newAccount takes creditCard or hpmCreditCardPaymentMethodId, not both.")


def _check_billing(order: dict[str, Any]) -> Iterator[Violation]:
    options = order.get("processingOptions") or {}
    if options.get("collectPayment") and options.get("runBilling") is False:
        yield Violation(30, "collectPayment may not be true where runBilling is false.")


def _check_preview(order: dict[str, Any]) -> Iterator[Violation]:
    options = order.get("previewOptions")
    if options is None:
        yield Violation(22, "previewOptions is required.")
        return
    thru = options.get("previewThruType")
    if thru is not None and thru not in THRU:
        yield Violation(20, f"previewThruType is {thru!r}; it must be one of {sorted(THRU)}.")
    elif thru is not None and not options.get(THRU[thru]):
        yield Violation(22, f"previewOptions.{THRU[thru]} is required where previewThruType is {thru}.")
    wrong = set(options.get("previewTypes") or []) - PREVIEW_TYPES
    if wrong:
        yield Violation(20, f"previewTypes holds {sorted(wrong)}; it can hold {sorted(PREVIEW_TYPES)}.")


COMMON: tuple[Rule, ...] = (_check_order_date, _check_texts, _check_characters, _check_content)
RULES: dict[str, tuple[Rule, ...]] = {
    "create": (
        *COMMON,
        _make_account_rule(ACCOUNTS),
        _make_unknown_field_rule(NOT_IN_CREATE),
        _check_new_account,
        _check_billing,
    ),
    "preview": (
        *COMMON,
        _make_account_rule(PREVIEW_ACCOUNTS),
        _make_unknown_field_rule(NOT_IN_PREVIEW),
        _check_preview,
    ),
}


def check_order(order: Any, kind: str, most: int = 300) -> tuple[Violation, ...]:
    """
    Check an order and return its violations.

    :param order: the parsed body of the request.
    :param kind: ``create`` or ``preview``.
    :param most: how many subscriptions a call may have, and how many order actions.
    """
    shape = tuple(check_shape(order, ORDER))
    return shape or (*(found for rule in RULES[kind] for found in rule(order)), *_check_counts(order, most))
