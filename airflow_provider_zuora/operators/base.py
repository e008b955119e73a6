"""What the operators that start a job have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_zuora.airflow_context.deferral import FIRST_LOOK, JobWait, read_again
from airflow_provider_zuora.airflow_context.rendering import BaseLiteralTexts
from airflow_provider_zuora.core.errors import TimedOut
from airflow_provider_zuora.core.job import Job, JobResult
from airflow_provider_zuora.core.options import check_execution_timeout, check_flags, checked_seconds
from airflow_provider_zuora.core.polling.events import DeferredResults
from airflow_provider_zuora.core.polling.wait import PollSchedule
from airflow_provider_zuora.exceptions import TransientError, convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.triggers.jobs import read_event

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


JOB_ID = "job_id"
"""The XCom key of the job's id, where the return value is its result."""


class BaseJobOperator(BaseLiteralTexts):
    """
    What the operators that start a job have in common; a subclass names its hook, and how the job is started.

    :param wait_for_completion: wait for the job in the same task; its result is the return value then, and
        its id is under the XCom key ``job_id``.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two looks, plus up to a tenth by chance; None: growing by half, from
        10 s to 60 s (from 1 s where the worker waits).
    :param timeout: seconds that the wait may last, or a timedelta; at most ten years. The job goes on at the
        vendor.
    """

    hook_class: ClassVar[type[BaseJobHook]]
    job_method: ClassVar[str]
    """The hook's method that starts the job and returns its id; its arguments are `job_options`."""
    job_options: ClassVar[Sequence[str]] = ()
    outcome_options: ClassVar[Sequence[str]] = ()
    next_try: ClassVar[str] = "starts another job"
    """What a retry of the task does after a time-out, in words."""
    ui_color = "#d5ecd4"

    def __init__(
        self,
        *,
        wait_for_completion: bool = False,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        check_flags({"wait_for_completion": wait_for_completion, "deferrable": deferrable})
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = (
            None if poll_interval is None else checked_seconds("poll_interval", poll_interval)
        )
        self.timeout = checked_seconds("timeout", timeout)

    @cached_property
    def hook(self) -> BaseJobHook:
        """Return the hook, the same all through a task, whatever the option of the connection is called."""
        return self.hook_class(str(getattr(self, self.hook_class.conn_name_attr)))

    def start_job(self, context: Context) -> str:
        """Start the job, or find the one that an earlier try has started, and return its id."""
        return str(getattr(self.hook, self.job_method)(**self._own(self.job_options)))

    def expected(self) -> dict[str, str]:
        """Return what the result of the job must repeat, see `check_result`; nothing where it is no order."""
        return {}

    def execute(self, context: Context) -> Any:
        """Start the job, and wait for it where told to."""
        self.hook.check(**self._own(self.outcome_options))
        job_id = self.start_job(context)
        if not self.wait_for_completion:
            return job_id
        context["ti"].xcom_push(key=JOB_ID, value=job_id)
        expected = self.expected()
        if self.deferrable:
            job = self._looked_or_deferred(job_id, expected)
        else:
            job = self.hook.wait_for_job(job_id, poke_interval=self.poll_interval, timeout=self._limit)
        return self._conclude(job, context, expected)

    def execute_complete(
        self, context: Context, event: Any = None, expected: Mapping[str, str] | None = None
    ) -> Any:
        """
        Take the trigger's event.

        :param expected: what `expected` was when the job was started; a template may say something else now.
        """
        fired = read_event(event)
        if isinstance(fired, DeferredResults):
            fired = read_again(self.hook, fired)
        if isinstance(fired, Exception):
            raise fired
        [end] = fired
        return self._conclude(self._job_of(end), context, expected or {})

    def on_kill(self) -> None:
        """Say that the vendor cannot be stopped."""
        self.log.warning(
            "%s has no cancel: what was sent before the task was killed goes on there",
            self.hook_class.hook_name,
        )

    @property
    def _limit(self) -> float:
        """Return the seconds that the wait may last; Airflow 3 ignores execution_timeout while deferred."""
        own = self.execution_timeout.total_seconds() if self.execution_timeout else math.inf
        return min(self.timeout, own)

    def _looked_or_deferred(self, job_id: str, expected: Mapping[str, str]) -> Job:
        """Return the job where it has ended already, and leave the wait to a trigger otherwise."""
        watch = JobWait.within(self._limit, self.hook, [job_id])
        if ends := watch.look():
            return self._job_of(ends[0])
        if watch.over:
            raise TransientError(f"Job {job_id} has not ended within {self._limit:.0f} s.")
        trigger, timeout = watch.trigger(PollSchedule(self.poll_interval, first=FIRST_LOOK))
        resume = {"expected": dict(expected)} if expected else None
        self.defer(trigger=trigger, method_name="execute_complete", kwargs=resume, timeout=timeout)
        raise AssertionError("defer raises")

    def _conclude(self, job: Job, context: Context, expected: Mapping[str, str]) -> Any:
        """Return the result of a job that has ended, or raise what its failure means to the next try."""
        outcome = self.hook.submitted_outcome(job, context, expected, **self._own(self.outcome_options))
        if outcome.warning:
            self.log.warning(outcome.warning)
        if outcome.skipped:
            raise AirflowSkipException(outcome.skipped)
        return outcome.result

    def _job_of(self, end: JobResult) -> Job:
        """Return the job that has ended, or raise why the wait ended without it."""
        try:
            with convert_errors():
                return end.job or end.result
        except TransientError as error:
            if isinstance(end.error, TimedOut):
                raise TransientError(f"{error} A retry of this task {self.next_try}.") from end.error
            raise

    def _own(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}
