"""A plan: a fault or a script that waits for requests, how many it is still for, and whether one came."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

from zuora_sandbox.faults import Fault
from zuora_sandbox.scripts import Script

T = TypeVar("T", Fault, Script)


@dataclass(slots=True, eq=False)
class Plan(Generic[T]):
    """
    What is left of a fault or a script.

    :param given: it, as it was added.
    :param left: for how many requests it still is; None: for all of them.
    :param skip: how many requests it lets through first.
    :param every: to one in so many requests it applies after that.
    :param matched: how many requests matched after those that it let through.
    """

    given: T
    left: int | None
    skip: int = 0
    every: int = 1
    matched: int = 0

    def __post_init__(self) -> None:
        """Check the numbers: a plan for no request would let a test pass for the wrong reason."""
        if self.left is not None and not (isinstance(self.left, int) and self.left >= 1):
            raise ValueError(f"times is {self.left!r}; it must be 1 or more, or None for all of them")
        if not (isinstance(self.skip, int) and self.skip >= 0):
            raise ValueError(f"skip is {self.skip!r}; it must be 0 or more")
        if not (isinstance(self.every, int) and self.every >= 1):
            raise ValueError(f"every is {self.every!r}; it must be 1 or more")

    @property
    def is_met(self) -> bool:
        """Return whether it was ever applied: it is to the first request that it does not let through."""
        return self.matched > 0

    def take(self) -> bool:
        """Count a request that matches, and return whether it applies."""
        if self.skip:
            self.skip -= 1
            return False
        self.matched += 1
        if (self.matched - 1) % self.every:
            return False
        if self.left is not None:
            self.left -= 1
        return True

    def __str__(self) -> str:
        """Return the fault or script as somebody would write it."""
        plain = type(self.given)()
        pairs = [(each.name, getattr(self.given, each.name)) for each in fields(plain)]
        said = [f"{name}={value!r}" for name, value in pairs if value != getattr(plain, name)]
        return f"{type(plain).__name__}({', '.join(said)})"


def take_first(plans: list[Plan[T]], order: Iterable[Plan[T]], matches: Callable[[T], bool]) -> T | None:
    """Return what applies to a request, if anything does, and drop its plan if that is used up."""
    for plan in list(order):
        if matches(plan.given) and plan.take():
            if plan.left is not None and plan.left <= 0:
                plans.remove(plan)
            return plan.given
    return None
