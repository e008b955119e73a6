"""Object Query: rows of any kind, with filters, a sort, pages by cursor, and without null fields.

Source: Zuora's guide "Object Query" and its part of the API reference.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from zuora_sandbox.answers import ANY_RESOURCE, Violation, make_reply
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.tenant import Tenant

Row = Mapping[str, Any]
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "NE": operator.ne,
    "LT": operator.lt,
    "GT": operator.gt,
    "LE": operator.le,
    "GE": operator.ge,
    "SW": lambda value, start: str(value).lower().startswith(str(start).lower()),
}
EMPTY = "\x02\x03"
"""How a filter writes the empty text."""


class Invalid(ValueError):
    """A query that is not valid; the message says why, in Zuora's words where they are known."""


def answer_key(tenant: Tenant, request: Request, key: str, row: Row | None) -> Response:
    """Answer a request for one row, or for none: 404, which is our reading."""
    if row is None:
        return tenant.refuse(request, Violation(40, f"Cannot find entity by key: '{key}'.", ANY_RESOURCE))
    return make_reply(200, _choose_fields(row, request))


def answer_list(tenant: Tenant, request: Request, rows: Sequence[Row], filterable: Sequence[str]) -> Response:
    """Answer a request for the rows that pass its filters; no row is no error."""
    params = dict(request.params)
    try:
        terms = [_parse_filter(text, filterable) for name, text in request.params if name == "filter[]"]
        passing = [row for row in rows if all(_passes(row, *term) for term in terms)]
        passing = _sort_rows(passing, params.get("sort[]", ""))
        size = _read_size(params.get("pageSize", "10"))
        start = _read_cursor(params.get("cursor", ""))
    except Invalid as error:
        return tenant.refuse(request, Violation(27, str(error), ANY_RESOURCE))
    page = {"data": [_choose_fields(row, request) for row in passing[start : start + size]]}
    more = {"nextPage": f"c{start + size}"} if start + size < len(passing) else {}
    return make_reply(200, {**more, **page})


def _read_size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 99:
        raise Invalid("Invalid pageSize parameter: it must be from 1 to 99")
    return int(text)


def _read_cursor(text: str) -> int:
    if not text:
        return 0
    if text[0] != "c" or not text[1:].isdecimal():
        raise Invalid(f"Invalid cursor parameter: {text}")
    return int(text[1:])


def _choose_fields(row: Row, request: Request) -> dict[str, Any]:
    params = dict(request.params)
    names = params.get("fields[]", "").lower().split(",") if "fields[]" in params else None
    nulls = params.get("includeNullFields", "").lower() == "true"
    return {
        name: value
        for name, value in row.items()
        if (nulls or value is not None) and (names is None or name.lower() in names)
    }


def _find_value(row: Row, name: str) -> Any:
    return next((value for each, value in row.items() if each.lower() == name), None)


def _parse_filter(text: str, filterable: Sequence[str]) -> tuple[str, str, str]:
    """Return the name, the operator and the value of a filter such as ``name.EQ:July``."""
    head, _, value = text.partition(":")
    name, _, word = head.rpartition(".")
    if name.lower() not in filterable or word.upper() not in (*COMPARISONS, "IN"):
        raise Invalid(f"Invalid filter parameter: {name or text}")
    return name.lower(), word.upper(), "" if value == EMPTY else value


def _passes(row: Row, name: str, word: str, value: str) -> bool:
    held = _find_value(row, name)
    if value == "null":
        return (held is None) == (word == "EQ")
    if held is None:
        return word == "NE"
    if word == "IN":
        return any(_read_like(name, held, each.strip()) == held for each in value.strip("[]").split(","))
    return COMPARISONS[word](_read(name, held), _read_like(name, held, value))


def _read(name: str, value: Any) -> Any:
    """Return the value of a field as it compares: a moment in seconds, anything else as it is."""
    if name.endswith("date") and "T" in value:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return str(value).lower() if isinstance(value, bool) else value


def _read_like(name: str, held: Any, text: str) -> Any:
    """Return the text of a filter as something that compares with the value of the field."""
    try:
        found = _read(name, text)
        return type(_read(name, held))(found)
    except ValueError as error:
        raise Invalid(f"Invalid filter parameter: {name}: {error}") from error


def _sort_rows(rows: list[Row], text: str) -> list[Row]:
    if not text:
        return rows
    name, _, way = text.lower().rpartition(".")
    if way not in ("asc", "desc"):
        raise Invalid(f"Invalid sort parameter: {text}")
    held = [row for row in rows if _find_value(row, name) is not None]
    return sorted(held, key=lambda row: str(_read(name, _find_value(row, name))), reverse=way == "desc")
