"""What the operators that start a job have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_zuora.airflow_context.deferral import FIRST_POLL, BaseWaitingTask, JobWait
from airflow_provider_zuora.core.errors import TimedOut
from airflow_provider_zuora.core.job import Job, JobResult
from airflow_provider_zuora.core.polling.wait import PollSchedule
from airflow_provider_zuora.core.validation import check_flags, check_seconds
from airflow_provider_zuora.exceptions import convert_error
from airflow_provider_zuora.hooks.submitted import read_submitted_result
from airflow_provider_zuora.version_compat import JOB_ID

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class BaseJobOperator(BaseWaitingTask):
    """
    What the operators that start a job have in common; a subclass names its hook, and how the job is started.

    :param wait_for_completion: wait for the job in the same task; its result is the return value then, and
        its id is under the XCom key ``job_id``.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: growing by half, from
        10 s to 60 s (from 1 s if the worker waits).
    :param timeout: seconds that the wait may last, or a timedelta; at most ten years. The job goes on at the
        vendor.
    """

    job_method: ClassVar[str]
    """The hook's method that starts the job and returns its id; its arguments are `job_options`."""
    job_options: ClassVar[Sequence[str]] = ()
    next_try: ClassVar[str] = "starts another job"
    """What a retry of the task does after a timeout, in words."""
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
        super().__init__(deferrable=deferrable, **kwargs)
        check_flags({"wait_for_completion": wait_for_completion, "deferrable": deferrable})
        self.wait_for_completion = wait_for_completion
        self.poll_interval = None if poll_interval is None else check_seconds("poll_interval", poll_interval)
        self.timeout = check_seconds("timeout", timeout)

    def start_job(self, context: Context) -> str:
        """Start the job, or find the one that an earlier try has started, and return its id."""
        arguments = {name: getattr(self, name) for name in self.job_options}
        return str(getattr(self.hook, self.job_method)(**arguments))

    def expected(self) -> dict[str, str]:
        """Return what the result of the job must repeat, see `check_result`; nothing if it is no order."""
        return {}

    def execute(self, context: Context) -> Any:
        """Start the job, and wait for it if told to."""
        if violations := self.hook.vendor.list_violations(self.options):
            self.hook._refuse(violations)
        job_id = self.start_job(context)
        if not self.wait_for_completion:
            return job_id
        context["ti"].xcom_push(key=JOB_ID, value=job_id)
        expected = self.expected()
        if self.deferrable:
            wait = JobWait.start(self.time_limit, self.hook, [job_id])
            kwargs = {"expected": dict(expected)} if expected else None
            [result] = self.poll_or_defer(
                wait, PollSchedule(self.poll_interval, first=FIRST_POLL), None, kwargs
            )
            return self._conclude(self._read_job(result), context, expected)
        result = self.hook.wait_for_job(job_id, poll_interval=self.poll_interval, timeout=self.time_limit)
        return self._conclude(self._read_job(result), context, expected)

    def execute_complete(
        self, context: Context, event: Any = None, expected: Mapping[str, str] | None = None
    ) -> Any:
        """
        Take the trigger's event.

        :param expected: what `expected` was when the job was started; a template may say something else now.
        """
        [result] = self.read_results(event)
        return self._conclude(self._read_job(result), context, expected or {})

    def _conclude(self, job: Job, context: Context, expected: Mapping[str, str]) -> Any:
        """Return the result of a job that has ended, or raise what its failure means to the next try."""
        result = read_submitted_result(self.hook, job, context, expected, self.options)
        if result.warning:
            self.log.warning(result.warning)
        if result.skipped:
            raise AirflowSkipException(result.skipped)
        return result.result

    def _read_job(self, result: JobResult) -> Job:
        """Return the job that has ended, or raise why the wait ended without it."""
        error = result.error
        if result.job is not None or error is None:
            return result.job or result.result
        words = f"{error} A retry of this task {self.next_try}." if isinstance(error, TimedOut) else ""
        raise convert_error(error, message=words) from error
