"""A task's own look at a job, and the trigger that it leaves the wait to; shared by sensors and operators."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, replace
from datetime import timedelta

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.jobs import Job
from airflow_provider_zuora.core.waiting import MAX_POLL_ERRORS, Pauses
from airflow_provider_zuora.core.wire import READ
from airflow_provider_zuora.hooks import JobHook, TransientError
from airflow_provider_zuora.triggers import JobTrigger

log = logging.getLogger(__name__)

FIRST_LOOK = 10.0  # seconds after a deferral; Airflow's scheduler fails tasks whose trigger fires sooner
_GRACE = 150.0  # seconds for the trigger's last look, a time-out of its request included


@dataclass(slots=True)
class Watch:
    """
    One task's wait for one job; all times are seconds since 1970.

    :param deadline: when the last look is taken.
    :param max_errors: so many looks in a row that fail for a passing reason end the wait; None: never.
    :param quiet_until: until when the vendor asked not to be asked.
    """

    hook: JobHook
    job_id: str
    started: float
    deadline: float
    max_errors: int | None
    quiet_until: float = 0.0

    @classmethod
    def within(
        cls, seconds: float, hook: JobHook, job_id: str, max_errors: int | None = MAX_POLL_ERRORS
    ) -> Watch:
        """Return a wait of at most so many seconds, which begins now."""
        now = time.time()
        return cls(hook, job_id, now, now + seconds, max_errors)

    @property
    def over(self) -> bool:
        """Say whether the deadline has passed."""
        return time.time() >= self.deadline

    def look(self) -> Job | None:
        """
        Look once and return the job where it has ended, None where the wait goes on.

        :raises TransientError: where looks failed too often; other errors of Airflow's where they are final.
        """
        budget = replace(READ, seconds=max(0.0, min(READ.seconds, self.deadline - time.time())))
        try:
            job = self.hook.run(lambda client: client.job(self.job_id, budget))
        except TransientError as error:
            cause = error.__cause__
            if isinstance(cause, ApiError):
                if self.max_errors and cause.attempts >= self.max_errors:
                    raise
                self.quiet_until = time.time() + cause.retry_after
            log.warning("A look failed for a passing reason, the wait goes on: %s", error)
            return None
        return job if job.ended else None

    def trigger(self, pauses: Pauses) -> tuple[JobTrigger, timedelta]:
        """Return the trigger that goes on with the wait, and after how long it must have fired."""
        now = time.time()
        due = min(now + pauses.after(0, random.SystemRandom()), self.deadline)
        trigger = JobTrigger(
            vendor=self.hook.conn_type,
            conn_id=self.hook.conn_id,
            job_id=self.job_id,
            poke_interval=pauses.interval,
            exponential_backoff=pauses.exponential,
            max_wait=pauses.max_wait,
            started=self.started,
            not_before=max(due, now + FIRST_LOOK, self.quiet_until),
            deadline=self.deadline,
            max_errors=self.max_errors,
        )
        return trigger, timedelta(seconds=self.deadline - now + FIRST_LOOK + _GRACE)
