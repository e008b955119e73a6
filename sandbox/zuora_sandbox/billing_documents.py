"""
Invoices, credit memos and debit memos in Object Query: what bill runs have made, and what is due.

Source: "List invoices", "List credit memos" and "List debit memos" of Object Query, and the models of Zuora's
SDK for their fields. That the sourceId of a memo is the number of its bill run, too, is our reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zuora_sandbox.answers import ANY_RESOURCE, Violation
from zuora_sandbox.bill_runs.runs import BillRun
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.object_query import answer_list
from zuora_sandbox.order_store import derive_id
from zuora_sandbox.payment_runs.receivables import Receivable
from zuora_sandbox.tenant import Endpoint, Tenant

FILTERABLE = (
    "id",
    "updateddate",
    "accountid",
    "sourceid",
    "sourcetype",
    "status",
    "invoicenumber",
    "memonumber",
)
"""The fields that Object Query can filter by."""
MADE = ("Completed", "PostInProgress", "Posted")
"""The words of a bill run that has made documents."""


def _list_drafted(tenant: Tenant, *, is_credit: bool) -> Iterator[dict[str, Any]]:
    """Yield what bill runs have made; a list may not know new ones yet."""
    since = tenant.now - tenant.settings.object_query_lag_seconds
    for run in tenant.state.bill_runs.runs.values():
        ended = run.timeline.find_moment("Completed", tenant.now)
        if run.get_status(tenant.now) in MADE and ended is not None and ended <= since:
            amounts = run.script.credit_amounts if is_credit else run.script.list_amounts()
            for count, amount in enumerate(amounts, start=1):
                yield _make_drafted(run, f"{run.number}-{count}", float(amount), tenant.now)


def _make_drafted(run: BillRun, number: str, amount: float, now: float) -> dict[str, Any]:
    return {
        "number": number,
        "amount": amount,
        "balance": amount,
        "currency": run.script.currency,
        "accountId": derive_id("account", number),
        "status": "Posted" if run.get_status(now) == "Posted" else "Draft",
        "dueDate": run.body.get("targetDate"),
        "sourceId": run.number,
        "sourceType": "BillRun",
    }


def _list_due(tenant: Tenant, kind: str) -> Iterator[dict[str, Any]]:
    """Yield what is due by the settings."""
    for count, given in enumerate(tenant.settings.receivables, start=1):
        each = Receivable.parse(given)
        if each.type == kind:
            yield {
                "number": f"{kind}-{count}",
                "amount": each.amount,
                "balance": each.amount,
                "currency": each.currency,
                "accountId": derive_id("account", each.account),
                "status": "Posted",
                "dueDate": each.due_date,
                "sourceId": None,
                "sourceType": None,
            }


def _answer(tenant: Tenant, request: Request, rows: list[dict[str, Any]], names: dict[str, str]) -> Response:
    """
    Answer a list; its rows name their currency, and their account as well if that is asked for.

    :param names: what the kind of document calls ``number`` and ``amount``.
    """
    expanded = [value.lower() for name, value in request.params if name == "expand[]"]
    if wrong := [name for name in expanded if name != "account"]:
        return tenant.refuse(request, Violation(27, f"Invalid expand parameter: {wrong[0]}", ANY_RESOURCE))
    shown = [
        {names.get(name, name): value for name, value in row.items()}
        | {"id": derive_id("document", row["number"])}
        | ({"account": {"id": row["accountId"], "currency": row["currency"]}} if expanded else {})
        for row in rows
    ]
    return answer_list(tenant, request, shown, FILTERABLE)


def list_invoices(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer GET /object-query/invoices."""
    rows = [*_list_drafted(tenant, is_credit=False), *_list_due(tenant, "Invoice")]
    return _answer(tenant, request, rows, {"number": "invoiceNumber"})


def list_credit_memos(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer GET /object-query/credit-memos."""
    rows = list(_list_drafted(tenant, is_credit=True))
    return _answer(tenant, request, rows, {"number": "memoNumber", "amount": "totalAmount"})


def list_debit_memos(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer GET /object-query/debit-memos."""
    rows = list(_list_due(tenant, "DebitMemo"))
    return _answer(tenant, request, rows, {"number": "memoNumber", "amount": "totalAmount"})


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/object-query/invoices": {"GET": list_invoices},
    "/object-query/credit-memos": {"GET": list_credit_memos},
    "/object-query/debit-memos": {"GET": list_debit_memos},
}
