"""What a broken rule of an order means, in words that name no value: orders carry card numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_zuora.core.json_types import Path, Violation

ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")
# JSON Schema's name of a type, the Python type of a plain value, and our words for both.
_TYPES: tuple[tuple[str, type, str], ...] = (
    ("object", dict, "an object"),
    ("array", list, "a list"),
    ("string", str, "text"),
    ("number", float, "a number"),
    ("integer", int, "a whole number"),
    ("boolean", bool, "true or false"),
    ("null", type(None), "null"),
)
_EXPECTED = {name: word for name, _, word in _TYPES}
_FOUND = {kind: word for _, kind, word in _TYPES} | {float: "a decimal number"}


def _expected(kinds: str | list[str]) -> str:
    return " or ".join(_EXPECTED[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _size(error: Any, bound: str, unit: str) -> str:
    limit = error.validator_value
    return f"{bound} {limit} {unit}{'' if limit == 1 else 's'}, this has {len(error.instance)}"


# What a broken keyword of the schema means, in words; each is given jsonschema's ValidationError.
WORDS: dict[str, Callable[[Any], str]] = {
    "type": lambda error: (
        f"must be {_expected(error.validator_value)}, this is {_FOUND[type(error.instance)]}"
    ),
    "enum": lambda error: f"must be one of {', '.join(error.validator_value)}",
    "minLength": lambda error: _size(error, "at least", "character"),
    "maxLength": lambda error: _size(error, "at most", "character"),
    "minimum": lambda error: f"must be at least {error.validator_value}",
    "maximum": lambda error: f"must be at most {error.validator_value}",
    "format": lambda _: "must be a calendar date, written YYYY-MM-DD",
    "pattern": lambda error: error.schema["description"],
    "not": lambda error: error.schema["description"],
}


def find_astral(value: object, path: Path = ()) -> Iterator[Violation]:
    """
    Yield each text beyond Unicode's first plane, which is all that Zuora supports.

    Source: "Considerations in Orders".
    """
    words = "characters beyond Unicode's first 65536, emoji for example, which Zuora does not support"
    if isinstance(value, str) and (count := len(ASTRAL.findall(value))):
        yield path, f"no {words}, this has {count}"
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for step, member in members:
        if isinstance(step, str) and ASTRAL.search(step):
            yield (*path, step), f"a field name must have no {words}"
        yield from find_astral(member, (*path, step))
