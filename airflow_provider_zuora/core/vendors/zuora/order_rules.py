"""Check an order against what Zuora documents, before it is sent; nothing here changes its input.

The rules on single fields are data, `order.schema.json`; the few that compare fields are functions. A rule
that no page of Zuora states is not enforced, and unknown fields pass. A message states path and rule, never
the value: orders carry card numbers. A field whose value is null counts as absent ("skipped or its value is
left as null", says Zuora's page of ``orderDate``): it is sent as null if it is optional.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from airflow_provider_zuora.core import json_types
from airflow_provider_zuora.core.json_types import Path, Violation
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.times import is_day
from airflow_provider_zuora.core.vendors.zuora.order_limits import PUBLISHED
from airflow_provider_zuora.core.vendors.zuora.order_secrets import SECRET_NAMES, list_secrets

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
_NEEDS_READER = re.compile(r"[\ud800-\udfff]|\d{19}")  # a half pair, or a number that may not fit 64 bits
_FEWEST_ITEMS = min(PUBLISHED.values())
_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")
# Our words for JSON Schema's types, and for the Python types of plain values.
_EXPECTED = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}
_FOUND = dict(zip((dict, list, str, float, int, bool), _EXPECTED.values(), strict=True))
_FOUND |= {float: "a decimal number", type(None): "null"}


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """An order, or a preview, that breaks no rule."""

    kind: ClassVar[str] = "order"
    document: dict[str, Any] = field(repr=False)  # in plain JSON types, secrets included
    request: Request  # the POST that submits it, without a key
    canonical: bytes = field(repr=False)  # the JSON text with sorted keys that equal orders have
    content: str  # the SHA-256 of that, in hex
    secrets: tuple[str, ...] = field(repr=False)  # the secret values in it, as texts
    number: str | None  # the order's own one
    is_special: bool  # it holds secrets, or may hold more items than Zuora publishes limits for

    @property
    def mark(self) -> str | None:
        """Return what Zuora can be asked for: its number."""
        return self.number


def check_order(order: object, *, return_ids: bool = False) -> CheckedOrder:
    """
    Check the body of ``POST /v1/async/orders``; ``return_ids``: the result has ids instead of numbers.

    :raises InvalidInput: with a line for each broken rule, ``$.path: rule``, sorted by path.
    """
    return _check(order, "order", "newAccount", "/v1/async/orders", return_ids=return_ids)


def check_preview(order: object) -> CheckedOrder:
    """Check the body of ``POST /v1/async/orders/preview`` as `check_order` does; it has no ``newAccount``."""
    return _check(order, "preview", "previewAccountInfo", "/v1/async/orders/preview")


def _check(
    order: object, definition: str, new_account: str, path: str, *, return_ids: bool = False
) -> CheckedOrder:
    document, text, broken = read_plain(order) or ({}, "", [])
    if not text:
        reader = json_types.JsonReader()
        document, broken = reader.read(order), reader.refused
        text = json.dumps(document, ensure_ascii=False, default=repr)
    given = _drop_nulls(document) if "null" in text else document
    broken += _find_schema_violations(given, definition)
    broken += _find_astral(document) if _ASTRAL.search(text) else ()
    if isinstance(given, dict):
        broken += [*_check_account(given, new_account), *_check_actions(given)]
        broken += [*_check_billing(given), *_check_line_items(given)]
    if broken:
        json_types.raise_any(f"{definition} body", broken)
    canonical = json_types.CANONICAL.encode(document).encode()
    has_secrets = any(map(text.lower().__contains__, SECRET_NAMES))
    secrets = list_secrets(document) if has_secrets else ()
    params = (("returnIds", "true"),) if return_ids else ()
    return CheckedOrder(
        document,
        Request("POST", path, params, {"Content-Type": "application/json"}, text.encode()),
        canonical,
        hashlib.sha256(canonical).hexdigest(),
        secrets,
        document.get("orderNumber"),
        bool(secrets) or text.count("{") > _FEWEST_ITEMS,
    )


def read_plain(order: object) -> tuple[Any, str, list[Violation]] | None:
    """Return a copy and the text of a document in plain JSON types, as most are, by code in C; else None."""
    try:
        text = json.dumps(order, ensure_ascii=False, allow_nan=False)
        document = json.loads(text)
        is_plain = document == order and not _NEEDS_READER.search(text)
    except (TypeError, ValueError, RecursionError):
        return None
    may_be_deep = text.count("{") + text.count("[") > json_types.MAX_DEPTH
    return (document, text, []) if is_plain and not (may_be_deep and json_types.is_deep(document)) else None


def _drop_nulls(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _drop_nulls(value) for key, value in document.items() if value is not None}
    return [_drop_nulls(item) for item in document] if isinstance(document, list) else document


@cache
def load_schema() -> dict[str, Any]:
    """Return the rules on single fields."""
    text = resources.files(__package__).joinpath("order.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def make_validator(definition: str) -> Draft202012Validator:
    """Return what checks an ``order`` or a ``preview``; it reads dates and numbers as Zuora does."""
    from jsonschema import Draft202012Validator, FormatChecker, validators  # noqa: PLC0415 - DAG files import this

    formats = FormatChecker(formats=())
    formats.checks("date")(lambda value: not isinstance(value, str) or _is_date(value))
    checks = Draft202012Validator.VALIDATORS
    changed = {name: _read_digits_first(checks[name]) for name in ("minimum", "maximum")}
    changed |= {"enum": _find_text_first(checks["enum"])}
    types = Draft202012Validator.TYPE_CHECKER
    lenient = types.redefine("integer", lambda _, value: types.is_type(_read_digits(value), "integer"))
    kind: type[Draft202012Validator] = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, changed, type_checker=lenient
    )
    return kind(_inline(load_schema()["$defs"][definition]), format_checker=formats)


def _read_digits(value: Any) -> Any:
    """Return the number of a text of digits, which Zuora accepts as one; anything else as it is."""
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _read_digits_first(check: Callable[..., Any]) -> Callable[..., Any]:
    def check_number(validator: Any, limit: Any, value: Any, schema: Any) -> Any:
        return check(
            validator, limit, _read_digits(value) if schema.get("type") == "integer" else value, schema
        )

    return check_number


def _find_text_first(check: Callable[..., Any]) -> Callable[..., Any]:
    """Return an enum's check that finds a text at once; jsonschema's takes a fifth of an order's."""

    def check_text(validator: Any, members: Any, value: Any, schema: Any) -> Any:
        return () if type(value) is str and value in members else check(validator, members, value, schema)

    return check_text


def _inline(node: Any) -> Any:
    """Return a part of the schema without references: following them is half of what a check costs."""
    if isinstance(node, list):
        return [_inline(item) for item in node]
    if not isinstance(node, dict):
        return node
    own = {name: _inline(value) for name, value in node.items() if name != "$ref"}
    if "$ref" not in node:
        return own
    meant = _inline(load_schema()["$defs"][node["$ref"].removeprefix("#/$defs/")])
    return {**own, "allOf": [meant]} if own else meant


def _is_date(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and is_day(value)


def _describe_type(error: Any) -> str:
    kinds = error.validator_value
    expected = [_EXPECTED[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return f"must be {' or '.join(expected)}, this is {_FOUND[type(error.instance)]}"


def _describe_size(error: Any, bound: str, unit: str) -> str:
    limit = error.validator_value
    return f"{bound} {limit} {unit}{'' if limit == 1 else 's'}, this has {len(error.instance)}"


# What a broken keyword of the schema means, in words; each is given jsonschema's ValidationError.
_WORDS: dict[str, Callable[[Any], str]] = {
    "type": _describe_type,
    "enum": lambda error: f"must be one of {', '.join(error.validator_value)}",
    "minLength": lambda error: _describe_size(error, "at least", "character"),
    "maxLength": lambda error: _describe_size(error, "at most", "character"),
    "minimum": lambda error: f"must be at least {error.validator_value}",
    "maximum": lambda error: f"must be at most {error.validator_value}",
    "format": lambda _: "must be a calendar date, written YYYY-MM-DD",
    "pattern": lambda error: error.schema["description"],
    "not": lambda error: error.schema["description"],
}


def _find_schema_violations(document: object, definition: str) -> Iterator[Violation]:
    for error in make_validator(definition).iter_errors(document):
        path = tuple(error.absolute_path)
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield from (((*path, name), "is required") for name in missing)
        elif error.instance is not json_types.REFUSED:
            yield path, _WORDS[error.validator](error)


def _find_astral(value: object, path: Path = ()) -> Iterator[Violation]:
    """Yield each text beyond Unicode's first plane, all that Zuora supports ("Considerations in Orders")."""
    words = "characters beyond Unicode's first 65536, emoji for example, which Zuora does not support"
    if isinstance(value, str) and (count := len(_ASTRAL.findall(value))):
        yield path, f"no {words}, this has {count}"
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for step, member in members:
        if isinstance(step, str) and _ASTRAL.search(step):
            yield (*path, step), f"a field name must have no {words}"
        yield from _find_astral(member, (*path, step))


def _check_account(order: dict[str, Any], new_account: str) -> Iterator[Violation]:
    names = ("existingAccountNumber", "existingAccountId", new_account)
    given = [name for name in names if name in order]
    if len(given) != 1:
        yield (), f"exactly one of {', '.join(names)} is required, this has {' and '.join(given) or 'none'}"
    if {"creditCard", "hpmCreditCardPaymentMethodId"} <= _read_dict(order.get("newAccount")).keys():
        yield ("newAccount",), "either creditCard or hpmCreditCardPaymentMethodId, not both"


def _read_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_actions(order: dict[str, Any]) -> Iterator[Violation]:
    """Compare the key of an action's details with its type; that an action has details is not documented."""
    types = load_schema()["$defs"]["orderAction"]["properties"]["type"]["enum"]
    owners = {kind[0].lower() + kind[1:]: kind for kind in types}
    for above, subscription in enumerate(_read_list(order.get("subscriptions"))):
        for index, action in enumerate(_read_list(_read_dict(subscription).get("orderActions"))):
            kind = _read_dict(action).get("type")
            for name in _read_dict(action):
                if kind in types and owners.get(name, kind) != kind:
                    path = ("subscriptions", above, "orderActions", index, name)
                    yield path, f"belongs to an action of type {owners[name]}, this one is {kind}"


def _check_billing(order: dict[str, Any]) -> Iterator[Violation]:
    options = _read_dict(order.get("processingOptions"))
    if options.get("collectPayment") is True and options.get("runBilling") is False:
        yield ("processingOptions", "collectPayment"), "must not be true while runBilling is false"
    if "applicationOrder" in options and options.get("applyCredit", False) is False:
        yield ("processingOptions", "applicationOrder"), "needs applyCredit to be true"


def _check_line_items(order: dict[str, Any]) -> Iterator[Violation]:
    items = [_read_dict(item) for item in _read_list(order.get("orderLineItems"))]
    numbered = sum("itemNumber" in item for item in items)
    if 0 < numbered < len(items):
        yield ("orderLineItems",), f"itemNumber on all items or on none, {numbered} of {len(items)} have one"
    for index, item in enumerate(items):
        start, end = item.get("transactionStartDate"), item.get("transactionEndDate")
        if _is_date(start) and _is_date(end) and end < start:
            yield ("orderLineItems", index, "transactionEndDate"), "must not be before transactionStartDate"
