"""Two tries that submit one run overlap in every order, are killed anywhere, and a day passes: one run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import OutcomeUnknown, Refused
from tests.core.run_tries import FIRST, HOUR, PATHS, RETRY, Billing, refused, submit
from tests.core.runners import Memory
from tests.core.tries import World, every_interleaving
from zuora_sandbox import Fault

ANSWERS = {
    "accepted": (),
    "lost, not made": ({"when": "before", "kind": "reset"},),
    "lost, made": ({"when": "after", "kind": "reset"},),
    "a gateway's page, made": ({"when": "after", "status": 504, "body": b"<h1>Gateway Time-out</h1>"},),
    "refused by an edge after it was made": (
        {"when": "after", "kind": "reset"},
        {"when": "before", "status": 400, "body": refused(), "times": 3},
    ),
}
STATES = 60  # of each story; drawn by repeatable chance


class Runs(World):
    @property
    def state(self):
        told = tuple(repr(actor.answers) for actor in self.actors)
        return told, repr(sorted((self.memory or {}).items())), tuple(self.zuora.keys), self.has_jumped


@pytest.mark.parametrize("jump", [0.0, 30 * HOUR], ids=["at once", "a day passes"])
@pytest.mark.parametrize("is_remembered", [True, False], ids=["remembered", "not remembered"])
@pytest.mark.parametrize("answers", ANSWERS)
@pytest.mark.parametrize("kind", PATHS)
def test_there_is_one_run_and_the_last_try_knows_it_or_asks(kind, answers, is_remembered, jump):
    since = Billing().clock()

    def start():
        tenant, memory = Billing(), Memory() if is_remembered else None
        for fault in ANSWERS[answers]:
            tenant.sandbox.add_fault(Fault("POST", PATHS[kind], **fault))
        tries = [submit(tenant, memory, replace(each, since=since), kind) for each in (FIRST, RETRY)]
        return Runs(tenant, memory, tries, jump)

    def finish(world):
        tenant = world.zuora
        assert len(tenant.runs) <= 1
        last = submit(tenant, world.memory, replace(RETRY, number=3, since=since), kind).run().end
        assert len(tenant.runs) <= 1
        ends = [actor.end for actor in world.actors if isinstance(actor.end, str)] + [last]
        if isinstance(last, str):
            assert set(ends) == set(tenant.runs)
        else:
            assert isinstance(last, (OutcomeUnknown, Refused))
            assert isinstance(last, OutcomeUnknown) or not tenant.runs
            assert kind == "payment run" or answers.startswith("refused"), last

    assert every_interleaving(start, finish, STATES, kills=True) >= 5
