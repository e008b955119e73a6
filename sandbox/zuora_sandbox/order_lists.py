"""Lists of orders, below ``/v1/`` and in Object Query, and what deletes an order.

Source: "List orders", "Delete an order asynchronously", "Delete an order", and "List orders" of Object Query,
of Zuora's v1 API reference, and what was seen at real tenants where a docstring says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from zuora_sandbox.answers import ANY_RESOURCE, Violation, make_id, make_reply
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.object_query import answer_key, answer_list
from zuora_sandbox.order_rules import is_date
from zuora_sandbox.order_store import StoredOrder, derive_id, make_order_page
from zuora_sandbox.tenant import Endpoint, Tenant

MOST_ROWS, USUAL_ROWS = 40, 20
DATES = ("orderDate", "updatedDate")
WORDS = ("all", "draft", "pending", "completed", "cancelled", "scheduled", "executing", "failed")
FILTERABLE = ("id", "updateddate", "orderdate", "ordernumber", "accountid", "status", "invoicescheduleid")
"""The fields that Object Query can filter by."""
EXPANDABLE = ("account",)
"""What this sandbox has of the objects that Object Query can add to a row."""
NEXT_PAGES = {"host": "https://localhost:8080/apps/v1/orders", "path": "/orders"}
"""How ``nextPage`` begins in samples: with a host that is none of the caller's, or without ``/v1``."""
USER = derive_id("user", "sandbox")


def _check_list(params: dict[str, str]) -> list[str]:
    """Return what is wrong with the parameters of a list."""
    found = [
        f"{name} must be a number from 1 on."
        for name in ("page", "pageSize")
        if not params.get(name, "1").isdecimal() or int(params.get(name, "1")) < 1
    ]
    if not found and int(params.get("pageSize", "1")) > MOST_ROWS:
        found.append(f"pageSize must be at most {MOST_ROWS}.")
    if params.get("dateFilterOption", DATES[0]) not in DATES:
        found.append(f"dateFilterOption must be one of {', '.join(DATES)}.")
    if params.get("status", WORDS[0]) not in WORDS:
        found.append(f"status must be one of {', '.join(WORDS)}.")
    dates = [name for name in ("startDate", "endDate") if name in params and not is_date(params[name])]
    return found + [f"{name} must be a date, yyyy-mm-dd." for name in dates]


def list_orders(tenant: Tenant, request: Request, _: str) -> Response:
    """
    Answer GET /v1/orders: the order that was made last comes first, which is our reading.

    So an order that is made between two pages moves others to the next one: they come twice. An order that is
    deleted between two pages moves others to the one before: they come in none.
    """
    params = dict(request.params)
    if wrong := _check_list(params):
        return tenant.refuse(request, *(Violation(20, text) for text in wrong))
    pages = [_make_row(stored, tenant.now) for stored in _list_newest(tenant)]
    rows = [page for page in pages if _passes(page, params)]
    size, number = int(params.get("pageSize", USUAL_ROWS)), int(params.get("page", "1"))
    shown = {"orders": rows[(number - 1) * size : number * size]}
    if number * size >= len(rows):
        return make_reply(200, {**shown, "success": True})
    following = urlencode({**params, "page": number + 1})
    next_page = f"{NEXT_PAGES[tenant.settings.next_page_of_orders]}?{following}"
    return make_reply(200, {**shown, "nextPage": next_page, "success": True})


def _list_newest(tenant: Tenant) -> list[StoredOrder]:
    return list(tenant.state.order_store.orders.values())[::-1]


def _make_row(stored: StoredOrder, now: float) -> dict[str, Any]:
    """Return the row of a list: the order's page without the wrapper."""
    page: dict[str, Any] = make_order_page(stored, now)["order"]
    return {"createdBy": USER, "updatedBy": USER, **page}


def _passes(page: dict[str, Any], params: dict[str, str]) -> bool:
    status = params.get("status", WORDS[0])
    day = page[params.get("dateFilterOption", DATES[0])][:10]
    is_in_time = params.get("startDate", day) <= day <= params.get("endDate", day)
    return is_in_time and status in (WORDS[0], page["status"].lower())


def _make_object(stored: StoredOrder, now: float, expanded: list[str]) -> dict[str, Any]:
    """Return the row of Object Query, which names its account by id alone."""
    created, updated = (
        datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
        for seconds in (stored.created, stored.get_updated(now))
    )
    account = {"id": derive_id("account", stored.account), "accountNumber": stored.account}
    own = {
        "id": derive_id("order", stored.number),
        "orderNumber": stored.number,
        "orderDate": stored.order["orderDate"],
        "accountId": account["id"],
        "status": stored.get_status(now),
        "state": None,
        "category": stored.order.get("category") or "NewSales",
        "scheduledDate": None,
        "errorCode": None,
        "errorMessage": None,
        "cancelReason": None,
        "description": stored.order.get("description"),
        "invoiceScheduleId": None,
        "createdById": USER,
        "createdDate": created,
        "updatedById": USER,
        "updatedDate": updated,
    }
    return own | ({"account": account} if expanded else {})


def _read_expansion(request: Request) -> list[str]:
    return [name for key, value in request.params if key == "expand[]" for name in value.lower().split(",")]


def list_objects(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer GET /object-query/orders; a page has at most 99 rows, and the next one a cursor."""
    expanded = _read_expansion(request)
    if wrong := [name for name in expanded if name not in EXPANDABLE]:
        return tenant.refuse(request, Violation(27, f"Invalid expand parameter: {wrong[0]}", ANY_RESOURCE))
    since = tenant.now - tenant.settings.object_query_lag_seconds
    known = [stored for stored in _list_newest(tenant) if stored.created <= since]
    return answer_list(
        tenant, request, [_make_object(each, tenant.now, expanded) for each in known], FILTERABLE
    )


def show_object(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer GET /object-query/orders/{key}, by id or number."""
    since = tenant.now - tenant.settings.object_query_lag_seconds
    orders = tenant.state.order_store.orders
    stored = orders.get(key) or next(
        (o for o in orders.values() if derive_id("order", o.number) == key), None
    )
    is_known = stored is not None and stored.created <= since
    row = _make_object(stored, tenant.now, _read_expansion(request)) if stored and is_known else None
    return answer_key(tenant, request, key, row)


def _refuse_invoiced(tenant: Tenant, request: Request, number: str) -> Response:
    """Return the refusal of an order that is invoiced; its words are ours."""
    text = f"The order {number} cannot be deleted: its charges are invoiced."
    return tenant.refuse(request, Violation(30, text))


def delete_later(tenant: Tenant, request: Request, number: str) -> Response:
    """
    Answer DELETE /v1/async/orders/{orderNumber}: the order goes after `order_delete_seconds`.

    The words for an unknown one were seen at a real tenant, with HTTP 400; its code is our reading. What
    becomes of the job is documented nowhere: it cannot be read, or it completes, see `order_deletion_job`.
    """
    stored = tenant.state.order_store.orders.get(number)
    if stored is None:
        return tenant.refuse(request, Violation(20, "orderNumber does not exist", ANY_RESOURCE), status=400)
    if stored.invoice:
        return _refuse_invoiced(tenant, request, number)
    due = tenant.now + tenant.settings.order_delete_seconds
    tenant.state.order_store.deleting.setdefault(number, due)
    job_id = make_id(tenant.rng)
    tenant.state.order_store.deletion_jobs[job_id] = tenant.state.order_store.deleting[number]
    return make_reply(200, {"jobId": job_id, "success": True})


def delete_now(tenant: Tenant, request: Request, number: str) -> Response:
    """Answer DELETE /v1/orders/{orderNumber}; the error for an unknown one was recorded at a real tenant."""
    store = tenant.state.order_store
    stored = store.orders.get(number)
    if stored is None:
        return tenant.refuse(request, Violation(40, f"Invalid orderNumber: {number}", ANY_RESOURCE))
    if stored.invoice:
        return _refuse_invoiced(tenant, request, number)
    store.delete_order(number)
    return make_reply(200, {"success": True})


def show_deletion(tenant: Tenant, job_id: str) -> Response | None:
    """Return the page of the job of a deletion; None if there is none that can be read."""
    due = tenant.state.order_store.deletion_jobs.get(job_id)
    if due is None or tenant.settings.order_deletion_job == "unknown":
        return None
    status = "Completed" if due <= tenant.now else "Processing"
    return make_reply(200, {"errors": None, "result": None, "status": status, "success": True})


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/v1/orders": {"GET": list_orders},
    "/v1/async/orders/{orderNumber}": {"DELETE": delete_later},
    "/object-query/orders": {"GET": list_objects},
    "/object-query/orders/{key}": {"GET": show_object},
}
