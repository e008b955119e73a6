"""When a job is polled again, and when its wait is over: one step and one loop for worker and triggerer."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_zuora.core.errors import ApiError, NotFound, RateLimited, TimedOut
from airflow_provider_zuora.core.flow import Flow, RetryBudget, Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import ONCE
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.metrics import JOB_SECONDS
from airflow_provider_zuora.core.vendors.base import StatusRequest

log = logging.getLogger(__name__)

Clock = Callable[[], float]

MAX_POLL_ERRORS = 10  # in a row; one poll of a worker repeats its read as often (`retry.READ`)
# Seconds for which the vendor may not know a job that it has just issued: "not found" ends no wait then. Few
# waits know when their job was issued, so they count from their own beginning.
NEW_JOB_SECONDS = 600.0
# Seconds; a longer wait or pause is cut to this, because Python's dates and sleeps fail beyond it.
LONGEST = 10 * 365 * 86_400.0
_GROWTH, _CEILING, _JITTER = 0.5, 60.0, 0.1
_AIRFLOWS_INTERVAL = 60.0  # seconds, the default of a sensor's poke_interval
_FLOOR = 0.2  # seconds; an interval of 0 must not make a triggerer do nothing else
_NEW_JOB_PAUSES = (1.0, 2.0, 4.0)  # seconds, before one poll asks again for a job that is not known yet
_SILENCE = 60.0  # seconds without a line in the log if polls find nothing new: a triggerer has many waits


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """
    The pauses of a wait, as a function of how long it has lasted, so that a restart changes nothing.

    :param interval: seconds between two polls, plus up to a tenth of jitter; None: pauses that grow by half
        from ``first`` to 60 s (growing by half each time is ``first`` plus half of the time waited).
    :param exponential: Airflow's ``exponential_backoff``: the pauses double, from half of the interval on,
        and each lasts up to twice as long by chance; ``max_wait``: Airflow's longest pause.
    """

    interval: float | None = None
    exponential: bool = False
    max_wait: float | None = None
    first: float = 10.0

    def delay_after(self, waited: float, rng: random.Random) -> float:
        """Return the next pause in seconds, after a wait of so many seconds."""
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
    When to poll a job; all times are seconds on the client's clock as it is when the wait is taken up.

    :param started: when the wait began; the pauses grow from here.
    :param not_before: no poll is sent earlier, not even the last one, at the deadline.
    :param max_errors: so many polls in a row that fail for a transient reason end the wait; None: never.
    :param unknown_until: until then the vendor may not know the job; None: for `NEW_JOB_SECONDS`.
    """

    started: float
    not_before: float
    deadline: float = math.inf
    schedule: PollSchedule = PollSchedule()
    max_errors: int | None = MAX_POLL_ERRORS
    unknown_until: float | None = None

    def allows_unknown(self, now: float) -> bool:
        """Return whether the vendor may not know the job yet, because it was just issued."""
        return now < (self.started + NEW_JOB_SECONDS if self.unknown_until is None else self.unknown_until)


def make_steady_clock(clock: Clock, ticks: Clock, since: float) -> Clock:
    """
    Return a clock that begins with what ``clock`` shows, and then counts ``ticks``, whoever sets ``clock``.

    Deadlines that outlive a process are wall-clock times; a process reads once how much of them is left.

    :param since: it shows no less, because a clock that does is behind the one that read the beginning.
    """
    ahead = max(clock(), since) - ticks()
    return lambda: ticks() + ahead


def read_new_job(
    client: ApiClient, job_id: str, budget: RetryBudget, status: StatusRequest | None = None
) -> Flow[Job]:
    """
    Read a job that must be there: for some seconds it is asked for again if the vendor does not know it.

    :param status: of `ApiClient.status_request`; None: it is made here.
    :raises NotFound: if the vendor still does not know it; otherwise as `ApiClient.get_job`.
    """
    status = status or client.status_request(job_id)
    for pause in _NEW_JOB_PAUSES:
        try:
            return (yield from client.poll_job(status, budget))
        except NotFound as error:
            log.info("%s does not know job %s yet: %s", client.vendor.title, job_id, error)
            yield Sleep(pause)
    return (yield from client.poll_job(status, budget))


@dataclass(slots=True)
class JobPoll:
    """The polls of one job; all times are seconds on the clock of the wait, see `make_steady_clock`."""

    client: ApiClient
    job_id: str
    options: PollOptions
    now: Clock
    errors: int = 0  # in a row
    error: ApiError | None = None  # of the last poll
    job: Job | None = None  # as the last poll that did not fail found it
    cool_down_until: float = -math.inf  # the vendor asked not to be asked before
    polls: int = 0
    _status: StatusRequest | None = None

    def poll_once(self, budget: RetryBudget = ONCE, *, is_patient: bool = False) -> Flow[JobResult | None]:
        """
        Poll the job once; return the result of the wait, None if it goes on.

        :param budget: how often the read is repeated within this poll.
        :param is_patient: a job that is not known yet is asked for a few times.
        """
        self.polls += 1
        try:
            self._status = self._status or self.client.status_request(self.job_id)
            if is_patient and self.options.allows_unknown(self.now()):
                job = yield from read_new_job(self.client, self.job_id, budget, self._status)
            else:
                job = yield from self.client.poll_job(self._status, budget)
        except ApiError as error:
            self.error = error
            return self._handle_error(error, budget)
        self.errors, self.error = 0, None
        if job.state is JobState.ACTIVE:
            self.job = job
            return None
        seconds = self.now() - self.options.started
        self.client.emit(JOB_SECONDS, seconds, kind=self._status.kind_name, state=job.state.name.lower())
        failure = job.build_error() if job.state is JobState.FAILED else None
        return self._end(job, failure)

    def _handle_error(self, error: ApiError, budget: RetryBudget) -> JobResult | None:
        """Return the result if an error ends the wait: a permanent one, or one too many in a row."""
        is_new = isinstance(error, NotFound) and self.options.allows_unknown(self.now())
        if not (is_new or error.transient):
            return self._end(error=error)
        if not (is_new or isinstance(error, RateLimited)):  # that poll was not sent
            self.errors += min(error.attempts, budget.attempts)
            if self.options.max_errors and self.errors >= self.options.max_errors:
                return self._end(error=error)
        self.cool_down_until = self.now() + error.retry_after
        return None

    def describe(self) -> str:
        """Return in words what the last poll found."""
        if self.error is not None:
            return f"the last poll failed: {self.error}"
        return self.client.vendor.describe(self.job) if self.job else "nothing was seen of it"

    def time_out(self) -> JobResult:
        """Return the result of a wait whose deadline has passed."""
        words = f"has not ended in time, {self.describe()}. It goes on at {self.client.vendor.title}."
        return self._end(error=TimedOut(f"Job {self.job_id} {words}"))

    def _end(self, job: Job | None = None, error: ApiError | None = None) -> JobResult:
        return JobResult(self.job_id, job, error, polls=self.polls)


@dataclass(slots=True)
class WaitLog:
    """
    What the waits of one task say in its log: a line when something changes, or a minute has passed.

    A list has one for all of its jobs, and says nothing of the changes of a single one.

    :param now: the clock of the waits.
    :param count: how many jobs there are.
    """

    now: Clock
    count: int = 1
    polls: int = 0
    ended: int = 0
    _reported: str = ""
    _report_at: float = -math.inf

    def add_poll(self, poll: JobPoll, due: float) -> None:
        """Count a poll after which the wait for a job goes on, and log it if it is time."""
        self.polls += 1
        now, found = self.now(), ""
        if self.count == 1:
            found = type(poll.error).__name__ if poll.error else str(poll.job and poll.job.status)
        if self._report_at == -math.inf:
            self._reported, self._report_at = found, now + _SILENCE
        if found == self._reported and now < self._report_at:
            return
        self._reported, self._report_at = found, now + _SILENCE
        of_list = "" if self.count == 1 else f"{self.ended:,} of {self.count:,} jobs are over; "
        words = "%sJob %s: %s; polled %d times, next poll in %.0f s"
        log.info(words, of_list, poll.job_id, poll.describe(), self.polls, due - now)

    def add_end(self, result: JobResult) -> None:
        """Count a wait that is over; its last poll was none that it goes on after."""
        self.polls += min(1, result.polls)
        self.ended += 1


def wait_until_done(
    client: ApiClient,
    job_id: str,
    options: PollOptions,
    *,
    now: Clock | None = None,
    wait_log: WaitLog | None = None,
) -> Flow[JobResult]:
    """
    Poll a job until it has ended, and return the result; no error of the vendor's is raised.

    At the deadline one last poll is sent, unless the vendor has asked not to be asked so soon.

    :param now: the clock of the wait if several share one, see `make_steady_clock`; None: one of its own.
    :param wait_log: likewise.
    """
    now = now or make_steady_clock(client.clock, client.ticks, options.started)
    poll = JobPoll(client, job_id, options, now)
    wait_log, due = wait_log or WaitLog(now), options.not_before
    while True:
        if (pause := due - now()) > 0:
            yield Sleep(pause)
        is_last = now() >= options.deadline
        if is_last and now() < poll.cool_down_until:
            return poll.time_out()
        result = yield from poll.poll_once()
        if result is not None or is_last:
            return result or poll.time_out()
        if poll.error is not None:
            is_fault = not isinstance(poll.error, (NotFound, RateLimited))
            level = logging.WARNING if is_fault else logging.DEBUG
            log.log(level, "Poll %d in a row that failed at job %s: %s", poll.errors, job_id, poll.error)
        polled = now()
        due = polled + max(_FLOOR, options.schedule.delay_after(polled - options.started, client.rng))
        due = min(max(poll.cool_down_until, due), max(options.deadline, polled))
        wait_log.add_poll(poll, due)
