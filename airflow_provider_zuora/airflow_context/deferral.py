"""One task's wait for its jobs: polled here, or handed to a trigger; the base of what waits."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_zuora.airflow_context.parameters import refuse_unknown_parameters
from airflow_provider_zuora.airflow_context.rendering import BaseLiteralTexts
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
from airflow_provider_zuora.core.validation import check_execution_timeout
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.triggers.jobs import TRIGGERS, BaseJobTrigger, make_ids_arguments, read_event

FIRST_POLL = 10.0
"""Seconds after a deferral; Airflow's scheduler fails tasks whose trigger fires sooner."""
_GRACE = 410.0  # seconds for the trigger's last poll: an answer may take three times its `timeout`, 130 s
_GRACE_EACH = 0.5  # and for each job of a list
_ARGUMENTS_SIZE = 40 * 1024  # characters; MySQL holds 65,535 bytes, and Fernet makes a third more of them
_OTHER_ARGUMENTS = 600  # characters of a trigger's arguments but for its ids and its connection, at the most


@dataclass(slots=True)
class JobWait:
    """
    One task's wait for its jobs; all times are seconds since 1970.

    :param deadline: when the last poll is sent.
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
    _ids: dict[str, str] | None = None

    @classmethod
    def start(
        cls,
        seconds: float,
        hook: BaseJobHook,
        job_ids: Sequence[str],
        max_errors: int | None = MAX_POLL_ERRORS,
        started: float | None = None,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> JobWait:
        """
        Return a wait of at most so many seconds; an id that is named twice is one job.

        :param started: when it began; None: now.
        :param clock: returns seconds since 1970.
        :param ticks: returns seconds, and nobody sets it.
        """
        began = clock() if started is None else started
        deadline = began + min(LONGEST, seconds)
        unique = tuple(dict.fromkeys(job_ids))
        polls = JobPolls(unique, PollOptions(began, began, deadline, max_errors=max_errors))
        now = make_steady_clock(clock, ticks, began)
        return cls(hook, unique, began, deadline, polls, clock=clock, now=now)

    @property
    def is_over(self) -> bool:
        """Return whether the deadline has passed."""
        return self.now() >= self.deadline

    def poll(self, *, stop_early: bool = False) -> list[JobResult] | None:
        """
        Poll once and return the results of all waits, None if one goes on.

        The first poll is a blocking call, which signs in too; a single job needs no event loop.

        :param stop_early: no more is polled once a job is seen to go on.
        :raises AirflowException: if the connection cannot be used.
        """
        if self.polls.results is None:
            is_early = stop_early and not self.is_over
            flows = self.polls.poll_each(self.hook._settings.client, stop_early=is_early)
            first = next(flows)
            self.hook._run(lambda _: first)
            if len(self.job_ids) > 1:
                self.hook._run_many(lambda _: flows)
        return self.polls.results

    def poll_last(self, why: str) -> list[JobResult]:
        """Poll all and return their results: one that has not ended has timed out, and this is why."""
        results = self.poll()
        return self.polls.time_out(why) if results is None else results

    def make_trigger(
        self, schedule: PollSchedule, end_options: Mapping[str, Any] | None = None
    ) -> tuple[BaseJobTrigger, timedelta]:
        """
        Return the trigger that goes on with the wait, and after how long it must have fired.

        :param end_options: see `BaseJobTrigger`.
        """
        now = self.clock()
        ahead = now - self.now()  # by so much the clock was set; the trigger reads it as it is by now
        started, deadline = self.started + ahead, self.deadline + ahead
        due = min(now + schedule.delay_after(0, random.SystemRandom()), deadline)
        path = self._trigger_class(
            **self._make_arguments(schedule),
            started=started,
            unknown_until=started + NEW_JOB_SECONDS,
            not_before=max(due, now + FIRST_POLL, now + self.polls.quiet_left),
            deadline=deadline,
            end_options=end_options,
        )
        return path, timedelta(seconds=deadline - now + self._grace)

    def make_start_args(
        self,
        schedule: PollSchedule,
        execution_limit: float,
        upstream: tuple[str, str] | None,
        end_options: Mapping[str, Any] | None,
    ) -> Any:
        """
        Return Airflow's ``StartTriggerArgs`` of a task whose wait begins when its trigger starts.

        Each parse makes the same, or the DAG would be a new one. The trigger polls at once: no worker has run
        the task, so Airflow's scheduler has nothing to mix up.

        :param execution_limit: seconds after which Airflow ends the deferral in any case.
        :param upstream: task and key of the XCom that holds the ids, None if ``job_ids`` does.
        :param end_options: see `BaseJobTrigger`.
        :raises PermanentError: if its arguments would be too many for Airflow's database.
        """
        from airflow.triggers.base import StartTriggerArgs

        self.refuse_too_many()
        limit = self.deadline - self.started
        seconds = limit + self._grace
        task_id, key = upstream or (None, None)
        start = {"limit": limit, "lasts": min(execution_limit, seconds), "task_id": task_id, "key": key}
        trigger = self._trigger_class(
            **self._make_arguments(schedule), start_options=start, end_options=end_options
        )
        path, arguments = trigger.serialize()
        return StartTriggerArgs(
            trigger_cls=path,
            trigger_kwargs=arguments | {"started": None},
            next_method="execute_complete",
            timeout=timedelta(seconds=seconds),
        )

    @property
    def _trigger_class(self) -> type[BaseJobTrigger]:
        return TRIGGERS[self.hook.conn_type]

    @property
    def _grace(self) -> float:
        return FIRST_POLL + _GRACE + _GRACE_EACH * len(self.job_ids)

    def _make_arguments(self, schedule: PollSchedule) -> dict[str, Any]:
        """Return those arguments of the trigger that do not depend on when the wait began."""
        self._ids = self._ids or make_ids_arguments(self.job_ids)
        return {
            **self._ids,
            "conn_id": self.hook.conn_id,
            "poll_interval": schedule.interval,
            "exponential_backoff": schedule.exponential,
            "max_wait": schedule.max_wait,
            "max_errors": self.polls.options.max_errors,
        }

    def refuse_too_many(self) -> None:
        """
        Refuse a list of ids that is too long to be handed to a trigger, before anything is asked.

        :raises PermanentError: if the trigger's arguments would be too many for Airflow's database.
        """
        count = len(self.job_ids)
        if count == 1:
            return
        self._ids = self._ids or make_ids_arguments(self.job_ids)
        size = len(json.dumps({"conn_id": self.hook.conn_id, **self._ids})) + _OTHER_ARGUMENTS
        if size > _ARGUMENTS_SIZE:
            parts = math.ceil(size * 1.1 / _ARGUMENTS_SIZE)
            raise PermanentError(
                f"job_id: {count:,} ids are {size:,} characters in Airflow's database, and only "
                f"{_ARGUMENTS_SIZE:,} are sure to fit on all of them. Nothing was asked. Split the list into "
                f"{parts} sensors of at most {math.ceil(count / parts):,} ids, or set deferrable=False."
            )


class BaseWaitingTask(BaseLiteralTexts):
    """
    What all tasks that wait for jobs have in common; a subclass names its hook and the options of its result.

    :param deferrable: wait in the triggerer, without a worker.
    """

    hook_class: ClassVar[type[BaseJobHook]]
    timeout: float
    result_options: ClassVar[Sequence[str]] = ()
    """The options of the task that `Vendor.read_result` reads."""

    def __init__(self, *, deferrable: bool = True, **kwargs: Any):
        refuse_unknown_parameters(type(self), kwargs)
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        self.deferrable = deferrable

    @property
    def conn_id(self) -> str:
        """Return the Airflow connection, whatever the option is called."""
        return str(getattr(self, self.hook_class.conn_name_attr))

    @cached_property
    def hook(self) -> BaseJobHook:
        """Return the hook, the same all through a task."""
        return self.hook_class(self.conn_id)

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of the result."""
        return {name: getattr(self, name) for name in self.result_options}

    @property
    def execution_limit(self) -> float:
        """Return the seconds that Airflow lets the task run; Airflow 3 ignores them while it is deferred."""
        return self.execution_timeout.total_seconds() if self.execution_timeout else math.inf

    @property
    def time_limit(self) -> float:
        """Return the seconds that the wait may last."""
        return min(self.timeout, self.execution_limit)

    def poll_or_defer(
        self,
        wait: JobWait,
        schedule: PollSchedule,
        end_options: Mapping[str, Any] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> list[JobResult]:
        """
        Poll once, and return the results if all jobs have ended or time is up; else defer.

        :param end_options: see `BaseJobTrigger`.
        :param kwargs: for ``execute_complete``.
        :raises TaskDeferred: to leave the wait to a trigger.
        """
        wait.refuse_too_many()
        results = wait.poll(stop_early=True)
        if results is not None:
            return results
        if wait.is_over:
            return wait.polls.time_out(f"{self.time_limit:.0f} s have passed.")
        trigger, timeout = wait.make_trigger(schedule, end_options)
        self.defer(trigger=trigger, method_name="execute_complete", kwargs=kwargs, timeout=timeout)
        raise AssertionError("defer raises")

    def read_results(self, event: Any) -> list[JobResult]:
        """
        Return what a trigger's event tells; results that were too large for one are read again.

        :raises AirflowException: what the trigger failed with, or if the event is not ours.
        """
        fired = read_event(event)
        if isinstance(fired, AirflowException):
            raise fired
        if not isinstance(fired, DeferredResults):
            return fired
        if len(fired.job_ids) == 1:
            return [self.hook._run(lambda client: next(reload_results(client, fired)))]
        return self.hook._run_many(lambda client: reload_results(client, fired))

    def on_kill(self) -> None:
        """Say that the vendor is not stopped."""
        words = "%s has no cancel: what was sent before the task was killed goes on there"
        self.log.warning(words, self.hook_class.hook_name)
