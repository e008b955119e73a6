"""A task's own looks at its jobs, and the trigger that it leaves them to; shared by sensors and operators."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow_provider_zuora.core.job import JobResult
from airflow_provider_zuora.core.polling.events import DeferredResults
from airflow_provider_zuora.core.polling.job_list import JobPolls
from airflow_provider_zuora.core.polling.reload import reload_results
from airflow_provider_zuora.core.polling.wait import (
    LONGEST,
    MAX_POLL_ERRORS,
    NEW_JOB_SECONDS,
    PollOptions,
    PollSchedule,
    make_steady_clock,
)
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.triggers.jobs import JobTrigger, start_args

FIRST_LOOK = 10.0  # seconds after a deferral; Airflow's scheduler fails tasks whose trigger fires sooner
_GRACE = (
    410.0  # seconds for the last look of the trigger: an answer may take three times its `timeout`, 130 s
)
_GRACE_EACH = 0.5  # and for each job of a list
_ARGUMENTS_SIZE = 40 * 1024  # characters; MySQL holds 65,535 bytes, and Fernet makes a third more of them


@dataclass(slots=True)
class JobWait:
    """
    One task's wait for its jobs; all times are seconds since 1970.

    :param deadline: when the last look is taken.
    :param clock: returns what the clock of this host shows.
    :param now: returns the same at the beginning, and then counts on, whoever sets that clock.
    """

    hook: BaseJobHook
    job_ids: Sequence[str]
    started: float
    deadline: float
    polls: JobPolls
    clock: Callable[[], float] = field(default=time.time, kw_only=True)
    now: Callable[[], float] = field(default=time.time, kw_only=True)

    @classmethod
    def within(
        cls,
        seconds: float,
        hook: BaseJobHook,
        job_ids: Sequence[str],
        max_errors: int | None = MAX_POLL_ERRORS,
        now: float | None = None,
        *,
        clock: Callable[[], float] | None = None,
        ticks: Callable[[], float] | None = None,
    ) -> JobWait:
        """
        Return a wait of at most so many seconds; an id that is named twice is one job.

        :param now: when it began; None: now.
        :param clock: returns seconds since 1970; None: this host's clock.
        :param ticks: returns seconds, and nobody sets it; None: such a clock of this host's.
        """
        clock, ticks = clock or time.time, ticks or time.monotonic
        began = clock() if now is None else now
        deadline = began + min(LONGEST, seconds)
        unique = tuple(dict.fromkeys(job_ids))
        polls = JobPolls(unique, PollOptions(began, began, deadline, max_errors=max_errors))
        return cls(
            hook, unique, began, deadline, polls, clock=clock, now=make_steady_clock(clock, ticks, began)
        )

    @property
    def over(self) -> bool:
        """Say whether the deadline has passed."""
        return self.now() >= self.deadline

    def look(self, *, hasty: bool = False) -> list[JobResult] | None:
        """
        Look once and return the ends of all jobs, None where the wait goes on.

        The first look is a blocking call, which signs in too; a single job needs no event loop.

        :param hasty: no more is looked at once one is seen to go on.
        :raises AirflowException: where the connection cannot be used.
        """
        hasty = hasty and not self.over
        if self.polls.results is None:
            turns = self.polls.poll_each(self.hook.settings.client, stop_early=hasty)
            first = next(turns)
            self.hook.run(lambda _: first)
            if len(self.job_ids) > 1:
                self.hook.run_many(lambda _: turns)
        return self.polls.results

    def last_look(self, why: str) -> list[JobResult]:
        """Look at all and return their ends: where one has not ended, it is a time-out, and this is why."""
        ends = self.look()
        return self.polls.time_out(why) if ends is None else ends

    def trigger(
        self, pauses: PollSchedule, ends: Mapping[str, Any] | None = None
    ) -> tuple[JobTrigger, timedelta]:
        """
        Return the trigger that goes on with the wait, and after how long it must have fired.

        :param ends: see `JobTrigger`.
        :raises PermanentError: where its arguments would be too many for Airflow's database.
        """
        now = self.clock()
        ahead = now - self.now()  # by so much the clock was set; the trigger reads it as it is by now
        started, deadline = self.started + ahead, self.deadline + ahead
        due = min(now + pauses.delay_after(0, random.SystemRandom()), deadline)
        trigger = self._trigger(
            pauses,
            started=started,
            unknown_until=started + NEW_JOB_SECONDS,
            not_before=max(due, now + FIRST_LOOK, now + self.polls.quiet_left),
            deadline=deadline,
            ends=ends,
        )
        return trigger, timedelta(seconds=deadline - now + self._grace)

    def start_args(
        self,
        pauses: PollSchedule,
        cut: float,
        upstream: tuple[str, str] | None,
        ends: Mapping[str, Any] | None,
    ) -> Any:
        """
        Return Airflow's ``StartTriggerArgs`` of a task whose wait begins when its trigger starts.

        It looks at once: no worker has run the task, so Airflow's scheduler has nothing to mix up.

        :param cut: seconds after which Airflow ends the deferral in any case.
        :param upstream: task and key of the XCom that holds the ids, None where ``job_ids`` does.
        :param ends: see `JobTrigger`.
        :raises PermanentError: where its arguments would be too many for Airflow's database.
        """
        limit = self.deadline - self.started
        seconds = limit + self._grace
        task_id, key = upstream or (None, None)
        starts = {"limit": limit, "lasts": min(cut, seconds), "task_id": task_id, "key": key}
        return start_args(self._trigger(pauses, starts=starts, ends=ends), seconds)

    @property
    def _grace(self) -> float:
        return FIRST_LOOK + _GRACE + _GRACE_EACH * len(self.job_ids)

    def _trigger(self, pauses: PollSchedule, **more: Any) -> JobTrigger:
        trigger = JobTrigger.of(
            self.job_ids,
            vendor=self.hook.conn_type,
            conn_id=self.hook.conn_id,
            poke_interval=pauses.interval,
            exponential_backoff=pauses.exponential,
            max_wait=pauses.max_wait,
            max_errors=self.polls.options.max_errors,
            **more,
        )
        self._refuse_too_many(trigger)
        return trigger

    def _refuse_too_many(self, trigger: JobTrigger) -> None:
        size, count = len(json.dumps(trigger.serialize()[1])), len(self.job_ids)
        if size > _ARGUMENTS_SIZE:
            parts = math.ceil(size * 1.1 / _ARGUMENTS_SIZE)
            raise PermanentError(
                f"job_id: {count:,} ids are {size:,} characters in Airflow's database, and only "
                f"{_ARGUMENTS_SIZE:,} are sure to fit on all of them. Nothing was asked. Split the list into "
                f"{parts} sensors of at most {math.ceil(count / parts):,} ids, or set deferrable=False."
            )


def read_again(hook: BaseJobHook, unread: DeferredResults) -> list[JobResult]:
    """Read the jobs whose ends were too large for an event, many at once; errors are in the ends."""
    if len(unread.job_ids) == 1:
        return [hook.run(lambda client: next(reload_results(client, unread)))]
    return hook.run_many(lambda client: reload_results(client, unread))
