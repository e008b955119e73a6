"""Read the body of an answer, of whatever vendor, into values that can be kept.

They go on into XComs and events, so they are what every database and every JSON reader takes: no U+0000, no
half of a surrogate pair, no number that a double cannot hold, no more than 64 levels.
"""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.json_types import MAX_DEPTH, is_deep
from airflow_provider_zuora.core.messages import ParsedResponse, Response, ResponseKind
from airflow_provider_zuora.core.redaction import (
    RedactedText,
    describe_value,
    find_search_length,
    read_page_title,
    redact_words,
)

_Scan: TypeAlias = Callable[[str, int], tuple[Any, int]]
_read_array: Callable[..., tuple[Any, int]] = json.decoder.JSONArray  # type: ignore[attr-defined]
_read_object: Callable[..., tuple[Any, int]] = json.decoder.JSONObject  # type: ignore[attr-defined]
LARGE_BODY = 256 * 1024  # bytes; while a longer body is read, no event loop is to wait
TEXT_LENGTH = 64 * 1024  # characters of one text of an answer that are read
_QUOTE_LENGTH = 200  # characters of a body in an error that has no other words
_MAX_GROUPS = 2_000_000  # objects and lists; 20 MB of brackets would be 1 GB of lists
_OUTER = 3  # levels: the answer, its result, a list in that
_DIGITS = len(str(-(2**63)))
_NEEDLES = ("\\u0000", "\\ud", "\\uD")
_HALF = r"\\u[dD]{}[0-9a-fA-F]{{2}}"
_PAIR_OR_LOST = re.compile(
    f"({_HALF.format('[89abAB]')}{_HALF.format('[c-fC-F]')})|{_HALF.format('[89a-fA-F]')}|"
    r"\\u0000"
)


def read_body(response: Response) -> tuple[Any, bool]:
    """Return the object or list that a body holds, None if it is empty, and whether it can be read."""
    if response.damage or not response.body:
        return None, not response.damage
    try:
        body = read_untrusted_json(response.body)
    except (ValueError, RecursionError):
        return None, False
    return body, isinstance(body, (dict, list))


def parse_unreadable(
    response: Response, info: ResponseInfo, statuses: Mapping[int, ResponseKind]
) -> ParsedResponse:
    """Parse a body that is no JSON: a page, or a part; ``statuses`` says what a status below 500 means."""
    seen = response.damage or read_page_title(response.body) or f"{len(response.body)} bytes that are no JSON"
    kind = statuses.get(response.status, ResponseKind.DENIED)
    # A page is the edge's, not the vendor's word about a permission or about what there is.
    is_page = response.status in (403, 404) and b"<" in response.body
    if response.status < 300 or response.status >= 500 or is_page:
        kind = ResponseKind.GATEWAY
    info = replace(info, messages=(redact_words(seen, _QUOTE_LENGTH),))
    return ParsedResponse(kind, info, arrived=not response.damage)


def read_text(value: object) -> str:
    """Return a value of an answer as text; the beginning of a long one."""
    if isinstance(value, str) and len(value) <= TEXT_LENGTH:
        return value
    return "" if value is None else describe_value(value, TEXT_LENGTH)


def quote_body(response: Response) -> RedactedText:
    """Return the beginning of a body, for an error that has no other words."""
    start = response.body[: 4 * find_search_length(_QUOTE_LENGTH) + 4]
    text = start.decode(json.detect_encoding(start), "replace")
    return redact_words(_replace_lost_chars(text), _QUOTE_LENGTH)


class RepeatedName(ValueError):
    """An object of JSON has two members of one name, of which Python would keep the last one."""


def read_untrusted_json(body: bytes, *, is_row: bool = False) -> Any:
    """
    Return what JSON holds, in values that can be kept; raise a ValueError, or RecursionError, if none.

    :param is_row: True: an object with two members of one name is a `RepeatedName`, as one would be lost.
    """
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\\u" in text and any(needle in text for needle in _NEEDLES):
        text = _replace_lost_chars(text)
    groups = text.count("[") + text.count("{")
    if groups > _MAX_GROUPS:
        raise ValueError("it would fill the memory")
    decoder = _DECODER if len(body) <= LARGE_BODY else _PATIENT_DECODER
    value = (_ROW_DECODER if is_row else decoder).decode(text)
    if groups > MAX_DEPTH and is_deep(value):
        raise ValueError("it is nested too deeply")
    return value


def _replace_lost_chars(text: str) -> str:
    """Return JSON in which escapes of U+0000 and of halves of pairs are replaced by those of U+FFFD."""
    parts = text.split("\\\\")  # an escaped backslash escapes nothing
    return "\\\\".join(_PAIR_OR_LOST.sub(lambda found: found[1] or "\\ufffd", part) for part in parts)


def _read_int(digits: str) -> int | str:
    """Return a whole number of 64 bits; a longer one as its text: Airflow's messages hold no such number."""
    number = int(digits) if len(digits) <= _DIGITS else 2**63
    return number if -(2**63) <= number < 2**63 else digits


def _read_float(digits: str) -> float | str:
    """Return a number; one that is beyond a double as its text."""
    number = float(digits)
    return number if math.isfinite(number) else digits


def _read_row(members: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(members)
    if len(row) < len(members):
        raise RepeatedName
    return row


class _PatientDecoder(json.JSONDecoder):
    """
    Reads a large body as `_DECODER` does, and lets other threads run meanwhile.

    The parser in C lets them run only while it calls Python: for each object, for each number, and for each
    member of the outer levels, which are read in Python.
    """

    scan_once: _Scan

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, object_hook=lambda members: members)
        for _ in range(_OUTER):
            self.scan_once = self._read_level_in_python(self.scan_once)

    def decode(self, *arguments: Any) -> Any:
        """Read a text without Python's collector of cycles, which would hold all threads again and again."""
        collects = gc.isenabled()
        gc.disable()
        try:
            return super().decode(*arguments)
        finally:
            if collects:
                gc.enable()

    def _read_level_in_python(self, inner: _Scan) -> _Scan:
        def scan(text: str, index: int) -> tuple[Any, int]:
            start, inside = text[index : index + 1], (text, index + 1)
            if start == "[":
                return _read_array(inside, inner)
            if start == "{":
                return _read_object(inside, True, inner, self.object_hook, None)
            return inner(text, index)

        return scan


_NUMBERS: Mapping[str, Any] = {"parse_int": _read_int, "parse_float": _read_float, "parse_constant": str}
_DECODER = json.JSONDecoder(**_NUMBERS)
_PATIENT_DECODER = _PatientDecoder(**_NUMBERS)
_ROW_DECODER = json.JSONDecoder(**_NUMBERS, object_pairs_hook=_read_row)
