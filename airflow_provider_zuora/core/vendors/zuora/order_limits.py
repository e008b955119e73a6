"""How much one order may hold: Zuora's published limits, which a tenant can have raised at its support."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.errors import InvalidInput

# Zuora's page of the call states these, and an older one that its support raises them.
PUBLISHED: Mapping[str, int] = {"subscriptions": 300, "orderActions": 300, "orderLineItems": 100}


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """A connection's ``order_limits``, above which nothing is sent; above the published ones is a warning."""

    raised: Mapping[str, int]

    @classmethod
    def of(cls, value: object) -> OrderLimits:
        """Return the limits of a number, for subscriptions and actions, or of an object, or of JSON text."""
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
        """Return a warning for each published limit that an order exceeds; raise for the connection's own."""
        over, warnings = [], []
        for path, name, items, count in _count_items(order):
            limit = self.raised.get(name, PUBLISHED[name])
            if count <= limit:
                continue
            words = f"{path}: at most {limit} {items} in one order, this has {count}"
            if name in self.raised:
                over.append(f"{words} (order_limits of the connection)")
            else:
                warnings.append(f"{words}; Zuora may refuse it (see order_limits of the connection)")
        if over:
            raise InvalidInput("Nothing was sent.", tuple(over))
        return warnings


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _count_items(order: object) -> Iterator[tuple[str, str, str, int]]:
    """Yield the path, the name in `PUBLISHED`, the words and the number of what is limited."""
    subscriptions = _read_list(order, "subscriptions")
    yield "$.subscriptions", "subscriptions", "subscriptions", len(subscriptions)
    actions = sum(len(_read_list(each, "orderActions")) for each in subscriptions)
    yield "$.subscriptions", "orderActions", "order actions", actions
    yield "$.orderLineItems", "orderLineItems", "order line items", len(_read_list(order, "orderLineItems"))


def _read_list(holder: object, name: str) -> Any:
    found = holder.get(name) if isinstance(holder, Mapping) else None
    return found if isinstance(found, (list, tuple)) else ()
