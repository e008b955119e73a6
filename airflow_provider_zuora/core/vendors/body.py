"""What a body is before a vendor's words are looked for in it: JSON, the page of a gateway, or a part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.messages import LARGE_BODY, ParsedResponse, Response, ResponseKind
from airflow_provider_zuora.core.redaction import Redacted, read_page_title, redact_words, search_length
from airflow_provider_zuora.core.untrusted_json import mended, read_foreign_json

_QUOTE_LENGTH = 200


def read_json(response: Response) -> tuple[Any, bool]:
    """Return the object or list that a body holds, None where it is empty, and whether it can be read."""
    if response.damage:
        return None, False
    if not response.body:
        return None, True
    try:
        body = read_foreign_json(response.body, patient=len(response.body) > LARGE_BODY)
    except (ValueError, RecursionError):
        return None, False
    return body, isinstance(body, (dict, list))


def unreadable(
    response: Response, info: ResponseInfo, statuses: Mapping[int, ResponseKind]
) -> ParsedResponse:
    """
    Read a body that is no JSON: a gateway's or the edge's page, a cut-off or an over-long answer.

    :param statuses: what a status below 500 means; one that is not here: turned away.
    """
    seen = response.damage or read_page_title(response.body) or f"{len(response.body)} bytes that are no JSON"
    kind = statuses.get(response.status, ResponseKind.DENIED)
    # A page is the edge's, not the vendor's word about a permission or about what there is.
    edge = response.status in (403, 404) and b"<" in response.body
    if response.status < 300 or response.status >= 500 or edge:
        kind = ResponseKind.GATEWAY
    info = replace(info, messages=(redact_words(seen, _QUOTE_LENGTH),))
    return ParsedResponse(kind, info, arrived=not response.damage)


def quoted(response: Response) -> Redacted:
    """Return the beginning of a body, for an error that says nothing else."""
    start = response.body[: 4 * search_length(_QUOTE_LENGTH) + 4]
    text = start.decode(json.detect_encoding(start), "replace")
    return redact_words(mended(text), _QUOTE_LENGTH)
