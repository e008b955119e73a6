"""By which clocks durations are measured, and how to wait: for sends on either side, and for flows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from airflow_provider_zuora.core.flow import RunInThread


@dataclass(frozen=True, slots=True)
class Timing:
    """
    Two clocks and two ways to wait, in a thread and on an event loop; all of them count seconds.

    :param wall_clock: returns seconds since the epoch, for what outlives a process.
    :param monotonic: returns seconds that durations are measured by; nobody sets this clock.
    :param arun_in_thread: runs on an event loop what may block.
    """

    wall_clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    asleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    arun_in_thread: Callable[[Callable[[], object]], Awaitable[object]] = asyncio.to_thread

    def perform(self, step: float | RunInThread) -> object:
        """Do what a request's turn consists of: wait, or make a call."""
        return step.call() if isinstance(step, RunInThread) else self.sleep(step)

    def aperform(self, step: float | RunInThread) -> Awaitable[object]:
        """Do what `perform` does, on an event loop."""
        return self.arun_in_thread(step.call) if isinstance(step, RunInThread) else self.asleep(step)
