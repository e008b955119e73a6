"""JSON of a stranger, read into values that can be kept.

What is read here goes on into XComs and events, so it is what every database and every JSON reader takes: no
U+0000, no half of a surrogate pair, no number that a double cannot hold, no more than 64 levels.
"""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Scan: TypeAlias = Callable[[str, int], tuple[Any, int]]
_array: Callable[..., tuple[Any, int]] = json.decoder.JSONArray  # type: ignore[attr-defined]
_object: Callable[..., tuple[Any, int]] = json.decoder.JSONObject  # type: ignore[attr-defined]

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


def read_foreign_json(body: bytes, *, patient: bool = False) -> Any:
    """
    Return what JSON says, in values that can be kept.

    :param patient: let other threads run meanwhile.
    :raises ValueError, RecursionError: if it is no JSON, is nested too deeply or would fill the memory.
    """
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\\u" in text and any(needle in text for needle in _NEEDLES):
        text = mended(text)
    groups = text.count("[") + text.count("{")
    if groups > _MAX_GROUPS:
        raise ValueError("it would fill the memory")
    value = (_PATIENT if patient else _DECODER).decode(text)
    if groups > _MAX_DEPTH and _is_deep(value):
        raise ValueError("it is nested too deeply")
    return value


def mended(text: str) -> str:
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
