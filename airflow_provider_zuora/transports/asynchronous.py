"""Send requests from one event loop, with aiohttp: a number of them at once, and each in bounded time.

As in `blocking`, flows decide about redirects, cookies and repeats, and aiohttp is imported on first use.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.http.host_limits import Turn
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.deadlines import Deadlines
from airflow_provider_zuora.transports.gzip_body import MAX_BODY, TOO_LARGE, unpack
from airflow_provider_zuora.transports.timing import Timing

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from airflow_provider_zuora.transports.connections import Connections

_MAX_INLINE = 4096  # bytes that are unpacked on the event loop: no more than a few milliseconds


class AsyncTransport:
    """Send requests by aiohttp's connections, as `BlockingTransport` does; make it while its loop runs."""

    def __init__(
        self,
        config: TransportConfig,
        limiter: RateLimiter,
        timing: Timing,
        open_connections: Callable[[TransportConfig], Awaitable[Connections]] | None = None,
    ):
        self._config, self._limiter, self._timing = config, limiter, timing
        self._open_connections = open_connections or _open_connections
        self._deadlines = Deadlines(silence=config.timeout, total=config.total_timeout)
        self._slots, self._opening = asyncio.Semaphore(config.max_connections), asyncio.Lock()
        self._connections: Connections | None = None
        self._keeper: AsyncGenerator[Connections, None] | None = None
        self._errors: tuple[type[Exception], ...] = ()

    async def send(self, request: Request) -> Response:
        """Do what `BlockingTransport.send` does, on the event loop."""
        timing, response, turn = self._timing, None, Turn(self._config.max_connections_per_host)
        async with self._slots:
            try:
                for step in self._limiter.acquire(request, timing.monotonic, turn):
                    await timing.aperform(step)
                response = await self._exchange(request)
                return response
            finally:
                tell_others = self._limiter.release(response, timing.monotonic(), turn)
                if tell_others:
                    await timing.arun_in_thread(tell_others)

    @property
    def is_busy(self) -> bool:
        """Return whether a request is under way."""
        return bool(self._deadlines)

    async def close(self) -> None:
        """Close the connections, unless requests are under way; the next request opens them again."""
        if self._keeper is not None and not self.is_busy:
            keeper, self._keeper, self._connections = self._keeper, None, None
            await keeper.aclose()

    async def _exchange(self, request: Request) -> Response:
        """Send a request; one deadline holds for its whole answer, however it comes."""
        connections = self._connections or await self._open()
        content, connection, failure = bytearray(), None, ""
        deadline = self._deadlines.begin()
        try:
            connection, head, body = await connections.begin(request, deadline)
            while len(content) <= MAX_BODY and not body.at_eof():
                content += await body.readany()
            connection.release()
        except asyncio.CancelledError:
            if not (reason := self._deadlines.pop_reason(deadline)):
                raise
            failure = self._config.describe_error(TimeoutError(reason))
        except self._errors as error:
            failure = self._config.describe_error(error)
        finally:
            self._deadlines.end(deadline)
            if connection is not None:
                connection.close()
        if connection is None:
            raise Unreachable(failure)  # with no cause, which may name a proxy's password
        return await _read_response(head.code, head.headers, bytes(content), failure)

    async def _open(self) -> Connections:
        async with self._opening:
            if self._connections is None:
                self._keeper = _keep_open(await self._open_connections(self._config))
                from airflow_provider_zuora.transports.connections import ERRORS

                self._errors = ERRORS
                self._connections = await anext(self._keeper)
            return self._connections


async def _open_connections(config: TransportConfig) -> Connections:
    """Open connections on the running loop; what would block it, imports and certificates, a thread does."""
    module: Any = await asyncio.to_thread(import_module, "airflow_provider_zuora.transports.connections")
    opened: Connections = module.Connections(config, await asyncio.to_thread(config.make_ssl_context))
    return opened


async def _keep_open(connections: Connections) -> AsyncGenerator[Connections, None]:
    """Yield connections, and close them when this ends: with the loop of `asyncio.run`, or the last user."""
    try:
        yield connections
    finally:
        await connections.close()


async def _read_response(status: int, given: CIMultiDictProxy[str], body: bytes, failure: str) -> Response:
    headers = {name.lower(): value for name, value in given.items()}
    if len(headers) != len(given):  # one that comes several times is joined, as requests does
        headers = {name: ", ".join(given.getall(name)) for name in headers}
    damage, encoding = "", headers.get("content-encoding")
    if len(body) > MAX_BODY:
        body, damage = b"", TOO_LARGE
    elif failure:
        damage = f"the answer was cut off: {failure}"
    elif encoding and len(body) > _MAX_INLINE:
        body, damage = await asyncio.to_thread(unpack, body, encoding)
    elif encoding:
        body, damage = unpack(body, encoding)
    return Response(status, headers, body, damage, damage == TOO_LARGE)
