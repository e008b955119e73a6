"""The connections of one event loop: aiohttp opens them, keeps them open and reads what comes by them.

Its own session makes half a dozen objects of each request, for what nobody here asks of it (redirects,
cookies, middlewares, traces): they took a third of a poll's time. This module imports aiohttp, which is slow.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import ssl
from functools import partial
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from typing_extensions import override
from yarl import URL

from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.transports.blocking import HEADERS
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.deadlines import Deadline

ERRORS = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError)
"""What is raised if no answer comes, or not all of it."""

_KEEP_ALIVE = 30.0  # seconds that an idle connection stays open; the next poll mostly comes sooner
_LOST = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
# If a connection is lost, these are sent once more, as aiohttp does: the server may just have closed it.
_IDEMPOTENT = frozenset(("GET", "HEAD", "PUT", "DELETE"))
_WITHOUT_BODY = frozenset(("GET", "HEAD"))


class Connections:
    """
    Send requests to the host of a base URL; make it while its loop runs.

    :param tls: what verifies certificates; None: aiohttp's own default.
    """

    def __init__(self, config: TransportConfig, tls: ssl.SSLContext | None):
        loop, proxy = asyncio.get_running_loop(), URL(config.proxy) if config.proxy else None
        url = URL(config.base_url, encoded=True)
        self._connector = _Connector(
            limit=config.max_connections, keepalive_timeout=_KEEP_ALIVE, ssl=tls or True
        )
        # By this request, which is never sent, the connector knows host, proxy and certificates.
        self._example = aiohttp.ClientRequest("GET", url, headers=HEADERS, proxy=proxy, loop=loop)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout)
        self._headers: dict[str, str] = {}
        self._base = (str(url) if proxy and url.scheme == "http" else url.raw_path).rstrip("/")

    async def begin(
        self, request: Request, deadline: Deadline
    ) -> tuple[Connection, RawResponseMessage, aiohttp.StreamReader]:
        """Send a request; return its connection, to be given back, and head and body of the answer."""
        is_repeatable = request.method in _IDEMPOTENT
        while True:
            connection = await self._connector.connect(self._example, [], self._timeout)
            handler: Any = connection.protocol
            if handler.is_idle and handler.has_bytes():
                connection.close()  # the loop was busy, and has not read what is there
                continue
            deadline.handler = handler
            connection.add_callback(handler.rest)
            try:
                has_body = request.method != "HEAD"
                return connection, *(await handler.ask(self._write(request), has_body=has_body))
            except BaseException as error:
                connection.close()
                if not (is_repeatable and isinstance(error, _LOST)):
                    raise
                is_repeatable = False

    def _write(self, request: Request) -> bytes:
        """Return a request as it is sent (RFC 9112)."""
        query = ("&" if "?" in request.path else "?") + urlencode(request.params) if request.params else ""
        self._headers = self._headers or dict(self._example.headers)  # the connector may have added a proxy's
        headers = {**self._headers, **request.headers}
        if request.body or request.method not in _WITHOUT_BODY:
            headers["Content-Length"] = str(len(request.body))
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join((f"{request.method} {self._base}{request.path}{query} HTTP/1.1", *lines))
        if not head.count("\r") == head.count("\n") == len(lines) or "\0" in head:
            raise ValueError("a line break, or a U+0000, in a header")
        return b"".join((head.encode(), b"\r\n\r\n", request.body))

    async def close(self) -> None:
        """Close the connections, unless their loop has ended, or they are the parent's of a fork."""
        if not self._connector.closed:
            await self._connector.close()


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any):
        self._home, self._owner = asyncio.get_running_loop(), os.getpid()
        super().__init__(**options)
        self._factory: Any = partial(_Handler, loop=self._home)  # there is no other way

    @property
    @override
    def closed(self) -> bool:
        """Return True when its loop has ended too, and in a fork: nobody can close it then."""
        return super().closed or self._home.is_closed() or os.getpid() != self._owner

    @override
    def __del__(self, *_: Any) -> None:
        """Leave the sockets to Python: aiohttp's own way unregisters them, in a fork the parent's too."""


class _Handler(ResponseHandler):
    """
    Sends a request by its connection and reads the answer.

    What comes while no request waits (a second answer, a load balancer's 408) is dropped. aiohttp would keep
    it for the next request: another order's job would be that order's.

    :ivar last_received: when something last came, or the request was sent, by the loop's clock.
    """

    is_idle = False
    last_received = math.inf
    _poll: select.poll | None = None

    async def ask(self, content: bytes, *, has_body: bool) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        """Send a request, and return the head of its answer and the body, of which more may come."""
        assert self.transport is not None  # it is connected
        self.is_idle, self.last_received = False, self._loop.time()
        self.set_response_params(skip_payload=not has_body, read_until_eof=True, auto_decompress=False)
        self.transport.write(content)
        message, body = await self.read()
        while 100 <= message.code < 200 and message.code != 101:  # an interim answer
            message, body = await self.read()
        return message, body

    @override
    def pause_writing(self) -> None:
        """Count from when a long request is sent."""
        super().pause_writing()
        self.last_received = math.inf

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self.last_received = self._loop.time()

    def rest(self) -> None:
        """Wait for no answer."""
        self.is_idle, self.last_received = True, math.inf

    def has_bytes(self) -> bool:
        """Return whether there is something to read, the end too; urllib3 asks its connections so."""
        if self._poll is None and self.transport:
            self._poll = select.poll()
            self._poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
        return bool(self._poll and self._poll.poll(0))

    @override
    def data_received(self, data: bytes) -> None:
        if not self.is_idle:
            self.last_received = self._loop.time()
            super().data_received(data)
        elif data and self.transport:  # TLS within TLS gives an empty one now and then
            self.transport.abort()
