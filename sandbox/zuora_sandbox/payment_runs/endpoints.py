"""The endpoints of payment runs; none of them cancels one, as none of Zuora's does."""

from __future__ import annotations

from typing import Any

from zuora_sandbox.answers import RUNS, Violation, make_id, make_reply
from zuora_sandbox.edge import PAYMENT_RUN, PAYMENT_RUN_DATA, PAYMENT_RUN_SUMMARY
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.object_query import answer_key, answer_list
from zuora_sandbox.payment_runs.lists import check_list, make_list
from zuora_sandbox.payment_runs.pages import make_data, make_row, make_summary
from zuora_sandbox.payment_runs.rules import check_payment_run
from zuora_sandbox.payment_runs.runs import PaymentRun
from zuora_sandbox.payment_runs.store import make_timeline
from zuora_sandbox.run_steps import read_object, refuse_run, refuse_step, refuse_unknown
from zuora_sandbox.scripts import PaymentRunScript
from zuora_sandbox.tenant import Endpoint, Tenant

FILTERABLE = (
    *("id", "updateddate", "executeddate", "numberofpayments", "paymentrunnumber", "status", "targetdate"),
)
"""The fields that Object Query can filter by."""


def _show(tenant: Tenant, run: PaymentRun) -> Response:
    return make_reply(200, {**run.make_page(tenant.now), "success": True})


def create_payment_run(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /v1/payment-runs."""
    body = read_object(tenant, request)
    if isinstance(body, Response):
        return body
    if found := check_payment_run(body):
        return tenant.refuse(request, *found)
    script = tenant.state.take_script(PaymentRunScript, request)
    key = request.header("Idempotency-Key")
    run = tenant.state.payment_runs.add_run(
        make_id(tenant.rng), body, key, script, tenant.now, tenant.settings
    )
    return _show(tenant, run)


def show_payment_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer GET /v1/payment-runs/{paymentRunKey}; Completed does not mean that anything was paid."""
    run = tenant.state.payment_runs.find_run(key)
    return refuse_unknown(tenant, request, key) if run is None else _show(tenant, run)


def show_summary(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer GET /v1/payment-runs/{paymentRunKey}/summary."""
    run = tenant.state.payment_runs.find_run(key)
    if run is None:
        return refuse_unknown(tenant, request, key)
    return make_reply(200, make_summary(run, tenant.now))


def show_data(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer GET /v1/payment-runs/{paymentRunKey}/data, for runs with data; the refusal is our reading."""
    run = tenant.state.payment_runs.find_run(key)
    if run is None:
        return refuse_unknown(tenant, request, key)
    if not run.body.get("data"):
        return refuse_run(tenant, request, 30, "The payment run was not created with data.")
    return make_reply(200, make_data(run, tenant.now))


def list_payment_runs(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer GET /v1/payment-runs."""
    params = dict(request.params)
    if found := check_list(params):
        return tenant.refuse(request, *(Violation(27, text, RUNS) for text in found))
    pages = [run.make_page(tenant.now) for run in tenant.state.payment_runs.list_runs()]
    return make_reply(200, make_list(pages, params))


def update_payment_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer PUT /v1/payment-runs/{paymentRunKey}; the page's sample spells a field ``rundate``."""
    run = tenant.state.payment_runs.find_run(key)
    if run is None:
        return refuse_unknown(tenant, request, key)
    if (word := run.get_status(tenant.now)) != "Pending":
        return refuse_step(tenant, request, word, "Pending")
    change = read_object(tenant, request)
    if isinstance(change, Response):
        return change
    body: dict[str, Any] = run.body | {
        "runDate" if name == "rundate" else name: change[name] for name in change
    }
    if found := check_payment_run(body):
        return tenant.refuse(request, *found)
    run.body, run.updated = body, tenant.now
    run.timeline = make_timeline(body, run.script, tenant.now, tenant.settings)
    return _show(tenant, run)


def delete_payment_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer DELETE /v1/payment-runs/{paymentRunKey}."""
    run = tenant.state.payment_runs.find_run(key)
    if run is None:
        return refuse_unknown(tenant, request, key)
    if (word := run.get_status(tenant.now)) not in ("Canceled", "Error"):
        return refuse_step(tenant, request, word, "Canceled", "Error")
    run.is_deleted = True
    return make_reply(200, {"success": True})


def show_row(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer GET /object-query/payment-runs/{key}."""
    run = next((run for run in _list_known(tenant) if key in (run.run_id, run.number)), None)
    return answer_key(tenant, request, key, make_row(run, tenant.now) if run else None)


def list_rows(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer GET /object-query/payment-runs."""
    rows = [make_row(run, tenant.now) for run in _list_known(tenant)]
    return answer_list(tenant, request, rows, FILTERABLE)


def _list_known(tenant: Tenant) -> list[PaymentRun]:
    since = tenant.now - tenant.settings.object_query_lag_seconds
    return [run for run in tenant.state.payment_runs.list_runs() if run.created <= since]


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/v1/payment-runs": {"POST": create_payment_run, "GET": list_payment_runs},
    PAYMENT_RUN: {"GET": show_payment_run, "PUT": update_payment_run, "DELETE": delete_payment_run},
    PAYMENT_RUN_SUMMARY: {"GET": show_summary},
    PAYMENT_RUN_DATA: {"GET": show_data},
    "/object-query/payment-runs": {"GET": list_rows},
    "/object-query/payment-runs/{key}": {"GET": show_row},
}
