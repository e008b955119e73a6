"""A wait that no trigger has ended, so that Airflow did: a last poll takes the place of the trigger."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.airflow_context.deferral import BaseWaitingTask, JobWait
from airflow_provider_zuora.core.job import name_jobs
from airflow_provider_zuora.core.polling.events import ResultsEvent, WaitTotals

AIRFLOW_ENDS_IT = "__fail__"
"""Airflow's name of the method that it resumes after a timeout, or if the trigger broke."""

_NO_TRIGGER = (
    "no trigger has ended the wait in {:.0f} s, so Airflow did ({}), and a worker has polled once more. Is a "
    "triggerer running? `airflow jobs check --job-type TriggererJob` tells, `airflow triggerer` starts one."
)


def make_last_event(
    task: BaseWaitingTask, failure: Mapping[str, Any], job_ids: Sequence[str], totals: WaitTotals
) -> dict[str, Any]:
    """
    Return the event that ends a task's wait as a trigger's would; after a timeout it holds a last poll.

    :param failure: what Airflow says, ``error`` and perhaps ``traceback``.
    :param totals: what the wait took before it was handed to a trigger, as far as it is known.
    """
    if trace := failure.get("traceback"):
        task.log.error("Trigger failed:\n%s", "\n".join(trace))
    reason = str(failure.get("error", "for an unknown reason"))
    totals = replace(totals, polls=None)  # a trigger may have sent some
    task.note_event({"totals": totals.as_dict()})
    if "timeout" in reason.lower():  # Airflow has no other sign of it
        event = _poll_last(task, reason, job_ids, totals.started)
    else:
        broken = f"The trigger that waited for {name_jobs(job_ids)} broke: {reason}"
        event = {"status": "error", "message": broken, "transient": True}
    return event | {"totals": totals.as_dict()}


def _poll_last(
    task: BaseWaitingTask, reason: str, job_ids: Sequence[str], started: float | None
) -> dict[str, Any]:
    """Poll each job once, which submits nothing; what has not ended has timed out."""
    seconds = task.time_limit if started is None else time.time() - started
    why = _NO_TRIGGER.format(seconds, reason)
    task.log.warning("%s: %s", name_jobs(job_ids), why)
    wait = JobWait.start(0, task.hook, job_ids, started=started)
    event = ResultsEvent(wait.polls.job_ids, sys.maxsize)
    for result in wait.poll_last(why):
        event.add(result, wait.clock())
    return event.as_event()
