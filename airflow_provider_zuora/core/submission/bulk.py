"""Many orders in one task: all are checked before the first is sent, each goes once, none stops another."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    JobFailed,
    LockContention,
    OutcomeUnknown,
    Refused,
    SignInRefused,
    StoreUnavailable,
    TurnedAway,
    WrongOrder,
)
from airflow_provider_zuora.core.flow import StatefulFlow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.json_lines import raise_first
from airflow_provider_zuora.core.redaction import printable
from airflow_provider_zuora.core.submission.attempt import TaskAttempt
from airflow_provider_zuora.core.submission.keys import IdempotencyScope, sha256
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.order_lookup import existing_order
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.submission import EQUAL, Submission
from airflow_provider_zuora.core.validation import KEY_LENGTH, header_violation
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order

log = logging.getLogger(__name__)

Key: TypeAlias = str | Callable[[Mapping[str, Any]], str] | None
"""A user's idempotency key, for all orders of a list or of each one."""

SHOWN = 20  # lines of an error; all that happened is in the entries


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """
    One order of a list, checked.

    :param place: where it stands in the input, for messages: ``orders[3]`` or ``line 4``.
    :param document: what is sent, secrets included.
    :param by: who submits; equal orders are told apart by their count, never by their position.
    :param equals: how many orders of the list are equal to it, besides.
    """

    index: int
    place: str
    document: Mapping[str, Any] = field(repr=False)
    by: IdempotencyScope = field(repr=False)
    equals: int = 0

    @property
    def number(self) -> str | None:
        """Return the order's own number."""
        return self.document.get("orderNumber")

    def print_in(self, number: int) -> str:
        """Return what tells an order from others of this try, empty if its number or its own key does."""
        if self.number is not None or self.by.position is None:
            return ""
        return sha256([list(self.by.identity), str(self.by.position), number, self.document])

    def __str__(self) -> str:
        """Return where the order stands, and its number."""
        return f"{self.place} ({printable(self.number)})" if self.number else self.place


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
            "order_number": self.order.number and printable(self.order.number),
            "state": self.state,
            "job_id": self.job_id,
            "error": None if self.error is None else str(self.error),
        }


def option_violations(on_existing: object, concurrency: object) -> tuple[str, ...]:
    """Return the rules that options of a submission break, a line each."""
    whole = isinstance(concurrency, int) and not isinstance(concurrency, bool) and concurrency > 0
    rules = {
        f"on_existing: must be fail or adopt, not {on_existing!r}": on_existing in ("fail", "adopt"),
        f"concurrency: must be a whole number above 0, not {concurrency!r}": whole,
    }
    return tuple(rule for rule, kept in rules.items() if not kept)


def listed(
    orders: object, by: IdempotencyScope, key: Key = None, places: Sequence[str] = ()
) -> list[BulkOrder]:
    """
    Check a list of orders, and return each with what its key is made of.

    :param by: the task; ``key`` stands for it where there is one.
    :param places: how messages call the orders, ``orders[0]`` and so on where nothing is given.
    :raises InvalidInput: with every broken rule of every order; the first hundred lines of them.
    """
    if not isinstance(orders, (list, tuple)):
        raise InvalidInput("Nothing was sent.", ("orders: must be a list of objects",))
    names = places or [f"orders[{index}]" for index in range(len(orders))]
    found: list[BulkOrder] = []
    broken: list[str] = []
    for index, (place, given) in enumerate(zip(names, orders, strict=True)):
        try:
            document = check_order(given)
            own = _own_key(given, key)
        except InvalidInput as error:
            broken += [f"{place}: {line}" for line in error.violations]
        else:
            submitter = by if own is None else IdempotencyScope(by.namespace, (own,))
            found.append(BulkOrder(index, place, document, submitter))
    counted = list(_counted(found, broken, keys_are_own=callable(key)))
    raise_first("The orders break rules; none was sent:", broken)
    return counted


def _own_key(order: Mapping[str, Any], key: Key) -> str | None:
    """Return the user's own key of an order."""
    if key is None:
        return None
    try:
        own = key(order) if callable(key) else key
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Not its words: they may quote the order, which holds secrets.
        where = traceback.extract_tb(error.__traceback__)[-1]
        rule = f"idempotency_key: it raised {type(error).__name__} in {where.name}, line {where.lineno}"
        raise InvalidInput("", (rule,)) from None
    if wrong := header_violation(own, KEY_LENGTH):
        raise InvalidInput("", (f"idempotency_key: {wrong}",))
    return own


def _counted(orders: Sequence[BulkOrder], broken: list[str], *, keys_are_own: bool) -> Iterator[BulkOrder]:
    """Yield the orders with the count among equal ones in what their keys are made of."""
    alike = [sha256([order.by.identity, order.document]) for order in orders]
    all_of, seen = Counter(alike), Counter[str]()
    numbers: dict[str, BulkOrder] = {}
    for order, equal in zip(orders, alike, strict=True):
        if order.number is not None and (first := numbers.setdefault(order.number, order)) is not order:
            broken.append(f"{order.place}: $.orderNumber: {first.place} has it too")
        count = seen[equal]
        seen[equal] += 1
        if count and keys_are_own:
            broken.append(f"{order.place}: idempotency_key: an equal order before it has the same one")
        yield replace(order, by=_told_apart(order.by, count), equals=all_of[equal] - 1)


def _told_apart(by: IdempotencyScope, count: int) -> IdempotencyScope:
    if by.position is None:
        return replace(by, identity=(*by.identity, str(count))) if count else by
    return replace(by, position=f"{by.position}/{count}")


def refuse_repeated(batch: Iterable[Prepared]) -> None:
    """
    Refuse a list whose task has submitted an equal order without a number before, in the same try.

    :raises InvalidInput: with a line for each.
    """
    broken = [f"{each.order.place}: {EQUAL}" for each in batch if each.submission.is_repeated]
    raise_first("Nothing was sent.", broken)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order of a list and its submission, which has not begun."""

    order: BulkOrder
    submission: Submission


def prepare(
    client: ApiClient, order: BulkOrder, attempt: TaskAttempt, notes: Notes, *, return_ids: bool
) -> Prepared:
    """Return an order of a list, ready to be submitted."""
    request = client.vendor.submission("order", order.document, {"return_ids": return_ids})
    submission = Submission(
        client, order.document, request, order.by, attempt, notes, alone=False, equals=order.equals
    )
    return Prepared(order, submission)


def to_be_sent(batch: Iterable[Prepared]) -> list[SubmissionRecord]:
    """Return what is to be noted before the first order of a batch is sent."""
    records = (each.submission.record for each in batch)
    return [record for record in records if record.state is SubmissionState.OPEN]


def submitted(prepared: Prepared, *, adopt: bool = False) -> StatefulFlow[BulkResult]:
    """
    Submit one order of a list, once, and return what became of it; no error of the vendor's is raised.

    :param adopt: look first whether there is an order with its number, and take that one.
    """
    order, submission = prepared.order, prepared.submission
    try:
        job_id = (yield from _existing(submission)) if adopt and order.number else None
        if job_id is None:
            job_id = yield from submission.run()
    except ApiError as error:
        log.warning("%s was not submitted: %s", order, error)
        return BulkResult(order, error=error)
    return BulkResult(order, job_id)


def _existing(submission: Submission) -> StatefulFlow[str | None]:
    client = submission.client
    order_id = yield from existing_order(client, submission.document)
    if order_id is not None:
        yield from submission.notes.save(submission.record.started(order_id, client.clock()))
    return order_id


class Progress:
    """
    What has become of a list so far; it says so in the log at each tenth, and when to give up.

    :param patience: so many passing failures in a row, without an answer that decides anything in between,
        end the submission: the orders that are left keep their turn for a retry of the task.
    """

    def __init__(self, total: int, patience: int):
        self.total = total
        self.patience = patience
        self.states: Counter[str] = Counter()
        self.failed = 0  # in a row
        self.stop: ApiError | None = None

    def add(self, entry: BulkResult) -> None:
        """Count one order."""
        self.states[entry.state] += 1
        error = entry.error
        passing = error is not None and error.transient and not isinstance(error, LockContention)
        self.failed = self.failed + 1 if passing else 0
        if isinstance(error, SignInRefused) or self.failed >= self.patience:
            self.stop = self.stop or error
        done = self.states.total()
        if done * 10 // self.total > (done - 1) * 10 // self.total:
            log.info("%d of %d orders: %s", done, self.total, self)

    def __str__(self) -> str:
        """Return how many orders are in which state."""
        return ", ".join(f"{count} {state}" for state, count in sorted(self.states.items())) or "none yet"


def not_sent(order: BulkOrder, stop: ApiError) -> BulkResult:
    """Return the entry of an order whose turn did not come."""
    kinds = {
        SignInRefused: "the sign-in is refused",
        StoreUnavailable: "the task's state store failed, so that it could not be noted",
    }
    kind = kinds.get(type(stop), "too many before it failed")
    return BulkResult(order, error=ApiError(f"It was not sent in this try: {kind}.", transient=True))


def shared_job(job_id: str) -> OutcomeUnknown:
    """Return the error of a job that a try has been given for two orders."""
    return OutcomeUnknown(
        f"Job {job_id} stands for two orders of this task that differ, so one of them was not submitted. "
        "Look in Zuora for which of them the job has made; give each an orderNumber, or an own "
        "idempotency_key."
    )


def report(entries: Sequence[BulkResult]) -> ApiError | None:
    """
    Return one error that tells of all orders without a job, None where each has one.

    :return: `SignInRefused` where the connection must be mended; transient where a retry goes on with some;
        `TurnedAway` where nobody has let some pass to the vendor; `OutcomeUnknown` where a person must look;
        `Refused` where the vendor said no to all of them.
    """
    left = [entry for entry in entries if entry.error is not None]
    if not left:
        return None
    states = Counter(entry.state for entry in entries)
    counts = ", ".join(f"{states[state]} {state}" for state in ("submitted", "refused", "unknown", "open"))
    lines = [f"{entry.order}: {entry.state}: {_indented(entry.error)}" for entry in left[:SHOWN]]
    more = [f"and {len(left) - SHOWN} more, see the XCom submit_results"] if len(left) > SHOWN else []
    head = f"{len(left)} of {len(entries)} orders have no job ({counts})."
    message = "\n".join((head, *lines, *more))
    if any(isinstance(entry.error, SignInRefused) for entry in left):
        return SignInRefused(message)
    if any(entry.error and entry.error.transient for entry in left):
        return ApiError(f"{message}\nA retry sends these under the same keys.", transient=True)
    if states["open"]:
        return TurnedAway(f"{message}\nA clear sends what is open under the same keys.")
    return OutcomeUnknown(message) if states["unknown"] else Refused(message)


def _indented(error: object) -> str:
    return str(error).replace("\n", "\n    ")
