"""Wait for jobs in the triggerer; whatever blocks an event loop is done elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSuccessEvent, TriggerEvent

from airflow_provider_zuora.core.errors import ApiError, InvalidInput
from airflow_provider_zuora.core.job import JobResult, JobResults, check_job_ids, name_jobs
from airflow_provider_zuora.core.polling.events import (
    EVENT_SIZE,
    DeferredResults,
    pack_ids,
    read_results,
    unpack_ids,
)
from airflow_provider_zuora.core.polling.wait import (
    MAX_POLL_ERRORS,
    NEW_JOB_SECONDS,
    PollOptions,
    PollSchedule,
)
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.by_type import HOOKS
from airflow_provider_zuora.triggers.xcoms import RETURN_VALUE, forget_xcoms, push_result, read_xcom

RESULTS = "results"
"""The XCom key of what became of each of many."""
_LEFT = (RETURN_VALUE, RESULTS)  # XComs of a task that waits
_ARGUMENTS = (
    "vendor",
    "conn_id",
    "job_id",
    "job_ids",
    "poke_interval",
    "exponential_backoff",
    "max_wait",
    "started",
    "unknown_until",
    "not_before",
    "deadline",
    "max_errors",
    "starts",
    "ends",
)


class JobTrigger(BaseTrigger):
    """
    Wait until a job has ended, or all of many, and fire one event that `read_event` understands.

    All arguments are plain JSON and have defaults; those that only another release knows are ignored. A
    triggerer that takes over goes on where the last one was: all times are absolute. How much of them is left
    it reads off the wall clock once, as it begins, and who sets that clock later puts off no look and no end.

    :param vendor: the connection type of the vendor.
    :param conn_id: the Airflow connection.
    :param job_id: the job; ``job_ids`` stands for it where there are many, packed by `pack_ids`.
    :param poke_interval: seconds between two looks; None: growing by half, from 10 s to 60 s.
    :param exponential_backoff: Airflow's; ``max_wait``, seconds, too.
    :param started: epoch seconds at which the wait began; None: now.
    :param unknown_until: epoch seconds until which the vendor may not know a job that was just issued; None:
        a job that it does not know ends the wait at once.
    :param not_before: epoch seconds before which no look is taken.
    :param deadline: epoch seconds at which the last look is taken; None: never.
    :param max_errors: so many looks in a row that fail for a passing reason end the wait; None: never.
    :param starts: for a task that starts here, what a worker would have told: ``limit``, seconds, how long it
        may wait; ``lasts``, seconds, after how long Airflow ends the deferral; ``task_id`` and ``key`` of the
        XCom that holds the id or a list of them, None where ``job_id`` or ``job_ids`` does.
    :param ends: how a task whose jobs all completed ends here, without a worker: ``options`` of the outcome;
        ``many``, whether the result is a list; ``push``, whether it becomes an XCom; ``dag_result``, whether
        it is the DAG's result too.
    """

    event_size = EVENT_SIZE
    """The most characters of JSON in the event; a worker reads larger results again."""

    def __init__(  # noqa: PLR0913 - what a triggerer needs to go on
        self,
        *,
        vendor: str = "zuora",
        conn_id: str = "zuora_default",
        job_id: str = "",
        job_ids: str = "",
        poke_interval: float | None = None,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        started: float | None = None,
        unknown_until: float | None = None,
        not_before: float = 0.0,
        deadline: float | None = None,
        max_errors: int | None = MAX_POLL_ERRORS,
        starts: Mapping[str, Any] | None = None,
        ends: Mapping[str, Any] | None = None,
        **others: Any,
    ):
        super().__init__()
        self.vendor = vendor
        self.conn_id = conn_id
        self.job_id = job_id
        self.job_ids = job_ids
        self.poke_interval = poke_interval
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.started = time.time() if started is None else started
        self.unknown_until = unknown_until
        self.not_before = not_before
        self.deadline = deadline
        self.max_errors = max_errors
        self.starts = starts
        self.ends = ends
        self._given: tuple[str, ...] | None = None
        self._many: bool | None = None
        if others:
            self.log.warning("Ignored the arguments of another release: %s", ", ".join(sorted(others)))

    @classmethod
    def of(cls, job_ids: Sequence[str], **arguments: Any) -> JobTrigger:
        """Return a trigger for jobs, each named once; a single id stays readable in Airflow's database."""
        if len(job_ids) == 1:
            return cls(job_id=job_ids[0], **arguments)
        return cls(job_ids=pack_ids(job_ids), **arguments)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and all arguments; there is no secret among them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in _ARGUMENTS}

    def render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: Airflow 3.3 would hang where a template of a task that starts here asks for an XCom."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; fire one event, which ends the task where it may."""
        event = await self._waited()
        if await self._end_here(event):
            yield TaskSuccessEvent()
        else:
            yield TriggerEvent(event)

    async def _waited(self) -> dict[str, Any]:
        """Wait, and return the event that tells of its end."""
        try:
            if self.starts is not None:
                await self._start_here(self.starts)
            if not (job_ids := self._job_ids):
                return {"status": "nothing"}
            wait = PollOptions(
                started=self.started,
                not_before=self.not_before,
                deadline=math.inf if self.deadline is None else self.deadline,
                schedule=PollSchedule(self.poke_interval, self.exponential_backoff, self.max_wait),
                max_errors=self.max_errors,
                unknown_until=-math.inf if self.unknown_until is None else self.unknown_until,
            )
            return (
                await HOOKS[self.vendor](self.conn_id).wait_for_results(job_ids, wait, self.event_size)
            ).as_event()
        except ApiError as error:
            return {"status": "error", "message": str(error), "transient": error.transient}
        except AirflowException as error:  # the connection is missing, for example
            return {"status": "error", "message": str(error), "transient": True}

    async def _start_here(self, starts: Mapping[str, Any]) -> None:
        """
        Find out when the wait began, and for what, where no worker has told.

        The arguments are those of the DAG, so a triggerer that takes over finds them as they were: the one
        time that stays is when Airflow ends the deferral.
        """
        ends_at: datetime | None = getattr(self, "timeout_after", None)
        if ends_at is not None:
            aware = ends_at if ends_at.tzinfo else ends_at.replace(tzinfo=UTC)
            self.started = aware.timestamp() - starts["lasts"]
        self.deadline = self.started + starts["limit"]
        self.unknown_until = self.started + NEW_JOB_SECONDS
        ti: Any = self.task_instance
        await forget_xcoms(ti, _LEFT)
        if starts["task_id"] is not None:
            found = await read_xcom(ti, starts["task_id"], starts["key"])
            self._given = _ids_in(found, starts["task_id"], starts["key"])
            self._many = not isinstance(found, str)

    async def _end_here(self, event: Mapping[str, Any]) -> bool:
        """
        Leave the result where all jobs completed, and say whether the task ends here.

        Whatever else there is to say, a failure, a warning, a large result, is for a worker to say.
        """
        ti, ends = self.task_instance, self.ends
        if ends is None or ti is None or not isinstance(fired := read_event(event), list):
            return False
        given = self._job_ids if self._given is None else self._given
        many = ends["many"] if self._many is None else self._many
        try:
            vendor = HOOKS[self.vendor](self.conn_id).vendor
            found = JobResults.of(given, fired, partial(vendor.read_result, options=ends["options"]))
            if not found.is_complete or found.warnings:
                return False
            results = [each.result for each in found.each]
            result = results if many else results[0]
            if result is None:
                return False
            if ends["push"]:
                await push_result(ti, result, dag_result=ends["dag_result"])
        except (ApiError, AirflowException) as error:
            self.log.warning("A worker ends the task: %s", error)
            return False
        return True

    async def on_kill(self) -> None:
        """Say that nobody waits here any more; Airflow calls this also if another triggerer takes over."""
        self.log.info(
            "This triggerer waits no longer; at the vendor all goes on: %s", name_jobs(self._job_ids)
        )

    @property
    def _job_ids(self) -> tuple[str, ...]:
        if self._given is not None:
            return tuple(dict.fromkeys(self._given))
        return unpack_ids(self.job_ids) if self.job_ids else (self.job_id,)


def _ids_in(found: Any, task_id: str, key: str) -> tuple[str, ...]:
    """Return the ids that an XCom holds, as they stand there."""
    if found is None:
        raise InvalidInput(f"job_id: task {task_id} has left no XCom {key}. Nothing was asked.")
    try:
        return check_job_ids(found)
    except InvalidInput as error:
        said = f"job_id: the XCom {key} of task {task_id} does not name jobs. Nothing was asked."
        raise InvalidInput(said, error.violations) from error


def start_args(trigger: JobTrigger, seconds: float) -> StartTriggerArgs:
    """
    Return what makes a task start with a trigger; each parse makes the same, or the DAG would be a new one.

    :param seconds: after how long the trigger must have fired.
    """
    path, kwargs = trigger.serialize()
    return StartTriggerArgs(
        trigger_cls=path,
        trigger_kwargs=kwargs | {"started": None},
        next_method="execute_complete",
        timeout=timedelta(seconds=seconds),
    )


def read_event(event: Any) -> list[JobResult] | DeferredResults | AirflowException:
    """
    Return what an event of ours says: how the waits ended, what to read again, or an error to raise.

    Anything else, None and the texts of ``dag.test()`` included, is an error: it is never taken for success.
    """
    fields = event if isinstance(event, Mapping) else {}
    try:
        match fields.get("status"):
            case "ended":
                return read_results(fields)
            case "nothing":
                return []
            case "error":
                kind = {True: TransientError, False: PermanentError}[fields["transient"]]
                return kind(str(fields["message"]))
    except (KeyError, TypeError, ValueError) as error:
        return PermanentError(f"The trigger fired an event that is not ours ({error!r}): {event!r:.200}")
    return PermanentError(f"The trigger fired an event that is not ours: {event!r:.200}")
