"""The section ``[zuora]`` of Airflow's configuration: what it may hold, and what it says, checked."""

from __future__ import annotations

from typing import Any

from airflow_provider_zuora import __version__
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.validation import check_seconds

SECTION = "zuora"

# As Airflow's `provider_info.schema.json` has it; a default of None is a blank one.
DESCRIPTION: dict[str, Any] = {
    "description": "The provider of Zuora and Elastic Path.",
    "options": {
        "runtime_directory": {
            "description": (
                "The directory in which the processes of one user on one host share the token of a sign-in. "
                "It is this user's alone, on a local disk, and made if it is missing, in one that exists. "
                "Blank: below XDG_RUNTIME_DIR, or else with the temporary files."
            ),
            "version_added": __version__,
            "type": "string",
            "example": "/run/airflow/zuora",
            "default": "",
        },
        "poll_interval": {
            "description": (
                "Seconds between two polls of a job, for all tasks without a poll_interval or poke_interval "
                "of their own. Blank: pauses that grow by half, from 10 s (1 s on a worker) to 60 s."
            ),
            "version_added": __version__,
            "type": "float",
            "example": "30",
            "default": "",
        },
    },
}


def read_runtime_directory() -> str:
    """Return the path that ``runtime_directory`` names, empty if it names none."""
    return _read("runtime_directory")


def read_poll_interval() -> float | None:
    """Return ``poll_interval`` in seconds, None if it is blank, or raise an `InvalidInput`."""
    text = _read("poll_interval")
    if not text:
        return None
    try:
        return check_seconds("poll_interval", float(text))
    except ValueError:
        rule = f"[{SECTION}] poll_interval: must be a number of seconds above 0, or blank, not {text!r:.80}"
        raise InvalidInput("Airflow's configuration cannot be used.", (rule,)) from None


def _read(option: str) -> str:
    from airflow.providers.common.compat.sdk import conf

    return (conf.get(SECTION, option, fallback="") or "").strip()
