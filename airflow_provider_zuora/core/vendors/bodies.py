"""What a body is before a vendor's words are looked for in it: JSON, the page of a gateway, or a part.

What is read here goes on into XComs and events, so it is what every database and every JSON reader takes: no
U+0000, no half of a surrogate pair, no number that a double cannot hold, no more than 64 levels.
"""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from airflow_provider_zuora.core.errors import Answer
from airflow_provider_zuora.core.jobs import Meaning, Reading
from airflow_provider_zuora.core.redaction import page_title, redact_words
from airflow_provider_zuora.core.wire import Response

Scan: TypeAlias = Callable[[str, int], tuple[Any, int]]
_array: Callable[..., tuple[Any, int]] = json.decoder.JSONArray  # type: ignore[attr-defined]
_object: Callable[..., tuple[Any, int]] = json.decoder.JSONObject  # type: ignore[attr-defined]

_QUOTE_LENGTH = 200
_MAX_DEPTH = 64  # levels; what Airflow does with an XCom or an event may take a call for each
_MAX_GROUPS = 2_000_000  # objects and lists; 20 MB of brackets would be 1 GB of lists
_OUTER = 3  # levels: the answer, its result, a list in that
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
    groups = text.count("[") + text.count("{")
    if groups > _MAX_GROUPS:
        raise ValueError("it would fill the memory")
    value = decoder.decode(text)
    if groups > _MAX_DEPTH and _is_deep(value):
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


_NUMBERS: Mapping[str, Any] = {"parse_int": _whole, "parse_float": _real, "parse_constant": str}
_DECODER = json.JSONDecoder(**_NUMBERS)


class _Patient(json.JSONDecoder):
    """
    Read as `_DECODER` does, and let other threads run meanwhile.

    The parser in C lets them run only while it calls Python: for each object, for each number, and for each
    member of the outer levels, which are read in Python.
    """

    scan_once: Scan

    def __init__(self) -> None:
        super().__init__(**_NUMBERS, object_hook=_unchanged)
        for _ in range(_OUTER):
            self.scan_once = self._level(self.scan_once)

    def decode(self, *arguments: Any) -> Any:
        """
        Read a text, without Python's collector of cycles.

        It would hold all threads while it goes over what is read, again and again; there is no cycle in it.
        """
        collects = gc.isenabled()
        gc.disable()
        try:
            return super().decode(*arguments)
        finally:
            if collects:
                gc.enable()

    def _level(self, inner: Scan) -> Scan:
        """Return what reads one value in Python, and what is in it by another function."""

        def scan(text: str, index: int) -> tuple[Any, int]:
            start, inside = text[index : index + 1], (text, index + 1)
            if start == "[":
                return _array(inside, inner)
            if start == "{":
                return _object(inside, True, inner, self.object_hook, None)
            return inner(text, index)

        return scan


def _unchanged(members: dict[str, Any]) -> dict[str, Any]:
    return members


_PATIENT = _Patient()


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
