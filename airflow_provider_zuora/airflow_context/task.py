"""What the context of a running task tells: who submits, in which try, and what the next try can read.

It knows the names of Airflow's context and imports nothing of Airflow.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_types import to_json_types
from airflow_provider_zuora.core.submission.attempt import TaskAttempt
from airflow_provider_zuora.core.submission.keys import IdempotencyScope, sha256
from airflow_provider_zuora.core.times import read_moment

log = logging.getLogger(__name__)

_ANY_AGE = 0.0  # seconds since 1970
_NOT_THE_FIRST = 2
# Clearing a run sets its queued_at and start_date to now; these say when it was due for the first time.
_QUEUED, _DUE = ("queued_at", "start_date"), ("run_after", "data_interval_end", "logical_date")


@dataclass(frozen=True, slots=True)
class TaskStore:
    """
    Airflow's state store of a task instance (3.3), as the memory of a flow.

    :param accessor: ``context["task_state_store"]``.
    :param retention: how long an entry is kept.
    """

    accessor: Any
    retention: timedelta | None

    def get(self, name: str) -> Any:
        """Return what an earlier try has kept under a name, None where there is nothing."""
        return self.accessor.get(name)

    def set(self, name: str, value: Mapping[str, Any]) -> None:
        """Keep a JSON object for later tries; whatever Airflow raises then means that it is not kept."""
        self.accessor.set(name, dict(value), retention=self.retention)


def submitter_of(
    context: Mapping[str, Any], namespace: str, key: str | None, environ: Mapping[str, str] = os.environ
) -> IdempotencyScope:
    """
    Return who submits: a user's own key, else the task, else somebody new.

    :param namespace: the connection's ``idempotency_namespace``.
    :param environ: tells which task it is where there is no context, as in ``@task.external_python``.
    """
    if key is not None:
        return IdempotencyScope(namespace, (key,))
    if context:
        ti = context["ti"]
        index = -1 if ti.map_index is None else ti.map_index
        return IdempotencyScope(namespace, (str(ti.dag_id), str(ti.run_id), str(ti.task_id)), index)
    if identity := _identity_in(environ):
        log.warning(
            "Which of the mapped tasks this is cannot be known here: give each order an orderNumber, or pass "
            "an idempotency_key, or else equal orders of this task count as one"
        )
        return IdempotencyScope(namespace, identity, -1)
    log.warning(
        "This is no task of Airflow's, so another call with this order makes a second one: pass an "
        "idempotency_key"
    )
    return IdempotencyScope(namespace, (uuid.uuid4().hex,))


def fingerprint_of(by: IdempotencyScope, number: int, order: object) -> str:
    """
    Return what tells a call that submits an order from the others of a try, empty if it may be repeated.

    :param number: of the try. An order with an ``orderNumber`` is the same one however often it comes.
    """
    if not isinstance(order, Mapping) or order.get("orderNumber"):
        return ""
    try:
        return sha256([by.namespace, list(by.identity), str(by.position), number, to_json_types(order)])
    except InvalidInput:  # it will be refused
        return ""


def try_of(
    context: Mapping[str, Any], *, remembers: bool = False, environ: Mapping[str, str] = os.environ
) -> TaskAttempt:
    """
    Return which try of a task this is; clearing a task raises its max_tries above its retries.

    :param remembers: True where the task has a state store.
    """
    if not context:
        return _try_in(environ) if _identity_in(environ) else TaskAttempt()
    ti, run = context["ti"], context.get("dag_run")
    task = context.get("task") or getattr(ti, "task", None)
    max_tries = getattr(ti, "max_tries", None) or 0
    retries = getattr(task, "retries", None)
    run_cleared = bool(getattr(run, "clear_number", None))
    number = getattr(ti, "try_number", None) or 1
    cleared = retries is not None and max_tries > retries
    return TaskAttempt(
        number=number,
        max_tries=max_tries,
        cleared=cleared,
        anew=cleared and number == max_tries - (retries or 0) + 1,
        remembers=remembers,
        since=_first_queued(run, run_cleared),
        moved=run_cleared and getattr(ti, "map_index", -1) not in (-1, None),
    )


def _identity_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return dag, run and task as Airflow tells them to the processes that a task starts; empty for none."""
    names = ("AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_DAG_RUN_ID", "AIRFLOW_CTX_TASK_ID")
    identity = tuple(environ.get(name, "") for name in names)
    return identity if all(identity) else ()


def _try_in(environ: Mapping[str, str]) -> TaskAttempt:
    """
    Return which try it is, as far as a process knows that a task has started.

    A run was queued at its logical date or later; where that is not told it may be of any age.
    """
    number = environ.get("AIRFLOW_CTX_TRY_NUMBER", "")
    due = environ.get("AIRFLOW_CTX_LOGICAL_DATE") or environ.get("AIRFLOW_CTX_EXECUTION_DATE") or ""
    since = read_moment(due)
    return TaskAttempt(
        number=int(number) if number.isdecimal() else _NOT_THE_FIRST,
        since=_ANY_AGE if since is None else since,
    )


def _first_queued(run: Any, cleared: bool) -> float | None:
    """Return when a run was first queued, or a time before that; None where nothing tells."""
    names = (*_DUE, *_QUEUED) if cleared else (*_QUEUED, *_DUE)
    moments = (getattr(run, name, None) for name in names)
    found = next((moment for moment in moments if moment is not None), None)
    return None if found is None else float(found.timestamp())
