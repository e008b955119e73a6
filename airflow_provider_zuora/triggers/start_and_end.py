"""Tasks that begin or end in the triggerer: what is refused, and what a trigger does in place of a worker.

A trigger asks Airflow through its triggerer's supervisor, on a thread and with a timeout: a request that the
supervisor does not know (``GetXComSequenceSlice`` of Airflow 3.3) is never answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_zuora.airflow_context.receipts import Notes, find_page, make_receipt
from airflow_provider_zuora.core.errors import ApiError, InvalidInput
from airflow_provider_zuora.core.job import JobResults, check_job_ids
from airflow_provider_zuora.core.polling.events import NO_POLLS, WaitTotals
from airflow_provider_zuora.core.polling.wait import NEW_JOB_SECONDS
from airflow_provider_zuora.core.receipt import Receipt
from airflow_provider_zuora.version_compat import (
    AIRFLOW_VERSION,
    JOB_RESULTS,
    PAGE_URL,
    RECEIPT,
    RETURN_VALUE,
    SUPPORTS_TASKS_IN_TRIGGERER,
)

if TYPE_CHECKING:
    from airflow_provider_zuora.triggers.jobs import BaseJobTrigger

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
    """Raise a `ValueError` if a sensor asks for more than a trigger can do, as far as the DAG is complete."""
    for option, list_more in ((END, _list_losses), (START, _list_unknowns)):
        if not isinstance(value := getattr(sensor, option), bool):
            words = f"{sensor.task_id}: {option}: must be True or False, not {value!r}"
            raise ValueError(words)  # noqa: TRY004 - as everything that is refused while a DAG is parsed
        if value:
            _raise_first(sensor.task_id, option, chain(_list_obstacles(sensor), list_more(sensor)))


def refuse_mapping(operator: type, made: Any) -> Any:
    """Return what ``partial()`` made of an operator; refuse to map it with one of these options."""
    given = (getattr(made.kwargs.get("dag"), "default_args", None) or {}) | made.kwargs
    for option in (END, START):
        if given.get(option):
            _raise_first(f"{operator.__name__}.partial()", option, iter([_MAPPED]))
        made.kwargs[option] = False  # Airflow refuses to expand what stands here
    return made


def find_upstream(job_id: Any) -> tuple[str, str] | None:
    """Return the task and the key of the XCom that ``job_id`` refers to, None if it is a literal."""
    return (str(job_id.operator.task_id), str(job_id.key)) if _is_one_xcom(job_id) else None


def _raise_first(who: str, option: str, found: Iterator[str]) -> None:
    for what in found:
        raise ValueError(f"{who}: {option}=True does not go with {what}. {_SEE}")


def _list_obstacles(sensor: Any) -> Iterator[str]:
    if not SUPPORTS_TASKS_IN_TRIGGERER:
        yield f"Airflow {AIRFLOW_VERSION}: it needs 3.3 or later"
    if not sensor.deferrable:
        yield "deferrable=False: a worker would wait"
    if sensor.get_closest_mapped_task_group() is not None:
        yield _MAPPED


def _list_losses(sensor: Any) -> Iterator[str]:
    names = _AT_THE_END | (_AT_THE_START if getattr(sensor, START) else {})
    yield from (what for name, what in names.items() if getattr(sensor, name, None))
    if sensor.has_dag() and next(sensor.iter_mapped_dependants(), None) is not None:
        yield "a task that is mapped over its result: Airflow would not know the length"


def _list_unknowns(sensor: Any) -> Iterator[str]:
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
    """Return whether a worker would replace a value."""
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
    Set the times of a wait that no worker has begun; return its ids, and whether they are a list, if known.

    :param options: ``limit``, seconds that the task may wait; ``lasts``, seconds after which Airflow ends the
        deferral; ``task_id`` and ``key`` of the XCom that holds the id or a list of them, None if the
        trigger's ``job_id`` or ``job_ids`` does.
    """
    # The arguments stay as the DAG has them: the one time that another triggerer finds is that of Airflow's.
    ends_at: datetime | None = getattr(trigger, "timeout_after", None)
    if ends_at is not None:
        trigger.started = pendulum.instance(ends_at).timestamp() - options["lasts"]  # Airflow's UTC if naive
    trigger.deadline = trigger.started + options["limit"]
    trigger.unknown_until = trigger.started + NEW_JOB_SECONDS
    task_id, key = options["task_id"], options["key"]
    ti: Any = trigger.task_instance
    if ti.try_number > 1:  # Airflow does so for the tries that begin on a worker
        for name in (RETURN_VALUE, JOB_RESULTS, RECEIPT):
            await _call_xcom(trigger, "delete the XComs of an earlier try", "delete", key=name)
    if task_id is None:
        return trigger.list_job_ids(), None
    what = f"read the XCom {key} of task {task_id}"
    found = await _call_xcom(trigger, what, "get_one", key=key, task_id=task_id, map_index=-1)
    if found is None:
        raise InvalidInput(f"job_id: task {task_id} has left no XCom {key}. Nothing was asked.")
    try:
        return check_job_ids(found), not isinstance(found, str)
    except InvalidInput as error:
        words = f"job_id: the XCom {key} of task {task_id} does not name jobs. Nothing was asked."
        raise InvalidInput(words, error.violations) from error


async def end_task(
    trigger: BaseJobTrigger,
    job_ids: Sequence[str],
    results: Any,
    *,
    is_list: bool | None,
    totals: WaitTotals = NO_POLLS,
) -> bool:
    """
    Store the result if all jobs completed, and return whether the task ends here.

    Anything else, a failure, a warning, a large result, is left to a worker. The trigger's ``end_options``
    are: ``options`` of the result; ``is_list``, whether it is a list, unless the argument says it; ``push``,
    whether it becomes an XCom; ``is_dag_result``, whether it is the DAG's result too.

    :param results: what `read_event` returned; ``totals``: what the wait took.
    """
    ti, end = trigger.task_instance, trigger.end_options
    if end is None or ti is None or not isinstance(results, list):
        return False
    try:
        read = partial(trigger.hook_class.vendor.read_result, options=end["options"])
        found = JobResults.of(job_ids, results, read)
        if not found.is_complete or found.warnings:
            return False
        values = [each.result for each in found.each]
        result = values if (end["is_list"] if is_list is None else is_list) else values[0]
        if result is None:
            return False
        if end["push"]:
            stored = {"key": RETURN_VALUE, "value": result, "dag_result": end["is_dag_result"]}
            await _call_xcom(trigger, "store the task's result", "set", **stored)
    except (ApiError, AirflowException) as error:
        trigger.log.warning("A worker ends the task: %s", error)
        return False
    notes = Notes(trigger.started, job_ids, found.each, totals=totals, has_waited=True)
    receipt = make_receipt("", notes, None, trigger.hook_class.vendor)
    trigger.log.info("%s", receipt)
    await store_page(trigger, receipt)
    await _store(trigger, RECEIPT, receipt.as_dict())
    return True


async def store_page(trigger: BaseJobTrigger, receipt: Receipt) -> None:
    """Store the address of the vendor's page, if it is known, for the button of the task."""
    try:
        settings = await trigger.hook_class(trigger.conn_id)._aload_settings()
    except (ApiError, AirflowException) as error:
        trigger.log.warning("The vendor's page is not known: %s", error)
    else:
        if page := find_page(settings, trigger.hook_class.vendor, receipt):
            await _store(trigger, PAGE_URL, page)


async def _store(trigger: BaseJobTrigger, key: str, value: object) -> None:
    """Store an XCom that a task can do without."""
    try:
        await _call_xcom(trigger, f"store the XCom {key}", "set", key=key, value=value)
    except AirflowException as error:
        trigger.log.warning("%s", error)


async def _call_xcom(trigger: BaseJobTrigger, what: str, method: str, **arguments: Any) -> Any:
    """Call a method of ``XCom`` for the trigger's task, on a thread, as a backend may block; say ``what``."""

    def call() -> Any:
        from airflow.providers.common.compat.sdk import XCom

        names = ("dag_id", "run_id", "task_id", "map_index")
        return getattr(XCom, method)(**{n: getattr(trigger.task_instance, n) for n in names} | arguments)

    seconds = trigger.airflow_timeout
    asked = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        await asyncio.wait({asked}, timeout=seconds)
        if not asked.done():
            raise AirflowException(f"Airflow did not {what} within {seconds:.0f} s")
        if error := asked.exception():
            raise AirflowException(f"Airflow could not {what}: {error!r:.500}") from error
        return asked.result()
    finally:
        asked.cancel()
