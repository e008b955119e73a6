"""What the versions of Airflow that the tests run on call differently; only tests ask for it."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_provider_zuora.version_compat import find_first

AIRFLOW = tuple(int(part) for part in version("apache-airflow").split(".")[:2])
IS_AIRFLOW_2 = AIRFLOW < (3, 0)

# Whole files about what an Airflow before these does not have; what they import is not there either.
NOT_BEFORE = {
    "tests/triggers/test_end_from_trigger.py": (3, 3),
    "tests/triggers/test_start_and_end.py": (3, 3),
}

# Examples of what an Airflow before these does not have.
EXAMPLES_NOT_BEFORE = {"zuora_approved_orders": (3, 1)}
EXAMPLES = [
    path
    for path in sorted((Path(__file__).parents[1] / "example_dags").glob("*.py"))
    if EXAMPLES_NOT_BEFORE.get(path.stem, AIRFLOW) <= AIRFLOW
]

# And about a provider that need not be installed: with the lowest versions it is not.
NEEDS = {"tests/airflow_context/test_lineage.py": "airflow.providers.openlineage"}
LEFT_OUT = [file for file, since in NOT_BEFORE.items() if since > AIRFLOW]
LEFT_OUT += [file for file, module in NEEDS.items() if find_spec(module) is None]

if IS_AIRFLOW_2:  # what the output of another task is, to Airflow
    from airflow.utils.mixins import ResolveMixin

    # What Airflow says of a deferral that it ends; in 2.11 both stand in its scheduler only.
    TRIGGER_TIMEOUT, TRIGGER_FAILURE = "Trigger/execution timeout", "Trigger failure"
else:
    from airflow.sdk.bases.operator import TriggerFailureReason
    from airflow.sdk.definitions._internal.mixins import ResolveMixin

    TRIGGER_TIMEOUT = TriggerFailureReason.TRIGGER_TIMEOUT.value
    TRIGGER_FAILURE = TriggerFailureReason.TRIGGER_FAILURE.value

# The module that knows which paths lead where.
STORES = "airflow.io.store" if IS_AIRFLOW_2 else "airflow.sdk.io.store"

# Where Airflow's masking is: 3.1 and later, 3.0, 2.11.
_MASKERS = (
    "airflow.sdk._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)

__all__ = ["ResolveMixin", "attach", "forget_masks", "record_masks", "redacted", "rendered_fields"]


def _from_masker(name: str) -> Any:
    return find_first(name, _MASKERS)


def redacted(value: Any, name: str = "") -> Any:
    """Return a value as Airflow shows it in logs and pages."""
    return _from_masker("redact")(value, name)


def is_hidden(name: str) -> bool:
    """Return whether Airflow hides what has this name."""
    return bool(_from_masker("should_hide_value_for_key")(name))


def record_masks(monkeypatch: Any) -> list[Any]:
    """Return a list to which everything is appended that Airflow is masked to mask from now on."""
    masked: list[Any] = []
    masker = _from_masker("_secrets_masker")()
    monkeypatch.setattr(masker, "add_mask", lambda secret, name=None: masked.append(secret))
    return masked


def forget_masks() -> None:
    """
    Let Airflow mask nothing any more.

    It masks by one regular expression of all secrets, compiled for each: ten thousand tokens take minutes.
    """
    for name in _MASKERS:
        if module := sys.modules.get(name):
            masker = module._secrets_masker()
            masker.patterns, masker.replacer = set(), None


def execute(task: Any, context: Any) -> Any:
    """Execute a task as Airflow does, which marks its own call."""
    if IS_AIRFLOW_2:
        from airflow.models.taskinstance import _sentinel as mark
    else:
        from airflow.sdk.bases.operator import ExecutorSafeguard

        mark = ExecutorSafeguard.sentinel_value
    return task.execute(context, **{f"{type(task).__name__}__sentinel": mark})


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
    stores = import_module(STORES)
    stores._STORE_CACHE.pop(protocol, None)  # a test that found none has left one without a file system
    stores.attach(protocol, fs=file_system)
