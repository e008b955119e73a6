"""Elastic Path Commerce Cloud: its paths, bodies, words and errors, which are read here alone.

Sources: elasticpath.dev, "Get a Job", "Create a Job", "Client credential token", "Errors", "Rate limits", the
promotions' jobs (a sibling service), and the documentation of the same service under its former name, Moltin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar
from urllib.parse import quote

from typing_extensions import override

from airflow_provider_zuora.core.errors import InvalidInput, JobFailed, ResponseInfo
from airflow_provider_zuora.core.job import Job, JobResult, JobState, clean_job_id
from airflow_provider_zuora.core.messages import ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.receipt import JobFacts
from airflow_provider_zuora.core.redaction import REASONS
from airflow_provider_zuora.core.vendors.base import JobKind, RepeatedSubmit, Vendor, read_status
from airflow_provider_zuora.core.vendors.response_body import (
    parse_unreadable,
    quote_body,
    read_body,
    read_text,
)

_JOBS, _EXPORT = "/v2/jobs", "order_export"
_EMPTY = "no results matched the supplied filter"
_ABOUT = ("id", "type", "job_type", "status", "timestamps")  # not `link`: who has it, has the orders
_EMPTY_EXPORTS = ("fail", "skip")
# The union of what "Get a Job", Moltin's documentation and the sibling services' call them.
_STATES: Mapping[str, JobState] = {
    **dict.fromkeys(("pending", "started", "processing", "cancelling"), JobState.ACTIVE),
    **dict.fromkeys(("success", "complete", "completed"), JobState.SUCCEEDED),
    **dict.fromkeys(("failed", "cancelled", "canceled"), JobState.FAILED),
}
# The HTTP status decides, not the one in the body: "Get a Job" calls its 404 "Forbidden".
_STATUSES = {
    400: ResponseKind.REFUSED,
    401: ResponseKind.TOKEN,
    403: ResponseKind.DENIED,
    404: ResponseKind.NOT_FOUND,
    408: ResponseKind.GATEWAY,
    409: ResponseKind.LOCKED,
    422: ResponseKind.REFUSED,
    429: ResponseKind.LIMITED,
}
_A_FEW = 3.0  # seconds; "Rate limits" asks for a few, and no header says how many
_NO_FILE, _JOB_STATUS = "no file", "job status:"


def _build_export_request(document: Mapping[str, Any], options: Mapping[str, Any]) -> Request:
    return Request.post_json(_JOBS, {"data": {"type": "job", "job_type": _EXPORT, **document}})


def _is_export(body: bytes) -> bool:
    """Return whether a job only reads: other types may be added."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    data = document.get("data") if isinstance(document, dict) else None
    return isinstance(data, dict) and data.get("job_type") == _EXPORT


def _build_status_request(job_id: str, below: str = "") -> Request:
    return Request("GET", f"{_JOBS}/{quote(job_id, safe='')}{below}")


def build_file_request(job_id: str) -> Request:
    """Return the GET of the link to a job's file."""
    return _build_status_request(job_id, "/file")


def read_link(body: Mapping[str, Any]) -> str:
    """Return ``href``, in ``data`` as documented, or bare as the sibling services answer, or nothing."""
    link = (_read_data(body) or body).get("href")
    return link.strip() if isinstance(link, str) else ""


def _read_job(job_id: str, body: Mapping[str, Any], info: ResponseInfo) -> Job:
    data = _read_data(body)
    state, status = read_status(data.get("status"), _STATES)
    if error := data.get("error"):
        info = info.with_words([read_text(error)])
    about = {name: data[name] for name in _ABOUT if name in data} | {"id": job_id}
    return Job(job_id, state, status, about if state is JobState.SUCCEEDED else None, info=info)


def _list_violations(options: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = options.get("empty_export", "fail")
    return () if wanted in _EMPTY_EXPORTS else (f"empty_export: must be fail or skip, not {wanted!r}",)


def _read_result(job: Job, options: Mapping[str, Any]) -> JobResult:
    """Return what became of the export; an empty one is a failed job, unless ``empty_export`` is ``skip``."""
    if wrong := _list_violations(options):
        return JobResult(job.job_id, job, InvalidInput("The job has ended.", wrong))
    words = " ".join(job.info.messages).lower() if job.info else ""
    if job.state is not JobState.FAILED or _EMPTY not in words:
        return JobResult.of_job(job)
    found = f"Job {job.job_id} ended as {job.status}: the export is empty, no order matched its filter."
    if options.get("empty_export") == "skip":
        return JobResult(job.job_id, job, skipped=found)
    error = JobFailed(f"{found} empty_export='skip' makes no failure of that.", info=job.info)
    return JobResult(job.job_id, job, error)


def _read_facts(job: Job) -> JobFacts:
    about = job.result if isinstance(job.result, dict) else {}
    return JobFacts("order export", {"job_type": about.get("job_type"), "status": job.status})


def _read_data(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``data`` if it is an object, or the only object of a list; else an empty one."""
    data = body.get("data")
    rows = data if isinstance(data, list) else [data]
    return rows[0] if len(rows) == 1 and isinstance(rows[0], dict) else {}


class ElasticPath(Vendor):
    """Elastic Path's order exports."""

    name = "elastic_path"
    title = "Elastic Path"
    environments: ClassVar[Mapping[str, str]] = {
        "US East": "https://useast.api.elasticpath.com",
        "EU West": "https://euwest.api.elasticpath.com",
    }
    # Commerce Manager, as Elastic Path's developer portal names it; its pages below have the store's id.
    pages: ClassVar[Mapping[str, str]] = {
        environments["US East"]: "https://useast.cm.elasticpath.com/",
        environments["EU West"]: "https://euwest.cm.elasticpath.com/",
    }
    kinds: ClassVar[Mapping[str, JobKind]] = {
        "order_export": JobKind(
            prefix="",
            build_status_request=_build_status_request,
            states=_STATES,
            read_job=_read_job,
            read_result=_read_result,
            read_facts=_read_facts,
            build_submit_request=_build_export_request,
            repeated_submit=RepeatedSubmit.HARMLESS,  # at worst the job stands in the queue twice
            read_id=lambda body: clean_job_id(_read_data(body).get("id")),
        ),
    }

    sign_in_path = "/oauth/access_token"

    @override
    def is_read(self, request: Request) -> bool:
        is_post = (request.method, request.path) == ("POST", _JOBS)
        return super().is_read(request) or (is_post and _is_export(request.body))

    @override
    def explain_refused_sign_in(self, info: ResponseInfo) -> str:
        return (
            "Elastic Path refuses the client id (login) or its secret (password): enter both anew. If they "
            "are right, the region is wrong, or the key is not of the kind Client Credentials."
        )

    @override
    def read_token_lifetime(self, grant: Mapping[str, Any], now: float) -> object:
        until = grant.get("expires")  # ``expires_in`` goes first: no clock has a part in it
        if grant.get("expires_in") is None and isinstance(until, (int, float)):
            return until - now
        return grant.get("expires_in")

    @override
    def read_response(self, request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
        if response.status == 429 and info.retry_after is None:
            info = replace(info, retry_after=_A_FEW)
        body, is_readable = read_body(response)
        if not is_readable:
            return parse_unreadable(response, info, _STATUSES)
        errors = list(islice(_list_errors(body), REASONS)) if isinstance(body, dict) else []
        if errors:
            info = info.with_words(map(_describe_error, errors))
            ids = (read_text(error["request_id"]) for error in errors if error.get("request_id"))
            info = replace(info, request_id=next(ids, ""))
        kind = _classify(response.status, info)
        if kind is not ResponseKind.OK and not errors and response.body:
            info = replace(info, messages=(quote_body(response),))  # better than nothing
        return ParsedResponse(kind, info, body, whole=body is not None, arrived=True)

    @override
    def advise(self, parsed: ParsedResponse) -> str:
        is_of_a_job = parsed.info.asked.startswith(f"GET {_JOBS}/")
        if parsed.kind is not ResponseKind.NOT_FOUND or not is_of_a_job:
            return ""
        return "A job is forgotten a week after it was created: export again."

    list_violations = staticmethod(_list_violations)


def _list_errors(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every error of a body: those of ``errors``, or the bare one that a 404 is documented with."""
    rows = body.get("errors")
    if rows:
        for row in rows if isinstance(rows, list) else [rows]:
            yield row if isinstance(row, dict) else {"detail": row}
    elif "data" not in body and (body.get("title") or body.get("detail")):
        yield body
    elif body.get("error") or body.get("message"):  # of OAuth, or of a gateway
        yield {"title": body.get("error"), "detail": body.get("error_description") or body.get("message")}


def _describe_error(error: Mapping[str, Any]) -> str:
    words = ": ".join(read_text(error[name]) for name in ("title", "detail") if error.get(name))
    return f"{words} (source {read_text(error['source'])})" if error.get("source") else words


def _classify(status: int, info: ResponseInfo) -> ResponseKind:
    if status < 300:
        return ResponseKind.UNCLEAR if info.messages else ResponseKind.OK
    if status >= 500:
        return ResponseKind.TEMPORARY if info.messages else ResponseKind.GATEWAY
    if status == 422 and any(_is_early(message) for message in info.messages):
        return ResponseKind.TEMPORARY
    return _STATUSES.get(status, ResponseKind.DENIED)


def _is_early(message: str) -> bool:
    """Return whether a file was asked for while its job is under way."""
    _, no_file, rest = message.lower().partition(_NO_FILE)
    word = rest.rpartition(_JOB_STATUS)[2].split() if _JOB_STATUS in rest else []
    return bool(no_file and word) and _STATES.get(word[0].strip(".,;)")) is JobState.ACTIVE
