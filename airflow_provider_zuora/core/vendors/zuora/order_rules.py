"""Check an order against what Zuora documents, before it is sent; nothing here sends, or changes its input.

The rules on single fields are data, `order.schema.json`; the few rules that compare fields are the
functions in `_RULES`. A rule that no page of Zuora states is not enforced, and unknown fields pass: Zuora
adds fields. A message states the path and the rule, never the value: orders carry card numbers.

A field whose value is null counts as absent ("skipped or its value is left as null", says Zuora's page of
``orderDate``): an optional one passes and is sent as null, a required one is missing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeGuard

import pendulum

from airflow_provider_zuora.core.json_types import (
    CANONICAL,
    MAX_DEPTH,
    REFUSED,
    JsonReader,
    Violation,
    raise_any,
)
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.vendors.zuora.order_limits import PUBLISHED
from airflow_provider_zuora.core.vendors.zuora.order_rule_words import ASTRAL, WORDS, find_astral
from airflow_provider_zuora.core.vendors.zuora.order_secrets import SECRET_NAMES, hidden_values

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
_NEEDS_READER = re.compile(r"[\ud800-\udfff]|\d{19}")  # a half pair, or a number that may not fit 64 bits

_FEWEST_ITEMS = min(PUBLISHED.values())
_ORDERS, _PREVIEWS = "/v1/async/orders", "/v1/async/orders/preview"


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """
    An order, or a preview, that breaks no rule.

    :param document: in plain JSON types, secrets included.
    :param request: the POST that submits it, without a key.
    :param canonical: its JSON text with sorted keys and no blanks: the same for equal orders.
    :param content: the SHA-256 of that, in hex.
    :param secrets: the secret values in it, as texts.
    :param number: the order's own number, None if it has none.
    :param is_special: True if it holds secrets, or may hold more items than Zuora publishes limits for.
    """

    document: dict[str, Any] = field(repr=False)
    request: Request
    canonical: bytes = field(repr=False)
    content: str
    secrets: tuple[str, ...] = field(repr=False)
    number: str | None
    is_special: bool


def check_order(order: object, *, return_ids: bool = False) -> CheckedOrder:
    """
    Check the body of ``POST /v1/async/orders``; its document is what `to_json_types` makes of it.

    :param return_ids: True: the job's result carries ids instead of numbers.
    :raises InvalidInput: once, with a line for each broken rule, ``$.path: rule``, sorted by path.
    """
    accounts = ("existingAccountNumber", "existingAccountId", "newAccount")
    return _check(order, "order", accounts, _ORDERS, (("returnIds", "true"),) if return_ids else ())


def check_preview(order: object) -> CheckedOrder:
    """
    Check the body of ``POST /v1/async/orders/preview``; its document is what `to_json_types` makes of it.

    The account is an existing one or ``previewAccountInfo``; a preview has no ``newAccount``.
    """
    accounts = ("existingAccountNumber", "existingAccountId", "previewAccountInfo")
    return _check(order, "preview", accounts, _PREVIEWS, ())


def _check(
    order: object,
    definition: str,
    accounts: tuple[str, ...],
    path: str,
    params: tuple[tuple[str, str], ...],
) -> CheckedOrder:
    document, text, broken = _read_plain(order) or ({}, "", [])
    if not text:
        reader = JsonReader()
        document, broken = reader.read(order), reader.refused
        text = json.dumps(document, ensure_ascii=False, default=repr)
    given = _without_nulls(document) if "null" in text else document
    broken += _schema_violations(given, definition)
    broken += find_astral(document) if ASTRAL.search(text) else ()
    if isinstance(given, dict):
        broken += _account_violations(given, accounts)
        broken += [violation for rule in _RULES for violation in rule(given)]
    if broken:
        raise_any(f"{definition} body", broken)
    canonical = CANONICAL.encode(document).encode()
    has_secrets = any(map(text.lower().__contains__, SECRET_NAMES))
    secrets = hidden_values(document) if has_secrets else ()
    return CheckedOrder(
        document,
        Request("POST", path, params, {"Content-Type": "application/json"}, text.encode()),
        canonical,
        hashlib.sha256(canonical).hexdigest(),
        secrets,
        document.get("orderNumber"),
        bool(secrets) or text.count("{") > _FEWEST_ITEMS,
    )


def _read_plain(order: object) -> tuple[Any, str, list[Violation]] | None:
    """
    Return a document that is in plain JSON types already, a copy of it, with its text.

    Most orders are: JSON's own reader and writer, which are written in C, give them back as they are.

    :return: None if `JsonReader` must say what it is.
    """
    try:
        text = json.dumps(order, ensure_ascii=False, allow_nan=False)
        document = json.loads(text)
        is_plain = document == order and not _NEEDS_READER.search(text) and _is_shallow(document, text)
    except (TypeError, ValueError, RecursionError):
        return None
    return (document, text, []) if is_plain else None


def _is_shallow(document: Any, text: str) -> bool:
    """Return whether no value is more than `MAX_DEPTH` levels deep."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return True
    level = [document]
    for _ in range(MAX_DEPTH):
        lists = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for members in lists for each in members if isinstance(each, (dict, list))]
    return not any(level)


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
    return isinstance(value, str) and _is_day(value)


@lru_cache(4096)  # the orders of a list mostly have the same few
def _is_day(text: str) -> bool:
    """Return whether a text is a real day, written ``2026-03-01``."""
    try:  # what is read is laxer than what is written
        return pendulum.from_format(text, "YYYY-MM-DD").date().isoformat() == text
    except ValueError:
        return False


def _schema_violations(document: object, definition: str) -> Iterator[Violation]:
    for error in _validator(definition).iter_errors(document):
        path = tuple(error.absolute_path)
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield from (((*path, name), "is required") for name in missing)
        elif error.instance is not REFUSED:
            yield path, WORDS[error.validator](error)


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
