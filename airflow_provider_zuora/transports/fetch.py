"""Read a file from a host that a vendor's answer names, if it may be trusted: https, and a public address.

Such a host is sent nothing that is the vendor's: no Authorization, no cookie, no netrc.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from airflow_provider_zuora.core.errors import Refused, ResponseInfo, Unreachable, Unreadable, UnsafeLink
from airflow_provider_zuora.core.redaction import NO_SECRETS, WORD_LENGTH, read_page_title, redact_words
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.validation import is_public
from airflow_provider_zuora.transports.blocking import ResponseLimits, open_requests_session
from airflow_provider_zuora.transports.config import TransportConfig

if TYPE_CHECKING:
    import requests

CHUNK = 256 * 1024  # bytes
_MIN_BYTES_PER_SECOND = (
    10_000.0  # bytes a second, on average after the time that any answer has: files may be large
)
_REDIRECTS = 3
_TRANSIENT = (403, 408, 429)  # 403: the link has run out, and the next try asks for another
_PAGE_SIZE, _PAGE_CHUNKS = 16 * 1024, 64  # bytes, and parts, of a page that says why no file comes
_MAX_LENGTH_DIGITS = 18
_ENCODINGS = ("", "identity", "gzip", "x-gzip")
_MIN_SECRET = 6  # characters of a piece of a link; a shorter one is too common a word
_MIN_SECRET_NAME = 16  # characters of one name in its path, likewise
_HEADERS = {"Accept": "text/csv, */*", "Accept-Encoding": "identity"}  # so that Content-Length is the file's
_HOW_TO_ALLOW = (
    "nothing was fetched. Where that is right, add the host to download_hosts in the connection's extra."
)

Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host; an OSError if it has none."""
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

    allows_http: bool = False
    allows_private: bool = False
    hosts: frozenset[str] = frozenset()
    resolve: Resolve = resolve
    hide: Callable[[str], object] = str

    @classmethod
    def for_vendor(
        cls,
        base_url: str,
        hosts: frozenset[str],
        hide: Callable[[str], object],
        resolve: Resolve = resolve,
    ) -> DownloadPolicy:
        """Return the policy of a vendor: what its own base URL has is allowed for its files, too."""
        own = urlsplit(base_url)
        try:
            addresses = resolve(str(own.hostname), own.port or 443)
        except OSError:
            addresses = []  # a proxy may know it: it counts as public
        allows_private = bool(addresses) and not any(map(is_public, addresses))
        return cls(own.scheme == "http", allows_private, hosts, resolve, hide)

    def check_link(self, url: str) -> SplitResult:
        """
        Return the parts of a link that may be followed.

        :raises UnsafeLink: if it may not.
        """
        parts = urlsplit(url)
        host = redact_words(parts.hostname, WORD_LENGTH)
        if not host or parts.scheme not in ("https", "http"):
            raise UnsafeLink("The link to the file is no https URL; nothing was fetched.")
        if parts.scheme != "https" and not self.allows_http:
            raise UnsafeLink(
                f"The link to the file leads to http://{host}, not to https; nothing was fetched."
            )
        if "@" in parts.netloc:
            raise UnsafeLink(f"The link to the file holds a user for {host}; nothing was fetched.")
        if parts.query:
            self.hide(parts.query)
        return parts

    def is_trusted(self, host: str) -> bool:
        """Return whether the address of a host does not matter."""
        return self.allows_private or host.strip("[]").lower() in self.hosts

    def connect(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """
        Connect to a host, if all of its addresses are public or it is trusted.

        :raises UnsafeLink: if they are not; nothing was sent there.
        """
        addresses = self.resolve(host, port)
        private = [] if self.is_trusted(host) else [each for each in addresses if not is_public(each)]
        if private:
            raise UnsafeLink(
                f"The link to the file leads to {host}, which is at {private[0]}, no public address; "
                f"{_HOW_TO_ALLOW}"
            )
        failure = OSError(f"{host} has no address")
        for address in addresses:
            try:
                return socket.create_connection((address, port), timeout)
            except OSError as error:
                failure = error
        raise failure


class Fetch:
    """One GET of a link, with the redirects that the policy allows; close it afterwards."""

    def __init__(self, link: str, config: TransportConfig, policy: DownloadPolicy):
        self._link, self._config, self._policy = link, config, policy
        self._open_resources: list[requests.Response | requests.Session] = []
        self._status: int | None = None
        self._secret_words: tuple[str, ...] = ()
        self.secrets = NO_SECRETS
        """What no message may quote: the links that were followed, but for their hosts."""

    def close(self) -> None:
        """Close the connections."""
        while self._open_resources:
            self._open_resources.pop().close()

    def read(self, max_bytes: int) -> Iterator[bytes]:
        """
        Yield the body as it comes; it is whole if no error is raised at its end.

        :raises UnsafeLink: if the policy forbids the link, or a redirect.
        :raises Refused, Unreachable, Unreadable: if no file comes, or one that is too long or cut off.
        """
        answer = self._open(self._link)
        self._status = answer.status_code
        length = answer.headers.get("Content-Length", "")
        chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        if answer.status_code != 200:
            raise self._make_refused(answer)
        if answer.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
            raise self._make_unreadable("The file came in an encoding that was not asked for.")
        if not chunked and not (length.isdecimal() and len(length) <= _MAX_LENGTH_DIGITS):
            raise self._make_unreadable(
                "The file came without its length: nobody can tell whether it is whole."
            )
        if not chunked and int(length) > max_bytes:
            raise self._make_unreadable(f"The file has {length} bytes, more than max_bytes={max_bytes}.")
        came = 0
        for chunk in self._read_chunks(answer):
            came += len(chunk)
            yield chunk
        if not chunked and came != int(length):
            raise self._make_unreadable(
                f"The file was cut off: {came} of {length} bytes came.", transient=True
            )

    def _open(self, link: str) -> requests.Response:
        try:
            return self._follow_redirects(link)
        except ValueError as error:  # its words may quote the link
            said = f"The link to the file is malformed ({type(error).__name__}); nothing was fetched."
            raise UnsafeLink(said) from None

    def _follow_redirects(self, url: str) -> requests.Response:
        for _ in range(1 + _REDIRECTS):
            self.close()
            url = _normalize_url(url)
            answer = self._request(url)
            self._open_resources.append(answer)
            location = answer.headers.get("Location")
            if answer.status_code not in (301, 302, 303, 307, 308) or not location:
                return answer
            url = urljoin(url, location)
        raise Refused(f"The link to the file was redirected more than {_REDIRECTS} times.")

    def _request(self, url: str) -> requests.Response:
        parts = self._policy.check_link(url)
        host = str(parts.hostname)
        # Who has the rest of a link has the file: no message names more than its host.
        self._secret_words += _list_secrets(parts)
        self.secrets = Secrets(values=self._secret_words)
        self._config = config = replace(self._config, base_url=f"{parts.scheme}://{parts.netloc}")
        if config.proxy and not self._policy.is_trusted(host):
            raise UnsafeLink(
                f"The link to the file leads to {host} through a proxy, nobody can tell its address; "
                f"{_HOW_TO_ALLOW}"
            )
        limits = ResponseLimits(config.total_timeout, bytes_per_second=_MIN_BYTES_PER_SECOND)
        session = open_requests_session(config, limits, self._policy.connect)
        self._open_resources.append(session)
        try:
            return session.get(
                url,
                headers=_HEADERS,
                timeout=(config.connect_timeout, config.timeout),
                allow_redirects=False,
                stream=True,
            )
        except OSError as error:
            if isinstance(error, ValueError):  # requests' own are both
                raise
            raise Unreachable(
                f"The file was not fetched: {self._describe_error(error)}", transient=True
            ) from None

    def _read_chunks(self, answer: requests.Response) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        answer.raw.enforce_content_length = False  # we do, and urllib3 in some releases only
        try:
            while chunk := answer.raw.read(CHUNK, decode_content=False):
                yield chunk
        except (HTTPError, OSError) as error:
            raise self._make_unreadable(
                f"The file was cut off: {self._describe_error(error)}", transient=True
            ) from None

    def _describe_error(self, error: BaseException) -> str:
        """Return the host and what went wrong there; apart, so that the host stays where the rest is cut."""
        host, _, said = self._config.describe_error(error).partition(": ")
        return f"{redact_words(host, WORD_LENGTH)}: {redact_words(said, WORD_LENGTH, self.secrets)}"

    def _make_refused(self, answer: requests.Response) -> Refused:
        """Return the error of a bad status, with the word of the page that says why."""
        status = answer.status_code
        word = read_page_title(self._read_page(answer), self.secrets)
        said = ResponseInfo(f"GET {self._config.base_url}", status=status, messages=(word,) if word else ())
        return Refused("No file came.", info=said, transient=status in _TRANSIENT or status >= 500)

    def _read_page(self, answer: requests.Response) -> bytes:
        """Return the beginning of a page, in however many parts it comes."""
        page = b""
        for chunk in islice(self._read_chunks(answer), _PAGE_CHUNKS):
            page += chunk
            if len(page) >= _PAGE_SIZE:
                break
        return page

    def _make_unreadable(self, message: str, *, transient: bool = False) -> Unreadable:
        answer = ResponseInfo(f"GET {self._config.base_url}", status=self._status)
        return Unreadable(message, info=answer, transient=transient)


def _list_secrets(parts: SplitResult) -> tuple[str, ...]:
    """Return what of a link lets others have the file: its path, its query and the values in it."""
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    names = [name for name in parts.path.split("/") if len(name) >= _MIN_SECRET_NAME]
    every = (parts.path.strip("/"), parts.query, *names, *values)
    return tuple({word for piece in every for word in (piece, unquote(piece)) if len(word) >= _MIN_SECRET})


def _normalize_url(url: str) -> str:
    """Return a link as it is sent, and logged: what is judged must be what the libraries read in it."""
    from requests.utils import requote_uri
    from urllib3.util import parse_url

    return parse_url(requote_uri(url)).url
