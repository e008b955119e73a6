"""Await many calls at once, or one for many; run a coroutine from blocking code, on a loop of its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

S = TypeVar("S")
T = TypeVar("T")

_END_TIMEOUT = 5.0  # seconds; what is cancelled mostly ends in some milliseconds


async def call_concurrently(
    call: Callable[[S], Awaitable[T]], arguments: Iterable[S], concurrency: int
) -> list[T]:
    """
    Await a call with each argument, a number of them at once, and return the results in their order.

    An argument is taken from the iterable when its turn comes. An error of one call cancels the others.
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


@dataclass(slots=True)
class _Entry(Generic[T]):
    """What was read last under one name, as a tuple of one, and until when it may be used."""

    values: tuple[T, ...] = ()
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SingleFlightCache(Generic[T]):
    """Read a thing once for all coroutines of an event loop that want it within some seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._seconds, self._clock = seconds, clock
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Entry[T]]]
        self._loops = WeakKeyDictionary()

    async def get(self, name: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """
        Return what was read under a name, and read it if that is too long ago.

        Coroutines that ask meanwhile wait for it. An error, and a cancellation, is only the reader's own.
        """
        entry = self._loops.setdefault(asyncio.get_running_loop(), {}).setdefault(name, _Entry())
        async with entry.lock:
            if not entry.values or self._clock() >= entry.until:
                entry.values = (await read(),)
                entry.until = self._clock() + self._seconds
            return entry.values[0]


def run_on_own_loop(main: Callable[[], Coroutine[Any, Any, T]], timeout: float = _END_TIMEOUT) -> T:
    """
    Run a coroutine on a thread with an event loop of its own, and return its result, or raise its error.

    The caller may have a running loop, and Airflow's ``execution_timeout`` raises in the main thread, where
    an error in a callback of a loop is lost. An error that is raised in the caller meanwhile cancels the
    coroutine, and is raised when that has ended. The coroutine sees the caller's context variables.

    :param timeout: seconds that a cancelled coroutine has to end; after that the thread is left to itself.
    :raises RuntimeError: if the machine gives no thread.
    """
    loop = asyncio.new_event_loop()
    task: asyncio.Future[T] = loop.create_future()  # until there is a task
    # Held while the thread runs. No Event, no Thread.join: a signal that raises inside of one of those leaves
    # it in a state that is not true.
    running = threading.Lock()

    async def run_main() -> None:
        nonlocal task
        before, task = task, asyncio.ensure_future(main())
        if before.cancelled():
            task.cancel()
        await asyncio.wait({task})

    def run_thread() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(run_main())
        finally:
            running.release()

    target = contextvars.copy_context().run
    thread = threading.Thread(target=target, args=(run_thread,), name="zuora-loop", daemon=True)
    running.acquire()
    try:
        try:
            thread.start()
        except RuntimeError:
            loop.close()
            running.release()
            raise
        with running:
            pass
    finally:
        with suppress(RuntimeError):  # the loop is closed: nothing is under way
            loop.call_soon_threadsafe(lambda: task.cancel())  # noqa: PLW0108 - that of then
        if running.acquire(timeout=timeout):
            with suppress(RuntimeError):  # it was never started
                thread.join()
    return task.result()
