"""Every switch by Airflow's version that common-compat does not make, and the names of our XComs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from airflow import __version__
from airflow.providers.common.compat.sdk import (
    AirflowException,
    Stats,
    conf,
    get_current_context,
    mask_secret,
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

AIRFLOW_VERSION = str(__version__)

# Whether tasks may start and end in the triggerer, and triggers may read and store XComs.
SUPPORTS_TASKS_IN_TRIGGERER = tuple(map(int, AIRFLOW_VERSION.split(".")[:2])) >= (3, 3)

try:  # how long the state store of a task keeps an entry, Airflow 3.3 and later
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # it is loaded on access
except ImportError:  # pragma: no cover - covered on Airflow before 3.3
    NEVER_EXPIRE = None

try:  # an event loop must not wait for this import; Airflow 3.3 and later
    from airflow.sdk.observability import stats as _stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory
except ImportError:  # pragma: no cover - covered on Airflow before 3.3
    _stats = None  # type: ignore[assignment]

try:  # masking without blocking the event loop, Airflow 3.3.2 and later
    from airflow.sdk.log import amask_secret
except ImportError:  # pragma: no cover - covered on Airflow before 3.3.2
    amask_secret = sync_to_async(mask_secret)


try:  # a sensor in reschedule mode goes on later
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:  # pragma: no cover - covered on Airflow before 3.2
    from airflow.exceptions import AirflowRescheduleException


def get_running_context() -> Mapping[str, Any]:
    """Return the context of the running task, an empty one if none runs."""
    try:
        return get_current_context()
    except (AirflowException, RuntimeError):  # Airflow 2, Airflow 3
        return {}


@cache
def get_stats() -> Any:
    """
    Return what takes metrics in this process.

    Airflow 3.3 sets up the one for providers in the processes of tasks, and not in that of a triggerer's
    triggers, where figures would go nowhere.
    """
    if _stats is not None and getattr(sys.modules[_stats.initialize.__module__], "_factory", Stats) is None:
        has_old_names = conf.getboolean("metrics", "legacy_names_on", fallback=True)
        _stats.initialize(factory=get_stats_factory(), export_legacy_names=has_old_names)
    return Stats
