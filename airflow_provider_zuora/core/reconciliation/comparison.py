"""What is known of both sides, and what has still to be read: each step of a reconciliation asks here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_zuora.core.job import ORDER, JobState
from airflow_provider_zuora.core.reconciliation.logged_orders import (
    Books,
    JobEnd,
    LoggedOrder,
    LogState,
    fold,
)
from airflow_provider_zuora.core.vendors.zuora.order_list import OrderRow

LATER = 7 * 86400.0
"""Seconds after a window in which the log is read for what retries found out, and Zuora for second orders."""
_CHECKED = (LogState.SENT, LogState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Window:
    """
    The time that is compared, in seconds since 1970; its end is not part of it.

    :param margin: seconds by which clocks may differ, and in which an order is made after its submission.
    """

    start: float
    end: float
    margin: float

    def has(self, moment: float) -> bool:
        """Return whether a moment is in it."""
        return self.start <= moment < self.end


@dataclass(slots=True)
class Comparison:
    """
    The log, and what Zuora has said so far.

    :ivar rows: the orders of the log that Zuora has, by number.
    :ivar absent: the numbers of which Zuora has said that there is no such order.
    :ivar strangers: the orders that are not in the log, by Zuora's id.
    :ivar repeats: ids of further orders under a number.
    :ivar placed: the orders of the account and date of an order that has no number, by its key.
    """

    books: Books
    window: Window
    rows: dict[str, OrderRow] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    strangers: dict[str, OrderRow] = field(default_factory=dict)
    repeats: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    placed: dict[str, Sequence[OrderRow] | None] = field(default_factory=dict)
    listed: int = 0
    _known: set[str] = field(default_factory=set)

    @property
    def orders(self) -> list[LoggedOrder]:
        """The orders of the log that were first submitted in the window, in the order of that."""
        inside = (each for each in self.books.orders.values() if self.window.has(each.first))
        return sorted(inside, key=lambda each: (each.first, each.order_number, each.key))

    def list_numbers(self, order: LoggedOrder) -> list[str]:
        """Return the numbers of the orders that were made under a key."""
        return order.list_numbers(self.books.jobs)

    def find_rows(self, order: LoggedOrder) -> list[OrderRow]:
        """Return the orders that Zuora has of one of the log."""
        found = (self.rows.get(fold(number)) for number in self.list_numbers(order))
        return [row for row in found if row is not None]

    def list_unread_jobs(self) -> list[str]:
        """Return the jobs that alone can tell the number of an order: it was submitted without one."""
        around = (self.window.start - self.window.margin, self.window.end + self.window.margin)
        found = [
            job_id
            for order in self.books.list_between(*around)
            if not order.order_number
            for job_id in order.job_ids
            if job_id not in self.books.jobs and not job_id.startswith(ORDER)
        ]
        return sorted(set(found))

    def take_jobs(self, job_ids: Iterable[str], ends: Iterable[JobEnd]) -> None:
        """Take what jobs have come to."""
        self.books.jobs.update(zip(job_ids, ends, strict=True))

    def begin_list(self) -> float:
        """Return since when orders are to be listed; from now on the numbers of the log are known."""
        every = (number for each in self.books.orders.values() for number in self.list_numbers(each))
        self._known = set(map(fold, every))
        return self.window.start - self.window.margin

    def take_row(self, row: OrderRow) -> None:
        """Take an order of the list; what was created at another time, and is not in the log, is left out."""
        number, window = fold(row.number), self.window
        if number in self._known:
            first = self.rows.setdefault(number, row)
            if first.order_id != row.order_id:
                self.repeats[number].add(row.order_id)
        elif window.start - window.margin <= row.created < window.end + LATER:
            self.strangers.setdefault(row.order_id, row)

    def list_unconfirmed(self) -> list[str]:
        """Return the numbers that the list does not show, or shows otherwise: they are read one by one."""
        orders = self.orders
        digests = {each.digest for each in orders if each.digest}
        equal = [each for each in self.books.orders.values() if each.digest in digests]
        return sorted(
            {
                fold(number): number
                for order in (*orders, *equal)
                if order.state in _CHECKED
                for number in self.list_numbers(order)
                if (row := self.rows.get(fold(number))) is None or describe_difference(order, row)
            }.values()
        )

    def take_orders(self, numbers: Iterable[str], pages: Iterable[OrderRow | None]) -> None:
        """Take what the pages of orders say; None: there is none."""
        for number, page in zip(map(fold, numbers), pages, strict=True):
            row = self.rows.pop(number, None)
            if page is None:
                self.absent.add(number)
            elif row is None:
                self.rows[number] = page
            else:
                own = {name: getattr(row, name) for name in ("order_id", "account_id", "created")}
                self.rows[number] = replace(page, **own)

    def list_unexplained(self) -> list[str]:
        """Return the jobs of the orders that are missing: they may tell why."""
        found = [
            job_id
            for order in self.orders
            if order.state is LogState.SENT and not self.find_rows(order)
            for job_id in order.job_ids
            if job_id not in self.books.jobs and not job_id.startswith(ORDER)
        ]
        return sorted(set(found))

    def list_alike(self) -> list[str]:
        """Return the numbers of orders that may be alike, of the log and others: their pages tell."""
        numbers = {row.number for pair in self._pair() for row in pair if not row.content}
        return sorted(numbers)

    def take_contents(self, numbers: Iterable[str], pages: Iterable[OrderRow | None]) -> None:
        """Take what the pages of orders that may be alike hold."""
        contents = {fold(n): page.content for n, page in zip(numbers, pages, strict=True) if page}
        for found in (self.rows, self.strangers):
            for key, row in found.items():
                if content := contents.get(fold(row.number)):
                    found[key] = replace(row, content=content)

    def find_doubles(self) -> dict[str, list[str]]:
        """
        Return the numbers of the orders that are not in the log and have the content of one that is.

        By the number of that: account, order date, and all that an order's page repeats, are the same.
        """
        doubles: dict[str, list[str]] = defaultdict(list)
        for own, other in self._pair():
            if own.content and own.content == other.content:
                doubles[fold(own.number)].append(other.number)
        return {number: sorted(set(others)) for number, others in doubles.items()}

    def _pair(self) -> Iterator[tuple[OrderRow, OrderRow]]:
        """Yield orders of the log, and others, of the same account, order date, description and category."""
        others: dict[tuple[str, ...], list[OrderRow]] = defaultdict(list)
        for row in self.strangers.values():
            others[_sort_out(row)].append(row)
        for order in self.orders:
            for own in self.find_rows(order):
                if _counts(own):
                    yield from ((own, other) for other in others.get(_sort_out(own), ()) if _counts(other))

    def list_unplaced(self) -> list[str]:
        """Return the keys of orders without a number of which no job tells, but an account and a date."""
        return [
            each.key
            for each in self.orders
            if each.state in _CHECKED and not self.list_numbers(each) and self.is_lost(each)
            if (each.account_number or each.account_id) and each.order_date
        ]

    def is_lost(self, order: LoggedOrder) -> bool:
        """Return whether no job tells what an order without a number has come to."""
        return not any(self.books.jobs.get(each, JobEnd(is_known=False)).is_known for each in order.job_ids)

    def take_placed(self, keys: Iterable[str], found: Iterable[Sequence[OrderRow] | None]) -> None:
        """Take the orders of their accounts and dates; None: Zuora knows no such account."""
        for key, rows in zip(keys, found, strict=True):
            earliest = self.books.orders[key].first - self.window.margin
            self.placed[key] = rows and [
                row for row in rows if row.created >= earliest and fold(row.number) not in self._known
            ]

    def list_others(self, but: Iterable[str]) -> list[OrderRow]:
        """Return the orders that others have made in the window, but those of these numbers."""
        left_out = set(map(fold, but))
        inside = [row for row in self.strangers.values() if self.window.has(row.created)]
        inside = [row for row in inside if fold(row.number) not in left_out]
        return sorted(inside, key=lambda row: (row.created, row.number))


def _sort_out(row: OrderRow) -> tuple[str, ...]:
    return fold(row.account_number), row.date, row.traits


def _counts(row: OrderRow) -> bool:
    """Return whether an order can be a double, or have one: one that was cancelled charges nobody."""
    return bool(row.account_number) and row.state is not JobState.FAILED


def describe_difference(order: LoggedOrder, row: OrderRow) -> str:
    """Return in words what Zuora has otherwise than the log, empty if account and date agree."""
    pairs = [
        ("account", order.account_number, row.account_number),
        ("order date", order.order_date, row.date),
    ]
    if not order.account_number and row.account_id:
        pairs.append(("account's id", order.account_id, row.account_id))
    return "; ".join(
        f"its {what} is {theirs or 'not known'}, the log's is {ours}"
        for what, ours, theirs in pairs
        if ours and fold(ours) != fold(theirs)
    )
