"""The part of Elastic Path's API that exports orders, at the same address as Zuora's API.

Source: elasticpath.dev, "Get a Job", "Create a Job", "Errors". Client id and secret are those for Zuora.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from zuora_sandbox.answers import Unreadable, make_id, make_reply, parse_json_body
from zuora_sandbox.exports import Export
from zuora_sandbox.filters import parse_filter
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.tenant import Tenant

SIGN_IN = "/oauth/access_token"
JOBS = "/v2/jobs"
JOB = "/v2/jobs/{jobID}"
LINK = "/v2/jobs/{jobID}/file"
FILES = "/exports/{file}"

DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>'


def find_template(path: str) -> tuple[str, str]:
    """Return the template of an Elastic Path path and the id in it, or empty texts for any other path."""
    parts = path.strip("/").split("/")
    if path in (SIGN_IN, JOBS):
        return path, ""
    if parts[:2] == ["v2", "jobs"] and (len(parts) == 3 or parts[3:] == ["file"]):
        return (JOB if len(parts) == 3 else LINK), unquote(parts[2])
    if parts[0] == "exports" and len(parts) == 2:
        return FILES, unquote(parts[1]).removesuffix(".csv")
    return "", ""


def answer_request(tenant: Tenant, request: Request, template: str, job_id: str) -> Response:
    """Answer a request to one of the templates."""
    endpoint = ROUTES[template].get(request.method)
    if endpoint is None:
        return _make_refusal(tenant, 405, "Method Not Allowed")
    if template not in (SIGN_IN, FILES) and not _has_valid_token(tenant, request):
        return _make_refusal(tenant, 401, "Unable to validate access token")
    return endpoint(tenant, request, job_id)


def _has_valid_token(tenant: Tenant, request: Request) -> bool:
    scheme, _, token = request.header("Authorization").partition(" ")
    return scheme.lower() == "bearer" and tenant.state.tokens.get(token, 0) > tenant.now


def _make_refusal(tenant: Tenant, status: int, title: str, detail: str = "", **more: str) -> Response:
    request_id = str(uuid.UUID(int=tenant.rng.getrandbits(128), version=4))
    error = {"status": status, "title": title, "request_id": request_id, **more}
    return make_reply(status, {"errors": [{**error, "detail": detail} if detail else error]})


def sign_in(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /oauth/access_token; the body is a form, although the reference shows another example."""
    kind = request.header("Content-Type").partition(";")[0].strip().lower()
    form = {name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()}
    if kind != "application/x-www-form-urlencoded" or form.get("grant_type") != "client_credentials":
        return _make_refusal(tenant, 400, "Bad Request", "grant_type must be client_credentials, in a form")
    known = tenant.settings
    if (form.get("client_id"), form.get("client_secret")) != (known.client_id, known.client_secret):
        return _make_refusal(tenant, 401, "Unauthorized", "The client credentials are not known")
    token, until = make_id(tenant.rng), tenant.now + known.token_seconds
    tenant.state.issue_token(token, until)
    times = {"expires": int(until), "expires_in": int(known.token_seconds)}
    return make_reply(
        200, {**times, "identifier": "client_credentials", "access_token": token, "token_type": "Bearer"}
    )


def create_export(tenant: Tenant, request: Request, _: str) -> Response:
    """Answer POST /v2/jobs."""
    try:
        body = parse_json_body(request)
    except Unreadable as error:
        return _make_refusal(tenant, 400, "Bad Request", str(error))
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or (data.get("type"), data.get("job_type")) != ("job", "order_export"):
        return _make_refusal(
            tenant, 400, "required", "data must be a job of type order_export", source="data"
        )
    filter_ = data.get("filter")
    try:
        parse_filter(str(filter_))
    except ValueError as error:
        return _make_refusal(tenant, 400, "Bad Request", str(error), source="filter")
    job_id = str(uuid.UUID(int=tenant.rng.getrandbits(128), version=4))
    export = tenant.state.exports.add_job(job_id, str(filter_), tenant.now, tenant.settings)
    return make_reply(tenant.settings.export_status, {"data": _render_export(tenant, request, export)})


def show_job(tenant: Tenant, request: Request, job_id: str) -> Response:
    """Answer GET /v2/jobs/{jobID}; the error for an unknown job is not in a list, as in the reference."""
    export = _find_export(tenant, job_id)
    return (
        _refuse_unknown()
        if export is None
        else make_reply(200, {"data": _render_export(tenant, request, export)})
    )


def show_link(tenant: Tenant, request: Request, job_id: str) -> Response:
    """Answer GET /v2/jobs/{jobID}/file."""
    export = _find_export(tenant, job_id)
    if export is None:
        return _refuse_unknown()
    if export.file is None:
        detail = f"Job has no file to download. Job status: {export.get_status(tenant.now)}"
        error = {"status": "422", "title": "Unprocessable Entity", "detail": detail}  # status is a text here
        return make_reply(422, {"errors": [error]})
    until = int(tenant.now + tenant.settings.link_seconds)
    query = f"Expires={until}&Signature={_sign_link(job_id, str(until))}"
    return make_reply(200, {"data": {"href": f"{_make_base_url(request)}/exports/{job_id}.csv?{query}"}})


def send_file(tenant: Tenant, request: Request, job_id: str) -> Response:
    """Answer GET /exports/{file} with the CSV if the link is valid and has not expired; errors are XML."""
    asked = dict(request.params)
    until, export = asked.get("Expires", ""), tenant.state.exports.jobs.get(job_id)
    signed = asked.get("Signature") == _sign_link(job_id, until)
    if not signed or export is None or export.file is None or tenant.now > float(until):
        return Response(403, {"Content-Type": "application/xml"}, DENIED)
    return Response(200, {"Content-Type": "text/csv"}, export.file.encode())


Endpoint = Callable[[Tenant, Request, str], Response]

ROUTES: dict[str, dict[str, Endpoint]] = {
    SIGN_IN: {"POST": sign_in},
    JOBS: {"POST": create_export},
    JOB: {"GET": show_job},
    LINK: {"GET": show_link},
    FILES: {"GET": send_file},
}


def _find_export(tenant: Tenant, job_id: str) -> Export | None:
    """Return an export, or None if it is unknown or older than `export_memory_seconds`."""
    export = tenant.state.exports.jobs.get(job_id)
    if export is None or tenant.now - export.created >= tenant.settings.export_memory_seconds:
        return None
    return export


def _refuse_unknown() -> Response:
    detail = "The resource you are requesting does not exist"
    return make_reply(404, {"title": "Resource Not Found", "status": 404, "detail": detail})


def _render_export(tenant: Tenant, request: Request, export: Export) -> Any:
    """Return an export, in a list or not: the schema of the reference has a list, its examples do not."""
    page = export.make_page(tenant.now, _make_base_url(request))
    return [page] if tenant.settings.export_in_list else page


def _make_base_url(request: Request) -> str:
    return f"http://{request.header('Host') or 'sandbox.invalid'}"


def _sign_link(job_id: str, until: str) -> str:
    return hashlib.sha256(f"{job_id} {until}".encode()).hexdigest()
