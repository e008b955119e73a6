"""
All interleavings of two tries that overlap, with every answer: at most one order is made.

Where there are more than 400 states it is so many; `make explore` goes through up to 60,000, and also through
scripts of two answers with a state store.
"""

from __future__ import annotations

import itertools
import logging
import os

import pytest

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.errors import OutcomeUnknown
from tests.core.carriers import Memory
from tests.core.tries import ANSWERS, NUMBERED, ORDER, World, Zuora, every_interleaving, submit

FIRST = Try(number=1, max_tries=3)
RETRY = Try(number=2, max_tries=3)
CLEARED = Try(number=2, max_tries=5, cleared=True)
LAST = Try(number=3, max_tries=5, cleared=True)
ALL = os.environ.get("EXPLORER") == "all"  # make explore
MOST = 60_000 if ALL else 400
# One of each kind, for scripts of two.
KINDS = [
    "429, stored",
    "a cut-off body, made, busy",
    "category 61",
    "401 for good",
    "category 20",
    "category 50",
    "category 61, made",
    "job fails for good",
    "job fails on a lock",
    "no answer, made",
    "no answer, not made",
]


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def explore(script, order, *, memory, second=RETRY):
    """Let two tries overlap in every way, each time followed by a last one alone; return how many states."""

    def start():
        zuora, store = Zuora(*script), Memory() if memory else None
        return World(zuora, store, [submit(zuora, store, attempt, order) for attempt in (FIRST, second)])

    def finish(world):
        check(world, script)
        world.actors.append(submit(world.zuora, world.memory, LAST, order).run())
        check(world, script)

    return every_interleaving(start, finish, MOST)


def check(world, script):
    zuora, made = world.zuora, world.zuora.made
    ends = [actor.end for actor in world.actors]
    assert len(made) <= 1, (script, ends, zuora.ledger["jobs"])
    returned = {end for end in ends if isinstance(end, str) and not end.startswith("order:")}
    known = {job["jobId"] for job in zuora.ledger["jobs"]}
    assert returned <= known, "a job that is none"
    if not made:
        assert not any(isinstance(end, str) and end.startswith("order:") for end in ends)
    if script == ("accepted",):
        assert len(made) == 1
        assert {str(end) for end in ends} == set(made)


@pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])
@pytest.mark.parametrize("order", [NUMBERED, ORDER], ids=["numbered", "not numbered"])
@pytest.mark.parametrize("answered", sorted(ANSWERS))
def test_a_zombie_and_a_retry(answered, order, memory):
    assert explore((answered,), order, memory=memory) > 2


@pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])
@pytest.mark.parametrize("order", [NUMBERED, ORDER], ids=["numbered", "not numbered"])
@pytest.mark.parametrize("answered", sorted(ANSWERS))
def test_a_zombie_and_a_try_after_a_clear(answered, order, memory):
    assert explore((answered,), order, memory=memory, second=CLEARED) > 2


@pytest.mark.parametrize("memory", [True, False] if ALL else [False])
@pytest.mark.parametrize("order", [NUMBERED, ORDER], ids=["numbered", "not numbered"])
@pytest.mark.parametrize("script", list(itertools.product(KINDS, KINDS)), ids=" | ".join)
def test_two_answers_in_a_row(script, order, memory):
    assert explore(script, order, memory=memory) > 2


def test_the_explorer_sees_a_protocol_that_doubles(monkeypatch):
    """The control: a key that nobody shares makes two orders, and the explorer says so."""
    from airflow_provider_zuora.core.submission.keys import Submitter

    drawn = itertools.count()
    monkeypatch.setattr(Submitter, "key", lambda *_: f"af-{next(drawn)}")
    with pytest.raises(AssertionError, match="accepted"):
        explore(("accepted",), ORDER, memory=False)


def test_what_nobody_can_know_is_said():
    zuora = Zuora("category 61, made")
    end = submit(zuora, Memory(), FIRST, ORDER).run().end
    assert isinstance(end, OutcomeUnknown)
