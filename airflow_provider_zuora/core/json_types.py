"""Turn a document into plain JSON types, or name what cannot be turned; the input is never changed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from airflow_provider_zuora.core.errors import InvalidInput

Path: TypeAlias = tuple[str | int, ...]
Violation: TypeAlias = tuple[Path, str]

CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
"""Writes the one JSON text that equal documents in plain types have, whatever the order of their keys."""
MAX_DEPTH = 64  # levels; what Airflow does with an XCom or an event may take a call for each
_SCALARS = frozenset({str, bool, int, float, type(None)})  # most of an order; `Mapping` is slow to ask
REFUSED = object()  # replaces a refused value, so that one broken value makes one line
_INFINITE = "numbers must be finite, not NaN or infinity"
ROUNDED = "more digits than a JSON number holds; round it to at most 15"
_HALF_PAIR = "must be whole text, not half a surrogate pair"
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def to_json_types(document: object) -> Any:
    """
    Return a document in plain JSON types; raise `InvalidInput` with a line for each value refused.

    A mapping is a dict with text keys, a list or tuple a list, a date or datetime (pendulum's too) its ISO
    8601 text, an enum of texts or whole numbers its value, and a Decimal a number. Refused: NaN, an infinity,
    a Decimal that a float cannot hold, whole numbers beyond 64 bits, half a surrogate pair, any other type,
    and a document that contains itself or is more than 64 levels deep.
    """
    reading = JsonReader()
    result = reading.read(document)
    raise_any("JSON document", reading.refused)
    return result


def raise_any(checked: str, broken: Iterable[Violation]) -> None:
    """Raise one InvalidInput for all violations, sorted by path; none for none."""
    ordered = sorted(dict.fromkeys(broken), key=lambda violation: violation[0])
    if ordered:
        count = "1 rule is" if len(ordered) == 1 else f"{len(ordered)} rules are"
        lines = tuple(f"{format_path(path)}: {rule}" for path, rule in ordered)
        raise InvalidInput(f"Invalid {checked}: {count} broken, nothing was sent.", lines)


def is_deep(value: Any) -> bool:
    """Return whether lists and objects are nested for more than `MAX_DEPTH` levels; it does not recurse."""
    level = [value]
    for _ in range(MAX_DEPTH):
        each = (node.values() if isinstance(node, dict) else node for node in level)
        level = [member for members in each for member in members if isinstance(member, (dict, list))]
        if not level:
            return False
    return True


def format_path(path: Path) -> str:
    """Return a JSON path in one line of ASCII: ``$.subscriptions[0]["odd name"]``."""
    names = {step for step in path if isinstance(step, str) and _NAME.fullmatch(step)}
    return "$" + "".join(f".{step}" if step in names else f"[{json.dumps(step)}]" for step in path)


@dataclass(slots=True)
class JsonReader:
    """One pass over a foreign document, which notes all that is refused."""

    refused: list[Violation] = field(default_factory=list)

    def read(self, value: object, path: Path = (), above: tuple[int, ...] = ()) -> Any:
        """Return the value in plain types; ``above`` holds the identities of what contains it."""
        if id(value) in above:
            return self._refuse(path, "must not contain itself")
        if len(path) > MAX_DEPTH:
            return self._refuse(path, f"at most {MAX_DEPTH} levels of nesting")
        if type(value) not in _SCALARS and isinstance(value, (dict, Mapping)):
            return self._read_members(value, path, (*above, id(value)))
        if isinstance(value, list | tuple):
            return [self.read(item, (*path, index), (*above, id(value))) for index, item in enumerate(value)]
        result, rule = _read_scalar(value)
        return self._refuse(path, rule) if rule else result

    def _read_members(
        self, value: Mapping[Any, object], path: Path, above: tuple[int, ...]
    ) -> dict[str, Any]:
        result = {}
        for key, member in value.items():
            name, rule = key, f"must be text, not of type {type(key).__name__}"
            if isinstance(key, str):
                name, rule = _read_scalar(key)
            if rule:
                self._refuse(path, f"a field name {rule}")
            else:
                result[name] = self.read(member, (*path, name), above)
        return result

    def _refuse(self, path: Path, rule: str) -> object:
        self.refused.append((path, rule))
        return REFUSED


def _read_scalar(value: object) -> tuple[Any, str]:
    """Return a single value in its plain type, and the rule that it breaks, empty if none."""
    result: object = value
    broken = ""
    if isinstance(value, str):
        result, broken = str.__str__(value), _HALF_PAIR if _SURROGATE.search(value) else ""
    elif isinstance(value, Decimal):
        result, broken = read_decimal(value)
    elif isinstance(value, float):
        result, broken = float(value), "" if math.isfinite(value) else _INFINITE
    elif isinstance(value, int) and not isinstance(value, bool):
        result, broken = int(value), "" if -(2**63) <= value < 2**63 else "whole numbers must fit 64 bits"
    elif isinstance(value, date):
        result = value.isoformat()  # pandas' NaT is a datetime too
        broken = "" if result != "NaT" else "must be a date, not NaT"
    elif value is not None and not isinstance(value, bool):
        broken = f"must be a JSON value, a date or a Decimal, not of type {type(value).__name__}"
    return result, broken


def read_decimal(value: Decimal) -> tuple[int | float, str]:
    """Return the JSON number with the value of a Decimal, and the rule that it breaks, empty if none."""
    if not value.is_finite():
        return 0, _INFINITE
    number = float(value)
    if Decimal(repr(number)) != value:
        return 0, ROUNDED
    return int(number) if number.is_integer() and abs(number) < 2**53 else number, ""
