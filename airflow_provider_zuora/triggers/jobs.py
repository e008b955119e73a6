"""Wait for jobs in the triggerer, without blocking its event loop."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_zuora.airflow_context.metrics import emit
from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.http.cancel import cancel_job
from airflow_provider_zuora.core.job import JobResult, name_jobs
from airflow_provider_zuora.core.metrics import WAITING
from airflow_provider_zuora.core.polling.events import (
    EVENT_SIZE,
    DeferredResults,
    ResultsEvent,
    WaitTotals,
    read_results,
    unpack_ids,
)
from airflow_provider_zuora.core.polling.wait import MAX_POLL_ERRORS, PollOptions, PollSchedule
from airflow_provider_zuora.core.receipt import Receipt
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.session.session import REGISTRY
from airflow_provider_zuora.triggers.kill import finish, is_task_over
from airflow_provider_zuora.triggers.start_and_end import end_task, find_start, store_page
from airflow_provider_zuora.version_compat import read_task_state


class BaseJobTrigger(BaseTrigger):
    """
    Wait until a job has ended, or all of many, and fire one event that `read_event` understands.

    All arguments are plain JSON and have defaults; those of another release are ignored. All times are
    absolute, so that another triggerer can take over; the wall clock is read once, at the start. A subclass
    names its hook. Its path stands in the databases of users: it must not change.

    :param conn_id: the Airflow connection; None: the default one of the vendor.
    :param job_id: the job.
    :param job_ids: many jobs, instead of ``job_id``, packed by `pack_ids`.
    :param poll_interval: seconds between two polls; None: growing by half, from 10 s to 60 s.
    :param exponential_backoff: that of Airflow's sensors.
    :param max_wait: that of Airflow's sensors, in seconds.
    :param started: epoch seconds at which the wait began; None: now.
    :param unknown_until: epoch seconds until which the vendor may not know a job that was just issued; None:
        a job that it does not know ends the wait at once.
    :param not_before: epoch seconds before which no poll is sent.
    :param deadline: epoch seconds at which the last poll is sent; None: never.
    :param max_errors: so many polls in a row that fail for a transient reason end the wait; None: never.
    :param start_options: for a task that starts here, see `start_and_end.find_start`; else None.
    :param end_options: for a task that may end here, see `start_and_end.end_task`; else None.
    :param totals: what the wait took before it came here, see `WaitTotals`; the event has what it took in
        all, as ``totals``.
    :param cancel_on_kill: True: the task started the job, which is cancelled if the task is ended.
    """

    hook_class: ClassVar[type[BaseJobHook]]
    event_size = EVENT_SIZE  # characters of JSON, at the most; a worker reloads larger results
    read_task_state = staticmethod(read_task_state)
    airflow_timeout = 60.0  # seconds, of a call to Airflow; the first of a new triggerer takes up to five

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
        cancel_on_kill: bool = False,
        totals: Mapping[str, Any] | None = None,
        **others: Any,
    ):
        super().__init__()
        self.conn_id = conn_id or f"{self.hook_class.conn_type}_default"
        self.job_id = job_id
        self.job_ids = job_ids
        self.poll_interval = poll_interval
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.started = time.time() if started is None else started
        self.unknown_until = unknown_until
        self.not_before = not_before
        self.deadline = deadline
        self.max_errors = max_errors
        self.start_options = start_options
        self.end_options = end_options
        self.cancel_on_kill = cancel_on_kill
        self.totals = totals
        self._job_ids: tuple[str, ...] = ()
        if others:
            self.log.warning("Ignored the arguments of another release: %s", ", ".join(sorted(others)))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and all arguments; none is a secret."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in _ARGUMENTS}

    def render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: Airflow 3.3 would hang if a template of a task that starts here asked for an XCom."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; fire one event, which ends the task if it may."""
        is_list = None
        try:
            self._job_ids = self.list_job_ids()
            if self.start_options is not None:
                self._job_ids, is_list = await find_start(self, self.start_options)
                job_id = self._job_ids[0] if len(self._job_ids) == 1 else ""
                await store_page(self, Receipt("job", "waiting", job_id))
            event = await self._wait_for(tuple(dict.fromkeys(self._job_ids)))
        except ApiError as error:
            event = self._make_error_event(error, is_transient=error.transient)
        except AirflowException as error:  # the connection is missing, for example
            event = self._make_error_event(error, is_transient=True)
        if self.end_options and await self._end_task(event, is_list):
            yield TaskSuccessEvent()
        else:
            yield TriggerEvent(event)

    async def _end_task(self, event: Mapping[str, Any], is_list: bool | None) -> bool:
        totals = WaitTotals.read(event.get("totals"))
        return await end_task(self, self._job_ids, read_event(event), is_list=is_list, totals=totals)

    def _make_error_event(self, error: Exception, *, is_transient: bool) -> dict[str, Any]:
        event = {"status": "error", "message": str(error), "transient": is_transient, "totals": self.totals}
        return event | ({"job_id": self.job_id} if self.job_id else {})

    async def _wait_for(self, job_ids: Sequence[str]) -> dict[str, Any]:
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
        event, hook = ResultsEvent(job_ids, self.event_size), self.hook_class(self.conn_id)
        _count_waiting(hook.vendor.name, len(job_ids))
        try:
            await hook._wait_for_jobs(job_ids, options, event.add)
        finally:
            _count_waiting(hook.vendor.name, -len(job_ids))
        totals = replace(WaitTotals.read(self.totals), started=self.started).with_polls(event.polls)
        return {**event.as_event(), "totals": totals.as_dict()}

    async def on_kill(self) -> None:
        """Cancel the jobs if the task has ended; Airflow calls this also if another triggerer takes over."""
        if self.cancel_on_kill:
            await finish(self._cancel())
            return
        words = "This triggerer waits no longer; at the vendor all goes on: %s"
        self.log.info(words, name_jobs(self._job_ids or self.list_job_ids()))

    async def _cancel(self) -> None:
        if await is_task_over(self):
            hook = self.hook_class(self.conn_id)
            for job_id in self._job_ids or self.list_job_ids():
                await hook._arun(partial(cancel_job, job_id=job_id))

    def list_job_ids(self) -> tuple[str, ...]:
        """Return the ids in the arguments."""
        return unpack_ids(self.job_ids) if self.job_ids else (self.job_id,)


_ARGUMENTS = tuple(BaseJobTrigger.__init__.__kwdefaults__ or ())


class ZuoraJobTrigger(BaseJobTrigger):
    """
    Wait in the triggerer until jobs of Zuora have ended, and fire one event.

    The arguments are those of `BaseJobTrigger`.
    """

    hook_class = ZuoraHook


class ElasticPathJobTrigger(BaseJobTrigger):
    """
    Wait in the triggerer until exports of Elastic Path have ended, and fire one event.

    The arguments are those of `BaseJobTrigger`.
    """

    hook_class = ElasticPathHook


TRIGGERS: Mapping[str, type[BaseJobTrigger]] = {  # by the type of the connection
    trigger.hook_class.conn_type: trigger for trigger in (ZuoraJobTrigger, ElasticPathJobTrigger)
}


def _count_waiting(vendor: str, change: int) -> None:
    tags = {"vendor": vendor, "hostname": platform.node()}
    emit(WAITING, REGISTRY.count_waiting(vendor, change), tags)


def read_event(event: Any) -> list[JobResult] | DeferredResults | AirflowException:
    """Return what a trigger's event holds: results, what to reload, or an error, as for any other event."""
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
