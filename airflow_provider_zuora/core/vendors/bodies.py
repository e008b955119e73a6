"""What a body is before a vendor's words are looked for in it: JSON, the page of a gateway, or a part.

What is read here goes on into XComs and events, so it is what every database and every JSON reader takes: no
U+0000, no half of a surrogate pair, no number that a double cannot hold, no more than 64 levels.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core.errors import Answer
from airflow_provider_zuora.core.jobs import Meaning, Reading
from airflow_provider_zuora.core.redaction import page_title, redact_words
from airflow_provider_zuora.core.wire import Response

_QUOTE_LENGTH = 200
_MAX_DEPTH = 64  # levels; what Airflow does with an XCom or an event may take a call for each
_DIGITS = len(str(-(2**63)))
_NEEDLES = ("\\u0000", "\\ud", "\\uD")
_HALF = r"\\u[dD]{}[0-9a-fA-F]{{2}}"
_PAIR_OR_LOST = re.compile(
    f"({_HALF.format('[89abAB]')}{_HALF.format('[c-fC-F]')})|{_HALF.format('[89a-fA-F]')}|"
    r"\\u0000"
)


def read_json(response: Response) -> tuple[Any, bool]:
    """Return the object or list that a body holds, None where it is empty, and whether it can be read."""
    if response.damage:
        return None, False
    if not response.body:
        return None, True
    try:
        body = _parsed(response.body, _PATIENT if response.is_large else _DECODER)
    except (ValueError, RecursionError):
        return None, False
    return body, isinstance(body, (dict, list))


def _parsed(body: bytes, decoder: json.JSONDecoder) -> Any:
    """Return what JSON says, in values that can be kept; nesting that is too deep is a ValueError."""
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if any(needle in text for needle in _NEEDLES):
        text = _mended(text)
    value = decoder.decode(text)
    if text.count("[") + text.count("{") > _MAX_DEPTH and _is_deep(value):
        raise ValueError("it is nested too deeply")
    return value


def _mended(text: str) -> str:
    """Return JSON in which escapes of U+0000 and of halves of pairs are replaced by those of U+FFFD."""
    parts = text.split("\\\\")  # an escaped backslash escapes nothing
    return "\\\\".join(_PAIR_OR_LOST.sub(lambda found: found[1] or "\\ufffd", part) for part in parts)


def _is_deep(value: Any) -> bool:
    """Return whether there are more levels than Airflow can be trusted with; without a call for each."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        each = (node.values() if isinstance(node, dict) else node for node in level)
        level = [member for members in each for member in members if isinstance(member, (dict, list))]
        if not level:
            return False
    return True


def _whole(digits: str) -> int | str:
    """Return a whole number of 64 bits; a longer one as its text: Airflow's messages hold no such number."""
    number = int(digits) if len(digits) <= _DIGITS else 2**63
    return number if -(2**63) <= number < 2**63 else digits


def _real(digits: str) -> float | str:
    """Return a number; one that is beyond a double as its text."""
    number = float(digits)
    return number if math.isfinite(number) else digits


def _unchanged(members: dict[str, Any]) -> dict[str, Any]:
    """Return an object as it is: the parser lets other threads run only while it calls Python."""
    return members


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_real, parse_constant=str)
_PATIENT = json.JSONDecoder(parse_int=_whole, parse_float=_real, parse_constant=str, object_hook=_unchanged)


def unreadable(response: Response, answer: Answer, statuses: Mapping[int, Meaning]) -> Reading:
    """
    Read a body that is no JSON: a gateway's or the edge's page, a cut-off or an over-long answer.

    :param statuses: what a status below 500 means; one that is not here: turned away.
    """
    seen = response.damage or page_title(response.body) or f"{len(response.body)} bytes that are no JSON"
    meaning = statuses.get(response.status, Meaning.DENIED)
    # A page is the edge's, not the vendor's word about a permission or about what there is.
    edge = response.status in (403, 404) and b"<" in response.body
    if response.status < 300 or response.status >= 500 or edge:
        meaning = Meaning.GATEWAY
    words = replace(answer, messages=(redact_words(seen, _QUOTE_LENGTH),))
    return Reading(meaning, words, arrived=not response.damage)


def quoted(response: Response) -> str:
    """Return the beginning of a body, for an error that says nothing else."""
    text = response.body[: 4 * _QUOTE_LENGTH].decode("utf-8", "replace")
    return redact_words(_mended(text), _QUOTE_LENGTH)
