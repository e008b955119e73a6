"""Moments are read from texts and written as texts here: those of HTTP headers, of keys and for people."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

import pendulum

_MINUTE = "YYYY-MM-DDTHH:mm[Z]"


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


def read_minute(text: str) -> float | None:
    """Return the seconds since 1970 of a moment that `write_minute` wrote; None if it is none."""
    try:
        return float(pendulum.from_format(text, _MINUTE).timestamp())
    except ValueError:
        return None


def write_minute(seconds: float) -> str:
    """Return seconds since 1970 as ``2026-03-01T12:30Z``."""
    return pendulum.from_timestamp(seconds).format(_MINUTE)


def write_second(seconds: float) -> str:
    """Return seconds since 1970 as ``2026-03-01T12:30:00Z``."""
    return pendulum.from_timestamp(int(seconds)).to_iso8601_string()
