"""The clocks that a session goes by and how it waits, passed in so that a test can stop the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """
    Two clocks and two ways to wait; all of them count seconds.

    :param wall_clock: returns seconds since the epoch, for what outlives a process.
    :param monotonic: returns seconds that durations are measured by; nobody sets this clock.
    :param sleep: waits in a thread.
    :param asleep: waits on an event loop.
    """

    wall_clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    asleep: Callable[[float], Awaitable[object]] = asyncio.sleep
