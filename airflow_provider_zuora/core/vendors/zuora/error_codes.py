"""What Zuora's answers mean: its body shapes, its error codes, its HTTP statuses; as data where it can be.

Sources: developer.zuora.com, "Error handling", "Error codes", "Idempotent requests", and recorded answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.messages import ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.vendors.response_body import (
    parse_unreadable,
    quote_body,
    read_body,
    read_text,
)

JOBS = "/v1/async-jobs/"
ORDERS = "/v1/orders/"
Reasons: TypeAlias = list[tuple[str, str]]
"""Codes and messages of an answer, as they came: many of them decide, the first ones are shown."""
MAX_REASONS = 1000  # reasons of an answer that are read; some kilobytes of gzip may hold millions
MORE = ("", "and more")  # replaces those that are not read, whose category is unknown
# "Error codes": the last two digits of a code are its category.
_CATEGORIES = {
    **dict.fromkeys((20, 21, 22, 23, 27, 30, 90), ResponseKind.REFUSED),
    **dict.fromkeys((10, 45), ResponseKind.DENIED),
    40: ResponseKind.NOT_FOUND,
    **dict.fromkeys((60, 61, 99), ResponseKind.TEMPORARY),
    11: ResponseKind.TOKEN,
    50: ResponseKind.LOCKED,
    70: ResponseKind.LIMITED,
}
# Several reasons at once: the first of these that is among them decides, but all must be transient to repeat,
# and none may be TEMPORARY for a refusal (`_weigh`).
_WEIGHT = (
    ResponseKind.TOKEN,
    ResponseKind.DENIED,
    ResponseKind.REFUSED,
    ResponseKind.NOT_FOUND,
    ResponseKind.TEMPORARY,
    ResponseKind.LOCKED,
    ResponseKind.LIMITED,
)
# What the HTTP status means if there is no code.
_STATUSES = {
    401: ResponseKind.TOKEN,
    404: ResponseKind.NOT_FOUND,
    408: ResponseKind.GATEWAY,
    409: ResponseKind.IN_PROGRESS,
    429: ResponseKind.LIMITED,
    **dict.fromkeys((502, 503, 504), ResponseKind.GATEWAY),
}
# The fields in which `list_reasons` finds errors; most answers have none of these.
_TELLING = frozenset(
    ("reasons", "Errors", "error", "message", "FaultCode", "FaultMessage", "faultcode", "faultstring")
)
_NOT_FOUND, _BAD_VALUE, _CODE_LENGTH = 40, 20, 8
_ABSENT_AT = (200, 400, 404)  # HTTP statuses at which Zuora says that there is no such thing
_ABSENT = ("invalid ordernumber", "invalid order number", "does not exist", "cannot find")
_CODE = re.compile(r"[0-9]{2}|[0-9]{8}")
_EDGE_LIMIT = "request exceeded limit"


def read_response(request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
    """Return what a response means, whichever of Zuora's body shapes it has."""
    body, is_readable = read_body(response)
    if not is_readable:
        info = replace(info, request_id=response.headers.get("zuora-request-id", ""))
        return parse_unreadable(response, info, _STATUSES)
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    reasons = [] if _TELLING.isdisjoint(fields) else read_first_reasons(list_reasons(fields))
    request_id = read_text(fields.get("requestId")) or response.headers.get("zuora-request-id", "")
    process_id = read_text(fields.get("processId"))
    if request_id or process_id:
        info = info.with_ids(request_id, process_id)
    if reasons:
        info = replace_reasons(info, reasons)
    kind = _classify(request, response.status, fields, reasons)
    if kind is not ResponseKind.OK and not reasons and response.body:
        info = replace(info, messages=(quote_body(response),))  # better than nothing
    return ParsedResponse(kind, info, body, whole=body is not None, arrived=True)


def replace_reasons(info: ResponseInfo, reasons: Reasons) -> ResponseInfo:
    """Return an answer with other codes and messages."""
    return info.with_words([message for _, message in reasons], [code for code, _ in reasons])


def read_first_reasons(reasons: Iterator[tuple[object, object]]) -> Reasons:
    """Return the first reasons as texts; `MORE` is the last one if there are others."""
    read = [(read_text(code), read_text(message)) for code, message in islice(reasons, MAX_REASONS)]
    return [*read, MORE] if next(reasons, None) else read


def list_reasons(body: Mapping[str, Any]) -> Iterator[tuple[object, object]]:
    """Yield code and message of every error in the body, from each shape that Zuora answers with."""
    for name, code, message in (("reasons", "code", "message"), ("Errors", "Code", "Message")):
        rows = body.get(name) or []
        for row in rows if isinstance(rows, list) else [rows]:
            if isinstance(row, dict):
                yield row.get(code), row.get(message)
            else:
                yield None, row
    error = body.get("error")
    if isinstance(error, dict):
        yield error.get("code"), error.get("message")
    elif error:
        yield error, body.get("message") or body.get("error_description")
    elif body.get("message"):
        yield body.get("code"), body["message"]
    for code, message in (("FaultCode", "FaultMessage"), ("faultcode", "faultstring")):
        if body.get(code) or body.get(message):
            yield body.get(code), body.get(message)


def read_category(code: str) -> int:
    """Return the category of a code of eight digits, or of two; -1 if the code is a word."""
    return int(code[-2:]) if _CODE.fullmatch(code) else -1


def _classify(  # noqa: PLR0911 - one line for each row of the taxonomy
    request: Request, status: int, body: Mapping[str, Any], reasons: Reasons
) -> ResponseKind:
    """Return what the status, the ``success`` flag and the codes mean together."""
    read_a_job = request.path.startswith(JOBS) and isinstance(body.get("status"), str)
    refused = body.get("success") is False or body.get("Success") is False
    if status < 300 and (read_a_job or not (refused or _is_error_body(body, reasons))):
        return ResponseKind.OK
    if status == 409 and body.get("jobId") and not refused:
        return ResponseKind.OK  # an older reading of the guide: the first answer comes back as a 409
    if status in (401, 429, 502, 503, 504):
        return _STATUSES[status]
    if _has_words(_EDGE_LIMIT, reasons):
        return ResponseKind.LIMITED
    if status >= 500:
        return ResponseKind.TEMPORARY if reasons else ResponseKind.GATEWAY
    found = {_CATEGORIES.get(read_category(code)) for code, _ in reasons}
    unknown = _has_words("idempoten", reasons) or not found - {None}
    if status == 409 and unknown and ResponseKind.LOCKED not in found:
        return ResponseKind.IN_PROGRESS
    if _is_absence(request, status, reasons):
        return ResponseKind.NOT_FOUND
    otherwise = _STATUSES.get(status, ResponseKind.UNCLEAR if status < 300 else ResponseKind.DENIED)
    kind = _weigh(found, reasons) or otherwise
    return _classify_absence(request, status, reasons) if kind is ResponseKind.NOT_FOUND else kind


def _classify_absence(request: Request, status: int, reasons: Reasons) -> ResponseKind:
    """Return what "not found" means; that an order, or a job, is absent is believed of Zuora alone."""
    if request.path.startswith(ORDERS):
        return ResponseKind.GATEWAY
    if not _is_job_request(request):
        return ResponseKind.NOT_FOUND
    if all(read_category(code) < 0 for code, _ in reasons):
        return ResponseKind.GATEWAY
    return ResponseKind.NOT_FOUND if status in _ABSENT_AT else ResponseKind.DENIED


def _weigh(found: set[ResponseKind | None], reasons: Reasons) -> ResponseKind | None:
    """Return what several reasons mean together, None if there is none whose category is known."""
    known = [kind for kind in _WEIGHT if kind in found]
    if not known:
        return None
    # What was done is unknown if an answer refuses, and names a transient or an unknown error too.
    is_odd = any(code and read_category(code) not in _CATEGORIES for code, _ in reasons) or MORE in reasons
    is_unclear = None in found if known[0].transient else ResponseKind.TEMPORARY in found or is_odd
    return ResponseKind.UNCLEAR if is_unclear else known[0]


def _is_absence(request: Request, status: int, reasons: Reasons) -> bool:
    """Return whether all reasons say that there is no such order, or no such job."""
    if status not in _ABSENT_AT or not reasons:
        return False
    if request.path.startswith(ORDERS):
        return all(map(_is_no_order, reasons))
    return _is_job_request(request) and all(map(_is_no_job, reasons))


def _is_job_request(request: Request) -> bool:
    return request.path.startswith(JOBS) and request.method == "GET"


def _is_no_order(reason: tuple[str, str]) -> bool:
    # Recorded for an unknown order number: category 20, "Invalid orderNumber: X", and category 40.
    says_so = any(absent in reason[1].lower() for absent in _ABSENT)
    return _is_no_job(reason) and (read_category(reason[0]) == _NOT_FOUND or says_so)


def _is_no_job(reason: tuple[str, str]) -> bool:
    # Only the id is sent, so it is the bad value of category 20; a 9 is about the sign-in or the entity.
    code = reason[0]
    is_documented = len(code) == _CODE_LENGTH and not code.startswith("9")
    return is_documented and read_category(code) in (_NOT_FOUND, _BAD_VALUE)


def _has_words(words: str, reasons: Reasons) -> bool:
    return any(words in message.lower() for _, message in reasons)


def _is_error_body(body: Mapping[str, Any], reasons: Reasons) -> bool:
    """Return whether a 2xx body without ``success: false`` is an error after all; with a jobId it is none."""
    if body.get("success") is True or body.get("Success") is True or body.get("jobId"):
        return False
    names = ("reasons", "Errors", "FaultCode", "faultcode", "error")
    return any(body.get(name) for name in names) or _has_words(_EDGE_LIMIT, reasons)
