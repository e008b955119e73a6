"""Wait for jobs in the triggerer; whatever blocks an event loop is done elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_zuora.core.ends import End, Unread, read_ends
from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.ids import named, packed, unpacked
from airflow_provider_zuora.core.waiting import MAX_POLL_ERRORS, Pauses, Wait
from airflow_provider_zuora.hooks import HOOKS, PermanentError, TransientError

_ARGUMENTS = (
    "vendor",
    "conn_id",
    "job_id",
    "job_ids",
    "poke_interval",
    "exponential_backoff",
    "max_wait",
    "started",
    "not_before",
    "deadline",
    "max_errors",
)


class JobTrigger(BaseTrigger):
    """
    Wait until a job has ended, or all of many, and fire one event that `read_event` understands.

    All arguments are plain JSON and have defaults; those that only another release knows are ignored. A
    triggerer that takes over goes on where the last one was: all times are absolute.

    :param vendor: the connection type of the vendor.
    :param conn_id: the Airflow connection.
    :param job_id: the job; ``job_ids`` stands for it where there are many, packed by `core.ids.packed`.
    :param poke_interval: seconds between two looks; None: growing by half, from 10 s to 60 s.
    :param exponential_backoff: Airflow's; ``max_wait``, seconds, too.
    :param started: epoch seconds at which the wait began; None: now.
    :param not_before: epoch seconds before which no look is taken.
    :param deadline: epoch seconds at which the last look is taken; None: never.
    :param max_errors: so many looks in a row that fail for a passing reason end the wait; None: never.
    """

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
        not_before: float = 0.0,
        deadline: float | None = None,
        max_errors: int | None = MAX_POLL_ERRORS,
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
        self.not_before = not_before
        self.deadline = deadline
        self.max_errors = max_errors
        if others:
            self.log.warning("Ignored the arguments of another release: %s", ", ".join(sorted(others)))

    @classmethod
    def of(cls, job_ids: Sequence[str], **arguments: Any) -> JobTrigger:
        """Return a trigger for jobs, each named once; a single id stays readable in Airflow's database."""
        if len(job_ids) == 1:
            return cls(job_id=job_ids[0], **arguments)
        return cls(job_ids=packed(job_ids), **arguments)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and all arguments; there is no secret among them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in _ARGUMENTS}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; fire one event."""
        wait = Wait(
            started=self.started,
            not_before=self.not_before,
            deadline=math.inf if self.deadline is None else self.deadline,
            pauses=Pauses(self.poke_interval, self.exponential_backoff, self.max_wait),
            max_errors=self.max_errors,
        )
        try:
            ends = await HOOKS[self.vendor](self.conn_id).wait_for_ends(self._job_ids, wait)
        except ApiError as error:
            yield TriggerEvent({"status": "error", "message": str(error), "transient": error.transient})
        except AirflowException as error:  # the connection is missing, for example
            yield TriggerEvent({"status": "error", "message": str(error), "transient": True})
        else:
            yield TriggerEvent(ends.as_event())

    async def on_kill(self) -> None:
        """Say that the job is not stopped; vendors have no cancel."""
        self.log.warning("What is at the vendor goes on there, it has no cancel: %s", named(self._job_ids))

    @property
    def _job_ids(self) -> tuple[str, ...]:
        return unpacked(self.job_ids) if self.job_ids else (self.job_id,)


def read_event(event: Any) -> list[End] | Unread | AirflowException:
    """
    Return what an event of ours says: how the waits ended, what to read again, or an error to raise.

    Anything else, None and the texts of ``dag.test()`` included, is an error: it is never taken for success.
    """
    fields = event if isinstance(event, Mapping) else {}
    try:
        match fields.get("status"):
            case "ended":
                return read_ends(fields)
            case "error":
                kind = {True: TransientError, False: PermanentError}[fields["transient"]]
                return kind(str(fields["message"]))
    except (KeyError, TypeError, ValueError) as error:
        return PermanentError(f"The trigger fired an event that is not ours ({error!r}): {event!r:.200}")
    return PermanentError(f"The trigger fired an event that is not ours: {event!r:.200}")
