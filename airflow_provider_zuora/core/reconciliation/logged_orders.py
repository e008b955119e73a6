"""The orders of the submission log: what its lines, of all tries and processes, say of each key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from airflow_provider_zuora.core.job import ORDER
from airflow_provider_zuora.core.submission.log_lines import (
    END,
    INTENT,
    RECONCILED,
    RESULT,
    TASK,
    Line,
    is_understood,
)
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.times import read_moment

KIND, DELETION = "order", "order deletion"
_THERE = (Outcome.SUBMITTED, Outcome.FOUND, Outcome.ADOPTED)
_UNDECIDED = (Outcome.OPEN, Outcome.UNKNOWN)
_MASKED = "***"  # in the place of what looks like a card's number


def _read_known(line: Line, name: str) -> str:
    """Return a number of a line, empty if it is masked: then it is not known."""
    value = str(line.get(name) or "")
    return "" if _MASKED in value else value


def fold(value: str) -> str:
    """Return a number as it compares: Zuora may answer with its own spelling."""
    return value.strip().casefold()


class LogState(Enum):
    """What the log says of an order."""

    SENT = "Zuora has named its job, or it was there"
    REFUSED = "there is none"
    OPEN = "it was not sent"
    UNKNOWN = "it may be there"


@dataclass(slots=True)
class JobEnd:
    """What a job has come to: by the log, or by Zuora."""

    is_failed: bool = False
    is_active: bool = False
    is_known: bool = True
    is_logged: bool = False
    number: str = ""
    codes: tuple[str, ...] = ()


@dataclass(slots=True)
class LoggedOrder:
    """
    An order of the log: the lines of one key.

    :param first: when its first line was written, in seconds since 1970; ``last``: its last one.
    :param task: the columns that say whose it is, and ``try_number`` the last try of it.
    :param intents: when each try wrote its last intent.
    :param ends: when each try wrote its last end, its outcome, and POSTs that may have made it.
    """

    key: str
    first: float
    last: float
    task: dict[str, object] = field(default_factory=dict)
    first_try: int = 0
    last_try: int = 0
    digest: str = ""
    order_number: str = ""
    order_date: str = ""
    account_number: str = ""
    account_id: str = ""
    job_ids: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    intents: dict[int, float] = field(default_factory=dict)
    ends: dict[int, tuple[float, str, int]] = field(default_factory=dict)
    is_closed: bool = False  # an earlier reconciliation has found out what came of its last intent
    reconciled: str = ""  # what the last reconciliation has found out; a later one asks Zuora again

    def add(self, line: Line, moment: float) -> None:
        """Take a line of its key."""
        number = int(line.get("try_number") or 1)
        self.first, self.last = min(self.first, moment), max(self.last, moment)
        self.first_try = min(self.first_try or number, number)
        self.last_try = max(self.last_try, number)
        self.task = self.task or {name: line.get(name) for name in TASK[:4]}
        for name in ("digest", "order_number", "order_date", "account_number", "account_id"):
            setattr(self, name, getattr(self, name) or _read_known(line, name))
        if line["event"] == INTENT:
            self.intents[number] = max(moment, self.intents.get(number, moment))
        else:
            self._add_end(line, moment, number)

    def _add_end(self, line: Line, moment: float, number: int) -> None:
        known = self.ends.get(number, (moment, "", 0))
        if moment >= known[0]:
            self.ends[number] = (moment, line["outcome"], int(line.get("unanswered") or 0))
        self.codes = list(line.get("codes") or self.codes)
        job_id = line.get("job_id") or ""
        if line["outcome"] in _THERE and job_id and job_id not in self.job_ids:
            self.job_ids.append(job_id)

    @property
    def state(self) -> LogState:
        """Return what the log says of it: a job that was named counts, until a try learns that it failed."""
        _, outcome, unanswered = max(self.ends.values(), default=(0.0, "", 0))
        if self.job_ids:
            return LogState.REFUSED if outcome == Outcome.REFUSED else LogState.SENT
        if self.is_interrupted or outcome not in (Outcome.REFUSED, Outcome.OPEN):
            return LogState.UNKNOWN
        if outcome == Outcome.REFUSED:
            return LogState.REFUSED
        return LogState.UNKNOWN if unanswered else LogState.OPEN

    @property
    def is_there(self) -> bool:
        """Return whether the log says that Zuora has it: by the end of a try, or by a reconciliation."""
        state = self.state
        return state is LogState.SENT or (self.reconciled == Outcome.FOUND and state is not LogState.REFUSED)

    @property
    def is_interrupted(self) -> bool:
        """Return whether a try has written an intent, and no end closes it: it was killed, or goes on."""
        decided = [at for at, outcome, _ in self.ends.values() if outcome not in _UNDECIDED]
        last = max(decided, default=float("-inf"))
        return any(
            at > max(last, self.ends[number][0] if number in self.ends else last)
            for number, at in self.intents.items()
        )

    @property
    def goes_on(self) -> bool:
        """Return whether the task sends the same key again, unasked, when it is cleared."""
        _, outcome, _ = max(self.ends.values(), default=(0.0, Outcome.OPEN, 0))
        return self.is_interrupted or outcome == Outcome.OPEN

    def list_numbers(self, jobs: dict[str, JobEnd]) -> list[str]:
        """Return the numbers of the orders that were made under its key, as far as they are known."""
        if self.order_number:
            return [self.order_number]
        found = [
            each.removeprefix(ORDER) if each.startswith(ORDER) else jobs.get(each, JobEnd()).number
            for each in self.job_ids
        ]
        return list({fold(number): number for number in found if number}.values())


@dataclass(slots=True)
class Books:
    """
    What was read of a log.

    :param orders: by key; ``jobs``: what the log says that jobs have come to, by id.
    :param deletions: when a task has last had an order deleted, by number.
    :param unread: lines of a version, or a form, that this release does not know.
    """

    orders: dict[str, LoggedOrder] = field(default_factory=dict)
    jobs: dict[str, JobEnd] = field(default_factory=dict)
    deletions: dict[str, float] = field(default_factory=dict)
    unread: int = 0

    def add(self, line: Line) -> None:
        """Take a line of the log."""
        moment = read_moment(str(line.get("time")))
        if not is_understood(line) or moment is None:
            self.unread += 1
        elif line["kind"] == DELETION:
            number = fold(_read_known(line, "order_number"))
            if number and line["outcome"] in (*_THERE, Outcome.COMPLETED):
                self.deletions[number] = max(moment, self.deletions.get(number, moment))
        elif line["kind"] != KIND:
            return
        elif line["event"] == RESULT:
            self.jobs[str(line["job_id"])] = JobEnd(
                is_failed=line["outcome"] == Outcome.FAILED,
                is_logged=True,
                number=_read_known(line, "order_number"),
                codes=tuple(line["codes"]),
            )
        elif line["event"] in (INTENT, END):
            key = str(line["key"])
            self.orders.setdefault(key, LoggedOrder(key, moment, moment)).add(line, moment)

    def list_between(self, start: float, end: float) -> Iterator[LoggedOrder]:
        """Yield the orders a line of which was written in a time, the end of which is not part of it."""
        return (each for each in self.orders.values() if each.first < end and each.last >= start)


def read_books(lines: Iterable[Line]) -> Books:
    """
    Return what a log says of orders; the memory that it takes grows with their number, not with the lines.

    What an earlier reconciliation has written is no evidence: Zuora is asked each time.
    """
    books = Books()
    closed: dict[str, tuple[float, str]] = {}
    for line in lines:
        books.add(line)
        if line.get("event") == RECONCILED and (moment := read_moment(str(line.get("time")))) is not None:
            key = str(line.get("key"))
            own = moment, str(line.get("outcome"))
            closed[key] = max(own, closed.get(key, own))
    for key, (moment, outcome) in closed.items():
        if (order := books.orders.get(key)) is not None:
            order.is_closed, order.reconciled = moment >= order.last, outcome
    return books
