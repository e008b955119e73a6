"""The ``result`` of a completed job; pure functions.

Source: "Retrieve the status and response of a job" of Zuora's v1 API reference, and real answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from zuora_sandbox.answers import has_subscription_rows
from zuora_sandbox.order_store import StoredOrder, derive_id, list_line_items
from zuora_sandbox.prices import price_order


def make_create_result(stored: StoredOrder, version: str, *, ids: bool) -> dict[str, Any]:
    """
    Return the result of a create job.

    :param version: the Zuora-Version of the request, which decides how subscriptions are listed.
    :param ids: whether to give ids (returnIds=true) and not numbers.
    """
    result = describe_by_ids(stored) if ids else describe_by_numbers(stored)
    rows = result.pop("subscriptions")
    if has_subscription_rows(version):
        result["subscriptions"] = rows
    elif not ids:
        result["subscriptionNumbers"] = [row["subscriptionNumber"] for row in rows]
    if stored.payment:
        result["paidAmount"] = 0
    result["orderLineItems"] = list_line_items(stored)
    return {**result, "status": stored.status, "jobType": "AsyncCreateOrder", "success": True}


def make_refused_result(errors: str) -> dict[str, Any]:
    """Return the result of a create job that is Completed but made no order; this is our reading."""
    return {"jobType": "AsyncCreateOrder", "success": False, "errors": errors}


def describe_by_numbers(stored: StoredOrder) -> dict[str, Any]:
    """Return what an order made, with numbers."""
    owner = {
        "subscriptionOwnerNumber": stored.account,
        "subscriptionOwnerId": derive_id("account", stored.account),
    }
    result: dict[str, Any] = {
        "orderNumber": stored.number,
        "accountNumber": stored.account,
        "invoiceNumbers": [stored.invoice] if stored.invoice else [],
        "subscriptions": [
            {"subscriptionNumber": number, "status": status, **owner}
            for number, status in stored.subscriptions
        ],
    }
    return {**result, "paymentNumber": stored.payment} if stored.payment else result


def describe_by_ids(stored: StoredOrder) -> dict[str, Any]:
    """Return what an order made, with ids, as for returnIds=true."""
    owner = {
        "subscriptionOwnerNumber": stored.account,
        "subscriptionOwnerId": derive_id("account", stored.account),
    }
    ids = [derive_id("subscription", number) for number, _ in stored.subscriptions]
    result: dict[str, Any] = {
        "orderId": derive_id("order", stored.number),
        "accountId": derive_id("account", stored.account),
        "invoiceIds": [derive_id("invoice", stored.invoice)] if stored.invoice else [],
        "subscriptionIds": ids,
        "subscriptions": [
            {"subscriptionId": each, "status": status, **owner}
            for each, (_, status) in zip(ids, stored.subscriptions, strict=True)
        ],
    }
    return {**result, "paymentId": derive_id("payment", stored.payment)} if stored.payment else result


PREVIEWS: dict[str, dict[str, list[Any]]] = {
    "BillingDocs": {"invoices": [], "creditMemos": []},
    "ChargeMetrics": {"chargeMetrics": []},
    "OrderDeltaMetrics": {"orderDeltaMetrics": []},
    "OrderMetrics": {"orderMetrics": []},
    "RampMetrics": {"rampMetrics": []},
    "Funds": {"funds": []},
}
"""The parts of the result of a preview, by previewType."""


def make_preview_result(order: dict[str, Any], prices: Mapping[str, float | str]) -> dict[str, Any]:
    """Return the result of a preview: an invoice of all charges, without tax, and a memo of credits."""
    types = order["previewOptions"].get("previewTypes") or ["BillingDocs"]
    result = {name: rows for each in types for name, rows in PREVIEWS[each].items()}
    if "invoices" in result:
        charges, credited = price_order(order, prices)
        target = order["previewOptions"].get("specificPreviewThruDate") or order["orderDate"]
        result["invoices"] = [{**_make_amounts(charges), "targetDate": target, "invoiceItems": []}]
        if credited:
            result["creditMemos"] = [{**_make_amounts(credited), "targetDate": target, "creditMemoItems": []}]
    return {**result, "jobType": "AsyncPreviewOrder", "success": True}


def _make_amounts(amount: Decimal) -> dict[str, float]:
    plain = int(amount) if amount == amount.to_integral_value() else float(amount)
    return {"amount": plain, "amountWithoutTax": plain, "taxAmount": 0}
