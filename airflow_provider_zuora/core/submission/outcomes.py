"""What became of a submission, in one word: of a closed set, for XComs and for the submission log."""

from __future__ import annotations

from enum import StrEnum

from airflow_provider_zuora.core.errors import (
    ApiError,
    GuardRefused,
    JobFailed,
    Refused,
    SignInRefused,
    TurnedAway,
    WrongOrder,
)
from airflow_provider_zuora.core.messages import ResponseKind

UNDECIDED = frozenset(
    (
        ResponseKind.SILENCE,
        ResponseKind.GATEWAY,
        ResponseKind.IN_PROGRESS,
        ResponseKind.TEMPORARY,
        ResponseKind.UNCLEAR,
        ResponseKind.TOO_LARGE,
    )
)
"""The answers to a PUT or a DELETE after which it may have been carried out, or may still be."""


class SubmitState(StrEnum):
    """What became of an order that was to be submitted; the words stand in XComs."""

    SUBMITTED = "submitted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It may have been submitted: a person must look."""
    OPEN = "open"
    """It was not submitted; a retry, or a clear, sends it under the same key."""


class Outcome(StrEnum):
    """What became of a submission in one try; the words stand in the submission log."""

    SUBMITTED = "submitted"
    """This process sent it, and the vendor named its job."""
    FOUND = "found"
    """It was there: an earlier try's job, or what was looked up at the vendor."""
    ADOPTED = "adopted"
    """What a person named, or ``on_existing``, replaces it: nothing was sent."""
    REFUSED = "refused"
    """The vendor refused it, or its job has failed: there is none."""
    UNKNOWN = "unknown"
    """There may be one: a person must look."""
    OPEN = "open"
    """Nothing is decided; the next try, or a clear, goes on."""
    COMPLETED = "completed"
    """Its job has ended well."""
    FAILED = "failed"
    """Its job has ended badly."""
    ABSENT = "absent"
    """A reconciliation has asked for it: there is none."""


def classify_error(error: ApiError) -> SubmitState:
    """Return what became of what ended with an error."""
    if error.transient or isinstance(error, (GuardRefused, SignInRefused, TurnedAway)):
        return SubmitState.OPEN
    is_refused = isinstance(error, (Refused, JobFailed)) and not isinstance(error, WrongOrder)
    return SubmitState.REFUSED if is_refused else SubmitState.UNKNOWN
