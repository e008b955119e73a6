"""The only module that opens client sockets: requests for workers, aiohttp for an event loop.

Neither follows a redirect, keeps a cookie, reads ``~/.netrc`` or repeats a request: flows decide about these.
Both libraries are imported where they are first used, because DAG files import this package.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_zuora import __version__
from airflow_provider_zuora.core.checks import canonical_url
from airflow_provider_zuora.core.errors import InvalidInput, Unreachable
from airflow_provider_zuora.core.wire import Request, Response

if TYPE_CHECKING:
    import aiohttp
    import requests
    from requests.adapters import BaseAdapter

MAX_BODY = 32 * 1024 * 1024  # bytes, decoded
_CHUNK = 64 * 1024
_ADDRESSES = 2048  # URLs that are kept, taken apart
_PROXIED = ("http", "https")
_CAUSE = re.compile(r"\(Caused by (.*)\)$", re.DOTALL)
_OBJECT = re.compile(r"<[^<>]* object at 0x[0-9a-f]+>(: )?")
_USERINFO = re.compile(r"[^\s/@'\"]+:[^\s@'\"]*@")
_CONNECT = 10.0  # seconds
_USER_AGENT = {"User-Agent": f"airflow-provider-zuora/{__version__}"}


@dataclass(frozen=True, slots=True)
class Line:
    """
    How to reach a vendor.

    :param base_url: kept in its one spelling, see `canonical_url`.
    :param timeout: seconds without a byte of the answer after which it is given up; Zuora itself gives up
        after 120 and answers 504.
    :param verify: True, False, or the path of a CA bundle; the default honours ``REQUESTS_CA_BUNDLE``.
    :param proxies: URL by scheme; empty: ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` are honoured.
    :param max_connections: at once, for one process and transport.
    """

    base_url: str
    timeout: float = 130.0
    verify: bool | str = True
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    max_connections: int = 20

    def __post_init__(self) -> None:
        """Refuse settings that cannot work, before anything is sent."""
        object.__setattr__(self, "base_url", canonical_url(self.base_url))
        wrong = []
        if not 0 < self.timeout <= 3600:
            wrong.append("timeout: must be more than 0 and at most 3600 seconds")
        if not 1 <= self.max_connections <= 1000:
            wrong.append("max_connections: must be from 1 to 1000")
        if isinstance(self.verify, str) and not Path(self.verify).exists():
            wrong.append("verify: must be true, false or the path of a CA bundle that exists")
        if self.verify is True and not Path(self.ca_bundle).exists():
            wrong.append("verify: REQUESTS_CA_BUNDLE in the environment is not a path that exists")
        if not all(_is_proxy(scheme, url) for scheme, url in self.proxies):
            wrong.append("proxies: must be URLs such as http://proxy:3128 for http and https")
        if wrong:
            raise InvalidInput("The connection cannot be used; nothing was sent.", tuple(wrong))

    def url(self, request: Request) -> str:
        """Return the address of a request."""
        query = ("&" if "?" in request.path else "?") + urlencode(request.params) if request.params else ""
        return f"{self.base_url}{request.path}{query}"

    @property
    def connect_timeout(self) -> float:
        """Return the seconds that a connection may take to open."""
        return min(_CONNECT, self.timeout)

    @property
    def proxy(self) -> str:
        """Return the proxy to use, an empty text for none."""
        parts = urlsplit(self.base_url)
        if self.proxies:
            return dict(self.proxies).get(parts.scheme, "")
        return "" if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme, "")

    @property
    def ca_bundle(self) -> str:
        """Return the path of the certificates to trust, the same for both transports."""
        if isinstance(self.verify, str):
            return self.verify
        import certifi

        return os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()

    def session(self, adapter: BaseAdapter) -> requests.Session:
        """Return a session that sends through an adapter, and nothing that was not given to it."""
        import requests
        from requests.structures import CaseInsensitiveDict

        session = requests.Session()
        session.trust_env = False  # netrc would replace our Authorization; the proxies are decided by Line
        session.headers = CaseInsensitiveDict(_USER_AGENT)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.verify = self.verify is not False and self.ca_bundle
        if proxy := self.proxy:
            session.proxies = {"https": proxy, "http": proxy}
        return session

    def words(self, error: BaseException) -> str:
        """Return where no answer came from and why; of a proxy's user and password nothing is left."""
        said = str(error)
        if cause := _CAUSE.search(said):
            said = cause[1]  # urllib3 wraps the reason in words about retries, of which there are none
        said = _USERINFO.sub("***@", _OBJECT.sub("", said))
        return f"{urlsplit(self.base_url).netloc}: {type(error).__name__}{': ' + said if said else ''}"

    def ssl_context(self) -> ssl.SSLContext:
        """Return what aiohttp verifies certificates with; reads files, so call it off the event loop."""
        path = self.ca_bundle
        folder = Path(path).is_dir()
        try:
            context = ssl.create_default_context(
                cafile=None if folder else path, capath=path if folder else None
            )
        except OSError as error:
            violation = f"verify: {path} holds no certificates ({type(error).__name__})"
            raise InvalidInput("The connection cannot be used; nothing was sent.", (violation,)) from error
        if self.verify is False:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class BlockingTransport:
    """Sends requests with one requests session; safe to use from several threads."""

    def __init__(self, line: Line):
        self.line = line
        self._session = self._open()

    def _open(self) -> requests.Session:
        from requests.adapters import HTTPAdapter

        most = self.line.max_connections
        return self.line.session(HTTPAdapter(pool_connections=2, pool_maxsize=most, pool_block=True))

    def send(self, request: Request) -> Response:
        """
        Send one request and return its answer, whole or not.

        :raises Unreachable: where no answer came.
        """
        try:
            with self._session.request(
                request.method,
                self.line.url(request),
                headers=dict(request.headers),
                data=request.body or None,
                timeout=(self.line.connect_timeout, self.line.timeout),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body, damage = _read(self.line, answer)
                return Response(answer.status_code, dict(answer.headers), body, damage)
        except (OSError, ValueError) as error:  # every error of requests is an OSError, a lost CA bundle too
            raise Unreachable(self.line.words(error)) from None  # the cause may name a proxy's password

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _read(line: Line, answer: requests.Response) -> tuple[bytes, str]:
    """Return the body and why it is not whole; a failure here still has a status and headers."""
    body = bytearray()
    try:
        for chunk in answer.iter_content(_CHUNK):
            body += chunk
            if len(body) > MAX_BODY:
                return b"", f"the answer is larger than {MAX_BODY} bytes"
    except OSError as error:
        return bytes(body), f"the answer was cut off: {line.words(error)}"
    return bytes(body), ""


class AsyncTransport:
    """Sends requests with one aiohttp session on one event loop; open it with `opened`."""

    def __init__(self, line: Line, session: aiohttp.ClientSession):
        from yarl import URL

        self.line = line
        self._session = session
        # A job is looked at again and again: its address is taken apart once.
        self._address = lru_cache(_ADDRESSES)(partial(URL, encoded=True))
        self._proxy = line.proxy or None  # reads the whole environment: once, as requests' session does

    @classmethod
    async def opened(cls, line: Line) -> AsyncTransport:
        """Return a transport of the running loop; what blocks (imports, certificates) is done in a thread."""
        prepared = await asyncio.to_thread(_prepared, line)
        import aiohttp

        return cls(
            line,
            aiohttp.ClientSession(
                connector=_connector(line, prepared),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=line.connect_timeout, sock_read=line.timeout
                ),
                headers=_USER_AGENT,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            ),
        )

    async def send(self, request: Request) -> Response:
        """
        Send one request and return its answer, whole or not.

        :raises Unreachable: where no answer came.
        """
        import aiohttp

        try:
            async with self._session.request(
                request.method,
                self._address(self.line.url(request)),
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                proxy=self._proxy,
            ) as answer:
                body, damage = await _aread(self.line, answer)
                return Response(answer.status, answer.headers, body, damage)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(self.line.words(error)) from None  # the cause may name a proxy's password

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _connector(line: Line, prepared: ssl.SSLContext | bool) -> aiohttp.TCPConnector:
    """Return a pool that ends with its loop, and in a fork: nobody can close it any more then."""
    import aiohttp

    home, owner = asyncio.get_running_loop(), os.getpid()

    class Connector(aiohttp.TCPConnector):
        @property
        def closed(self) -> bool:
            return super().closed or home.is_closed() or os.getpid() != owner

        def __del__(self, *_: Any) -> None:
            """Leave the sockets to Python: aiohttp's own way unregisters them, in a fork the parent's too."""

    return Connector(limit=line.max_connections, ssl=prepared)


def _prepared(line: Line) -> ssl.SSLContext | bool:
    """Do what would block an event loop: import aiohttp, and read the certificates."""
    import aiohttp  # noqa: F401

    return line.ssl_context() if line.base_url.startswith("https:") or line.proxy else True


async def _aread(line: Line, answer: aiohttp.ClientResponse) -> tuple[bytes, str]:
    import aiohttp

    body = bytearray()
    try:
        while chunk := await answer.content.readany():
            body += chunk
            if len(body) > MAX_BODY:
                answer.close()
                return b"", f"the answer is larger than {MAX_BODY} bytes"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return bytes(body), f"the answer was cut off: {line.words(error)}"
    return bytes(body), ""


def _is_proxy(scheme: str, url: str) -> bool:
    try:
        parts = urlsplit(url)
        return scheme in _PROXIED and parts.scheme in _PROXIED and bool(parts.hostname and parts.port != 0)
    except ValueError:
        return False
