"""How long a wait may last, and how often it polls: a task's own options first, then the configuration's."""

from __future__ import annotations

from typing import Any

from airflow_provider_zuora.core.polling.wait import LONGEST
from airflow_provider_zuora.core.validation import check_seconds
from airflow_provider_zuora.exceptions import PermanentError, convert_errors
from airflow_provider_zuora.hooks.config import read_poll_interval


def choose_interval(own: float | None) -> float | None:
    """Return the seconds between two polls: a task's own, or Airflow's configuration's; None: they grow."""
    with convert_errors():
        return read_poll_interval() if own is None else own


def read_limits(poll_interval: Any, timeout: Any) -> tuple[float, float | None]:
    """Return the seconds of a wait, and between two of its polls; refuse what is none before it begins."""
    interval = choose_interval(None) if poll_interval is None else None
    try:
        if poll_interval is not None:
            interval = check_seconds("poll_interval", poll_interval, zero=True)
        return min(check_seconds("timeout", timeout, zero=True), LONGEST), interval
    except ValueError as error:
        raise PermanentError(f"Nothing was sent.\n{error}") from None
