"""Moments are read from texts and written as texts here: those of HTTP headers, of keys and for people."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

import pendulum

_MINUTE = "YYYY-MM-DDTHH:mm[Z]"
_MOMENT = "YYYY-MM-DDTHH:mm:ss.SSS[Z]"


def read_http_date(text: str) -> pendulum.DateTime | None:
    """Return the moment of an HTTP header in any form of RFC 9110, 5.6.7; None if it is none."""
    try:
        return pendulum.instance(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def read_moment(text: str) -> float | None:
    """Return the seconds since 1970 of a moment in ISO 8601, by default in UTC; None if it is none."""
    try:  # pendulum.parse also reads times without a day ("12:30"), years ("2026"), durations and "now"
        return float(pendulum.instance(datetime.fromisoformat(text)).timestamp())
    except ValueError:
        return None


@lru_cache(4096)  # the orders of a list mostly have the same few
def is_day(text: str) -> bool:
    """Return whether a text is a real day, written ``2026-03-01``."""
    found = _read_form(text, "YYYY-MM-DD")  # what is read is laxer than what is written
    return found is not None and found.date().isoformat() == text


def is_second(text: str) -> bool:
    """Return whether a text is a real moment, written ``2026-03-01 12:30:00``."""
    found = _read_form(text, "YYYY-MM-DD HH:mm:ss")
    return found is not None and f"{found.date().isoformat()} {found.time().isoformat()}" == text


def read_minute(text: str) -> float | None:
    """Return the seconds since 1970 of a moment that `write_minute` wrote; None if it is none."""
    found = _read_form(text, _MINUTE)
    return None if found is None else float(found.timestamp())


def _read_form(text: str, form: str) -> pendulum.DateTime | None:
    try:
        return pendulum.from_format(text, form)
    except ValueError:
        return None


def write_minute(seconds: float) -> str:
    """Return seconds since 1970 as ``2026-03-01T12:30Z``."""
    return pendulum.from_timestamp(seconds).format(_MINUTE)


def write_moment(seconds: float) -> str:
    """Return seconds since 1970 as ``2026-03-01T12:30:00.000Z``."""
    return pendulum.from_timestamp(seconds).format(_MOMENT)


def write_second(seconds: float) -> str:
    """Return seconds since 1970 as ``2026-03-01T12:30:00Z``."""
    return pendulum.from_timestamp(int(seconds)).to_iso8601_string()
