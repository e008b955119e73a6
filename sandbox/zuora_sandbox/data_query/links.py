"""Signed links to result files, and the file origin that they lead to: it acts as Amazon S3 does.

Source: the ``dataFile`` in the samples of Zuora's v1 API reference, and Amazon's pages "Authenticating
requests: using query parameters" and "Error responses". A link is signed for GET and for no header but Host.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlencode
from xml.sax.saxutils import escape

from zuora_sandbox.answers import make_id
from zuora_sandbox.data_query.contents import (
    PackedContent,
    PartContent,
    PlainContent,
    gzip_chunks,
    zip_chunks,
)
from zuora_sandbox.messages import Content, Request, Response
from zuora_sandbox.times import format_amazon, parse_amazon

if TYPE_CHECKING:
    from zuora_sandbox.data_query.jobs import QueryJob
    from zuora_sandbox.tenant import Tenant

BUCKET = "/data-query-files/"
FILE = BUCKET + "{file}"
MEDIA_TYPES = {"gz": "application/gzip", "zip": "application/zip", "json": "application/json"}
TWO_KEYS = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
    "parameter or the Authorization header should be specified"
)


def make_link(tenant: Tenant, job: QueryJob) -> str:
    """Return the link to the file of a job, or an empty text if there is none."""
    settings = tenant.settings
    if job.status != "completed" or (job.table.count == 0 and settings.query_empty_file == "none"):
        return ""
    signed = tenant.now if settings.query_renews_links else job.updated
    path = BUCKET + job.file_name
    query = {
        "X-Amz-Security-Token": make_id(tenant.rng),
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Date": format_amazon(signed),
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Expires": f"{settings.query_link_seconds:.0f}",
        "X-Amz-Credential": f"ASIASANDBOX/{format_amazon(signed)[:8]}/us-west-2/s3/aws4_request",
    }
    query["X-Amz-Signature"] = _sign_link(path, query)
    return f"{settings.query_files_url or tenant.files_url}{path}?{urlencode(query)}"


def _sign_link(path: str, query: dict[str, str]) -> str:
    signed = sorted((name, value) for name, value in query.items() if name != "X-Amz-Signature")
    return hashlib.sha256(f"sandbox {path} {signed}".encode()).hexdigest()


def _refuse(tenant: Tenant, status: int, code: str, message: str, **more: str) -> Response:
    fields = {"Code": code, "Message": message, **more, "RequestId": make_id(tenant.rng)[:16].upper()}
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    page = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Response(status, {"Content-Type": "application/xml"}, page.encode())


def find_file(tenant: Tenant, request: Request) -> Response:
    """Answer a request at the file origin, whole: the part that ``Range`` asks for is cut out elsewhere."""
    query = dict(request.params)
    if given := request.header("Authorization"):
        named = {"ArgumentName": "Authorization", "ArgumentValue": given}
        return _refuse(tenant, 400, "InvalidArgument", TWO_KEYS, **named)
    if "X-Amz-Signature" not in query:
        return _refuse(tenant, 403, "AccessDenied", "Access Denied")
    if request.method != "GET" or query["X-Amz-Signature"] != _sign_link(unquote(request.path), query):
        return _refuse(
            tenant, 403, "SignatureDoesNotMatch", "The request signature we calculated does not match."
        )
    until = parse_amazon(query["X-Amz-Date"]) + float(query["X-Amz-Expires"])
    if tenant.now >= until:
        times = {"Expires": format_amazon(until), "ServerTime": format_amazon(tenant.now)}
        return _refuse(
            tenant,
            tenant.settings.query_expired_status,
            "AccessDenied",
            "Request has expired",
            **{"X-Amz-Expires": query["X-Amz-Expires"], **times},
        )
    name = unquote(request.path).removeprefix(BUCKET)
    job = tenant.state.query_jobs.jobs.get(name.partition("_")[0])
    if job is None or tenant.now - job.created >= tenant.settings.query_memory_seconds:
        return _refuse(tenant, 404, "NoSuchKey", "The specified key does not exist.", Key=name)
    job.downloads += 1
    return _send_file(tenant, job)


def _send_file(tenant: Tenant, job: QueryJob) -> Response:
    """Return the file of a job; its ETag is that of the job, because a file never changes."""
    job.content = job.content or _make_content(tenant, job)
    headers = {
        "Content-Type": MEDIA_TYPES.get(job.file_name.rpartition(".")[2], "text/csv"),
        "Accept-Ranges": "bytes",
        "ETag": f'"{hashlib.md5(job.job_id.encode(), usedforsecurity=False).hexdigest()}"',
    }
    if tenant.settings.query_encoding_header and job.body["compression"] == "GZIP":
        headers["Content-Encoding"] = "gzip"
    return Response(200, headers, content=job.content)


def _make_content(tenant: Tenant, job: QueryJob) -> Content:
    if job.table.count == 0 and tenant.settings.query_empty_file == "zero":
        rows: Content = PlainContent(b"")
    else:
        rows = job.table.make_content(job.get_layout(tenant.settings))
    if job.body["compression"] == "GZIP":
        return PackedContent(rows, gzip_chunks)
    if job.body["compression"] == "ZIP":
        inner = job.file_name.removesuffix(".zip")
        return PackedContent(rows, lambda chunks: zip_chunks(chunks, inner))
    return rows


def cut_range(request: Request, response: Response) -> Response:
    """Return the part of a file that ``Range`` asks for, or 416; one range from the beginning or the end."""
    content, wanted = response.content, request.header("Range")
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
    known = request.header("If-Range") in ("", response.header("ETag"))
    if content is None or response.status != 200 or not found or not known or found[0] == "bytes=-":
        return response
    size = content.size
    first = int(found[1]) if found[1] else max(0, size - int(found[2]))
    last = min(size - 1, int(found[2])) if found[1] and found[2] else size - 1
    if first > last:
        text = f"<Error><Code>InvalidRange</Code><RangeRequested>{wanted}</RangeRequested></Error>"
        headers = {"Content-Type": "application/xml", "Content-Range": f"bytes */{size}"}
        return Response(416, headers, text.encode())
    headers = {**response.headers, "Content-Range": f"bytes {first}-{last}/{size}"}
    return Response(
        206, headers, content=PartContent(content, first, last + 1 - first), damage=response.damage
    )
