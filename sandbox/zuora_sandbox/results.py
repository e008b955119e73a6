"""The ``result`` of a completed job; pure functions.

Source: "Retrieve the status and response of a job" of Zuora's v1 API reference, and real answers.
"""

from __future__ import annotations

from typing import Any

from zuora_sandbox.answers import lists_subscriptions
from zuora_sandbox.order_store import Booked, id_of, line_items


def created(booked: Booked, version: str, *, ids: bool) -> dict[str, Any]:
    """
    Return what a create job made.

    :param version: the Zuora-Version of the request; it decides which fields name the subscriptions.
    :param ids: name things by ids, as was asked for with returnIds=true, not by numbers.
    """
    result = by_id(booked) if ids else by_number(booked)
    rows = result.pop("subscriptions")
    if lists_subscriptions(version):
        result["subscriptions"] = rows
    elif not ids:
        result["subscriptionNumbers"] = [row["subscriptionNumber"] for row in rows]
    if booked.payment:
        result["paidAmount"] = 0
    result["orderLineItems"] = line_items(booked)
    return {**result, "status": booked.status, "jobType": "AsyncCreateOrder", "success": True}


def refused(errors: str) -> dict[str, Any]:
    """Return the result of a create job that is Completed without having made an order: our reading."""
    return {"jobType": "AsyncCreateOrder", "success": False, "errors": errors}


def by_number(booked: Booked) -> dict[str, Any]:
    """Return what a create made, named by numbers."""
    owner = {
        "subscriptionOwnerNumber": booked.account,
        "subscriptionOwnerId": id_of("account", booked.account),
    }
    result: dict[str, Any] = {
        "orderNumber": booked.number,
        "accountNumber": booked.account,
        "invoiceNumbers": [booked.invoice] if booked.invoice else [],
        "subscriptions": [
            {"subscriptionNumber": number, "status": status, **owner}
            for number, status in booked.subscriptions
        ],
    }
    return {**result, "paymentNumber": booked.payment} if booked.payment else result


def by_id(booked: Booked) -> dict[str, Any]:
    """Return what a create made, named by ids: the answer where it was asked for with returnIds=true."""
    owner = {
        "subscriptionOwnerNumber": booked.account,
        "subscriptionOwnerId": id_of("account", booked.account),
    }
    ids = [id_of("subscription", number) for number, _ in booked.subscriptions]
    result: dict[str, Any] = {
        "orderId": id_of("order", booked.number),
        "accountId": id_of("account", booked.account),
        "invoiceIds": [id_of("invoice", booked.invoice)] if booked.invoice else [],
        "subscriptionIds": ids,
        "subscriptions": [
            {"subscriptionId": each, "status": status, **owner}
            for each, (_, status) in zip(ids, booked.subscriptions, strict=True)
        ],
    }
    return {**result, "paymentId": id_of("payment", booked.payment)} if booked.payment else result


PREVIEWS: dict[str, dict[str, list[Any]]] = {
    "BillingDocs": {"invoices": [], "creditMemos": []},
    "ChargeMetrics": {"chargeMetrics": []},
    "OrderDeltaMetrics": {"orderDeltaMetrics": []},
    "OrderMetrics": {"orderMetrics": []},
    "RampMetrics": {"rampMetrics": []},
    "Funds": {"funds": []},
}
"""The parts of a preview's result, by previewType."""


def previewed(order: dict[str, Any]) -> dict[str, Any]:
    """Return a preview's result: one invoice over nothing, for there are no prices; nothing is made."""
    types = order["previewOptions"].get("previewTypes") or ["BillingDocs"]
    result = {name: rows for each in types for name, rows in PREVIEWS[each].items()}
    if "invoices" in result:
        target = order["previewOptions"].get("specificPreviewThruDate") or order["orderDate"]
        amounts = {"amount": 0, "amountWithoutTax": 0, "taxAmount": 0}
        result["invoices"] = [{**amounts, "targetDate": target, "invoiceItems": []}]
    return {**result, "jobType": "AsyncPreviewOrder", "success": True}
