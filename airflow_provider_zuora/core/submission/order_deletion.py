"""
Delete an order: a DELETE without a key, sent only while the order is there, and believed only by reading it.

Zuora takes the DELETE and deletes later; what becomes of its job is documented nowhere, so the order itself
is read until it is gone, see `order_absence`. To delete it twice does no harm, but another order may have got
its number meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    Refused,
    ResponseInfo,
)
from airflow_provider_zuora.core.flow import Flow, LoadState, SaveState
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.response_parsing import make_error
from airflow_provider_zuora.core.http.retry import WRITE, delay_before_retry
from airflow_provider_zuora.core.messages import Request, ResponseKind
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt, compute_account, sha256
from airflow_provider_zuora.core.submission.order_absence import (
    Deletion,
    check_account,
    confirm_deletion,
    describe_order,
    is_there,
)
from airflow_provider_zuora.core.submission.order_lookup import read_order
from airflow_provider_zuora.core.submission.outcomes import UNDECIDED, Outcome
from airflow_provider_zuora.core.submission.submission_log import SubmissionLog, log_end
from airflow_provider_zuora.core.validation import find_id_violation
from airflow_provider_zuora.core.vendors.zuora.order_deletion import PREFIX, build_deletion_request

log = logging.getLogger(__name__)

MISSING = ("fail", "succeed")
"""What an order may mean that is not there before anything was sent."""

_LAG = 5.0  # seconds before an order is read after a DELETE that Zuora did not take
_NOTE = "zuora_order_deletion"


@dataclass(frozen=True, slots=True)
class _Note:
    """What a try has noted before it sent its first DELETE; there is one for each order of a task."""

    deletion: Deletion
    max_tries: int


def find_number_violation(number: object) -> str:
    """Return the rule that the number of an order breaks, or an empty text."""
    if number in ("None", "none", "null"):  # what a template makes of nothing
        return f"must be the number of an order, not {number}"
    return find_id_violation(number)


def delete_order(
    client: ApiClient,
    number: str,
    attempt: TaskAttempt,
    submission_log: SubmissionLog,
    *,
    on_missing: str = "fail",
    is_remembered: bool = False,
) -> Flow[Deletion]:
    """
    Have an order deleted that is there, and return what is to be gone; it may go later.

    :param on_missing: ``fail`` if it is not there before this task has sent anything, or ``succeed``.
    :param is_remembered: True if there is a store in which earlier tries have noted what they sent.
    :raises NotFound: if it is not there, and no try of this task has had it deleted.
    :raises Refused: if Zuora refuses, in its own words; or the order cannot be told from another.
    :raises OutcomeUnknown: if only a person can tell whether it is deleted.
    :raises LogUnavailable: if the deletion could not be logged: it was not sent.
    :raises ApiError: transient, if the next try goes on.
    """
    if wrong := find_number_violation(number):
        raise InvalidInput("Nothing was sent.", (f"order_number: {wrong}",))
    request = client.job_request(PREFIX + number, lambda _: build_deletion_request(number))
    client.check_allowed(request)
    place = compute_account(client)
    name = f"{_NOTE}:{sha256([place, number])[:16]}"
    note = _read_note((yield LoadState(name)))
    page, absence = None, None
    try:
        page, _ = yield from read_order(client, number)
    except NotFound as error:
        absence = error.info
    if page is None:
        if note is not None:
            return (yield from _find_deleted(client, note.deletion, submission_log))
        if on_missing == "succeed":
            log.warning("There is no order %s: nothing is sent (on_missing=succeed)", number)
            return Deletion(number, place)
        raise _build_missing_error(client, number, absence, is_known=is_remembered or attempt.is_first)
    deletion = describe_order(number, place, page)
    is_again = note is not None and note.max_tries >= attempt.max_tries  # else a person has cleared the task
    if is_again and note is not None and note.deletion.created != deletion.created:
        raise _build_other_error(note.deletion, deletion, page.info)
    if unreadable := (yield from check_account(client, deletion)):
        raise _build_blind_error(client, deletion, unreadable)
    yield SaveState(name, {**deletion.as_dict(), "max_tries": attempt.max_tries})
    track_ids: list[str] = []

    def describe_end(_: str) -> dict[str, Any]:
        outcome = Outcome.SUBMITTED if track_ids else Outcome.FOUND
        return _describe(deletion, track_ids) | {"outcome": outcome}

    flow = _send(client, deletion, request, submission_log, track_ids, unanswered=int(is_again))
    yield from log_end(submission_log, describe_end, flow)
    return deletion


def _find_deleted(client: ApiClient, deletion: Deletion, submission_log: SubmissionLog) -> Flow[Deletion]:
    """Return what an earlier try has had deleted, and is gone."""

    def describe_end(_: str) -> dict[str, Any]:
        return _describe(deletion, ()) | {"outcome": Outcome.FOUND}

    def find() -> Flow[str]:
        yield from confirm_deletion(client, deletion)
        return deletion.job_id

    yield from log_end(submission_log, describe_end, find())
    log.info("Order %s is gone: an earlier try of this task has had it deleted", deletion.number)
    return deletion


def _send(
    client: ApiClient,
    deletion: Deletion,
    request: Request,
    submission_log: SubmissionLog,
    track_ids: list[str],
    unanswered: int,
) -> Flow[str]:
    """Send the DELETE until Zuora takes it, or the order is gone; it is read before each but the first."""
    error: ApiError | None = None
    while True:
        if error is not None:
            if not (yield from is_there(client, deletion.number)):
                return deletion.job_id
            if unanswered and not error.transient:
                raise _build_question(client, deletion, error)
            if len(track_ids) == WRITE.attempts or not error.transient:
                raise error
        track_ids.append(client.make_track_id())
        intent = _describe(deletion, track_ids) | {"unanswered": unanswered + 1}
        yield from submission_log.note_intents([intent])
        parsed = yield from client.send_once(request, track_ids[-1])
        if parsed.kind is ResponseKind.OK:
            log.info("Zuora deletes order %s: %s", deletion.number, parsed.info)
            return deletion.job_id
        unanswered += parsed.kind in UNDECIDED
        error = make_error(client.vendor, parsed, len(track_ids))
        pause = delay_before_retry(parsed, len(track_ids), client.rng)
        least = _LAG if parsed.kind in UNDECIDED else 0.0
        words = "Order %s may be deleted or not, reading it in %.1f s: %s"
        log.warning(words, deletion.number, max(least, pause), error)
        yield from client.pause(parsed, pause, least)


def _describe(deletion: Deletion, track_ids: Sequence[str]) -> dict[str, Any]:
    """Return what the log says of a deletion, which has no key."""
    return {
        "kind": "order deletion",
        "job_id": deletion.job_id,
        "order_number": deletion.number,
        "order_date": deletion.order_date or None,
        "account_number": deletion.account or None,
        "track_ids": track_ids[-8:],
    }


def _read_note(value: object) -> _Note | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not isinstance(value.get("max_tries"), int):
        raise OutcomeUnknown(
            f"The state store of this task holds something else than what a try has noted under {_NOTE}: "
            "whether an earlier try has sent the deletion is unknown. Nothing was sent."
        )
    return _Note(Deletion.read(value), value["max_tries"])


def _build_missing_error(
    client: ApiClient, number: str, info: ResponseInfo | None, *, is_known: bool
) -> ApiError:
    """Return the error of an order that is not there; ``is_known``: no earlier try has had it deleted."""
    title = client.vendor.title
    how = "If that is what you want, pass on_missing='succeed', and clear the task."
    if is_known:
        words = f"There is no order {number} at {title}, and this task has deleted none. Is the number right?"
        return NotFound(f"{words} Nothing was sent. {how}", info=info)
    return OutcomeUnknown(
        f"There is no order {number} at {title}: an earlier try of this task has deleted it, or it was never "
        f"there. Before Airflow 3.3 a task does not remember that. Nothing was sent now. {how}",
        info=info,
    )


def _build_other_error(before: Deletion, now: Deletion, info: ResponseInfo) -> ApiError:
    return Refused(
        f"Order {now.number}, made at {now.created_words}, is another one than the order made at "
        f"{before.created_words} which an earlier try of this task has had deleted: it has got its number "
        "since. Nothing was sent. To delete this one, too, clear the task.",
        info=info,
    )


def _build_blind_error(client: ApiClient, deletion: Deletion, error: ApiError) -> ApiError:
    """Return the error of an order whose deletion could not be confirmed: nothing was sent."""
    if error.transient:
        return error
    return Refused(
        f"The account {deletion.account_words} of order {deletion.number} cannot be read with this "
        f"connection, so that {client.vendor.title} does not know the order could mean anything later. "
        f"Nothing was sent. {error}",
        info=error.info,
    )


def _build_question(client: ApiClient, deletion: Deletion, error: ApiError) -> ApiError:
    """Return the error of a refusal after a DELETE of which nobody knows what came of it."""
    return OutcomeUnknown(
        f"{client.vendor.title} refuses to delete order {deletion.number} now, and it is still there, but "
        "what came of an earlier DELETE is unknown: it may still be carried out. Look at the order in some "
        f"minutes, and clear the task if it is to be deleted again. {error}",
        info=error.info,
    )
