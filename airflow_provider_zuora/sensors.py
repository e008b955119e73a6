"""Wait for jobs, deferred or poking; every way to the end of a wait goes through one outcome function."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_zuora.core.jobs import Job
from airflow_provider_zuora.core.waiting import MAX_POLL_ERRORS, Pauses
from airflow_provider_zuora.hooks import JobHook, TransientError, ZuoraHook
from airflow_provider_zuora.triggers import read_event
from airflow_provider_zuora.watching import FIRST_LOOK, Watch

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_DEFERRAL_FAILED = "__fail__"  # Airflow's name for the method that resumes a task whose trigger failed
_TIMEOUTS = (AirflowSensorTimeout, AirflowTaskTimeout)


class JobSensor(BaseSensorOperator):
    """
    What the sensors of all vendors have in common; a subclass names its hook and its options.

    ``soft_fail`` skips on a time-out only: a refused or failed order must never look skipped. ``never_fail``
    skips on every failure. A failed job is not retried, because waiting again cannot help. ``mode`` counts
    where ``deferrable`` is False. The remaining options are those of Airflow's sensors.

    :param job_id: the job to wait for.
    :param deferrable: wait in the triggerer, without a worker.
    :param poke_interval: seconds between two looks, plus up to a tenth by chance; None: growing by half, from
        10 s to 60 s (from 1 s in poke mode). The first look after a deferral comes after 10 s at the soonest.
    :return: the job's result, as XCom ``return_value``.
    :raises PermanentError: (no retries) where the job failed or is unknown.
    :raises TransientError: (retries) where ten looks in a row failed for a passing reason.
    :raises AirflowSensorTimeout: (no retries) after ``timeout`` seconds; a job goes on at the vendor.
    """

    hook_class: ClassVar[type[JobHook]]
    outcome_options: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        *,
        job_id: str,
        deferrable: bool = True,
        poke_interval: timedelta | float | None = None,
        **kwargs: Any,
    ):
        super().__init__(poke_interval=60.0 if poke_interval is None else poke_interval, **kwargs)
        self.job_id = job_id
        self.deferrable = deferrable
        self.own_interval = poke_interval is not None

    @property
    def conn_id(self) -> str:
        """Return the Airflow connection, whatever the option is called."""
        return str(getattr(self, self.hook_class.conn_name_attr))

    @cached_property
    def hook(self) -> JobHook:
        """Return the hook, the same for all looks of a task."""
        return self.hook_class(self.conn_id)

    @cached_property
    def _watch(self) -> Watch:
        """Return this task's wait; its time begins here."""
        errors = None if self.silent_fail else MAX_POLL_ERRORS
        return Watch.within(self._limit, self.hook, self.job_id, errors)

    def execute(self, context: Context) -> Any:
        """Look, and wait where the job has not ended."""
        end: Job | BaseException
        self.__dict__.pop("_watch", None)
        try:
            end = self._first_look() if self.deferrable else super().execute(context)
        except _TIMEOUTS as error:
            end = error
        return self._conclude(end)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; the end of the wait, good or bad, is the value of the poke."""
        end = self._look()
        return PokeReturnValue(end is not None, xcom_value=end)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take the trigger's event."""
        fired = read_event(event)
        if isinstance(fired, AirflowSensorTimeout):
            return self._conclude(self._timeout(str(fired)))
        if isinstance(fired, str):
            again = TransientError(f"Job {fired} had ended, but could not be read again for its result")
            self._watch.deadline = math.inf  # the wait is over
            return self._conclude(self._look() or again)
        return self._conclude(fired)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Take the end of a deferral; Airflow's own sensor would skip a refused order under soft_fail."""
        if next_method != _DEFERRAL_FAILED:
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        said = next_kwargs or {}
        if trace := said.get("traceback"):
            self.log.error("Trigger failed:\n%s", "\n".join(trace))
        reason = str(said.get("error", "for an unknown reason"))
        if "timeout" in reason.lower():
            return self._conclude(self._timeout(f"Job {self.job_id} has not ended in time ({reason})."))
        broken = f"The trigger that waited for job {self.job_id} broke: {reason}"
        return self._conclude(TransientError(broken))

    def on_kill(self) -> None:
        """Say that the job is not stopped."""
        self.log.warning("Job %s goes on at %s, which has no cancel", self.job_id, self.hook_class.hook_name)

    def _first_look(self) -> Job | BaseException:  # noqa: RET503 - defer raises
        """Look once and return the end of the wait, or defer."""
        watch = self._watch
        if (end := self._look()) is not None:
            return end
        if watch.over:
            return self._timeout(f"Job {self.job_id} has not ended within {self._limit:.0f} s.")
        trigger, timeout = watch.trigger(self._pauses(FIRST_LOOK))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    def _look(self) -> Job | AirflowException | None:
        """Return the end of the wait as far as one look tells it, None where the wait goes on."""
        try:
            return self._watch.look()
        except AirflowException as error:
            return error

    def _conclude(self, end: Job | BaseException) -> Any:
        """Return the result of the wait, or raise what its end means under soft_fail and never_fail."""
        try:
            if isinstance(end, BaseException):
                raise end
            options = {name: getattr(self, name) for name in self.outcome_options}
            outcome = self.hook.outcome(end, **options)
        except _TIMEOUTS as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(f"Skipped on a time-out: {error}") from error
            raise
        except AirflowException as error:
            if self.never_fail:
                raise AirflowSkipException(f"Skipped because of never_fail: {error}") from error
            raise
        if outcome.warning:
            self.log.warning(outcome.warning)
        if outcome.skipped:
            raise AirflowSkipException(outcome.skipped)
        return outcome.result

    @property
    def _limit(self) -> float:
        """Return the seconds that the wait may last; Airflow 3 ignores execution_timeout while deferred."""
        return min(self.timeout, self._execution_limit)

    @property
    def _execution_limit(self) -> float:
        return self.execution_timeout.total_seconds() if self.execution_timeout else math.inf

    def _timeout(self, message: str) -> BaseException:
        """Return the time-out that Airflow would raise: that of the task is retried, the sensor's is not."""
        kind = AirflowTaskTimeout if self._execution_limit < self.timeout else AirflowSensorTimeout
        return kind(message)

    def _pauses(self, first: float) -> Pauses:
        return Pauses(
            self.poke_interval if self.own_interval else None,
            self.exponential_backoff,
            self.max_wait.total_seconds() if self.max_wait else None,
            first,
        )

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Return the pause of poke and reschedule mode; Airflow's own has no jitter and no growth."""
        if self.exponential_backoff:
            pause = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        else:
            first = FIRST_LOOK if self.reschedule else 1.0
            pause = self._pauses(first).after(run_duration(), random.SystemRandom())
        return max(pause, self._watch.quiet_until - time.time())


class ZuoraJobSensor(JobSensor):
    """
    Wait until a job of Zuora's asynchronous orders has ended, and return its result.

    All that is said of `JobSensor` holds.

    :param job_id: what ``ZuoraCreateOrderOperator`` returned.
    :param zuora_conn_id: the Airflow connection.
    :param require_order_completed: True: a completed job whose order is not Completed (it may wait for an
        activation) fails the task; False: the log warns of it.
    """

    hook_class = ZuoraHook
    outcome_options = ("require_order_completed",)
    template_fields: Sequence[str] = ("job_id", "zuora_conn_id")

    def __init__(
        self,
        *,
        job_id: str,
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        require_order_completed: bool = False,
        **kwargs: Any,
    ):
        super().__init__(job_id=job_id, **kwargs)
        self.zuora_conn_id = zuora_conn_id
        self.require_order_completed = require_order_completed
