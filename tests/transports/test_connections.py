"""What `connections` sends by aiohttp's connections, and how often, seen by a server of plain sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.transports.config import TransportConfig
from tests.transports.test_transports import awaiting, blocking

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
both = pytest.mark.parametrize("send", [blocking, awaiting])


@contextmanager
def serving(*answers: int) -> Iterator[tuple[str, list[list[bytes]]]]:
    """Answer so many requests of each connection, and then hang up on the next; yield URL and requests."""
    heads: list[list[bytes]] = []

    def live() -> None:
        with suppress(OSError):  # nobody connects any more
            for count in answers:
                answer(listener.accept()[0], count)

    def answer(peer: socket.socket, count: int) -> None:
        own: list[bytes] = []
        heads.append(own)
        with peer, suppress(OSError):
            while len(own) <= count and (head := peer.recv(65536)):
                own.append(head)
                if len(own) <= count:
                    peer.sendall(ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=live, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_what_may_be_repeated_is_sent_once_more_if_its_old_connection_is_closed(method):
    with serving(1, 1) as (url, heads):
        first, second = awaiting(TransportConfig(url), Request("GET", "/a"), Request(method, "/b"))
    assert (first.body, second.body) == (b"{}", b"{}")
    assert [[head.split(b" ")[1] for head in connection] for connection in heads] == [[b"/a", b"/b"], [b"/b"]]


def test_and_no_third_time():
    with serving(1, 0, 0) as (url, heads), pytest.raises(Unreachable):
        awaiting(TransportConfig(url), Request("GET", "/a"), Request("GET", "/b"))
    assert [len(connection) for connection in heads] == [2, 1]


def test_a_post_is_not_sent_again():
    with serving(1, 1) as (url, heads), pytest.raises(Unreachable):
        awaiting(TransportConfig(url), Request("GET", "/a"), Request("POST", "/b", body=b"{}"))
    assert [len(connection) for connection in heads] == [2]


@both
@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nX-Other: b", "a\r\n\r\nPOST / HTTP/1.1"])
def test_a_line_break_in_a_header_is_not_sent(send, value):
    with serving(1) as (url, heads), pytest.raises(Unreachable):
        send(TransportConfig(url), Request("GET", "/a", headers={"X-Own": value}))
    assert [head for connection in heads for head in connection] == []


def test_a_post_without_a_body_says_so():
    with serving(1) as (url, heads):
        awaiting(TransportConfig(url), Request("POST", "/a"))
    assert b"\r\nContent-Length: 0\r\n" in heads[0][0]


@both
def test_a_proxy_is_told_its_user(send):
    with serving(1) as (url, heads):
        proxy = url.replace("//", "//bob:s3cret@")
        send(TransportConfig("http://zuora.invalid/base", proxies=(("http", proxy),)), Request("GET", "/a"))
    assert heads[0][0].startswith(b"GET http://zuora.invalid/base/a HTTP/1.1\r\n")
    assert b"\r\nproxy-authorization: basic ym9ionmzy3jlda==\r\n" in heads[0][0].lower()
