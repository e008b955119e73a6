"""Check an order against what Zuora documents, before it is sent; nothing here sends, or changes its input.

The rules on single fields are data, `order.schema.json`; the few rules that compare fields are the
functions in `_RULES`. A rule that no page of Zuora states is not enforced, and unknown fields pass: Zuora
adds fields. A message states the path and the rule, never the value: orders carry card numbers.

A field whose value is null counts as absent ("skipped or its value is left as null", says Zuora's page of
``orderDate``): an optional one passes and is sent as null, a required one is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeGuard

from airflow_provider_zuora.core.json_types import REFUSED, JsonReader, Path, Violation, raise_any
from airflow_provider_zuora.core.times import is_day

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)


def check_order(order: object) -> dict[str, Any]:
    """
    Check the body of ``POST /v1/async/orders`` and return it as `to_json_types` does.

    :raises InvalidInput: once, with a line for each broken rule, ``$.path: rule``, sorted by path.
    """
    return _check(order, "order", ("existingAccountNumber", "existingAccountId", "newAccount"))


def check_preview(order: object) -> dict[str, Any]:
    """
    Check the body of ``POST /v1/async/orders/preview`` and return it as `to_json_types` does.

    The account is an existing one or ``previewAccountInfo``; a preview has no ``newAccount``.

    :raises InvalidInput: as `check_order`.
    """
    return _check(order, "preview", ("existingAccountNumber", "existingAccountId", "previewAccountInfo"))


def _check(order: object, definition: str, accounts: tuple[str, ...]) -> dict[str, Any]:
    reading = JsonReader()
    document = reading.read(order)
    text = json.dumps(document, ensure_ascii=False, default=repr)  # most orders hold neither of these two
    given = _without_nulls(document) if "null" in text else document
    broken = [*reading.refused, *_schema_violations(given, definition)]
    broken += _outside_bmp(document) if _ASTRAL.search(text) else ()
    if isinstance(given, dict):
        broken += _account_violations(given, accounts)
        broken += [violation for rule in _RULES for violation in rule(given)]
    raise_any(f"{definition} body", broken)
    checked: dict[str, Any] = document
    return checked


def _without_nulls(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _without_nulls(value) for key, value in document.items() if value is not None}
    return [_without_nulls(item) for item in document] if isinstance(document, list) else document


@cache
def _schema() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("order.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator(definition: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator, FormatChecker, validators  # noqa: PLC0415 - DAG files import this

    formats = FormatChecker(formats=())
    formats.checks("date")(lambda value: not isinstance(value, str) or _is_date(value))
    checks = Draft202012Validator.VALIDATORS
    changed = {name: _of_numbers(checks[name]) for name in ("minimum", "maximum")}
    changed |= {"enum": _of_texts(checks["enum"])}
    types = Draft202012Validator.TYPE_CHECKER
    lenient = types.redefine("integer", lambda _, value: types.is_type(_number(value), "integer"))
    kind: type[Draft202012Validator] = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, changed, type_checker=lenient
    )
    return kind(_inlined(_schema()["$defs"][definition]), format_checker=formats)


def _number(value: Any) -> Any:
    """Return the number of a text of digits, which Zuora takes for it; anything else as it is."""
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _of_numbers(check: Callable[..., Any]) -> Callable[..., Any]:
    """Return a keyword's check that looks at a text of digits as at its number, where that is allowed."""

    def checked(validator: Any, limit: Any, value: Any, schema: Any) -> Any:
        return check(validator, limit, _number(value) if schema.get("type") == "integer" else value, schema)

    return checked


def _of_texts(check: Callable[..., Any]) -> Callable[..., Any]:
    """Return an enum's check that finds a text at once; jsonschema's takes a fifth of an order's."""

    def checked(validator: Any, members: Any, value: Any, schema: Any) -> Any:
        return () if type(value) is str and value in members else check(validator, members, value, schema)

    return checked


def _inlined(node: Any) -> Any:
    """Return a part of the schema without references: looking them up is half of what a check costs."""
    if isinstance(node, list):
        return [_inlined(item) for item in node]
    if not isinstance(node, dict):
        return node
    own = {name: _inlined(value) for name, value in node.items() if name != "$ref"}
    if "$ref" not in node:
        return own
    meant = _inlined(_schema()["$defs"][node["$ref"].removeprefix("#/$defs/")])
    return {**own, "allOf": [meant]} if own else meant


def _is_date(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and is_day(value)


def _schema_violations(document: object, definition: str) -> Iterator[Violation]:
    for error in _validator(definition).iter_errors(document):
        path = tuple(error.absolute_path)
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield from (((*path, name), "is required") for name in missing)
        elif error.instance is not REFUSED:
            yield path, _WORDS[error.validator](error)


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
_WORDS: dict[str, Callable[[Any], str]] = {
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


def _outside_bmp(value: object, path: Path = ()) -> Iterator[Violation]:
    """Look through all text: "Considerations in Orders" says that only Unicode's first plane is supported."""
    words = "characters beyond Unicode's first 65536, emoji for example, which Zuora does not support"
    if isinstance(value, str) and (count := len(_ASTRAL.findall(value))):
        yield path, f"no {words}, this has {count}"
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for step, member in members:
        if isinstance(step, str) and _ASTRAL.search(step):
            yield (*path, step), f"a field name must have no {words}"
        yield from _outside_bmp(member, (*path, step))


def _account_violations(order: dict[str, Any], names: tuple[str, ...]) -> Iterator[Violation]:
    given = [name for name in names if name in order]
    if len(given) != 1:
        yield (), f"exactly one of {', '.join(names)} is required, this has {' and '.join(given) or 'none'}"


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _payment_methods(order: dict[str, Any]) -> Iterator[Violation]:
    if {"creditCard", "hpmCreditCardPaymentMethodId"} <= _dict(order.get("newAccount")).keys():
        yield ("newAccount",), "either creditCard or hpmCreditCardPaymentMethodId, not both"


def _action_bodies(order: dict[str, Any]) -> Iterator[Violation]:
    """Compare the key of an action's details with its type; that an action has details is not documented."""
    types = _schema()["$defs"]["orderAction"]["properties"]["type"]["enum"]
    owners = {kind[0].lower() + kind[1:]: kind for kind in types}
    for above, subscription in enumerate(_list(order.get("subscriptions"))):
        for index, action in enumerate(_list(_dict(subscription).get("orderActions"))):
            kind = _dict(action).get("type")
            foreign = (
                [name for name in _dict(action) if owners.get(name, kind) != kind] if kind in types else []
            )
            for name in foreign:
                path = ("subscriptions", above, "orderActions", index, name)
                yield path, f"belongs to an action of type {owners[name]}, this one is {kind}"


def _billing(order: dict[str, Any]) -> Iterator[Violation]:
    options = _dict(order.get("processingOptions"))
    if options.get("collectPayment") is True and options.get("runBilling") is False:
        yield ("processingOptions", "collectPayment"), "must not be true while runBilling is false"
    if "applicationOrder" in options and options.get("applyCredit", False) is False:
        yield ("processingOptions", "applicationOrder"), "needs applyCredit to be true"


def _line_items(order: dict[str, Any]) -> Iterator[Violation]:
    items = [_dict(item) for item in _list(order.get("orderLineItems"))]
    numbered = sum("itemNumber" in item for item in items)
    if 0 < numbered < len(items):
        yield ("orderLineItems",), f"itemNumber on all items or on none, {numbered} of {len(items)} have one"
    for index, item in enumerate(items):
        start, end = item.get("transactionStartDate"), item.get("transactionEndDate")
        if _is_date(start) and _is_date(end) and end < start:
            yield ("orderLineItems", index, "transactionEndDate"), "must not be before transactionStartDate"


_RULES: tuple[Callable[[dict[str, Any]], Iterable[Violation]], ...] = (
    _payment_methods,
    _action_bodies,
    _billing,
    _line_items,
)
