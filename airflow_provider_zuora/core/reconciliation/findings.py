"""What a reconciliation has found out, in one word for each order, and what is to be done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.reconciliation.comparison import Comparison, describe_difference
from airflow_provider_zuora.core.reconciliation.logged_orders import LoggedOrder, LogState, fold
from airflow_provider_zuora.core.reconciliation.proposals import NOTHING, Action, Proposal, Resolver
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.vendors.zuora.order_list import OrderRow


class Finding(StrEnum):
    """What became of an order; the words stand in XComs, in reports and in ``fail_on``."""

    FOUND = "found"
    """Zuora has it, as the log says."""
    PENDING = "pending"
    """It is on its way, or Zuora has not carried it out."""
    CANCELLED = "cancelled"
    """Zuora has it, but it was cancelled, or it failed."""
    REFUSED = "refused"
    """There is none, and the log says so."""
    OPEN = "open"
    """It was not sent; nobody knows of it in Zuora."""
    REPLACED = "replaced"
    """Another submission took its place: a later one of its number, or of its task if it is unknown."""
    MISSING = "missing"
    """The log says that it was sent; Zuora has none."""
    DELETED = "deleted"
    """Zuora has none, and the log says that a task has had it deleted."""
    DOUBLED = "doubled"
    """Zuora has another one besides it."""
    DIFFERENT = "different"
    """Zuora has it with another account, or another date."""
    UNKNOWN = "unknown"
    """Nobody has learnt whether Zuora has it."""
    OTHERS = "others"
    """It is not in the log: others have made it."""


SETTLED = 900.0
"""Seconds after which no POST is under way any more: it may take ten minutes, and clocks differ."""
_EXISTS = (Finding.FOUND, Finding.PENDING, Finding.DIFFERENT)
_HEALS = (Finding.MISSING, Finding.UNKNOWN, Finding.PENDING, Finding.OPEN)
"""What a later look may find well, if it is new."""
_ASKS = (Finding.MISSING, Finding.DOUBLED, Finding.DIFFERENT)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One order of a reconciliation.

    :param number: of the order; empty if it is not known.
    :param others: numbers of further orders that have to do with it.
    :param is_young: it is so new that a later look may find more.
    """

    finding: Finding
    order: LoggedOrder | None = None
    number: str = ""
    others: Sequence[str] = ()
    row: OrderRow | None = None
    detail: str = ""
    proposal: Proposal = NOTHING
    is_young: bool = False

    @property
    def name(self) -> str:
        """Return what it is called: its number, else its job, else its key."""
        order = self.order
        return self.number or next(iter(order.job_ids), order.key) if order else self.number

    @property
    def heals(self) -> bool:
        """Return whether a later look may find it well."""
        return self.is_young and self.finding in _HEALS

    @property
    def action(self) -> Action:
        """Return what to do about it."""
        if self.finding is Finding.UNKNOWN:
            return self.proposal.action
        if self.finding not in _ASKS:
            return Action.NONE
        return Action.WAIT if self.heals else Action.LOOK

    @property
    def established(self) -> Outcome | None:
        """Return what is certain of an order whose outcome was unknown; None: nothing is."""
        return self.proposal.outcome if self.finding is Finding.UNKNOWN else None


@dataclass(slots=True)
class _Judge:
    """Tells what became of each order of the log; see `find_all`."""

    known: Comparison
    resolver: Resolver
    now: float
    _doubles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _sent: dict[tuple[object, ...], list[LoggedOrder]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._doubles = self.known.find_doubles()
        for order in self.known.books.orders.values():
            if order.state is LogState.SENT:
                for number in self.known.list_numbers(order):
                    self._sent["number", fold(number)].append(order)
                self._sent["task", order.digest, *order.task.values()].append(order)

    def judge(self, order: LoggedOrder) -> Entry:
        """Return what became of an order."""
        numbers, rows = self.known.list_numbers(order), self.known.find_rows(order)
        number = rows[0].number if rows else next(iter(numbers), "")
        young = self.now - order.last < SETTLED
        entry = Entry(Finding.FOUND, order, number, (), next(iter(rows), None), is_young=young)
        if order.state is LogState.SENT:
            return self._judge_found(entry, rows) if rows else self._judge_missing(entry)
        is_there = bool(rows) and ("number", fold(number)) not in self._sent
        if order.state is LogState.UNKNOWN:
            return self._judge_unknown(entry)
        if is_there and rows[0].created >= order.first - self.known.window.margin:
            words = "the log says that there is none, and Zuora has one of its number"
            return self._judge_unknown(entry, words)
        finding = Finding.REFUSED if order.state is LogState.REFUSED else Finding.OPEN
        codes = f"codes {', '.join(order.codes)}" if order.codes else ""
        return replace(entry, finding=finding, row=None, detail=codes)

    def _judge_found(self, entry: Entry, rows: Sequence[OrderRow]) -> Entry:
        row, number = rows[0], fold(rows[0].number)
        order = entry.order
        assert order is not None
        under_key = [each.number for each in rows[1:] if each.state is not JobState.FAILED]
        if others := [*under_key, *self._doubles.get(number, ())]:
            words = (
                "its key has made several" if under_key else "others have the same account, date and content"
            )
            return replace(entry, finding=Finding.DOUBLED, others=others, detail=words)
        if ids := self.known.repeats.get(number):
            words = "Zuora has several orders of its number"
            return replace(entry, finding=Finding.DOUBLED, others=sorted(ids), detail=words)
        if row.state is JobState.FAILED:
            return replace(entry, finding=Finding.CANCELLED, detail=f"it is {row.status}")
        if wrong := describe_difference(order, row):
            return replace(entry, finding=Finding.DIFFERENT, detail=wrong)
        if not row.is_carried_out:
            return replace(entry, finding=Finding.PENDING, detail=f"it is {row.status}")
        return self._find_later(entry, number)

    def _find_later(self, entry: Entry, number: str) -> Entry:
        """Return what became of an order that is there: one that was sent again counts once."""
        order = entry.order
        assert order is not None
        if all(each.first <= order.first for each in self._sent["number", number]):
            return entry
        words = "a later submission has its number: there is one order for both"
        return replace(entry, finding=Finding.REPLACED, detail=words)

    def _judge_missing(self, entry: Entry) -> Entry:
        order, jobs = entry.order, self.known.books.jobs
        assert order is not None
        if self.known.books.deletions.get(fold(entry.number), 0.0) >= order.first:
            return replace(entry, finding=Finding.DELETED, detail="a task has had it deleted")
        ends = [jobs[each] for each in order.job_ids if each in jobs]
        if any(each.is_active for each in ends):
            return replace(entry, finding=Finding.PENDING, detail="its job has not ended")
        if ends and all(each.is_failed for each in ends):
            codes = ", ".join(dict.fromkeys(code for each in ends for code in each.codes))
            words = f"its job has failed{codes and f' ({codes})'}"
            is_told = all(each.is_logged for each in ends)
            return replace(entry, finding=Finding.REFUSED if is_told else Finding.MISSING, detail=words)
        if not entry.number:
            words = "its job is not known any more, and it has no number"
            return self._judge_unknown(entry, words)
        made = any(each.is_known and each.number for each in ends)
        words = "it was made, and is not there any more" if made else "nobody knows that it was made"
        return replace(entry, finding=Finding.MISSING, detail=words)

    def _judge_unknown(self, entry: Entry, detail: str = "") -> Entry:
        order = entry.order
        assert order is not None
        if not detail and self._is_replaced(order, entry.number):
            return replace(entry, finding=Finding.REPLACED)
        others = self._doubles.get(fold(entry.number), ()) if entry.number else ()
        words, proposal, more = self.resolver.resolve(order, entry.row, entry.number, is_young=entry.is_young)
        words = "; ".join(filter(None, (detail, words)))
        return replace(
            entry, finding=Finding.UNKNOWN, others=(*others, *more), detail=words, proposal=proposal
        )

    def _is_replaced(self, order: LoggedOrder, number: str) -> bool:
        """Return whether a person has submitted it again: under its number, or in a later try of its task."""
        if number and ("number", fold(number)) in self._sent:
            return True
        others = self._sent.get(("task", order.digest, *order.task.values()), ())
        return any(each.first_try > order.last_try and each.first > order.last for each in others)


def find_all(known: Comparison, now: float) -> tuple[list[Entry], list[Entry]]:
    """Return what became of the orders of the log, first submitted first, and the orders of others."""
    entries = find_each(known, known.orders, now)
    doubles = [number for each in entries if each.finding is Finding.DOUBLED for number in each.others]
    others = [Entry(Finding.OTHERS, number=row.number, row=row) for row in known.list_others(doubles)]
    return entries, others


def find_each(known: Comparison, orders: Iterable[LoggedOrder], now: float) -> list[Entry]:
    """Return what became of some orders of the log, in their order."""
    judge = _Judge(known, Resolver(known, now), now)
    return list(_mark_equal(known, [judge.judge(order) for order in orders]))


def _mark_equal(known: Comparison, entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield entries; of orders with the same digest all but the first are doubled."""
    made: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for order in known.books.orders.values():
        if order.state is LogState.SENT and order.digest:
            rows = (row for row in known.find_rows(order) if row.state is not JobState.FAILED)
            made[order.digest] += [(order.first, row.number) for row in rows]
    firsts = {digest: min(rows)[1] for digest, rows in made.items() if rows}
    for entry in entries:
        first = firsts.get(entry.order.digest, "") if entry.order else ""
        if entry.finding in _EXISTS and first and fold(first) != fold(entry.number):
            words = "an earlier submission of the same content has made another"
            yield replace(entry, finding=Finding.DOUBLED, others=(first,), detail=words)
        else:
            yield entry


def count_findings(entries: Sequence[Entry], others: Sequence[Entry]) -> dict[str, int]:
    """Return how many orders there are of each finding."""
    counts = Counter(str(each.finding) for each in entries)
    return {str(each): counts[str(each)] for each in Finding} | {str(Finding.OTHERS): len(others)}
