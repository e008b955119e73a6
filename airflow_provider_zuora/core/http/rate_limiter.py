"""When the next request of an account may start, by what the vendor states about its limits. No I/O."""

from __future__ import annotations

import logging
import math
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping

import pendulum

from airflow_provider_zuora.core.errors import RateLimited, ResponseInfo
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.core.redaction import redact_words
from airflow_provider_zuora.core.times import read_http_date

log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds; a request waits as long for its turn, for more its flow waits
_JITTER = 1.0  # seconds, so that all who waited for one moment do not start at that moment
_SCARCE = 10  # less than this part of a limit is left
_REFRESH = 1.0  # seconds; Zuora counts the requests under way anew as often
_SHORTEST = 1.0  # seconds of cool-down after a 429 that asks for none
_LONGEST = 86_400.0  # seconds, Zuora's longest window; a header that says more is wrong
_DATE_LENGTH = 64  # characters; the longest way to write a date
_LIST_LENGTH = 1000  # characters of a header that may come several times
# A member of a header that is a list; the comma after the weekday of a date ends none.
_MEMBER = re.compile(r"(?:\s*(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,)?[^,]+", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
_NO_WAIT = 1e9  # seconds; as many are a moment since 1970, or nonsense, not a time to wait


class RateLimiter:
    """
    What one account may send, for all threads and event loops of a process.

    Each request goes by `acquire` before it starts, and by `release` in the end, with its answer if any.

    - After a 429, or a 503 with a Retry-After, nothing starts before the time that was asked for has passed.
    - If less than a tenth of a window is left (RateLimit-*), that is spread evenly over the time until the
      window begins anew. What is under way counts as spent.
    - If less than a tenth of the requests at once is left (Concurrency-Limit-*), as many of ours wait.

    Its clock is a monotonic one.

    :param emit: takes the seconds of each wait of a request.
    """

    def __init__(self, rng: random.Random, emit: Callable[[float], object] = float):
        self._rng = rng
        self._emit = emit
        self._lock = threading.Lock()  # never held across I/O
        self._under_way = 0  # requests that were admitted, the waiting ones included
        self._waiting = 0
        self._cool_down_until = 0.0
        self._left = math.inf
        self._window = 0.0  # when it begins anew; `_left` says nothing from then on
        self._next = 0.0  # when the next request may start while little is left
        self._free_slots, self._free_slots_until = 0.0, 0.0

    def renew_lock(self) -> None:
        """Forget who holds the lock and what is under way: both are threads of the process that forked."""
        self._lock = threading.Lock()
        self._under_way = self._waiting = 0

    def acquire(self, request: Request, clock: Callable[[], float]) -> Iterator[float]:
        """Yield the seconds to wait, each done when the next are asked for; refuse more than `PATIENCE`."""
        with self._lock:
            now = clock()
            self._under_way += 1
            due = self._find_start(now)
        while due > now:
            if due - now > PATIENCE + _JITTER:  # a window of a minute, the shortest, is waited for
                words = f"nothing was sent, the account cools down for {due - now:.0f} s, as the vendor asked"
                info = ResponseInfo(str(request), messages=(redact_words(words),), retry_after=due - now)
                raise RateLimited("The vendor's limit is reached.", info=info, transient=True)
            self._count_waiting(1)
            try:
                yield due - now
            finally:
                self._count_waiting(-1)
            self._emit(due - now)
            with self._lock:
                now = max(due, clock())
                due = self._after_cool_down(now)

    def release(self, response: Response | None, now: float) -> None:
        """Learn from the answer to an admitted request; None: none came, or it was never sent."""
        with self._lock:
            self._under_way -= 1
            if response is None:
                return
            was_cooling, was_slow = now < self._cool_down_until, now < self._window
            self._on_window_headers(response.headers, now)
            self._on_concurrency_headers(response.headers, now)
            if response.status in (429, 503):
                self._on_throttled(response, now)
            rest_of_cool_down, rest_of_window = self._cool_down_until - now, self._window - now
        if rest_of_cool_down > 0 and not was_cooling:
            words = "HTTP %d: this process sends the account nothing for %.0f s"
            log.warning(words, response.status, rest_of_cool_down)
        elif rest_of_window > 0 and not was_slow:
            log.info("Little is left of the account's limit: requests are spread over %.0f s", rest_of_window)

    def _count_waiting(self, change: int) -> None:
        with self._lock:
            self._waiting += change

    def _find_start(self, now: float) -> float:
        """Return when a request may start, and count it."""
        due = self._after_cool_down(now)
        if now < self._free_slots_until and self._under_way - self._waiting > self._free_slots:
            due = max(due, now + _REFRESH + self._jitter())
        if now < self._window:
            due = max(due, self._spread(now, self._window))
        return due

    def _spread(self, now: float, fresh: float) -> float:
        """Return when a request may start out of the little that is left of a window."""
        due = max(now, self._next)
        if self._left < 1 or due >= fresh:
            return fresh + self._jitter()
        self._next = due + (fresh - due) / self._left
        self._left -= 1
        return due

    def _after_cool_down(self, now: float) -> float:
        return now if now >= self._cool_down_until else self._cool_down_until + self._jitter()

    def _on_throttled(self, response: Response, now: float) -> None:
        asked = read_retry_after(response)
        if asked is None and response.status == 429:
            asked = _SHORTEST
        if asked is not None:
            self._cool_down_until = max(self._cool_down_until, now + asked)

    def _on_window_headers(self, headers: Mapping[str, str], now: float) -> None:
        left = _read_count(headers.get("ratelimit-remaining"))
        if left is None:
            return
        self._window = 0.0
        most = _read_count(headers.get("ratelimit-limit", "").partition(",")[0])
        if most is not None and left * _SCARCE < most:
            reset = _read_longest(headers.get("ratelimit-reset", ""), _read_seconds)
            if reset is not None:
                self._left, self._window = left - self._under_way, now + reset

    def _on_concurrency_headers(self, headers: Mapping[str, str], now: float) -> None:
        left = _read_count(headers.get("concurrency-limit-remaining"))
        most = _read_count(headers.get("concurrency-limit-limit"))
        if left is None or most is None:
            return
        self._free_slots_until = 0.0
        if left * _SCARCE < most:
            ours = self._under_way - self._waiting + 1  # the one that is answered was counted, too
            self._free_slots, self._free_slots_until = max(1.0, ours + left - most / _SCARCE), now + _REFRESH

    def _jitter(self) -> float:
        return self._rng.uniform(0, _JITTER)


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
    if response.status != 429 or (stated is not None and _read_count(headers.get("ratelimit-remaining"))):
        return stated
    reset = _read_longest(headers.get("ratelimit-reset", ""), _read_seconds)
    return reset if stated is None else max(stated, reset or 0.0)


def _read_count(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


def _read_longest(text: str, read: Callable[[str], float | None]) -> float | None:
    """Return the seconds that a header states, a day at most; the longest if it came several times."""
    stated = (read(member.strip()) for member in _MEMBER.findall(text[:_LIST_LENGTH]))
    longest = max((seconds for seconds in stated if seconds is not None), default=None)
    return None if longest is None else min(max(0.0, longest), _LONGEST)


def _read_seconds(text: str) -> float | None:
    seconds = float(text) if _NUMBER.fullmatch(text) else math.inf
    return seconds if seconds < _NO_WAIT else None


def _read_wait(text: str, date: str, wall: Callable[[], pendulum.DateTime]) -> float | None:
    """Return the seconds of a Retry-After: a number, or a date against the answer's own Date."""
    until = None if _NUMBER.fullmatch(text) else read_http_date(text[:_DATE_LENGTH])
    if until is None:
        return _read_seconds(text)
    return (until - (read_http_date(date[:_DATE_LENGTH]) or wall())).total_seconds()
