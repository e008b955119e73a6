"""What Elastic Path's answers mean: its two error shapes and its HTTP statuses; as data where it can be.

Sources: elasticpath.dev, "Errors", "Rate limits", "Get a Job", and the promotions' jobs, a sibling service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.messages import ParsedResponse, Response, ResponseKind
from airflow_provider_zuora.core.redaction import REASONS, describe_value
from airflow_provider_zuora.core.vendors.body import quoted, read_json, unreadable

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
_TEXT_LENGTH = 64 * 1024  # characters of one text that are read
_NO_FILE, _JOB_STATUS = "no file", "job status:"


def read_answer(response: Response, info: ResponseInfo, states: Mapping[str, JobState]) -> ParsedResponse:
    """Return what a response means; ``states`` are the status words of jobs, in lower case."""
    if response.status == 429 and info.retry_after is None:
        info = replace(info, retry_after=_A_FEW)
    body, readable = read_json(response)
    if not readable:
        return unreadable(response, info, _STATUSES)
    errors = list(islice(_errors(body), REASONS)) if isinstance(body, dict) else []
    if errors:
        info = info.with_words(map(_words, errors))
        ids = (_describe_member(error, "request_id") for error in errors if error.get("request_id"))
        info = replace(info, request_id=next(ids, ""))
    kind = _meaning(response.status, info, states)
    if kind is not ResponseKind.OK and not errors and response.body:
        info = replace(info, messages=(quoted(response),))  # better than nothing
    return ParsedResponse(kind, info, body, whole=body is not None, arrived=True)


def _errors(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every error of a body: of a list ``errors``, or the bare one that a 404 is documented with."""
    rows = body.get("errors")
    if rows:
        for row in rows if isinstance(rows, list) else [rows]:
            yield row if isinstance(row, dict) else {"detail": row}
    elif "data" not in body and (body.get("title") or body.get("detail")):
        yield body
    elif body.get("error") or body.get("message"):  # of OAuth, or of a gateway
        yield {"title": body.get("error"), "detail": body.get("error_description") or body.get("message")}


def _words(error: Mapping[str, Any]) -> str:
    said = ": ".join(_describe_member(error, name) for name in ("title", "detail") if error.get(name))
    return f"{said} (source {_describe_member(error, 'source')})" if error.get("source") else said


def _describe_member(error: Mapping[str, Any], name: str) -> str:
    return describe_value(error[name], _TEXT_LENGTH)


def _meaning(status: int, info: ResponseInfo, states: Mapping[str, JobState]) -> ResponseKind:
    if status < 300:
        return ResponseKind.UNCLEAR if info.messages else ResponseKind.OK
    if status >= 500:
        return ResponseKind.TEMPORARY if info.messages else ResponseKind.GATEWAY
    if status == 422 and any(_is_early(message, states) for message in info.messages):
        return ResponseKind.TEMPORARY
    return _STATUSES.get(status, ResponseKind.DENIED)


def _is_early(message: str, states: Mapping[str, JobState]) -> bool:
    """Say whether a file was asked for while its job is under way."""
    _, no_file, rest = message.lower().partition(_NO_FILE)
    word = rest.rpartition(_JOB_STATUS)[2].split() if _JOB_STATUS in rest else []
    return bool(no_file and word) and states.get(word[0].strip(".,;)")) is JobState.ACTIVE
