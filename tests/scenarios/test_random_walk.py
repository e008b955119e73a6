"""
Walks by chance: tries of one order, kills, clears, hours that pass, answers, refusals of every kind.

`make test` walks the same ways each time; `make explore` goes on with fresh ones for five minutes.
"""

from __future__ import annotations

import logging
import os
import random
import time
from dataclasses import dataclass, field
from functools import partial

import pytest

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from tests.core.runners import Memory
from tests.core.tries import ANSWERS, NUMBERED, ORDER, Zuora, before, submit, submit_list

HOUR = 3600.0
FRESH = os.environ.get("EXPLORE") == "1"
WALKS = 400
# Beside the answers that the other tests know: what stands in front of Zuora, with codes and without.
EDGES = {
    "403 page": before(403, b"<html><h1>Forbidden</h1></html>"),
    "401 once": before(401, b'{"message": "x"}'),
    "404 of a gateway": before(404, b'{"message": "no Route matched with those values"}'),
    "413": before(413, b'{"message": "too large"}'),
    "503 page": before(503, b"<h1>x</h1>"),
    "429 of an edge": before(429, b'{"message": "request exceeded limit"}'),
}
STEPS = list((ANSWERS | EDGES).values())
GAPS = [0, 1, 60, 600, HOUR, 5 * HOUR, 22.9 * HOUR, 25 * HOUR]
# Found on c992ce1, each with two orders at its end.
KNOWN = [1019001, 1015874, 1007148, 1003538, 1050694, 1020023]


DEFERS = pytest.mark.parametrize("defers", [False, True], ids=["sleeps", "may defer"])


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@dataclass
class Walk:
    """
    One task whose tries are answered by chance.

    :param defers: its tries may end at a long pause, after which another process goes on.
    :ivar memory: of Airflow: none (2.11), kept (3.3), wiped by a clear (3.4) or by a success.
    """

    seed: int
    defers: bool = False
    log: list[object] = field(default_factory=list)

    def __post_init__(self):
        self.dice = random.Random(self.seed)
        self.version = self.dice.choice(["2.11", "3.3", "3.4", "clear_on_success"])
        self.order = self.dice.choice([NUMBERED, ORDER, ORDER])
        self.submits = self.dice.choice(
            [submit, submit, lambda z, m, a, order: submit_list(z, m, a, [order])]
        )
        if self.defers and self.submits is submit:
            chance = random.Random(self.seed)  # of its own, so that a walk that is known stays the same
            self.submits = partial(submit, defers=lambda: chance.random() < 0.7)
        self.retries = self.dice.choice([0, 1, 3])
        self.zuora = Zuora(job_seconds=self.dice.choice([0, 0, 30, 200]))
        self.memory = None if self.version == "2.11" else Memory()
        self.began, self.number, self.max_tries = self.zuora.clock(), 0, self.retries
        self.ended = "retry"

    def step(self):
        if self.ended != "retry":
            self.max_tries = self.number + self.retries
            if self.version == "3.4":
                self.memory.clear()
            self.log.append("clear")
        self.number += 1
        self.zuora.clock.sleep(self.dice.choice(GAPS))
        answers = self.dice.randint(0, 5)
        self.zuora.script = [
            self.dice.choice(STEPS) if self.dice.random() < 0.6 else None for _ in range(answers)
        ]
        is_cleared = self.max_tries > self.retries
        attempt = TaskAttempt(self.number, self.max_tries, is_cleared, self.began)
        actor = self.submits(self.zuora, self.memory, attempt, self.order)
        actor.run(self.dice.randint(0, 12) if self.dice.random() < 0.35 else None)
        if actor.running:
            actor.kill()
        is_transient = actor.running or (isinstance(actor.end, ApiError) and actor.end.transient)
        self.ended = "retry" if is_transient and self.number <= self.max_tries else "ended"
        self.log.append("killed" if actor.running else repr(actor.end)[:90])
        if isinstance(actor.end, str):
            known = {job["jobId"] for job in self.zuora.ledger["jobs"]}
            assert actor.end.startswith("order:") or actor.end in known, (
                self.seed,
                "success without a job",
                self.log,
            )
            if self.version == "clear_on_success":
                self.memory.clear()
        assert len(self.zuora.made) <= 1, (self.seed, "two orders", self.log, self.zuora.keys)


def walk(seed, *, defers=False):
    taken = Walk(seed, defers)
    for _ in range(taken.dice.randint(3, 10)):
        taken.step()


@pytest.mark.parametrize("seed", KNOWN)
@DEFERS
def test_a_walk_that_once_made_two_orders_makes_one(seed, defers):
    walk(seed, defers=defers)


@pytest.mark.parametrize("first", range(0, WALKS, 100))
def test_a_walk_makes_one_order_at_most(first):
    for seed in range(first, first + 100):
        walk(seed, defers=seed % 2 == 1)


@pytest.mark.skipif(not FRESH, reason="make explore runs it: five minutes of fresh seeds")
@pytest.mark.timeout(900)
def test_fresh_walks_make_one_order_at_most():
    ends = time.monotonic() + 300
    seed = random.SystemRandom().randrange(2**40)
    while time.monotonic() < ends:
        walk(seed, defers=seed % 2 == 1)
        seed += 1
