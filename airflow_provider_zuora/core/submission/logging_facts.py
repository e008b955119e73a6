"""What the submission log says of a submission that the protocol's table leads: its keys, numbers and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.submission.protocol import Event
from airflow_provider_zuora.core.submission.record import SubmissionRecord

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.submission import Submission

_NAMES = ("key", "digest", "track_ids", "unanswered")


def describe(submission: Submission, record: SubmissionRecord) -> dict[str, Any]:
    """Return what the log says of a submission as a record has it, besides its end."""
    facts = {"kind": submission.order.kind, "secrets": submission.client.secrets}
    facts |= submission.kind.list_numbers(submission.order.document)
    return facts | {name: getattr(record, name) for name in _NAMES}


def describe_end(submission: Submission, job_id: str) -> dict[str, Any]:
    """Return what the log says of the end of a submission, besides its error."""
    is_sent = submission.post.answer is Event.ACCEPTED
    outcome = Outcome.ADOPTED if submission.is_adopted else Outcome.SUBMITTED if is_sent else Outcome.FOUND
    parsed = submission.post.parsed
    end = {"job_id": job_id, "outcome": outcome, "codes": parsed.info.codes if parsed else ()}
    return describe(submission, submission.record) | end


def log_intent(submission: Submission, record: SubmissionRecord) -> Flow[None]:
    """Write to the log what is about to be sent, as a record has it, unless its key stands there already."""
    if submission.log.is_kept:
        yield from submission.log.note_intents([describe(submission, record)])
