"""Many orders in one task: each is sent once, none stops another, and each has a result of its own."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.errors import (
    ApiError,
    JobFailed,
    LockContention,
    OutcomeUnknown,
    Refused,
    SignInRefused,
    StoreUnavailable,
    TurnedAway,
    WrongOrder,
    raise_first,
)
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.redaction import make_printable
from airflow_provider_zuora.core.submission.failures import EQUAL
from airflow_provider_zuora.core.submission.keys import TaskAttempt
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.order_list import BulkOrder
from airflow_provider_zuora.core.submission.order_lookup import find_existing_order
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.submission import Submission

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
    def state(self) -> str:
        """
        Return ``submitted``, ``refused``, ``unknown`` or ``open``.

        Unknown is for a person to look up; open is what a later try sends under the same key.
        """
        if self.error is None:
            return "submitted"
        if self.error.transient or isinstance(self.error, (SignInRefused, TurnedAway)):
            return "open"
        is_refused = isinstance(self.error, (Refused, JobFailed)) and not isinstance(self.error, WrongOrder)
        return "refused" if is_refused else "unknown"

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON, for an XCom."""
        return {
            "index": self.order.index,
            "order_number": self.order.number and make_printable(self.order.number),
            "state": self.state,
            "job_id": self.job_id,
            "error": None if self.error is None else str(self.error),
        }


def option_violations(on_existing: object, concurrency: object) -> tuple[str, ...]:
    """Return the rules that options of a submission break, a line each."""
    is_whole = isinstance(concurrency, int) and not isinstance(concurrency, bool) and concurrency > 0
    rules = {
        f"on_existing: must be fail or adopt, not {on_existing!r}": on_existing in ("fail", "adopt"),
        f"concurrency: must be a whole number above 0, not {concurrency!r}": is_whole,
    }
    return tuple(rule for rule, is_kept in rules.items() if not is_kept)


@dataclass(frozen=True, slots=True)
class PreparedOrder:
    """An order of a list and its submission, which has not begun."""

    order: BulkOrder
    submission: Submission


def prepare_order(client: ApiClient, order: BulkOrder, attempt: TaskAttempt, notes: Notes) -> PreparedOrder:
    """Return an order of a list, ready to be submitted."""
    place = "equals" if order.equals else "list"
    submission = Submission(client, order.checked, order.scope, attempt, notes, place=place)
    return PreparedOrder(order, submission)


def refuse_repeated(batch: Iterable[PreparedOrder]) -> None:
    """
    Refuse a list whose task has submitted an equal order without a number before, in the same try.

    :raises InvalidInput: with a line for each.
    """
    broken = [f"{each.order.label}: {EQUAL}" for each in batch if each.submission.is_repeated]
    raise_first("Nothing was sent.", broken)


def select_records(batch: Iterable[PreparedOrder]) -> list[SubmissionRecord]:
    """Return what is to be noted before the first order of a batch is sent."""
    records = (each.submission.record for each in batch)
    return [record for record in records if record.state is SubmissionState.OPEN]


def submit_one(prepared: PreparedOrder, *, adopt: bool = False) -> Flow[BulkResult]:
    """
    Submit one order of a list, once, and return what became of it; no error of the vendor's is raised.

    :param adopt: look first whether there is an order with its number, and take that one.
    """
    order, submission = prepared.order, prepared.submission
    try:
        job_id = (yield from _find_existing(submission)) if adopt and order.number else None
        if job_id is None:
            job_id = yield from submission.run()
    except ApiError as error:
        log.warning("%s was not submitted: %s", order, error)
        return BulkResult(order, error=error)
    return BulkResult(order, job_id)


def _find_existing(submission: Submission) -> Flow[str | None]:
    client = submission.client
    order_id = yield from find_existing_order(client, submission.document)
    if order_id is not None:
        yield from submission.notes.save(submission.record.with_job(order_id, client.clock()))
    return order_id


class Progress:
    """
    What has become of a list so far; it says so in the log at each tenth, and when to give up.

    :param patience: so many transient failures in a row, without an answer that decides anything in between,
        end the submission: the orders that are left keep their turn for a retry of the task.
    """

    def __init__(self, total: int, patience: int):
        self.total = total
        self.patience = patience
        self.states: Counter[str] = Counter()
        self.failed = 0  # in a row
        self.stop: ApiError | None = None

    def add(self, result: BulkResult) -> None:
        """Count one order."""
        self.states[result.state] += 1
        error = result.error
        is_transient = error is not None and error.transient and not isinstance(error, LockContention)
        self.failed = self.failed + 1 if is_transient else 0
        if isinstance(error, SignInRefused) or self.failed >= self.patience:
            self.stop = self.stop or error
        done = self.states.total()
        if done * 10 // self.total > (done - 1) * 10 // self.total:
            log.info("%d of %d orders: %s", done, self.total, self)

    def __str__(self) -> str:
        """Return how many orders are in which state."""
        return ", ".join(f"{count} {state}" for state, count in sorted(self.states.items())) or "none yet"


def leave_unsent(order: BulkOrder, stop: ApiError) -> BulkResult:
    """Return the result of an order whose turn did not come."""
    kinds = {
        SignInRefused: "the sign-in is refused",
        StoreUnavailable: "the task's state store failed, so that it could not be noted",
    }
    kind = kinds.get(type(stop), "too many before it failed")
    return BulkResult(order, error=ApiError(f"It was not sent in this try: {kind}.", transient=True))


def summarize_errors(results: Sequence[BulkResult]) -> ApiError | None:
    """
    Return one error that tells of all orders without a job, None if each has one.

    :return: `SignInRefused` if the connection must be fixed; transient if a retry goes on with some;
        `TurnedAway` if nobody has let some pass to the vendor; `OutcomeUnknown` if a person must look;
        `Refused` if the vendor said no to all of them.
    """
    left = [result for result in results if result.error is not None]
    if not left:
        return None
    states = Counter(result.state for result in results)
    counts = ", ".join(f"{states[state]} {state}" for state in ("submitted", "refused", "unknown", "open"))
    lines = [f"{result.order}: {result.state}: {_indent(result.error)}" for result in left[:SHOWN]]
    more = [f"and {len(left) - SHOWN} more, see the XCom submit_results"] if len(left) > SHOWN else []
    head = f"{len(left)} of {len(results)} orders have no job ({counts})."
    message = "\n".join((head, *lines, *more))
    if any(isinstance(result.error, SignInRefused) for result in left):
        return SignInRefused(message)
    if any(result.error and result.error.transient for result in left):
        return ApiError(f"{message}\nA retry sends these under the same keys.", transient=True)
    if states["open"]:
        return TurnedAway(f"{message}\nA clear sends what is open under the same keys.")
    return OutcomeUnknown(message) if states["unknown"] else Refused(message)


def _indent(error: object) -> str:
    return str(error).replace("\n", "\n    ")
