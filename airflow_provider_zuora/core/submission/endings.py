"""The error that ends a try of a submission, in words that say what the next one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, OutcomeUnknown, Refused
from airflow_provider_zuora.core.submission import recovery
from airflow_provider_zuora.core.submission.post import reword_error
from airflow_provider_zuora.core.submission.protocol import Action, Event, Standing
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.submission import Submission

_MAY_BE_STORED = (
    "{title} may repeat this answer under its key for 24 hours: if the cause is gone, pass another "
    "idempotency_key."
)


def build_error(submission: Submission, action: Action) -> ApiError:
    """Return the error that ends this try."""
    post, record, kind = submission.post, submission.record, submission.kind
    if action is Action.STOP:
        error = post.build_error()
        if submission.standing is not Standing.UNDECIDED or post.answer is Event.NO_ANSWER:
            return error
        return name_open_post(record, kind.noun, error)
    if action is Action.ASK:
        # The key may have been used for this very order, in another POST.
        may_be_ours = record.unanswered or len(record.contents) > 1 or submission.is_noted
        is_used_up = submission.keys.raw_key and post.answer is Event.KEY_IN_USE and not may_be_ours
        return build_used_up_error(submission) if is_used_up else recovery.build_question(submission)
    if record.state is SubmissionState.FAILED:
        return submission.failure or record.to_error()
    error = post.build_error() if post.parsed else record.to_error()
    if kind.allows_control or post.sent < 2:
        return error
    return reword_error(error, f"{error} {_MAY_BE_STORED.format(title=submission.client.vendor.title)}")


def build_sent_error(record: SubmissionRecord, cause: Exception) -> OutcomeUnknown:
    """Return the error of a try that has sent something, and cannot go on for another cause."""
    invalid = cause if isinstance(cause, InvalidInput) else cause.__cause__
    why = "; ".join(invalid.violations) if isinstance(invalid, InvalidInput) else str(cause)
    words = (
        f"Before it paused this try sent something under key {record.key} (Track-Ids "
        f"{', '.join(record.track_ids) or 'of an earlier try'}), and what came of it is unknown. It cannot "
        f"go on: {why}\nPut that right, and clear the task: it goes on with the same key."
    )
    error = OutcomeUnknown(words, info=cause.info if isinstance(cause, ApiError) else None)
    error.key, error.unanswered = record.key, record.unanswered
    return error


def name_open_post(record: SubmissionRecord, noun: str, error: ApiError) -> ApiError:
    """Return the error of what could not be asked, with what is known of an earlier POST."""
    if not record.unanswered:
        return error
    words = f"An earlier POST under key {record.key} may have made the {noun}: the next try, or a clear,"
    return reword_error(error, f"{error} {words} sends the same key again.")


def build_used_up_error(submission: Submission) -> Refused:
    """Return the error of a raw key that cannot make the order."""
    record, title = submission.record, submission.client.vendor.title
    why = f"is used up: {title} repeats its answer for 24 hours"
    if submission.post.answer is Event.KEY_IN_USE:
        why = "was used for another request"
    known = f" What is known of it: {record.reason}" if record.reason else ""
    return Refused(f"The raw_idempotency_key {record.key} {why}. Pass another one.{known}")
