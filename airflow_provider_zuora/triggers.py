"""Wait for a job in the triggerer; whatever blocks an event loop is done elsewhere."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowSensorTimeout
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_zuora.core.errors import ApiError, TimedOut
from airflow_provider_zuora.core.jobs import Job
from airflow_provider_zuora.core.waiting import MAX_POLL_ERRORS, Pauses, Wait
from airflow_provider_zuora.hooks import HOOKS, PermanentError, TransientError

_ARGUMENTS = (
    "vendor",
    "conn_id",
    "job_id",
    "poke_interval",
    "exponential_backoff",
    "max_wait",
    "started",
    "not_before",
    "deadline",
    "max_errors",
)
_RESULT_SIZE = 32 * 1024  # characters of JSON; a larger result is read again by the worker


class JobTrigger(BaseTrigger):
    """
    Wait until a job has ended, and fire one event that `read_event` understands.

    All arguments are plain JSON and have defaults; those that only another release knows are ignored. A
    triggerer that takes over goes on where the last one was: all times are absolute.

    :param vendor: the connection type of the vendor.
    :param conn_id: the Airflow connection.
    :param job_id: the job.
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
        self.poke_interval = poke_interval
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.started = time.time() if started is None else started
        self.not_before = not_before
        self.deadline = deadline
        self.max_errors = max_errors
        if others:
            self.log.warning("Ignored the arguments of another release: %s", ", ".join(sorted(others)))

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
            job = await HOOKS[self.vendor](self.conn_id).ended_job(self.job_id, wait)
        except TimedOut as error:
            yield TriggerEvent({"status": "timeout", "message": str(error)})
        except ApiError as error:
            yield TriggerEvent({"status": "error", "message": str(error), "transient": error.transient})
        except AirflowException as error:  # the connection is missing, for example
            yield TriggerEvent({"status": "error", "message": str(error), "transient": True})
        else:
            yield TriggerEvent(_event(job))

    async def on_kill(self) -> None:
        """Say that the job is not stopped; vendors have no cancel."""
        self.log.warning("Job %s goes on at the vendor, which has no cancel", self.job_id)


def _event(job: Job) -> dict[str, Any]:
    fields = job.as_dict()
    whole = len(json.dumps(fields)) <= _RESULT_SIZE
    return {"status": "ended", "job": fields if whole else {**fields, "result": None}, "whole": whole}


def read_event(event: Any) -> Job | str | AirflowException:
    """
    Return what an event of ours says: the job that ended, the id of one to read again, or an error to raise.

    Anything else, None and the texts of ``dag.test()`` included, is an error: it is never taken for success.
    """
    fields = event if isinstance(event, Mapping) else {}
    try:
        match fields.get("status"):
            case "ended":
                job = Job.from_dict(fields["job"])
                if job.ended:
                    return job if fields["whole"] is True else job.job_id
            case "timeout":
                return AirflowSensorTimeout(str(fields["message"]))
            case "error":
                kind = {True: TransientError, False: PermanentError}[fields["transient"]]
                return kind(str(fields["message"]))
    except (KeyError, TypeError, ValueError) as error:
        return PermanentError(f"The trigger fired an event that is not ours ({error!r}): {event!r:.200}")
    return PermanentError(f"The trigger fired an event that is not ours: {event!r:.200}")
