"""One task's wait for its jobs: polled here, or handed to a trigger; and the base of what waits."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_zuora.airflow_context.parameters import refuse_unknown_parameters
from airflow_provider_zuora.airflow_context.receipts import BaseReportingTask
from airflow_provider_zuora.airflow_context.rendering import BaseLiteralTexts
from airflow_provider_zuora.core.flow import LONGEST_PAUSE
from airflow_provider_zuora.core.job import JobResult, name_jobs
from airflow_provider_zuora.core.polling.events import NO_POLLS, DeferredResults, WaitTotals, pack_ids
from airflow_provider_zuora.core.polling.job_list import JobPolls, reload_results
from airflow_provider_zuora.core.polling.wait import (
    LONGEST,
    MAX_POLL_ERRORS,
    NEW_JOB_SECONDS,
    Clock,
    PollOptions,
    PollSchedule,
    make_steady_clock,
    wait_until_done,
)
from airflow_provider_zuora.core.validation import check_execution_timeout
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.hooks.limits import choose_interval
from airflow_provider_zuora.triggers.jobs import TRIGGERS, BaseJobTrigger, read_event
from airflow_provider_zuora.version_compat import WAIT

FIRST_POLL = 10.0  # seconds after a deferral; Airflow's scheduler fails tasks whose trigger fires sooner
_GRACE = 420.0  # seconds after the deadline: `FIRST_POLL`, and the last answer, three `timeout`s of 130 s
_GRACE_EACH = 0.5  # seconds more for each job of a list
_ARGUMENTS_SIZE = 40 * 1024  # characters; MySQL holds 65,535 bytes, and Fernet makes a third more of them
_OTHER_ARGUMENTS = 600  # characters of a trigger's arguments but for its ids and its connection, at the most


@dataclass(slots=True)
class JobWait:
    """One task's wait for its jobs; all times are seconds since 1970."""

    hook: BaseJobHook
    polls: JobPolls
    clock: Clock
    cancels_on_kill: bool = False
    totals: WaitTotals = NO_POLLS  # before this process took it up

    @classmethod
    def start(
        cls,
        seconds: float,
        hook: BaseJobHook,
        job_ids: Sequence[str],
        max_errors: int | None = MAX_POLL_ERRORS,
        started: float | None = None,
        *,
        clock: Clock = time.time,
        ticks: Clock = time.monotonic,
    ) -> JobWait:
        """Return a wait of so many seconds since ``started``, or since now; each id counts once."""
        began = clock() if started is None else started
        options = PollOptions(began, began, began + min(LONGEST, seconds), max_errors=max_errors)
        now = make_steady_clock(clock, ticks, began)
        return cls(hook, JobPolls(tuple(dict.fromkeys(job_ids)), options, now), clock)

    @property
    def is_over(self) -> bool:
        """Return whether the deadline has passed."""
        return self.polls.now() >= self.polls.options.deadline

    def poll(self, *, stop_early: bool = False) -> list[JobResult] | None:
        """Poll once and return all results, None if one is missing; ``stop_early``: stop at the first one."""
        is_early = stop_early and not self.is_over
        if self.polls.results is None:
            client = self.hook._settings.client
            if is_early:  # a trigger can wait for its turn, too
                client = client.with_longest_pause(LONGEST_PAUSE)
            flows = self.polls.poll_each(client, stop_early=is_early)
            first = next(flows)  # it signs in too; a single job needs no event loop
            self.hook._run(lambda _: first)
            if len(self.polls.job_ids) > 1:
                self.hook._run_many(lambda _: flows)
        return self.polls.results

    def poll_last(self, why: str) -> list[JobResult]:
        """Poll once and return all results: a job that has not ended has timed out, and this is why."""
        results = self.poll()
        return self.polls.time_out(why) if results is None else results

    def make_trigger(
        self, schedule: PollSchedule, end_options: Mapping[str, Any] | None = None
    ) -> tuple[BaseJobTrigger, timedelta]:
        """Return the trigger that goes on with the wait, and within how long it must have fired."""
        now = self.clock()
        ahead = now - self.polls.now()  # by so much the clock was set; the trigger reads it as it is now
        started, deadline = self.polls.options.started + ahead, self.polls.options.deadline + ahead
        earliest = max(now + FIRST_POLL, self.polls.cool_down_until + ahead)
        due = min(now + schedule.delay_after(0, random.SystemRandom()), deadline)
        timeout = timedelta(seconds=deadline - now + self._grace)
        trigger = self._build_trigger(
            schedule,
            started=started,
            unknown_until=started + NEW_JOB_SECONDS,
            not_before=max(due, earliest),
            deadline=deadline,
            end_options=end_options,
        )
        return trigger, timeout

    def make_start_args(
        self,
        schedule: PollSchedule,
        execution_limit: float,
        upstream: tuple[str, str] | None,
        end_options: Mapping[str, Any] | None,
    ) -> Any:
        """
        Return Airflow's ``StartTriggerArgs`` of a task whose wait begins when its trigger starts.

        They are the same for each parse, or the DAG would be a new one. The trigger polls at once: no worker
        has run the task, so Airflow's scheduler has nothing to mix up.

        :param execution_limit: seconds after which Airflow ends the deferral in any case.
        :param upstream: task and key of the XCom that holds the ids, None if the wait has them.
        """
        from airflow.triggers.base import StartTriggerArgs

        self.refuse_too_many()
        limit = self.polls.options.deadline - self.polls.options.started
        seconds = limit + self._grace
        task_id, key = upstream or (None, None)
        start = {"limit": limit, "lasts": min(execution_limit, seconds), "task_id": task_id, "key": key}
        trigger = self._build_trigger(schedule, start_options=start, end_options=end_options)
        path, arguments = trigger.serialize()
        return StartTriggerArgs(
            trigger_cls=path,
            trigger_kwargs=arguments | {"started": None, "totals": {"polls": 0}},
            next_method="execute_complete",
            timeout=timedelta(seconds=seconds),
        )

    @property
    def _grace(self) -> float:
        return _GRACE + _GRACE_EACH * len(self.polls.job_ids)

    def _build_trigger(self, schedule: PollSchedule, **more: Any) -> BaseJobTrigger:
        return TRIGGERS[self.hook.conn_type](
            **self._make_ids_arguments(),
            conn_id=self.hook.conn_id,
            poll_interval=schedule.interval,
            exponential_backoff=schedule.exponential,
            max_wait=schedule.max_wait,
            max_errors=self.polls.options.max_errors,
            cancel_on_kill=self.cancels_on_kill,
            totals=self.totals.with_polls(self.polls.polls).as_dict(),
            **more,
        )

    def _make_ids_arguments(self) -> dict[str, Any]:
        job_ids = self.polls.job_ids  # a single one stays readable in Airflow's database
        return {"job_id": job_ids[0]} if len(job_ids) == 1 else {"job_ids": pack_ids(job_ids)}

    def refuse_too_many(self) -> None:
        """Raise if the ids are too many for Airflow's database, before anything is asked."""
        count = len(self.polls.job_ids)
        if count == 1:
            return
        arguments = {"conn_id": self.hook.conn_id, **self._make_ids_arguments()}
        size = len(json.dumps(arguments)) + _OTHER_ARGUMENTS
        if size > _ARGUMENTS_SIZE:
            parts = math.ceil(size * 1.1 / _ARGUMENTS_SIZE)
            raise PermanentError(
                f"job_id: {count:,} ids are {size:,} characters in Airflow's database, and only "
                f"{_ARGUMENTS_SIZE:,} are sure to fit on all of them. Nothing was asked. Split the list into "
                f"{parts} sensors of at most {math.ceil(count / parts):,} ids, or set deferrable=False."
            )


class BaseWaitingTask(BaseLiteralTexts, BaseReportingTask):
    """What waits for jobs; a subclass names its hook and the options that `Vendor.read_result` reads."""

    result_options: ClassVar[Sequence[str]] = ()
    cancels_on_kill: ClassVar[bool] = False  # it started the job, and nobody else waits for it
    deferrable: bool = True
    timeout: float

    def __init__(self, **kwargs: Any):
        refuse_unknown_parameters(type(self), kwargs)
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of the result."""
        return {name: getattr(self, name) for name in self.result_options}

    def check_options(self) -> None:
        """Raise a `PermanentError` if the vendor refuses the options of the result."""
        options = self.options
        if violations := self.hook.vendor.list_violations(options):
            self.hook._refuse(violations)

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
        context: Mapping[str, Any],
        end_options: Any = None,
        kwargs: Any = None,
    ) -> list[JobResult]:
        """
        Poll once, and return the results if all jobs have ended or time is up; else defer.

        :param kwargs: of ``execute_complete`` besides the event, also if Airflow ends the wait; None: none.
        """
        wait.refuse_too_many()
        wait.totals = self.note_wait(wait.polls.job_ids, wait.polls.options.started)
        results = wait.poll(stop_early=True)
        if results is not None or wait.is_over:
            self.note_polls(wait.polls.polls)
            return results or wait.polls.time_out(f"{self.time_limit:.0f} s have passed.")
        trigger, timeout = wait.make_trigger(schedule, end_options)
        self.push_page(context)
        words = "%s not ended after %d poll%s; the triggerer waits on, and polls next in %.0f s"
        who = f"{name_jobs(wait.polls.job_ids)} ha{'s' if len(wait.polls.job_ids) == 1 else 've'}"
        polls, due = wait.polls.polls, trigger.not_before - wait.clock()
        self.log.info(words, f"{who[:1].upper()}{who[1:]}", polls, "s" * (polls != 1), due)
        if kwargs is not None:
            told = {"job_ids": list(wait.polls.job_ids), "totals": wait.totals.as_dict(), "kwargs": kwargs}
            self._push(context, WAIT, told)
        self.defer(trigger=trigger, method_name="execute_complete", kwargs=kwargs, timeout=timeout)
        raise AssertionError("defer raises")

    def wait_here(self, job_id: str, seconds: float, interval: float | None) -> JobResult:
        """Wait for a job on this worker, and return the result of the wait."""
        now = self.hook._settings.client.clock()
        self.note_wait([job_id], now)
        schedule = PollSchedule(choose_interval(interval), first=1.0)
        options = PollOptions(now, now, now + min(LONGEST, seconds), schedule)
        try:
            result = self.hook._run(lambda client: wait_until_done(client, job_id, options))
        except BaseException:
            self.note_polls(None)  # nobody has counted them
            raise
        self.note_polls(result.polls)
        return result

    def read_results(self, event: Any) -> list[JobResult]:
        """Return the results in a trigger's event, or raise its error; too large ones are reloaded."""
        self.note_event(event)
        fired = read_event(event)
        if isinstance(fired, list):
            self.notes.job_ids = [each.job_id for each in fired]
        if isinstance(fired, AirflowException):
            raise fired
        if not isinstance(fired, DeferredResults):
            return fired
        if len(fired.job_ids) == 1:
            return [self.hook._run(lambda client: next(reload_results(client, fired)))]
        return self.hook._run_many(lambda client: reload_results(client, fired))

    def on_kill(self) -> None:
        """Log that the vendor is not stopped."""
        words = "%s has no cancel: what was sent before the task was killed goes on there"
        self.log.warning(words, self.hook_class.hook_name)
