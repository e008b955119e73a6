"""A sandbox behind HTTP on a loopback address; this module opens the door and decides nothing."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from airflow_provider_zuora.core.wire import Request, Response
from airflow_provider_zuora.sandbox import clients
from airflow_provider_zuora.sandbox.control import PREFIX
from airflow_provider_zuora.sandbox.rules import Sandbox

if TYPE_CHECKING:
    from psutil import Process

LARGEST_BODY = 64 * 1024 * 1024
WORTH_ZIPPING = 1000
"""Bytes; Zuora compresses answers that are longer."""

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 seconds: closing the socket sends a reset instead of a farewell."""


def listen(host: str, port: int) -> socket.socket:
    """
    Return a bound and listening socket, so that its port is known before anything is served.

    :param port: 0 chooses a free one.
    :raises ValueError: the host is not a loopback address.
    :raises OSError: the port is taken.
    """
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"the sandbox is served on loopback addresses only, not on {host}")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    return socket.create_server((str(address), port), family=family, backlog=512)


def zipped(request: Request, response: Response) -> Response:
    """Return the answer as it goes over the wire: gzipped where the client takes that and it is long."""
    if "gzip" not in request.header("Accept-Encoding") or len(response.body) <= WORTH_ZIPPING:
        return response
    headers = {**response.headers, "Content-Encoding": "gzip"}
    return Response(response.status, headers, gzip.compress(response.body), response.damage)


@dataclass(slots=True)
class Server:
    """
    A sandbox that is being served.

    :param url: its base URL, without a slash at the end.
    :param errors: what the sandbox raised; the client got a 500 each time.
    :param closing: set when the server stops, to let go of what hangs.
    """

    sandbox: Sandbox
    listener: socket.socket
    errors: list[Exception] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Return the base URL."""
        host, port = self.listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve on the running event loop, until the block is left; hanging requests are dropped then."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(
            app,
            handler_cancellation=True,  # a hanging request ends with its client
            auto_decompress=False,  # the rules see Content-Encoding, and so must unzip
            access_log=None,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self.listener).start()
            yield
        finally:
            self.closing.set()
            # asyncio (3.11) never closes a connection that it accepts just before the listener closes.
            asyncio.get_running_loop().remove_reader(self.listener)
            await asyncio.sleep(0)  # what was accepted gets its transport
            await asyncio.sleep(0)  # and is made known to aiohttp
            await runner.cleanup()
            await asyncio.sleep(0)  # the transports that aiohttp has ended close their sockets

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Let the sandbox answer a request, and the answer leave by the door that its damage names."""
        asked = Request(
            method=request.method,
            path=request.rel_url.raw_path,
            params=tuple(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)),
            headers=dict(request.headers),
            body=await request.read(),
        )
        own = asked.path.startswith(PREFIX)
        with nullcontext() if own else self.sandbox.occupied():
            with ExitStack() as stack:
                stack.push(self.note_error)  # not around the door: a client that leaves is no error of ours
                response = zipped(asked, self.sandbox.handle(asked))
            if not own and (seconds := self.sandbox.settings.answer_seconds):
                await asyncio.sleep(seconds)
            return await DOORS[response.damage](self, request, response)

    def note_error(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Note what leaves a block, as the exit of a context manager."""
        # Noted, not caught: aiohttp answers 500 to whatever a handler raises, and logs it.
        if isinstance(error, Exception):
            self.errors.append(error)


async def _whole(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    return web.Response(status=response.status, headers=response.headers, body=response.body)


async def _cut(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(response.body)
    await stream.prepare(request)
    await stream.write(response.body[: len(response.body) // 2])
    request.protocol.force_close()
    return stream


async def _reset(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    connection = request.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    request.protocol.force_close()
    return web.Response()


async def _hang(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    await server.closing.wait()
    request.protocol.force_close()
    return web.Response()


def _client(server: Server, request: web.Request) -> list[Process]:
    with ExitStack() as stack:
        stack.push(server.note_error)  # a client that cannot be found makes a test pass for the wrong reason
        return clients.processes_at(request.get_extra_info("peername"), request.get_extra_info("sockname"))


async def _kill(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    clients.kill(_client(server, request))
    request.protocol.force_close()
    return web.Response()


async def _stop(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    if await clients.stop(_client(server, request)):
        return await server.answer(request)
    request.protocol.force_close()  # who has ended sends nothing any more
    return web.Response()


DOORS = {"": _whole, "cut": _cut, "reset": _reset, "hang": _hang, "kill": _kill, "stop": _stop}
"""How an answer leaves, by its damage."""


@contextmanager
def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """
    Serve a sandbox in a thread of its own, for as long as the block lasts.

    Afterwards the first error that the sandbox raised, if any, is raised again.

    :raises ValueError: the host is not a loopback address.
    :raises OSError: the port is taken.
    """
    server = Server(sandbox, listen(host, port))
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def live() -> None:
        async with server.running():
            await stop.wait()

    with ThreadPoolExecutor(1, thread_name_prefix="sandbox") as pool:
        served = pool.submit(loop.run_until_complete, live())
        try:
            yield server
        finally:
            loop.call_soon_threadsafe(stop.set)
            served.result()
            loop.close()
    if server.errors:
        raise server.errors[0]
