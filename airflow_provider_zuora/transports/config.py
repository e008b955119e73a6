"""How to reach a vendor: checked settings of a connection and the environment, and errors in words."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote, urlsplit

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.validation import is_this_machine, normalize_url
from airflow_provider_zuora.transports.environment import (
    normalize_proxy,
    proxy_violations,
    read_ca_bundle,
    read_proxy,
)
from airflow_provider_zuora.transports.paths import expand_home, path_problem

TIMEOUT = 130.0  # seconds, the default; Zuora itself gives up after 120 and answers 504
MAX_CONNECTIONS = 20  # the default
_MAX_CONNECT_TIMEOUT = 10.0  # seconds
_TOTAL = 3  # timeouts: what one answer may take from its start to its end
_MAX_LENGTH = 500  # characters of an error; a server's first line may stand in it, of 64 kB
_SEPARATOR = re.compile(r"([\s'\"])")


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """
    How to reach a vendor.

    :param base_url: kept in its one spelling, see `normalize_url`.
    :param timeout: seconds without a byte of the answer after which it is given up, and three times as many
        for all of it.
    :param verify: True, False, or the path of a CA bundle; the default honours `environment.CA_BUNDLES`.
    :param proxies: URL by scheme; empty: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are
        honoured. Loopback is never asked through a proxy.
    :param max_connections: at once, for one process and transport.
    :ivar proxy: the proxy to use, empty for none.
    :ivar ca_bundle: the path of the certificates to trust, empty if none are verified.
    :ivar ca_bundle_from: who names it, for errors.
    :ivar is_encrypted: whether certificates play a part, the proxy's too.
    :ivar connect_timeout: seconds that a connection may take to open.
    :ivar total_timeout: seconds that an answer may take in all.
    """

    base_url: str
    timeout: float = TIMEOUT
    verify: bool | str = True
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    max_connections: int = MAX_CONNECTIONS
    proxy: str = field(init=False, repr=False, compare=False)
    ca_bundle: str = field(init=False, repr=False, compare=False)
    ca_bundle_from: str = field(init=False, repr=False, compare=False)
    is_encrypted: bool = field(init=False, repr=False, compare=False)
    connect_timeout: float = field(init=False, repr=False, compare=False)
    total_timeout: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the environment, once, and refuse settings that cannot work, before anything is sent."""
        keep = partial(object.__setattr__, self)  # the object is frozen
        keep("base_url", normalize_url(self.base_url))
        if isinstance(self.verify, str):
            keep("verify", expand_home(self.verify))
        wrong = []
        proxy, rules = self._read_proxy()
        keep("proxy", proxy)
        wrong += rules
        bundle, source = self._read_bundle()
        keep("ca_bundle", bundle)
        keep("ca_bundle_from", source)
        if bundle and (why := path_problem(bundle)):
            wrong.append(f"verify: {source} {why}")
        if wrong:
            raise InvalidInput("The connection cannot be used; nothing was sent.", tuple(wrong))
        keep("is_encrypted", self.base_url.startswith("https:") or proxy.startswith("https:"))
        keep("connect_timeout", min(_MAX_CONNECT_TIMEOUT, self.timeout))
        keep("total_timeout", _TOTAL * self.timeout)

    def _read_proxy(self) -> tuple[str, list[str]]:
        """Return the proxy for the base URL, and the rules that it breaks."""
        parts = urlsplit(self.base_url)
        if self.proxies:
            wrong = proxy_violations(self.proxies)
            given = dict(self.proxies).get(parts.scheme, "")
            own = is_this_machine(parts.hostname or "")
            return "" if wrong or not given or own else normalize_proxy(given), wrong
        given, name = read_proxy(self.base_url)
        proxy = normalize_proxy(given) if given else ""
        if given and not proxy:
            rule = "must be a URL such as http://proxy:3128; SOCKS is not known"
            return "", [f"proxies: {name} in the environment {rule}"]
        return proxy, []

    def _read_bundle(self) -> tuple[str, str]:
        """Return the path of the certificates to trust, and who names it."""
        if self.verify is False:
            return "", ""
        if isinstance(self.verify, str):
            return self.verify, "must be true, false or the path of a CA bundle that exists, this"
        path, name = read_ca_bundle()
        if path:
            return path, f"{name} in the environment"
        import certifi

        return certifi.where(), "the file of certifi"

    def describe_error(self, error: BaseException) -> str:
        """Return which host did not answer and why, without a proxy's user and password."""
        reason = _remove_users(_find_reason(str(error)), self.proxy)[:_MAX_LENGTH]
        return f"{urlsplit(self.base_url).netloc}: {type(error).__name__}{': ' + reason if reason else ''}"

    def ssl_context(self) -> ssl.SSLContext:
        """
        Return what aiohttp verifies certificates with; reads files, so call it off the event loop.

        :raises InvalidInput: if there are no certificates to trust.
        """
        path = self.ca_bundle
        if not path:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return context
        folder = os.path.isdir(path)  # noqa: PTH112 - that of Path may raise
        try:
            return ssl.create_default_context(
                cafile=None if folder else path, capath=path if folder else None
            )
        except OSError as error:
            rule = f"verify: {self.ca_bundle_from} holds no certificates ({type(error).__name__})"
            raise InvalidInput("The connection cannot be used; nothing was sent.", (rule,)) from error


def _find_reason(message: str) -> str:
    """Return what went wrong, out of urllib3's words about retries, of which there are none, and objects."""
    _, found, cause = message.partition("(Caused by ")
    message = cause.removesuffix(")") if found else message
    before, found, after = message.partition(" object at 0x")
    if not found:
        return message
    return before[: max(before.rfind("<"), 0)] + after.partition(">")[2].removeprefix(": ")


def _remove_users(message: str, proxy: str) -> str:
    """Return an error's words without a user and a password; its length may be a server's choice."""
    user = urlsplit(proxy).netloc.rpartition("@")[0]
    for known in (user, unquote(user), unquote(user.partition(":")[2])):
        message = message.replace(known, "***") if known.strip(":") else message
    return "".join(_remove_user(piece) for piece in _SEPARATOR.split(message))


def _remove_user(piece: str) -> str:
    user, found, rest = piece.rpartition("@")
    if not found or ":" not in user:
        return piece
    scheme, slashes, _ = user.partition("//")
    return f"{scheme}{slashes}***@{rest}" if slashes else f"***@{rest}"
