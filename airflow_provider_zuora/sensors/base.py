"""Wait for jobs, deferred or poking; every way to the end of a wait ends in `BaseJobSensor._conclude`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_zuora.airflow_context.deferral import FIRST_POLL, BaseWaitingTask, JobWait
from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.job import JobResult, JobResults, ResultState, check_job_ids, name_jobs
from airflow_provider_zuora.core.polling.wait import LONGEST, MAX_POLL_ERRORS, PollSchedule
from airflow_provider_zuora.core.validation import check_flags, check_seconds
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_error
from airflow_provider_zuora.triggers.start_and_end import (
    find_upstream,
    make_end_options,
    refuse_mapping,
    validate_options,
)
from airflow_provider_zuora.version_compat import JOB_RESULTS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


_DEFERRAL_FAILED = "__fail__"  # Airflow's name for the method that resumes a task whose trigger failed
_TIMEOUTS = (AirflowSensorTimeout, AirflowTaskTimeout)
_Found: TypeAlias = list[JobResult] | AirflowException
T = TypeVar("T")


class BaseJobSensor(BaseWaitingTask, BaseSensorOperator):
    """
    What the sensors of all vendors have in common; a subclass names its hook and the options of its result.

    ``soft_fail`` skips on a timeout only: a refused or failed order must never look skipped. ``never_fail``
    skips on every failure. A failed job is not retried, because waiting again cannot help. ``mode`` counts
    if ``deferrable`` is False. The remaining options are those of Airflow's sensors.

    A list of ids is waited for by one trigger, and one that fails stops no other. If not all come to a
    result, the XCom ``job_results`` says of each what became of it, in the order of the list: job id, state
    (``completed``, ``skipped``, ``failed``, ``unknown``, ``unread``, ``open`` or ``timed_out``), result and
    error.

    :param job_id: the job to wait for, or a list of them; of an empty list the result is empty.
    :param deferrable: wait in the triggerer, without a worker.
    :param poke_interval: seconds between two polls, plus up to a tenth by chance; None: growing by half, from
        10 s to 60 s (from 1 s in poke mode). After a deferral the first poll comes after 10 s at least.
    :param end_from_trigger: True: the trigger ends a task whose jobs completed, without a worker (Airflow 3.3
        and later); what is lost and refused then: docs/waiting.md, Fewer workers.
    :param start_from_trigger: True: the task begins in the triggerer, without a worker (as above); ``job_id``
        is written out, or the output of a task that is not mapped.
    :return: the job's result, as XCom ``return_value``; of a list of ids a list of results, in its order.
    :raises PermanentError: (no retries) if the job failed or is unknown; for a list: if one is.
    :raises TransientError: (retries) if ten polls in a row failed for a passing reason.
    :raises AirflowSensorTimeout: (no retries) after ``timeout`` seconds; a job goes on at the vendor.
    """

    def __init__(
        self,
        *,
        job_id: str | Sequence[str],
        deferrable: bool = True,
        poke_interval: timedelta | float | None = None,
        end_from_trigger: bool = False,
        start_from_trigger: bool = False,
        **kwargs: Any,
    ):
        flags = {"deferrable": deferrable, "end_from_trigger": end_from_trigger}
        _check_options(poke_interval, {**flags, "start_from_trigger": start_from_trigger}, kwargs)
        interval = 60.0 if poke_interval is None else poke_interval
        super().__init__(deferrable=deferrable, poke_interval=interval, **kwargs)
        self.job_id: Any = job_id
        self.has_own_interval = poke_interval is not None
        self.end_from_trigger = end_from_trigger
        self.start_from_trigger = start_from_trigger
        self.began: float | None = None
        validate_options(self)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Refuse what cannot be mapped."""
        return refuse_mapping(cls, super().partial(**kwargs))

    def resolve_template_files(self) -> None:
        """Use the options, and validate them again: Airflow calls this when the DAG is complete."""
        super().resolve_template_files()
        validate_options(self)
        upstream = find_upstream(self.job_id)
        if self.start_from_trigger and (job_ids := ("",) if upstream else self._job_ids):
            wait = JobWait.start(
                self.time_limit, self.hook_class(self.conn_id), job_ids, self._max_errors, 0.0
            )
            schedule, end_options = self._make_schedule(FIRST_POLL), self._make_end_options(job_ids)
            self.start_trigger_args = wait.make_start_args(
                schedule, self.execution_limit, upstream, end_options
            )

    @cached_property
    def _wait(self) -> JobWait:
        """Return this task's wait; its time begins here, or with the first poke of reschedule mode."""
        job_ids, max_errors = self._job_ids, self._max_errors
        return JobWait.start(self.time_limit, self.hook, job_ids, max_errors, self.began)

    @property
    def _max_errors(self) -> int | None:
        return None if self.silent_fail else MAX_POLL_ERRORS

    @cached_property
    def _job_ids(self) -> tuple[str, ...]:
        """Return the ids as they are given; what mapped tasks have pushed costs Airflow a call for each."""
        try:
            return check_job_ids(self.job_id)
        except ApiError as error:
            raise convert_error(error) from error

    def _make_end_options(self, job_ids: Sequence[str]) -> dict[str, Any] | None:
        """Return how the trigger may end the task, None if it may not: it knows each id once."""
        if not self.end_from_trigger or len(set(job_ids)) < len(job_ids):
            return None
        return make_end_options(self, is_list=self._is_list)

    def execute(self, context: Context) -> Any:
        """Poll, and wait if a job has not ended."""
        if violations := self.hook.vendor.list_violations(self.options):
            self.hook._refuse(violations)
        for kept in ("_wait", "_job_ids"):
            self.__dict__.pop(kept, None)
        self.began = self.find_first_poke(context) if self.reschedule else None
        late: type[BaseException] | None = None
        try:
            found = _catch_errors(self._poll_or_defer) if self.deferrable else super().execute(context)
        except _TIMEOUTS as error:
            found, late = self._wait.polls.time_out(str(error)), type(error)
        except AirflowSkipException as error:  # Airflow's own, on a timeout in poke mode under soft_fail
            found = self._wait.polls.time_out(str(error))
        return self._conclude(found, context, late)

    def _poll_or_defer(self) -> list[JobResult]:
        end_options = self._make_end_options(self._job_ids) if self.end_from_trigger else None
        schedule = self._make_schedule(FIRST_POLL)
        return self.poll_or_defer(self._wait, schedule, end_options)

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once; the results of all waits, good or bad, are the value of the poke."""
        found = _catch_errors(self._poll)
        return PokeReturnValue(found is not None, xcom_value=found)

    def _poll(self) -> list[JobResult] | None:
        return self._wait.poll()  # an id that is none is an error of the wait too

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take the trigger's event."""
        return self._conclude(_catch_errors(partial(self.read_results, event)), context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Take the end of a deferral; Airflow's own sensor would skip a refused order under soft_fail."""
        if next_method != _DEFERRAL_FAILED:
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        failure = next_kwargs or {}
        if trace := failure.get("traceback"):
            self.log.error("Trigger failed:\n%s", "\n".join(trace))
        reason = str(failure.get("error", "for an unknown reason"))
        if "timeout" in reason.lower():  # all that Airflow says of it
            wait = JobWait.start(0, self.hook, self._job_ids)
            return self._conclude(_catch_errors(partial(wait.poll_last, reason)), context)
        broken = f"The trigger that waited for {name_jobs(self._job_ids)} broke: {reason}"
        return self._conclude(TransientError(broken), context)

    def on_kill(self) -> None:
        """Say that the jobs are not stopped."""
        place = self.hook_class.hook_name
        self.log.warning("What is at %s goes on there, it has no cancel: %s", place, name_jobs(self._job_ids))

    def find_first_poke(self, context: Context) -> float | None:
        """Return when a wait in reschedule mode began, in seconds since 1970; None: now."""
        if not self.reschedule:
            return None
        ti: Any = context["ti"]
        ask = getattr(ti, "get_first_reschedule_date", None)  # Airflow 3; 2.11 keeps it as the task's start
        first: datetime | None = ask(context) if ask else getattr(ti, "start_date", None)
        return None if first is None else first.timestamp()

    def _conclude(self, found: _Found, context: Context, late: type[BaseException] | None = None) -> Any:
        """Return the result of the wait, or raise what its end means under soft_fail and never_fail."""
        try:
            results = self._judge(found, context, late or self._late)
        except _TIMEOUTS as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(f"Skipped on a timeout: {error}") from error
            raise
        except AirflowException as error:
            if self.never_fail:
                raise AirflowSkipException(f"Skipped because of never_fail: {error}") from error
            raise
        for warning in results.warnings:
            self.log.warning(warning)
        if results.skipped:
            raise AirflowSkipException(results.skipped)
        values = [each.result for each in results.each]
        return values if self._is_list else values[0]

    def _judge(self, found: _Found, context: Context, late: type[BaseException]) -> JobResults:
        """Return the results if all are good, else raise the worst, a timeout as `late`."""
        if isinstance(found, BaseException):
            raise found
        read = partial(self.hook.vendor.read_result, options=self.options)
        try:
            results = JobResults.of(self._job_ids, found, read)
        except ApiError as error:
            raise convert_error(error) from error
        if self._is_list and not results.is_complete:
            context["ti"].xcom_push(key=JOB_RESULTS, value=[each.as_dict() for each in results.each])
        worst = results.worst
        if worst is None or worst.error is None:
            return results
        words = results.describe_errors()
        if worst.state is ResultState.TIMED_OUT:
            raise late(words) from worst.error
        kind = TransientError if worst.state is ResultState.OPEN else PermanentError
        raise convert_error(worst.error, kind, words) from worst.error

    @property
    def _is_list(self) -> bool:
        return not isinstance(self.job_id, str)

    @property
    def _late(self) -> type[BaseException]:
        """Return the timeout that Airflow would raise: that of the task is retried, the sensor's is not."""
        return AirflowTaskTimeout if self.execution_limit < self.timeout else AirflowSensorTimeout

    def _make_schedule(self, first: float) -> PollSchedule:
        return PollSchedule(
            self.poke_interval if self.has_own_interval else None,
            self.exponential_backoff,
            self.max_wait.total_seconds() if self.max_wait else None,
            first,
        )

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """
        Return the pause of poke and reschedule mode, by the rule of deferred waits.

        Airflow's own has no jitter and no growth, and its exponential one, of a small `poke_interval`, ends
        in an error when the wait has lasted some time. Its scheduler fails tasks that are rescheduled for a
        moment sooner than `FIRST_POLL`.
        """
        first = FIRST_POLL if self.reschedule else 1.0
        pause = self._make_schedule(first).delay_after(run_duration(), random.SystemRandom())
        left = max(0.0, self.timeout - run_duration())  # at the deadline one last poll is sent
        pause = min(max(pause, self._wait.polls.quiet_left), left, LONGEST)
        return max(pause, FIRST_POLL) if self.reschedule else pause


def _check_options(
    poke_interval: timedelta | float | None, flags: Mapping[str, Any], others: Mapping[str, Any]
) -> None:
    """Refuse times and switches that are none; what Airflow says of an infinite time names no option."""
    times = {"poke_interval": poke_interval} | {name: others.get(name) for name in ("timeout", "max_wait")}
    for name, value in times.items():
        if value is not None:
            check_seconds(name, value, zero=True)
    own = ("soft_fail", "never_fail", "silent_fail", "exponential_backoff")
    check_flags({**flags, **{name: others[name] for name in own if name in others}})


def _catch_errors(call: Callable[[], T]) -> T | AirflowException:
    """Return what a call returns, or the error that it raises."""
    try:
        return call()
    except AirflowException as error:
        return error
