"""What a trigger does when its task ends without it: Airflow 3.3 and later tell it so."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

if TYPE_CHECKING:
    from airflow_provider_zuora.triggers.jobs import BaseJobTrigger

_SECONDS = 15.0  # that Airflow may take to answer; it gives ``on_kill`` 30 by default
_UNKNOWN = (
    *(AirflowException, AttributeError, ImportError, KeyError, OSError, RuntimeError, TimeoutError),
    *(TypeError, ValueError),
)
_OVER = ("success", "failed", "skipped", "upstream_failed", "removed")


_running: set[asyncio.Task[None]] = set()  # an event loop holds no reference to its tasks


async def finish(work: Coroutine[Any, Any, None]) -> None:
    """Do work to its end, even if the coroutine that waits for it is cancelled, as Airflow 3.3 does twice."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    await asyncio.shield(task)


async def is_task_over(trigger: BaseJobTrigger) -> bool:
    """
    Return whether Airflow says that the trigger's task has ended; False if it does not say so.

    Airflow calls ``on_kill`` of a trigger also when another triggerer takes it over, and after a clear, when
    the next try may wait for the same job.
    """
    ti: Any = trigger.task_instance
    try:
        state = await asyncio.wait_for(asyncio.to_thread(trigger.read_task_state, ti), _SECONDS)
    except _UNKNOWN as error:
        trigger.log.warning("Whether the task has ended is unknown, so nothing is cancelled: %r", error)
        return False
    return str(state) in _OVER
