"""A task's life, drawn by chance: faults, crashes, retries, clears, days that pass; never two orders."""

from __future__ import annotations

import logging
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import ApiError, OutcomeUnknown
from airflow_provider_zuora.core.submission.adoption import adopt_job
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.core.runners import Memory
from tests.core.tries import ANSWERS, NUMBERED, ORDER, Actor, Zuora, submit

HOUR = 3600.0
RETRIES = 3


class Task:
    """
    One task of one run, as Airflow keeps its tries.

    :param memory: ``kept`` (Airflow 3.3), ``wiped`` by a clear (3.4), or ``none`` (before 3.3).
    """

    def __init__(self, zuora, order, memory):
        self.zuora, self.order, self.mode = zuora, order, memory
        self.memory = None if memory == "none" else Memory()
        self.queued, self.number, self.max_tries = zuora.clock(), 0, RETRIES
        self.scope = IdempotencyScope("", ("dag", "run", "task"), -1)

    def clear(self):
        self.max_tries = self.number + RETRIES
        if self.mode == "wiped":
            self.memory.clear()

    def next_try(self):
        self.number += 1
        is_cleared = self.max_tries > RETRIES
        return TaskAttempt(self.number, self.max_tries, is_cleared, self.queued)

    def start(self):
        return submit(self.zuora, self.memory, self.next_try(), self.order, scope=self.scope)


TRIES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(sorted(ANSWERS)), max_size=3),
        st.one_of(st.none(), st.integers(0, 12)),  # the step before which the worker is killed
        st.booleans(),  # cleared before this try
        st.sampled_from([0.0, 60.0, HOUR, 22 * HOUR, 25 * HOUR]),  # passes before this try
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def on_the_way_on(task, error):
    """Do what the error says: adopt the order where it is there, else pass another idempotency_key."""
    zuora = task.zuora
    assert "adopt_job_id" in str(error)
    assert "another idempotency_key" in str(error)
    task.clear()
    if zuora.made:
        flow = adopt_job(zuora.client(), zuora.made[0], check_order(task.order), task.scope, task.next_try())
        return Actor(zuora, task.memory, flow).run().end
    task.scope = IdempotencyScope("", (re.search(r"again-\S+Z", str(error))[0],))
    return task.start().run().end


def orders_of(zuora):
    """
    Return the orders that were made, and those that would have been, had their number not been taken.

    A job under way for hours, whose POST was answered by a stored error, is what only that can stop.
    """
    slow = zuora.sandbox.settings.job_seconds > 60
    return zuora.ledger["orders"] if slow else zuora.made


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tries=TRIES,
    numbered=st.booleans(),
    memory=st.sampled_from(["kept", "wiped", "none"]),
    job_seconds=st.sampled_from([0.0, 30.0, 2 * HOUR]),
)
def test_never_two_orders_and_always_an_end(tries, numbered, memory, job_seconds):
    zuora = Zuora(job_seconds=job_seconds)
    task = Task(zuora, NUMBERED if numbered else ORDER, memory)
    first_sent: dict[str, float] = {}
    for answers, killed, is_cleared, passes in tries:
        zuora.script = [ANSWERS[each] for each in answers]
        zuora.sandbox.state.faults.clear()
        zuora.clock.now += passes
        if is_cleared:
            task.clear()
        actor = task.start().run(killed)
        if actor.running:
            actor.kill()
        assert len(orders_of(zuora)) <= 1
        if isinstance(actor.end, str):
            assert actor.end.startswith("order:") or actor.end in {
                job["jobId"] for job in zuora.ledger["jobs"]
            }
        else:
            assert actor.running or isinstance(actor.end, ApiError)
    for sent, key in zuora.keys:
        assert sent - first_sent.setdefault(key, sent) <= 23 * HOUR + 600, "Zuora may have forgotten this key"

    zuora.script, end = [], None
    zuora.sandbox.state.faults.clear()
    for _ in range(4):  # a person clears the task until it is through
        zuora.clock.now += 2 * HOUR
        task.clear()
        end = task.start().run().end
        if isinstance(end, OutcomeUnknown):
            zuora.ledger  # noqa: B018 - what is under way ends
            end = on_the_way_on(task, end)
        if isinstance(end, str):
            break
    assert isinstance(end, str), end
    zuora.clock.now += 3 * HOUR
    assert len(orders_of(zuora)) == 1


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(tries=TRIES, numbered=st.booleans())
def test_a_template_with_now_makes_no_second_order_in_a_retry(tries, numbered):
    zuora = Zuora(job_seconds=30)
    task = Task(zuora, NUMBERED if numbered else ORDER, "kept")
    for count, (answers, killed, _, passes) in enumerate(tries):
        zuora.script = [ANSWERS[each] for each in answers]
        zuora.sandbox.state.faults.clear()
        zuora.clock.now += passes
        task.order = task.order | {"description": f"rendered for try {count}"}
        actor = task.start().run(killed)
        if actor.running:
            actor.kill()
        zuora.clock.now += 40
        assert len(zuora.made) <= 1
