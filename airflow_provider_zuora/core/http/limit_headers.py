"""What the headers of an answer say about a vendor's limits. No I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pendulum

from airflow_provider_zuora.core.http.host_limits import WINDOW
from airflow_provider_zuora.core.messages import Response
from airflow_provider_zuora.core.times import read_http_date

_LONGEST = 86_400.0  # seconds, Zuora's longest window; a header that says more is wrong
_DATE_LENGTH = 64  # characters; the longest way to write a date
_LIST_LENGTH = 1000  # characters of a header that may come several times
# A member of a header that is a list; the comma after the weekday of a date ends none.
_MEMBER = re.compile(r"(?:\s*(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,)?[^,]+", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
_NO_WAIT = 1e9  # seconds; as many are a moment since 1970, or nonsense, not a time to wait


def read_retry_after(
    response: Response, wall: Callable[[], pendulum.DateTime] = lambda: pendulum.now("UTC")
) -> float | None:
    """
    Return the wait that an answer asks for, in seconds: Retry-After, on a 429 or RateLimit-Reset if longer.

    A 429 for the rate carries RateLimit-* alone, one for the requests at once a Retry-After (Zuora's guide on
    rate limits): if requests are left, the reset is no wait. A date counts from the answer's or ``wall``.
    """
    headers = response.headers
    date = headers.get("date", "")
    stated = _read_longest(headers.get("retry-after", ""), lambda text: _read_wait(text, date, wall))
    if response.status != 429 or (stated is not None and read_count(headers.get("ratelimit-remaining"))):
        return stated
    reset = read_seconds(headers.get("ratelimit-reset", ""))
    return reset if stated is None else max(stated, reset or 0.0)


def read_count(text: str | None) -> int | None:
    """Return a number of requests, None for what is none."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


def read_seconds(text: str) -> float | None:
    """Return the seconds of a header that states nothing else; the longest if it came several times."""
    return _read_longest(text, _read_number)


def read_window_length(text: str, most: int) -> float:
    """Return the seconds of the window with so many requests that RateLimit-Limit lists."""
    found = re.search(rf"\b{most};w=(\d{{1,6}})(?!\d)", text[:_LIST_LENGTH])
    return float(found[1]) if found and int(found[1]) else WINDOW


def _read_longest(text: str, read: Callable[[str], float | None]) -> float | None:
    """Return the seconds that a header states, a day at most; the longest if it came several times."""
    stated = (read(member.strip()) for member in _MEMBER.findall(text[:_LIST_LENGTH]))
    longest = max((seconds for seconds in stated if seconds is not None), default=None)
    return None if longest is None else min(max(0.0, longest), _LONGEST)


def _read_number(text: str) -> float | None:
    seconds = float(text) if _NUMBER.fullmatch(text) else math.inf
    return seconds if seconds < _NO_WAIT else None


def _read_wait(text: str, date: str, wall: Callable[[], pendulum.DateTime]) -> float | None:
    """Return the seconds of a Retry-After: a number, or a date against the answer's own Date."""
    until = None if _NUMBER.fullmatch(text) else read_http_date(text[:_DATE_LENGTH])
    if until is None:
        return _read_number(text)
    return (until - (read_http_date(date[:_DATE_LENGTH]) or wall())).total_seconds()
