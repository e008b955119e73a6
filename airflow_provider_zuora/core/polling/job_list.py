"""The polls of many jobs: one that fails stops no other, and a vendor that is away is asked no more."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_zuora.core.errors import ApiError, JobFailed, NotFound, ResultLost, TimedOut
from airflow_provider_zuora.core.flow import Flow, RetryBudget
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import ONCE, READ
from airflow_provider_zuora.core.job import ORDER, Job, JobResult, ResultState
from airflow_provider_zuora.core.polling.events import DeferredResults
from airflow_provider_zuora.core.polling.wait import (
    Clock,
    JobPoll,
    PollOptions,
    WaitLog,
    read_new_job,
    wait_until_done,
)
from airflow_provider_zuora.core.times import write_second

log = logging.getLogger(__name__)

Note = Callable[[JobResult, float], None]  # of a result, and when it came, in seconds since 1970

LAST_POLLS = 120.0  # seconds after the deadline in which the last polls of a list are begun
ROUND = 300.0  # seconds at the most; 2,000 jobs that answer in 2 s each, 20 at once, take 200
_IN_A_ROW = 3  # failures after which the vendor is away


class Outage:
    """
    The transient failures of the polls of one round; all times are seconds on the round's clock.

    The first poll that fails repeats itself, until the deadline; the next ones do not, and after three in a
    row no more are begun: a vendor that is silent costs each of them the timeout of the connection.
    """

    def __init__(self, clock: Clock, deadline: float = math.inf):
        self.clock = clock
        self.error: ApiError | None = None  # the last failure
        self.failures = 0  # in a row
        self._ends_at = clock() + ROUND
        self._deadline = min(deadline, self._ends_at)

    @property
    def is_certain(self) -> bool:
        """Return whether the vendor is away: the last few polls all failed."""
        return self.failures >= _IN_A_ROW

    @property
    def is_over(self) -> bool:
        """Return whether no more polls are to be begun."""
        return self.is_certain or self.clock() >= self._ends_at

    @property
    def budget(self) -> RetryBudget:
        """Return how long the next poll may be repeated."""
        if self.failures:
            return ONCE
        return replace(READ, seconds=max(0.0, min(READ.seconds, self._deadline - self.clock())))

    def note(self, failure: ApiError | None) -> None:
        """Count a poll: its transient failure, None if the vendor answered."""
        self.failures = 0 if failure is None else self.failures + 1
        self.error = failure or self.error

    def give_up(self, job_id: str) -> JobResult:
        """Return the result of a job that is polled no more."""
        why = f"Job {job_id} was not polled any more, because the last polls of others had failed."
        return JobResult(job_id, error=ApiError(f"{why} {self.error}", transient=True))


@dataclass(slots=True)
class JobPolls:
    """
    The polls of one task's jobs on its worker, round after round; what has ended is polled no more.

    :param job_ids: each once.
    :param options: of each wait.
    :param now: the clock of all waits, see `make_steady_clock`.
    """

    job_ids: Sequence[str]
    options: PollOptions
    now: Clock
    cool_down_until: float = 0.0  # the vendor asked not to be asked before
    polls: int = 0
    is_going_on: bool = False  # this round has seen a job that has not ended
    _results: dict[str, JobResult] = field(default_factory=dict)
    _polls: dict[str, JobPoll] = field(default_factory=dict)
    _is_given_up: bool = False
    _is_one_unknown: bool = False

    @property
    def results(self) -> list[JobResult] | None:
        """Return the results of all waits, None if one goes on."""
        if len(self._results) < len(self.job_ids):
            return None
        return [self._results[job_id] for job_id in self.job_ids]

    @property
    def cool_down(self) -> float:
        """Return the seconds for which the vendor asked not to be asked any more, 0 for none."""
        return max(0.0, self.cool_down_until - self.now())

    def time_out(self, why: str) -> list[JobResult]:
        """Return the results of the waits if no more polls are sent."""
        results = dict(self._results)
        for job_id in self.job_ids:
            seen = f" Last seen: {self._polls[job_id].describe()}." if job_id in self._polls else ""
            error = TimedOut(f"Job {job_id} has not ended in time: {why}{seen}")
            results.setdefault(job_id, JobResult(job_id, error=error))
        return [results[job_id] for job_id in self.job_ids]

    def poll_each(self, client: ApiClient, *, stop_early: bool) -> Iterator[Flow[None]]:
        """
        Yield a flow for each job that is not known to have ended, which polls it once.

        The round ends early if the vendor asks not to be asked, if it is away, or if it takes too long.

        :param stop_early: no more is polled once a job is seen to go on, because the wait for all does too.
        """
        self.is_going_on = self._is_given_up = self._is_one_unknown = False
        outage = Outage(self.now, self.options.deadline)
        for job_id in self.job_ids:
            is_enough = self.is_going_on and (stop_early or self.now() < self.cool_down_until)
            if job_id in self._results:
                continue
            if self._is_given_up and outage.is_certain:
                self._results[job_id] = outage.give_up(job_id)
            elif is_enough or outage.is_over:
                return
            else:
                yield self._poll(client, job_id, outage)

    def _poll(self, client: ApiClient, job_id: str, outage: Outage) -> Flow[None]:
        poll = self._polls.get(job_id) or JobPoll(client, job_id, self.options, self.now)
        poll.errors = 0
        self.polls += 1
        result = yield from poll.poll_once(outage.budget, is_patient=not self._is_one_unknown)
        error = poll.error
        is_transient = error is not None and error.transient
        outage.note(error if is_transient else None)
        if is_transient and self._is_given_up:
            result = JobResult(job_id, error=error)
        if result is not None:
            self._results[job_id] = result
            self._is_given_up = is_transient or (self._is_given_up and error is not None)
            return
        self._polls[job_id] = poll
        self.is_going_on = True
        self.cool_down_until = max(self.cool_down_until, poll.cool_down_until)
        if is_transient:
            log.warning("A poll failed for a transient reason, the wait goes on: %s", error)
        elif error is None:
            self._is_given_up = False
        else:
            self._is_one_unknown = isinstance(error, NotFound)


def wait_for_each(
    client: ApiClient, job_ids: Sequence[str], options: PollOptions, now: Clock, note: Note
) -> Iterator[Flow[None]]:
    """
    Yield a flow for each job, which waits until it has ended and notes its result, and when it came.

    They run some at a time, by one clock: a job whose turn comes late has mostly ended and costs one poll.
    After one was given up because its polls failed, the vendor is away: the others are given up at their
    first failure, and after three of those in a row without a poll, until a poll succeeds.
    """
    late = max(options.deadline, options.not_before, now()) + LAST_POLLS
    outage, wait_log = Outage(now), WaitLog(now, len(job_ids))

    def wait(job_id: str) -> Flow[None]:
        if outage.is_certain:
            result = outage.give_up(job_id)
        elif now() >= late:  # a triggerer that takes up a wait whose time is up polls all the same
            words = f"Job {job_id} has not ended in time: its turn to be polled did not come."
            result = JobResult(job_id, error=TimedOut(words))
        else:
            own = replace(options, max_errors=1) if outage.failures else options
            result = yield from wait_until_done(client, job_id, own, now=now, wait_log=wait_log)
        is_open = result.error is not None and result.state is ResultState.OPEN
        outage.note(result.error if is_open else None)
        wait_log.add_end(result)
        note(result, client.clock())

    return map(wait, job_ids)


def reload_results(client: ApiClient, deferred: DeferredResults) -> Iterator[Flow[JobResult]]:
    """Yield a flow for each job, which reads it again and returns its result; no vendor's error is raised."""
    outage = Outage(client.ticks)
    numbers = deferred.order_numbers or ("",) * len(deferred.job_ids)
    for job_id, state, number in zip(deferred.job_ids, deferred.states, numbers, strict=True):
        yield _Reload(client, job_id, state, number, deferred.seen_at, outage).read_result()


@dataclass(frozen=True, slots=True)
class _Reload:
    """One job, and what the trigger has seen of it: see `DeferredResults`."""

    client: ApiClient
    job_id: str
    state: ResultState
    order_number: str
    seen_at: float
    outage: Outage

    def read_result(self) -> Flow[JobResult]:
        """Return the result that is found now, or what is left of the one that was seen."""
        if self.outage.is_over:
            return self._explain(f"it was not read again, the last reads had failed: {self.outage.error}")
        failure: ApiError | None = None
        try:
            job = yield from self._read(self.job_id)
            if job.has_ended:
                return JobResult.of_job(job)
            why = self.client.vendor.describe(job)
        except ApiError as error:
            why, failure = str(error), error
        if self.state is not ResultState.COMPLETED or not self.order_number:
            return self._explain(why, failure)
        try:  # the job's order tells less than the job did, and enough to go on
            found = yield from self._read(ORDER + self.order_number)
        except ApiError as error:
            return self._explain(f"{why}; its order {self.order_number}: {error}", error)
        if not found.has_ended:
            return self._explain(f"{why}; its order {self.order_number} is {found.status}")
        words = (
            "Job %s was seen to complete, and its result cannot be read any more (%s). What is returned is "
            "what %s tells of its order %s"
        )
        log.warning(words, self.job_id, why, self.client.vendor.title, self.order_number)
        return JobResult.of_job(replace(found, job_id=self.job_id))

    def _read(self, job_id: str) -> Flow[Job]:
        """Read a job; one that was seen to end must be there, so it is asked for a few times."""
        has_ended = self.state in (ResultState.COMPLETED, ResultState.FAILED)
        read = read_new_job if has_ended else ApiClient.get_job
        try:
            job = yield from read(self.client, job_id, self.outage.budget)
        except ApiError as error:
            self.outage.note(error if error.transient else None)
            raise
        self.outage.note(None)
        return job

    def _explain(self, why: str, error: ApiError | None = None) -> JobResult:
        """Return the result without the job: an error that says what was seen, and why there is no more."""
        seen_at, title = write_second(self.seen_at), self.client.vendor.title
        if self.state is ResultState.COMPLETED:
            order = f", order {self.order_number}," if self.order_number else ""
            error = ResultLost(
                f"Job {self.job_id}{order} was seen Completed at {seen_at}, so it has done its work; its "
                f"result cannot be read: {why}. Do not submit it again; look it up at {title}.",
                transient=error is None or error.transient,
            )
        elif self.state is ResultState.FAILED and isinstance(error, NotFound):
            error = JobFailed(
                f"Job {self.job_id} was seen to have failed at {seen_at}; why cannot be read: {why}"
            )
        elif error is None and self.state is ResultState.TIMED_OUT:
            error = TimedOut(f"Job {self.job_id} has not ended in time, {why}. It goes on at {title}.")
        elif error is None:
            how = "Polls had failed; the log of the triggerer says how."
            error = ApiError(f"Job {self.job_id} was given up, {why}. {how}", transient=True)
        return JobResult(self.job_id, error=error)
