"""What changes an order that exists: activation, cancellation, trigger dates; each a PUT that has no key.

Sources: developer.zuora.com, "Activate an order", "Cancel an order", "Update order trigger dates"; Zuora's
SDK for the words. Each is legal from some statuses alone, and is found to be done by reading the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core import json_types
from airflow_provider_zuora.core.json_types import Violation
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.vendors.base import fold_status
from airflow_provider_zuora.core.vendors.zuora.error_codes import ORDERS
from airflow_provider_zuora.core.vendors.zuora.field_rules import (
    DATE,
    Rule,
    check_list,
    check_object,
    check_text,
    check_whole,
    check_word,
    has,
    read_document,
)

_MOST_ACTIONS = 9999
_DATE_NAMES = ("ContractEffective", "ServiceActivation", "CustomerAcceptance")
_ACTION: Mapping[str, Rule] = {
    "sequence": check_whole(0, _MOST_ACTIONS),
    "triggerDates": check_list(
        check_object({"name": check_word(*_DATE_NAMES), "triggerDate": DATE}, "name", "triggerDate")
    ),
    "charges": check_list(
        check_object(
            {"chargeNumber": check_text(), "specificTriggerDate": DATE, "estimatedStartDate": DATE},
            "chargeNumber",
        )
    ),
}
_SUBSCRIPTION: Mapping[str, Rule] = {
    "subscriptionNumber": check_text(100),
    "orderActions": check_list(check_object(_ACTION, "sequence")),
}
_DATES: Mapping[str, Rule] = {
    "subscriptions": check_list(check_object(_SUBSCRIPTION, "subscriptionNumber", "orderActions"))
}
_REASON: Mapping[str, Rule] = {"cancelReason": check_text()}

Order = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OrderChange:
    """
    One change, ready to be sent.

    :param kind: what the submission log calls it.
    :param done: what the order is then, in words.
    :param legal: the statuses from which it can be done, as Zuora writes them.
    :param is_done: tells, of an order as Zuora shows it, whether it is done.
    :param may_bill: whether it may bill, and collect, at once.
    """

    kind: str
    step: str
    done: str
    legal: tuple[str, ...]
    is_done: Callable[[Order], bool]
    body: Mapping[str, Any]
    may_bill: bool = False

    def build_request(self, number: str) -> Request:
        """Return the PUT; without a body Zuora answers 415."""
        path = f"{ORDERS}{quote(number, safe='')}/{self.step}"
        return replace(Request.post_json(path, self.body), method="PUT")

    def is_legal(self, order: Order) -> bool:
        """Return whether it can be done to an order as Zuora shows it."""
        return _has_status(order, *self.legal)


def _has_status(order: Order, *words: str) -> bool:
    return fold_status(str(order.get("status"))) in [fold_status(word) for word in words]


def make_activation() -> OrderChange:
    """Return the activation of a draft. It may bill and collect. What is no draft any more is activated."""
    return OrderChange(
        kind="order activation",
        step="activate",
        done="activated",
        legal=("Draft",),
        is_done=lambda order: _has_status(order, "Pending", "Completed", "Executing", "Scheduled"),
        body={},
        may_bill=True,
    )


def make_cancellation(reason: str | None) -> OrderChange:
    """
    Return the cancellation of a draft, or of an order that is scheduled.

    :raises InvalidInput: if the reason breaks a rule.
    """
    body, broken = read_document({} if reason is None else {"cancelReason": reason}, _REASON)
    json_types.raise_any("cancellation", broken)
    return OrderChange(
        kind="order cancellation",
        step="cancel",
        done="cancelled",
        legal=("Draft", "Scheduled"),
        is_done=lambda order: _has_status(order, "Cancelled", "Canceled"),
        body=body,
    )


def make_trigger_dates(subscriptions: object) -> OrderChange:
    """
    Return the setting of trigger dates of a pending order.

    :raises InvalidInput: with a line for each broken rule, ``$.path: rule``, sorted by path.
    """
    body, broken = read_document({"subscriptions": subscriptions}, {**_DATES})
    empty = [] if broken else list(_find_empty(body))
    json_types.raise_any("trigger dates", [*broken, *empty])
    return OrderChange(
        kind="order trigger dates",
        step="triggerDates",
        done="given its trigger dates",
        legal=("Pending",),
        is_done=lambda order: _has_dates(body, order),
        body=body,
        may_bill=True,
    )


def _find_empty(body: Mapping[str, Any]) -> Iterator[Violation]:
    if not has(body, "subscriptions"):
        yield ("subscriptions",), "is required"
    for index, each in enumerate(body.get("subscriptions") or ()):
        for position, action in enumerate(each["orderActions"]):
            if not (has(action, "triggerDates") or has(action, "charges")):
                yield ("subscriptions", index, "orderActions", position), "needs triggerDates or charges"


def _has_dates(body: Mapping[str, Any], order: Order) -> bool:
    """Return whether an order shows all the dates; it shows none of the charges, so these are never known."""
    if not _has_status(order, "Pending", "Completed", "Executing"):
        return False
    found = set(_list_dates(order))
    has_charges = any(
        "charges" in action for each in body["subscriptions"] for action in each["orderActions"]
    )
    return not has_charges and set(_list_dates(body)) <= found


def _list_dates(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield subscription, sequence, name and day of each trigger date; what is not readable is none."""
    for each in _list_objects(document.get("subscriptions")):
        for action in _list_objects(each.get("orderActions")):
            for date in _list_objects(action.get("triggerDates")):
                words = (each.get("subscriptionNumber"), action.get("sequence"), date.get("name"))
                number, sequence, name = map(str, words)
                yield number, sequence, name, str(date.get("triggerDate"))[:10]


def _list_objects(rows: object) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
