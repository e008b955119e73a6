"""Opens the client sockets to a vendor: requests for workers, aiohttp for an event loop.

Neither follows a redirect, keeps a cookie, reads ``~/.netrc`` or repeats a request: flows decide about these.
Both libraries are imported where they are first used, because DAG files import this package.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.adapters import HEADERS
from airflow_provider_zuora.transports.body import MAX_BODY, TOO_LARGE, is_packed, unpacked
from airflow_provider_zuora.transports.config import TransportConfig

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

_ADDRESSES = 2048  # URLs that are kept, taken apart
_KEPT = 30.0  # seconds that an idle connection stays open; the next poll of a connection mostly comes sooner
_ASIDE = 4096  # bytes that are unpacked on an event loop: no more than a few milliseconds


class AsyncTransport:
    """Sends requests with one aiohttp session on one event loop; open it with `opened`."""

    def __init__(self, line: TransportConfig, session: aiohttp.ClientSession, patience: _Patience):
        from aiohttp import ClientError
        from yarl import URL

        self.line = line
        self._session = session
        self._patience = patience
        # A job is looked at again and again: its address is taken apart once.
        self._address = lru_cache(_ADDRESSES)(partial(URL, encoded=True))
        self._proxy = line.proxy or None
        self._errors = (ClientError, TimeoutError, OSError, ValueError)

    @classmethod
    async def opened(cls, line: TransportConfig) -> AsyncTransport:
        """Return a transport of the running loop; what blocks (imports, certificates) is done in a thread."""
        prepared = await asyncio.to_thread(_prepared, line)
        import aiohttp

        patience = _Patience(silence=line.timeout, seconds=line.longest)
        session = aiohttp.ClientSession(
            connector=_connector(line, prepared, patience),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=line.connect_timeout, sock_read=None),
            headers=HEADERS,
            auto_decompress=False,
            cookie_jar=_no_cookies(),
            trust_env=False,
        )
        return cls(line, session, patience)

    async def send(self, request: Request) -> Response:
        """
        Send one request and return its answer, whole or not.

        :raises Unreachable: where no answer came.
        """
        content = bytearray()
        answer, failure = await self._exchanged(request, content)
        if answer is None:
            raise Unreachable(failure)  # with no cause, which may name a proxy's password
        if len(content) > MAX_BODY:
            body, damage = b"", TOO_LARGE
        elif failure:
            body, damage = bytes(content), f"the answer was cut off: {failure}"
        else:
            body, damage = bytes(content), ""
            if "Content-Encoding" in answer.headers:
                body, damage = await _unpacked(answer, body)
        response = Response(answer.status, answer.headers, body, damage, damage == TOO_LARGE)
        if len(response.headers) == len(answer.headers):
            return response
        return replace(response, headers=_joined(answer.headers))

    async def _exchanged(
        self, request: Request, content: bytearray
    ) -> tuple[aiohttp.ClientResponse | None, str]:
        """
        Send a request, add the body of its answer to what is given, and return the answer and why it broke.

        One deadline holds for all that may come: the first line, headers, chunks and what is between them.
        """
        answer = None
        task = self._patience.begin()
        try:
            async with self._session.request(
                request.method,
                self._address(self.line.url(request)),
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                proxy=self._proxy,
            ) as answer:
                while len(content) <= MAX_BODY and (chunk := await answer.content.readany()):
                    content += chunk
            return answer, ""
        except asyncio.CancelledError:
            if not (why := self._patience.over(task)):
                raise
            return answer, self.line.words(TimeoutError(why))
        except self._errors as error:
            return answer, self.line.words(error)
        finally:
            self._patience.end(task)

    async def close(self) -> None:
        """Close the connections."""
        self._patience.close()
        await self._session.close()


@dataclass(slots=True)
class _Wait:
    """
    One task's wait for an answer; times are the loop's.

    :param cancelling: how often others have asked the task to cancel.
    :param why: it is over; empty while it is not.
    """

    end: float
    cancelling: int
    handler: Any = None
    why: str = ""

    def due(self, silence: float) -> float:
        """Return when it is over, unless something comes before."""
        return self.end if self.handler is None else min(self.end, self.handler.heard + silence)


class _Patience:
    """
    Ends the tasks whose answers do not come, or do not end, in time.

    One timer serves all: aiohttp's own are two for each answer, which is mostly there in a moment.

    :param silence: seconds in which nothing comes, from the end of the request on.
    :param seconds: for all of one answer.
    """

    def __init__(self, silence: float, seconds: float):
        self._silence, self._seconds = silence, seconds
        self._loop = asyncio.get_running_loop()
        self._waits: dict[asyncio.Task[Any], _Wait] = {}
        self._over: dict[asyncio.Task[Any], _Wait] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """Count from now on for the running task, and return it."""
        task, now = asyncio.current_task(), self._loop.time()
        assert task is not None  # aiohttp itself demands one
        self._waits[task] = _Wait(now + self._seconds, task.cancelling())
        if self._timer is None:
            self._timer = self._loop.call_at(now + min(self._silence, self._seconds), self._look)
        return task

    def connected(self, handler: Any) -> None:
        """Take note of the connection that the running task is given; `heard` is when something last came."""
        if wait := self._waits.get(asyncio.current_task()):  # type: ignore[arg-type]
            wait.handler = handler

    def end(self, task: asyncio.Task[Any]) -> None:
        """Leave a task alone."""
        self._waits.pop(task, None)
        if self._over and self._over.pop(task, None) is not None:
            task.uncancel()  # another error came first

    def over(self, task: asyncio.Task[Any]) -> str:
        """Return why the running task was cancelled from here; empty if it was by somebody else, too."""
        wait = self._over.pop(task, None)
        return wait.why if wait and task.uncancel() <= wait.cancelling else ""

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """End what is over; the next look is when another one may be, whatever begins meanwhile."""
        self._timer = None
        now = self._loop.time()
        for task, wait in list(self._waits.items()):
            if now >= wait.due(self._silence):
                wait.why = (
                    f"it took longer than {self._seconds:.0f} s in all"
                    if now >= wait.end
                    else f"nothing came for {self._silence:.0f} s"
                )
                self._over[task] = self._waits.pop(task)
                task.cancel()
        if self._waits:
            self._timer = self._loop.call_at(min(now + self._silence, self._due()), self._look)

    def _due(self) -> float:
        return min(wait.due(self._silence) for wait in self._waits.values())


def _connector(
    line: TransportConfig, prepared: ssl.SSLContext | bool, patience: _Patience
) -> aiohttp.TCPConnector:
    """Return a pool that ends with its loop, and in a fork: nobody can close it any more then."""
    import aiohttp

    home, owner = asyncio.get_running_loop(), os.getpid()

    class Connector(aiohttp.TCPConnector):
        def __init__(self, **options: Any):
            super().__init__(**options)
            self._factory = partial(_handler(), loop=home)

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
            patience.connected(handler)
            connection.add_callback(handler.rest)
            return connection

        def __del__(self, *_: Any) -> None:
            """Leave the sockets to Python: aiohttp's own way unregisters them, in a fork the parent's too."""

    return Connector(limit=line.max_connections, keepalive_timeout=_KEPT, ssl=prepared)


def _handler() -> type[ResponseHandler]:
    """
    Return what reads the answers of a connection.

    What comes while nobody waits for one (a second answer, a load balancer's 408) is nobody's. aiohttp would
    keep it for the next request: another order's job would be that order's.
    """
    from aiohttp.client_proto import ResponseHandler

    class Handler(ResponseHandler):
        is_idle = False
        heard = math.inf
        _poll: select.poll | None = None

        def start_timeout(self) -> None:
            """Wait for the answer: the request is sent."""
            super().start_timeout()
            self.heard = self._loop.time()

        def rest(self) -> None:
            self.is_idle, self.heard = True, math.inf

        def has_bytes(self) -> bool:
            """Return whether there is something to read, the end too; urllib3 asks its connections so."""
            if self._poll is None and self.transport:
                self._poll = select.poll()
                self._poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
            return bool(self._poll and self._poll.poll(0))

        def data_received(self, data: bytes) -> None:
            if not self.is_idle:
                self.heard = self._loop.time()
                super().data_received(data)
            elif data and self.transport:  # TLS within TLS gives an empty one now and then
                self.transport.abort()

    return Handler


def _no_cookies() -> aiohttp.DummyCookieJar:
    """Return a jar that does not look at a cookie: aiohttp's own logs the names that it cannot read."""
    import aiohttp

    class Jar(aiohttp.DummyCookieJar):
        def update_cookies_from_headers(self, *_: Any) -> None:
            """Do nothing."""

    return Jar()


def _prepared(line: TransportConfig) -> ssl.SSLContext | bool:
    """Do what would block an event loop: import aiohttp, and read the certificates."""
    import aiohttp  # noqa: F401

    return line.ssl_context() if line.is_encrypted else True


async def _unpacked(answer: aiohttp.ClientResponse, content: bytes) -> tuple[bytes, str]:
    """Return a body that came whole, decoded, and why it is not whole."""
    encoding = ", ".join(answer.headers.getall("Content-Encoding"))
    if len(content) > _ASIDE and is_packed(encoding):
        return await asyncio.to_thread(unpacked, content, encoding)
    return unpacked(content, encoding)


def _joined(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their names in lower case, several of one name joined by commas as requests does."""
    joined: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined
