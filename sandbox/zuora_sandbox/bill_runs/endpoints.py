"""The endpoints of bill runs; the status word decides which of them is legal."""

from __future__ import annotations

from typing import Any

from zuora_sandbox.answers import make_id, make_reply
from zuora_sandbox.bill_runs.rules import check_bill_run
from zuora_sandbox.bill_runs.runs import BillRun, find_next_day, make_timeline, plan_posting
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.object_query import answer_key, answer_list
from zuora_sandbox.run_steps import read_object, refuse_run, refuse_step, refuse_unknown
from zuora_sandbox.scripts import BillRunScript
from zuora_sandbox.tenant import Endpoint, Tenant
from zuora_sandbox.times import is_date

MOST_PENDING = 500
FILTERABLE = (
    *("id", "createdbyid", "updateddate", "billingrunnumber", "executeddate", "name", "numberofaccounts"),
    *("numberofinvoices", "numberofcreditmemos", "status", "targetdate", "batches", "repeattype"),
)
"""The fields that Object Query can filter by."""


def _find_run(tenant: Tenant, request: Request, key: str, *, by_number: bool = False) -> BillRun | Response:
    by_number = by_number or tenant.settings.bill_run_by_number
    run = tenant.state.bill_runs.find_run(key, tenant.now, by_number=by_number)
    return run or refuse_unknown(tenant, request, key)


def _check_word(
    tenant: Tenant, request: Request, key: str, words: tuple[str, ...], *, by_number: bool = False
) -> BillRun | Response:
    """Return the run if its word is one of these, or the refusal."""
    run = _find_run(tenant, request, key, by_number=by_number)
    if isinstance(run, Response) or run.get_status(tenant.now) in words:
        return run
    return refuse_step(tenant, request, run.get_status(tenant.now), *words)


def _show(tenant: Tenant, run: BillRun, **more: Any) -> Response:
    return make_reply(200, {**run.make_page(tenant.now), **more, "success": True})


def create_bill_run(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /v1/bill-runs."""
    body = read_object(tenant, request)
    if isinstance(body, Response):
        return body
    if found := check_bill_run(body):
        return tenant.refuse(request, *found)
    runs, now = tenant.state.bill_runs, tenant.now
    if sum(run.get_status(now) == "Pending" for run in runs.runs.values()) >= MOST_PENDING:
        return refuse_run(tenant, request, 30, f"There are {MOST_PENDING} pending bill runs.")
    script = tenant.state.take_script(BillRunScript, request)
    run = runs.add_run(
        make_id(tenant.rng), body, request.header("Idempotency-Key"), script, now, tenant.settings
    )
    return _show(tenant, run)


def show_bill_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer GET /v1/bill-runs/{billRunId}; it has no counts and no error text, Object Query has them."""
    run = _find_run(tenant, request, key)
    return run if isinstance(run, Response) else _show(tenant, run)


def update_bill_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer PUT /v1/bill-runs/{billRunId}, for a run that waits."""
    run = _check_word(tenant, request, key, ("Pending",))
    if isinstance(run, Response):
        return run
    change = read_object(tenant, request)
    if isinstance(change, Response):
        return change
    body = run.body | change
    if found := check_bill_run(body):
        return tenant.refuse(request, *found)
    run.body, run.updated = body, tenant.now
    run.timeline = make_timeline(body, run.script, tenant.now, tenant.settings)
    return _show(tenant, run)


def post_bill_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer PUT /v1/bill-runs/{billRunId}/post; no key makes it idempotent, but a second one is illegal."""
    run = _check_word(tenant, request, key, ("Completed",))
    if isinstance(run, Response):
        return run
    body = read_object(tenant, request)
    if isinstance(body, Response):
        return body
    day = body.get("invoiceDate")
    if day is not None and not is_date(day):
        return refuse_run(tenant, request, 20, "invoiceDate must be a date, yyyy-mm-dd.")
    run.body |= {"invoiceDate": day or run.body.get("invoiceDate")}
    run.posts, run.updated = run.posts + 1, tenant.now
    run.timeline = run.timeline.turn(
        tenant.now, (0.0, "PostInProgress"), plan_posting(run.script, tenant.settings)
    )
    return _show(tenant, run)


def cancel_bill_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer PUT /v1/bill-runs/{billRunId}/cancel; a schedule that repeats goes on, unless told otherwise."""
    run = _check_word(tenant, request, key, ("Pending", "Completed"))
    if isinstance(run, Response):
        return run
    body = read_object(tenant, request)
    if isinstance(body, Response):
        return body
    once = body.get("cancelOnce", True)
    if not isinstance(once, bool):
        return refuse_run(tenant, request, 20, "cancelOnce must be a boolean.")
    run.cancels, run.updated = run.cancels + 1, tenant.now
    takes = tenant.settings.bill_run_cancel_seconds
    run.timeline = run.timeline.turn(tenant.now, (0.0, "CancelInProgress"), (takes, "Canceled"))
    day = find_next_day(run.body.get("schedule")) if once else ""
    if not day:
        return _show(tenant, run)
    following = run.body | {"schedule": run.body["schedule"] | {"repeatFrom": day}}
    next_run = tenant.state.bill_runs.add_run(
        make_id(tenant.rng), following, "", run.script, tenant.now, tenant.settings
    )
    return _show(tenant, run, nextRun=next_run.make_page(tenant.now))


def delete_bill_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer DELETE /v1/bill-runs/{billRunId}; that the run is gone afterwards is our reading."""
    run = _check_word(tenant, request, key, ("Canceled", "Error"))
    if isinstance(run, Response):
        return run
    takes = tenant.settings.bill_run_delete_seconds
    run.timeline = run.timeline.turn(tenant.now, (0.0, "RemoveInProgress"), (takes, ""))
    return _show(tenant, run)


def email_bill_run(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer POST /v1/bill-runs/{billRunKey}/emails; two calls send twice."""
    run = _check_word(tenant, request, key, ("Posted",), by_number=True)
    if isinstance(run, Response):
        return run
    run.emails += 1
    return make_reply(200, {"success": True})


def show_row(tenant: Tenant, request: Request, key: str) -> Response:
    """Answer GET /object-query/billing-runs/{key}."""
    run = tenant.state.bill_runs.find_run(key, tenant.now, by_number=True)
    found = run and tenant.now - run.created >= tenant.settings.object_query_lag_seconds
    return answer_key(tenant, request, key, run.make_row(tenant.now) if run and found else None)


def list_rows(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer GET /object-query/billing-runs."""
    since = tenant.now - tenant.settings.object_query_lag_seconds
    runs = (run for run in tenant.state.bill_runs.list_runs(tenant.now) if run.created <= since)
    return answer_list(tenant, request, [run.make_row(tenant.now) for run in runs], FILTERABLE)


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/v1/bill-runs": {"POST": create_bill_run},
    "/v1/bill-runs/{billRunId}": {"GET": show_bill_run, "PUT": update_bill_run, "DELETE": delete_bill_run},
    "/v1/bill-runs/{billRunId}/post": {"PUT": post_bill_run},
    "/v1/bill-runs/{billRunId}/cancel": {"PUT": cancel_bill_run},
    "/v1/bill-runs/{billRunKey}/emails": {"POST": email_bill_run},
    "/object-query/billing-runs": {"GET": list_rows},
    "/object-query/billing-runs/{key}": {"GET": show_row},
}
