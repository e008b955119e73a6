"""What an order must be before a job is made of it: our own reading of Zuora's page; pure functions.

Source: "Create an order asynchronously" and "Preview an order asynchronously" of Zuora's v1 API reference.
Each rule yields its complaints; a rule that needs a field which is missing leaves that to the rule for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, TypeAlias

from zuora_sandbox.actions import action_complaints
from zuora_sandbox.answers import Complaint
from zuora_sandbox.shapes import ORDER, misshapen

Rule: TypeAlias = Callable[[dict[str, Any]], Iterator[Complaint]]

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
"""What previewThruType can be, and the field that each kind needs."""


def is_date(value: str) -> bool:
    """Say whether this is a date as Zuora writes them, YYYY-MM-DD."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _dated(order: dict[str, Any]) -> Iterator[Complaint]:
    given = order.get("orderDate")
    if given is None:
        yield Complaint(22, "orderDate is required.")
    elif not is_date(given):
        yield Complaint(20, f"orderDate is {given!r}; it must be a date of the form YYYY-MM-DD.")


def _fits(order: dict[str, Any]) -> Iterator[Complaint]:
    for name, most in LENGTHS.items():
        if len(order.get(name) or "") > most:
            yield Complaint(20, f"{name} must be text of at most {most} characters.")
    for name, words in CHOICES.items():
        if order.get(name) is not None and order[name] not in words:
            yield Complaint(20, f"{name} is {order[name]!r}; it must be one of {sorted(words)}.")
    number = order.get("orderNumber") or ""
    if set(number) & set("#?/"):
        yield Complaint(20, f"orderNumber is {number!r}; the characters #, ? and / are not allowed in it.")


def _plain_text(order: dict[str, Any]) -> Iterator[Complaint]:
    if any(ord(letter) > 0xFFFF for letter in json.dumps(order, ensure_ascii=False)):
        yield Complaint(20, "The order holds text outside Unicode's basic plane, which is not supported.")


def _accounts(names: tuple[str, ...]) -> Rule:
    def rule(order: dict[str, Any]) -> Iterator[Complaint]:
        given = [name for name in names if order.get(name) is not None]
        if len(given) != 1:
            yield Complaint(30, f"An order names exactly one of {', '.join(names)}; this one: {given}.")

    return rule


def _unknown(names: tuple[str, ...]) -> Rule:
    def rule(order: dict[str, Any]) -> Iterator[Complaint]:
        for name in names:
            if order.get(name) is not None:
                yield Complaint(21, f"{name} is not a field of this request.")

    return rule


def _content(order: dict[str, Any]) -> Iterator[Complaint]:
    subscriptions, items = order.get("subscriptions") or [], order.get("orderLineItems") or []
    if not subscriptions and not items:
        yield Complaint(22, "An order needs subscriptions or orderLineItems.")
    if len(items) > MOST_LINE_ITEMS:
        yield Complaint(30, f"{len(items)} orderLineItems; {MOST_LINE_ITEMS} are allowed in an order.")
    for each in subscriptions:
        yield from _subscription(each)


def _count(order: dict[str, Any], most: int) -> Iterator[Complaint]:
    subscriptions = order.get("subscriptions") or []
    if len(subscriptions) > most:
        yield Complaint(30, f"{len(subscriptions)} subscriptions; {most} are allowed in a call.")
    actions = sum(len(each.get("orderActions") or []) for each in subscriptions)
    if actions > most:
        yield Complaint(30, f"{actions} order actions; {most} are allowed in a call.")


def _subscription(each: dict[str, Any]) -> Iterator[Complaint]:
    actions, number = each.get("orderActions") or [], each.get("subscriptionNumber") or ""
    if not actions:
        yield Complaint(22, "Each of the subscriptions needs orderActions.")
    elif not number and all(action.get("type") != "CreateSubscription" for action in actions):
        yield Complaint(22, "subscriptionNumber is required where no action creates the subscription.")
    if len(number) > 100:
        yield Complaint(20, "subscriptionNumber must be text of at most 100 characters.")
    for action in actions:
        yield from action_complaints(action)


def _new_account(order: dict[str, Any]) -> Iterator[Complaint]:
    account = order.get("newAccount")
    if account is None:
        return
    for name in ("name", "currency", "billCycleDay", "billToContact"):
        if account.get(name) is None:
            yield Complaint(22, f"newAccount.{name} is required.")
    if len(account.get("currency") or "USD") != 3:
        yield Complaint(20, "newAccount.currency must have 3 characters.")
    if account.get("creditCard") and account.get("hpmCreditCardPaymentMethodId"):
        yield Complaint(30, "newAccount takes creditCard or hpmCreditCardPaymentMethodId, not both.")


def _billing(order: dict[str, Any]) -> Iterator[Complaint]:
    options = order.get("processingOptions") or {}
    if options.get("collectPayment") and options.get("runBilling") is False:
        yield Complaint(30, "collectPayment may not be true where runBilling is false.")


def _preview(order: dict[str, Any]) -> Iterator[Complaint]:
    options = order.get("previewOptions")
    if options is None:
        yield Complaint(22, "previewOptions is required.")
        return
    thru = options.get("previewThruType")
    if thru is not None and thru not in THRU:
        yield Complaint(20, f"previewThruType is {thru!r}; it must be one of {sorted(THRU)}.")
    elif thru is not None and not options.get(THRU[thru]):
        yield Complaint(22, f"previewOptions.{THRU[thru]} is required where previewThruType is {thru}.")
    wrong = set(options.get("previewTypes") or []) - PREVIEW_TYPES
    if wrong:
        yield Complaint(20, f"previewTypes holds {sorted(wrong)}; it can hold {sorted(PREVIEW_TYPES)}.")


COMMON: tuple[Rule, ...] = (_dated, _fits, _plain_text, _content)
RULES: dict[str, tuple[Rule, ...]] = {
    "create": (*COMMON, _accounts(ACCOUNTS), _unknown(NOT_IN_CREATE), _new_account, _billing),
    "preview": (*COMMON, _accounts(PREVIEW_ACCOUNTS), _unknown(NOT_IN_PREVIEW), _preview),
}


def complaints(order: Any, kind: str, most: int = 300) -> tuple[Complaint, ...]:
    """
    Return why Zuora would refuse an order, nothing where it would not.

    :param order: the parsed body of the request.
    :param kind: ``create`` or ``preview``.
    :param most: how many subscriptions a call may have, and how many order actions.
    """
    shape = tuple(misshapen(order, ORDER))
    return shape or (*(found for rule in RULES[kind] for found in rule(order)), *_count(order, most))
