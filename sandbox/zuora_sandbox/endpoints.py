"""The endpoints of Zuora's API; a request gets here after the edge checks and the idempotency store."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote

from zuora_sandbox import billing_documents, order_changes, order_lists
from zuora_sandbox.answers import (
    ANY_RESOURCE,
    Unreadable,
    Violation,
    make_id,
    make_reply,
    parse_json_body,
)
from zuora_sandbox.bill_runs import endpoints as bill_runs
from zuora_sandbox.data_query import endpoints as data_query
from zuora_sandbox.edge import JOBS, REALMS, SIGN_IN
from zuora_sandbox.jobs import Job, decide_end
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.order_rules import check_order
from zuora_sandbox.order_store import make_account_page, make_order_page
from zuora_sandbox.payment_runs import endpoints as payment_runs
from zuora_sandbox.scripts import OrderScript
from zuora_sandbox.state import make_duplicate_violation
from zuora_sandbox.tenant import Endpoint, Tenant


def sign_in(tenant: Tenant, request: Request, _: str) -> Response:
    """
    Answer POST /oauth/token.

    A wrong grant type gets the 400 of Zuora's reference. An unknown client id and a wrong secret get what
    real tenants were seen to answer (other fields).
    """
    form = {name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()}
    if form.get("grant_type") != "client_credentials":
        return make_reply(400, {"code": 400, "message": "grant_type must be client_credentials."})
    known = tenant.settings
    if form.get("client_id") != known.client_id:
        return make_reply(400, {"status": 400, "path": SIGN_IN, "message": "Invalid client id"})
    if form.get("client_secret") != known.client_secret:
        body = {"error": "Unauthorized", "status": 401, "message": "Bad client secret", "path": SIGN_IN}
        return make_reply(401, body, {"WWW-Authenticate": REALMS})
    token = make_id(tenant.rng)
    tenant.state.issue_token(token, tenant.now + known.token_seconds)
    grant = {"access_token": token, "token_type": "bearer", "expires_in": int(known.token_seconds)}
    scope = "platform.write service.genesis.read tenant.10001"
    return make_reply(200, {**grant, "scope": scope, "jti": make_id(tenant.rng)})


def _accept_order(tenant: Tenant, request: Request, kind: str) -> Response | Job:
    try:
        order = parse_json_body(request)
    except Unreadable as error:
        return tenant.refuse(request, Violation(90, str(error)))
    if found := check_order(order, kind, tenant.settings.subscriptions_per_call):
        return tenant.refuse(request, *found)
    number = order.get("orderNumber")
    is_taken = kind == "create" and number in tenant.state.order_store.orders
    if is_taken and tenant.settings.duplicate_order_numbers == "refuse":
        return tenant.refuse(request, make_duplicate_violation(number))
    script = tenant.state.take_script(OrderScript, request, lambda script: script.is_for(kind, number))
    try:
        end = decide_end(order, kind, tenant.settings, script)
    except ValueError as error:
        return tenant.refuse(request, Violation(20, str(error)))
    return_ids = dict(request.params).get("returnIds", "").lower() == "true"
    key = request.header("Idempotency-Key")
    job = Job(make_id(tenant.rng), kind, order, return_ids, key, tenant.now, end)
    tenant.state.accept_job(job)
    return job


def create_order(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /v1/async/orders."""
    job = _accept_order(tenant, request, "create")
    if isinstance(job, Response):
        return job
    return make_reply(tenant.settings.create_status, {"jobId": job.job_id, "success": True})


def preview_order(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /v1/async/orders/preview; the answer has no ``success``, unlike that of a create."""
    job = _accept_order(tenant, request, "preview")
    return job if isinstance(job, Response) else make_reply(202, {"jobId": job.job_id})


def show_job(tenant: Tenant, request: Request, job_id: str) -> Response:
    """
    Answer GET /v1/async-jobs/{jobId}; ``success`` means that the job could be read, not that it succeeded.

    The text for an unknown job was seen at a real tenant. Its code, that of an unknown order, is our reading.
    """
    if deletion := order_lists.show_deletion(tenant, job_id):
        return deletion
    job, known = tenant.state.jobs.get(job_id), tenant.settings
    if (
        job is None
        or tenant.now - job.due > known.job_memory_seconds
        or tenant.now - job.accepted < known.job_lag_seconds
    ):
        return _refuse_unknown(tenant, request, "Cannot find response for job")
    return make_reply(200, job.make_page(tenant.get_version(request)))


def _refuse_unknown(tenant: Tenant, request: Request, text: str) -> Response:
    violation = Violation(tenant.settings.unknown_category, text, ANY_RESOURCE)
    return tenant.refuse(request, violation, status=tenant.settings.unknown_status)


def show_order(tenant: Tenant, request: Request, number: str) -> Response:
    """Answer GET /v1/orders/{orderNumber}; the error for an unknown one was recorded at a real tenant."""
    stored = tenant.state.order_store.orders.get(number)
    if stored is None:
        return _refuse_unknown(tenant, request, f"Invalid orderNumber: {number}")
    return make_reply(200, make_order_page(stored, tenant.now))


def show_account(tenant: Tenant, request: Request, wanted: str) -> Response:
    """Answer GET /v1/accounts/{account-key}; the error for an unknown one was recorded at a real tenant."""
    page = make_account_page(tenant.state.order_store, wanted, tenant.settings.accounts)
    if page is None:
        text = f"Cannot find entity by key: '{wanted}'."
        return tenant.refuse(request, Violation(40, text, ANY_RESOURCE))
    return make_reply(200, page)


ROUTES: dict[str, dict[str, Endpoint]] = {
    SIGN_IN: {"POST": sign_in},
    "/v1/async/orders": {"POST": create_order},
    "/v1/async/orders/preview": {"POST": preview_order},
    JOBS: {"GET": show_job},
    "/v1/orders/{orderNumber}": {"GET": show_order, "DELETE": order_lists.delete_now},
    "/v1/accounts/{account-key}": {"GET": show_account},
    **order_changes.ROUTES,
    **order_lists.ROUTES,
    **data_query.ROUTES,
    **bill_runs.ROUTES,
    **payment_runs.ROUTES,
    **billing_documents.ROUTES,
}

PATTERNS = {
    template: re.compile(re.sub(r"\{[^}]*\}", "([^/]+)", template)) for template in ROUTES if "{" in template
}


def find_template(path: str) -> tuple[str, str]:
    """
    Return the template of a path and the segment that stands for its parameter, decoded.

    A path that matches no template is its own template. A slash at the end is ignored.
    """
    bare = path.rstrip("/")
    if bare in ROUTES:
        return bare, ""
    found = ((template, pattern.fullmatch(bare)) for template, pattern in PATTERNS.items())
    return next(((template, unquote(match[1])) for template, match in found if match), (path, ""))
