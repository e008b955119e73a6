"""The other module that opens client sockets: it fetches a file from a host that a vendor's answer names.

What `transports` says to the vendor's own host must not be said here: no Authorization, no cookie, no netrc.
And what an answer names may be anything: it has to be https, and an address of the public Internet.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from airflow_provider_zuora.core.errors import Refused, ResponseInfo, Unreachable, Unreadable, UnsafeLink
from airflow_provider_zuora.core.redaction import NO_SECRETS, WORD_LENGTH, Secrets, page_title, redact_words
from airflow_provider_zuora.core.validation import is_public
from airflow_provider_zuora.transports.blocking import ResponseLimits, open_requests_session
from airflow_provider_zuora.transports.config import TransportConfig

if TYPE_CHECKING:
    import requests

CHUNK = 256 * 1024  # bytes
_SLOWEST = 10_000.0  # bytes a second, on average after the time that any answer has: files may be large
_REDIRECTS = 3
_PASSING = (403, 408, 429)  # 403: the link has run out, and the next try asks for another
_PAGE_SIZE, _PAGE_CHUNKS = 16 * 1024, 64  # bytes, and parts, of a page that says why no file comes
_LENGTH_DIGITS = 18
_ENCODINGS = ("", "identity", "gzip", "x-gzip")
_TELLING = 6  # characters of a piece of a link; a shorter one is too common a word
_LONG_NAME = 16  # characters of one name in its path, likewise
_HEADERS = {"Accept": "text/csv, */*", "Accept-Encoding": "identity"}  # so that Content-Length is the file's
_RIGHT = "nothing was fetched. Where that is right, add the host to download_hosts in the connection's extra."

Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host; an OSError where it has none."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True, slots=True)
class DownloadPolicy:
    """
    Where a link may lead.

    A name is resolved once, its addresses are judged, and one of them is connected to: a name server that
    answers otherwise the next time changes nothing. Through a proxy nobody here sees the address.

    :param plain: whether http will do.
    :param private: whether every address will do.
    :param hosts: those of which every address will do, in lower case.
    :param hide: called with the query of each link before it is followed: whoever has it has the file, and
        libraries log it.
    """

    plain: bool = False
    private: bool = False
    hosts: frozenset[str] = frozenset()
    resolve: Resolve = resolve
    hide: Callable[[str], object] = str

    @classmethod
    def beside(
        cls,
        base_url: str,
        hosts: frozenset[str],
        hide: Callable[[str], object],
        resolve: Resolve = resolve,
    ) -> DownloadPolicy:
        """Return the fence of a vendor: what will do for its own URL will do for its files."""
        own = urlsplit(base_url)
        try:
            addresses = resolve(str(own.hostname), own.port or 443)
        except OSError:
            addresses = []  # a proxy may know it: it counts as public
        private = bool(addresses) and not any(map(is_public, addresses))
        return cls(own.scheme == "http", private, hosts, resolve, hide)

    def parts(self, url: str) -> SplitResult:
        """
        Return the parts of a link that may be followed.

        :raises UnsafeLink: where it may not.
        """
        parts = urlsplit(url)
        host = redact_words(parts.hostname, WORD_LENGTH)
        if not host or parts.scheme not in ("https", "http"):
            raise UnsafeLink("The link to the file is no https URL; nothing was fetched.")
        if parts.scheme != "https" and not self.plain:
            raise UnsafeLink(
                f"The link to the file leads to http://{host}, not to https; nothing was fetched."
            )
        if "@" in parts.netloc:
            raise UnsafeLink(f"The link to the file holds a user for {host}; nothing was fetched.")
        if parts.query:
            self.hide(parts.query)
        return parts

    def trusts(self, host: str) -> bool:
        """Say whether the address of a host does not matter."""
        return self.private or host.strip("[]").lower() in self.hosts

    def connect(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """
        Connect to a host, where all of its addresses are public or it is trusted.

        :raises UnsafeLink: where they are not; nothing was sent there.
        """
        addresses = self.resolve(host, port)
        closed = [] if self.trusts(host) else [each for each in addresses if not is_public(each)]
        if closed:
            raise UnsafeLink(
                f"The link to the file leads to {host}, which is at {closed[0]}, no public address; {_RIGHT}"
            )
        failure = OSError(f"{host} has no address")
        for address in addresses:
            try:
                return socket.create_connection((address, port), timeout)
            except OSError as error:
                failure = error
        raise failure


class Fetch:
    """One GET of a link, with the redirects that the fence lets through; close it afterwards."""

    def __init__(self, link: str, line: TransportConfig, fence: DownloadPolicy):
        self._link, self._line, self._fence = link, line, fence
        self._held: list[requests.Response | requests.Session] = []
        self._status: int | None = None
        self._hidden: tuple[str, ...] = ()
        self.secrets = NO_SECRETS
        """What no word of the file's host may hold: the links that were followed, but for their hosts."""

    def close(self) -> None:
        """Close the connections."""
        while self._held:
            self._held.pop().close()

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """
        Yield the body as it comes; it is whole where no error is raised at its end.

        :raises UnsafeLink: where the fence is closed.
        :raises Refused, Unreachable, Unreadable: where no file comes, or one that is too long or cut off.
        """
        answer = self._opened(self._link)
        self._status = answer.status_code
        length = answer.headers.get("Content-Length", "")
        chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        if answer.status_code != 200:
            raise self._refused(answer)
        if answer.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
            raise self._unreadable("The file came in an encoding that was not asked for.")
        if not chunked and not (length.isdecimal() and len(length) <= _LENGTH_DIGITS):
            raise self._unreadable("The file came without its length: nobody can tell whether it is whole.")
        if not chunked and int(length) > max_bytes:
            raise self._unreadable(f"The file has {length} bytes, more than max_bytes={max_bytes}.")
        came = 0
        for chunk in self._raw(answer):
            came += len(chunk)
            yield chunk
        if not chunked and came != int(length):
            raise self._unreadable(f"The file was cut off: {came} of {length} bytes came.", transient=True)

    def _opened(self, link: str) -> requests.Response:
        try:
            return self._redirected(link)
        except ValueError as error:  # its words may quote the link
            said = f"The link to the file is malformed ({type(error).__name__}); nothing was fetched."
            raise UnsafeLink(said) from None

    def _redirected(self, url: str) -> requests.Response:
        for _ in range(1 + _REDIRECTS):
            self.close()
            url = _as_sent(url)
            answer = self._sent(url)
            self._held.append(answer)
            location = answer.headers.get("Location")
            if answer.status_code not in (301, 302, 303, 307, 308) or not location:
                return answer
            url = urljoin(url, location)
        raise Refused(f"The link to the file was redirected more than {_REDIRECTS} times.")

    def _sent(self, url: str) -> requests.Response:
        parts = self._fence.parts(url)
        host = str(parts.hostname)
        # Who has the rest of a link has the file: no message names more than its host.
        self._hidden += _pieces(parts)
        self.secrets = Secrets(values=self._hidden)
        self._line = line = replace(self._line, base_url=f"{parts.scheme}://{parts.netloc}")
        if line.proxy and not self._fence.trusts(host):
            raise UnsafeLink(
                f"The link to the file leads to {host} through a proxy, nobody can tell its address; {_RIGHT}"
            )
        limits = ResponseLimits(line.total_timeout, bytes_per_second=_SLOWEST)
        opened = open_requests_session(line, limits, self._fence.connect)
        self._held.append(opened)
        try:
            return opened.get(
                url,
                headers=_HEADERS,
                timeout=(line.connect_timeout, line.timeout),
                allow_redirects=False,
                stream=True,
            )
        except OSError as error:
            if isinstance(error, ValueError):  # requests' own are both
                raise
            raise Unreachable(f"The file was not fetched: {self._words(error)}", transient=True) from None

    def _raw(self, answer: requests.Response) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        answer.raw.enforce_content_length = False  # we do, and urllib3 in some releases only
        try:
            while chunk := answer.raw.read(CHUNK, decode_content=False):
                yield chunk
        except (HTTPError, OSError) as error:
            raise self._unreadable(f"The file was cut off: {self._words(error)}", transient=True) from None

    def _words(self, error: BaseException) -> str:
        """Return the host and what went wrong there; apart, so that the host stays where the rest is cut."""
        host, _, said = self._line.describe_error(error).partition(": ")
        return f"{redact_words(host, WORD_LENGTH)}: {redact_words(said, WORD_LENGTH, self.secrets)}"

    def _refused(self, answer: requests.Response) -> Refused:
        """Return the error of a bad status, with the word of the page that says why."""
        status = answer.status_code
        word = page_title(self._page(answer), self.secrets)
        said = ResponseInfo(f"GET {self._line.base_url}", status=status, messages=(word,) if word else ())
        return Refused("No file came.", info=said, transient=status in _PASSING or status >= 500)

    def _page(self, answer: requests.Response) -> bytes:
        """Return the beginning of a page, in however many parts it comes."""
        page = b""
        for chunk in islice(self._raw(answer), _PAGE_CHUNKS):
            page += chunk
            if len(page) >= _PAGE_SIZE:
                break
        return page

    def _unreadable(self, message: str, *, transient: bool = False) -> Unreadable:
        answer = ResponseInfo(f"GET {self._line.base_url}", status=self._status)
        return Unreadable(message, info=answer, transient=transient)


def _pieces(parts: SplitResult) -> tuple[str, ...]:
    """Return what of a link lets others have the file: its path, its query and the values in it."""
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    names = [name for name in parts.path.split("/") if len(name) >= _LONG_NAME]
    every = (parts.path.strip("/"), parts.query, *names, *values)
    return tuple({word for piece in every for word in (piece, unquote(piece)) if len(word) >= _TELLING})


def _as_sent(url: str) -> str:
    """Return a link as it is sent, and logged: what is judged must be what the libraries read in it."""
    from requests.utils import requote_uri
    from urllib3.util import parse_url

    return parse_url(requote_uri(url)).url
