"""Every switch by Airflow's version."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import mask_secret
from asgiref.sync import sync_to_async

__all__ = ["NEVER_EXPIRE", "amask_secret"]

try:  # the state store of a task, Airflow 3.3 and later
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # it is loaded when asked for
except ImportError:  # pragma: no cover - covered on Airflow before 3.3
    NEVER_EXPIRE = None

try:  # what common-compat lacks: masking without blocking the event loop, Airflow 3.3.2 and later
    from airflow.sdk.log import amask_secret
except ImportError:  # pragma: no cover - covered on Airflow before 3.3.2
    amask_secret = sync_to_async(mask_secret)
