"""Many flows over one session: so many at once, in their order, each begun when its turn comes."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_zuora.core.flow import Sleep
from airflow_provider_zuora.session.concurrency import call_concurrently, run_on_own_loop


class Flows:
    """Flows of a few steps each, which count how many are under way."""

    def __init__(self, count, broken=None):
        self.count, self.broken = count, broken
        self.begun = self.most = self.now = 0

    def __iter__(self):
        for number in range(self.count):
            self.begun += 1
            yield self.flow(number)

    def flow(self, number):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(number % 5):
                yield Sleep(1)
            if number == self.broken:
                raise ZeroDivisionError
        finally:
            self.now -= 1
        return number


def run_all(zuora, flows, concurrency):
    """Run flows that do not wait, as a hook does."""
    session = zuora.make_session(asleep=lambda _: asyncio.sleep(0))
    return run_on_own_loop(lambda: call_concurrently(session.arun, flows, concurrency))


@pytest.mark.parametrize("at_once", [1, 3, 20, 200])
def test_results_come_in_the_order_of_the_flows(zuora, at_once):
    flows = Flows(100)

    assert run_all(zuora, flows, at_once) == list(range(100))
    assert flows.most <= at_once
    assert (flows.most > 1) == (at_once > 1)


def test_a_flow_is_begun_when_its_turn_comes(zuora):
    flows = Flows(100, broken=7)
    with pytest.raises(ZeroDivisionError):
        run_all(zuora, flows, 3)

    assert flows.begun < 15
    assert flows.now == 0, "an error ends those that are under way"


def test_an_error_ends_what_is_under_way_while_the_loop_goes_on(zuora):
    flows = Flows(4, broken=0)
    session = zuora.make_session(asleep=lambda _: asyncio.sleep(3600))

    async def broken():
        with pytest.raises(ZeroDivisionError):
            await call_concurrently(session.arun, reversed([*flows]), 4)
        await asyncio.sleep(0)
        assert flows.now == 0

    asyncio.run(broken())


def test_who_is_cancelled_leaves_nothing_behind(zuora):
    flows = Flows(100)
    session = zuora.make_session(asleep=asyncio.sleep)

    async def cancelled():
        running = asyncio.ensure_future(call_concurrently(session.arun, flows, 3))
        while flows.now < 3:  # noqa: ASYNC110 - it is the flows that are watched
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.sleep(0)

    asyncio.run(cancelled())
    assert flows.now == 0


def test_no_flows_have_no_results(zuora):
    assert run_all(zuora, [], 20) == []
