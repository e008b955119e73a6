"""What the context of a running task says: who submits, in which try, and what this try has submitted.

It imports nothing of Airflow. What a try has submitted is kept for the process, because every hook of a try
must know it; after a fork the state store is read again.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.job import ORDER
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.log_lines import TASK
from airflow_provider_zuora.core.submission.record_store import SharedRecordStore
from airflow_provider_zuora.core.submission.submission_kinds import KINDS
from airflow_provider_zuora.core.times import read_moment
from airflow_provider_zuora.core.vendors.base import CheckedDocument

log = logging.getLogger(__name__)

_ANY_AGE = 0.0  # seconds since 1970
_NOT_THE_FIRST = 2
# Clearing a run sets its queued_at and start_date to now; the others say when it was due for the first time.
_QUEUED, _DUE = ("queued_at", "start_date"), ("run_after", "data_interval_end", "logical_date")


@dataclass(frozen=True, slots=True)
class TaskStore:
    """Airflow's state store of a task instance (3.3); if `set` raises anything, nothing is kept."""

    get: Callable[[str], Any]
    set: Callable[[str, Mapping[str, Any]], object]


def open_store(context: Mapping[str, Any], retention: timedelta | None) -> TaskStore | None:
    """Return the store that later tries of a task can read (Airflow 3.3 and later), None if there is none."""
    accessor = context.get("task_state_store")
    return None if accessor is None else TaskStore(accessor.get, partial(accessor.set, retention=retention))


def build_scope(
    context: Mapping[str, Any], namespace: str, key: str | None, environ: Mapping[str, str] = os.environ
) -> IdempotencyScope:
    """Return who submits: a user's own key, else the task, else somebody new."""
    if key is not None:
        return IdempotencyScope(namespace, (key,))
    if context:
        ti = context["ti"]
        index = -1 if ti.map_index is None else ti.map_index
        return IdempotencyScope(namespace, (str(ti.dag_id), str(ti.run_id), str(ti.task_id)), index)
    if identity := _read_identity(environ):  # a process of the task, as in @task.external_python
        log.warning(
            "Which of the mapped tasks this is cannot be known here: give each order an orderNumber, or pass "
            "an idempotency_key, or else equal orders of this task count as one"
        )
        return IdempotencyScope(namespace, identity, -1)
    why = "This is no task of Airflow's, so another call with this order makes a second one"
    log.warning("%s: pass an idempotency_key", why)
    return IdempotencyScope(namespace, (uuid.uuid4().hex,))


def describe_task(context: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the columns of the submission log that say which try of which task this is; None: unknown."""
    number = read_attempt(context, environ).number
    if context:
        ti = context["ti"]
        index = -1 if ti.map_index is None else ti.map_index
        names: tuple[str | None, ...] = (str(ti.dag_id), str(ti.run_id), str(ti.task_id))
    else:
        index, names = None, _read_identity(environ) or (None, None, None)
    return dict(zip(TASK, (*names, index, number), strict=True))


def read_attempt(context: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> TaskAttempt:
    """Return which try of a task this is; clearing a task raises its max_tries above its retries."""
    if not context:
        return _read_process_attempt(environ) if _read_identity(environ) else TaskAttempt()
    ti, run = context["ti"], context.get("dag_run")
    task = context.get("task") or getattr(ti, "task", None)
    max_tries = getattr(ti, "max_tries", None) or 0
    retries = getattr(task, "retries", None)
    is_run_cleared = bool(getattr(run, "clear_number", None))
    return TaskAttempt(
        number=getattr(ti, "try_number", None) or 1,
        max_tries=max_tries,
        is_cleared=retries is not None and max_tries > retries,
        since=_find_first_queued(run, is_run_cleared),
        has_moved=is_run_cleared and getattr(ti, "map_index", -1) not in (-1, None),
    )


def _read_identity(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return dag, run and task as Airflow names them to the processes that a task starts, or nothing."""
    names = ("AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_DAG_RUN_ID", "AIRFLOW_CTX_TASK_ID")
    identity = tuple(environ.get(name, "") for name in names)
    return identity if all(identity) else ()


def _read_process_attempt(environ: Mapping[str, str]) -> TaskAttempt:
    """Return which try started this process; its run was queued at its logical date, or at any time."""
    number = environ.get("AIRFLOW_CTX_TRY_NUMBER", "")
    due = environ.get("AIRFLOW_CTX_LOGICAL_DATE") or environ.get("AIRFLOW_CTX_EXECUTION_DATE") or ""
    since = read_moment(due) or _ANY_AGE
    return TaskAttempt(number=int(number) if number.isdecimal() else _NOT_THE_FIRST, since=since)


def _find_first_queued(run: Any, is_cleared: bool) -> float | None:
    """Return when a run was first queued, or a time before that; None if that is unknown."""
    names = (*_DUE, *_QUEUED) if is_cleared else (*_QUEUED, *_DUE)
    moments = (getattr(run, name, None) for name in names)
    found = next((moment for moment in moments if moment is not None), None)
    return None if found is None else float(found.timestamp())


@dataclass(slots=True)
class Claims:
    """What one try of a task has submitted."""

    shared: SharedRecordStore = field(default_factory=SharedRecordStore)  # of all calls of the try
    orders: set[object] = field(default_factory=set)
    jobs: dict[object, object] = field(default_factory=dict)  # the contents of their orders


_claiming = threading.RLock()
_tries: deque[tuple[object, Claims]] = deque(maxlen=16)  # the last ones; a process mostly runs one


def get_claims(try_of_task: object) -> Claims:
    """Return what one try has submitted; it is known by its task instance, the same object all through it."""
    with _claiming:
        found = next((claims for known, claims in _tries if known is try_of_task), None)
        if found is None:
            found = Claims()
            _tries.append((try_of_task, found))
        return found


def _begin_fork() -> None:
    """Begin again in a forked process: locks belong to the parent, and notes may be half read."""
    global _claiming  # noqa: PLW0603 - see the law of this module
    _claiming = threading.RLock()
    for _, claims in list(_tries):
        claims.shared = SharedRecordStore()


os.register_at_fork(after_in_child=_begin_fork)


@dataclass(frozen=True, slots=True)
class TaskCall:
    """One call that submits: who submits, in which try, and what this try has submitted."""

    scope: IdempotencyScope
    attempt: TaskAttempt
    store: TaskStore | None
    claims: Claims
    is_task: bool  # outside of a task every call is a new submission
    account: tuple[str, str]  # base URL and client id

    @property
    def shared(self) -> SharedRecordStore | None:
        """Return what the calls of this try note together, None if there is no state store."""
        return None if self.store is None else self.claims.shared

    @contextmanager
    def claim_order(self, order: CheckedDocument, raw_key: str | None) -> Iterator[None]:
        """Claim an order for this call; refuse it if this try has submitted an equal one."""
        is_told_apart = order.number or self.scope.position is None or raw_key is not None
        with self.claim(() if is_told_apart else ((order.kind, self.scope, order.content),)) as taken:
            if taken:
                raise InvalidInput("Nothing was sent.", (KINDS[order.kind].equal,))
            yield

    @contextmanager
    def claim(self, orders: Iterable[object]) -> Iterator[Collection[object]]:
        """
        Claim orders that nothing tells from equal ones, and yield those that this try has submitted already.

        If there are any, none is claimed. What raises an error has submitted nothing. All hooks of a try
        share their claims; another account has its own.
        """
        claims = {self._name(order): order for order in orders if self.is_task}
        with _claiming:
            taken = claims.keys() & self.claims.orders
            self.claims.orders.update(() if taken else claims)
        try:
            yield {claims[each] for each in taken}
        except BaseException:
            self.discard(() if taken else claims.values())
            raise

    def discard(self, orders: Iterable[object]) -> None:
        """Forget orders that came to nothing: the same try may submit them again."""
        with _claiming:
            self.claims.orders.difference_update(map(self._name, orders))

    def _name(self, order: object) -> object:
        return self.account, self.attempt.number, order

    def is_of_another(self, job_id: str, content: object, *, is_numbered: bool) -> bool:
        """Return whether this try has been given a job for an order of another content."""
        # Two accounts may be of one tenant, and there one key is one order; a number is one in a tenant only.
        job = (self.account, job_id) if job_id.startswith(ORDER) else job_id
        own = content if is_numbered else (content, self.account)
        with _claiming:
            return self.claims.jobs.setdefault(job, own) != own


def begin_call(
    context: Mapping[str, Any],
    credentials: Credentials,
    namespace: str,
    key: str | None,
    retention: timedelta | None,
    caller: object = None,
) -> TaskCall:
    """Return what a call that submits must know of its task; ``caller`` replaces the try if there is none."""
    return TaskCall(
        build_scope(context, namespace, key),
        read_attempt(context),
        open_store(context, retention),
        get_claims(context.get("ti") or caller),
        bool(context),
        (credentials.base_url, credentials.client_id),
    )
