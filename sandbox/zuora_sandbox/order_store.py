"""The accounts and orders of a sandbox; an order is stored when its job completes.

There is no catalogue, so every amount of an order that was made is 0; previews alone have prices. Numbers are
counted up as orders are stored. An id is derived from its number, so that the same number has the same id in
every sandbox.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PENDING_ACTIVATION = "Pending Activation"
STATUS_AFTER = {"CancelSubscription": "Cancelled", "Suspend": "Suspended"}
"""The status of a subscription after an action; it is Active after any other action."""


def derive_id(kind: str, number: str) -> str:
    """Return the id, 32 hexadecimal digits, of the object of this kind with this number."""
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:32]


def _find_status(subscription: dict[str, Any]) -> str:
    """Return the status that the last of its actions gives a subscription."""
    return STATUS_AFTER.get(subscription["orderActions"][-1]["type"], "Active")


@dataclass(frozen=True, slots=True)
class StatusPlan:
    """
    The statuses of an order over time.

    :param first: the status at first.
    :param seconds: how long the order has it.
    :param then: the status after that.
    """

    first: str = "Completed"
    seconds: float = float("inf")
    then: str = "Completed"


@dataclass(slots=True, eq=False)
class StoredOrder:
    """
    An order that exists.

    :param plan: its statuses over time; a later status does not change its subscriptions and its invoice.
    :param subscriptions: number and status of each subscription, in the order of the request.
    :param invoice: the number of its invoice, or an empty text if there is none; the same for `payment`.
    :param created: when it was stored, in seconds of the sandbox's clock.
    :param order: the body of its request.
    :param changed_status: the status that a later request has given it; empty: none has.
    :param changed: when that was, or when its trigger dates were changed; 0: they were not.
    :param trigger_dates: those that were set later, by subscription and sequence, and then by name.
    """

    number: str
    account: str
    plan: StatusPlan
    subscriptions: tuple[tuple[str, str], ...]
    invoice: str
    payment: str
    created: float
    order: dict[str, Any] = field(repr=False)
    changed_status: str = ""
    changed: float = 0.0
    trigger_dates: dict[tuple[str, int], dict[str, str]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """Return its first status, which is the one in the result of its job."""
        return self.plan.first

    def get_status(self, now: float) -> str:
        """Return its status at this time."""
        if self.changed_status:
            return self.changed_status
        return self.plan.first if now - self.created < self.plan.seconds else self.plan.then

    def get_updated(self, now: float) -> float:
        """Return when it changed last, in seconds of the sandbox's clock."""
        planned = self.created if now - self.created < self.plan.seconds else self.created + self.plan.seconds
        return max(planned, self.changed)

    def list_actions(self, number: str, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the order actions of a subscription as a page has them, with the dates that were set."""
        found = []
        for sequence, action in enumerate(asked):
            dates = {each["name"]: each for each in action.get("triggerDates") or []}
            for name, day in self.trigger_dates.get((number, sequence), {}).items():
                dates[name] = {"name": name, "triggerDate": day}
            shown = {"triggerDates": list(dates.values())} if dates else {}
            found.append({"sequence": sequence, **action, **shown})
        return found


@dataclass(slots=True)
class OrderStore:
    """
    The accounts and orders.

    :param orders: the orders by number; if several orders have the same number, the first one.
    :param accounts: the status of each subscription, by number, for each account.
    :param names: the names of the accounts that were created by an order.
    :param currencies: theirs.
    :param counts: how many numbers were used for each prefix.
    :param deleting: when each order goes that is being deleted, by number.
    :param deletion_jobs: the same, by the id of the job.
    :param deleted: the orders that are gone.
    """

    orders: dict[str, StoredOrder] = field(default_factory=dict)
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    deleting: dict[str, float] = field(default_factory=dict)
    deletion_jobs: dict[str, float] = field(default_factory=dict)
    deleted: list[StoredOrder] = field(default_factory=list)

    def delete_due(self, now: float) -> None:
        """Delete the orders that go by now."""
        for number in [number for number, due in self.deleting.items() if due <= now]:
            del self.deleting[number]
            self.delete_order(number)

    def delete_order(self, number: str) -> None:
        """Delete an order; the subscriptions that it created are gone, too, and others are as before."""
        if (stored := self.orders.pop(number, None)) is None:
            return
        self.deleted.append(stored)
        held = self.accounts[stored.account]
        for (name, _), each in zip(
            stored.subscriptions, stored.order.get("subscriptions") or [], strict=True
        ):
            if any(action["type"] == "CreateSubscription" for action in each["orderActions"]):
                held.pop(name, None)
            else:
                held[name] = "Active"

    def activate_order(self, stored: StoredOrder, status: str, now: float) -> None:
        """Give an order that was a draft, or pending, its status; Completed activates and bills it."""
        stored.changed_status, stored.changed = status, now
        if status != "Completed":
            return
        asked = stored.order.get("subscriptions") or []
        for (number, _), each in zip(stored.subscriptions, asked, strict=True):
            self.accounts[stored.account][number] = _find_status(each)
        options = stored.order.get("processingOptions") or {}
        if options.get("runBilling") and not stored.invoice:
            stored.invoice = self._take_number("INV")
            stored.payment = self._take_number("P-") if options.get("collectPayment") else ""

    def _take_number(self, prefix: str) -> str:
        self.counts[prefix] += 1
        return f"{prefix}{self.counts[prefix]:08d}"

    def _choose_account(self, order: dict[str, Any]) -> str:
        wanted = order.get("existingAccountId")
        if wanted is not None:
            known = (number for number in self.accounts if derive_id("account", number) == wanted)
            return next(known, f"A-{wanted}")
        new = order.get("newAccount") or {}
        return order.get("existingAccountNumber") or new.get("accountNumber") or self._take_number("A")

    def _make_subscription(self, each: dict[str, Any], status: str) -> tuple[str, str]:
        chosen = each.get("subscriptionNumber")
        for action in each["orderActions"]:
            chosen = chosen or (action.get("createSubscription") or {}).get("subscriptionNumber")
        state = _find_status(each) if status == "Completed" else PENDING_ACTIVATION
        return chosen or self._take_number("A-S"), state

    def add_order(self, order: dict[str, Any], plan: StatusPlan, now: float) -> StoredOrder:
        """
        Store an order and return it.

        :param order: the body of its request, without violations.
        :param plan: its statuses; only the first status Completed activates subscriptions and allows billing.
        """
        status = plan.first
        account = self._choose_account(order)
        subscriptions = tuple(
            self._make_subscription(each, status) for each in order.get("subscriptions") or []
        )
        options = order.get("processingOptions") or {}
        billed = status == "Completed" and bool(options.get("runBilling"))
        stored = StoredOrder(
            number=order.get("orderNumber") or self._take_free_number(),
            account=account,
            plan=plan,
            subscriptions=subscriptions,
            invoice=self._take_number("INV") if billed else "",
            payment=self._take_number("P-") if billed and options.get("collectPayment") else "",
            created=now,
            order=order,
        )
        self.orders.setdefault(stored.number, stored)
        if new := order.get("newAccount"):
            self.names[account], self.currencies[account] = new["name"], new["currency"]
        self.accounts.setdefault(account, {}).update(subscriptions)
        return stored

    def _take_free_number(self) -> str:
        number = self._take_number("O-")
        return self._take_free_number() if number in self.orders else number


def make_account_page(
    order_store: OrderStore, wanted: str, accounts: Mapping[str, str]
) -> dict[str, Any] | None:
    """
    Return the body for GET /v1/accounts/{account-key}, by number or id, or None for an unknown account.

    :param accounts: the currencies of those that are there from the beginning.
    """
    known = dict.fromkeys((*accounts, *order_store.accounts))
    number = next((number for number in known if wanted in (number, derive_id("account", number))), None)
    if number is None:
        return None
    name = order_store.names.get(number, f"Account {number}")
    basic = {"id": derive_id("account", number), "name": name, "accountNumber": number}
    currency = accounts.get(number) or order_store.currencies.get(number, "USD")
    return {"success": True, "basicInfo": basic, "billingAndPayment": {"currency": currency}}


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def make_order_page(stored: StoredOrder, now: float) -> dict[str, Any]:
    """Return the body for GET /v1/orders/{orderNumber} at this time."""
    order = stored.order
    asked = order.get("subscriptions") or []
    return {
        "success": True,
        "order": {
            "orderNumber": stored.number,
            "orderDate": order["orderDate"],
            "category": order.get("category") or "NewSales",
            "description": order.get("description"),
            "customFields": order.get("customFields") or {},
            "existingAccountNumber": stored.account,
            "status": stored.get_status(now),
            "createdDate": _format_time(stored.created),
            "updatedDate": _format_time(stored.get_updated(now)),
            "orderLineItems": [
                {**item, **named}
                for item, named in zip(
                    order.get("orderLineItems") or [], list_line_items(stored), strict=True
                )
            ],
            "subscriptions": [
                {
                    "subscriptionNumber": number,
                    "subscriptionOwnerAccountNumber": stored.account,
                    "orderActions": stored.list_actions(number, each["orderActions"]),
                }
                for (number, _), each in zip(stored.subscriptions, asked, strict=True)
            ],
        },
    }


def list_line_items(stored: StoredOrder) -> list[dict[str, str]]:
    """Return id and number of each line item of an order; a missing number is its position, from 1."""
    items = enumerate(stored.order.get("orderLineItems") or [], start=1)
    numbers = [str(item.get("itemNumber") or count) for count, item in items]
    return [
        {"id": derive_id("item", f"{stored.number}/{number}"), "itemNumber": number} for number in numbers
    ]
