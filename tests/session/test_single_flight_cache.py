"""A reading is shared by coroutines that ask at about the same time, and by no others."""

import asyncio

import pytest

from airflow_provider_zuora.session.concurrency import SingleFlightCache


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Source:
    """Counts how often it is read; a read takes a turn of the loop."""

    def __init__(self, *fails):
        self.count = 0
        self.fails = list(fails)

    async def __call__(self):
        self.count += 1
        count = self.count
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop()
        return count


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    return SingleFlightCache(10.0, clock)


def test_those_who_ask_at_the_same_time_share_a_reading(cache):
    source = Source()

    async def many():
        return await asyncio.gather(*(cache.get("a", source) for _ in range(100)))

    assert asyncio.run(many()) == [1] * 100


def test_a_reading_is_used_until_it_is_old(cache, clock):
    source = Source()

    async def often():
        for clock.now in (0.0, 9.9, 10.0, 19.9, 20.0):
            yield await cache.get("a", source)

    async def all_of_them():
        return [reading async for reading in often()]

    assert asyncio.run(all_of_them()) == [1, 1, 2, 2, 3]


def test_names_and_loops_are_told_apart(cache):
    source = Source()

    async def two():
        return await cache.get("a", source), await cache.get("b", source)

    assert asyncio.run(two()) == (1, 2)
    assert asyncio.run(two()) == (3, 4)


def test_an_error_is_the_readers_own_and_the_next_reads_for_itself(cache):
    source = Source(ValueError("once"))

    async def three():
        return await asyncio.gather(*(cache.get("a", source) for _ in range(3)), return_exceptions=True)

    first, *others = asyncio.run(three())
    assert isinstance(first, ValueError)
    assert others == [2, 2]


def test_a_reader_that_is_cancelled_leaves_the_reading_to_the_next(cache):
    source = Source()

    async def cancelled():
        reader = asyncio.create_task(cache.get("a", source))
        other = asyncio.create_task(cache.get("a", source))
        await asyncio.sleep(0)
        reader.cancel()
        return await other

    assert asyncio.run(cancelled()) == 2
