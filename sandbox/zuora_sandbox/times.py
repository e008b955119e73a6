"""How Zuora writes moments; pure functions, of seconds since 1970."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any


def format_iso(seconds: float) -> str:
    """Return a moment as Data Query writes it: ``2024-07-09T09:47:49.675Z``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def format_amazon(seconds: float) -> str:
    """Return a moment as a signed link of S3 writes it: ``20240709T094749Z``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%SZ}"


def parse_amazon(text: str) -> float:
    """
    Return the seconds of a moment in a signed link.

    :raises ValueError: if it is none.
    """
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def format_plain(seconds: float) -> str:
    """Return a moment as runs have it, without a zone: ``2022-01-24 19:58:27``. Here it is UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def format_offset(seconds: float) -> str:
    """Return a moment as Object Query has it, with an offset: ``2022-01-24T19:58:27+00:00``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def is_date(value: Any) -> bool:
    """Return whether a value is a date as Zuora writes it."""
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
