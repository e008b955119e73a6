"""What a body is before a vendor's words are looked for in it: JSON, the page of a gateway, or a part."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core.errors import Answer
from airflow_provider_zuora.core.jobs import Meaning, Reading
from airflow_provider_zuora.core.wire import Response

MESSAGE_LENGTH = 1000
_QUOTE_LENGTH = 200
_PAGE_TITLE = re.compile(r"<(title|h1)[^>]*>\s*([^<]+?)\s*<", re.IGNORECASE)


def read_json(response: Response) -> tuple[Any, bool]:
    """Return the object or list that a body holds, None where it is empty, and whether it can be read."""
    if response.damage:
        return None, False
    if not response.body:
        return None, True
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        return None, False
    return body, isinstance(body, (dict, list))


def unreadable(response: Response, answer: Answer, statuses: Mapping[int, Meaning]) -> Reading:
    """
    Read a body that is no JSON: a gateway's or the edge's page, a cut-off or an over-long answer.

    :param statuses: what a status below 500 means; one that is not here: turned away.
    """
    text = response.body.decode("utf-8", "replace")
    page = _PAGE_TITLE.search(text)
    seen = response.damage or (page[2] if page else f"{len(response.body)} bytes that are no JSON")
    meaning = statuses.get(response.status, Meaning.DENIED)
    # A page is the edge's, not the vendor's word about a permission or about what there is.
    edge = response.status in (403, 404) and "<" in text
    if response.status < 300 or response.status >= 500 or edge:
        meaning = Meaning.GATEWAY
    seen_words = replace(answer, messages=(seen[:_QUOTE_LENGTH],))
    return Reading(meaning, seen_words, arrived=not response.damage)


def quoted(response: Response) -> str:
    """Return the beginning of a body, for an error that says nothing else."""
    return response.body[:_QUOTE_LENGTH].decode("utf-8", "replace")
