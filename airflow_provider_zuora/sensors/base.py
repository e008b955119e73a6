"""Wait for jobs, deferred or poking; every way to the end of a wait goes through one outcome function."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_zuora.airflow_context.deferral import FIRST_LOOK, JobWait, read_again
from airflow_provider_zuora.airflow_context.rendering import BaseLiteralTexts
from airflow_provider_zuora.core.job import JobResult, JobResults, ResultState, check_job_ids, name_jobs
from airflow_provider_zuora.core.options import check_execution_timeout, check_flags, checked_seconds
from airflow_provider_zuora.core.polling.events import DeferredResults
from airflow_provider_zuora.core.polling.wait import LONGEST, MAX_POLL_ERRORS, PollSchedule
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.triggers.jobs import RESULTS, read_event
from airflow_provider_zuora.triggers.start_and_end import ending_of, refuse, unmappable, upstream_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


_DEFERRAL_FAILED = "__fail__"  # Airflow's name for the method that resumes a task whose trigger failed
_TIMEOUTS = (AirflowSensorTimeout, AirflowTaskTimeout)
_Ends: TypeAlias = list[JobResult] | AirflowException
T = TypeVar("T")


class BaseJobSensor(BaseLiteralTexts, BaseSensorOperator):
    """
    What the sensors of all vendors have in common; a subclass names its hook and its options.

    ``soft_fail`` skips on a time-out only: a refused or failed order must never look skipped. ``never_fail``
    skips on every failure. A failed job is not retried, because waiting again cannot help. ``mode`` counts
    where ``deferrable`` is False. The remaining options are those of Airflow's sensors.

    A list of ids is waited for by one trigger, and one that fails stops no other. Where not all come to a
    result, the XCom ``results`` says of each what became of it, in the order of the list: job id, state
    (``completed``, ``skipped``, ``failed``, ``unknown``, ``open`` or ``timed_out``), result and error.

    :param job_id: the job to wait for, or a list of them; of an empty list the result is empty.
    :param deferrable: wait in the triggerer, without a worker.
    :param poke_interval: seconds between two looks, plus up to a tenth by chance; None: growing by half, from
        10 s to 60 s (from 1 s in poke mode). The first look after a deferral comes after 10 s at the soonest.
    :param end_from_trigger: True: the trigger ends a task whose jobs completed, without a worker (Airflow 3.3
        and later); what is lost and refused then: docs/waiting.md, Fewer workers.
    :param start_from_trigger: True: the task begins in the triggerer, without a worker (as above); ``job_id``
        is written out, or the output of a task that is not mapped.
    :return: the job's result, as XCom ``return_value``; of a list of ids a list of results, in its order.
    :raises PermanentError: (no retries) where the job failed or is unknown; for a list: where one is.
    :raises TransientError: (retries) where ten looks in a row failed for a passing reason.
    :raises AirflowSensorTimeout: (no retries) after ``timeout`` seconds; a job goes on at the vendor.
    """

    hook_class: ClassVar[type[BaseJobHook]]
    outcome_options: ClassVar[Sequence[str]] = ()

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
        flags["start_from_trigger"] = start_from_trigger
        _check_options(poke_interval, flags, kwargs)
        super().__init__(poke_interval=60.0 if poke_interval is None else poke_interval, **kwargs)
        check_execution_timeout(self.execution_timeout)
        self.job_id: Any = job_id
        self.deferrable = deferrable
        self.own_interval = poke_interval is not None
        self.end_from_trigger = end_from_trigger
        self.start_from_trigger = start_from_trigger
        self._began: float | None = None
        refuse(self)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Refuse what cannot be mapped."""
        return unmappable(cls, super().partial(**kwargs))

    def resolve_template_files(self) -> None:
        """Use the options, and look at them again: Airflow calls this when the DAG is complete."""
        super().resolve_template_files()
        refuse(self)
        upstream = upstream_of(self.job_id)
        if self.start_from_trigger and (job_ids := ("",) if upstream else self._job_ids):
            hook = self.hook_class(self.conn_id)
            watch = JobWait.within(self._limit, hook, job_ids, self._max_errors, now=0.0)
            pauses, cut = self._pauses(FIRST_LOOK), self._execution_limit
            self.start_trigger_args = watch.start_args(pauses, cut, upstream, self._ends(job_ids))

    @property
    def conn_id(self) -> str:
        """Return the Airflow connection, whatever the option is called."""
        return str(getattr(self, self.hook_class.conn_name_attr))

    @cached_property
    def hook(self) -> BaseJobHook:
        """Return the hook, the same for all looks of a task."""
        return self.hook_class(self.conn_id)

    @cached_property
    def _watch(self) -> JobWait:
        """Return this task's wait; its time begins here, or with the first poke of reschedule mode."""
        return JobWait.within(self._limit, self.hook, self._job_ids, self._max_errors, self._began)

    @property
    def _max_errors(self) -> int | None:
        return None if self.silent_fail else MAX_POLL_ERRORS

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of the outcome."""
        return {name: getattr(self, name) for name in self.outcome_options}

    def _ends(self, job_ids: Sequence[str]) -> dict[str, Any] | None:
        """Return how the trigger may end the task, None where it may not: it knows each id once."""
        repeated = len(set(job_ids)) < len(job_ids)
        return None if repeated else ending_of(self, many=self._many)

    @cached_property
    def _job_ids(self) -> tuple[str, ...]:
        """Return the ids as they are given; what mapped tasks have pushed costs Airflow a call for each."""
        with convert_errors():
            return check_job_ids(self.job_id)

    def execute(self, context: Context) -> Any:
        """Look, and wait where a job has not ended."""
        self.hook.check(**self.options)
        for kept in ("_watch", "_job_ids"):
            self.__dict__.pop(kept, None)
        self._began = self._first_poke(context)
        try:
            ends = _tried(self._first_look) if self.deferrable else super().execute(context)
        except _TIMEOUTS as error:
            return self._conclude(self._watch.polls.time_out(str(error)), context, type(error))
        except AirflowSkipException as error:  # Airflow's own, on a time-out in poke mode under soft_fail
            ends = self._watch.polls.time_out(str(error))
        return self._conclude(ends, context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; the ends of all waits, good or bad, are the value of the poke."""
        ends = _tried(self._look)
        return PokeReturnValue(ends is not None, xcom_value=ends)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take the trigger's event."""
        fired = read_event(event)
        if isinstance(fired, DeferredResults):
            return self._conclude(_tried(partial(read_again, self.hook, fired)), context)
        return self._conclude(fired, context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Take the end of a deferral; Airflow's own sensor would skip a refused order under soft_fail."""
        if next_method != _DEFERRAL_FAILED:
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        said = next_kwargs or {}
        if trace := said.get("traceback"):
            self.log.error("Trigger failed:\n%s", "\n".join(trace))
        reason = str(said.get("error", "for an unknown reason"))
        if "timeout" in reason.lower():
            watch = JobWait.within(0, self.hook, self._job_ids)
            return self._conclude(_tried(partial(watch.last_look, reason)), context)
        broken = f"The trigger that waited for {name_jobs(self._job_ids)} broke: {reason}"
        return self._conclude(TransientError(broken), context)

    def on_kill(self) -> None:
        """Say that the jobs are not stopped."""
        place = self.hook_class.hook_name
        self.log.warning("What is at %s goes on there, it has no cancel: %s", place, name_jobs(self._job_ids))

    def _first_poke(self, context: Context) -> float | None:
        """Return when a wait in reschedule mode began, in seconds since 1970; None: now."""
        if not self.reschedule:
            return None
        ti: Any = context["ti"]
        ask = getattr(ti, "get_first_reschedule_date", None)  # Airflow 3; 2.11 keeps it as the task's start
        first: datetime | None = ask(context) if ask else getattr(ti, "start_date", None)
        return None if first is None else first.timestamp()

    def _look(self) -> list[JobResult] | None:
        return self._watch.look()

    def _first_look(self) -> list[JobResult]:  # noqa: RET503 - defer raises
        """Look once and return the ends of the waits, or defer."""
        watch = self._watch
        watch.trigger(self._pauses(FIRST_LOOK))  # a list that is too long is refused before it is asked for
        if (ends := watch.look(hasty=True)) is not None:
            return ends
        if watch.over:
            return watch.polls.time_out(f"{self._limit:.0f} s have passed.")
        trigger, timeout = watch.trigger(self._pauses(FIRST_LOOK), self._ends(self._job_ids))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    def _conclude(self, ends: _Ends, context: Context, late: type[BaseException] | None = None) -> Any:
        """Return the result of the wait, or raise what its end means under soft_fail and never_fail."""
        try:
            found = self._judged(ends, context, late or self._late)
        except _TIMEOUTS as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(f"Skipped on a time-out: {error}") from error
            raise
        except AirflowException as error:
            if self.never_fail:
                raise AirflowSkipException(f"Skipped because of never_fail: {error}") from error
            raise
        for warning in found.warnings:
            self.log.warning(warning)
        if found.skipped:
            raise AirflowSkipException(found.skipped)
        results = [each.result for each in found.each]
        return results if self._many else results[0]

    def _judged(self, ends: _Ends, context: Context, late: type[BaseException]) -> JobResults:
        """Return what the ends mean where all are good, else raise the gravest, a time-out as `late`."""
        if isinstance(ends, BaseException):
            raise ends
        with convert_errors():
            read = partial(self.hook.vendor.read_result, options=self.options)
            found = JobResults.of(self._job_ids, ends, read)
        if self._many and not found.is_complete:
            context["ti"].xcom_push(key=RESULTS, value=[each.as_dict() for each in found.each])
        if (worst := found.worst) is not None:
            kind = {ResultState.TIMED_OUT: late, ResultState.OPEN: TransientError}.get(
                worst.state, PermanentError
            )
            raise kind(found.describe_errors()) from worst.error
        return found

    @property
    def _many(self) -> bool:
        return not isinstance(self.job_id, str)

    @property
    def _limit(self) -> float:
        """Return the seconds that the wait may last; Airflow 3 ignores execution_timeout while deferred."""
        return min(self.timeout, self._execution_limit)

    @property
    def _execution_limit(self) -> float:
        return self.execution_timeout.total_seconds() if self.execution_timeout else math.inf

    @property
    def _late(self) -> type[BaseException]:
        """Return the time-out that Airflow would raise: that of the task is retried, the sensor's is not."""
        return AirflowTaskTimeout if self._execution_limit < self.timeout else AirflowSensorTimeout

    def _pauses(self, first: float) -> PollSchedule:
        return PollSchedule(
            self.poke_interval if self.own_interval else None,
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
        moment sooner than `FIRST_LOOK`.
        """
        first = FIRST_LOOK if self.reschedule else 1.0
        pause = self._pauses(first).delay_after(run_duration(), random.SystemRandom())
        left = max(0.0, self.timeout - run_duration())  # at the deadline one last look is taken
        pause = min(max(pause, self._watch.polls.quiet_left), left, LONGEST)
        return max(pause, FIRST_LOOK) if self.reschedule else pause


def _check_options(
    poke_interval: timedelta | float | None, flags: Mapping[str, Any], others: Mapping[str, Any]
) -> None:
    """Refuse times and switches that are none; what Airflow says of an infinite time names no option."""
    times = {"poke_interval": poke_interval} | {name: others.get(name) for name in ("timeout", "max_wait")}
    for name, value in times.items():
        if value is not None:
            checked_seconds(name, value, zero=True)
    own = ("soft_fail", "never_fail", "silent_fail", "exponential_backoff")
    check_flags({**flags, **{name: others[name] for name in own if name in others}})


def _tried(call: Callable[[], T]) -> T | AirflowException:
    """Return what a call returns, or the error that it raises."""
    try:
        return call()
    except AirflowException as error:
        return error
