"""One client id at one vendor: a session carries flows, answers what they ask for, owns the connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar

from airflow_provider_zuora.core.flow import AsyncRunner, Flow, Runner, Store, arun, run
from airflow_provider_zuora.core.http.answers import make_recent_requests
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.session.token_file import TokenFile
from airflow_provider_zuora.session.token_provider import ConnectionSource, TokenProvider
from airflow_provider_zuora.transports.asynchronous import AsyncTransport
from airflow_provider_zuora.transports.blocking import BlockingTransport
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.timing import Timing

T = TypeVar("T")
OpenTransport: TypeAlias = Callable[[TransportConfig, RateLimiter, Timing], BlockingTransport]
OpenAsyncTransport: TypeAlias = Callable[[TransportConfig, RateLimiter, Timing], AsyncTransport]


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """
    What makes a session: hooks whose connections agree in all of it share one.

    :param token_file: where the processes of this host share the token, None if they do not. Two entities of
        one client id have two.
    """

    vendor: Vendor
    credentials: Credentials
    transport: TransportConfig
    token_file: TokenFile | None = None


class ApiSession:
    """
    Carry flows for one client id; safe to use from several threads and event loops.

    :ivar tokens: whoever uses the session next puts its `source` there.

    :param source: masks new tokens, and reads the connection again.
    :param limiter: of the client id, the same for all of its sessions.
    :param rng: for jitter and Track-Ids.
    :param open_transport: makes what sends requests from threads, and ``open_async_transport`` from a loop.
    """

    def __init__(
        self,
        config: SessionConfig,
        source: ConnectionSource,
        limiter: RateLimiter,
        *,
        rng: random.Random,
        timing: Timing | None = None,
        open_transport: OpenTransport = BlockingTransport,
        open_async_transport: OpenAsyncTransport = AsyncTransport,
    ):
        self.config = config
        self._timing = timing = timing or Timing()
        self._make_client = partial(
            ApiClient,
            config.vendor,
            clock=timing.wall_clock,
            ticks=timing.monotonic,
            rng=rng,
            recent=make_recent_requests(),
        )
        self.tokens = TokenProvider(self._make_client, config.credentials, config.token_file, source, timing)
        # Partials, no methods of this object: nothing that is kept here may lead back here. What is in no
        # circle goes when its last user goes, and its connections are closed while their loop still runs.
        self._open_transport = partial(open_transport, config.transport, limiter, timing)
        self._open_async_transport = partial(open_async_transport, config.transport, limiter, timing)
        self._open()

    def _open(self) -> None:
        self._transport = self._open_transport()
        send = self._transport.send
        self._runner = Runner(send, partial(self.tokens.get, send), self._timing.sleep)
        self._loops: dict[asyncio.AbstractEventLoop, tuple[AsyncTransport, AsyncRunner]] = {}

    def client(self, headers: Mapping[str, str] | None = None) -> ApiClient:
        """Return the flows of this session, with headers that every request but the sign-in carries."""
        return self._make_client(self.tokens.credentials, headers or {})

    def run(self, flow: Flow[T], store: Store | None = None) -> T:
        """
        Perform a flow with blocking calls.

        :param store: loads and saves what the flow remembers; None: nothing is remembered.
        """
        return run(flow, self._runner if store is None else replace(self._runner, store=store))

    def close(self) -> None:
        """Close the connections of `run`; the next flow opens them again."""
        self._transport.close()

    async def arun(self, flow: Flow[T], store: Store | None = None) -> T:
        """Perform a flow on the running event loop; connections are shared by all flows under way there."""
        loop = asyncio.get_running_loop()
        _, runner = self._loops.get(loop) or self._open_on(loop)
        return await arun(flow, runner if store is None else replace(runner, store=store))

    async def aclose(self) -> None:
        """Close the connections of the running loop, unless requests are under way; its end does so too."""
        if opened := self._loops.get(asyncio.get_running_loop()):
            await opened[0].close()

    def sign_in(self) -> None:
        """Sign in once, whatever token is in hand, or in the file of this host."""
        self.tokens.force_sign_in(self._transport.send)

    def renew_after_fork(self) -> object:
        """Begin anew in a forked process, with the token; return the parent's connections, to be kept."""
        parents = self._transport, self._runner, self._loops
        self.tokens.renew_after_fork()
        self._open()
        return parents

    def _open_on(self, loop: asyncio.AbstractEventLoop) -> tuple[AsyncTransport, AsyncRunner]:
        """Make what sends requests from a loop, and forget the loops that have ended."""
        for other in [other for other in list(self._loops) if other.is_closed()]:
            self._loops.pop(other, None)
        transport = self._open_async_transport()
        runner = AsyncRunner(transport.send, partial(self.tokens.aget, transport.send), self._timing.asleep)
        self._loops[loop] = transport, runner
        return transport, runner
