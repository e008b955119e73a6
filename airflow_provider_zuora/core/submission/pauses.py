"""What one process of a try leaves to the next one, which goes on after a long pause as if it had slept.

A worker that would sleep for long for the vendor's sake ends instead. What it knows of its submission travels
in plain JSON: of the order its number alone, of the vendor's answers codes and ids. It holds for the same
try, and one that cannot be read ends it: the next one begins as each does. A pause takes as long as it is
said to in real time, by whatever clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.core.submission.record_json import read_record, write_record

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.submission import Submission

State = Mapping[str, Any]

VERSION = 1  # of the states that this release writes, and reads
POST, READ = "post", "read"  # the pause before a POST, and before what could not be read is read again
_FLAGS = ("is_inherited", "is_cleared", "is_noted", "left_absent")
_BROKEN = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_SECONDS = ("sign_in", "waited")
_PARTS = {"submission", *_SECONDS}  # of a state; it has one of them at least
_CHANGED = "what is to be submitted has changed since this try has paused"
_UNREADABLE = "What this try knew before its pause cannot be read, so it sends nothing; the next one goes on"
_PLAIN = re.compile(r"[\w.-]{1,64}", re.ASCII)


def read_state(state: State | None, attempt: TaskAttempt) -> State:
    """
    Return what an earlier process of this very try has left; what each state begins with if there was none.

    :raises ApiError: transient, if it cannot be read: what that process has sent is not known here.
    """
    beginning = {"version": VERSION, "try": attempt.number}
    if state is None:
        return beginning
    is_ours = isinstance(state, Mapping) and beginning.items() <= state.items() and bool(_PARTS & set(state))
    if not is_ours or not all(isinstance(state.get(name, 0.0), (float, int)) for name in _SECONDS):
        raise ApiError(_UNREADABLE, transient=True)
    return state


def find_sent(state: State) -> SubmissionRecord | None:
    """
    Return what an earlier process of this try has sent, None if that cannot have made anything.

    :raises ApiError: transient, if it cannot be read.
    """
    values = state.get("submission")
    if values is None:
        return None
    try:
        record = read_record(values["record"])
        return record if _may_exist(record, values) else None
    except _BROKEN as error:
        raise ApiError(f"{_UNREADABLE}: {error!r}", transient=True) from error


def _may_exist(record: SubmissionRecord, values: State) -> bool:
    """Return whether there may be what was submitted: by this try, or by one of which nothing is known."""
    is_unknown = values["is_inherited"] and not values["is_remembered"]
    return record.may_exist or bool(is_unknown or values["left_absent"])


def asks_for_pause(error: ApiError, waited: float, budget: RetryBudget = retry.READ) -> bool:
    """Return whether the vendor asks for a long pause, after which a request may be sent again."""
    return error.transient and LONGEST_PAUSE < error.retry_after <= budget.seconds - waited


def pack(submission: Submission, action: Action, pause: str, seconds: float) -> State:
    """Return what must be known of a submission, to go on with an action after one of its pauses."""
    record = replace(submission.record, paths=None)
    flags = {name: getattr(submission, name) for name in _FLAGS}
    return {
        "version": VERSION,
        "try": submission.keys.attempt.number,
        "submission": flags
        | {
            "record": write_record(record),
            "is_raw": bool(submission.keys.raw_key),
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
        "asked": [
            info.asked,
            info.track_id,
            info.status,
            *_keep([info.request_id]),
            *_keep([info.process_id]),
        ],
        "codes": [code for code in _keep(info.codes) if code],
    }


def _keep(texts: Iterable[str]) -> list[str]:
    """Return ids and codes of the vendor's; what has the form of a sentence is no such thing."""
    return [text if _PLAIN.fullmatch(text) else "" for text in texts]


def restore(submission: Submission, values: State) -> Action | None:
    """
    Bring a submission where it was before its pause; return what it does next, None if it begins anew.

    :raises OutcomeUnknown: if what is to be submitted is another order now, and there may be the one before.
    :raises ApiError: if what was left cannot be read: the next try goes on.
    """
    keys = submission.keys
    try:
        record = read_record(values["record"])
        sent = (record.submitter, record.account, record.digest, record.key if values["is_raw"] else None)
        if sent != (keys.submitter, keys.account, keys.digest, keys.raw_key or None):
            _check_may_begin(submission, record, values)
            return None
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
    except _BROKEN as error:
        raise ApiError(f"{_UNREADABLE}: {error!r}", transient=True) from error
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


def _check_may_begin(submission: Submission, record: SubmissionRecord, values: State) -> None:
    """Raise the question to a person if there may be the order of before the pause."""
    if _may_exist(record, values):
        submission.record, submission.why = record, _CHANGED
        raise recovery.build_question(submission)
