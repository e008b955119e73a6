"""The only module with process-wide state: one signed-in account per vendor, URL and client id.

An account answers what flows ask for: it keeps the token, signs in once at a time, and owns the connections.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_zuora.core.client import Client, Grant
from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.jobs import Credentials
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.wire import ONCE, AsyncCarrier, Carrier, Flow, Token, arun, run
from airflow_provider_zuora.readings import Readings
from airflow_provider_zuora.sharing import afresh, granted
from airflow_provider_zuora.token_file import TokenFile
from airflow_provider_zuora.transports import AsyncTransport, BlockingTransport, Line

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Masks:
    """What hides a new token from the logs of this process, on either side."""

    mask: Callable[[str], object]
    amask: Callable[[str], Awaitable[object]]


@dataclass(slots=True)
class _Loop:
    """What an account keeps for one event loop while somebody uses it."""

    users: int = 0
    transport: AsyncTransport | None = None
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    signing: asyncio.Future[None] | None = None


class Account:
    """
    One client id at one vendor.

    :param masks: called with every new token before it is used.
    :param token_file: where the processes of this host share the token, None where they do not.
    :param clock: returns seconds; ``sleep`` and ``asleep`` wait for them.
    :param rng: for jitter and Track-Ids; the system's, because forked workers must not draw the same.
    """

    def __init__(  # noqa: PLR0913 - clocks and chance are passed in
        self,
        vendor: str,
        credentials: Credentials,
        line: Line,
        masks: Masks,
        *,
        token_file: TokenFile | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        asleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
    ):
        self._vendor = VENDORS[vendor]
        self._credentials = credentials
        self._line = line
        self._masks = masks
        self._token_file = token_file
        self._clock = clock
        self._sleep = sleep
        self._asleep = asleep
        self._rng = rng or random.SystemRandom()
        self._grant: Grant | None = None
        self._signing = threading.Lock()
        self._opening = threading.Lock()
        self._transport: BlockingTransport | None = None
        self._loops: dict[asyncio.AbstractEventLoop, _Loop] = {}

    def client(self, headers: Mapping[str, str] | None = None) -> Client:
        """Return the flows of this account, with headers that every request but the sign-in carries."""
        return Client(self._vendor, self._credentials, headers or {}, clock=self._clock, rng=self._rng)

    def run(self, flow: Flow[T]) -> T:
        """Carry a flow with blocking calls."""
        return run(flow, Carrier(self._blocking().send, self._token, self._sleep))

    def close(self) -> None:
        """Close the connections of `run`; the next flow opens them again."""
        with self._opening:
            if self._transport is not None:
                self._transport.close()
                self._transport = None

    async def arun(self, flow: Flow[T]) -> T:
        """Carry a flow on the running event loop; its connections are shared by all flows under way there."""
        async with self._connected() as carrier:
            return await arun(flow, carrier)

    async def aclose(self) -> None:
        """Close the connections of the running loop."""

    def sign_in(self) -> None:
        """Sign in afresh and once, whatever token is in hand, or in the file of this host."""
        with self._signing:
            self._sign_in(afresh(self.client(), ONCE, self._token_file))

    def _blocking(self) -> BlockingTransport:
        with self._opening:
            if self._transport is None:
                self._transport = BlockingTransport(self._line)
            return self._transport

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncCarrier]:
        """Open the connections with the first user of a loop and close them with its last."""
        running = asyncio.get_running_loop()
        loop = self._loops.setdefault(running, _Loop())
        loop.users += 1
        try:
            async with loop.opening:
                if loop.transport is None:
                    loop.transport = await AsyncTransport.opened(self._line)
            send = loop.transport.send
            carrier = AsyncCarrier(send, lambda step: self._atoken(step, loop, carrier), self._asleep)
            yield carrier
        finally:
            loop.users -= 1
            if not loop.users:
                del self._loops[running]
                if loop.transport is not None:
                    await loop.transport.close()

    def _cached(self, refused: str | None) -> str | None:
        """Return the token in hand, None where there is none, it is old, or it is the refused one."""
        grant = self._grant
        if grant is None or grant.token == refused or self._clock() >= grant.expires:
            return None
        return grant.token

    def _token(self, step: Token) -> str:
        with self._signing:
            if token := self._cached(step.refused):
                return token
            return self._sign_in(granted(self.client(), step, self._token_file))

    def _sign_in(self, flow: Flow[Grant]) -> str:
        grant = run(flow, Carrier(self._blocking().send, self._token, self._sleep))
        self._masks.mask(grant.token)
        self._grant = grant
        return grant.token

    async def _atoken(self, step: Token, loop: _Loop, carrier: AsyncCarrier) -> str:
        """Return the token, or take part in the sign-in that is under way, its error included."""
        while (token := self._cached(step.refused)) is None:
            if loop.signing is None:
                return await self._asign_in(step, loop, carrier)
            signing = loop.signing
            await asyncio.wait({signing})
            if not signing.cancelled() and (error := signing.exception()):
                raise error
        return token

    async def _asign_in(self, step: Token, loop: _Loop, carrier: AsyncCarrier) -> str:
        signing = loop.signing = asyncio.get_running_loop().create_future()
        try:
            grant = await arun(granted(self.client(), step, self._token_file), carrier)
            await self._masks.amask(grant.token)
        except ApiError as error:
            signing.set_exception(error)
            signing.exception()  # nobody else may have waited for it
            raise
        else:
            self._grant = grant
            signing.set_result(None)
            return grant.token
        finally:
            loop.signing = None
            signing.cancel()  # no more than a word to those who wait, where this coroutine was cancelled


_ACCOUNTS: dict[tuple[str, Credentials, Line, TokenFile | None], Account] = {}
_LOOKING_UP = threading.Lock()
READINGS: Readings[Any] = Readings(10.0)
"""What connections say: a triggerer takes up a thousand waits in a second, and reads each connection once."""


def account_of(
    vendor: str, credentials: Credentials, line: Line, masks: Masks, token_file: TokenFile | None = None
) -> Account:
    """
    Return the account of this process for these credentials; a changed secret makes another account.

    :param token_file: another one, as two entities of one client have, makes another account too.
    """
    with _LOOKING_UP:
        key = (vendor, credentials, line, token_file)
        if key not in _ACCOUNTS:
            _ACCOUNTS[key] = Account(vendor, credentials, line, masks, token_file=token_file)
        return _ACCOUNTS[key]


def _forget() -> None:
    """Begin afresh in a forked process: connections and locks belong to the parent."""
    global _LOOKING_UP  # noqa: PLW0603 - this module's law allows it
    _LOOKING_UP = threading.Lock()
    _ACCOUNTS.clear()


os.register_at_fork(after_in_child=_forget)
