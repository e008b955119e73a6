"""Every switch by Airflow's version that common-compat does not make, and the names of our XComs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from airflow import __version__
from airflow.providers.common.compat.sdk import (
    AirflowException,
    BaseHook,
    Connection,
    Stats,
    conf,
    get_current_context,
)
from asgiref.sync import sync_to_async

__all__ = ["NEVER_EXPIRE", "AirflowRescheduleException", "amask_secret"]  # imported here for other modules

RETURN_VALUE = "return_value"  # Airflow's
JOB_ID = "job_id"  # of a task whose return value is the job's result
JOB_RESULTS = "job_results"  # what became of each job of a list that a task waited for
RECEIPT = "receipt"  # what the task came to, in the vendor's numbers
WAIT = "wait"  # what a task must know again if Airflow itself ends its deferral, and drops all else
PAGE_URL = "page_url"  # where a person sees that at the vendor
SUBMIT_RESULTS = "submit_results"  # what became of each order of a list that a task submitted
RECONCILIATION = "reconciliation"  # what was found when the submission log was compared with the vendor

AIRFLOW_VERSION = str(__version__)

# Whether tasks may start and end in the triggerer, and triggers may read and store XComs.
SUPPORTS_TASKS_IN_TRIGGERER = tuple(map(int, AIRFLOW_VERSION.split(".")[:2])) >= (3, 3)

# Where masking is: common-compat has it from 1.22 on, Airflow 3.1 and later, 3.0, and 2.11.
MASKING = (
    "airflow.providers.common.compat.sdk",
    "airflow.sdk.log",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)


def find_first(name: str, modules: Iterable[str]) -> Any:
    """Return what has a name in the first of these modules that has it; ImportError if none has."""
    for module in modules:
        with suppress(ImportError, AttributeError):
            return getattr(import_module(module), name)
    raise ImportError(f"{name} is in none of {', '.join(modules)}")


mask_secret: Callable[..., None] = find_first("mask_secret", MASKING)

try:  # how long the state store of a task keeps an entry, Airflow 3.3 and later
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # it is loaded on access
except ImportError:  # pragma: no cover - covered on Airflow before 3.3
    NEVER_EXPIRE = None

try:  # an event loop must not wait for this import; Airflow 3.2 and later
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils
except ImportError:  # pragma: no cover - covered on Airflow before 3.2
    _stats: Any = None
    get_stats_factory: Any = None
else:
    _stats, get_stats_factory = stats, stats_utils.get_stats_factory

try:  # masking without blocking the event loop, Airflow 3.3.2 and later
    from airflow.sdk.log import amask_secret
except ImportError:  # pragma: no cover - covered on Airflow before 3.3.2
    amask_secret = sync_to_async(mask_secret)


try:  # a sensor in reschedule mode goes on later
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:  # pragma: no cover - covered on Airflow before 3.2
    from airflow.exceptions import AirflowRescheduleException


# Masking what a connection holds stopped the event loop before Airflow 3.3.2.
_MASKS_ASYNCHRONOUSLY = hasattr(Connection, "aextra_dejson")


async def aget_connection(conn_id: str) -> Connection:
    """Return a connection, on an event loop."""
    if _MASKS_ASYNCHRONOUSLY:
        return await BaseHook.aget_connection(conn_id)
    return await sync_to_async(BaseHook.get_connection)(conn_id)


async def aread_extra(conn: Connection) -> dict[str, Any]:
    """Return the extra of a connection, whose secrets Airflow masks then, on an event loop."""
    if _MASKS_ASYNCHRONOUSLY:
        return await conn.aextra_dejson()
    return await sync_to_async(lambda: conn.extra_dejson)()


def unguarded(execute: Callable[..., Any]) -> Callable[..., Any]:
    """
    Return a parent's ``execute`` for a call by a subclass.

    Airflow 2 warns of such a call, and refuses it with ``allow_nested_operators=False``.
    """
    return getattr(execute, "__wrapped__", execute)


def get_running_context() -> Mapping[str, Any]:
    """Return the context of the running task, an empty one if none runs."""
    try:
        return get_current_context()
    except (AirflowException, RuntimeError):  # Airflow 2, Airflow 3
        return {}


@cache
def get_stats() -> Any:
    """
    Return what takes metrics in this process, None if nothing does: each poll would hand over a figure.

    Airflow 3.2 and later set up the one for providers in the processes of tasks, and not in that of a
    triggerer's triggers, where figures would go nowhere. Airflow before 3.2 does so when it is first used.
    """
    if _stats is None:
        return Stats
    if hasattr(_stats, "initialize"):
        if getattr(get_stats_factory(), "__name__", "") == "NoStatsLogger":
            return None
        if getattr(sys.modules[_stats.initialize.__module__], "_factory", Stats) is None:
            has_old_names = conf.getboolean("metrics", "legacy_names_on", fallback=True)
            _stats.initialize(factory=get_stats_factory(), export_legacy_names=has_old_names)
    elif _stats.Stats.factory is None:  # pragma: no cover - covered on Airflow 3.2
        _stats.Stats.initialize(factory=get_stats_factory(Stats))
    return Stats


def read_task_state(ti: Any) -> Any:
    """
    Return the state of a task instance as Airflow has it now, None if it has none, as after a clear.

    It is asked for where Airflow calls a trigger's ``on_kill``: 3.3 and later.
    """
    from airflow.sdk.execution_time.task_runner import (  # noqa: PLC0415 - heavy, and rarely needed
        RuntimeTaskInstance,
    )

    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    return next(iter((states.get(ti.run_id) or {}).values()), None)
