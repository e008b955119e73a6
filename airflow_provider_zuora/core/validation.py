"""Which URLs, paths, ids, header values and options are valid; a check names the broken rule in words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

MOST_SECONDS = 10 * 365 * 86400.0
"""Ten years; what is much longer ends beyond the year 9999, which neither Python nor a database knows."""
KEY_LENGTH = 254  # of an Idempotency-Key; the guide says "less than 255"
_UNICAST = IPv6Network("2000::/3")  # all that is assigned for use between networks
_HOLDS_IPV4 = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
_PRINTABLE = re.compile(r"[ -~]*")
_PORTS = {"https": 443, "http": 80}
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_OF_HOSTS_FILES = frozenset({"localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_C_NUMBER, _OCTAL = re.compile(r"0x[0-9a-f]+|[0-9]+"), re.compile(r"0[0-9]")
_AMBIGUOUS = frozenset("\u00df\u03c2\u200c\u200d")  # IDNA of 2003 and of 2008 differ in them
_API = re.compile(r"(?:.*/)?(?:v\d+|oauth|oauth/\w+)|v\d+/.*")
_IN_A_PATH = re.compile(r"""[!$-;=?-\[\]-~]*""")  # printable ASCII without white space and " # < > \


def find_url_violations(url: str) -> list[str]:
    """Return the rules that a base URL breaks, one line each."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ["host: not a URL"]
    if parts.scheme not in {"https", "http"} or not host:
        return ["host: must be a URL such as https://api.example.com"]
    path = "/".join(each for each in parts.path.lower().split("/") if each)
    wrong_path = find_path_violation(parts.path.rstrip("/")) if path else ""
    rules = {
        "host: must begin with https:// (two slashes), and then name the host": host in _PORTS,
        "host: its port must be from 1 to 65535": port == 0,
        "host: http is refused except on loopback, use https": parts.scheme == "http"
        and not is_loopback(host),
        "host: must not hold a user or a password": "@" in parts.netloc,
        "host: must not hold a query or a fragment": bool({"?", "#"} & set(url)),
        "host: must not hold white space": any(c.isspace() for c in url),
        "host: must be the name or the IP address of a host": not _is_host(host),
        f"host: must be a base URL without the API's own path, this ends in /{path[:80]}": bool(
            _API.fullmatch(path)
        ),
        f"host: its path {wrong_path}": bool(wrong_path),
    }
    return [rule for rule, broken in rules.items() if broken]


def normalize_url(url: str) -> str:
    """
    Return the one spelling of all base URLs that lead to the same place; an invalid one as it is.

    Scheme and host are in lower case, a name in ASCII (IDNA) without a dot at its end, an IP address in its
    short form; a port that the scheme implies is left out, and so is a slash at the end.
    """
    if find_url_violations(url):
        return url
    parts = urlsplit(url)
    host = _normalize_host(str(parts.hostname))
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port not in (None, _PORTS[parts.scheme]) else ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address, or localhost."""
    try:
        ip = ip_address(host)
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


def is_this_machine(host: str) -> bool:
    """
    Return whether a request to a host would not leave this machine, so that no proxy has a part in it.

    That is more than `is_loopback`, by which http is allowed: a resolver may know another ``x.localhost``. No
    name is resolved; an address may be one that only ``inet_aton`` reads, as 127.1.
    """
    name = host.rstrip(".").lower()
    if is_loopback(name) or name.endswith(".localhost") or name in _OF_HOSTS_FILES:
        return True
    try:
        ip = ip_address(name) if ":" in name else _read_loose_address(name)
    except ValueError:
        return False
    return ip.is_loopback or ip.is_unspecified


def _read_loose_address(text: str) -> IPv4Address:
    """Return the address that ``inet_aton`` reads: 1 to 4 numbers, the last one fills what is left."""
    parts = text.split(".")
    if not all(map(_C_NUMBER.fullmatch, parts)):
        raise ValueError(text)
    *first, last = (int(part, 8 if _OCTAL.match(part) else 0) for part in parts)
    left = 4 - len(first)
    if left < 1 or max(first, default=0) > 255 or last >= 256**left:
        raise ValueError(text)
    return IPv4Address(int.from_bytes(bytes(first), "big") * 256**left + last)


def _is_host(host: str) -> bool:
    try:
        return bool(_NAME.fullmatch(_normalize_host(host))) or bool(ip_address(host))
    except ValueError:
        return False


def _normalize_host(host: str) -> str:
    """Return a host in its one spelling; raise a ValueError if not every library reads it alike."""
    try:
        return str(ip_address(host))
    except ValueError:
        if set(host) & _AMBIGUOUS:
            raise
    name = host.removesuffix(".")
    return (name if name.isascii() else name.encode("idna").decode()).lower()


def find_credential_violation(value: str) -> str:
    """Return the rule that a client id or secret breaks; RFC 6749 A.1 and A.2 allow printable ASCII alone."""
    if value == "***":
        return "is the mask that Airflow shows, not the value; enter it anew"
    if value.lower().startswith(("bearer ", "basic ")):
        return f"must hold no blanks, and not begin with {value.split(' ', 1)[0].capitalize()}"
    if " " in value:
        return "must hold no blanks"
    if not _PRINTABLE.fullmatch(value):
        return "must be printable ASCII; a line break, a blank or an invisible character was pasted too"
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`":
        return "must not stand in quotes"
    return ""


def is_public(address: str) -> bool:
    """Return whether an IP address is public; one that holds an IPv4 address is what that is."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if any(ip in network for network in _HOLDS_IPV4):
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        return ip in _UNICAST and ip.is_global
    return ip.is_global and not ip.is_multicast


def find_id_violation(value: object) -> str:
    """Return the rule that an id breaks, or an empty text; a path holds it encoded."""
    return _find_text_violation(value, 2048, str.isprintable, "printable")


def find_header_violation(value: object, limit: int = 2048, without: str = "") -> str:
    """Return the rule that a header's value breaks, or an empty text."""
    if wrong := _find_text_violation(value, limit, _PRINTABLE.fullmatch, "printable ASCII"):
        return wrong
    if found := sorted(set(without) & set(str(value))):
        return f"must not contain {' '.join(found)}"
    return ""


def _find_text_violation(value: object, limit: int, fits: Callable[[str], object], kind: str) -> str:
    if not isinstance(value, str):
        return f"must be a text, not of type {type(value).__name__}"
    if not value or len(value) > limit:
        return f"must have 1 to {limit} characters, this has {len(value)}"
    if not fits(value) or value != value.strip():
        return f"must be {kind} without white space at its ends"
    return ""


def find_method_violation(method: str) -> str:
    """Return the rule that a method breaks."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    return "" if method in known else f"must be one of {', '.join(known)}"


def find_path_violation(path: str) -> str:
    """Return the rule that a path breaks; a path must not lead away from the base URL."""
    decoded = path.split("?", 1)[0].lower().replace("%2e", ".")
    if not path.startswith("/") or path.startswith("//"):
        return "must start with one slash: it is a path below the base URL"
    if not _IN_A_PATH.fullmatch(path):
        return "must be percent-encoded ASCII without a fragment"
    if {".", ".."} & set(decoded.split("/")):
        return "must not contain the segments . or .."
    return ""


def check_seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Return a number of seconds, or a timedelta, as seconds; raise a ValueError for anything else."""
    least = "0 or above" if zero else "above 0"
    seconds = math.nan
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:  # a whole number beyond any float
            seconds = math.inf
        except ValueError:  # a signalling NaN
            pass
    if math.isnan(seconds) or seconds < 0 or (seconds == 0 and not zero):
        raise ValueError(f"{name}: must be a number of seconds {least}, or a timedelta, not {value!r:.80}")
    if seconds > MOST_SECONDS:
        raise ValueError(f"{name}: must be a number of seconds of at most {MOST_SECONDS:.0f} (ten years)")
    return seconds


def check_execution_timeout(limit: timedelta | None) -> None:
    """Refuse a negative timeout: Airflow accepts it, and the order would be sent."""
    if limit is not None and limit < timedelta(0):
        raise ValueError(f"execution_timeout: must be 0 or above, not {limit!r:.80}")


def find_flag_violations(flags: Mapping[str, object]) -> tuple[str, ...]:
    """Return a line for each option that is neither True nor False: the text "False" counts as True."""
    return tuple(
        f"{name}: must be True or False, not {value!r:.80}"
        for name, value in flags.items()
        if not isinstance(value, bool)
    )


def check_flags(flags: Mapping[str, object]) -> None:
    """Raise a ValueError with a line for each of `find_flag_violations`."""
    if wrong := find_flag_violations(flags):
        raise ValueError("\n".join(wrong))


def find_text_violations(texts: Mapping[str, object]) -> tuple[str, ...]:
    """Return a line for each option that is neither a text nor None."""
    return tuple(
        f"{name}: must be a text, not of type {type(value).__name__}"
        for name, value in texts.items()
        if value is not None and not isinstance(value, str)
    )


def find_list_violations(on_existing: object, concurrency: object) -> tuple[str, ...]:
    """Return the rules that options of a list of orders break, a line each."""
    is_whole = isinstance(concurrency, int) and not isinstance(concurrency, bool) and concurrency > 0
    rules = {
        f"on_existing: must be fail or adopt, not {on_existing!r}": on_existing in ("fail", "adopt"),
        f"concurrency: must be a whole number above 0, not {concurrency!r}": is_whole,
    }
    return tuple(rule for rule, is_kept in rules.items() if not is_kept)
