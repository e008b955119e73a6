"""Connections of an event loop, with aiohttp: every answer ends in time, and late bytes are nobody's answer.

aiohttp is imported on first use, because DAG files import this package.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import ssl
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

KEEP_ALIVE = 30.0
"""Seconds that an idle connection stays open; the next poll of a connection mostly comes sooner."""


@dataclass(slots=True)
class _Deadline:
    """
    When one task's wait for an answer is over; times are the loop's.

    :param cancel_requests: how often others had asked the task to cancel before.
    :param handler: the connection that it was given; its `last_received` is when something last came.
    :param reason: why it is over; empty while it is not.
    """

    end: float
    cancel_requests: int
    handler: Any = None
    reason: str = ""

    def compute(self, silence: float) -> float:
        """Return when it is over, unless something comes before."""
        return self.end if self.handler is None else min(self.end, self.handler.last_received + silence)


class Deadlines:
    """
    Cancel the tasks whose answers do not come, or do not end, in time.

    One timer serves all: aiohttp's own are two for each answer, which is mostly there in a moment.

    :param silence: seconds without a byte, from the end of the request on.
    :param total: seconds for all of one answer.
    """

    def __init__(self, silence: float, total: float):
        self._silence, self._total = silence, total
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Task[Any], _Deadline] = {}
        self._cancelled: dict[asyncio.Task[Any], _Deadline] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Return whether a request is under way."""
        return bool(self._waiting or self._cancelled)

    def begin(self) -> asyncio.Task[Any]:
        """Count from now on for the running task, and return it."""
        task, now = asyncio.current_task(), self._loop.time()
        assert task is not None  # aiohttp itself demands one
        self._waiting[task] = _Deadline(now + self._total, task.cancelling())
        if self._timer is None:
            self._timer = self._loop.call_at(now + min(self._silence, self._total), self._cancel_late_tasks)
        return task

    def set_handler(self, handler: Any) -> None:
        """Take note of the connection that the running task is given."""
        if deadline := self._waiting.get(asyncio.current_task()):  # type: ignore[arg-type]
            deadline.handler = handler

    def end(self, task: asyncio.Task[Any]) -> None:
        """Leave a task alone."""
        self._waiting.pop(task, None)
        if self._cancelled and self._cancelled.pop(task, None) is not None:
            task.uncancel()  # another error came first

    def pop_reason(self, task: asyncio.Task[Any]) -> str:
        """Return why the running task was cancelled from here; empty if somebody else cancelled it, too."""
        deadline = self._cancelled.pop(task, None)
        return deadline.reason if deadline and task.uncancel() <= deadline.cancel_requests else ""

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cancel_late_tasks(self) -> None:
        """Cancel what is late; the timer is set to when another one may be, whatever begins meanwhile."""
        self._timer = None
        now = self._loop.time()
        for task, deadline in list(self._waiting.items()):
            if now >= deadline.compute(self._silence):
                deadline.reason = (
                    f"it took longer than {self._total:.0f} s in all"
                    if now >= deadline.end
                    else f"nothing came for {self._silence:.0f} s"
                )
                self._cancelled[task] = self._waiting.pop(task)
                task.cancel()
        if self._waiting:
            earliest = min(deadline.compute(self._silence) for deadline in self._waiting.values())
            self._timer = self._loop.call_at(min(now + self._silence, earliest), self._cancel_late_tasks)


def make_connector(
    max_connections: int, ssl_context: ssl.SSLContext | bool, deadlines: Deadlines
) -> aiohttp.TCPConnector:
    """Return a pool that counts as closed when its loop has ended, and in a fork: nobody can close it."""
    import aiohttp

    home, owner = asyncio.get_running_loop(), os.getpid()

    class Connector(aiohttp.TCPConnector):
        def __init__(self, **options: Any):
            super().__init__(**options)
            self._factory = partial(_make_handler_class(), loop=home)

        @property
        def closed(self) -> bool:
            return super().closed or home.is_closed() or os.getpid() != owner

        async def connect(self, *args: Any, **options: Any) -> Connection:
            while True:
                connection = await super().connect(*args, **options)
                handler: Any = connection.protocol
                if not handler.is_idle or not handler.has_bytes():
                    break
                connection.close()  # the loop was busy, and has not read what is there
            handler.is_idle = False
            deadlines.set_handler(handler)
            connection.add_callback(handler.rest)
            return connection

        def __del__(self, *_: Any) -> None:
            """Leave the sockets to Python: aiohttp's own way unregisters them, in a fork the parent's too."""

    return Connector(limit=max_connections, keepalive_timeout=KEEP_ALIVE, ssl=ssl_context)


def _make_handler_class() -> type[ResponseHandler]:
    """
    Return what reads the answers of a connection.

    What comes while nobody waits for one (a second answer, a load balancer's 408) is nobody's. aiohttp would
    keep it for the next request: another order's job would be that order's.
    """
    from aiohttp.client_proto import ResponseHandler

    class Handler(ResponseHandler):
        is_idle = False
        last_received = math.inf
        _poll: select.poll | None = None

        def start_timeout(self) -> None:
            """Wait for the answer: the request is sent."""
            super().start_timeout()
            self.last_received = self._loop.time()

        def rest(self) -> None:
            self.is_idle, self.last_received = True, math.inf

        def has_bytes(self) -> bool:
            """Return whether there is something to read, the end too; urllib3 asks its connections so."""
            if self._poll is None and self.transport:
                self._poll = select.poll()
                self._poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
            return bool(self._poll and self._poll.poll(0))

        def data_received(self, data: bytes) -> None:
            if not self.is_idle:
                self.last_received = self._loop.time()
                super().data_received(data)
            elif data and self.transport:  # TLS within TLS gives an empty one now and then
                self.transport.abort()

    return Handler
