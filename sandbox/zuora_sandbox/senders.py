"""The ways in which an answer is sent, or is not, by its damage."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

from aiohttp import web

from zuora_sandbox import clients
from zuora_sandbox.data_query.contents import take_bytes
from zuora_sandbox.messages import Response

if TYPE_CHECKING:
    from psutil import Process

    from zuora_sandbox.server import Server

LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 seconds: closing the socket sends a reset (RST) instead of a FIN."""


async def _send_bytes(
    request: web.Request, response: Response, said: int | None, sent: int
) -> web.StreamResponse:
    """Send the first bytes of the body, and say in Content-Length that there are so many, or nothing."""
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = said
    await stream.prepare(request)
    for chunk in take_bytes(response.iterate(), sent):
        await stream.write(chunk)
    if said in (None, sent):
        await stream.write_eof()
    else:
        request.protocol.force_close()
    return stream


async def _send_whole(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    if response.content is not None:
        return await _send_bytes(request, response, response.size, response.size)
    return web.Response(status=response.status, headers=response.headers, body=response.body)


async def _send_half(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    return await _send_bytes(request, response, response.size, response.size // 2)


async def _send_short(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    return await _send_bytes(request, response, response.size // 2, response.size // 2)


async def _send_unsized(server: Server, request: web.Request, response: Response) -> web.StreamResponse:
    return await _send_bytes(request, response, None, response.size)


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
        return await request.match_info.handler(request)
    request.protocol.force_close()  # a process that has ended sends nothing any more
    return web.Response()


SENDERS = {
    "": _send_whole,
    "cut": _send_half,
    "short": _send_short,
    "unsized": _send_unsized,
    "reset": _reset_connection,
    "hang": _hang,
    "kill": _kill_client,
    "stop": _stop_client,
}
"""The functions that send an answer, by its damage."""
