"""What a trigger does when its task ends without it: Airflow 3.3 and later tell it so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

if TYPE_CHECKING:
    from airflow_provider_zuora.triggers.jobs import BaseJobTrigger

_OVER = ("success", "failed", "skipped", "upstream_failed", "removed")


async def is_task_over(trigger: BaseJobTrigger) -> bool:
    """
    Return whether Airflow says that the trigger's task has ended; False if it does not say so.

    Airflow calls ``on_kill`` of a trigger also when another triggerer takes it over, and after a clear, when
    the next try may wait for the same job.
    """
    ti: Any = trigger.task_instance
    seconds = trigger.airflow_timeout
    asked = asyncio.ensure_future(asyncio.to_thread(_read_state, ti))
    try:
        state = await asyncio.wait_for(asked, seconds)
    except (AirflowException, TimeoutError, OSError, RuntimeError) as error:
        trigger.log.warning("Whether the task has ended is unknown, so nothing is cancelled: %r", error)
        return False
    return str(state) in _OVER


def _read_state(ti: Any) -> Any:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    return next(iter((states.get(ti.run_id) or {}).values()), None)
