"""Send requests from one event loop, with aiohttp: a number of them at once, and each in bounded time.

As in `blocking`, flows decide about redirects, cookies and repeats, and aiohttp is imported on first use.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.http.host_limits import Turn
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.blocking import HEADERS
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.gzip_body import MAX_BODY, TOO_LARGE, unpack
from airflow_provider_zuora.transports.timing import Timing

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

_KEEP_ALIVE = 30.0  # seconds that an idle connection stays open; the next poll mostly comes sooner
_MAX_URLS = 2048  # that are kept parsed
_MAX_INLINE = 4096  # bytes that are unpacked on the event loop: no more than a few milliseconds


class AsyncTransport:
    """Send requests with one aiohttp session, as `BlockingTransport` does; make it while its loop runs."""

    def __init__(
        self,
        config: TransportConfig,
        limiter: RateLimiter,
        timing: Timing,
        open_session: Callable[..., Awaitable[aiohttp.ClientSession]] | None = None,
    ):
        self._config, self._limiter, self._timing = config, limiter, timing
        self._open_session = open_session or _open_aiohttp_session
        self._deadlines = Deadlines(silence=config.timeout, total=config.total_timeout)
        self._slots, self._opening = asyncio.Semaphore(config.max_connections), asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._keeper: AsyncGenerator[aiohttp.ClientSession, None] | None = None
        self._errors: tuple[type[Exception], ...] = ()
        self._parse_url: Callable[[str], Any] = str

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
        return bool(self._deadlines.tasks)

    async def close(self) -> None:
        """Close the connections, unless requests are under way; the next request opens them again."""
        if self._keeper is not None and not self.is_busy:
            keeper, self._keeper, self._session = self._keeper, None, None
            await keeper.aclose()

    async def _exchange(self, request: Request) -> Response:
        """Send a request; one deadline holds for its whole answer, however it comes."""
        session = self._session or await self._open()
        query = ("&" if "?" in request.path else "?") + urlencode(request.params) if request.params else ""
        content, answer, failure = bytearray(), None, ""
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
        except asyncio.CancelledError:
            if not (reason := self._deadlines.pop_reason(task)):
                raise
            failure = self._config.describe_error(TimeoutError(reason))
        except self._errors as error:
            failure = self._config.describe_error(error)
        finally:
            self._deadlines.end(task)
        if answer is None:
            raise Unreachable(failure)  # with no cause, which may name a proxy's password
        return await _read_response(answer, bytes(content), failure)

    async def _open(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                self._keeper = _keep_open(await self._open_session(self._config, self._deadlines))
                from aiohttp import ClientError
                from yarl import URL

                self._errors = (ClientError, TimeoutError, OSError, ValueError)
                # A job is polled again and again: its URL is parsed once.
                self._parse_url = lru_cache(_MAX_URLS)(partial(URL, encoded=True))
                self._session = await anext(self._keeper)
            return self._session


async def _keep_open(session: aiohttp.ClientSession) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """Yield a session, and close it when this ends: with the loop of `asyncio.run`, or with its last user."""
    try:
        yield session
    finally:
        await session.close()


async def _read_response(answer: aiohttp.ClientResponse, body: bytes, failure: str) -> Response:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if len(headers) != len(answer.headers):  # one that comes several times is joined, as requests does
        headers = {name: ", ".join(answer.headers.getall(name)) for name in headers}
    damage, encoding = "", headers.get("content-encoding")
    if len(body) > MAX_BODY:
        body, damage = b"", TOO_LARGE
    elif failure:
        damage = f"the answer was cut off: {failure}"
    elif encoding and len(body) > _MAX_INLINE:
        body, damage = await asyncio.to_thread(unpack, body, encoding)
    elif encoding:
        body, damage = unpack(body, encoding)
    return Response(answer.status, headers, body, damage, damage == TOO_LARGE)


@dataclass(slots=True)
class _Deadline:
    """When one task's wait for an answer is over; times are the loop's."""

    end: float
    cancel_requests: int  # how often others had asked the task to cancel before
    handler: Any = None  # the connection that it was given; its `last_received` is when something last came
    reason: str = ""  # why it is over; empty while it is not


class Deadlines:
    """
    Cancel the tasks whose answers do not come, or do not end, in time.

    One timer serves all: aiohttp's own are two for each answer, which is mostly there in a moment.

    :param silence: seconds without a byte, from the end of the request on; ``total`` is for all of an answer.
    """

    def __init__(self, silence: float, total: float):
        self._silence, self._total = silence, total
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.tasks: dict[asyncio.Task[Any], _Deadline] = {}

    def begin(self) -> asyncio.Task[Any]:
        """Count from now on for the running task, and return it."""
        task, now = asyncio.current_task(), self._loop.time()
        assert task is not None  # aiohttp itself demands one
        self.tasks[task] = _Deadline(now + self._total, task.cancelling())
        if self._timer is None:
            self._timer = self._loop.call_at(now + min(self._silence, self._total), self._cancel_late_tasks)
        return task

    def set_handler(self, handler: Any) -> None:
        """Take note of the connection that the running task is given."""
        if deadline := self.tasks.get(asyncio.current_task()):  # type: ignore[arg-type]
            deadline.handler = handler

    def end(self, task: asyncio.Task[Any]) -> None:
        """Leave a task alone."""
        deadline = self.tasks.pop(task, None)
        if deadline and deadline.reason:
            task.uncancel()  # another error came first

    def pop_reason(self, task: asyncio.Task[Any]) -> str:
        """Return why the running task was cancelled from here; empty if somebody else cancelled it, too."""
        deadline = self.tasks.pop(task)
        return deadline.reason if deadline.reason and task.uncancel() <= deadline.cancel_requests else ""

    def _cancel_late_tasks(self) -> None:
        """Cancel what is late; the timer is set to when another one may be, whatever begins meanwhile."""
        self._timer = None
        now, earliest = self._loop.time(), math.inf
        for task, deadline in self.tasks.items():
            if deadline.reason:
                continue  # it was cancelled before, and has not ended yet
            due = deadline.end
            if deadline.handler is not None:
                due = min(due, deadline.handler.last_received + self._silence)
            if now < due:
                earliest = min(earliest, due)
                continue
            deadline.reason = f"nothing came for {self._silence:.0f} s"
            if now >= deadline.end:
                deadline.reason = f"it took longer than {self._total:.0f} s in all"
            task.cancel()
        if earliest < math.inf:
            self._timer = self._loop.call_at(min(now + self._silence, earliest), self._cancel_late_tasks)


async def _open_aiohttp_session(config: TransportConfig, deadlines: Deadlines) -> aiohttp.ClientSession:
    """Open a session on the running loop; what would block it (imports, certificates) is done in a thread."""
    await asyncio.to_thread(import_module, "aiohttp")
    tls = await asyncio.to_thread(config.make_ssl_context) or True
    import aiohttp

    home, owner = asyncio.get_running_loop(), os.getpid()

    class Connector(aiohttp.TCPConnector):
        @property
        def closed(self) -> bool:
            """Return True when its loop has ended too, and in a fork: nobody can close it then."""
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

    class Jar(aiohttp.DummyCookieJar):  # it reads no cookie: aiohttp's own logs the names that it cannot read
        def update_cookies_from_headers(self, *_: Any) -> None:
            pass

    connector = Connector(limit=config.max_connections, keepalive_timeout=_KEEP_ALIVE, ssl=tls)
    connector._factory = partial(_make_handler_class(), loop=home)  # noqa: SLF001 - there is no other way
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout, sock_read=None),
        headers=HEADERS,
        auto_decompress=False,
        cookie_jar=Jar(),
        trust_env=False,
    )


def _make_handler_class() -> type[ResponseHandler]:
    """
    Return what reads the answers of a connection.

    What comes while no request waits (a second answer, a load balancer's 408) is dropped. aiohttp would keep
    it for the next request: another order's job would be that order's.
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
