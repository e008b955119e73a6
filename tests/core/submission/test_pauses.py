"""A try that ends at each long pause, and goes on in another process, comes to what one that sleeps does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from tests.core.runners import Memory
from tests.core.submission.stories import kill_after_post
from tests.core.tries import ANSWERS, NUMBERED, ORDER, Zuora, submit
from zuora_sandbox import Fault

FIRST, RETRY = TaskAttempt(1, 3), TaskAttempt(2, 3)
CLEARED = TaskAttempt(3, 6, is_cleared=True)
ORDERS = {"numbered": NUMBERED, "not numbered": ORDER}
LATER = 3600.0


def tell(end):
    return (type(end), end.transient) if isinstance(end, ApiError) else end


def live(script, order, memory, *, defers, faults=()):
    """Let a first try, a retry and one after a clear follow each other; return all that came of it."""
    zuora, kept = Zuora(*script, duplicate_order_numbers="accept"), Memory() if memory else None
    for fault in faults:
        zuora.sandbox.add_fault(fault)
    began, ends, pauses = zuora.clock(), [], 0
    for attempt in (FIRST, RETRY, CLEARED):
        actor = submit(zuora, kept, replace(attempt, since=began), order, lambda: defers).run()
        pauses += actor.pauses
        ends.append(tell(actor.end))
        zuora.clock.now += LATER
    noted = json.loads(json.dumps(kept))
    return ends, zuora.keys, zuora.made, noted, pauses


@pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("first", sorted(ANSWERS))
def test_it_comes_to_what_a_try_that_sleeps_comes_to(first, order, memory):
    paused = 0
    for second in ["429", "category 50", "no answer, made"]:
        for script in ((first, second), ("429", first, second)):
            *slept, none = live(script, order, memory, defers=False)
            *deferred, pauses = live(script, order, memory, defers=True)
            assert deferred == slept, script
            assert none == 0
            paused += pauses
    assert paused


@pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("second", [RETRY, replace(CLEARED, number=2)], ids=["retry", "clear"])
@pytest.mark.parametrize("first", sorted(ANSWERS))
def test_it_knows_what_is_an_earlier_trys(first, second, order, memory):
    """The first try is killed when its POST is sent; the next one is asked to wait before it hears of it."""
    came = []
    for defers in (False, True):
        zuora, kept = Zuora(first, "429", duplicate_order_numbers="accept"), Memory() if memory else None
        since = zuora.clock()
        kill_after_post(zuora, kept, replace(FIRST, since=since), order)
        actor = submit(zuora, kept, replace(second, since=since), order, lambda defers=defers: defers).run()
        assert bool(actor.pauses) is defers
        came.append((tell(actor.end), zuora.keys, zuora.made, kept))

    assert came[1] == came[0]


ORDER_PAGE, JOB_PAGE = "/v1/orders/", "/v1/async-jobs/"


@pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])
@pytest.mark.parametrize(
    ("script", "path"),
    [
        (("no answer, made", *["403"] * 6), ORDER_PAGE),
        (("no answer, not made", *["403"] * 6), ORDER_PAGE),
        (("category 61, made",) * 9, ORDER_PAGE),
        (("no answer, made",) * 9, ORDER_PAGE),
        ((), JOB_PAGE),
        (("job fails on a lock",), JOB_PAGE),
    ],
)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_cannot_be_read_yet_is_read_after_a_pause(script, path, memory, times):
    limit = Fault("GET", path, status=429, headers={"Retry-After": "120"}, times=times)
    *slept, _ = live(script, NUMBERED, memory, defers=False, faults=[limit])
    *deferred, pauses = live(script, NUMBERED, memory, defers=True, faults=[limit])

    assert deferred == slept
    assert len(slept[2]) == 1
    assert pauses
