"""Run a coroutine on a thread with a loop of its own, while the caller waits where a signal reaches it.

Airflow's ``execution_timeout`` is a signal whose handler raises in the main thread. Raised amid a callback of
an event loop it ends that callback and is forgotten, so no loop of ours runs there. And the caller may have a
running loop already, as a notebook has, and a task that is an ``async def``.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")

END_TIMEOUT = 5.0  # seconds; what is cancelled mostly ends in some milliseconds


def run_on_own_loop(main: Callable[[], Coroutine[Any, Any, T]], timeout: float = END_TIMEOUT) -> T:
    """
    Run a coroutine on a thread with an event loop of its own, and return its result, or raise its error.

    It sees the caller's context variables. What is raised in the caller meanwhile (a timeout, an interrupt)
    cancels the coroutine and is raised when that has ended.

    :param timeout: seconds that the coroutine has for its end then; later the thread ends by itself.
    :raises RuntimeError: if the machine gives no thread.
    """
    return _OwnLoop(main, timeout).run()


class _OwnLoop(Generic[T]):
    """One coroutine, its loop and its thread."""

    def __init__(self, main: Callable[[], Coroutine[Any, Any, T]], timeout: float):
        self._main = main
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Future[T] = self._loop.create_future()
        self._cancelled = False
        # Held while the thread runs. No Event, no Thread.join: a signal that raises amid one of those leaves
        # it in a state that is not true.
        self._running = threading.Lock()
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run_thread,), name="zuora-loop", daemon=True)

    def run(self) -> T:
        """Start the thread, and wait for its end."""
        self._running.acquire()
        try:
            self._start()
            with self._running:
                pass
        finally:
            self._end_thread()
        return self._task.result()

    def _start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError:
            self._loop.close()
            self._running.release()
            raise

    def _end_thread(self) -> None:
        """Cancel what is still under way, and wait for the thread."""
        with suppress(RuntimeError):  # the loop is closed: nothing is under way
            self._loop.call_soon_threadsafe(self._cancel)
        if self._running.acquire(timeout=self._timeout):
            with suppress(RuntimeError):  # it was never started
                self._thread.join()

    def _run_thread(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._run_main())
        finally:
            self._running.release()

    async def _run_main(self) -> None:
        self._task = asyncio.ensure_future(self._main())
        if self._cancelled:
            self._task.cancel()
        await asyncio.wait({self._task})

    def _cancel(self) -> None:
        self._cancelled = True
        self._task.cancel()
