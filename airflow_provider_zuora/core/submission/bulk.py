"""Many orders in one task: all are checked first, then each is sent once, and none stops another."""

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
    raise_first,
)
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.redaction import make_printable
from airflow_provider_zuora.core.submission.idempotency_keys import EQUAL, IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.order_lookup import find_existing_order
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission import Submission
from airflow_provider_zuora.core.validation import KEY_LENGTH, find_header_violation
from airflow_provider_zuora.core.vendors.zuora.order_rules import CheckedOrder, check_order

log = logging.getLogger(__name__)

Key: TypeAlias = str | Callable[[Mapping[str, Any]], str] | None
"""A user's idempotency key, for all orders of a list or of each one."""
SHOWN = 20  # lines of an error; all that happened is in the results


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """
    One order of a list.

    :param label: what messages call it: ``orders[3]`` or ``line 4``.
    :param scope: who submits; equal orders are told apart by their count, never by their position.
    :param equals: how many orders of the list are equal to it, besides.
    """

    index: int
    label: str
    checked: CheckedOrder = field(repr=False)
    scope: IdempotencyScope = field(repr=False)
    equals: int = 0

    @property
    def number(self) -> str | None:
        """Return the order's own number."""
        return self.checked.number

    @property
    def claim(self) -> tuple[object, ...] | None:
        """Return the identity of the order in its try, None if its number or its own key tells it apart."""
        if self.number is not None or self.scope.position is None:
            return None
        return (self.scope.identity, self.scope.position, self.checked.content)

    def __str__(self) -> str:
        return f"{self.label} ({make_printable(self.number)})" if self.number else self.label


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
        """Return ``submitted``, ``refused``, ``unknown`` (ask a person) or ``open`` (a retry sends it)."""
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


def prepare_orders(
    orders: object,
    scope: IdempotencyScope,
    key: Key = None,
    labels: Sequence[str] = (),
    *,
    return_ids: bool = False,
) -> list[BulkOrder]:
    """
    Check a list of orders, and return each with what its key is made of.

    :param key: replaces the task in the scope.
    :param labels: what messages call the orders; ``orders[0]`` and so on if it is empty.
    :raises InvalidInput: with every broken rule of every order; the first hundred lines of them.
    """
    if not isinstance(orders, (list, tuple)):
        raise InvalidInput("Nothing was sent.", ("orders: must be a list of objects",))
    labels = labels or [f"orders[{index}]" for index in range(len(orders))]
    prepared: list[BulkOrder] = []
    broken: list[str] = []
    for index, (label, order) in enumerate(zip(labels, orders, strict=True)):
        try:
            checked = check_order(order, return_ids=return_ids)
            own = _find_own_key(order, key)
        except InvalidInput as error:
            broken += [f"{label}: {line}" for line in error.violations]
        else:
            own_scope = scope if own is None else IdempotencyScope(scope.namespace, (own,))
            prepared.append(BulkOrder(index, label, checked, own_scope))
    counted = list(_count_equals(prepared, broken, has_own_keys=callable(key)))
    raise_first("The orders break rules; none was sent:", broken)
    return counted


def _find_own_key(order: Mapping[str, Any], key: Key) -> str | None:
    if key is None:
        return None
    try:
        own = key(order) if callable(key) else key
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Not its words: they may quote the order, which holds secrets.
        where = traceback.extract_tb(error.__traceback__)[-1]
        rule = f"idempotency_key: it raised {type(error).__name__} in {where.name}, line {where.lineno}"
        raise InvalidInput("", (rule,)) from None
    if wrong := find_header_violation(own, KEY_LENGTH):
        raise InvalidInput("", (f"idempotency_key: {wrong}",))
    return own


def _count_equals(
    orders: Sequence[BulkOrder], broken: list[str], *, has_own_keys: bool
) -> Iterator[BulkOrder]:
    """Yield the orders, each with its count among equal ones in its scope."""
    contents = [(order.scope.identity, order.checked.content) for order in orders]
    totals, counts = Counter(contents), Counter[object]()
    numbers: dict[str, BulkOrder] = {}
    for order, content in zip(orders, contents, strict=True):
        if order.number is not None and (first := numbers.setdefault(order.number, order)) is not order:
            broken.append(f"{order.label}: $.orderNumber: {first.label} has it too")
        scope, count = order.scope, counts[content]
        counts[content] += 1
        if count and has_own_keys:
            broken.append(f"{order.label}: idempotency_key: an equal order before it has the same one")
        if scope.position is not None:
            scope = replace(scope, position=f"{scope.position}/{count}")
        elif count:
            scope = replace(scope, identity=(*scope.identity, str(count)))
        yield replace(order, scope=scope, equals=totals[content] - 1)


@dataclass(frozen=True, slots=True)
class PreparedOrder:
    """An order of a list and its submission, which has not begun."""

    order: BulkOrder
    submission: Submission


def prepare_order(
    client: ApiClient, order: BulkOrder, attempt: TaskAttempt, notes: RecordStore
) -> PreparedOrder:
    """Return an order of a list, ready to be submitted."""
    place = "equals" if order.equals else "list"
    return PreparedOrder(order, Submission(client, order.checked, order.scope, attempt, notes, place=place))


def refuse_repeated(batch: Iterable[PreparedOrder]) -> None:
    """Refuse a list if the same try has submitted an equal order without a number before."""
    broken = [f"{each.order.label}: {EQUAL}" for each in batch if each.submission.is_repeated]
    raise_first("Nothing was sent.", broken)


def select_records(batch: Iterable[PreparedOrder]) -> list[SubmissionRecord]:
    """Return what is to be noted before the first order of a batch is sent."""
    records = [each.submission.record for each in batch]
    return [record for record in records if record.state is SubmissionState.OPEN]


def submit_one(prepared: PreparedOrder, *, adopt: bool = False) -> Flow[BulkResult]:
    """
    Submit one order of a list, once, and return what became of it; no error of the vendor's is raised.

    :param adopt: take an order that is there already, found by its number.
    """
    order, submission = prepared.order, prepared.submission
    client, job_id = submission.client, None
    try:
        if adopt and order.number:
            job_id = yield from find_existing_order(client, order.checked.document)
        if job_id is not None:
            yield from submission.notes.save(submission.record.with_job(job_id, client.clock()))
        else:
            job_id = yield from submission.run()
    except ApiError as error:
        log.warning("%s was not submitted: %s", order, error)
        return BulkResult(order, error=error)
    return BulkResult(order, job_id)


@dataclass(slots=True)
class Progress:
    """
    What has become of a list so far; it logs that at each tenth, and knows when to give up.

    :param max_failures: so many transient failures in a row, without an answer that decides anything in
        between, end the submission: a retry of the task sends the orders that are left.
    """

    total: int
    max_failures: int
    states: Counter[str] = field(default_factory=Counter)
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
        StoreUnavailable: "the task's state store failed, so that it could not be noted",
    }
    reason = reasons.get(type(stop), "too many before it failed")
    return BulkResult(order, error=ApiError(f"It was not sent in this try: {reason}.", transient=True))


def summarize_errors(results: Sequence[BulkResult]) -> ApiError | None:
    """
    Return one error for all orders without a job, None if each has one.

    It is the first of: `SignInRefused`, the connection must be fixed; a transient one, a retry goes on with
    some; `TurnedAway`, a clear does; `OutcomeUnknown`, a person must look; `Refused`.
    """
    left = [result for result in results if result.error is not None]
    if not left:
        return None
    states = Counter(result.state for result in results)
    counts = ", ".join(f"{states[state]} {state}" for state in ("submitted", "refused", "unknown", "open"))
    lines = [f"{each.order}: {each.state}: {each.error}".replace("\n", "\n    ") for each in left[:SHOWN]]
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
