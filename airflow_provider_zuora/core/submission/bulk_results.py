"""What became of each order of a list, how far the list is, and one error for all that have no job."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_zuora.core.errors import (
    ApiError,
    GuardRefused,
    LockContention,
    LogUnavailable,
    OutcomeUnknown,
    Refused,
    SignInRefused,
    StoreUnavailable,
    TurnedAway,
)
from airflow_provider_zuora.core.redaction import make_printable
from airflow_provider_zuora.core.submission.bulk_orders import BulkOrder
from airflow_provider_zuora.core.submission.outcomes import SubmitState, classify_error

log = logging.getLogger(__name__)

SHOWN = 20  # lines of an error; all that happened is in the results


@dataclass(frozen=True, slots=True)
class BulkResult:
    """
    What became of one order of a list.

    :param job_id: of the job that will create it, or ``order:<orderNumber>``; None: there is none.
    :param error: why there is none.
    """

    order: BulkOrder
    job_id: str | None = None
    error: ApiError | None = None

    @property
    def state(self) -> SubmitState:
        """Return what became of the order in one word."""
        return SubmitState.SUBMITTED if self.error is None else classify_error(self.error)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON, for an XCom."""
        return {
            "index": self.order.index,
            "order_number": self.order.number and make_printable(self.order.number),
            "state": self.state,
            "job_id": self.job_id,
            "error": None if self.error is None else str(self.error),
        }


@dataclass(slots=True)
class Progress:
    """
    What has become of a list so far; it logs that at each tenth, and knows when to give up.

    :param max_failures: so many transient failures in a row, without an answer that decides anything in
        between, end the submission: a retry of the task sends the orders that are left.
    """

    total: int
    max_failures: int
    states: Counter[SubmitState] = field(default_factory=Counter)
    failed: int = 0  # in a row
    stop: ApiError | None = None

    def add(self, result: BulkResult) -> None:
        """Count one order."""
        self.states[result.state] += 1
        error = result.error
        is_transient = error is not None and error.transient and not isinstance(error, LockContention)
        self.failed = self.failed + 1 if is_transient else 0
        if isinstance(error, SignInRefused) or self.failed >= self.max_failures:
            self.stop = self.stop or error
        done = self.states.total()
        if done * 10 // self.total > (done - 1) * 10 // self.total:
            log.info("%d of %d orders: %s", done, self.total, self)

    def __str__(self) -> str:
        return ", ".join(f"{count} {state}" for state, count in sorted(self.states.items())) or "none yet"


def leave_unsent(order: BulkOrder, stop: ApiError) -> BulkResult:
    """Return the result of an order whose turn did not come."""
    reasons = {
        SignInRefused: "the sign-in is refused",
        LogUnavailable: "the submission log could not be written",
        StoreUnavailable: "the task's state store failed, so that it could not be noted",
    }
    reason = reasons.get(type(stop), "too many before it failed")
    return BulkResult(order, error=ApiError(f"It was not sent in this try: {reason}.", transient=True))


def summarize_errors(results: Sequence[BulkResult]) -> ApiError | None:
    """
    Return one error for all orders without a job, None if each has one.

    It is the first of: `SignInRefused`, the connection must be fixed; a transient one, a retry goes on with
    some; `GuardRefused`, unless a person must look at others; `TurnedAway`, a clear does; `OutcomeUnknown`, a
    person must look; `Refused`.
    """
    left = [result for result in results if result.error is not None]
    if not left:
        return None
    states = Counter(result.state for result in results)
    counts = ", ".join(f"{states[state]} {state}" for state in SubmitState)
    lines = [f"{each.order}: {each.state}: {each.error}".replace("\n", "\n    ") for each in left[:SHOWN]]
    more = [f"and {len(left) - SHOWN} more, see the XCom submit_results"] if len(left) > SHOWN else []
    head = f"{len(left)} of {len(results)} orders have no job ({counts})."
    message = "\n".join((head, *lines, *more))
    if any(isinstance(result.error, SignInRefused) for result in left):
        return SignInRefused(message)
    if any(result.error and result.error.transient for result in left):
        return ApiError(f"{message}\nA retry sends these under the same keys.", transient=True)
    if any(isinstance(result.error, GuardRefused) for result in left):
        return OutcomeUnknown(message) if states[SubmitState.UNKNOWN] else GuardRefused(message)
    if states[SubmitState.OPEN]:
        return TurnedAway(f"{message}\nA clear sends what is open under the same keys.")
    return OutcomeUnknown(message) if states[SubmitState.UNKNOWN] else Refused(message)
