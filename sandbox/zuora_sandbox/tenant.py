"""A tenant of Zuora's in memory: its settings, its clock, its memory; requests are answered elsewhere."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zuora_sandbox.answers import Violation, make_refusal
from zuora_sandbox.settings import Fault, Settings
from zuora_sandbox.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from zuora_sandbox.messages import Request, Response


class Tenant:
    """
    What a test may do to a sandbox besides sending it requests; safe to call from several threads.

    :param clock: seconds since 1970; a test passes its own. `advance` moves on from it.
    :param rng: makes tokens, job ids and request ids; seed it to have the same ones again.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = self._first_settings = settings or Settings()
        self.rng = rng or random.Random()
        self.state = State()
        self._clock, self._ahead = clock, 0.0
        self._lock = threading.RLock()
        self.calls_in_progress = 0

    @property
    def now(self) -> float:
        """Return the sandbox's time, in seconds since 1970."""
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock on."""
        with self._lock:
            self._ahead += seconds

    @contextmanager
    def track_call(self) -> Iterator[None]:
        """Count a call as under way, for as long as the block lasts."""
        with self._lock:
            self.calls_in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self.calls_in_progress -= 1

    def add_fault(self, fault: Fault) -> None:
        """Let something go wrong; faults strike in the order in which they were added."""
        with self._lock:
            self.state.faults.append(fault)

    def set_exportable(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Let the store of Elastic Path have these orders and no others; a row is its line in the CSV."""
        with self._lock:
            self.state.end_due_jobs(self.now)  # what has ended was of the old ones
            self.state.exports.orders = list(rows)

    def revoke_tokens(self) -> None:
        """Let no token be known any more."""
        with self._lock:
            self.state.tokens.clear()

    def reset(self) -> None:
        """Forget everything, and go back to the first settings and to the clock as it is."""
        with self._lock:
            self.settings, self.state, self._ahead = self._first_settings, State(), 0.0

    def ledger(self) -> dict[str, Any]:
        """Return what happened so far, as a JSON object: the body of GET /sandbox/ledger."""
        with self._lock:
            self.state.end_due_jobs(self.now)
            exports = self.state.exports.make_ledger(self.now)
            return {"now": self.now, **self.state.make_ledger(self.now), "exports": exports}

    def get_version(self, request: Request) -> str:
        """Return the Zuora-Version in force for a request."""
        return request.header("Zuora-Version") or self.settings.zuora_version

    def refuse(self, request: Request, *found: Violation, status: int = 0) -> Response:
        """
        Return the error body with these complaints, as the request's Zuora-Version has it.

        :param status: an HTTP status other than the category's own.
        """
        return make_refusal(found, self.get_version(request), self.rng, status)
