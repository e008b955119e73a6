"""The orders of a list, checked as a whole before the first is sent, and what makes the key of each."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from airflow_provider_zuora.core.errors import InvalidInput, raise_first
from airflow_provider_zuora.core.redaction import make_printable
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope
from airflow_provider_zuora.core.validation import KEY_LENGTH, find_header_violation
from airflow_provider_zuora.core.vendors.zuora.order_rules import CheckedOrder, check_order

Key: TypeAlias = str | Callable[[Mapping[str, Any]], str] | None
"""A user's idempotency key, for all orders of a list or of each one."""


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """
    One order of a list.

    :param label: what messages call it: ``orders[3]`` or ``line 4``.
    :param scope: who submits; equal orders are told apart by their count, never by their position.
    :param equals: how many orders of the list are equal to it, besides.
    """

    index: int
    label: str
    checked: CheckedOrder = field(repr=False)
    scope: IdempotencyScope = field(repr=False)
    equals: int = 0

    @property
    def number(self) -> str | None:
        """Return the order's own number."""
        return self.checked.number

    @property
    def claim(self) -> tuple[object, ...] | None:
        """Return the identity of the order in its try, None if its number or its own key tells it apart."""
        if self.number is not None or self.scope.position is None:
            return None
        return (self.scope.identity, self.scope.position, self.checked.content)

    def __str__(self) -> str:
        return f"{self.label} ({make_printable(self.number)})" if self.number else self.label


def prepare_orders(
    orders: object,
    scope: IdempotencyScope,
    key: Key = None,
    labels: Sequence[str] = (),
    *,
    return_ids: bool = False,
) -> list[BulkOrder]:
    """
    Check a list of orders, and return each with what its key is made of.

    :param key: replaces the task in the scope.
    :param labels: what messages call the orders; ``orders[0]`` and so on if it is empty.
    :raises InvalidInput: with every broken rule of every order; the first hundred lines of them.
    """
    if not isinstance(orders, (list, tuple)):
        raise InvalidInput("Nothing was sent.", ("orders: must be a list of objects",))
    labels = labels or [f"orders[{index}]" for index in range(len(orders))]
    prepared: list[BulkOrder] = []
    broken: list[str] = []
    for index, (label, order) in enumerate(zip(labels, orders, strict=True)):
        try:
            checked = check_order(order, return_ids=return_ids)
            own = _find_own_key(order, key)
        except InvalidInput as error:
            broken += [f"{label}: {line}" for line in error.violations]
        else:
            own_scope = scope if own is None else IdempotencyScope(scope.namespace, (own,))
            prepared.append(BulkOrder(index, label, checked, own_scope))
    counted = list(_count_equals(prepared, broken, has_own_keys=callable(key)))
    raise_first("The orders break rules; none was sent:", broken)
    return counted


def _find_own_key(order: Mapping[str, Any], key: Key) -> str | None:
    if key is None:
        return None
    try:
        own = key(order) if callable(key) else key
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Not its words: they may quote the order, which holds secrets.
        where = traceback.extract_tb(error.__traceback__)[-1]
        rule = f"idempotency_key: it raised {type(error).__name__} in {where.name}, line {where.lineno}"
        raise InvalidInput("", (rule,)) from None
    if wrong := find_header_violation(own, KEY_LENGTH):
        raise InvalidInput("", (f"idempotency_key: {wrong}",))
    return own


def _count_equals(
    orders: Sequence[BulkOrder], broken: list[str], *, has_own_keys: bool
) -> Iterator[BulkOrder]:
    """Yield the orders, each with its count among equal ones in its scope."""
    contents = [(order.scope.identity, order.checked.content) for order in orders]
    totals, counts = Counter(contents), Counter[object]()
    numbers: dict[str, BulkOrder] = {}
    for order, content in zip(orders, contents, strict=True):
        if order.number is not None and (first := numbers.setdefault(order.number, order)) is not order:
            broken.append(f"{order.label}: $.orderNumber: {first.label} has it too")
        scope, count = order.scope, counts[content]
        counts[content] += 1
        if count and has_own_keys:
            broken.append(f"{order.label}: idempotency_key: an equal order before it has the same one")
        if scope.position is not None:
            scope = replace(scope, position=f"{scope.position}/{count}")
        elif count:
            scope = replace(scope, identity=(*scope.identity, str(count)))
        yield replace(order, scope=scope, equals=totals[content] - 1)
