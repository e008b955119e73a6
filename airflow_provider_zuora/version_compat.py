"""Every switch by Airflow's version that common-compat does not make, and the names of our XComs."""

from __future__ import annotations

from airflow import __version__
from airflow.providers.common.compat.sdk import mask_secret
from asgiref.sync import sync_to_async

__all__ = [
    "AIRFLOW_VERSION",
    "JOB_ID",
    "JOB_RESULTS",
    "NEVER_EXPIRE",
    "RETURN_VALUE",
    "SUBMIT_RESULTS",
    "SUPPORTS_TASKS_IN_TRIGGERER",
    "amask_secret",
]

RETURN_VALUE = "return_value"  # Airflow's
JOB_ID = "job_id"
"""The id of a task's job, if the return value is its result."""
JOB_RESULTS = "job_results"
"""What became of each job of a list that a task waited for."""
SUBMIT_RESULTS = "submit_results"
"""What became of each order of a list that a task submitted."""

AIRFLOW_VERSION = str(__version__)

SUPPORTS_TASKS_IN_TRIGGERER = tuple(map(int, AIRFLOW_VERSION.split(".")[:2])) >= (3, 3)
"""Whether tasks may start and end in the triggerer, and triggers may read and leave XComs."""

try:  # how long the state store of a task keeps an entry, Airflow 3.3 and later
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # it is loaded on access
except ImportError:  # pragma: no cover - covered on Airflow before 3.3
    NEVER_EXPIRE = None

try:  # masking without blocking the event loop, Airflow 3.3.2 and later
    from airflow.sdk.log import amask_secret
except ImportError:  # pragma: no cover - covered on Airflow before 3.3.2
    amask_secret = sync_to_async(mask_secret)
