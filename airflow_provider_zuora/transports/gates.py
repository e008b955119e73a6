"""What stands before a transport: so many requests at once, and each only when the account's limits allow it.

The slot is taken before the limits are asked: a request that queued in the transport's own pool, behind them,
would start as soon as a connection is free, amid a quiet too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.asynchronous import AsyncTransport
from airflow_provider_zuora.transports.blocking import BlockingTransport


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What a gate goes by.

    :param slots: requests at once.
    :param limits: of the account, the same for all its gates.
    :param clock: returns seconds, and nobody sets it; ``sleep`` and ``asleep`` wait for them.
    """

    slots: int
    limits: RateLimiter
    clock: Callable[[], float]
    sleep: Callable[[float], object]
    asleep: Callable[[float], Awaitable[object]]


class Gate:
    """Lets requests through to a blocking transport; safe to use from several threads."""

    def __init__(self, transport: BlockingTransport, rules: Rules):
        self._transport = transport
        self._rules = rules
        self._slots = threading.BoundedSemaphore(rules.slots)

    def send(self, request: Request) -> Response:
        """
        Send a request when it may be sent, and return its answer.

        :raises Held: where that is too long to wait for.
        :raises Unreachable: where no answer came.
        """
        rules, response = self._rules, None
        with self._slots:
            try:
                for seconds in rules.limits.admission(request, rules.clock):
                    rules.sleep(seconds)
                response = self._transport.send(request)
                return response
            finally:
                rules.limits.done(response, rules.clock())

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncGate:
    """Lets requests through to the transport of one event loop; otherwise as `Gate`."""

    def __init__(self, transport: AsyncTransport, rules: Rules):
        self._transport = transport
        self._rules = rules
        self._slots = asyncio.Semaphore(rules.slots)

    async def send(self, request: Request) -> Response:
        """Send a request when it may be sent, and return its answer; errors as `Gate.send`."""
        rules, response = self._rules, None
        await self._slots.acquire()
        try:
            for seconds in rules.limits.admission(request, rules.clock):
                await rules.asleep(seconds)
            response = await self._transport.send(request)
            return response
        finally:
            rules.limits.done(response, rules.clock())
            self._slots.release()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()
