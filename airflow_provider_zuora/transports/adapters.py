"""How requests opens its connections, and how long and how large an answer may be that comes by them.

A socket's own timeout bounds the silence between two bytes: a byte now and then would hold a worker for good.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora import __version__
from airflow_provider_zuora.transports.config import TransportConfig

if TYPE_CHECKING:
    import socket

    import requests
    from requests.adapters import HTTPAdapter

log = logging.getLogger(__name__)

Connect = Callable[[str, int, Any], "socket.socket"]

HEADERS = {"User-Agent": f"airflow-provider-zuora/{__version__}", "Accept-Encoding": "gzip"}

_HEAD = 256 * 1024  # bytes; what comes before a body, interim answers included
_LEAST_WAIT = 0.001  # seconds; 0 would make a socket that does not wait at all


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How long one answer may take, and how much may come.

    :param seconds: from the end of the request on, whatever comes meanwhile.
    :param rate: bytes a second that come prolong this; None: nothing does.
    :param most: bytes, the head included; None: any number.
    """

    seconds: float
    rate: float | None = None
    most: int | None = None

    def left(self, began: float, came: int) -> float:
        """Return the seconds that are left, after so many bytes."""
        earned = came / self.rate if self.rate else 0.0
        return began + self.seconds + earned - time.monotonic()


class _Paced(io.RawIOBase):
    """Reads a socket for as long, and as much, as its pace allows."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, pace: Pace):
        self._raw, self._sock, self._pace = raw, sock, pace
        self._began, self._came = time.monotonic(), 0
        self._silence = sock.gettimeout()
        self.most: int | None = _HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._pace.left(self._began, self._came)
        if left <= 0:
            raise TimeoutError(f"it took longer than {self._pace.seconds:.0f} s in all")
        if self._silence is None or left < self._silence:
            self._sock.settimeout(max(left, _LEAST_WAIT))
        got = self._sock.recv_into(buffer)
        self._came += got
        if self.most is not None and self._came > self.most:
            raise OSError(f"more than {self.most} bytes came")
        return got

    def start_of_body(self) -> None:
        self.most = self._pace.most

    def close(self) -> None:
        self._raw.close()
        super().close()


def _silence(headers: HTTPMessage) -> None:
    """
    Forget what could not be read of an answer's head.

    urllib3 writes all of it into the log: words of a server's, of any length, with whatever they quote.
    """
    if headers.defects:
        if headers.get_payload():
            log.warning("The head of an answer holds a line that is no header: what follows it is not read")
        headers.defects = []
        headers.set_payload("")


def _response(pace: Pace) -> type[HTTPResponse]:
    """Return what reads the answers of a connection."""

    class Response(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any):
            super().__init__(sock, *args, **options)
            self._paced = _Paced(self.fp.detach(), sock, pace)
            self.fp = io.BufferedReader(self._paced)

        def begin(self) -> None:
            super().begin()
            _silence(self.headers)
            while 100 < self.status < 200 and self.status != 101:
                self.headers = None  # type: ignore[assignment]  # http.client skips a 100, and no other 1xx
                super().begin()
                _silence(self.headers)
            self._paced.start_of_body()

    return Response


def session(
    line: TransportConfig, pace: Pace, connect: Connect | None = None, **options: Any
) -> requests.Session:
    """
    Return a session that sends nothing that was not given to it, and whose answers keep a pace.

    :param connect: opens the sockets of connections without a proxy; None: as usual.
    :param options: of requests' adapter.
    :raises InvalidInput: where the certificates to trust cannot be read.
    """
    import requests
    from requests.structures import CaseInsensitiveDict

    if line.is_encrypted:
        line.ssl_context()  # requests would say it at each request, as if no answer had come
    made = requests.Session()
    made.trust_env = False  # netrc would replace our Authorization; the environment is read by Line
    made.headers = CaseInsensitiveDict(HEADERS)
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    way = _adapter(pace, connect, **options)
    made.mount("https://", way)
    made.mount("http://", way)
    made.verify = line.ca_bundle or False
    if line.proxy:
        made.proxies = {"https": line.proxy, "http": line.proxy}
    return made


def _adapter(pace: Pace, connect: Connect | None, **options: Any) -> HTTPAdapter:
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    response = _response(pace)

    class Plain(HTTPConnection):
        response_class = response

    class Tls(HTTPSConnection):
        response_class = response

        @property
        def is_connected(self) -> bool:
            """Say whether it may be used again; urllib3 asks the socket alone, TLS may have read more."""
            return super().is_connected and not _unread(self.sock)

    def pools(extra: Mapping[str, object]) -> dict[str, type[HTTPConnectionPool]]:
        kinds = (("http", HTTPConnectionPool, Plain), ("https", HTTPSConnectionPool, Tls))
        return {
            scheme: type("Pool", (pool,), {"ConnectionCls": type("Connection", (kind,), dict(extra))})
            for scheme, pool, kind in kinds
        }

    proxied = pools({})
    direct = proxied if connect is None else pools({"_new_conn": _connected(connect)})

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = direct

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = proxied
            return manager

    return Adapter(**options)


def _unread(sock: Any) -> int:
    """Return how many bytes TLS has taken from a socket and nobody has read; a proxy's TLS holds ours."""
    if hasattr(sock, "sslobj"):
        inner: int = sock.incoming.pending + sock.sslobj.pending()
        return inner + _unread(sock.socket)
    return sock.pending() if hasattr(sock, "pending") else 0


def _connected(connect: Connect) -> Callable[[Any], socket.socket]:
    return lambda connection: connect(connection.host, connection.port, connection.timeout)
