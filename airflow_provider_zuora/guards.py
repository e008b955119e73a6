"""The guard that a DAG author puts on an operator: limits, each of which stops what would go beyond it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from airflow_provider_zuora.core.guards import FIELDS, find_violations
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora


class OrderGuard(NamedTuple):
    """
    What a task may send to Zuora at most; the rest, and what cannot be told, is refused (docs/guards.md).

    Each of the four may be a template. The connection can hold a guard too, which a DAG cannot raise.

    :ivar expect_environment: ``production``, ``sandbox``, a name such as ``EU Production`` or a base URL;
        a connection to any other environment is refused before it signs in.
    :ivar max_orders: orders of a list, and of a DAG run as its submission log has them.
    :ivar max_amount: what the orders come to in their previews, what a bill run has drafted when it is
        posted, or what a payment run would collect. A text, a Decimal or a whole number.
    :ivar currency: of ``max_amount``, for example ``USD``; an amount in any other one is refused.
    """

    # A tuple, because Airflow renders the templates in one, and finds its XComs, without changing it: several
    # tasks may share a guard.
    expect_environment: str | None = None
    max_orders: int | str | None = None
    max_amount: Decimal | int | str | None = None
    currency: str | None = None


Guard: TypeAlias = OrderGuard | Mapping[str, Any] | str | None
"""A guard as an operator takes it; a text is the JSON of a mapping with the names of its fields."""


def check_guard(guard: Guard) -> None:
    """Raise a `ValueError` with each rule that a guard breaks, as far as that shows when a DAG is parsed."""
    if broken := find_violations(guard, Zuora.environments):
        raise ValueError("\n".join(f"guard: {rule}" for rule in broken))


class GuardedTask:
    """An operator with a guard; what its templates and XComs stand for is known when the task runs."""

    guard: Guard = None
    _given: Collection[str] | None = None  # fields of the guard that have a value; None: there is no guard

    def keep_guard(self, guard: Guard) -> None:
        """Check a guard as `check_guard` does, and keep which of its fields have a value."""
        check_guard(guard)
        if guard is not None:
            fields = _read_fields(guard)
            self._given = FIELDS if fields is None else [name for name in fields if fields[name] is not None]

    @property
    def rendered_guard(self) -> Guard:
        """Return the guard with a blank text, which is refused, for what was rendered to nothing."""
        if self._given is None:
            return self.guard
        if self.guard is None:
            return ""
        fields = _read_fields(self.guard) or {}
        names = fields if self._given is FIELDS else self._given
        lost = [name for name in names if fields.get(name) is None]
        return {**fields, **dict.fromkeys(lost, "")} if lost else self.guard


def _read_fields(guard: Any) -> Mapping[str, Any] | None:
    """Return the fields of a guard, None if they are not known, as those of a text or an XCom."""
    if isinstance(guard, OrderGuard):
        return guard._asdict()
    return guard if isinstance(guard, Mapping) else None
