"""What one process of a try leaves to the next one, which goes on after a long pause as if it had slept.

A worker that would sleep for long for the vendor's sake ends instead. What it knows of its submission travels
in plain JSON, with no values of the order and no words of the vendor's in it. It holds for the same try; any
other begins as each try does. A pause takes as long as it is said to in real time, by whatever clock.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.core.errors import ApiError, ResponseInfo
from airflow_provider_zuora.core.flow import LONGEST_PAUSE, RetryBudget
from airflow_provider_zuora.core.http import retry
from airflow_provider_zuora.core.messages import ParsedResponse, ResponseKind
from airflow_provider_zuora.core.submission import recovery
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt, hash_paths
from airflow_provider_zuora.core.submission.post import Post, Repetition
from airflow_provider_zuora.core.submission.protocol import Action, Event, Standing
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.record_store import read_record, write_record

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.submission import Submission

log = logging.getLogger(__name__)

State = Mapping[str, Any]

POST, READ = "post", "read"  # the pause before a POST, and before what could not be read is read again
_FLAGS = ("is_inherited", "is_cleared", "is_noted", "left_absent")
_CHANGED = "what is to be submitted has another number, key or account since this try has paused"


def read_state(state: State | None, attempt: TaskAttempt) -> State:
    """Return what an earlier process of this very try has left, empty if there was none."""
    return state if state is not None and state.get("try") == attempt.number else {"try": attempt.number}


def asks_for_pause(error: ApiError, waited: float, budget: RetryBudget = retry.READ) -> bool:
    """Return whether the vendor asks for a long pause, after which a request may be sent again."""
    return error.transient and LONGEST_PAUSE < error.retry_after <= budget.seconds - waited


def pack(submission: Submission, action: Action, pause: str, seconds: float) -> State:
    """Return what must be known of a submission, to go on with an action after one of its pauses."""
    record = replace(submission.record, paths=None)
    flags = {name: getattr(submission, name) for name in _FLAGS}
    return {
        "try": submission.keys.attempt.number,
        "submission": flags
        | {
            "record": write_record(record),
            "standing": submission.standing.name,
            "issued_at": submission.issued_at,
            "is_remembered": submission.keys.is_remembered,
            "action": action.name,
            "passed": sorted({*submission.passed, pause}),
            "waited": submission.waited,
            "post": _pack_post(submission.post, seconds) if submission.post.parsed else None,
        },
    }


def _pack_post(post: Post, seconds: float) -> State:
    assert post.parsed is not None
    info = post.parsed.info
    return {
        "sent": post.sent,
        "began": post.began,
        "lasted": post.client.clock() - post.began + seconds,
        "event": post.answer.name,
        "is_proven": post.is_proven,
        "repetition": [post.repetition.request_id, post.repetition.since, post.repetition.control],
        "kind": post.parsed.kind.name,
        "asked": [info.asked, info.track_id, info.status, info.request_id, info.process_id],
        "codes": list(info.codes),
    }


def restore(submission: Submission, values: State) -> Action | None:
    """
    Bring a submission where it was before its pause; return what it does next, None if it begins anew.

    :raises OutcomeUnknown: if what is to be submitted is another order now, and there may be the one before.
    :raises ApiError: if what was left cannot be read: the next try goes on.
    """
    keys = submission.keys
    try:
        record = read_record(values["record"])
        if (record.submitter, record.account) != (keys.submitter, keys.account):
            _check_may_begin(submission, record)
            return None
        if record.digest == keys.digest and keys.keeps_paths:
            record = replace(record, paths=hash_paths(keys.client, submission.order.document))
        submission.record = submission.kept = record
        submission.standing = Standing[values["standing"]]
        for name in _FLAGS:
            setattr(submission, name, bool(values[name]))
        submission.issued_at, keys.is_remembered = float(values["issued_at"]), bool(values["is_remembered"])
        submission.passed, submission.waited = set(map(str, values["passed"])), float(values["waited"])
        if values["post"] is not None:
            _restore_post(submission.post, values["post"], has_paused=POST in submission.passed)
        action = Action[values["action"]]
    except (KeyError, TypeError, ValueError) as error:
        words = (
            "What this try knew before its pause cannot be read, so it sends nothing; the next one goes on"
        )
        raise ApiError(f"{words}: {error!r}", transient=True) from error
    if record.digest != keys.digest:
        words = "The %s has changed while this try paused: it goes on under key %s, of what it was before"
        log.warning(words, submission.kind.noun, record.key)
    return action


def _restore_post(post: Post, values: State, *, has_paused: bool) -> None:
    asked, track_id, status, request_id, process_id = values["asked"]
    info = ResponseInfo(asked, track_id, status, request_id=request_id, process_id=process_id)
    post.parsed = ParsedResponse(ResponseKind[values["kind"]], info.with_words((), values["codes"]))
    post.answer, post.is_proven = Event[values["event"]], bool(values["is_proven"])
    post.sent, post.has_paused = int(values["sent"]), has_paused
    # By the clock that shows more: the two processes may have been on machines whose clocks differ.
    post.began = min(float(values["began"]), post.client.clock() - float(values["lasted"]))
    request_id, since, control = values["repetition"]
    post.repetition = Repetition(str(request_id), float(since), str(control))


def _check_may_begin(submission: Submission, record: SubmissionRecord) -> None:
    """Raise the question to a person if there may be the order of before the pause."""
    if record.state is not SubmissionState.OPEN or record.unanswered or record.absence_believed:
        submission.record, submission.why = record, _CHANGED
        raise recovery.build_question(submission)
