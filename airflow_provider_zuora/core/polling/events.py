"""What the waits for many jobs came to: one that fails stops no other, and one event tells of all."""

from __future__ import annotations

import json
import logging
import math
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, TimedOut
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.polling.job_ids import packed, unpacked
from airflow_provider_zuora.core.polling.wait import PollOptions, ended_job, steady

log = logging.getLogger(__name__)

EVENT_SIZE = 32 * 1024  # characters of JSON; what is larger is read again by the worker
_ENCODER = json.JSONEncoder(allow_nan=False)
LAST_LOOKS = 120.0  # seconds after the deadline in which the last looks of a list are begun
COMPLETED, ENDED, LATE, FAILED = "c", "e", "t", "f"  # the letters of ends
_ROW = 3  # waits in a row that are given up, after which nobody waits any more
_NUMBER_LENGTH = 100  # characters; Zuora's limit of an order number
_PRINTABLE = frozenset(string.printable) - frozenset(string.whitespace)


@dataclass(frozen=True, slots=True)
class End:
    """
    What the wait for one job came to.

    :param job: the job, which has ended; None where the wait ended without it.
    :param error: why it did: `TimedOut`, or what the last look failed with.
    """

    job_id: str
    job: Job | None = None
    error: ApiError | None = None

    @property
    def gave_up(self) -> bool:
        """Say whether looks failed for a passing reason, too often."""
        return self.error is not None and self.error.transient

    @property
    def letter(self) -> str:
        """Return the end in one letter."""
        if self.job is not None:
            return COMPLETED if self.job.state is JobState.SUCCEEDED else ENDED
        return LATE if isinstance(self.error, TimedOut) else FAILED

    @property
    def order_number(self) -> str:
        """Return the number of the order that the job made, an empty text if its result names none."""
        result = self.job.result if self.job else None
        number = result.get("orderNumber") if isinstance(result, dict) else None
        usable = isinstance(number, str) and len(number) <= _NUMBER_LENGTH and set(number) <= _PRINTABLE
        return str(number) if usable else ""

    def ended(self) -> Job:
        """Return the job, or raise why the wait ended without it."""
        if self.job is None:
            raise self.error or ValueError("an end is a job or an error")
        return self.job

    def as_dict(self) -> dict[str, Any]:
        """Return the end in plain JSON types."""
        error = self.error and {
            "message": str(self.error),
            "transient": self.error.transient,
            "late": self.letter == LATE,
        }
        return {"job_id": self.job_id, "job": self.job and self.job.as_dict(), "error": error}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> End:
        """
        Return the end that `as_dict` described.

        :raises ValueError, TypeError, KeyError: where it did not.
        """
        job_id, said, error = str(values["job_id"]), values["job"], values["error"]
        if (said is None) == (error is None):
            raise ValueError("there must be a job or an error")
        if error is not None:
            kind = TimedOut if error["late"] else ApiError
            return cls(job_id, error=kind(str(error["message"]), transient=error["transient"] is True))
        job = Job.from_dict(said)
        if not job.ended or job.job_id != job_id:
            raise ValueError("the job has not ended, or is another one")
        return cls(job_id, job)


@dataclass(frozen=True, slots=True)
class DeferredResults:
    """
    Ends that were too large for an event; `core.rereads` reads the jobs again.

    :param letters: one a job, as `End.letter`.
    :param orders: the order numbers of those that completed, one a job; empty if these were too many too.
    :param seen: when the last end was seen, in seconds since 1970.
    """

    job_ids: tuple[str, ...]
    letters: str
    orders: tuple[str, ...] = ()
    seen: float = 0.0


class Ends:
    """
    The ends of many jobs as they come; what it keeps in memory is no more than an event carries.

    :param job_ids: each once.
    """

    def __init__(self, job_ids: Sequence[str]):
        self.job_ids = job_ids
        self._given_up = 0  # in a row
        self._letters = [""] * len(job_ids)
        self._orders = [""] * len(job_ids)
        self._seen = 0.0
        self._whole: dict[int, dict[str, Any]] = {}
        self._room = EVENT_SIZE
        self._done = 0
        self._late = math.inf

    def flows(self, client: ApiClient, wait: PollOptions) -> Iterator[Flow[None]]:
        """
        Yield a flow for each job, which waits for its end and notes it.

        They are carried so many at once, the next as soon as one has ended: a job whose turn comes late has
        mostly ended by then and costs one look. After one was given up because its looks failed, the vendor
        is away: the others are given up at their first failure, and after three of those in a row without a
        look, until a look succeeds.
        """
        now = steady(client.clock, client.ticks, wait.started)  # one for all, however late their turns come
        self._late = max(wait.deadline, wait.not_before, now()) + LAST_LOOKS
        for index, job_id in enumerate(self.job_ids):
            yield self._noted(client, index, job_id, wait, now)

    def _noted(
        self, client: ApiClient, index: int, job_id: str, wait: PollOptions, now: Callable[[], float]
    ) -> Flow[None]:
        own = replace(wait, max_errors=1) if self._given_up else wait
        try:
            self._refuse(job_id, now())
            end = End(job_id, (yield from ended_job(client, job_id, own, now=now)))
        except ApiError as error:
            end = End(job_id, error=error)
        self._seen = client.clock()
        self._note(index, end)

    def _refuse(self, job_id: str, now: float) -> None:
        """
        Raise instead of taking a look in vain: the vendor is away, or time has been up for a while.

        A triggerer that takes up a wait whose time is up looks all the same: it may have been away.
        """
        if self._given_up >= _ROW:
            raise ApiError(
                f"Job {job_id} was not looked at: the last looks at others had failed.", transient=True
            )
        if now >= self._late:
            raise TimedOut(f"Job {job_id} has not ended in time: its turn to be looked at did not come.")

    def _note(self, index: int, end: End) -> None:
        self._letters[index], self._orders[index] = end.letter, end.order_number
        self._given_up = self._given_up + 1 if end.gave_up else 0
        if self._room >= 0:
            self._keep(index, end)
        self._done += 1
        count = len(self.job_ids)
        if count > 1 and self._done * 10 // count > (self._done - 1) * 10 // count:
            log.info("The waits for %d of %d jobs are over", self._done, count)

    def _keep(self, index: int, end: End) -> None:
        """Keep an end for the event, all of them or none."""
        self._whole[index] = end.as_dict()
        try:
            self._room -= _size(self._whole[index], self._room) + 2
        except (ValueError, RecursionError):  # what no database takes: a NaN, a thousand lists in each other
            self._room = -1
        if self._room < 0:
            self._whole.clear()

    def as_event(self) -> dict[str, Any]:
        """Return the event that tells of all ends, which `read_ends` understands."""
        if self._room >= 0:
            return {"status": "ended", "ends": [self._whole[index] for index in range(self._done)]}
        event = {"status": "ended", "job_ids": packed(self.job_ids), "letters": "".join(self._letters)}
        orders = packed(self._orders) if any(self._orders) else ""
        room = EVENT_SIZE - len(json.dumps(event)) - len(orders)
        return event | {"seen": round(self._seen), "orders": orders if room > 0 else ""}


def _size(value: dict[str, Any], most: int) -> int:
    """
    Return the characters of JSON that a value takes, or more than there may be.

    The encoder in C counts all of a value, however large; so what is surely too large is found before.
    """
    least, left = 0, [value]
    while left and least + len(left) <= most:
        part: Any = left.pop()
        if isinstance(part, dict):
            left += part.values()
            least += sum(map(len, part))
        elif isinstance(part, list):
            left += part
        least += len(part) if isinstance(part, str) else 1
    return most + 1 if least + len(left) > most else len(_ENCODER.encode(value))


def read_ends(event: Mapping[str, Any]) -> list[End] | DeferredResults:
    """
    Return what an event says, in the order of the ids.

    :raises ValueError, TypeError, KeyError: where it was not made by `Ends.as_event`.
    """
    if "letters" not in event:
        ends = [End.from_dict(each) for each in event["ends"]]
        if not ends:
            raise ValueError("it names no job")
        return ends
    job_ids, letters = unpacked(event["job_ids"]), str(event["letters"])
    orders = unpacked(event["orders"]) if event.get("orders") else ()
    if len(job_ids) != len(letters) or set(letters) - {COMPLETED, ENDED, LATE, FAILED}:
        raise ValueError("its letters do not fit its ids")
    if orders and len(orders) != len(job_ids):
        raise ValueError("its orders do not fit its ids")
    return DeferredResults(job_ids, letters, orders, float(event.get("seen", 0.0)))
