"""Values that somebody else has written: each error is a sentence that names the field and the rule."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, get_args, get_origin, get_type_hints

_WORDS: dict[object, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    bytes: "bytes",
    type(None): "null",
    Any: "anything",
}


def check_names(kind: type, what: str, values: Mapping[str, Any]) -> None:
    """Raise a `ValueError` if one of the names is no field of a dataclass."""
    known = [each.name for each in fields(kind)]
    for name in values:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"it can be {', '.join(known)}"
            raise ValueError(f"{name} is no field of {what}; {hint}")


def check_fields(instance: object) -> None:
    """Raise a `ValueError` if a field of a dataclass holds what its type does not allow; seconds can pass."""
    for name, hint in get_type_hints(type(instance)).items():
        value = getattr(instance, name)
        check_value(name, value, hint)
        is_seconds = name == "seconds" or name.endswith("_seconds")
        if is_seconds and value is not None and not value >= 0:
            raise ValueError(f"{name} is {value}; it must be a number of seconds, 0 or more")


def check_value(name: str, value: Any, hint: Any) -> None:
    """Raise a `ValueError` if a value is not of a type."""
    if not _fits(value, hint):
        raise ValueError(f"{name} is {value!r:.80}; it must be {_describe(hint)}")


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, each) for each in inner)
    if origin is Mapping:
        is_one = isinstance(value, Mapping)
        return is_one and all(_fits(key, inner[0]) and _fits(each, inner[1]) for key, each in value.items())
    if origin in (Sequence, tuple):  # a list, too: JSON has no tuples
        is_one = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        return is_one and all(_fits(each, inner[0]) for each in value)
    return hint is Any or _is_of(value, hint)


def _is_of(value: Any, kind: type) -> bool:
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, (int, float)) and not math.isnan(value)
    return isinstance(value, kind)


def _describe(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return " or ".join(map(_describe, inner))
    if origin is Mapping:
        return f"an object, each value of which is {_describe(inner[1])}"
    if origin in (Sequence, tuple):
        return f"a list, each item of which is {_describe(inner[0])}"
    return _WORDS.get(hint, "an object")
