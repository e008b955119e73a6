"""The endpoints of Data Query."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from zuora_sandbox.answers import ANY_RESOURCE, Unreadable, Violation, make_reply, parse_json_body
from zuora_sandbox.data_query.jobs import CANCELLABLE, QueryJob
from zuora_sandbox.data_query.links import make_link
from zuora_sandbox.data_query.rules import check_list, check_query
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.scripts import QueryScript
from zuora_sandbox.tenant import Endpoint, Tenant

JOBS = "/query/jobs"
JOB = "/query/jobs/{job-id}"


def _refuse(tenant: Tenant, request: Request, texts: Iterable[str], status: int = 0) -> Response:
    found = [Violation(20, text, ANY_RESOURCE) for text in texts]
    return tenant.refuse(request, *found, status=status)


def submit_query(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /query/jobs. What a full queue is answered is not documented: a setting says the status."""
    try:
        body = parse_json_body(request)
    except Unreadable as error:
        return _refuse(tenant, request, [str(error)])
    if found := list(check_query(body)):
        return _refuse(tenant, request, found)
    jobs, settings = tenant.state.query_jobs, tenant.settings
    if jobs.is_full(body.get("sourceData") or "LIVE", settings):
        return _refuse(tenant, request, ["The queue of data queries is full."], settings.query_full_status)
    script = tenant.state.take_script(QueryScript, body["query"])
    waits = settings.query_queue_seconds if script.queue_seconds is None else script.queue_seconds
    job = QueryJob(
        job_id=str(uuid.UUID(int=tenant.rng.getrandbits(128), version=4)),
        body=body,
        key=request.header("Idempotency-Key"),
        script=script,
        table=script.make_table(settings.query_rows),
        created=tenant.now,
        ready=tenant.now + waits,
        seconds=settings.query_seconds if script.seconds is None else script.seconds,
        end=script.status or ("failed" if script.message else "completed"),
        status=settings.query_first_status,
        updated=tenant.now,
    )
    jobs.add_job(job)
    return make_reply(200, {"data": job.make_page(whole=True)})


def _find_job(tenant: Tenant, job_id: str) -> QueryJob | None:
    """Return a job, or None if it is unknown, or erased: after 30 days, says Zuora's documentation."""
    job = tenant.state.query_jobs.jobs.get(job_id)
    if job is None or tenant.now - job.created >= tenant.settings.query_memory_seconds:
        return None
    return job


def _refuse_unknown(tenant: Tenant, request: Request, job_id: str) -> Response:
    return tenant.refuse(request, Violation(40, f"There is no query job {job_id}.", ANY_RESOURCE))


def show_query(tenant: Tenant, request: Request, job_id: str) -> Response:
    """Answer GET /query/jobs/{job-id}; the page of a completed job has a link to its file."""
    job = _find_job(tenant, job_id)
    if job is None:
        return _refuse_unknown(tenant, request, job_id)
    whole = tenant.settings.query_whole_pages
    return make_reply(200, {"data": job.make_page(whole=whole, link=make_link(tenant, job))})


def list_queries(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer GET /query/jobs: the newest first, one page, no cursor."""
    params = dict(request.params)
    if found := list(check_list(params)):
        return _refuse(tenant, request, found)
    wanted, size = params.get("queryStatus"), int(params.get("pageSize", "20"))
    known = (job for key in reversed(tenant.state.query_jobs.jobs) if (job := _find_job(tenant, key)))
    rows = [job for job in known if wanted in (None, job.status)][:size]
    whole = tenant.settings.query_whole_pages
    return make_reply(
        200, {"data": [job.make_page(whole=whole, link=make_link(tenant, job)) for job in rows]}
    )


def cancel_query(tenant: Tenant, request: Request, job_id: str) -> Response:
    """Answer DELETE /query/jobs/{job-id}, which is legal in two states; so the second one is a 400."""
    job = _find_job(tenant, job_id)
    if job is None:
        return _refuse_unknown(tenant, request, job_id)
    if job.status not in CANCELLABLE:
        return _refuse(tenant, request, [f"The query job is {job.status} and cannot be cancelled."])
    tenant.state.query_jobs.cancel_job(job, tenant.now)
    return make_reply(200, {"data": job.make_page(whole=False)})


ROUTES: dict[str, dict[str, Endpoint]] = {
    JOBS: {"POST": submit_query, "GET": list_queries},
    JOB: {"GET": show_query, "DELETE": cancel_query},
}
