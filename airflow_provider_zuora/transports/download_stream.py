"""Read a file from a host that a vendor's answer names, if it may be trusted: https, and a public address.

Such a host is sent nothing that is the vendor's: no Authorization, no cookie, no netrc.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from airflow_provider_zuora.core.errors import Refused, ResponseInfo, Unreachable, Unreadable, UnsafeLink
from airflow_provider_zuora.core.redaction import NO_SECRETS, WORD_LENGTH, read_page_title, redact_words
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.validation import is_public
from airflow_provider_zuora.transports.blocking import open_requests_session
from airflow_provider_zuora.transports.config import TransportConfig

if TYPE_CHECKING:
    import requests

CHUNK = 64 * 1024  # bytes; with larger ones Linux now and then takes twice as long to write the file
_MIN_BYTES_PER_SECOND = 10_000.0  # on average, after the time that any answer has: files may be large
_TRANSIENT = (403, 408, 429)  # 403: the link has run out, and the next try asks for another
_PAGE_SIZE, _PAGE_CHUNKS = 16 * 1024, 64  # bytes, and parts, of a page that says why no file comes
_MAX_LENGTH_DIGITS = 18
_ENCODINGS = ("", "identity", "gzip", "x-gzip")
_MIN_SECRET = 6  # characters of a piece of a link; a shorter one is too common a word
_MIN_SECRET_NAME = 16  # characters of one name in its path, likewise
_HEADERS = {"Accept": "text/csv, */*", "Accept-Encoding": "identity"}  # so that Content-Length is the file's
_HOW_TO_ALLOW = " If that is right, add the host to download_hosts in the connection's extra."

Resolve: TypeAlias = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host; an OSError if it has none."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class DownloadPolicy:
    """
    Where a link may lead.

    A name is resolved once, its addresses are judged, and one of them is connected to: a name server that
    answers otherwise the next time changes nothing. Through a proxy the address cannot be seen.

    :param hosts: those of which every address will do, in lower case.
    :param redirects: how many are followed; each is judged as the link is.
    :param hide: called with the query of each link, before a library logs it: whoever has it has the file.
    """

    allows_http: bool = False
    allows_private: bool = False
    hosts: frozenset[str] = frozenset()
    redirects: int = 3
    resolve: Resolve = resolve
    hide: Callable[[str], object] = str

    @classmethod
    def for_vendor(
        cls, base_url: str, hosts: frozenset[str], hide: Callable[[str], object], resolve: Resolve = resolve
    ) -> DownloadPolicy:
        """Return the policy of a vendor: what its own base URL has is allowed for its files, too."""
        own = urlsplit(base_url)
        try:
            addresses = resolve(str(own.hostname), own.port or 443)
        except OSError:
            addresses = []  # a proxy may know it: it counts as public
        allows_private = bool(addresses) and not any(map(is_public, addresses))
        return cls(own.scheme == "http", allows_private, hosts, resolve=resolve, hide=hide)

    def check_link(self, url: str) -> SplitResult:
        """Return the parts of a link; an `UnsafeLink` if it may not be followed."""
        parts = urlsplit(url)
        host = redact_words(parts.hostname, WORD_LENGTH)
        if not host or parts.scheme not in ("https", "http"):
            raise _make_unsafe("is no https URL")
        if parts.scheme != "https" and not self.allows_http:
            raise _make_unsafe(f"leads to http://{host}, not to https")
        if "@" in parts.netloc:
            raise _make_unsafe(f"holds a user for {host}")
        if parts.query:
            self.hide(parts.query)
        return parts

    def is_trusted(self, host: str) -> bool:
        """Return whether the address of a host does not matter."""
        return self.allows_private or host.strip("[]").lower() in self.hosts

    def connect(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """Connect to a host if it is trusted or all its addresses are public, else raise an `UnsafeLink`."""
        addresses = self.resolve(host, port)
        private = [] if self.is_trusted(host) else [other for other in addresses if not is_public(other)]
        if private:
            where = f"leads to {host}, which is at {private[0]}, no public address"
            raise _make_unsafe(where, _HOW_TO_ALLOW)
        failure = OSError(f"{host} has no address")
        for address in addresses:
            try:
                return socket.create_connection((address, port), timeout)
            except OSError as error:
                failure = error
        raise failure


def _make_unsafe(reason: str, hint: str = "") -> UnsafeLink:
    return UnsafeLink(f"The link to the file {reason}; nothing was fetched.{hint}")


class Fetch:
    """One GET of a link, with the redirects that the policy allows; close it afterwards."""

    def __init__(self, link: str, config: TransportConfig, policy: DownloadPolicy):
        self._link, self._config, self._policy = link, config, policy
        self._resources = ExitStack()
        self._secret_words: tuple[str, ...] = ()
        self.secrets = NO_SECRETS
        """What no message may quote: the links that were followed, but for their hosts."""

    def close(self) -> None:
        """Close the connections."""
        self._resources.close()

    def read(self, max_bytes: int) -> Iterator[bytes]:
        """
        Yield the body as it comes; it is whole if no error is raised at its end.

        :raises UnsafeLink, Refused, Unreachable, Unreadable: as `download.download` does.
        """
        try:
            answer = self._follow_redirects(self._link)
        except ValueError as error:  # its words may quote the link
            raise _make_unsafe(f"is malformed ({type(error).__name__})") from None
        if answer.status_code != 200:
            raise self._make_refused(answer)
        length, came = self._check_headers(answer, max_bytes), 0
        for chunk in self._read_chunks(answer):
            came += len(chunk)
            yield chunk
        if length not in (None, came):
            reason = f"The file was cut off: {came} of {length} bytes came."
            raise Unreadable(reason, info=self._describe_answer(answer), transient=True)

    def _check_headers(self, answer: requests.Response, max_bytes: int) -> int | None:
        """Return the length of a file, None if it comes in chunks, which have an end of their own."""
        info, length = self._describe_answer(answer), answer.headers.get("Content-Length", "")
        if answer.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
            raise Unreadable("The file came in an encoding that was not asked for.", info=info)
        if "chunked" in answer.headers.get("Transfer-Encoding", "").lower():
            return None
        if not length.isdecimal() or len(length) > _MAX_LENGTH_DIGITS:
            raise Unreadable("The file came without its length, so it may not be whole.", info=info)
        if int(length) > max_bytes:
            raise Unreadable(f"The file has {length} bytes, more than max_bytes={max_bytes}.", info=info)
        return int(length)

    def _follow_redirects(self, url: str) -> requests.Response:
        for _ in range(1 + self._policy.redirects):
            self.close()
            url = _normalize_url(url)
            answer = self._resources.enter_context(self._request(url))
            location = answer.headers.get("Location")
            if answer.status_code not in (301, 302, 303, 307, 308) or not location:
                return answer
            url = urljoin(url, location)
        raise Refused(f"The link to the file was redirected more than {self._policy.redirects} times.")

    def _request(self, url: str) -> requests.Response:
        parts = self._policy.check_link(url)
        host = str(parts.hostname)
        # Who has the rest of a link has the file: no message names more than its host.
        self._secret_words += _list_secrets(parts)
        self.secrets = Secrets(values=self._secret_words)
        self._config = config = replace(self._config, base_url=f"{parts.scheme}://{parts.netloc}")
        if config.proxy and not self._policy.is_trusted(host):
            raise _make_unsafe(f"leads to {host} through a proxy, its address is unknown", _HOW_TO_ALLOW)
        session = open_requests_session(config, self._policy.connect, bytes_per_second=_MIN_BYTES_PER_SECOND)
        self._resources.enter_context(session)
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
            reason = f"The file was not fetched: {self._describe_error(error)}"
            raise Unreachable(reason, transient=True) from None

    def _read_chunks(self, answer: requests.Response) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        answer.raw.enforce_content_length = False  # we do, and urllib3 in some releases only
        try:
            while chunk := answer.raw.read(CHUNK, decode_content=False):
                yield chunk
        except (HTTPError, OSError) as error:
            reason = f"The file was cut off: {self._describe_error(error)}"
            raise Unreadable(reason, info=self._describe_answer(answer), transient=True) from None

    def _describe_error(self, error: BaseException) -> str:
        """Return the host and what went wrong there; apart, so that the host stays where the rest is cut."""
        host, _, reason = self._config.describe_error(error).partition(": ")
        return f"{redact_words(host, WORD_LENGTH)}: {redact_words(reason, WORD_LENGTH, self.secrets)}"

    def _make_refused(self, answer: requests.Response) -> Refused:
        """Return the error of a bad status, with the word of the page that says why."""
        page = b""
        for chunk in islice(self._read_chunks(answer), _PAGE_CHUNKS):
            page += chunk
            if len(page) >= _PAGE_SIZE:
                break
        word, status = read_page_title(page, self.secrets), answer.status_code
        info = replace(self._describe_answer(answer), messages=(word,) if word else ())
        return Refused("No file came.", info=info, transient=status in _TRANSIENT or status >= 500)

    def _describe_answer(self, answer: requests.Response) -> ResponseInfo:
        return ResponseInfo(f"GET {self._config.base_url}", status=answer.status_code)


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
