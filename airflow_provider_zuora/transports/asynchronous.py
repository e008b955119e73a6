"""Send requests from one event loop, with aiohttp: so many at once, and each in bounded time.

No redirect is followed, no cookie kept, no ``~/.netrc`` read and nothing repeated: flows decide about these.
aiohttp is imported on first use, because DAG files import this package.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.blocking import HEADERS
from airflow_provider_zuora.transports.body import MAX_BODY, TOO_LARGE, is_encoded, unpack
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.connector import Deadlines, make_connector
from airflow_provider_zuora.transports.timing import Timing

if TYPE_CHECKING:
    import aiohttp

_MAX_URLS = 2048  # that are kept parsed
_MAX_INLINE = 4096  # bytes that are unpacked on the event loop: no more than a few milliseconds

OpenSession = Callable[[TransportConfig, Deadlines], Awaitable["aiohttp.ClientSession"]]


class AsyncTransport:
    """
    Send requests with one aiohttp session; make it while its loop runs.

    :param config: how to reach the vendor.
    :param limiter: of the client id, the same for all of its transports.
    :param open_session: opens the aiohttp session when the first request is sent.
    """

    def __init__(
        self,
        config: TransportConfig,
        limiter: RateLimiter,
        timing: Timing,
        open_session: OpenSession | None = None,
    ):
        self._config, self._limiter, self._timing = config, limiter, timing
        self._open_session = open_session or _open_aiohttp_session
        self._deadlines = Deadlines(silence=config.timeout, total=config.total_timeout)
        self._slots = asyncio.Semaphore(config.max_connections)
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._keeper: AsyncGenerator[None, None] | None = None
        self._errors: tuple[type[Exception], ...] = ()
        self._parse_url: Callable[[str], Any] = str

    async def send(self, request: Request) -> Response:
        """
        Send one request as soon as it may be sent, and return its answer, whole or not.

        The slot is taken before the limiter is asked, see `BlockingTransport.send`.

        :raises RateLimited: if that is too long to wait for.
        :raises Unreachable: if no answer came.
        """
        timing, response = self._timing, None
        await self._slots.acquire()
        try:
            for seconds in self._limiter.acquire(request, timing.monotonic):
                await timing.asleep(seconds)
            response = await self._exchange(request)
            return response
        finally:
            self._limiter.release(response, timing.monotonic())
            self._slots.release()

    @property
    def is_busy(self) -> bool:
        """Return whether a request is under way."""
        return self._deadlines.is_busy

    async def close(self) -> None:
        """Close the connections, unless requests are under way; the next request opens them again."""
        if self._keeper is not None and not self._deadlines.is_busy:
            keeper, self._keeper, self._session = self._keeper, None, None
            self._deadlines.close()
            await keeper.aclose()

    async def _exchange(self, request: Request) -> Response:
        content = bytearray()
        answer, failure = await self._receive(request, content)
        if answer is None:
            raise Unreachable(failure)  # with no cause, which may name a proxy's password
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if len(headers) != len(answer.headers):
            headers = _join_headers(answer.headers)
        body, damage = bytes(content), ""
        if len(content) > MAX_BODY:
            body, damage = b"", TOO_LARGE
        elif failure:
            damage = f"the answer was cut off: {failure}"
        elif encoding := headers.get("content-encoding"):
            body, damage = await _unpack(body, encoding)
        return Response(answer.status, headers, body, damage, damage == TOO_LARGE)

    async def _receive(
        self, request: Request, content: bytearray
    ) -> tuple[aiohttp.ClientResponse | None, str]:
        """
        Send a request, add the body of its answer to ``content``, and return the answer and why it broke.

        One deadline holds for all that may come: the first line, headers, chunks and what is between them.
        """
        session = self._session or await self._open()
        query = ("&" if "?" in request.path else "?") + urlencode(request.params) if request.params else ""
        answer = None
        task = self._deadlines.begin()
        try:
            async with session.request(
                request.method,
                self._parse_url(f"{self._config.base_url}{request.path}{query}"),
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                proxy=self._config.proxy or None,
            ) as answer:
                while len(content) <= MAX_BODY and (chunk := await answer.content.readany()):
                    content += chunk
            return answer, ""
        except asyncio.CancelledError:
            if not (reason := self._deadlines.pop_reason(task)):
                raise
            return answer, self._config.describe_error(TimeoutError(reason))
        except self._errors as error:
            return answer, self._config.describe_error(error)
        finally:
            self._deadlines.end(task)

    async def _open(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                session = await self._open_session(self._config, self._deadlines)
                from aiohttp import ClientError
                from yarl import URL

                self._errors = (ClientError, TimeoutError, OSError, ValueError)
                # A job is polled again and again: its URL is parsed once.
                self._parse_url = lru_cache(_MAX_URLS)(partial(URL, encoded=True))
                self._keeper = _keep_open(session)
                await anext(self._keeper)
                self._session = session
            return self._session


async def _keep_open(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """
    Close a session when this generator ends.

    A loop ends its generators before it is closed by `asyncio.run`, and each one that nobody holds any more.
    """
    try:
        yield
    finally:
        await session.close()


async def _open_aiohttp_session(config: TransportConfig, deadlines: Deadlines) -> aiohttp.ClientSession:
    """Open a session on the running loop; what blocks (imports, certificates) is done in a thread."""
    ssl_context = await asyncio.to_thread(_prepare, config)
    import aiohttp

    return aiohttp.ClientSession(
        connector=make_connector(config.max_connections, ssl_context, deadlines),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout, sock_read=None),
        headers=HEADERS,
        auto_decompress=False,
        cookie_jar=_make_cookie_jar(),
        trust_env=False,
    )


def _prepare(config: TransportConfig) -> ssl.SSLContext | bool:
    """Do what would block an event loop: import aiohttp, and read the certificates."""
    import aiohttp  # noqa: F401

    return config.ssl_context() if config.is_encrypted else True


def _make_cookie_jar() -> aiohttp.DummyCookieJar:
    """Return a jar that reads no cookie: aiohttp's own logs the names that it cannot read."""
    import aiohttp

    class Jar(aiohttp.DummyCookieJar):
        def update_cookies_from_headers(self, *_: Any) -> None:
            pass

    return Jar()


async def _unpack(content: bytes, encoding: str) -> tuple[bytes, str]:
    if len(content) > _MAX_INLINE and is_encoded(encoding):
        return await asyncio.to_thread(unpack, content, encoding)
    return unpack(content, encoding)


def _join_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their names in lower case, several of one name joined by commas as requests does."""
    joined: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined
