"""Run many flows of a session, so many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.session.event_loop import run_on_own_loop
from airflow_provider_zuora.session.session import ApiSession

S = TypeVar("S")
T = TypeVar("T")


async def arun_all(session: ApiSession, flows: Iterable[Flow[T]], concurrency: int) -> list[T]:
    """
    Run flows on the running event loop, so many at once, and return their results in their order.

    A flow is taken from the iterable when its turn comes. An error that one raises ends all.
    """
    return await call_concurrently(session.arun, flows, concurrency)


async def call_concurrently(
    call: Callable[[S], Awaitable[T]], arguments: Iterable[S], concurrency: int
) -> list[T]:
    """
    Await a call with each argument, a number of them at once, and return the results in their order.

    An argument is taken from the iterable when its turn comes. An error that a call raises ends all.
    """
    results: dict[int, T] = {}
    turn = enumerate(arguments)

    async def work() -> None:
        for index, argument in turn:
            results[index] = await call(argument)

    if concurrency == 1:
        await work()
    else:
        workers = [asyncio.ensure_future(work()) for _ in range(concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
    return [results[index] for index in range(len(results))]


def run_all(session: ApiSession, flows: Iterable[Flow[T]], concurrency: int) -> list[T]:
    """Run flows as `arun_all` does, on an event loop and a thread of their own, wherever this is called."""
    return run_on_own_loop(lambda: arun_all(session, flows, concurrency))
