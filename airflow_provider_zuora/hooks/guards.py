"""The guards of a call that submits: that of the connection, which no DAG can raise, and the task's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.guarding.amounts import READERS
from airflow_provider_zuora.core.guards import Guards, Limits
from airflow_provider_zuora.core.submission.guarding import SubmissionGuard
from airflow_provider_zuora.hooks.base import BaseJobHook


def read_guards(hook: BaseJobHook) -> Guards:
    """
    Return the guards of the connection and of whoever made the hook.

    :raises InvalidInput: with a line for each rule that the own guard breaks.
    """
    environments, ceiling = hook.vendor.environments, hook._settings.fields["guard"]
    try:
        own = Limits.of(getattr(hook, "guard", None), environments)
    except ValueError as error:
        rules = tuple(f"guard: {rule}" for rule in str(error).splitlines())
        raise InvalidInput("Nothing was sent.", rules) from None
    return Guards(tuple(each for each in (ceiling, own) if each != Limits(each.source)), environments)


def open_guard(hook: BaseJobHook, context: Mapping[str, Any]) -> SubmissionGuard:
    """Return the guards of a call that submits, and how what they limit is found out."""
    index = getattr(context.get("ti"), "map_index", -1) if context else -1
    return SubmissionGuard(read_guards(hook), READERS, is_mapped=index not in (-1, None))
