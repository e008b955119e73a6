"""A server of files that answers with the very bytes that a test says, and notes what it was asked."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ResponseInfo = bytes | Callable[[Any], object]


class FileServer(socketserver.ThreadingTCPServer):
    """
    Answers one request a connection.

    :ivar answers: by path: the bytes to send, or what writes them to a file.
    :ivar asked: the head of each request.
    """

    allow_reuse_address = True
    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, ResponseInfo] = {}
        self.asked: list[str] = []
        self.connections = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.server_address[1]}{path}"

    def get_request(self) -> tuple[Any, Any]:
        connection, peer = super().get_request()
        self.connections += 1
        return (self.tls.wrap_socket(connection, server_side=True) if self.tls else connection), peer


class _Handler(socketserver.StreamRequestHandler):
    server: FileServer

    def handle(self) -> None:
        head = "".join(iter(lambda: self.rfile.readline().decode("latin-1"), "\r\n"))
        self.server.asked.append(head)
        answer = self.server.answers[head.split()[1].partition("?")[0]]
        if isinstance(answer, bytes):
            self.wfile.write(answer)
        else:
            answer(self.wfile)


@contextmanager
def files(tls: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Serve in a thread for as long as the block lasts."""
    with FileServer() as server:
        server.tls = tls
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def answer(body: bytes = b"", status: int = 200, length: int | None = -1, **headers: str) -> bytes:
    """Return the bytes of an answer; a length of -1 is the true one, None: none is stated."""
    lines = [f"HTTP/1.1 {status} X"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [] if length is None else [f"Content-Length: {len(body) if length < 0 else length}"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body
