"""What the endpoints of Zuora's API answer, once a request has passed the edge and the idempotency store."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, unquote

from zuora_sandbox.answers import (
    ANY_RESOURCE,
    Complaint,
    Unreadable,
    json_body,
    new_id,
    reply,
)
from zuora_sandbox.edge import JOBS, REALMS, SIGN_IN
from zuora_sandbox.jobs import Job, end_of
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.order_rules import complaints
from zuora_sandbox.order_store import account_page as page_of_account
from zuora_sandbox.order_store import order_page as page_of
from zuora_sandbox.state import duplicate
from zuora_sandbox.tenant import Tenant


def sign_in(tenant: Tenant, request: Request, _: str) -> Response:
    """
    Answer POST /oauth/token.

    A form that lacks something is answered as Zuora's reference documents a 400; an unknown client id and a
    wrong secret as real answers looked that were seen in the wild (the same status, other fields).
    """
    form = {name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()}
    if form.get("grant_type") != "client_credentials":
        return reply(400, {"code": 400, "message": "grant_type must be client_credentials."})
    known = tenant.settings
    if form.get("client_id") != known.client_id:
        return reply(400, {"status": 400, "path": SIGN_IN, "message": "Invalid client id"})
    if form.get("client_secret") != known.client_secret:
        body = {"error": "Unauthorized", "status": 401, "message": "Bad client secret", "path": SIGN_IN}
        return reply(401, body, {"WWW-Authenticate": REALMS})
    token = new_id(tenant.rng)
    tenant.state.issue(token, tenant.now + known.token_seconds)
    granted = {"access_token": token, "token_type": "bearer", "expires_in": int(known.token_seconds)}
    scope = "platform.write service.genesis.read tenant.10001"
    return reply(200, {**granted, "scope": scope, "jti": new_id(tenant.rng)})


def _accept(tenant: Tenant, request: Request, kind: str) -> Response | Job:
    try:
        order = json_body(request)
    except Unreadable as error:
        return tenant.refuse(request, Complaint(90, str(error)))
    if found := complaints(order, kind, tenant.settings.subscriptions_per_call):
        return tenant.refuse(request, *found)
    number = order.get("orderNumber")
    try:
        end = end_of(order, kind, tenant.settings)
    except ValueError as error:
        return tenant.refuse(request, Complaint(20, str(error)))
    if kind == "create" and number in tenant.state.books.orders and not end.may_repeat_number:
        return tenant.refuse(request, duplicate(number))
    return_ids = dict(request.params).get("returnIds", "").lower() == "true"
    key = request.header("Idempotency-Key")
    job = Job(new_id(tenant.rng), kind, order, return_ids, key, tenant.now, end)
    tenant.state.accept(job)
    return job


def create(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /v1/async/orders."""
    job = _accept(tenant, request, "create")
    if isinstance(job, Response):
        return job
    return reply(tenant.settings.create_status, {"jobId": job.job_id, "success": True})


def preview(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /v1/async/orders/preview; unlike a create's, the answer does not say ``success``."""
    job = _accept(tenant, request, "preview")
    return job if isinstance(job, Response) else reply(202, {"jobId": job.job_id})


def job_page(tenant: Tenant, request: Request, job_id: str) -> Response:
    """
    Answer GET /v1/async-jobs/{jobId}; ``success`` says that it could be read, not that it succeeded.

    The text for an unknown job was seen in the wild; its code is our reading, the one of an unknown order.
    """
    job, known = tenant.state.jobs.get(job_id), tenant.settings
    if (
        job is None
        or tenant.now - job.due > known.job_memory_seconds
        or tenant.now - job.accepted < known.job_lag_seconds
    ):
        return _unknown(tenant, request, "Cannot find response for job")
    return reply(200, job.body(tenant.version(request)))


def _unknown(tenant: Tenant, request: Request, text: str) -> Response:
    complaint = Complaint(tenant.settings.unknown_category, text, ANY_RESOURCE)
    return tenant.refuse(request, complaint, status=tenant.settings.unknown_status)


def order_page(tenant: Tenant, request: Request, number: str) -> Response:
    """Answer GET /v1/orders/{orderNumber}; the error for an unknown one was recorded at a tenant's."""
    booked = tenant.state.books.orders.get(number)
    if booked is None:
        return _unknown(tenant, request, f"Invalid orderNumber: {number}")
    return reply(200, page_of(booked, tenant.now))


def account_page(tenant: Tenant, request: Request, wanted: str) -> Response:
    """Answer GET /v1/accounts/{account-key}; the error for an unknown one was recorded at a tenant's."""
    page = page_of_account(tenant.state.books, wanted)
    if page is None:
        text = f"Cannot find entity by key: '{wanted}'."
        return tenant.refuse(request, Complaint(40, text, ANY_RESOURCE))
    return reply(200, page)


Endpoint = Callable[[Tenant, Request, str], Response]

ROUTES: dict[str, dict[str, Endpoint]] = {
    SIGN_IN: {"POST": sign_in},
    "/v1/async/orders": {"POST": create},
    "/v1/async/orders/preview": {"POST": preview},
    JOBS: {"GET": job_page},
    "/v1/orders/{orderNumber}": {"GET": order_page},
    "/v1/accounts/{account-key}": {"GET": account_page},
}

BY_HEAD = {template.rpartition("/")[0]: template for template in ROUTES if template.endswith("}")}


def template_of(path: str) -> tuple[str, str]:
    """
    Return the path template of a path and its last segment, decoded.

    A path that matches none is its own template. A slash at the end does not count.
    """
    bare = path.rstrip("/")
    head, _, last = bare.rpartition("/")
    return (bare if bare in ROUTES else BY_HEAD.get(head, path)), unquote(last)
