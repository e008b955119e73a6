"""The guards of a call that submits: that of the connection, which no DAG can raise, and the task's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.airflow_context.task import read_attempt
from airflow_provider_zuora.core.errors import GuardRefused, InvalidInput
from airflow_provider_zuora.core.guarding.amounts import READERS
from airflow_provider_zuora.core.guards import Guards, Limits
from airflow_provider_zuora.core.submission.guarding import SubmissionGuard, end_refusal
from airflow_provider_zuora.hooks.base import BaseJobHook

if TYPE_CHECKING:
    from airflow_provider_zuora.core.vendors.zuora.order_changes import OrderChange


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


def check_change(
    hook: BaseJobHook, kind: str, context: Mapping[str, Any], change: OrderChange | None = None
) -> Guards:
    """
    Return the guards of a call that changes what is there, once they let it pass where the connection leads.

    :param kind: what it sends, for messages.
    :raises GuardRefused: if they do not; also if a change may bill, and an amount is limited.
    """
    guards = read_guards(hook)
    try:
        guards.check_environment(hook._settings.credentials.base_url)
        if change is not None and change.may_bill:
            guards.refuse_unread_amount("the change bills")
    except GuardRefused as refusal:
        raise end_refusal(refusal, kind, is_first=read_attempt(context).is_first) from refusal
    return guards


def open_guard(hook: BaseJobHook, context: Mapping[str, Any]) -> SubmissionGuard:
    """Return the guards of a call that submits, and how what they limit is found out."""
    index = getattr(context.get("ti"), "map_index", -1) if context else -1
    return SubmissionGuard(read_guards(hook), READERS, is_mapped=index not in (-1, None))
