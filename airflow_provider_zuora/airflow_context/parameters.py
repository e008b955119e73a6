"""Operators and sensors take our parameters and Airflow's; an unknown one is refused with the name meant."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Required, TypedDict

_INTERVALS = ("poll_interval", "poke_interval")
_OTHER_INTERVALS = ("polling_interval", "polling_period_seconds", "check_interval", "waiter_delay")
# What other providers, or our own other classes, call a parameter.
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "wait_for_termination": ("wait_for_completion",),
    **dict.fromkeys(("conn_id", "http_conn_id"), ("zuora_conn_id", "elastic_path_conn_id")),
    **dict.fromkeys((*_INTERVALS, *_OTHER_INTERVALS), _INTERVALS),
}


def keep_parameters(task: object, given: Mapping[str, Any]) -> None:
    """
    Keep the parameters of a public class as attributes of the same names.

    Its ``__init__`` lists them with their types, calls this first, and leaves ``kwargs`` to its bases.

    :param given: the ``locals()`` of that ``__init__``.
    """
    for name, value in given.items():
        if name not in ("self", "kwargs", "__class__"):
            setattr(task, name, value)


@lru_cache
def _list_parameters(operator: type) -> frozenset[str]:
    """Return the names of all parameters that an operator and its bases list."""
    own = (vars(base).get("__init__", object.__init__) for base in operator.__mro__)
    return frozenset(name for each in own for name in inspect.signature(each).parameters)


def refuse_unknown_parameters(operator: type, given: Mapping[str, Any]) -> None:
    """Raise a `TypeError` for a parameter that reads like, or means, another; Airflow refuses the rest."""
    known = _list_parameters(operator)
    for name in given:
        if name in known or name.startswith("_"):
            continue
        synonyms = [each for each in _SYNONYMS.get(name, ()) if each in known]
        if meant := synonyms or get_close_matches(name, known, 1):
            raise TypeError(f"{operator.__name__} has no parameter {name!r}; did you mean {meant[0]!r}?")


class OperatorOptions(TypedDict, total=False):
    """The keyword arguments of Airflow's ``BaseOperator``, from 2.11 on, for ``Unpack[OperatorOptions]``."""

    task_id: Required[str]
    owner: str
    email: Any
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    retry_policy: Any
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: Any
    params: MutableMapping[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: Any
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Any
    on_failure_callback: Any
    on_success_callback: Any
    on_retry_callback: Any
    on_skipped_callback: Any
    pre_execute: Any
    post_execute: Any
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    task_concurrency: int | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    multiple_outputs: bool
    inlets: Any
    outlets: Any
    task_group: Any
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class SensorOptions(OperatorOptions, total=False):
    """The keyword arguments of Airflow's ``BaseSensorOperator`` besides ``poke_interval``."""

    timeout: timedelta | float
    soft_fail: bool
    mode: str
    exponential_backoff: bool
    max_wait: timedelta | float | None
    silent_fail: bool
    never_fail: bool
