"""Read what the environment says of proxies and certificates, for both transports: no library reads it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

from airflow_provider_zuora.core.validation import is_this_machine, normalize_url
from airflow_provider_zuora.transports.paths import expand_home

CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables that may name certificates to trust; the first that is set counts."""

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
VARIABLES = (*CA_BUNDLES, *_PROXIES, *(name.upper() for name in _PROXIES))
"""All variables that are read here."""

_PORTS = {"https": 443, "http": 80}


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
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or any(rest) or not plain:
        return ""
    user, at, place = parts.netloc.rpartition("@")
    if at and not _is_valid_user(user):
        return ""
    if user and ":" not in user:
        user += ":"  # requests leaves a user without a password out, aiohttp does not
    return f"{parts.scheme}://{user}{at}{place}"


def _is_valid_user(user: str) -> bool:
    """Return whether both libraries send a user and a password alike: a name, and all of it in Latin-1."""
    try:
        unquote(user).encode("latin-1")
    except UnicodeEncodeError:
        return False
    return bool(user.partition(":")[0])


def read_proxy(base_url: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """
    Return the proxy for a URL, and the variable that names it; two empty texts for none.

    ``https_proxy`` or ``http_proxy`` counts, by the URL's scheme, else ``all_proxy``; in lower case before
    upper case, as for curl and Python. ``no_proxy`` names the hosts that are asked without one.
    """
    parts = urlsplit(normalize_url(base_url))
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        variable, value = _read_variable(name, environ)
        if value.strip():
            _, excepted = _read_variable("no_proxy", environ)
            return ("", "") if _is_excepted(parts, excepted) else (value, variable)
    return "", ""


def read_ca_bundle(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the path of the certificates to trust, and the variable that names it; empty if none does."""
    for name in CA_BUNDLES:
        if path := environ.get(name, "").strip():
            return expand_home(path), name
    return "", ""


def _read_variable(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the name and the value of a variable; an empty one in lower case hides the other."""
    spelt = name if name in environ else name.upper()
    return spelt, environ.get(spelt, "")


def _is_excepted(parts: SplitResult, excepted: str) -> bool:
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _PORTS.get(parts.scheme)
    entries = excepted.replace(",", " ").lower().split()
    return is_this_machine(host) or any(_entry_matches(host, port, entry) for entry in entries)


def _entry_matches(host: str, port: int | None, entry: str) -> bool:
    """
    Return whether an entry of ``no_proxy`` stands for a host.

    It is a name, which stands for all below it too, with or without ``.`` or ``*.`` before it; a pattern;
    an address, below which there is nothing; a network such as ``10.0.0.0/8``; each but the last perhaps
    with a port.
    """
    _, is_url, place = entry.partition("://")
    entry = place.partition("/")[0] if is_url else entry
    if "/" in entry:
        return _is_in_network(host, entry)
    name, only = _split_port(entry)
    if only not in (None, port):
        return False
    name = _to_ascii(name.removeprefix("*.").strip("."))
    if not name or _is_same_address(host, name):
        return bool(name)
    is_below = host.endswith(f".{name}") and not _is_address(host)
    return host == name or is_below or ("*" in name and fnmatchcase(host, name))


def _to_ascii(name: str) -> str:
    """Return a name as a URL's host is spelt, in ASCII (IDNA); as it is if it is no name."""
    return name if name.isascii() else urlsplit(normalize_url(f"https://{name}")).hostname or name


def _split_port(entry: str) -> tuple[str, int | None]:
    """Return the host and the port of an entry; an IPv6 address with a port stands in brackets."""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        port = port.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        name, port = entry, ""
    return name, int(port) if port.isdecimal() and len(port) < 6 else None


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False  # a name, or no network


def _is_address(host: str) -> bool:
    return _is_same_address(host, host)


def _is_same_address(host: str, name: str) -> bool:
    try:
        return ip_address(host) == ip_address(name)
    except ValueError:
        return False


def proxy_violations(proxies: Iterable[tuple[str, str]]) -> list[str]:
    """Return the rule that the proxies of a connection break, each a scheme and a URL; mostly none."""
    if all(scheme in _PORTS and normalize_proxy(url) for scheme, url in proxies):
        return []
    return ["proxies: must be URLs such as http://proxy:3128 for http and https; SOCKS is not known"]
