"""The connections of an account on one event loop: from its first user until a while after its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from airflow_provider_zuora.transports.asynchronous import AsyncTransport
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.gates import AsyncGate, Rules

GRACE = 30.0  # seconds; the next trigger of a connection mostly comes sooner, and finds its connections open


class Pool:
    """
    What an account keeps for one event loop; made while that loop runs.

    :param owner: lives for as long as the connections are kept, as the account does, with its token.
    :param signing: set while a sign-in is under way; whoever needs a token waits for it.
    """

    def __init__(self, line: TransportConfig, rules: Rules, owner: object):
        self.users = 0
        self.signing: asyncio.Future[None] | None = None
        self._owner = owner
        self._line = line
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self._opening = asyncio.Lock()
        self._gate: AsyncGate | None = None
        self._kept: AsyncGenerator[AsyncGate, None] | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None  # a loop itself holds its tasks weakly

    @property
    def over(self) -> bool:
        """Say whether the loop has ended, and nobody will come here again."""
        return self._loop.is_closed()

    @asynccontextmanager
    async def used(self) -> AsyncIterator[AsyncGate]:
        """Open the connections where they are not; the last user's leave gives them `GRACE` seconds."""
        self.users += 1
        if self._grace is not None:
            self._grace.cancel()
        try:
            yield self._gate or await self._opened()
        finally:
            self.users -= 1
            if not self.users and not self.over:
                self._grace = self._loop.call_later(GRACE, self._begin_to_close)

    async def close(self) -> None:
        """Close the connections at once, unless they are used."""
        kept = self._kept
        if kept is not None and not self.users:
            self._gate = self._kept = None
            await kept.aclose()

    async def _opened(self) -> AsyncGate:
        async with self._opening:
            if self._gate is None:
                kept = self._keep()
                self._gate = await anext(kept)
                self._kept = kept
            return self._gate

    async def _keep(self) -> AsyncGenerator[AsyncGate, None]:
        """Keep connections open; a loop that shuts down its generators closes them, as `asyncio.run` does."""
        gate = AsyncGate(await AsyncTransport.opened(self._line), self._rules)
        try:
            yield gate
        finally:
            await gate.close()

    def _begin_to_close(self) -> None:
        self._closing = self._loop.create_task(self.close())
