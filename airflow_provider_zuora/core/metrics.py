"""What is counted and measured, and under which name; where the figures go is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol

from airflow_provider_zuora.core.errors import ApiError


class MetricType(StrEnum):
    """How figures of one name add up."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TIMER = "timer"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; a timer's figures are seconds."""

    name: str
    type: MetricType
    tags: tuple[str, ...]
    meaning: str


_KIND = ("vendor", "kind")

_COUNTER, _GAUGE, _TIMER = MetricType

SUBMISSIONS = Metric(
    "submissions", _COUNTER, _KIND, "Submissions that came to a job, those included that were found again."
)
REFUSALS = Metric(
    "refusals",
    _COUNTER,
    (*_KIND, "category"),
    "Submissions that ended without a job, by the category of the error.",
)
POLLS = Metric("polls", _COUNTER, _KIND, "Times that the status of a job was asked for.")
WAITING = Metric(
    "waiting",
    _GAUGE,
    ("vendor", "hostname"),
    "Jobs that a triggerer waits for just now; those of a list until all of them have ended.",
)
JOB_SECONDS = Metric(
    "job_seconds",
    _TIMER,
    (*_KIND, "state"),
    "From the beginning of a wait to the poll that found the job ended.",
)
SIGN_INS = Metric("sign_ins", _COUNTER, ("vendor",), "Tokens that were issued to this process.")
THROTTLED_SECONDS = Metric(
    "throttled_seconds",
    _TIMER,
    ("vendor",),
    "How long a request was held back, or repeated later, because the vendor's limit was near or reached.",
)

METRICS = (SUBMISSIONS, REFUSALS, POLLS, WAITING, JOB_SECONDS, SIGN_INS, THROTTLED_SECONDS)


class Emit(Protocol):
    """Takes one figure: an addition to a counter, the value of a gauge, the seconds of a timer."""

    def __call__(self, metric: Metric, value: float, tags: Mapping[str, str]) -> None:
        """Take it, and raise nothing."""


class EmitTagged(Protocol):
    """Takes one figure that the account's vendor is added to."""

    def __call__(self, metric: Metric, value: float = 1, **tags: str) -> None:
        """Take it, and raise nothing."""


def ignore(metric: Metric, value: float, tags: Mapping[str, str]) -> None:
    """Take a figure nowhere."""


@dataclass(frozen=True, slots=True)
class SubmissionCount:
    """
    Count a submission by what ends its ``with`` block: nothing, or an `ApiError`.

    Another exception counts as neither: what ends a task from outside says nothing about its submission.
    """

    emit: EmitTagged
    kind: str

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Count."""
        if error is None:
            self.emit(SUBMISSIONS, kind=self.kind)
        elif isinstance(error, ApiError):
            self.emit(REFUSALS, kind=self.kind, category=error.category)
