"""What the versions of Airflow that the tests run on call differently; only tests ask for it."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

AIRFLOW = tuple(int(part) for part in version("apache-airflow").split(".")[:2])
IS_AIRFLOW_2 = AIRFLOW < (3, 0)

if IS_AIRFLOW_2:  # what the output of another task is, to Airflow
    from airflow.utils.mixins import ResolveMixin

    # What Airflow says of a deferral that it ends; in 2.11 both stand in its scheduler only.
    TRIGGER_TIMEOUT, TRIGGER_FAILURE = "Trigger/execution timeout", "Trigger failure"
else:
    from airflow.sdk.bases.operator import TriggerFailureReason
    from airflow.sdk.definitions._internal.mixins import ResolveMixin

    TRIGGER_TIMEOUT = TriggerFailureReason.TRIGGER_TIMEOUT.value
    TRIGGER_FAILURE = TriggerFailureReason.TRIGGER_FAILURE.value

__all__ = ["ResolveMixin", "attach", "forget_masks", "record_masks", "redacted", "rendered_fields"]


def redacted(value: Any, name: str = "") -> Any:
    """Return a value as Airflow shows it in logs and pages."""
    if IS_AIRFLOW_2:
        from airflow.utils.log.secrets_masker import redact
    else:
        from airflow.sdk.log import redact
    return redact(value, name)


def record_masks(monkeypatch: Any) -> list[Any]:
    """Return a list to which everything is appended that Airflow is masked to mask from now on."""
    if IS_AIRFLOW_2:
        from airflow.utils.log.secrets_masker import _secrets_masker
    else:
        from airflow.sdk._shared.secrets_masker import _secrets_masker
    masked: list[Any] = []
    monkeypatch.setattr(_secrets_masker(), "add_mask", lambda secret, name=None: masked.append(secret))
    return masked


def forget_masks() -> None:
    """
    Let Airflow mask nothing any more.

    It masks by one regular expression of all secrets, compiled for each: ten thousand tokens take minutes.
    """
    for name in ("airflow.utils.log.secrets_masker", "airflow.sdk._shared.secrets_masker"):
        if module := sys.modules.get(name):
            masker = module._secrets_masker()
            masker.patterns, masker.replacer = set(), None


def rendered_fields(task: Any) -> dict[str, Any]:
    """Return a task's fields as the rendered-template page shows them."""
    if not IS_AIRFLOW_2:
        from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

        return _serialize_rendered_fields(task)
    from airflow.serialization.helpers import serialize_template_field

    fields = {name: serialize_template_field(getattr(task, name), name) for name in task.template_fields}
    return {name: redacted(value, name) for name, value in fields.items()}


def attach(protocol: str, file_system: Any) -> None:
    """Let paths of a protocol lead to a file system."""
    if IS_AIRFLOW_2:
        from airflow.io.store import attach
    else:
        from airflow.sdk.io import attach
    attach(protocol, fs=file_system)
