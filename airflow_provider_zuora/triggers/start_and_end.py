"""Tasks that begin or end in the triggerer: what is refused, and what a trigger does in place of a worker.

It knows the names of Airflow's operators and imports none of them. A trigger asks Airflow through its
triggerer's supervisor, never so that the event loop blocks, and with a bound: what the supervisor does not
know it leaves without an answer (``GetXComSequenceSlice`` of Airflow 3.3), and the trigger would hang.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_zuora.core.errors import ApiError, InvalidInput
from airflow_provider_zuora.core.job import JobResults, check_job_ids
from airflow_provider_zuora.core.polling.wait import NEW_JOB_SECONDS
from airflow_provider_zuora.version_compat import (
    AIRFLOW_VERSION,
    JOB_RESULTS,
    RETURN_VALUE,
    SUPPORTS_TASKS_IN_TRIGGERER,
)

if TYPE_CHECKING:
    from airflow_provider_zuora.hooks.base import BaseJobHook
    from airflow_provider_zuora.triggers.jobs import BaseJobTrigger

T = TypeVar("T")

END, START = "end_from_trigger", "start_from_trigger"
_SEE = "Leave out one of the two; what each saves and loses: docs/waiting.md, Fewer workers."
_MAPPED = "mapping: a mapped task needs its workers"
_JINJA = ("{{", "{%", "{#")

# What only a worker does at the end of a task, and at its start; by the attribute of the operator.
_AT_THE_END = {
    "outlets": "outlets: their asset events would not be sent",
    "on_success_callback": "on_success_callback: it would not be called",
    "_post_execute_hook": "post_execute: it would not be called",
    "multiple_outputs": "multiple_outputs: the parts would not be stored",
}
_AT_THE_START = {
    "on_execute_callback": "on_execute_callback: it would not be called",
    "_pre_execute_hook": "pre_execute: it would not be called",
}


def validate_options(sensor: Any) -> None:
    """
    Raise if a sensor asks for more than a trigger can do; to be called again when the DAG is complete.

    :raises ValueError: naming the task, the option and what it does not go with.
    """
    for option, list_more in ((END, _list_losses), (START, _list_unknowns)):
        if not isinstance(value := getattr(sensor, option), bool):
            words = f"{sensor.task_id}: {option}: must be True or False, not {value!r}"
            raise ValueError(words)  # noqa: TRY004 - as everything that is refused while a DAG is parsed
        if value:
            _raise_first(sensor.task_id, option, chain(_list_obstacles(sensor), list_more(sensor)))


def refuse_mapping(operator: type, made: Any) -> Any:
    """
    Return what ``partial()`` has made of an operator, so that it cannot be expanded by these options.

    :raises ValueError: if it, or the DAG's ``default_args``, has one of them.
    """
    given = (getattr(made.kwargs.get("dag"), "default_args", None) or {}) | made.kwargs
    for option in (END, START):
        if given.get(option):
            _raise_first(f"{operator.__name__}.partial()", option, iter([_MAPPED]))
        made.kwargs[option] = False  # Airflow refuses to expand what stands here
    return made


def make_end_options(sensor: Any, *, is_list: bool) -> dict[str, Any]:
    """Return how a trigger may end the task of a sensor, see `end_task`."""
    is_dag_result = bool(getattr(sensor, "returns_dag_result", False))
    return {
        "options": sensor.options,
        "is_list": is_list,
        "push": sensor.do_xcom_push,
        "is_dag_result": is_dag_result,
    }


def find_upstream(job_id: Any) -> tuple[str, str] | None:
    """Return the task and the key of the XCom that ``job_id`` refers to, None if it is a literal."""
    if _is_one_xcom(job_id):
        return str(job_id.operator.task_id), str(job_id.key)
    return None


def _raise_first(who: str, option: str, found: Iterator[str]) -> None:
    for what in found:
        raise ValueError(f"{who}: {option}=True does not go with {what}. {_SEE}")


def _list_obstacles(sensor: Any) -> Iterator[str]:
    """Yield what neither of the options goes with."""
    if not SUPPORTS_TASKS_IN_TRIGGERER:
        yield f"Airflow {AIRFLOW_VERSION}: it needs 3.3 or later"
    if not sensor.deferrable:
        yield "deferrable=False: a worker would wait"
    if sensor.get_closest_mapped_task_group() is not None:
        yield _MAPPED


def _list_losses(sensor: Any) -> Iterator[str]:
    """Yield what a task that ends in the triggerer would lose."""
    names = _AT_THE_END | (_AT_THE_START if getattr(sensor, START) else {})
    yield from (what for name, what in names.items() if getattr(sensor, name, None))
    if sensor.has_dag() and next(sensor.iter_mapped_dependants(), None) is not None:
        yield "a task that is mapped over its result: Airflow would not know the length"


def _list_unknowns(sensor: Any) -> Iterator[str]:
    """Yield what a task that starts in the triggerer would not know, or would bring it down with."""
    if sensor.inlets:  # Airflow 3.3 asks for the assets of an alias where no answer can come
        yield "inlets: the triggerer may not be able to read them"
    if sensor.has_dag() and sensor.params.dump() != sensor.dag.params.dump():
        yield "params of the task: a wrong value would bring the triggerer down"
    for field in sensor.template_fields:
        value: Any = getattr(sensor, field, None)
        if field == "job_id" and _is_one_xcom(value):
            task = value.operator
            if task.is_mapped or task.get_closest_mapped_task_group() is not None:
                yield f"job_id from {task.task_id}, a mapped task: a trigger can read one XCom"
        elif _is_rendered(value):
            yield f"a template in {field}: only a worker renders it. job_id may be the output of a task"


def _is_one_xcom(value: Any) -> bool:
    """Return whether a value is the XComArg of one XCom as it is, neither mapped, zipped nor joined."""
    return hasattr(value, "iter_references") and hasattr(value, "operator") and hasattr(value, "key")


def _is_rendered(value: Any) -> bool:
    """Return whether a worker would turn a value into another one."""
    if isinstance(value, str):
        return any(mark in value for mark in _JINJA)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        return any(map(_is_rendered, value))
    return hasattr(value, "iter_references")


async def find_start(
    trigger: BaseJobTrigger, options: Mapping[str, Any]
) -> tuple[tuple[str, ...], bool | None]:
    """
    Set the times of a wait that no worker has begun; return the ids as given, and if they are a list.

    The arguments are those of the DAG, so a triggerer that takes over finds them as they were: the one time
    that stays is when Airflow ends the deferral.

    :param options: what a worker would have told: ``limit``, seconds, how long the task may wait; ``lasts``,
        seconds, after how long Airflow ends the deferral; ``task_id`` and ``key`` of the XCom that holds the
        id or a list of them, None if the trigger's ``job_id`` or ``job_ids`` does.
    :return: the second is None if the DAG says so.
    """
    ends_at: datetime | None = getattr(trigger, "timeout_after", None)
    if ends_at is not None:
        aware = ends_at if ends_at.tzinfo else ends_at.replace(tzinfo=UTC)
        trigger.started = aware.timestamp() - options["lasts"]
    trigger.deadline = trigger.started + options["limit"]
    trigger.unknown_until = trigger.started + NEW_JOB_SECONDS
    task_id, key = options["task_id"], options["key"]
    xcoms = _XComs(trigger.task_instance, trigger.airflow_timeout)
    await xcoms.delete((RETURN_VALUE, JOB_RESULTS))
    if task_id is None:
        return trigger.list_job_ids(), None
    found = await xcoms.read(task_id, key)
    if found is None:
        raise InvalidInput(f"job_id: task {task_id} has left no XCom {key}. Nothing was asked.")
    try:
        return check_job_ids(found), not isinstance(found, str)
    except InvalidInput as error:
        words = f"job_id: the XCom {key} of task {task_id} does not name jobs. Nothing was asked."
        raise InvalidInput(words, error.violations) from error


async def end_task(
    trigger: BaseJobTrigger, hook: BaseJobHook, job_ids: Sequence[str], results: Any, *, is_list: bool | None
) -> bool:
    """
    Leave the result if all jobs completed, and return whether the task ends here.

    Whatever else there is to say, a failure, a warning, a large result, is for a worker to say. How it ends
    stands in the ``end_options`` of the trigger: ``options`` of the result; ``is_list``, whether it is a
    list; ``push``, whether it becomes an XCom; ``is_dag_result``, whether it is the DAG's result too.

    :param job_ids: as they were given.
    :param results: what the event tells, see `read_event`.
    :param is_list: stands for that of ``end_options``.
    """
    ti, end = trigger.task_instance, trigger.end_options
    if end is None or ti is None or not isinstance(results, list):
        return False
    try:
        found = JobResults.of(job_ids, results, partial(hook.vendor.read_result, options=end["options"]))
        if not found.is_complete or found.warnings:
            return False
        values = [each.result for each in found.each]
        result = values if (end["is_list"] if is_list is None else is_list) else values[0]
        if result is None:
            return False
        if end["push"]:
            xcoms = _XComs(ti, trigger.airflow_timeout)
            await xcoms.push_result(result, is_dag_result=end["is_dag_result"])
    except (ApiError, AirflowException) as error:
        trigger.log.warning("A worker ends the task: %s", error)
        return False
    return True


class NoAnswer(AirflowException):
    """Airflow did not do what a trigger asked of it, or not in time."""


class _XComs:
    """
    The XComs that a trigger's task reads and leaves.

    :param ti: whose trigger it is, as the triggerer says: a task instance by its ids.
    :param patience: seconds that an answer of Airflow's is waited for.
    """

    def __init__(self, ti: Any, patience: float):
        self._ti = ti
        self._patience = patience
        self._place = {name: getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")}

    async def read(self, task_id: str, key: str) -> Any:
        """Return what an unmapped task of the same run left under a key, None if it left nothing."""

        def read() -> Any:
            from airflow.providers.common.compat.sdk import XCom

            return XCom.get_one(key=key, **{**self._place, "task_id": task_id, "map_index": -1})

        return await self._ask(f"read the XCom {key} of task {task_id}", read)

    async def push_result(self, value: Any, *, is_dag_result: bool) -> None:
        """Leave the task's return value, as a worker would, and replace what stands there."""

        def push() -> None:
            from airflow.providers.common.compat.sdk import XCom

            XCom.set(key=RETURN_VALUE, value=value, dag_result=is_dag_result, **self._place)

        await self._ask("store the task's result", push)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete what an earlier try left, which Airflow does for the tries that begin on a worker only."""

        def delete() -> None:
            from airflow.providers.common.compat.sdk import XCom

            for key in keys:
                XCom.delete(key=key, **self._place)

        if self._ti.try_number > 1:
            await self._ask("delete the XComs of an earlier try", delete)

    async def _ask(self, what: str, call: Callable[[], T]) -> T:
        """
        Ask on a thread, as an XCom backend may block; what it raises is anybody's guess.

        :raises NoAnswer: if nobody can tell whether it was done.
        """
        asked = asyncio.ensure_future(asyncio.to_thread(call))
        try:
            await asyncio.wait({asked}, timeout=self._patience)
            if not asked.done():
                raise NoAnswer(f"Airflow did not {what} within {self._patience:.0f} s")
            if error := asked.exception():
                raise NoAnswer(f"Airflow could not {what}: {error!r:.500}") from error
            return asked.result()
        finally:
            asked.cancel()
