"""A task's own looks at its jobs: what has ended is remembered, and no look is taken in vain."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.ends import End
from airflow_provider_zuora.core.errors import ApiError, TimedOut
from airflow_provider_zuora.core.wire import ONCE, READ, Budget, Flow

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Looks:
    """
    The looks of one task at its jobs, round after round; all times are seconds on the client's clock.

    :param job_ids: each once.
    :param deadline: no look is repeated later than this.
    :param max_errors: so many looks in a row that fail for a passing reason end a wait; None: never.
    :param quiet_until: until when the vendor asked not to be asked.
    :param going_on: whether this round has seen a job that has not ended.
    """

    job_ids: Sequence[str]
    deadline: float
    max_errors: int | None
    quiet_until: float = 0.0
    going_on: bool = False
    _ends: dict[str, End] = field(default_factory=dict)
    _failing: bool = False
    _given_up: bool = False

    @property
    def ends(self) -> list[End] | None:
        """Return the ends of all jobs, None where the wait goes on."""
        return None if len(self._ends) < len(self.job_ids) else [self._ends[each] for each in self.job_ids]

    def timed_out(self, why: str) -> list[End]:
        """Return the ends of all jobs where no more looks are taken."""
        late = {
            job_id: End(job_id, error=TimedOut(f"Job {job_id} has not ended in time: {why}"))
            for job_id in self.job_ids
        }
        return list((late | self._ends).values())

    def round(self, client: Client, *, hasty: bool) -> Iterator[Flow[None]]:
        """
        Yield a flow for each job that is not known to have ended; they are begun one after the other.

        The round is over early where the vendor asks not to be asked.

        :param hasty: no more is looked at once one is seen to go on, because the wait for all does too.
        """
        self.going_on = self._failing = self._given_up = False
        for job_id in self.job_ids:
            if self.going_on and (hasty or client.clock() < self.quiet_until):
                return
            if job_id not in self._ends:
                yield self._look(client, job_id)

    def _look(self, client: Client, job_id: str) -> Flow[None]:
        try:
            job = yield from client.job(job_id, self._budget(client))
        except ApiError as error:
            self._failing = error.transient
            enough = self.max_errors and (self._given_up or error.attempts >= self.max_errors)
            if not error.transient or enough:
                self._given_up = error.transient
                self._ends[job_id] = End(job_id, error=error)
                return
            log.warning("A look failed for a passing reason, the wait goes on: %s", error)
            self.quiet_until = max(self.quiet_until, client.clock() + error.retry_after)
        else:
            self._failing = self._given_up = False
            if job.ended:
                self._ends[job_id] = End(job_id, job)
                return
        self.going_on = True

    def _budget(self, client: Client) -> Budget:
        """Return how long a look may be repeated: not at all while the vendor is away."""
        if self._failing:
            return ONCE
        return replace(READ, seconds=max(0.0, min(READ.seconds, self.deadline - client.clock())))
