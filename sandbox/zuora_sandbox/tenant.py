"""A Zuora tenant in memory: its settings, its clock and its state. `Sandbox` answers its requests."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zuora_sandbox.answers import Violation
from zuora_sandbox.envelopes import make_family_refusal
from zuora_sandbox.faults import Fault
from zuora_sandbox.journal import MadeOrder
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.plans import Plan
from zuora_sandbox.settings import Settings
from zuora_sandbox.state import State
from zuora_sandbox.values import check_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zuora_sandbox.scripts import Script


def check_seconds(name: str, seconds: float) -> None:
    """Raise a `ValueError` unless these are seconds that can pass."""
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{name} is {seconds}; it must be a number of seconds, 0 or more")


class Tenant:
    """
    What a test can do with a sandbox besides sending requests; safe to call from several threads.

    :param clock: returns seconds since 1970; a test passes its own. `advance` adds to it.
    :param rng: the source of tokens, job ids and request ids; the same seed gives the same ones.

    ``files_url`` is the origin that links to files lead to; a server puts its own there.
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
        self.files_url = "https://files.sandbox.invalid"

    @property
    def now(self) -> float:
        """Return the time of the sandbox's clock, in seconds since 1970."""
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward; raise a `ValueError` if that would be back, or to no time."""
        check_seconds("seconds", seconds)
        with self._lock:
            self._ahead += seconds

    @contextmanager
    def track_call(self) -> Iterator[None]:
        """Count a call as in progress until the block ends."""
        with self._lock:
            self.calls_in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self.calls_in_progress -= 1

    def add_fault(self, fault: Fault) -> None:
        """Add a fault; the first added fault that matches a request applies."""
        with self._lock:
            self.state.faults.append(Plan(fault, fault.times, fault.skip, fault.every))

    def add_script(self, script: Script) -> None:
        """Add a script; the script that was added last and matches a request applies."""
        with self._lock:
            self.state.scripts.append(Plan(script, script.times))

    def change_settings(self, **settings: Any) -> None:
        """Change some of the settings, until a reset; raise a `ValueError` for what is none."""
        check_names(Settings, "the settings", settings)
        with self._lock:
            self.settings = replace(self.settings, **settings)

    def end_due_jobs(self) -> None:
        """Move everything on to the present."""
        self.state.end_due_jobs(self.now)
        self.state.query_jobs.settle(self.now, self.settings)

    def set_exportable(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the orders in Elastic Path's store; each row is a line of the CSV."""
        with self._lock:
            self.end_due_jobs()  # exports that have ended hold the old orders
            self.state.exports.orders = list(rows)

    def revoke_tokens(self) -> None:
        """Make all tokens invalid."""
        with self._lock:
            self.state.tokens.clear()

    def reset(self) -> None:
        """Forget everything, and go back to the first settings and to the unmoved clock."""
        with self._lock:
            self.settings, self.state, self._ahead = self._first_settings, State(), 0.0

    def list_orders(self) -> list[MadeOrder]:
        """Return the orders that were made, in the order in which their jobs completed."""
        with self._lock:
            self.end_due_jobs()
            return self.state.list_orders(self.now)

    def ledger(self) -> dict[str, Any]:
        """Return what happened so far as a JSON object, the body for GET /sandbox/ledger."""
        with self._lock:
            self.end_due_jobs()
            exports = self.state.exports.make_ledger(self.now)
            found = {"now": self.now, **self.state.make_ledger(self.now), "exports": exports}
            found |= {"filesUrl": self.files_url}
            found |= {"queries": self.state.query_jobs.make_ledger()}
            found |= {"billRuns": self.state.bill_runs.make_ledger(self.now)}
            return {**found, **self.state.payment_runs.make_ledger(self.now)}

    def get_version(self, request: Request) -> str:
        """Return the Zuora-Version that applies to a request."""
        return request.header("Zuora-Version") or self.settings.zuora_version

    def refuse(self, request: Request, *found: Violation, status: int = 0) -> Response:
        """
        Return the error response with these violations, as the family of the path and its version define it.

        :param status: the HTTP status to use instead of the one of the category, or 0.
        """
        return make_family_refusal(request.path, found, self.get_version(request), self.rng, status)


Endpoint = Callable[[Tenant, Request, str], Response]
"""Answers a request, given the id in its path or an empty text."""
