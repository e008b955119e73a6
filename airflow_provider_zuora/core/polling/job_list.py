"""The polls of many jobs: one that fails stops no other, and a vendor that is away is asked no more."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_zuora.core.errors import ApiError, NotFound, TimedOut
from airflow_provider_zuora.core.flow import Flow, RetryBudget
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import ONCE, READ
from airflow_provider_zuora.core.job import JobResult, ResultState
from airflow_provider_zuora.core.polling.wait import (
    Clock,
    JobPoll,
    PollOptions,
    make_steady_clock,
    wait_until_done,
)

log = logging.getLogger(__name__)

LAST_POLLS = 120.0
"""Seconds after the deadline in which the last polls of a list are begun."""
ROUND = 300.0
"""Seconds that a round may last; 2,000 jobs that answer in 2 s each, 20 at once, take 200."""
_ROW = 3  # failures in a row


@dataclass(slots=True)
class Outage:
    """
    What the polls of one round have met so far; all times are seconds on the round's clock.

    The first poll that meets a passing failure repeats itself, the next ones do not, and after three in a row
    no more are begun: a vendor that is silent costs each of them the timeout of the connection.

    :param clock: returns seconds, and nobody sets it.
    :param deadline: no poll is repeated later than this.
    """

    clock: Clock
    deadline: float = math.inf
    error: ApiError | None = None
    _failures: int = 0  # in a row
    _until: float = 0.0

    def __post_init__(self) -> None:
        """Begin the round."""
        self._until = self.clock() + ROUND

    @property
    def is_likely(self) -> bool:
        """Return whether the last poll failed for a passing reason."""
        return self._failures > 0

    @property
    def is_certain(self) -> bool:
        """Return whether the vendor is away: the last few polls all failed for a passing reason."""
        return self._failures >= _ROW

    @property
    def is_over(self) -> bool:
        """Return whether no more polls are to be begun."""
        return self.is_certain or self.clock() >= self._until

    @property
    def budget(self) -> RetryBudget:
        """Return how long the next poll may be repeated."""
        if self._failures:
            return ONCE
        left = min(self.deadline, self._until) - self.clock()
        return replace(READ, seconds=max(0.0, min(READ.seconds, left)))

    def note(self, failure: ApiError | None) -> None:
        """Take note of a poll: what it failed with for a passing reason, None if the vendor answered."""
        self._failures = 0 if failure is None else self._failures + 1
        self.error = failure or self.error

    def give_up(self, job_id: str) -> JobResult:
        """Return the result of a job that is polled no more."""
        why = f"Job {job_id} was not polled any more, because the last polls of others had failed."
        return JobResult(job_id, error=ApiError(f"{why} {self.error}", transient=True))


@dataclass(slots=True)
class JobPolls:
    """
    The polls of one task's jobs on its worker, round after round: what has ended is remembered.

    :param job_ids: each once.
    :param options: of each wait; times are seconds on the client's clock as the first round begins.
    :param quiet_until: until when the vendor asked not to be asked.
    :param is_going_on: whether this round has seen a job that has not ended.
    """

    job_ids: Sequence[str]
    options: PollOptions
    quiet_until: float = 0.0
    is_going_on: bool = False
    _results: dict[str, JobResult] = field(default_factory=dict)
    _polls: dict[str, JobPoll] = field(default_factory=dict)
    _is_given_up: bool = False
    _is_one_unknown: bool = False
    _now: Clock | None = None

    @property
    def results(self) -> list[JobResult] | None:
        """Return what all waits came to, None if one goes on."""
        if len(self._results) < len(self.job_ids):
            return None
        return [self._results[job_id] for job_id in self.job_ids]

    @property
    def quiet_left(self) -> float:
        """Return the seconds for which the vendor asked not to be asked any more, 0 for none."""
        return 0.0 if self._now is None else max(0.0, self.quiet_until - self._now())

    def time_out(self, why: str) -> list[JobResult]:
        """Return what the waits came to if no more polls are sent."""
        return [self._results.get(job_id) or self._time_out(job_id, why) for job_id in self.job_ids]

    def _time_out(self, job_id: str, why: str) -> JobResult:
        seen = f" Last seen: {self._polls[job_id].seen}." if job_id in self._polls else ""
        return JobResult(job_id, error=TimedOut(f"Job {job_id} has not ended in time: {why}{seen}"))

    def poll_each(self, client: ApiClient, *, stop_early: bool) -> Iterator[Flow[None]]:
        """
        Yield a flow for each job that is not known to have ended, which polls it once.

        The round is over early if the vendor asks not to be asked, if it is away, or if it takes too long.

        :param stop_early: no more is polled once a job is seen to go on, because the wait for all does too.
        """
        self.is_going_on = self._is_given_up = self._is_one_unknown = False
        now = self._now = self._now or make_steady_clock(client.clock, client.ticks, self.options.started)
        outage = Outage(now, self.options.deadline)
        for job_id in self.job_ids:
            is_enough = self.is_going_on and (stop_early or now() < self.quiet_until)
            if job_id in self._results:
                continue
            if self._is_given_up and outage.is_certain:
                self._results[job_id] = outage.give_up(job_id)
            elif is_enough or outage.is_over:
                return
            else:
                yield self._poll(client, job_id, outage)

    def _poll(self, client: ApiClient, job_id: str, outage: Outage) -> Flow[None]:
        poll = self._polls.get(job_id) or JobPoll(
            client, job_id, self.options, outage.clock, self.options.max_errors
        )
        poll.errors = 0
        result = yield from poll.poll_once(outage.budget, is_patient=not self._is_one_unknown)
        error = poll.error
        is_failure = error is not None and error.transient
        outage.note(error if is_failure else None)
        if is_failure and self._is_given_up:
            result = JobResult(job_id, error=error)
        if result is not None:
            self._results[job_id] = result
            self._is_given_up = is_failure or (self._is_given_up and error is not None)
            return
        self._polls[job_id] = poll
        self.is_going_on = True
        self.quiet_until = max(self.quiet_until, poll.quiet_until)
        if is_failure:
            log.warning("A poll failed for a passing reason, the wait goes on: %s", error)
        elif error is None:
            self._is_given_up = False
        else:
            self._is_one_unknown = isinstance(error, NotFound)


def wait_for_each(
    client: ApiClient, job_ids: Sequence[str], options: PollOptions, note: Callable[[JobResult], None]
) -> Iterator[Flow[None]]:
    """
    Yield a flow for each job, which waits until it has ended and notes what its wait came to.

    They are run so many at once, the next as soon as one has ended: a job whose turn comes late has mostly
    ended by then and costs one poll. After one was given up because its polls failed, the vendor is away:
    the others are given up at their first failure, and after three of those in a row without a poll, until a
    poll succeeds.

    :param job_ids: each once.
    """
    now = make_steady_clock(client.clock, client.ticks, options.started)  # one, however late a turn comes
    late = max(options.deadline, options.not_before, now()) + LAST_POLLS
    outage = Outage(now)

    def wait(job_id: str) -> Flow[None]:
        if outage.is_certain:
            result = outage.give_up(job_id)
        elif now() >= late:  # a triggerer that takes up a wait whose time is up polls all the same
            words = f"Job {job_id} has not ended in time: its turn to be polled did not come."
            result = JobResult(job_id, error=TimedOut(words))
        else:
            max_errors = 1 if outage.is_likely else None
            result = yield from wait_until_done(client, job_id, options, now=now, max_errors=max_errors)
        is_open = result.error is not None and result.state is ResultState.OPEN
        outage.note(result.error if is_open else None)
        note(result)

    return map(wait, job_ids)
