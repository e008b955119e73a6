"""How much one order may hold: Zuora's published limits, which a tenant can have raised at its support."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_types import Path, format_path

# Zuora's page of the call: up to 300 subscriptions, 300 order actions, 100 order line items; an older one
# adds that its support raises them.
PUBLISHED: Mapping[str, int] = {"subscriptions": 300, "orderActions": 300, "orderLineItems": 100}
_WORDS = {
    "subscriptions": "subscriptions",
    "orderActions": "order actions",
    "orderLineItems": "order line items",
}


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """
    A connection's ``order_limits``.

    :param raised: what the tenant's limits are, by the names of `PUBLISHED`; above them nothing is sent. What
        is not named keeps the published one, above which there is a warning.
    """

    raised: Mapping[str, int]

    @classmethod
    def of(cls, value: object) -> OrderLimits:
        """
        Return the limits that a connection's extra holds.

        :param value: a number, for subscriptions and for order actions, or an object of numbers by name; text
            of either too.
        :raises ValueError: with the rule that it breaks.
        """
        if isinstance(value, str):
            try:
                value = json.loads(value) if value.strip() else None
            except (ValueError, RecursionError):
                value = False
        if _is_count(value):
            value = {"subscriptions": value, "orderActions": value}
        given = {} if value is None else value
        if not isinstance(given, Mapping) or not all(map(_is_count, given.values())):
            raise ValueError(
                'must be a whole number above 0, or an object of them such as {"subscriptions": 500}'
            )
        if unknown := sorted(set(given) - set(PUBLISHED)):
            raise ValueError(f"must name {', '.join(PUBLISHED)}, not {unknown[0]!r}")
        return cls(dict(given))

    def check(self, order: object) -> list[str]:
        """
        Return what an order holds more of than Zuora's pages allow, in words, for the log.

        :raises InvalidInput: if it holds more than the connection's ``order_limits``; nothing was sent.
        """
        over, warnings = [], []
        for path, name, count in _counts(order):
            limit = self.raised.get(name, PUBLISHED[name])
            if count <= limit:
                continue
            words = f"{format_path(path)}: at most {limit} {_WORDS[name]} in one order, this has {count}"
            if name in self.raised:
                over.append(f"{words} (order_limits of the connection)")
            else:
                warnings.append(f"{words}; Zuora may refuse it (see order_limits of the connection)")
        if over:
            raise InvalidInput("Nothing was sent.", tuple(over))
        return warnings


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _counts(order: object) -> Iterator[tuple[Path, str, int]]:
    subscriptions = _list(order, "subscriptions")
    yield ("subscriptions",), "subscriptions", len(subscriptions)
    actions = sum(len(_list(each, "orderActions")) for each in subscriptions)
    yield ("subscriptions",), "orderActions", actions
    yield ("orderLineItems",), "orderLineItems", len(_list(order, "orderLineItems"))


def _list(holder: object, name: str) -> Any:
    found = holder.get(name) if isinstance(holder, Mapping) else None
    return found if isinstance(found, (list, tuple)) else ()
