"""Refuse, while a DAG is parsed, what a wait with fewer workers would lose or could not do.

It knows the names of Airflow's operators and imports none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from airflow_provider_zuora.version_compat import AIRFLOW_VERSION, SUPPORTS_TASKS_IN_TRIGGERER

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


def refuse(sensor: Any) -> None:
    """
    Raise where a sensor asks for more than a trigger can do; to be called again when the DAG is complete.

    :raises ValueError: naming the task, the option and what it does not go with.
    """
    for option, more in ((END, _lost), (START, _unknown)):
        if not isinstance(value := getattr(sensor, option), bool):
            said = f"{sensor.task_id}: {option}: must be True or False, not {value!r}"
            raise ValueError(said)  # noqa: TRY004 - as everything that is refused while a DAG is parsed
        if value:
            _raise_first(sensor.task_id, option, chain(_anyway(sensor), more(sensor)))


def unmappable(operator: type, made: Any) -> Any:
    """
    Return what ``partial()`` has made of an operator, so that it cannot be expanded by these options.

    :raises ValueError: where it, or the DAG's ``default_args``, has one of them.
    """
    given = (getattr(made.kwargs.get("dag"), "default_args", None) or {}) | made.kwargs
    for option in (END, START):
        if given.get(option):
            _raise_first(f"{operator.__name__}.partial()", option, iter([_MAPPED]))
        made.kwargs[option] = False  # Airflow refuses to expand what stands here
    return made


def ending_of(sensor: Any, *, many: bool) -> dict[str, Any] | None:
    """
    Return how a trigger may end the task of a sensor (see `JobTrigger`), None where it may not.

    :param many: whether the result is a list.
    """
    if not getattr(sensor, END):
        return None
    whole = bool(getattr(sensor, "returns_dag_result", False))
    return {"options": sensor.options, "many": many, "push": sensor.do_xcom_push, "dag_result": whole}


def upstream_of(job_id: Any) -> tuple[str, str] | None:
    """Return the task and the key of the XCom that ``job_id`` stands for, None where it is a literal."""
    if _is_plain(job_id):
        return str(job_id.operator.task_id), str(job_id.key)
    return None


def _raise_first(who: str, option: str, found: Iterator[str]) -> None:
    for what in found:
        raise ValueError(f"{who}: {option}=True does not go with {what}. {_SEE}")


def _anyway(sensor: Any) -> Iterator[str]:
    """Yield what neither of the options goes with."""
    if not SUPPORTS_TASKS_IN_TRIGGERER:
        yield f"Airflow {AIRFLOW_VERSION}: it needs 3.3 or later"
    if not sensor.deferrable:
        yield "deferrable=False: a worker would wait"
    if sensor.get_closest_mapped_task_group() is not None:
        yield _MAPPED


def _lost(sensor: Any) -> Iterator[str]:
    """Yield what a task that ends in the triggerer would lose."""
    names = _AT_THE_END | (_AT_THE_START if getattr(sensor, START) else {})
    yield from (what for name, what in names.items() if getattr(sensor, name, None))
    if sensor.has_dag() and next(sensor.iter_mapped_dependants(), None) is not None:
        yield "a task that is mapped over its result: Airflow would not know the length"


def _unknown(sensor: Any) -> Iterator[str]:
    """Yield what a task that starts in the triggerer would not know, or would bring it down with."""
    if sensor.inlets:  # Airflow 3.3 asks for the assets of an alias where no answer can come
        yield "inlets: the triggerer may not be able to read them"
    if sensor.has_dag() and sensor.params.dump() != sensor.dag.params.dump():
        yield "params of the task: a wrong value would bring the triggerer down"
    for field in sensor.template_fields:
        value: Any = getattr(sensor, field, None)
        if field == "job_id" and _is_plain(value):
            task = value.operator
            if task.is_mapped or task.get_closest_mapped_task_group() is not None:
                yield f"job_id from {task.task_id}, a mapped task: a trigger can read one XCom"
        elif _is_rendered(value):
            yield f"a template in {field}: only a worker renders it. job_id may be the output of a task"


def _is_plain(value: Any) -> bool:
    """Say whether a value is the XComArg of one XCom as it is, neither mapped, zipped nor joined."""
    return hasattr(value, "iter_references") and hasattr(value, "operator") and hasattr(value, "key")


def _is_rendered(value: Any) -> bool:
    """Say whether a worker would turn a value into another one."""
    if isinstance(value, str):
        return any(mark in value for mark in _JINJA)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        return any(map(_is_rendered, value))
    return hasattr(value, "iter_references")
