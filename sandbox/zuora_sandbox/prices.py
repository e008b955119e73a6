"""What an order comes to, by the price list of the settings; pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

ANY_PLAN = "*"
"""The name of the price of all rate plans that the list does not name."""


def price_order(order: dict[str, Any], prices: Mapping[str, float | str]) -> tuple[Decimal, Decimal]:
    """
    Return what the rate plans and the line items of an order charge, and what they credit; both are positive.

    :param prices: by the id, or the number, of a rate plan; one that the list does not have costs nothing.
    """
    amounts = [*_price_plans(order, prices), *_price_items(order)]
    zero = Decimal(0)
    return sum((each for each in amounts if each > 0), zero), -sum(
        (each for each in amounts if each < 0), zero
    )


def _price_plans(order: dict[str, Any], prices: Mapping[str, float | str]) -> Iterator[Decimal]:
    for plan in _list_plans(order):
        names = [str(plan.get(name)) for name in ("productRatePlanId", "productRatePlanNumber")]
        found = next((prices[name] for name in (*names, ANY_PLAN) if name in prices), 0)
        yield Decimal(str(found))


def _list_plans(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rate plans that an order adds."""
    for subscription in order.get("subscriptions") or []:
        for action in subscription.get("orderActions") or []:
            yield from (action.get("createSubscription") or {}).get("subscribeToRatePlans") or []
            if added := action.get("addProduct"):
                yield added


def _price_items(order: dict[str, Any]) -> Iterator[Decimal]:
    for item in order.get("orderLineItems") or []:
        sign = -1 if item.get("itemCategory") == "Return" else 1
        factors = [Decimal(str(item.get(name) or 0)) for name in ("quantity", "amountPerUnit")]
        yield sign * factors[0] * factors[1]
