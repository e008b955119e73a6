"""Send requests from threads, with requests: a number of them at once, and each in bounded time.

No redirect is followed, no cookie kept, no ``~/.netrc`` read and nothing repeated: flows decide about these.
A byte now and then would hold a worker for ever, so all of an answer has a timeout too, not only a silence.
requests is imported on first use, because DAG files import this package.
"""

from __future__ import annotations

import io
import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPMessage, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_provider_zuora import __version__
from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.http.host_limits import Turn
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.failures import find_no_answer
from airflow_provider_zuora.transports.gzip_body import MAX_BODY, TOO_LARGE, unpack
from airflow_provider_zuora.transports.timing import Timing

if TYPE_CHECKING:
    import socket

    import requests
    from requests.adapters import HTTPAdapter

log = logging.getLogger(__name__)

Connect = Callable[[str, int, Any], "socket.socket"]
HEADERS = {"User-Agent": f"airflow-provider-zuora/{__version__}", "Accept-Encoding": "gzip"}

_CHUNK = 64 * 1024  # bytes
_MAX_HEAD = 256 * 1024  # bytes; what comes before a body, interim answers included
_SHORTEST_TIMEOUT = 0.001  # seconds; 0 would make a socket that does not wait at all


class BlockingTransport:
    """
    Send requests with one requests session; safe to use from several threads.

    :param limiter: of the client id, the same for all of its transports.
    :param open_session: opens the requests session when the first request is sent.
    """

    def __init__(
        self,
        config: TransportConfig,
        limiter: RateLimiter,
        timing: Timing,
        open_session: Callable[[TransportConfig], requests.Session] | None = None,
    ):
        self._config, self._limiter, self._timing = config, limiter, timing
        self._open_session = open_session or partial(open_requests_session, max_bytes=2 * MAX_BODY)
        self._timeouts = (config.connect_timeout, config.timeout)
        self._slots = threading.BoundedSemaphore(config.max_connections)
        self._opening = threading.Lock()
        self._session: requests.Session | None = None

    def send(self, request: Request) -> Response:
        """
        Send one request as soon as it may be sent, and return its answer, whole or not.

        The slot is taken before the limiter is asked: a request that queued for a connection behind the
        limiter would start as soon as one is free, during a cool-down too.

        :raises RateLimited: if that is too long to wait for.
        :raises Unreachable: if no answer came.
        """
        timing, response, turn = self._timing, None, Turn(self._config.max_connections_per_host)
        with self._slots:
            try:
                for step in self._limiter.acquire(request, timing.monotonic, turn):
                    timing.perform(step)
                response = self._exchange(request)
                return response
            finally:
                tell_others = self._limiter.release(response, timing.monotonic(), turn)
                if tell_others:
                    tell_others()

    def close(self) -> None:
        """Close the connections; the next request opens them again."""
        with self._opening:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _exchange(self, request: Request) -> Response:
        query = ("&" if "?" in request.path else "?") + urlencode(request.params) if request.params else ""
        try:
            with (self._session or self._open()).request(
                request.method,
                f"{self._config.base_url}{request.path}{query}",
                headers=dict(request.headers),
                data=request.body or None,
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
            ) as answer:
                body, damage = self._read(answer)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, headers, body, damage, damage == TOO_LARGE)
        except (OSError, ValueError) as error:  # every error of requests is an OSError, a lost CA bundle too
            failure = Unreachable(self._config.describe_error(error))
            failure.no_answer = find_no_answer(error)
        raise failure  # with no cause, which may name a proxy's password

    def _open(self) -> requests.Session:
        with self._opening:
            if self._session is None:
                self._session = self._open_session(self._config)
            return self._session

    def _read(self, answer: requests.Response) -> tuple[bytes, str]:
        """Return the body and why it is not whole; an answer that was cut off has a status and headers."""
        from urllib3.exceptions import HTTPError

        content = bytearray()
        try:
            while chunk := answer.raw.read(_CHUNK, decode_content=False):
                content += chunk
                if len(content) > MAX_BODY:
                    return b"", TOO_LARGE
        except (HTTPError, OSError) as error:
            return bytes(content), f"the answer was cut off: {self._config.describe_error(error)}"
        encoding = answer.headers.get("Content-Encoding")
        return unpack(bytes(content), encoding) if encoding else (bytes(content), "")


def open_requests_session(
    config: TransportConfig,
    connect: Connect | None = None,
    *,
    bytes_per_second: float = math.inf,
    max_bytes: float = math.inf,
) -> requests.Session:
    """
    Return a session that sends nothing that was not given to it, and whose answers keep within limits.

    :param connect: opens the sockets of connections without a proxy; None: as usual.
    :param bytes_per_second: an answer that comes at this rate may take longer than the total timeout.
    :param max_bytes: of head and body.
    """
    import requests
    from requests.structures import CaseInsensitiveDict

    config.make_ssl_context()  # requests would raise what this does at each request, as if no answer had come
    session = requests.Session()
    session.trust_env = False  # netrc would replace our Authorization; TransportConfig reads the environment
    session.headers = CaseInsensitiveDict(HEADERS)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    response_class = _make_response_class(config.total_timeout, bytes_per_second, max_bytes)
    adapter = _make_adapter(config.max_connections, response_class, connect)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.verify = config.ca_bundle or False
    if config.proxy:
        session.proxies = {"https": config.proxy, "http": config.proxy}
    return session


def _make_adapter(
    max_connections: int, response_class: type[HTTPResponse], connect: Connect | None
) -> HTTPAdapter:
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Tls(HTTPSConnection):
        @property
        def is_connected(self) -> bool:
            """Return whether it may be used again; urllib3 asks the socket alone, TLS may have read more."""
            return super().is_connected and not _count_unread(self.sock)

    def make_pools(**members: object) -> dict[str, type[HTTPConnectionPool]]:
        members["response_class"] = response_class
        kinds = (("http", HTTPConnectionPool, HTTPConnection), ("https", HTTPSConnectionPool, Tls))
        return {
            scheme: type("Pool", (pool,), {"ConnectionCls": type("Connection", (connection,), members)})
            for scheme, pool, connection in kinds
        }

    direct = proxied = make_pools()
    if connect is not None:
        direct = make_pools(_new_conn=lambda it: connect(it.host, it.port, it.timeout))

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = direct

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = proxied
            return manager

    return Adapter(pool_connections=2, pool_maxsize=max_connections, pool_block=True)


def _make_response_class(seconds: float, bytes_per_second: float, max_bytes: float) -> type[HTTPResponse]:
    """Return what reads the answers of a connection."""

    class LimitedResponse(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any):
            super().__init__(sock, *args, **options)
            self._reader = _LimitedReader(self.fp.detach(), sock, seconds, bytes_per_second)
            self.fp = io.BufferedReader(self._reader)

        def begin(self) -> None:
            super().begin()
            _drop_defects(self.headers)
            while 100 < self.status < 200 and self.status != 101:
                self.headers = None  # type: ignore[assignment]  # http.client skips a 100, and no other 1xx
                super().begin()
                _drop_defects(self.headers)
            self._reader.max_bytes = max_bytes

    return LimitedResponse


class _LimitedReader(io.RawIOBase):
    """Reads one answer from a socket, for as long, and as much, as the limits allow."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, seconds: float, bytes_per_second: float):
        self._raw, self._sock, self._timeout = raw, sock, sock.gettimeout()
        self._seconds, self._bytes_per_second = seconds, bytes_per_second
        self._began, self._received = time.monotonic(), 0
        self.max_bytes: float = _MAX_HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._seconds + self._received / self._bytes_per_second
        left = self._began + seconds - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"it took longer than {self._seconds:.0f} s in all")
        if self._timeout is None or left < self._timeout:
            self._sock.settimeout(max(left, _SHORTEST_TIMEOUT))
        size = self._sock.recv_into(buffer)
        self._received += size
        if self._received > self.max_bytes:
            raise OSError(f"more than {self.max_bytes} bytes came")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def _drop_defects(headers: HTTPMessage) -> None:
    """
    Drop what could not be read of an answer's head.

    urllib3 writes all of it into the log: a server's words, of any length, with whatever they quote.
    """
    if headers.defects:
        if headers.get_payload():
            log.warning("The head of an answer holds a line that is no header: what follows it is not read")
        headers.defects = []
        headers.set_payload("")


def _count_unread(sock: Any) -> int:
    """Return how many bytes TLS has taken from a socket and nobody has read; a proxy's TLS holds ours."""
    if hasattr(sock, "sslobj"):
        inner: int = sock.incoming.pending + sock.sslobj.pending()
        return inner + _count_unread(sock.socket)
    return sock.pending() if hasattr(sock, "pending") else 0
