"""When the next request of an account may start, by what the vendor states about its limits. No I/O."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from airflow_provider_zuora.core.errors import RateLimited, ResponseInfo
from airflow_provider_zuora.core.flow import RunInThread
from airflow_provider_zuora.core.http.host_limits import (
    Change,
    HostLimits,
    SharedLimits,
    Start,
    StatedWindow,
    Turn,
    add_cool_down,
    add_window,
    is_counted,
)
from airflow_provider_zuora.core.http.limit_headers import (
    read_count,
    read_retry_after,
    read_seconds,
    read_window_length,
)
from airflow_provider_zuora.core.messages import PATIENCE, Request, Response
from airflow_provider_zuora.core.redaction import redact_words

log = logging.getLogger(__name__)

_JITTER = 1.0  # seconds, so that all who waited for one moment do not start at that moment
_SCARCE = 10  # less than this part of a limit is left
_REFRESH = 1.0  # seconds; Zuora counts the requests under way anew as often
_SHORTEST = 1.0  # seconds of cool-down after a 429 that asks for none
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds between two looks for a slot of the host


class RateLimiter:
    """
    What one account may send, for all threads and event loops of a process.

    Each request goes by `acquire` before it starts, and by `release` in the end, with its answer if any.

    - After a 429, or a 503 with a Retry-After, nothing starts before the time that was asked for has passed.
    - If less than a tenth of a window is left (RateLimit-*), that is spread evenly over the time until the
      window begins anew. What is under way counts as spent.
    - If less than a tenth of the requests at once is left (Concurrency-Limit-*), as many of ours wait.

    With `shared` limits, the first two hold for all processes of the host together.

    Its clock is a monotonic one.

    :param emit: takes the seconds of each wait of a request.
    """

    shared: SharedLimits | None = None

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
        self._host = HostLimits()  # as it was read last

    def renew_lock(self) -> None:
        """Forget who holds the lock and what is under way: both are threads of the process that forked."""
        self._lock = threading.Lock()
        self._under_way = self._waiting = 0
        if self.shared is not None:
            self.shared.renew_after_fork()

    def acquire(
        self, request: Request, clock: Callable[[], float], turn: Turn | None = None
    ) -> Iterator[float | RunInThread]:
        """
        Yield the seconds to wait, or a call, each done when the next are asked for.

        A request that would have to wait for longer than its patience is refused.
        """
        shared, now = self.shared, clock()
        with self._lock:
            self._under_way += 1
        if shared is not None:
            if shared.is_due(now):
                yield RunInThread(partial(shared.open, now))
            self._read_host(shared, now)
        with self._lock:
            due = self._find_start(now)
        start: Start | None = None
        pauses = self._make_pauses()
        while True:
            if due > now:
                yield from self._wait(request, due - now)
                now = max(due, clock())
                due = self._look_again(shared, now)
            elif shared is not None and self._host.most and not (start and start.is_taken):
                start = Start(now)
                yield RunInThread(partial(shared.update, start.take, now))
                due = max(
                    start.due + (0 if start.is_taken else self._jitter()), self._look_again(shared, now)
                )
            elif shared is not None and turn is not None and not turn.take_slot(shared):
                due = now + self._find_pause(request, turn, pauses)
            else:
                break
        if turn is not None:
            turn.began = now

    def release(
        self, response: Response | None, now: float, turn: Turn | None = None
    ) -> Callable[[], None] | None:
        """
        Learn from the answer to an admitted request; None: none came, or it was never sent.

        Return what tells the other processes of the host, which may block, if they are to learn of it.
        """
        shared = self.shared
        if turn is not None and shared is not None:
            turn.give_back_slot(shared)
        with self._lock:
            self._under_way -= 1
            if response is None:
                return None
            was_cooling, was_slow = now < self._cool_down_until, now < self._window
            stated = self._on_window_headers(response.headers, turn.began if turn else now, now)
            self._on_concurrency_headers(response.headers, now)
            if response.status in (429, 503):
                self._on_throttled(response, now)
            rest_of_cool_down, rest_of_window = self._cool_down_until - now, self._window - now
        if rest_of_cool_down > 0 and not was_cooling:
            words = "HTTP %d: this %s sends the account nothing for %.0f s"
            log.warning(words, response.status, "host" if shared else "process", rest_of_cool_down)
        elif rest_of_window > 0 and not was_slow:
            log.info("Little is left of the account's limit: requests are spread over %.0f s", rest_of_window)
        if shared is None:
            return None
        change = self._find_news(stated, now)
        return None if change is None else partial(shared.update, change, now)

    def _wait(self, request: Request, seconds: float) -> Iterator[float]:
        if seconds > request.patience + _JITTER:
            words = f"the account cools down for {seconds:.0f} s, as the vendor asked"
            raise _make_refusal(request, words, seconds)
        self._count_waiting(1)
        try:
            yield seconds
        finally:
            self._count_waiting(-1)
        self._emit(seconds)

    def _look_again(self, shared: SharedLimits | None, now: float) -> float:
        """Return when a request may start that has waited; meanwhile a cool-down may have begun."""
        if shared is not None:
            self._read_host(shared, now)
        with self._lock:
            return self._after_cool_down(now)

    def _make_pauses(self) -> Iterator[float]:
        """Yield how long to wait between two looks for a slot of the host, for `PATIENCE` in all."""
        waited, pause = 0.0, _FIRST_PAUSE
        while waited < PATIENCE:
            seconds = self._rng.uniform(pause, 2 * pause)
            yield seconds
            waited, pause = waited + seconds, min(2 * pause, _LONGEST_PAUSE)

    def _find_pause(self, request: Request, turn: Turn, pauses: Iterator[float]) -> float:
        pause = next(pauses, None)
        if pause is None:
            words = f"the {turn.most} connections of this host were in use for {PATIENCE:.0f} s"
            raise _make_refusal(request, words, _SHORTEST)
        return pause

    def _read_host(self, shared: SharedLimits, now: float) -> None:
        """Learn what the other processes of the host have been told."""
        self._host = host = shared.read(now)
        if host.cool_down_until <= now:
            return
        with self._lock:
            is_news = self._cool_down_until <= now
            self._cool_down_until = max(self._cool_down_until, host.cool_down_until)
        if is_news:
            words = "Another process was asked to wait: this host sends the account nothing for %.0f s"
            log.info(words, host.cool_down_until - now)

    def _find_news(self, stated: StatedWindow | None, now: float) -> Change | None:
        """Return how the limits of the host change by an answer, None if they do not."""
        host, until = self._host, self._cool_down_until
        if stated is None and until <= now:
            return None  # as nearly always

        def change(limits: HostLimits) -> HostLimits:
            limits = limits if stated is None else add_window(limits, stated)
            return add_cool_down(limits, until) if until > now else limits

        return None if change(host) == host else change

    def _count_waiting(self, change: int) -> None:
        with self._lock:
            self._waiting += change

    def _find_start(self, now: float) -> float:
        """Return when a request may start, and count it."""
        due = self._after_cool_down(now)
        if now < self._free_slots_until and self._under_way - self._waiting > self._free_slots:
            due = max(due, now + _REFRESH + self._jitter())
        if now < self._window and not self._host.most:  # otherwise the host counts
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

    def _on_window_headers(self, headers: Mapping[str, str], began: float, now: float) -> StatedWindow | None:
        """Return what the headers state of a window, None if they do not say enough."""
        left = read_count(headers.get("ratelimit-remaining"))
        if left is None:
            return None
        self._window = 0.0
        limits = headers.get("ratelimit-limit", "")
        most = read_count(limits.partition(",")[0])
        if most is None:
            return None
        is_scarce = left * _SCARCE < most
        if not (is_scarce or (self.shared is not None and (self._host.most or is_counted(left, most)))):
            return None  # as nearly always
        reset = read_seconds(headers.get("ratelimit-reset", ""))
        if reset is None:
            return None
        if is_scarce:
            self._left, self._window = left - self._under_way, now + reset
        return StatedWindow.of(most, left, read_window_length(limits, most), reset, began, now)

    def _on_concurrency_headers(self, headers: Mapping[str, str], now: float) -> None:
        left = read_count(headers.get("concurrency-limit-remaining"))
        most = read_count(headers.get("concurrency-limit-limit"))
        if left is None or most is None:
            return
        self._free_slots_until = 0.0
        if left * _SCARCE < most:
            ours = self._under_way - self._waiting + 1  # the one that is answered was counted, too
            self._free_slots, self._free_slots_until = max(1.0, ours + left - most / _SCARCE), now + _REFRESH

    def _jitter(self) -> float:
        return self._rng.uniform(0, _JITTER)


def _make_refusal(request: Request, words: str, seconds: float) -> RateLimited:
    """Return the error of a request that cannot wait for its turn."""
    told = (redact_words(f"nothing was sent, {words}"),)
    info = ResponseInfo(str(request), messages=told, retry_after=seconds)
    return RateLimited("The vendor's limit is reached.", info=info, transient=True)
