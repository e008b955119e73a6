"""What comes by an idle connection is nobody's answer, on either side: another order's job, say, or a 408."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.config import TransportConfig
from tests.transports.unlimited import open_async, open_blocking

Late = Callable[[socket.socket, bytes], object]

PAUSE = (
    0.05  # seconds; what a server sends later comes well after the answer, and well before the next request
)


def answer(body: bytes, status: bytes = b"200 OK", size: int = 0) -> bytes:
    """Return an answer whose head is filled up to a size in all."""
    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n" % (status, len(body))
    filling = b"X: %s\r\n" % (b"x" * (size - len(head) - len(body) - 7)) if size else b""
    return head + filling + b"\r\n" + body


def at_once(peer: socket.socket, path: bytes) -> None:
    peer.sendall(answer(path) + answer(b"late"))


def at_once_behind_a_full_buffer(peer: socket.socket, path: bytes) -> None:
    """Both in one record of TLS; http.client reads as many bytes as the first one has."""
    peer.sendall(answer(path, size=8192) + answer(b"late"))


def a_moment_later(peer: socket.socket, path: bytes) -> None:
    peer.sendall(answer(path))
    time.sleep(PAUSE)
    peer.sendall(answer(b"late"))


def in_halves(peer: socket.socket, path: bytes) -> None:
    late = answer(b"late")
    peer.sendall(answer(path))
    time.sleep(PAUSE)
    peer.sendall(late[:20])
    time.sleep(PAUSE)
    peer.sendall(late[20:])


def half_of_it_at_once(peer: socket.socket, path: bytes) -> None:
    late = answer(b"late")
    peer.sendall(answer(path) + late[:20])
    time.sleep(PAUSE)
    peer.sendall(late[20:])


def a_timeout(peer: socket.socket, path: bytes) -> None:
    peer.sendall(answer(path))
    time.sleep(PAUSE)
    peer.sendall(answer(b"<h1>408</h1>", b"408 Request Time-out"))


WAYS = [at_once, at_once_behind_a_full_buffer, a_moment_later, in_halves, half_of_it_at_once, a_timeout]


@contextmanager
def listening(live: Callable[[socket.socket], None]) -> Iterator[int]:
    """Give each connection to a thread, and say at which port."""

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=live, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(late: Late, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer with the path that is asked for; the first request of a connection in this way."""

    def live(peer: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(peer, server_side=True) if context else peer as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            late(client, read_path(client))
            while path := read_path(client):
                client.sendall(answer(path))

    def read_path(peer: socket.socket) -> bytes:
        head = peer.recv(65536)
        return head.split(b" ")[1] if head else b""

    with listening(live) as port:
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}"


@contextmanager
def relaying(port: int, context: ssl.SSLContext) -> Iterator[str]:
    """Serve a proxy that speaks TLS itself, whatever host it is asked to connect to."""

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def live(peer: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(peer, server_side=True) as client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection(("127.0.0.1", port)) as server:
                threading.Thread(target=pump, args=(server, client), daemon=True).start()
                pump(client, server)

    with listening(live) as own:
        yield f"https://127.0.0.1:{own}"


def blocking(config: TransportConfig, rest: float) -> list[Response]:
    transport = open_blocking(config)
    first = transport.send(Request("GET", "/first"))
    time.sleep(rest)
    second = transport.send(Request("GET", "/second"))
    transport.close()
    return [first, second]


def awaiting(config: TransportConfig, rest: float) -> list[Response]:
    async def both():
        transport = await open_async(config)
        first = await transport.send(Request("GET", "/first"))
        await asyncio.sleep(rest)
        second = await transport.send(Request("GET", "/second"))
        await transport.close()
        await asyncio.sleep(PAUSE)  # TLS within TLS is closed a little later
        return [first, second]

    return asyncio.run(both())


def awaiting_on_a_busy_loop(config: TransportConfig, rest: float) -> list[Response]:
    """Do nothing on the loop meanwhile: what comes is in the socket, and nobody has read it."""

    async def both():
        transport = await open_async(config)
        first = await transport.send(Request("GET", "/first"))
        time.sleep(rest)  # noqa: ASYNC251 - it is busy
        second = await transport.send(Request("GET", "/second"))
        await transport.close()
        await asyncio.sleep(PAUSE)  # TLS within TLS is closed a little later
        return [first, second]

    return asyncio.run(both())


@pytest.mark.parametrize("send", [blocking, awaiting, awaiting_on_a_busy_loop])
@pytest.mark.parametrize("late", WAYS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_comes_by_an_idle_connection_is_not_the_next_answer(send, late, scheme, certificate):
    with serving(late, certificate[1] if scheme == "https" else None) as url:
        answers = send(TransportConfig(url, verify=str(certificate[0]), timeout=5), 4 * PAUSE)

    assert [(each.status, each.body) for each in answers] == [(200, b"/first"), (200, b"/second")]


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("send", [blocking, awaiting, awaiting_on_a_busy_loop])
@pytest.mark.parametrize("late", WAYS)
def test_nor_is_it_by_a_proxy_with_tls(send, late, certificate):
    context = certificate[1]
    with serving(late, context) as url, relaying(urlsplit(url).port or 0, context) as proxy:
        config = TransportConfig(
            "https://zuora.invalid", verify=False, timeout=5, proxies=(("https", proxy),)
        )
        answers = send(config, 4 * PAUSE)

    assert [(each.status, each.body) for each in answers] == [(200, b"/first"), (200, b"/second")]


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("send", [blocking, awaiting])
def test_a_connection_by_a_proxy_with_tls_is_used_again(send, certificate):
    context, used = certificate[1], []

    def only_this(peer: socket.socket, path: bytes) -> None:
        used.append(path)
        peer.sendall(answer(path))

    with serving(only_this, context) as url, relaying(urlsplit(url).port or 0, context) as proxy:
        config = TransportConfig(
            "https://zuora.invalid", verify=False, timeout=5, proxies=(("https", proxy),)
        )
        answers = send(config, PAUSE)

    assert [each.body for each in answers] == [b"/first", b"/second"]
    assert used == [b"/first"]
