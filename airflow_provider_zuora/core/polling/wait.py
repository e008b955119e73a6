"""How long to pause between two looks at a job, and the wait itself, as one flow for worker and triggerer."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_zuora.core.errors import ApiError, NotFound, RateLimited, TimedOut
from airflow_provider_zuora.core.flow import ONCE, Flow, RetryBudget, Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import Job

log = logging.getLogger(__name__)

MAX_POLL_ERRORS = 10  # in a row; one look of a worker repeats its read as often (`exchange.READ`)

_GROWTH, _CEILING, _JITTER = 0.5, 60.0, 0.1
_AIRFLOWS_INTERVAL = 60.0  # seconds, poke_interval where nobody sets it
_FLOOR = 0.2  # seconds; poke_interval=0 must not make a triggerer do nothing else
YOUNG = 600.0
"""
Seconds for which the vendor may not know a job that it has just issued: "not found" is a look that failed
then, and no end. When a job was issued few waits know, so they count from their own beginning.
"""
LONGEST = 10 * 365 * 86_400.0
"""Seconds; a longer wait or pause is this one, because dates and sleeps beyond it are errors of Python's."""
_YOUNG_PAUSES = (1.0, 2.0, 4.0)  # seconds, before one look asks again for a job that is not known yet
_SILENT = 60.0  # seconds without a line in the log, where looks find nothing new: a triggerer has many waits


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """
    The pauses of a wait, as a function of how long it has lasted, so that a restart does not begin again.

    :param interval: seconds between two looks, plus up to a tenth of jitter; None: pauses that grow by half
        from ``first`` to 60 s (growing by half each time is ``first`` plus half of the time waited).
    :param exponential: Airflow's ``exponential_backoff``: the pauses double, from half of the interval on,
        and each lasts up to twice as long by chance.
    :param max_wait: Airflow's ``max_wait``: no pause is longer than this.
    :param first: seconds, the pause to begin with where no interval is set.
    """

    interval: float | None = None
    exponential: bool = False
    max_wait: float | None = None
    first: float = 10.0

    def after(self, waited: float, rng: random.Random) -> float:
        """Return the next pause in seconds, after having waited for so many."""
        if self.exponential:
            start = _AIRFLOWS_INTERVAL if self.interval is None else self.interval
            pause = max(1.0, start / 2 + waited / 1.5) * (1 + rng.random())
        else:
            grown = min(_CEILING, self.first + waited * _GROWTH)
            pause = (grown if self.interval is None else self.interval) * (1 + _JITTER * rng.random())
        return min(pause, LONGEST, math.inf if self.max_wait is None else self.max_wait)


@dataclass(frozen=True, slots=True)
class PollOptions:
    """
    When to look at a job; all times are seconds on the client's clock as it is when the wait is taken up.

    :param started: when the wait began; the pauses grow from here.
    :param not_before: no look is taken earlier, not even at the deadline.
    :param deadline: the last look is taken then.
    :param max_errors: so many looks in a row that fail for a passing reason end the wait; None: never.
    :param unknown_until: until then the vendor may not know the job; None: for `YOUNG` seconds.
    """

    started: float
    not_before: float
    deadline: float = math.inf
    pauses: PollSchedule = PollSchedule()
    max_errors: int | None = MAX_POLL_ERRORS
    unknown_until: float | None = None

    @classmethod
    def within(cls, client: ApiClient, seconds: float, pauses: PollSchedule) -> PollOptions:
        """Return a wait that begins now, and lasts so many seconds at the most."""
        now = client.clock()
        return cls(now, now, now + seconds, pauses)

    def may_be_unknown(self, now: float) -> bool:
        """Return whether the job may have been issued so lately that the vendor does not know it yet."""
        return now < (self.started + YOUNG if self.unknown_until is None else self.unknown_until)


def steady(clock: Callable[[], float], ticks: Callable[[], float], since: float) -> Callable[[], float]:
    """
    Return a clock that shows what ``clock`` does now, and goes on by ``ticks`` from there, whoever sets it.

    Deadlines that outlive a process stand on the wall clock, and this is what one process counts by: what is
    left is read off once. The time for which a machine is suspended is none of it.

    :param since: it shows no less: a clock that says so is behind the one that the beginning was read from.
    """
    ahead = max(clock(), since) - ticks()
    return lambda: ticks() + ahead


def ended_job(
    client: ApiClient, job_id: str, wait: PollOptions, *, now: Callable[[], float] | None = None
) -> Flow[Job]:
    """
    Look at a job until it has ended, and return it.

    :param now: the clock of the wait where several share one, see `steady`; None: one of its own.
    :raises TimedOut: where the deadline passed; one last look was taken then, unless the vendor had asked not
        to be asked so soon.
    :raises ApiError: where a look failed for good, or too many in a row did.
    """
    now = now or steady(client.clock, client.ticks, wait.started)
    errors, due, quiet, seen = 0, wait.not_before, -math.inf, "nothing was seen of it"
    request = client.asking(job_id)
    told, silent = "", now() + _SILENT
    while True:
        if (pause := due - now()) > 0:
            yield Sleep(pause)
        last = now() >= wait.deadline
        if last and now() < quiet:
            raise _timed_out(client, job_id, seen)
        try:
            job = yield from client.look(job_id, request, ONCE)
        except ApiError as error:
            young = isinstance(error, NotFound) and wait.may_be_unknown(now())
            no_fault = young or isinstance(
                error, RateLimited
            )  # of a look that was held the vendor knows nothing
            errors += not no_fault
            if not (young or error.transient) or (wait.max_errors and errors >= wait.max_errors):
                raise
            seen, quiet = f"the last look failed: {error}", now() + error.retry_after
            level = logging.DEBUG if no_fault else logging.WARNING
            log.log(level, "Look %d in a row that failed at job %s: %s", errors, job_id, error)
        else:
            if job.ended:
                return job
            errors, seen = 0, client.vendor.described(job)
        if last:
            raise _timed_out(client, job_id, seen)
        looked = now()
        due = max(quiet, looked + max(_FLOOR, wait.pauses.after(looked - wait.started, client.rng)))
        due = min(due, max(wait.deadline, looked))
        if looked >= silent or (told and seen != told):
            log.info("Job %s: %s; next look in %.0f s", job_id, seen, due - looked)
            silent = looked + _SILENT
        told = seen


def issued_job(client: ApiClient, job_id: str, budget: RetryBudget) -> Flow[Job]:
    """
    Read a job that there must be: for some seconds it is asked for again if the vendor does not know it.

    :raises NotFound: if it still does not then; otherwise as `ApiClient.job`.
    """
    for pause in _YOUNG_PAUSES:
        try:
            return (yield from client.job(job_id, budget))
        except NotFound as error:
            log.info("%s does not know job %s yet: %s", client.vendor.title, job_id, error)
            yield Sleep(pause)
    return (yield from client.job(job_id, budget))


def _timed_out(client: ApiClient, job_id: str, seen: str) -> TimedOut:
    return TimedOut(f"Job {job_id} has not ended in time, {seen}. It goes on at {client.vendor.title}.")
