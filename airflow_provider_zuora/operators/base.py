"""An operator starts one job, and waits for it if asked to; what is common to all of them is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSkipException
from typing_extensions import override

from airflow_provider_zuora.airflow_context.deferral import FIRST_POLL, BaseWaitingTask, JobWait
from airflow_provider_zuora.airflow_context.last_poll import AIRFLOW_ENDS_IT, make_last_event
from airflow_provider_zuora.airflow_context.pauses import (
    AFTER_PAUSE,
    PAUSED,
    BasePausingTask,
    build_broken_pause_error,
    is_over,
)
from airflow_provider_zuora.core.errors import TimedOut
from airflow_provider_zuora.core.http.response_parsing import redact_job
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.polling.events import WaitTotals
from airflow_provider_zuora.core.polling.wait import PollSchedule
from airflow_provider_zuora.core.validation import check_flags, check_seconds
from airflow_provider_zuora.exceptions import TransientError, convert_error, convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.hooks.limits import choose_interval
from airflow_provider_zuora.version_compat import JOB_ID, NEVER_EXPIRE, WAIT

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class BaseJobOperator(BasePausingTask, BaseWaitingTask):
    """An operator that starts a job; a subclass names its hook, and how the job is started."""

    job_method: ClassVar[str]  # of the hook; it starts the job and returns its id
    job_options: ClassVar[Sequence[str]] = ()  # its arguments
    next_try: ClassVar[str] = "starts another job"  # what a retry does after a timeout, for its message
    ui_color = "#d5ecd4"
    wait_for_completion: bool = False
    poll_interval: Any = None
    timeout: Any = 3600.0

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        check_flags({name: getattr(self, name) for name in ("wait_for_completion", "deferrable")})
        if self.poll_interval is not None:
            self.poll_interval = check_seconds("poll_interval", self.poll_interval)
        self.timeout = check_seconds("timeout", self.timeout)

    @override
    def check_options(self) -> None:
        """Raise a `PermanentError` for options, or a configuration, that the wait could not use."""
        super().check_options()
        if self.wait_for_completion:
            choose_interval(self.poll_interval)

    def start_job(self, context: Context) -> str:
        """Start the job, or find the one that an earlier try has started, and return its id."""
        arguments = {name: getattr(self, name) for name in self.job_options}
        return str(getattr(self.hook, self.job_method)(**arguments))

    def list_expected(self) -> dict[str, str]:
        """Return what the result of the job must repeat, see `check_result`; nothing if it is no order."""
        return {}

    def execute(self, context: Context) -> Any:
        """Start the job, and wait for it if asked to."""
        return self._execute(context)

    def _execute(self, context: Context) -> Any:
        """Do what ``execute`` does; Airflow 2 warns of a call of a parent's ``execute``, and may refuse."""
        with self.reporting(context) as notes:
            self.check_options()
            with self.deferring_pauses(context):
                job_id = self.start_job(context)
            notes.job_ids = [job_id]
            if not self.wait_for_completion:
                return job_id
            context["ti"].xcom_push(key=JOB_ID, value=job_id)
            expected = self.list_expected()
            if self.deferrable:
                wait = JobWait.start(self.time_limit, self.hook, [job_id])
                wait.cancels_on_kill = self.cancels_on_kill
                schedule = PollSchedule(choose_interval(self.poll_interval), first=FIRST_POLL)
                [result] = self.poll_or_defer(wait, schedule, context, kwargs={"expected": dict(expected)})
            else:
                result = self.wait_here(job_id, self.time_limit, self.poll_interval)
            return self._conclude(result, context, expected)

    def execute_complete(
        self, context: Context, event: Any = None, expected: Mapping[str, str] | None = None
    ) -> Any:
        """
        Conclude from the trigger's event.

        :param expected: what `list_expected` returned when the job was started; a template may differ now.
        """
        with self.reporting(context):
            [result] = self.read_results(event)
            return self._conclude(result, context, expected or {})

    def list_expected_again(self, context: Context) -> dict[str, str]:
        """Return what is still known of `list_expected` in another process, if nothing was kept."""
        return {}

    def find_job_id(self, context: Context) -> str:
        """Return the job that an earlier process of this try has started, empty if it has not come so far."""
        return str(self._pull(context, JOB_ID) or "")

    def _pull(self, context: Context, key: str) -> Any:
        ti = context["ti"]  # of a mapped task all indexes would come without its own
        return ti.xcom_pull(task_ids=self.task_id, key=key, map_indexes=ti.map_index)

    @override
    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Do what Airflow does; a wait that it has ended itself ends as by a trigger, with a last poll.

        Airflow drops what was handed over when it ends a wait, and also in ``dag.test()``: the XCom `WAIT`
        has it too.
        """
        given = next_kwargs or {}
        has_lost = "expected" not in given
        if next_method == AFTER_PAUSE:  # a user's subclass may defer to it as well, for a reason of its own
            has_lost = PAUSED not in given and is_over(given.get("event"))
        with self.reporting(context) as notes:
            kept = (self._pull(context, WAIT) or {}) if has_lost else {}
            if next_method == AIRFLOW_ENDS_IT:
                self.note_event(given)
                notes.job_ids = list(filter(None, [self.find_job_id(context)]))
                if job_ids := kept.get("job_ids", notes.job_ids):
                    event = make_last_event(self, given, job_ids, WaitTotals.read(kept.get("totals")))
                    next_method, given = "execute_complete", {"event": event}
                else:
                    raise build_broken_pause_error(given)
            if next_method == AFTER_PAUSE and PAUSED in (given := {**kept, **given}):
                given = self.take_up(given)
                with self.asking_if_sent():
                    return super().resume_execution(next_method, given, context)
            if next_method == "execute_complete" and has_lost:
                given = {**kept.get("kwargs", {"expected": self.list_expected_again(context)}), **given}
            return super().resume_execution(next_method, given, context)

    def _conclude(self, waited: JobResult, context: Context, expected: Mapping[str, str]) -> Any:
        """Return the result of a job that has ended, or raise what its failure means to the next try."""
        self.notes.results = [waited]
        if waited.job is None and waited.error is not None:
            retry = f"{waited.error} A retry of this task {self.next_try}."
            words = retry if isinstance(waited.error, TimedOut) else ""
            raise convert_error(waited.error, message=words) from waited.error
        job = waited.job or waited.result
        result = read_submitted_result(self.hook, job, context, expected, self.options)
        if result.warning:
            self.log.warning(result.warning)
        if result.skipped:
            raise AirflowSkipException(result.skipped)
        return result.result


def read_submitted_result(
    hook: BaseJobHook,
    job: Job,
    context: Mapping[str, Any],
    expected: Mapping[str, str],
    options: Mapping[str, object],
) -> JobResult:
    """
    Return the result of a job that has ended, to the task that submitted it and can submit it again.

    A failure is recorded; if that cannot be done, the next try asks the vendor again.

    :param expected: what its result must repeat of what was submitted, see `check_result`.
    :raises PermanentError: if the job failed permanently, or made another order.
    :raises TransientError: if it failed for a transient reason; `LockContentionError` if on a lock.
    """
    from airflow_provider_zuora.airflow_context.task import get_claims, open_store, read_attempt
    from airflow_provider_zuora.core.submission.adoption import record_failure
    from airflow_provider_zuora.core.submission.order_lookup import check_result

    job = redact_job(job, hook._settings.client.secrets)  # a trigger does not know what to hide
    if job.state is JobState.FAILED:
        attempt, shared = read_attempt(context), get_claims(context.get("ti")).shared
        store = open_store(context, NEVER_EXPIRE)
        try:
            hook._run(lambda client: record_failure(client, attempt, job, shared), store)
        except TransientError as error:
            hook.log.warning("That job %s failed could not be recorded: %s", job.job_id, error)
    with convert_errors():
        check_result(job, expected)
        result = hook.vendor.read_result(job, options)
        if result.error:
            raise result.error
    return result
