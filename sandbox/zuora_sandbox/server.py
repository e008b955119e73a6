"""An HTTP server for a sandbox and its files, on two ports of a loopback address; it decides no answer."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import web

from zuora_sandbox.control import PREFIX
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.sandbox import Sandbox
from zuora_sandbox.senders import SENDERS

LARGEST_BODY = 64 * 1024 * 1024
LONGEST_PLAIN_BODY = 1000
"""Bytes; Zuora compresses answers that are longer."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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


def get_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket, without a slash at the end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def read_request(request: web.Request) -> Request:
    """Return a request as the sandbox takes it."""
    return Request(
        method=request.method,
        path=request.rel_url.raw_path,
        params=tuple(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)),
        headers=dict(request.headers),
        body=await request.read(),
    )


@dataclass(slots=True)
class Server:
    """
    The HTTP server of a sandbox.

    :param file_listener: the socket of the second origin, which the links to files lead to.
    :param errors: the errors that the sandbox raised; the client got a 500 each time.
    :param closing: set when the server stops, so that hanging requests end.
    """

    sandbox: Sandbox
    listener: socket.socket
    file_listener: socket.socket
    errors: list[Exception] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Tell the sandbox where its links lead to."""
        self.sandbox.files_url = self.files_url

    @property
    def url(self) -> str:
        """Return the base URL, without a slash at the end."""
        return get_url(self.listener)

    @property
    def files_url(self) -> str:
        """Return the base URL of the files, without a slash at the end."""
        return get_url(self.file_listener)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve on the running event loop until the block ends; then close hanging requests."""
        async with (
            self._serve_site(self.file_listener, self.answer_file),
            self._serve_site(self.listener, self.answer),
        ):
            yield

    @asynccontextmanager
    async def _serve_site(self, listener: socket.socket, handler: Handler) -> AsyncIterator[None]:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(
            app,
            handler_cancellation=True,  # a hanging request ends with its client
            auto_decompress=False,  # the sandbox sees Content-Encoding, and unzips
            access_log=None,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield
        finally:
            self.closing.set()
            # asyncio (3.11) never closes a connection that it accepts just before the listener closes.
            asyncio.get_running_loop().remove_reader(listener)
            await asyncio.sleep(0)  # what was accepted gets its transport
            await asyncio.sleep(0)  # and is made known to aiohttp
            await runner.cleanup()
            await asyncio.sleep(0)  # the transports that aiohttp has ended close their sockets

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Let the sandbox answer a request, and send the answer as its damage says."""
        asked = await read_request(request)
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

    async def answer_file(self, request: web.Request) -> web.StreamResponse:
        """Answer a request at the origin of the files."""
        asked = await read_request(request)
        with ExitStack() as stack:
            stack.push(self.note_error)
            # In a thread, because a large file may have to be compressed to know its size.
            response = await asyncio.to_thread(_size_file, self.sandbox, asked)
        return await SENDERS[response.damage](self, request, response)

    def note_error(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Note an exception that leaves a block, as the exit of a context manager."""
        # It is noted, not caught: aiohttp answers any exception of a handler with 500, and logs it.
        if isinstance(error, Exception):
            self.errors.append(error)


def _size_file(sandbox: Sandbox, request: Request) -> Response:
    response = sandbox.send_file(request)
    _ = response.size  # it is kept
    return response


def open_server(sandbox: Sandbox, host: str, port: int, file_port: int) -> Server:
    """
    Return a server that listens; see `serve`.

    :raises ValueError: if the host is not a loopback address.
    :raises OSError: if a port is in use.
    """
    listener = listen(host, port)
    try:
        return Server(sandbox, listener, listen(host, file_port))
    except OSError:
        listener.close()
        raise


@contextmanager
def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0, file_port: int = 0) -> Iterator[Server]:
    """
    Serve a sandbox in a thread of its own until the block ends.

    Then the first error that the sandbox raised, if any, is raised again.

    :param file_port: the port of the files, or 0 for a free one.
    :raises ValueError: if the host is not a loopback address.
    :raises OSError: if the port is in use.
    """
    server = open_server(sandbox, host, port, file_port)
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
