"""Redirects: a GET follows them below the base URL, and no other request follows any."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.answers import KEPT_LENGTH
from airflow_provider_zuora.core.messages import ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.redaction import MESSAGE_LENGTH, WORD_LENGTH, redact_words
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.validation import path_violation

REDIRECTS = frozenset((301, 302, 303, 307, 308))
"""HTTP statuses whose Location may be followed."""
_MOST = 3  # redirects of one request that are followed


def follow_redirects(base_url: str, request: Request, response: Response) -> Flow[Response]:
    """Return the response at the end of a request's redirects, or the first one that may not be followed."""
    for _ in range(_MOST):
        if request.method != "GET" or response.status not in REDIRECTS:
            break
        path = _path_below(base_url, request.path, response.headers.get("location", ""))
        if not path:
            break
        request = replace(request, path=path, params=())
        response = yield request
    return response


def refuse_redirect(response: Response, info: ResponseInfo, secrets: Secrets) -> ParsedResponse:
    """Return what a redirect means that is not followed; its words name the host that it leads to."""
    # As a whole first: a secret may hold a slash, where the host ends.
    location = redact_words(response.headers.get("location", ""), MESSAGE_LENGTH, secrets)
    host = redact_words(_host(location), WORD_LENGTH, secrets)
    words = redact_words(f"a redirect to {host} is not followed", KEPT_LENGTH, secrets)
    return ParsedResponse(ResponseKind.DENIED, replace(info, messages=(words,)))


def _host(location: str) -> str:
    """Return the host that a Location names, in words for a message."""
    try:
        return urlsplit(location).netloc.rpartition("@")[2] or "nowhere"
    except ValueError:
        return "nowhere"


def _path_below(base_url: str, path: str, location: str) -> str:
    """Return the path below the base URL that a Location names, an empty text if it names none."""
    try:
        below = urljoin(base_url + path, location).removeprefix(base_url) if location else ""
    except ValueError:
        return ""
    return "" if path_violation(below) else below
