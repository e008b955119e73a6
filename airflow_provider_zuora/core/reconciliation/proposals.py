"""What is safe to do about an order of which nobody has learnt whether it is there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum

from airflow_provider_zuora.core.job import ORDER, JobState
from airflow_provider_zuora.core.reconciliation.comparison import Comparison, describe_difference
from airflow_provider_zuora.core.reconciliation.logged_orders import LoggedOrder, LogState, fold
from airflow_provider_zuora.core.submission.idempotency_keys import KEY_AGE, propose_key
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.vendors.zuora.order_list import OrderRow

_SAME_KEY = KEY_AGE - 3600.0  # seconds: a task that is cleared needs time to begin
_SHOWN = 5


class Action(StrEnum):
    """What to do; the words stand in reports."""

    NONE = ""
    ADOPT = "adopt_job_id"
    """Pass the value as ``adopt_job_id``, and clear the task: nothing is sent."""
    CLEAR = "clear the task"
    """Zuora has none. The task sends the same key again, which cannot make a second one."""
    AGAIN = "submit again"
    """Zuora has none. Pass the value as ``idempotency_key``, and clear the task."""
    ALONE = "submit alone"
    """Zuora has none. Take it out of the list, whose other orders another key would make twice."""
    LOOK = "look"
    """Only a person can tell."""
    WAIT = "wait"
    """It may be under way: reconcile again in a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """
    What to do about one order.

    :param value: of the option, see `Action`.
    :param outcome: what is certain by now; None: nothing is.
    """

    action: Action = Action.NONE
    value: str = ""
    outcome: Outcome | None = None


NOTHING = Proposal()
_Answer = tuple[str, Proposal, tuple[str, ...]]  # a detail, what to do, numbers of other orders


@dataclass(frozen=True, slots=True)
class Resolver:
    """Proposes what to do by what is known of both sides; now: seconds since 1970."""

    known: Comparison
    now: float
    _tries: dict[tuple[object, ...], list[LoggedOrder]] = field(
        init=False, default_factory=lambda: defaultdict(list)
    )

    def __post_init__(self) -> None:
        """Note the orders that each try of a task has submitted, as far as they may be there."""
        for order in self.known.books.orders.values():
            if order.state in (LogState.SENT, LogState.UNKNOWN):
                for name in _name_tries(order):
                    self._tries[name].append(order)

    def resolve(self, order: LoggedOrder, row: OrderRow | None, number: str, *, is_young: bool) -> _Answer:
        """
        Return a detail, what to do, and the numbers of orders that may be this one.

        :param row: what Zuora has under its number; None: nothing, or it has no number.
        """
        if row is not None:
            return self._resolve_found(order, row)
        if number and fold(number) in self.known.absent:
            return "Zuora has none of its number", self._propose_again(order, is_young=is_young), ()
        rows = self.known.placed.get(order.key)
        if rows is None:
            return "it has no number, and no account by which it can be found is known", _LOOK, ()
        if rows:
            numbers = tuple(sorted(each.number for each in rows))
            is_sole = len(numbers) == 1 and self._count_claims(numbers[0]) == 1
            value = ORDER + numbers[0] if is_sole else ""
            words = f"orders of its account and date that may be it: {len(numbers)}"
            return words, Proposal(Action.LOOK, value), numbers[:_SHOWN]
        if order.job_ids:  # it was accepted once: that none is there explains nothing
            return "Zuora has no order of its account and date that may be it", _LOOK, ()
        words = "Zuora has no order of its account and date that may be it"
        return words, self._propose_again(order, is_young=is_young), ()

    def _list_beside(self, order: LoggedOrder) -> list[LoggedOrder]:
        """Return what its task has submitted besides it, which another key would make twice."""
        number = fold(order.order_number)
        beside = (each for name in _name_tries(order) for each in self._tries.get(name, ()))
        return [
            each
            for each in beside
            if each.key != order.key and (not number or number != fold(each.order_number))
        ]

    def _count_claims(self, number: str) -> int:
        """Return how many orders without a number may be this one."""
        placed = (rows for rows in self.known.placed.values() if rows)
        return sum(number in [row.number for row in rows] for rows in placed)

    def _resolve_found(self, order: LoggedOrder, row: OrderRow) -> _Answer:
        if wrong := describe_difference(order, row):
            return wrong, _LOOK, ()
        if row.state is JobState.FAILED:
            return f"Zuora has it, and it is {row.status}", _LOOK, ()
        return f"Zuora has it, {row.status}", Proposal(Action.ADOPT, ORDER + row.number, Outcome.FOUND), ()

    def _propose_again(self, order: LoggedOrder, *, is_young: bool) -> Proposal:
        """Return how to submit it: by the same key, as long as Zuora remembers that, if the task sends it."""
        if is_young:
            return Proposal(Action.WAIT)
        # Without a number only the key keeps a job that is slow, or a list that lags, from a second order.
        if (order.goes_on or not order.order_number) and self.now - order.first < _SAME_KEY:
            return Proposal(Action.CLEAR, "", Outcome.ABSENT)
        beside = self._list_beside(order)
        if not order.order_number and any(each.digest == order.digest for each in beside):
            return _LOOK  # their count alone tells equal orders of a list apart: none may be taken out
        if beside:
            return Proposal(Action.ALONE, "", Outcome.ABSENT)
        return Proposal(Action.AGAIN, propose_key(order.key, self.now), Outcome.ABSENT)


def _name_tries(order: LoggedOrder) -> list[tuple[object, ...]]:
    return [(*order.task.values(), number) for number in order.intents.keys() | order.ends.keys()]


_LOOK = Proposal(Action.LOOK)
