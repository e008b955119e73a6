"""A task's own looks at its jobs: what has ended is remembered, and no look is taken in vain."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from airflow_provider_zuora.core.errors import ApiError, NotFound, TimedOut
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.polling.events import End
from airflow_provider_zuora.core.polling.patience import Patience
from airflow_provider_zuora.core.polling.wait import YOUNG, issued_job, steady

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Looks:
    """
    The looks of one task at its jobs, round after round.

    All times are seconds on the client's clock as it is when the first round begins, see `waiting.steady`.

    :param job_ids: each once.
    :param deadline: no look is repeated later than this.
    :param max_errors: so many looks in a row that fail for a passing reason end a wait; None: never.
    :param started: when the wait began; a job may not be known for `YOUNG` seconds from then on.
    :param quiet_until: until when the vendor asked not to be asked.
    :param going_on: whether this round has seen a job that has not ended.
    """

    job_ids: Sequence[str]
    deadline: float
    max_errors: int | None
    started: float = -math.inf
    quiet_until: float = 0.0
    going_on: bool = False
    _ends: dict[str, End] = field(default_factory=dict)
    _seen: dict[str, str] = field(default_factory=dict)
    _given_up: bool = False
    _unknown: bool = False
    _now: Callable[[], float] | None = None

    @property
    def ends(self) -> list[End] | None:
        """Return the ends of all jobs, None where the wait goes on."""
        return None if len(self._ends) < len(self.job_ids) else [self._ends[each] for each in self.job_ids]

    @property
    def quiet_left(self) -> float:
        """Return the seconds for which the vendor asked not to be asked any more, 0 for none."""
        return 0.0 if self._now is None else max(0.0, self.quiet_until - self._now())

    def timed_out(self, why: str) -> list[End]:
        """Return the ends of all jobs where no more looks are taken."""
        return [self._ends.get(job_id) or self._late(job_id, why) for job_id in self.job_ids]

    def _late(self, job_id: str, why: str) -> End:
        seen = f" Last seen: {self._seen[job_id]}." if job_id in self._seen else ""
        return End(job_id, error=TimedOut(f"Job {job_id} has not ended in time: {why}{seen}"))

    def round(self, client: ApiClient, *, hasty: bool) -> Iterator[Flow[None]]:
        """
        Yield a flow for each job that is not known to have ended; they are begun one after the other.

        The round is over early if the vendor asks not to be asked, if it is away, or if it takes too long.

        :param hasty: no more is looked at once one is seen to go on, because the wait for all does too.
        """
        self.going_on = self._given_up = self._unknown = False
        now = self._now = self._now or steady(client.clock, client.ticks, self.started)
        patience = Patience(now, self.deadline)
        for job_id in self.job_ids:
            quiet = self.going_on and (hasty or now() < self.quiet_until)
            if job_id in self._ends:
                continue
            if self._given_up and patience.lost:
                self._ends[job_id] = _not_looked_at(job_id, patience)
            elif quiet or patience.over:
                return
            else:
                yield self._look(client, job_id, patience)

    def _look(self, client: ApiClient, job_id: str, patience: Patience) -> Flow[None]:
        try:
            job = yield from self._read(client, job_id, patience)
        except ApiError as error:
            if error.transient:
                self._failed(job_id, patience, error)
                return
            patience.answered()
            if not isinstance(error, NotFound) or patience.clock() >= self.started + YOUNG:
                self._ends[job_id] = End(job_id, error=error)
                return
            self._unknown = True
            self._seen[job_id] = f"{client.vendor.title} did not know it"
        else:
            patience.answered()
            self._given_up = False
            if job.ended:
                self._ends[job_id] = End(job_id, job)
                return
            self._seen[job_id] = client.vendor.described(job)
        self.going_on = True

    def _read(self, client: ApiClient, job_id: str, patience: Patience) -> Flow[Job]:
        """Read a job; the first of a round that is not known yet is asked for a few times."""
        if self._unknown or patience.clock() >= self.started + YOUNG:
            return (yield from client.job(job_id, patience.budget))
        return (yield from issued_job(client, job_id, patience.budget))

    def _failed(self, job_id: str, patience: Patience, error: ApiError) -> None:
        """Take note of a look that failed for a passing reason: too many in a row end the wait."""
        patience.failed(error)
        if self.max_errors and (self._given_up or error.attempts >= self.max_errors):
            self._given_up = True
            self._ends[job_id] = End(job_id, error=error)
            return
        log.warning("A look failed for a passing reason, the wait goes on: %s", error)
        self._seen[job_id] = f"the look failed ({error})"
        self.quiet_until = max(self.quiet_until, patience.clock() + error.retry_after)
        self.going_on = True


def _not_looked_at(job_id: str, patience: Patience) -> End:
    why = f"Job {job_id} was not looked at any more, because the last looks at others had failed."
    return End(job_id, error=ApiError(f"{why} {patience.error}", transient=True))
