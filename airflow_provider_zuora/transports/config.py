"""How to reach a vendor: settings of a connection and the environment, checked.

No library reads the environment: both transports get the same proxy and certificates from here.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote, urlsplit

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.validation import is_this_machine, normalize_url
from airflow_provider_zuora.transports.file_paths import expand_home, find_path_problem

TIMEOUT = 130.0  # seconds, the default; Zuora itself gives up after 120 and answers 504
# The default. Two triggerers and a task with a list at 8, and 15 tasks that use one each, are 39: a small
# cluster, as Zuora allows a tenant 40 requests at once.
MAX_CONNECTIONS = 8
MAX_BYTES = 10 * 1024**3  # of a file that is downloaded, the default
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables that may name certificates to trust; the first that is set counts."""

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
VARIABLES = (*CA_BUNDLES, *_PROXIES, *(name.upper() for name in _PROXIES))
"""All variables that are read here."""

_PORTS = {"https": 443, "http": 80}
_MAX_CONNECT_TIMEOUT = 10.0  # seconds
_TOTAL = 3  # timeouts: what one answer may take from its start to its end
_MAX_LENGTH = 500  # characters of an error; a server's first line may stand in it, of 64 kB
_SEPARATOR = re.compile(r"([\s'\"])")
_PROXY_RULE = "must be a URL such as http://proxy:3128; SOCKS is not known"
_PROXIES_RULE = "proxies: must be URLs such as http://proxy:3128 for http and https; SOCKS is not known"


def _make_invalid(*violations: str) -> InvalidInput:
    return InvalidInput("The connection cannot be used; nothing was sent.", violations)


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """
    How to reach a vendor.

    :param timeout: seconds without a byte of the answer after which it is given up, and three times as many
        for all of it.
    :param verify: True, False, or the path of a CA bundle; for True, the `CA_BUNDLES` are honoured.
    :param proxies: URL by scheme; empty: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are
        honoured. Requests to loopback never go through a proxy.
    :param max_connections: at once, for one process and transport.
    :param max_connections_per_host: at once, for all processes of a host that share the token; 0: any number.
    :ivar proxy: the proxy to use, empty for none.
    :ivar ca_bundle: the path of the certificates to trust, empty if none are verified.
    :ivar ca_bundle_from: who names it, for errors.
    """

    base_url: str
    timeout: float = TIMEOUT
    verify: bool | str = True
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    max_connections: int = MAX_CONNECTIONS
    max_connections_per_host: int = 0
    proxy: str = field(init=False, repr=False, compare=False)
    ca_bundle: str = field(init=False, repr=False, compare=False)
    ca_bundle_from: str = field(init=False, repr=False, compare=False)
    connect_timeout: float = field(init=False, repr=False, compare=False)
    total_timeout: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the environment, once, and refuse settings that cannot work, before anything is sent."""
        keep = partial(object.__setattr__, self)  # the object is frozen
        keep("base_url", normalize_url(self.base_url))
        if isinstance(self.verify, str):
            keep("verify", expand_home(self.verify))
        proxy, rule = self._read_proxy()
        bundle, source = self._read_bundle()
        wrong = [rule] if rule else []
        if bundle and (why := find_path_problem(bundle)):
            wrong.append(f"verify: {source} {why}")
        if wrong:
            raise _make_invalid(*wrong)
        keep("proxy", proxy)
        keep("ca_bundle", bundle)
        keep("ca_bundle_from", source)
        keep("connect_timeout", min(_MAX_CONNECT_TIMEOUT, self.timeout))
        keep("total_timeout", _TOTAL * self.timeout)

    def _read_proxy(self) -> tuple[str, str]:
        """Return the proxy for the base URL, and the rule that it breaks, empty if it breaks none."""
        parts = urlsplit(self.base_url)
        if not self.proxies:
            given, name = read_proxy(self.base_url)
            proxy = normalize_proxy(given)
            return proxy, "" if proxy or not given else f"proxies: {name} in the environment {_PROXY_RULE}"
        urls = {scheme: normalize_proxy(url) for scheme, url in self.proxies}
        if not all(urls.values()) or not urls.keys() <= _PORTS.keys():
            return "", _PROXIES_RULE
        return "" if is_this_machine(parts.hostname or "") else urls.get(parts.scheme, ""), ""

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

    def make_ssl_context(self) -> ssl.SSLContext | None:
        """Return what verifies certificates, None without TLS; reads files. Raises an `InvalidInput`."""
        path = self.ca_bundle
        if not self.base_url.startswith("https:") and not self.proxy.startswith("https:"):
            return None
        if not path:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return context
        is_folder = os.path.isdir(path)  # noqa: PTH112 - that of Path may raise
        try:
            return ssl.create_default_context(
                cafile=None if is_folder else path, capath=path if is_folder else None
            )
        except OSError as error:
            rule = f"verify: {self.ca_bundle_from} holds no certificates ({type(error).__name__})"
            raise _make_invalid(rule) from error


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


def normalize_proxy(value: str) -> str:
    """Return a proxy's URL, of http if it names no scheme; empty if not both libraries can use it."""
    url = value.strip()
    url = url if "://" in url else f"http://{url.removeprefix('//')}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment)
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or any(rest) or not is_plain:
        return ""
    user, at, host = parts.netloc.rpartition("@")
    if at and (not user.partition(":")[0] or any(ord(char) > 0xFF for char in unquote(user))):
        return ""  # both libraries send a user alike only if it has a name, and all of it is Latin-1
    if user and ":" not in user:
        user += ":"  # requests leaves a user without a password out, aiohttp does not
    return f"{parts.scheme}://{user}{at}{host}"


def read_proxy(base_url: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """
    Return the proxy for a URL, and the variable that names it; two empty texts for none.

    ``https_proxy`` or ``http_proxy`` counts, by the URL's scheme, else ``all_proxy``; in lower case before
    upper case, as for curl and Python. ``no_proxy`` names the hosts that are reached without one.
    """
    parts = urlsplit(normalize_url(base_url))
    host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        value, variable = _read_variable(name, environ)
        if value.strip():
            excepted, _ = _read_variable("no_proxy", environ)
            entries = excepted.replace(",", " ").lower().split()
            if is_this_machine(host) or any(_is_entry_for(host, port, entry) for entry in entries):
                break
            return value, variable
    return "", ""


def read_ca_bundle(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the path of the certificates to trust, and the variable that names it; empty if none does."""
    for name in CA_BUNDLES:
        if path := environ.get(name, "").strip():
            return expand_home(path), name
    return "", ""


def _read_variable(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the value and the name of a variable; an empty one in lower case hides the other."""
    spelt = name if name in environ else name.upper()
    return environ.get(spelt, ""), spelt


def _is_entry_for(host: str, port: int | None, entry: str) -> bool:
    """
    Return whether an entry of ``no_proxy`` means a host.

    It is a name, which means all below it too, with or without ``.`` or ``*.`` before it; a pattern; an
    address, below which there is nothing; a network such as ``10.0.0.0/8``; each but the last perhaps with a
    port, and an IPv6 address that has one in brackets.
    """
    _, is_url, rest = entry.partition("://")
    entry = rest.partition("/")[0] if is_url else entry
    address = _read_address(host)
    if "/" in entry:
        return address is not None and _is_in_network(address, entry)
    name, only = _split_port(entry)
    if only not in (None, port):
        return False
    name = name.removeprefix("*.").strip(".")
    if not name.isascii():  # as a URL's host is spelt (IDNA), if it is a name
        name = urlsplit(normalize_url(f"https://{name}")).hostname or name
    if not name:
        return False
    if host == name or ("*" in name and fnmatchcase(host, name)):
        return True
    return host.endswith(f".{name}") if address is None else address == _read_address(name)


def _split_port(entry: str) -> tuple[str, int | None]:
    """Return the host and the port of an entry."""
    name, port = entry, ""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        port = port.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    return name, int(port) if port.isdecimal() and len(port) < 6 else None


def _is_in_network(address: IPv4Address | IPv6Address, network: str) -> bool:
    try:
        return address in ip_network(network.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False  # no network


def _read_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
