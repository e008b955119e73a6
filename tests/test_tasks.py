"""What the context of a running task tells of who submits, and in which try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.submission.keys import Submitter
from airflow_provider_zuora.tasks import TaskStore, submitter_of, try_of
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
        ({}, None),
    ],
)
def test_when_a_run_was_first_queued(run, since):
    assert try_of(context(**run)).since == (None if since is None else since.timestamp())


@pytest.mark.parametrize(("max_tries", "cleared"), [(2, False), (3, True), (0, False)])
def test_a_clear_raises_max_tries_above_the_retries(max_tries, cleared):
    assert try_of(context(max_tries=max_tries)).cleared is cleared


@pytest.mark.parametrize(
    ("map_index", "clear_number", "moved"),
    [(-1, 1, False), (0, 1, True), (3, 1, True), (3, 0, False), (None, 1, False)],
)
def test_a_mapped_task_of_a_cleared_run_may_have_another_order(map_index, clear_number, moved):
    assert try_of(context(map_index=map_index, clear_number=clear_number)).moved is moved


def test_a_context_that_tells_little():
    bare = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)}

    assert try_of({}) == try_of(bare) == Try()


def test_who_submits():
    assert submitter_of(context(map_index=3), "n", None) == Submitter("n", ("d", "r", "t"), 3)
    assert submitter_of(context(map_index=3), "n", "mine") == Submitter("n", ("mine",))
    assert submitter_of({}, "n", None) != submitter_of({}, "n", None)


def test_the_state_store_of_a_task():
    accessor = StateStore()
    store = TaskStore(accessor, timedelta.max)
    assert store.get("a") is None
    store.set("a", {"b": 1})

    assert store.get("a") == {"b": 1}
