"""How a field of extra is read: each returns its meaning or raises a `ValueError` with the broken rule."""

from __future__ import annotations

import json
import math
import re
import unicodedata

from airflow_provider_zuora.core.page_url import find_pattern_violation
from airflow_provider_zuora.core.validation import find_header_violation
from airflow_provider_zuora.transports.config import MAX_CONNECTIONS, TIMEOUT

MAX_TIMEOUT = 3600  # seconds
MOST_CONNECTIONS = 1000
VERSION = re.compile(r"\d+(\.\d+)?|\d{4}-\d\d-\d\d")
_HOST = re.compile(r"[^\s/:@*]+|[0-9a-f:.]+")
_FLAGS = {True: True, False: False, "true": True, "false": False}


def strip_blanks(text: str | None) -> str:
    """Return a text without the white space and invisible characters around it."""
    text = text or ""
    visible = [at for at, c in enumerate(text) if not (c.isspace() or unicodedata.category(c)[0] == "C")]
    return text[visible[0] : visible[-1] + 1] if visible else ""


def read_text(value: object) -> str:
    """Return a text, as it is or of a whole number, without blanks around it."""
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise ValueError("must be a text")  # noqa: TRY004 - one kind for all rules
    return "" if value is None else strip_blanks(str(value))


def read_texts(value: object) -> str:
    """Return texts, comma-separated or a list, as one text with commas."""
    texts = value if isinstance(value, list) else ["" if value is None else value]
    if any(isinstance(text, bool) or not isinstance(text, (str, int)) for text in texts):
        raise ValueError("must be a text or a list of texts")
    return ",".join(strip_blanks(str(text)) for text in texts)


def read_header(value: object) -> str:
    """Return what `read_text` does, fit for a header."""
    return _check_header(read_text(value))


def read_header_list(value: object) -> str:
    """Return what `read_texts` does, fit for a header."""
    return _check_header(read_texts(value))


def _check_header(text: str) -> str:
    if text and (rule := find_header_violation(text)):
        raise ValueError(rule)
    return text


def read_version(value: object) -> str:
    """Return a Zuora-Version, empty for none."""
    version = read_text(value)
    if version and not VERSION.fullmatch(version):
        raise ValueError("must be a date such as 2025-08-12, or a number such as 341.0")
    return version


def read_number(value: object, default: float, *, whole: bool = False) -> float:
    """Return a number, of a text too."""
    if value is None or (isinstance(value, str) and not strip_blanks(value)):
        return default
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (whole and not number.is_integer()):
        raise ValueError(f"must be a {'whole ' if whole else ''}number")
    return number


def read_timeout(value: object) -> float:
    """Return seconds."""
    seconds = read_number(value, TIMEOUT)
    if not 0 < seconds <= MAX_TIMEOUT:
        raise ValueError(f"must be more than 0 and at most {MAX_TIMEOUT} seconds")
    return seconds


def read_max_connections(value: object) -> int:
    """Return a number of connections."""
    count = int(read_number(value, MAX_CONNECTIONS, whole=True))
    if not 1 <= count <= MOST_CONNECTIONS:
        raise ValueError(f"must be from 1 to {MOST_CONNECTIONS}")
    return count


def read_host_connections(value: object) -> int:
    """Return a number of connections; 0: any number."""
    count = int(read_number(value, 0, whole=True))
    if not 0 <= count <= MOST_CONNECTIONS:
        raise ValueError(f"must be from 0 to {MOST_CONNECTIONS}")
    return count


def read_flag(value: object, *, default: bool) -> bool:
    """Return a switch; a blank one is the default."""
    value = value.strip().lower() if isinstance(value, str) else value
    if value in ("", None):
        return default
    if not isinstance(value, (str, bool)) or value not in _FLAGS:
        raise ValueError("must be true or false")
    return _FLAGS[value]


def read_verify(value: object) -> bool | str:
    """Return whether certificates are verified, or a path of some to trust."""
    if isinstance(value, str):
        return _FLAGS.get(value.strip().lower(), value.strip() or True)
    if value is not None and not isinstance(value, bool):
        raise ValueError("must be true, false or the path of a CA bundle")
    return value is not False


def read_proxies(value: object) -> tuple[tuple[str, str], ...]:
    """Return pairs of scheme and URL."""
    value = strip_blanks(value) if isinstance(value, str) else value
    try:
        proxies = json.loads(value) if isinstance(value, str) and value else value or {}
    except (ValueError, RecursionError):
        proxies = None
    if not isinstance(proxies, dict) or not all(isinstance(url, str) for url in proxies.values()):
        raise ValueError('must be a JSON object such as {"https": "http://proxy:3128"}')
    return tuple(sorted(proxies.items()))


def read_hosts(value: object) -> frozenset[str]:
    """Return names of hosts in lower case."""
    names = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be names of hosts, comma-separated or a list")
    hosts = {name.strip().lower() for name in names} - {""}
    if wrong := sorted(host for host in hosts if not _HOST.fullmatch(host)):
        raise ValueError(f"must be names of hosts without scheme or port, not {wrong[0]}")
    return frozenset(hosts)


def read_page_url(value: object) -> str:
    """Return a URL, in which numbers may have their places, see `build_page_url`."""
    pattern = read_text(value)
    if pattern and (violation := find_pattern_violation(pattern)):
        raise ValueError(violation)
    return pattern
