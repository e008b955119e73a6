"""What the context of a running task tells of who submits, and in which try."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.airflow_context.task import build_scope, get_claims, open_store, read_attempt
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.record_store import RecordStore
from tests.conftest import StateStore

DUE = datetime(2026, 1, 1, tzinfo=UTC)
QUEUED = datetime(2026, 1, 2, tzinfo=UTC)
STARTED = datetime(2026, 1, 3, tzinfo=UTC)


def context(*, number=1, max_tries=2, retries=2, map_index=-1, **run):
    ti = SimpleNamespace(
        dag_id="d", run_id="r", task_id="t", map_index=map_index, try_number=number, max_tries=max_tries
    )
    return {"ti": ti, "task": SimpleNamespace(retries=retries), "dag_run": SimpleNamespace(**run)}


@pytest.mark.parametrize(
    ("run", "since"),
    [
        ({"queued_at": QUEUED, "start_date": STARTED, "logical_date": DUE, "clear_number": 0}, QUEUED),
        ({"queued_at": None, "start_date": STARTED, "logical_date": DUE, "clear_number": 0}, STARTED),
        ({"start_date": STARTED, "run_after": DUE, "clear_number": 0}, STARTED),
        ({"start_date": None, "run_after": DUE, "clear_number": 0}, DUE),
        # A clear sets queued_at and start_date anew.
        ({"queued_at": QUEUED, "start_date": STARTED, "data_interval_end": DUE, "clear_number": 1}, DUE),
        ({"queued_at": QUEUED, "start_date": STARTED, "logical_date": DUE, "clear_number": 1}, DUE),
        ({"start_date": STARTED, "run_after": DUE, "clear_number": 2}, DUE),
        ({"queued_at": QUEUED, "clear_number": 1}, QUEUED),
    ],
)
def test_when_a_run_was_first_queued(run, since):
    assert read_attempt(context(**run)).since == since.timestamp()


def test_a_run_that_does_not_say_when_it_was_queued_is_as_old_as_the_try():
    assert read_attempt(context()).since is None


@pytest.mark.parametrize(("max_tries", "is_cleared"), [(2, False), (3, True), (0, False)])
def test_a_clear_raises_max_tries_above_the_retries(max_tries, is_cleared):
    assert read_attempt(context(max_tries=max_tries)).is_cleared is is_cleared


@pytest.mark.parametrize(
    ("map_index", "clear_number", "has_moved"),
    [(-1, 1, False), (0, 1, True), (3, 1, True), (3, 0, False), (None, 1, False)],
)
def test_a_mapped_task_of_a_cleared_run_may_have_another_order(map_index, clear_number, has_moved):
    assert read_attempt(context(map_index=map_index, clear_number=clear_number)).has_moved is has_moved


def test_a_context_that_tells_little():
    bare = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)}

    assert read_attempt({}, environ={}) == TaskAttempt()
    assert read_attempt(bare) == TaskAttempt()


def test_who_submits():
    assert build_scope(context(map_index=3), "n", None) == IdempotencyScope("n", ("d", "r", "t"), 3)
    assert build_scope(context(map_index=3), "n", "mine") == IdempotencyScope("n", ("mine",))
    assert build_scope(context(map_index=None), "n", None) == IdempotencyScope("n", ("d", "r", "t"), -1)


# Where there is no context: a process that a task has started.

TASK = {"AIRFLOW_CTX_DAG_ID": "d", "AIRFLOW_CTX_DAG_RUN_ID": "r", "AIRFLOW_CTX_TASK_ID": "t"}


def test_a_process_of_a_task_submits_as_the_task_does(caplog):
    assert build_scope({}, "n", None, TASK) == build_scope(context(), "n", None)
    assert (
        "Which of the mapped tasks this is cannot be known here: give each order an orderNumber"
        in caplog.text
    )


def test_a_users_key_stands_for_a_process_too(caplog):
    assert (
        build_scope({}, "n", "mine", TASK)
        == build_scope({}, "n", "mine", {})
        == IdempotencyScope("n", ("mine",))
    )
    assert caplog.text == ""


@pytest.mark.parametrize("name", TASK)
@pytest.mark.parametrize("lacking", [True, False])
def test_half_an_identity_is_none(name, lacking, caplog):
    environ = {each: value for each, value in TASK.items() if each != name} | ({} if lacking else {name: ""})
    first, second = (build_scope({}, "n", None, environ) for _ in range(2))

    assert first != second
    assert first.position is None
    assert "This is no task of Airflow's, so another call with this order makes a second one" in caplog.text
    assert read_attempt({}, environ=environ) == TaskAttempt()


def test_a_context_goes_before_the_environment():
    other = dict.fromkeys(TASK, "another") | {"AIRFLOW_CTX_TRY_NUMBER": "7"}

    assert build_scope(context(), "n", None, other) == IdempotencyScope("n", ("d", "r", "t"), -1)
    assert read_attempt(context(), environ=other).number == 1


@pytest.mark.parametrize(
    ("environ", "number"),
    [
        ({"AIRFLOW_CTX_TRY_NUMBER": "1"}, 1),
        ({"AIRFLOW_CTX_TRY_NUMBER": "12"}, 12),
        ({"AIRFLOW_CTX_TRY_NUMBER": "None"}, 2),
        ({"AIRFLOW_CTX_TRY_NUMBER": ""}, 2),
        ({}, 2),
    ],
    ids=str,
)
def test_a_try_whose_number_is_unknown_is_not_the_first(environ, number):
    assert read_attempt({}, environ=TASK | environ).number == number


@pytest.mark.parametrize(
    ("environ", "since"),
    [
        ({"AIRFLOW_CTX_LOGICAL_DATE": DUE.isoformat()}, DUE.timestamp()),
        ({"AIRFLOW_CTX_EXECUTION_DATE": DUE.isoformat()}, DUE.timestamp()),
        (
            {"AIRFLOW_CTX_LOGICAL_DATE": "", "AIRFLOW_CTX_EXECUTION_DATE": DUE.isoformat()},
            DUE.timestamp(),
        ),
        ({"AIRFLOW_CTX_LOGICAL_DATE": "None"}, 0.0),
        ({}, 0.0),
    ],
    ids=str,
)
def test_a_run_was_queued_when_it_was_due_or_at_any_time(environ, since):
    assert read_attempt({}, environ=TASK | environ).since == since


def test_the_state_store_of_a_task():
    accessor = StateStore()
    store = open_store({"task_state_store": accessor}, timedelta.max)
    assert open_store({}, timedelta.max) is None
    assert store.get("a") is None
    store.set("a", {"b": 1})

    assert store.get("a") == {"b": 1}


def test_a_forked_child_waits_for_no_lock_of_the_parents_notes_and_reads_its_own():
    claims = get_claims(object())
    shared = claims.shared
    shared.notes = RecordStore(TaskAttempt())
    with shared.reading, shared.notes._writing:
        child = os.fork()
        if child == 0:
            own = claims.shared
            os._exit(0 if own.notes is None and own.reading.acquire(timeout=10) else 1)
    assert os.waitpid(child, 0)[1] == 0
