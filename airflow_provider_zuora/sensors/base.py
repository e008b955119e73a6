"""Wait for jobs, deferred or poking; every wait ends in `BaseJobSensor._conclude`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_zuora.airflow_context.deferral import FIRST_POLL, BaseWaitingTask, JobWait
from airflow_provider_zuora.airflow_context.last_poll import AIRFLOW_ENDS_IT, make_last_event
from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.job import JobResult, JobResults, ResultState, check_job_ids, name_jobs
from airflow_provider_zuora.core.polling.events import WaitTotals
from airflow_provider_zuora.core.polling.wait import LONGEST, MAX_POLL_ERRORS, PollSchedule
from airflow_provider_zuora.core.validation import check_flags, check_seconds
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_error
from airflow_provider_zuora.hooks.limits import choose_interval
from airflow_provider_zuora.triggers.start_and_end import find_upstream, refuse_mapping, validate_options
from airflow_provider_zuora.version_compat import JOB_RESULTS, unguarded

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


_TIMEOUTS = (AirflowSensorTimeout, AirflowTaskTimeout)
_Found: TypeAlias = list[JobResult] | AirflowException


class BaseJobSensor(BaseWaitingTask, BaseSensorOperator):
    """
    What the sensors of all vendors have in common.

    ``soft_fail`` skips on a timeout only: a refused or failed order must never count as skipped.
    ``never_fail`` skips on every failure. ``mode`` counts if ``deferrable`` is False.

    A list of ids is waited for by one trigger, and one that fails stops no other. If not all come to a
    result, the XCom ``job_results`` holds for each its job id, state (``completed``, ``skipped``, ``failed``,
    ``unknown``, ``unread``, ``open`` or ``timed_out``), result and error, in the order of the list.

    :return: the job's result, as XCom ``return_value``; of a list of ids a list of results, in its order.
    :raises PermanentError: (no retries) if a job failed or is unknown.
    :raises TransientError: (retries) if ten polls in a row failed for a transient reason.
    :raises AirflowSensorTimeout: (no retries) after ``timeout`` seconds; the jobs go on at the vendor.
    """

    job_id: Any
    poke_interval: Any = None
    end_from_trigger: bool = False

    def __init__(self, **kwargs: Any):
        _check_options(self, kwargs)
        self.has_own_interval = self.poke_interval is not None
        interval = self.poke_interval if self.has_own_interval else 60.0
        super().__init__(poke_interval=interval, **kwargs)
        self.began: float | None = None
        validate_options(self)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Return Airflow's partial operator; refuse what cannot be mapped."""
        return refuse_mapping(cls, super().partial(**kwargs))

    def resolve_template_files(self) -> None:
        """Validate the options again, and use them: Airflow calls this when the DAG is complete."""
        super().resolve_template_files()
        validate_options(self)
        upstream = find_upstream(self.job_id)
        if self.start_from_trigger and (job_ids := ("",) if upstream else self._job_ids):
            hook = self.hook_class(self.conn_id)
            wait = JobWait.start(self.time_limit, hook, job_ids, self._max_errors, 0.0)
            schedule, limit = self._make_schedule(FIRST_POLL), self.execution_limit
            end_options = self._make_end_options(job_ids)
            self.start_trigger_args = wait.make_start_args(schedule, limit, upstream, end_options)

    @cached_property
    def _wait(self) -> JobWait:
        job_ids, max_errors = self._job_ids, self._max_errors
        return JobWait.start(self.time_limit, self.hook, job_ids, max_errors, self.began)

    @property
    def _max_errors(self) -> int | None:
        return None if self.silent_fail else MAX_POLL_ERRORS

    @cached_property
    def _job_ids(self) -> tuple[str, ...]:
        try:  # once: of what mapped tasks have pushed, each id costs Airflow a call
            return check_job_ids(self.job_id)
        except ApiError as error:
            raise convert_error(error) from error

    def _make_end_options(self, job_ids: Sequence[str]) -> dict[str, Any] | None:
        """Return how the trigger may end the task, see `end_task`; None if it may not."""
        if not self.end_from_trigger or len(set(job_ids)) < len(job_ids):  # a trigger knows each id once
            return None
        return {
            "options": self.options,
            "is_list": not isinstance(self.job_id, str),
            "push": self.do_xcom_push,
            "is_dag_result": bool(getattr(self, "returns_dag_result", False)),
        }

    def execute(self, context: Context) -> Any:
        """Poll, and wait if a job has not ended."""
        with self.reporting(context):
            return self._execute(context)

    def _execute(self, context: Context) -> Any:
        self.check_options()
        for kept in ("_wait", "_job_ids"):
            self.__dict__.pop(kept, None)
        self.began = self.find_first_poke(context)
        late: type[BaseException] | None = None
        if self.deferrable:
            return self._conclude(_catch_errors(partial(self._poll_or_defer, context)), context)
        self.note_wait((), time.time() if self.began is None else self.began)
        try:
            found = unguarded(BaseSensorOperator.execute)(self, context)
        except _TIMEOUTS as error:
            found, late = self._wait.polls.time_out(str(error)), type(error)
        except AirflowSkipException as error:  # Airflow's own, on a timeout in poke mode under soft_fail
            found = self._wait.polls.time_out(str(error))
        if wait := vars(self).get("_wait"):  # of a wait in reschedule mode it knows the last poll alone
            self.note_polls(None if self.reschedule else wait.polls.polls)
        return self._conclude(found, context, late)

    def _poll_or_defer(self, context: Context) -> list[JobResult]:
        schedule = self._make_schedule(FIRST_POLL)
        end_options = self._make_end_options(self._job_ids) if self.end_from_trigger else None
        return self.poll_or_defer(self._wait, schedule, context, end_options)

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once; the results of all waits, good or bad, are the value of the poke."""
        found = _catch_errors(lambda: self._wait.poll())  # noqa: PLW0108 - to make the wait may raise too
        return PokeReturnValue(found is not None, xcom_value=found)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Conclude from the trigger's event."""
        with self.reporting(context):
            return self._conclude(_catch_errors(partial(self.read_results, event)), context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Conclude a deferral; Airflow's own sensor would skip a refused order under soft_fail."""
        if next_method != AIRFLOW_ENDS_IT:
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        with self.reporting(context):
            return self._conclude(_catch_errors(partial(self._end_wait, next_kwargs or {})), context)

    def _end_wait(self, failure: Mapping[str, Any]) -> list[JobResult]:
        """Return the results of a wait that Airflow has ended itself: after a timeout, of a last poll."""
        self.notes.began = None  # Airflow keeps nothing of the process that deferred
        return self.read_results(make_last_event(self, failure, self._job_ids, WaitTotals()))

    def on_kill(self) -> None:
        """Log that the jobs are not stopped."""
        place = self.hook_class.hook_name
        self.log.warning(
            "What is at %s goes on there, a sensor cancels nothing: %s", place, name_jobs(self._job_ids)
        )

    def find_first_poke(self, context: Context) -> float | None:
        """Return when a wait in reschedule mode began, in seconds since 1970; None: now."""
        if not self.reschedule:
            return None
        ti: Any = context["ti"]
        ask = getattr(ti, "get_first_reschedule_date", None)  # Airflow 3; 2.11 keeps it as the task's start
        first: datetime | None = ask(context) if ask else getattr(ti, "start_date", None)
        return None if first is None else first.timestamp()

    def _conclude(self, found: _Found, context: Context, late: type[BaseException] | None = None) -> Any:
        """
        Return the result of the wait, or raise what its end means under soft_fail and never_fail.

        :param late: the timeout to raise; None: the one that Airflow would raise.
        """
        is_list = not isinstance(self.job_id, str)
        job_ids = _catch_errors(lambda: self._job_ids)
        self.notes.job_ids = job_ids if isinstance(job_ids, tuple) else ()
        self.notes.is_list = is_list
        try:
            results = self._judge(found, context, late, is_list=is_list)
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
        return values if is_list else values[0]

    def _judge(
        self, found: _Found, context: Context, late: type[BaseException] | None, *, is_list: bool
    ) -> JobResults:
        if isinstance(found, BaseException):
            raise found
        read = partial(self.hook.vendor.read_result, options=self.options)
        try:
            results = JobResults.of(self._job_ids, found, read)
            self.notes.results = results.each
        except ApiError as error:
            raise convert_error(error) from error
        if is_list and not results.is_complete:
            context["ti"].xcom_push(key=JOB_RESULTS, value=[each.as_dict() for each in results.each])
        worst = results.worst
        if worst is None or worst.error is None:
            return results
        words = results.describe_errors()
        if worst.state is ResultState.TIMED_OUT:
            # The one that Airflow would raise: it retries after that of the task alone.
            own = AirflowTaskTimeout if self.execution_limit < self.timeout else AirflowSensorTimeout
            raise (late or own)(words) from worst.error
        kind = TransientError if worst.state is ResultState.OPEN else PermanentError
        raise convert_error(worst.error, kind, words) from worst.error

    def _make_schedule(self, first: float) -> PollSchedule:
        return PollSchedule(
            self.poke_interval if self.has_own_interval else choose_interval(None),
            self.exponential_backoff,
            self.max_wait.total_seconds() if self.max_wait else None,
            first,
        )

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """
        Return the pause of poke and reschedule mode, by the rule of deferred waits.

        Airflow's own has no jitter and no growth, and its exponential one fails in long waits. Its scheduler
        fails tasks that are rescheduled for sooner than `FIRST_POLL`.
        """
        first = FIRST_POLL if self.reschedule else 1.0
        pause = self._make_schedule(first).delay_after(run_duration(), random.SystemRandom())
        left = max(0.0, self.timeout - run_duration())  # at the deadline one last poll is sent
        pause = min(max(pause, self._wait.polls.cool_down), left, LONGEST)
        return max(pause, FIRST_POLL) if self.reschedule else pause


def _check_options(sensor: BaseJobSensor, airflows: Mapping[str, Any]) -> None:
    """Refuse invalid times and switches; Airflow's error about an infinite time names no option."""
    times: dict[str, Any] = {"poke_interval": sensor.poke_interval}
    times |= {name: airflows.get(name) for name in ("timeout", "max_wait")}
    for name, value in times.items():
        if value is not None:
            check_seconds(name, value, zero=True)
    flags = ("soft_fail", "never_fail", "silent_fail", "exponential_backoff")
    given = {name: airflows[name] for name in flags if name in airflows}
    check_flags({"deferrable": sensor.deferrable} | given)


def _catch_errors(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except AirflowException as error:
        return error
