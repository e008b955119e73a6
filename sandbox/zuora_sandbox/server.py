"""An HTTP server for a sandbox, on a loopback address; what it answers is decided elsewhere."""

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

from zuora_sandbox import clients
from zuora_sandbox.control import PREFIX
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from psutil import Process

LARGEST_BODY = 64 * 1024 * 1024
LONGEST_PLAIN_BODY = 1000
"""Bytes; Zuora compresses answers that are longer."""

LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 seconds: closing the socket sends a reset (RST) instead of a FIN."""


def listen(host: str, port: int) -> socket.socket:
    """
    Return a bound and listening socket, so that the port is known before the server starts.

    :param port: the port, or 0 for a free one.
    :raises ValueError: if the host is not a loopback address.
    :raises OSError: if the port is in use.
    """
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"the sandbox is served on loopback addresses only, not on {host}")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    return socket.create_server((str(address), port), family=family, backlog=512)


def zip_response(request: Request, response: Response) -> Response:
    """Return the response, gzipped if the client accepts that and the body is long."""
    if "gzip" not in request.header("Accept-Encoding") or len(response.body) <= LONGEST_PLAIN_BODY:
        return response
    headers = {**response.headers, "Content-Encoding": "gzip"}
    return Response(response.status, headers, gzip.compress(response.body), response.damage)


@dataclass(slots=True)
class Server:
    """
    The HTTP server of a sandbox.

    :param errors: the errors that the sandbox raised; the client got a 500 each time.
    :param closing: set when the server stops, so that hanging requests end.
    """

    sandbox: Sandbox
    listener: socket.socket
    errors: list[Exception] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Return the base URL, without a slash at the end."""
        host, port = self.listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve on the running event loop until the block ends; then close hanging requests."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(
            app,
            handler_cancellation=True,  # a hanging request ends with its client
            auto_decompress=False,  # the sandbox sees Content-Encoding, and unzips
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
        """Let the sandbox answer a request, and send the answer as its damage says."""
        asked = Request(
            method=request.method,
            path=request.rel_url.raw_path,
            params=tuple(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)),
            headers=dict(request.headers),
            body=await request.read(),
        )
        own = asked.path.startswith(PREFIX)
        with nullcontext() if own else self.sandbox.track_call():
            with ExitStack() as stack:
                stack.push(
                    self.note_error
                )  # not around the sending: that a client leaves is no error of ours
                response = zip_response(asked, self.sandbox.handle(asked))
            if not own and (seconds := self.sandbox.settings.answer_seconds):
                await asyncio.sleep(seconds)
            return await SENDERS[response.damage](self, request, response)

    def note_error(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Note an exception that leaves a block, as the exit of a context manager."""
        # It is noted, not caught: aiohttp answers any exception of a handler with 500, and logs it.
        if isinstance(error, Exception):
            self.errors.append(error)


async def _send_whole(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    return web.Response(status=response.status, headers=response.headers, body=response.body)


async def _send_half(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(response.body)
    await stream.prepare(request)
    await stream.write(response.body[: len(response.body) // 2])
    request.protocol.force_close()
    return stream


async def _reset_connection(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    connection = request.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    request.protocol.force_close()
    return web.Response()


async def _hang(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    await server.closing.wait()
    request.protocol.force_close()
    return web.Response()


def _find_client(server: Server, request: web.Request) -> list[Process]:
    with ExitStack() as stack:
        stack.push(server.note_error)  # without its client, a fault has no effect and a test no meaning
        return clients.find_client_processes(
            request.get_extra_info("peername"), request.get_extra_info("sockname")
        )


async def _kill_client(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    clients.kill_processes(_find_client(server, request))
    request.protocol.force_close()
    return web.Response()


async def _stop_client(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    if await clients.stop_processes(_find_client(server, request)):
        return await server.answer(request)
    request.protocol.force_close()  # a process that has ended sends nothing any more
    return web.Response()


SENDERS = {
    "": _send_whole,
    "cut": _send_half,
    "reset": _reset_connection,
    "hang": _hang,
    "kill": _kill_client,
    "stop": _stop_client,
}
"""The functions that send an answer, by its damage."""


@contextmanager
def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """
    Serve a sandbox in a thread of its own until the block ends.

    Then the first error that the sandbox raised, if any, is raised again.

    :raises ValueError: if the host is not a loopback address.
    :raises OSError: if the port is in use.
    """
    server = Server(sandbox, listen(host, port))
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve_until_stopped() -> None:
        async with server.run():
            await stop.wait()

    with ThreadPoolExecutor(1, thread_name_prefix="sandbox") as pool:
        served = pool.submit(loop.run_until_complete, serve_until_stopped())
        try:
            yield server
        finally:
            loop.call_soon_threadsafe(stop.set)
            served.result()
            loop.close()
    if server.errors:
        raise server.errors[0]
