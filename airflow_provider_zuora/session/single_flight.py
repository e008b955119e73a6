"""Read a thing once for all coroutines that want it at about the same time; nothing grows old here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


@dataclass(slots=True)
class _Reading(Generic[T]):
    """What was read last under one name, and until when it may be used."""

    values: tuple[T, ...] = ()
    until: float = 0.0
    under_way: asyncio.Lock = field(default_factory=asyncio.Lock)


class SingleFlightCache(Generic[T]):
    """
    What was read a moment ago, for each event loop.

    :param seconds: how long a reading is used.
    :param clock: returns seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._seconds = seconds
        self._clock = clock
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Reading[T]]]
        self._loops = WeakKeyDictionary()

    async def get(self, name: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """
        Return what was read under a name, and read it where that is too long ago.

        Those who ask while it is being read wait for it. An error is raised to the one whose reading failed,
        and the next reads for itself, as it does where the reader is cancelled.
        """
        loop = asyncio.get_running_loop()
        reading = self._loops.setdefault(loop, {}).setdefault(name, _Reading())
        async with reading.under_way:
            if not reading.values or self._clock() >= reading.until:
                reading.values = (await read(),)
                reading.until = self._clock() + self._seconds
            return reading.values[0]
