"""The address of a vendor's page for people: a pattern of the user's, into which numbers and ids are put."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, urlsplit

from airflow_provider_zuora.core.redaction import make_printable

PLACEHOLDERS = (
    *("job_id", "order_number", "order_id", "account_number", "account_id"),
    *("bill_run_number", "payment_run_number"),
)
"""What a pattern may hold in braces; ``job_id`` is the id as the vendor has it, without our prefix."""
_LENGTH = 2000  # characters; browsers take that many
_NAMED = re.compile(r"\{([^{}]*)\}")


def find_pattern_violation(pattern: str) -> str:
    """Return the rule that a pattern breaks, empty if it breaks none."""
    is_printable = make_printable(pattern) == pattern and not any(map(str.isspace, pattern))
    try:
        parts = urlsplit(pattern)
        host, user = parts.hostname, parts.username
    except ValueError:
        parts, host, user = urlsplit(""), None, None
    is_url = parts.scheme in ("http", "https") and host and "{" not in parts.netloc
    if len(pattern) > _LENGTH or not is_printable or not is_url:
        return "must be a URL that begins with https:// or http://, without blanks"
    if user is not None:
        return "must have no name and no password in it"
    if not _is_reachable(parts):
        return "must have the name or the IP address of a host, and a port from 1 to 65535 if any"
    is_known = all(name in PLACEHOLDERS for name in _NAMED.findall(pattern))
    if not is_known or set("{}") & set(_NAMED.sub("", pattern)):
        return f"may hold these in braces: {', '.join(PLACEHOLDERS)}"
    return ""


def _is_reachable(parts: SplitResult) -> bool:
    """Return whether each label of a host's name has letters, and its port is one."""
    try:
        port = parts.port
    except ValueError:
        return False
    return port != 0 and all((parts.hostname or "").removesuffix(".").split("."))


def build_page_url(pattern: str, known: Mapping[str, str]) -> str:
    """
    Return the address of a page; of the first page of the host if what the pattern names is not known.

    :param pattern: one that breaks no rule; empty: there is no page.
    """
    names = _NAMED.findall(pattern)
    if all(known.get(name) for name in names):
        return _NAMED.sub(lambda found: quote(known[found[1]], safe=""), pattern)
    parts = urlsplit(pattern)
    return f"{parts.scheme}://{parts.netloc}/"
