"""Wait for jobs in the triggerer; whatever blocks an event loop is done elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.job import JobResult, name_jobs
from airflow_provider_zuora.core.polling.events import (
    EVENT_SIZE,
    DeferredResults,
    ResultsEvent,
    pack_ids,
    read_results,
    unpack_ids,
)
from airflow_provider_zuora.core.polling.wait import MAX_POLL_ERRORS, PollOptions, PollSchedule
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.triggers.start_and_end import end_task, find_start

_ARGUMENTS = (
    "conn_id",
    "job_id",
    "job_ids",
    "poll_interval",
    "exponential_backoff",
    "max_wait",
    "started",
    "unknown_until",
    "not_before",
    "deadline",
    "max_errors",
    "start_options",
    "end_options",
)


class BaseJobTrigger(BaseTrigger):
    """
    Wait until a job has ended, or all of many, and fire one event that `read_event` understands.

    All arguments are plain JSON and have defaults; those that only another release knows are ignored. A
    triggerer that takes over goes on where the last one was: all times are absolute. How much of them is left
    it reads off the wall clock once, as it begins, and who sets that clock later puts off no poll and no end.

    A subclass names its hook. Its path stands in the databases of users: it must not change.

    :param conn_id: the Airflow connection; None: the default one of the vendor.
    :param job_id: the job; ``job_ids`` replaces it for many, packed by `pack_ids`.
    :param poll_interval: seconds between two polls; None: growing by half, from 10 s to 60 s.
    :param exponential_backoff: Airflow's; ``max_wait``, seconds, too.
    :param started: epoch seconds at which the wait began; None: now.
    :param unknown_until: epoch seconds until which the vendor may not know a job that was just issued; None:
        a job that it does not know ends the wait at once.
    :param not_before: epoch seconds before which no poll is sent.
    :param deadline: epoch seconds at which the last poll is sent; None: never.
    :param max_errors: so many polls in a row that fail for a passing reason end the wait; None: never.
    :param start_options: for a task that starts here, see `start_and_end.find_start`; else None.
    :param end_options: for a task that may end here, see `start_and_end.end_task`; else None.
    """

    hook_class: ClassVar[type[BaseJobHook]]
    event_size = EVENT_SIZE
    """The most characters of JSON in the event; a worker reads larger results again."""
    airflow_timeout = 60.0
    """Seconds that an answer of Airflow's is waited for; the first of a new triggerer takes up to five."""

    def __init__(  # noqa: PLR0913 - what a triggerer needs to go on
        self,
        *,
        conn_id: str | None = None,
        job_id: str = "",
        job_ids: str = "",
        poll_interval: float | None = None,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        started: float | None = None,
        unknown_until: float | None = None,
        not_before: float = 0.0,
        deadline: float | None = None,
        max_errors: int | None = MAX_POLL_ERRORS,
        start_options: Mapping[str, Any] | None = None,
        end_options: Mapping[str, Any] | None = None,
        **others: Any,
    ):
        super().__init__()
        self.conn_id = conn_id or f"{self.hook_class.conn_type}_default"
        self.job_id = job_id
        self.job_ids = job_ids
        self.poll_interval = poll_interval
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.started = self.clock() if started is None else started
        self.unknown_until = unknown_until
        self.not_before = not_before
        self.deadline = deadline
        self.max_errors = max_errors
        self.start_options = start_options
        self.end_options = end_options
        self._job_ids: tuple[str, ...] = ()
        if others:
            self.log.warning("Ignored the arguments of another release: %s", ", ".join(sorted(others)))

    @staticmethod
    def clock() -> float:
        """Return the seconds since 1970."""
        return time.time()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and all arguments; there is no secret among them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in _ARGUMENTS}

    def render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: Airflow 3.3 would hang if a template of a task that starts here asked for an XCom."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; fire one event, which ends the task if it may."""
        hook, is_list = self.hook_class(self.conn_id), None
        try:
            self._job_ids = self.list_job_ids()
            if self.start_options is not None:
                self._job_ids, is_list = await find_start(self, self.start_options)
            event = await self._wait_for(hook, tuple(dict.fromkeys(self._job_ids)))
        except ApiError as error:
            event = {"status": "error", "message": str(error), "transient": error.transient}
        except AirflowException as error:  # the connection is missing, for example
            event = {"status": "error", "message": str(error), "transient": True}
        if self.end_options is not None and await end_task(
            self, hook, self._job_ids, read_event(event), is_list=is_list
        ):
            yield TaskSuccessEvent()
        else:
            yield TriggerEvent(event)

    async def _wait_for(self, hook: BaseJobHook, job_ids: Sequence[str]) -> dict[str, Any]:
        """Wait for jobs, and return the event that tells of their results."""
        if not job_ids:
            return {"status": "nothing"}
        options = PollOptions(
            started=self.started,
            not_before=self.not_before,
            deadline=math.inf if self.deadline is None else self.deadline,
            schedule=PollSchedule(self.poll_interval, self.exponential_backoff, self.max_wait),
            max_errors=self.max_errors,
            unknown_until=-math.inf if self.unknown_until is None else self.unknown_until,
        )
        event = ResultsEvent(job_ids, self.event_size)
        await hook._wait_for_jobs(job_ids, options, event.add)
        return event.as_event()

    async def on_kill(self) -> None:
        """Say that nobody waits here any more; Airflow calls this also if another triggerer takes over."""
        words = "This triggerer waits no longer; at the vendor all goes on: %s"
        self.log.info(words, name_jobs(self._job_ids or self.list_job_ids()))

    def list_job_ids(self) -> tuple[str, ...]:
        """Return the ids that the arguments name."""
        return unpack_ids(self.job_ids) if self.job_ids else (self.job_id,)


class ZuoraJobTrigger(BaseJobTrigger):
    """Wait for jobs of Zuora; see `BaseJobTrigger`."""

    hook_class = ZuoraHook


class ElasticPathJobTrigger(BaseJobTrigger):
    """Wait for exports of Elastic Path; see `BaseJobTrigger`."""

    hook_class = ElasticPathHook


TRIGGERS: Mapping[str, type[BaseJobTrigger]] = {
    trigger.hook_class.conn_type: trigger for trigger in (ZuoraJobTrigger, ElasticPathJobTrigger)
}
"""The triggers by the type of their connections."""


def make_ids_arguments(job_ids: Sequence[str]) -> dict[str, str]:
    """Return the arguments that name jobs, each once; a single id stays readable in Airflow's database."""
    return {"job_id": job_ids[0]} if len(job_ids) == 1 else {"job_ids": pack_ids(job_ids)}


def read_event(event: Any) -> list[JobResult] | DeferredResults | AirflowException:
    """
    Return what an event of ours tells: the results, what to read again, or an error to raise.

    Anything else, None and the texts of ``dag.test()`` included, is an error, and never mistaken for success.
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
