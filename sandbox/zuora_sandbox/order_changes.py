"""What changes an order that exists: its activation, its cancellation, and its trigger dates.

Source: "Activate an order", "Cancel an order" and "Update order trigger dates" of Zuora's v1 API reference.
Each is legal from some statuses alone; the words of a refusal, and its code, are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zuora_sandbox.actions import TRIGGERS
from zuora_sandbox.answers import Violation, make_reply
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.order_store import PENDING_ACTIVATION, StoredOrder, list_line_items
from zuora_sandbox.run_steps import read_object
from zuora_sandbox.tenant import Endpoint, Tenant
from zuora_sandbox.times import is_date

SETTABLE = TRIGGERS - {"ContractEffective"}
"""The trigger dates that a pending order can be given."""

LAST_DATE = "CustomerAcceptance"
"""An order whose actions all have this date is carried out; which ones a real tenant needs is its choice."""


def _find_order(
    tenant: Tenant, request: Request, number: str, what: str, *words: str
) -> StoredOrder | Response:
    """Return the order if its status is one of these words, or the refusal."""
    stored = tenant.state.order_store.orders.get(number)
    if stored is None:
        return tenant.refuse(request, Violation(40, f"Invalid orderNumber: {number}"))
    if (status := stored.get_status(tenant.now)) in words:
        return stored
    can_be = " or ".join(words)
    text = f"The order {number} is {status}; only a {can_be} order can be {what}."
    return tenant.refuse(request, Violation(tenant.settings.illegal_state_category, text))


def _show(tenant: Tenant, stored: StoredOrder, **more: Any) -> Response:
    held = tenant.state.order_store.accounts[stored.account]
    return make_reply(
        200,
        {
            "orderNumber": stored.number,
            "accountNumber": stored.account,
            "status": stored.get_status(tenant.now),
            "subscriptions": [
                {"subscriptionNumber": number, "status": held.get(number, PENDING_ACTIVATION)}
                for number, _ in stored.subscriptions
            ],
            **more,
            "success": True,
        },
    )


def activate_order(tenant: Tenant, request: Request, number: str) -> Response:
    """Answer PUT /v1/orders/{orderNumber}/activate, for a draft; it is billed if it asked for that."""
    body = read_object(tenant, request)
    if isinstance(body, Response):
        return body
    stored = _find_order(tenant, request, number, "activated", "Draft")
    if isinstance(stored, Response):
        return stored
    status = tenant.settings.order_activated_status
    tenant.state.order_store.activate_order(stored, status, tenant.now)
    made: dict[str, Any] = {"orderLineItems": list_line_items(stored)}
    made |= {"invoiceNumbers": [stored.invoice]} if stored.invoice else {}
    made |= {"paymentNumber": stored.payment, "paidAmount": 0} if stored.payment else {}
    return _show(tenant, stored, **made)


def cancel_order(tenant: Tenant, request: Request, number: str) -> Response:
    """Answer PUT /v1/orders/{orderNumber}/cancel, for a draft, or one that is scheduled."""
    body = read_object(tenant, request)
    if isinstance(body, Response):
        return body
    stored = _find_order(tenant, request, number, "cancelled", "Draft", "Scheduled")
    if isinstance(stored, Response):
        return stored
    stored.changed_status, stored.changed = "Cancelled", tenant.now
    answer = {"accountNumber": stored.account, "orderNumber": number, "status": "Cancelled"}
    return make_reply(200, {"CancelReason": body.get("cancelReason"), **answer, "success": True})


def update_trigger_dates(tenant: Tenant, request: Request, number: str) -> Response:
    """
    Answer PUT /v1/orders/{orderNumber}/triggerDates, for a pending order.

    Charges of their own dates are taken, and have no effect here.
    """
    body = read_object(tenant, request)
    if isinstance(body, Response):
        return body
    stored = _find_order(tenant, request, number, "given trigger dates", "Pending")
    if isinstance(stored, Response):
        return stored
    if wrong := list(_check_dates(stored, body)):
        return tenant.refuse(request, *(Violation(20, text) for text in wrong))
    for each in body["subscriptions"]:
        for action in each["orderActions"]:
            dates = stored.trigger_dates.setdefault((each["subscriptionNumber"], action["sequence"]), {})
            dates |= {date["name"]: date["triggerDate"] for date in action.get("triggerDates") or []}
    stored.changed = tenant.now
    if all(LAST_DATE in names for names in _list_names(stored)):
        tenant.state.order_store.activate_order(stored, "Completed", tenant.now)
    return _show(tenant, stored)


def _list_names(stored: StoredOrder) -> Iterator[set[str]]:
    """Yield the names of the trigger dates that each order action has."""
    asked = stored.order.get("subscriptions") or []
    for (number, _), each in zip(stored.subscriptions, asked, strict=True):
        for action in stored.list_actions(number, each["orderActions"]):
            yield {date["name"] for date in action.get("triggerDates") or ()}


def _check_dates(stored: StoredOrder, body: dict[str, Any]) -> Iterator[str]:
    asked = stored.order.get("subscriptions") or []
    counts = {
        number: len(each["orderActions"])
        for (number, _), each in zip(stored.subscriptions, asked, strict=True)
    }
    rows = body.get("subscriptions")
    if not isinstance(rows, list) or not rows:
        yield "subscriptions is required."
        return
    for each in rows:
        number = each.get("subscriptionNumber")
        if number not in counts:
            yield f"The subscription {number!r} is none of the order's."
            continue
        for action in each.get("orderActions") or []:
            sequence = action.get("sequence")
            if sequence not in range(counts[number]):
                yield f"The order has no action of the sequence {sequence!r} on {number}."
            for date in action.get("triggerDates") or []:
                if date.get("name") not in SETTABLE or not is_date(str(date.get("triggerDate"))):
                    yield f"A trigger date of {number} must be one of {sorted(SETTABLE)}, and a day."


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/v1/orders/{orderNumber}/activate": {"PUT": activate_order},
    "/v1/orders/{orderNumber}/cancel": {"PUT": cancel_order},
    "/v1/orders/{orderNumber}/triggerDates": {"PUT": update_trigger_dates},
}
