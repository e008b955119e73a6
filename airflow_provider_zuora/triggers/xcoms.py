"""What a trigger asks of Airflow through its triggerer's supervisor: XComs; never blocking the event loop.

An answer is waited for with a bound, and never asked for in a way that the supervisor does not know: it gives
no answer then, and the trigger would hang (``GetXComSequenceSlice`` of Airflow 3.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from airflow.providers.common.compat.sdk import AirflowException

T = TypeVar("T")

RETURN_VALUE = "return_value"
_PATIENCE = 60.0  # seconds; the first answer of a new triggerer takes up to five


class NoAnswer(AirflowException):
    """Airflow did not do what a trigger asked of it, or not in time."""


class TaskInstance(Protocol):
    """Whose trigger it is, as the triggerer says."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int


async def read_xcom(ti: TaskInstance, task_id: str, key: str) -> Any:
    """
    Return what an unmapped task of the same run left under a key, None where it left nothing.

    :raises NoAnswer: where it could not be read.
    """

    def read() -> Any:
        from airflow.providers.common.compat.sdk import XCom

        return XCom.get_one(key=key, dag_id=ti.dag_id, run_id=ti.run_id, task_id=task_id, map_index=-1)

    return await _asked(f"read the XCom {key} of task {task_id}", read)


async def push_result(ti: TaskInstance, value: Any, *, dag_result: bool = False) -> None:
    """
    Leave a task's return value, as a worker would, and replace what stands there.

    :param dag_result: the value is the result of the whole DAG too.
    :raises NoAnswer: where nobody can tell whether it is there.
    """

    def push() -> None:
        from airflow.providers.common.compat.sdk import XCom

        XCom.set(
            key=RETURN_VALUE,
            value=value,
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=ti.map_index,
            dag_result=dag_result,
        )

    await _asked("store the task's result", push)


async def forget_xcoms(ti: TaskInstance, keys: tuple[str, ...]) -> None:
    """
    Take away what an earlier try left, which Airflow does for the tries that begin on a worker only.

    :raises NoAnswer: where nobody can tell whether it is gone.
    """

    def forget() -> None:
        from airflow.providers.common.compat.sdk import XCom

        for key in keys:
            XCom.delete(
                key=key, dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=ti.map_index
            )

    if ti.try_number > 1:
        await _asked("take away the XComs of an earlier try", forget)


async def _asked(what: str, call: Callable[[], T]) -> T:
    """Ask on a thread, as an XCom backend may block; what it raises is anybody's guess."""
    asked = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        await asyncio.wait({asked}, timeout=_PATIENCE)
        if not asked.done():
            raise NoAnswer(f"Airflow did not {what} within {_PATIENCE:.0f} s")
        if error := asked.exception():
            raise NoAnswer(f"Airflow could not {what}: {error!r:.500}") from error
        return asked.result()
    finally:
        asked.cancel()
