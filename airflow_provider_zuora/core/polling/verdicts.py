"""What the ends of many jobs mean to the task that waited for them, one by one and together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, JobFailed, ResultLost, TimedOut
from airflow_provider_zuora.core.job import Outcome
from airflow_provider_zuora.core.polling.events import End
from airflow_provider_zuora.core.vendors.base import Vendor

COMPLETED, SKIPPED, FAILED, UNKNOWN, UNREAD, OPEN, TIMED_OUT = (
    "completed",
    "skipped",
    "failed",
    "unknown",
    "unread",
    "open",
    "timed out",
)
_GRAVE = (FAILED, UNKNOWN, UNREAD, OPEN, TIMED_OUT)  # the gravest first
_SHOWN = 10  # lines of an error; all that happened is in the verdicts


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What became of one job.

    :param state: ``completed``; ``skipped``; ``failed``, for good; ``unknown``: the vendor does not know or
        show it; ``unread``: it completed, and its result cannot be read; ``open``: looks failed for a passing
        reason, a retry goes on; ``timed out``: it goes on.
    :param outcome: what a job that completed means.
    :param error: why there is none.
    """

    job_id: str
    state: str
    outcome: Outcome | None = None
    error: ApiError | None = None

    @property
    def result(self) -> Any:
        """Return what the task returns for this job."""
        return self.outcome and self.outcome.result

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON, for an XCom."""
        error = self.error and str(self.error)
        return {"job_id": self.job_id, "state": self.state, "result": self.result, "error": error}

    @classmethod
    def of(cls, end: End, vendor: Vendor, options: Mapping[str, Any]) -> Verdict:
        """Return what an end means under a task's options, by the vendor's own outcome function."""
        if end.job is None:
            return cls(end.job_id, _state_of(end), error=end.error)
        try:
            outcome = vendor.outcome(end.job, options)
        except ApiError as error:
            return cls(end.job_id, FAILED, error=error)
        return cls(end.job_id, SKIPPED if outcome.skipped else COMPLETED, outcome)


def _state_of(end: End) -> str:
    """Return the state of a job that is not at hand."""
    kinds = {TimedOut: TIMED_OUT, ResultLost: UNREAD, JobFailed: FAILED}
    kind = next((state for kind, state in kinds.items() if isinstance(end.error, kind)), UNKNOWN)
    return OPEN if end.gave_up else kind


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of all jobs of a list, in its order; a job that is named twice stands there twice."""

    each: tuple[Verdict, ...]

    @classmethod
    def of(
        cls, job_ids: Sequence[str], ends: Sequence[End], vendor: Vendor, options: Mapping[str, Any]
    ) -> Verdicts:
        """
        Return what the ends mean.

        :raises InvalidInput: where these are the ends of other jobs; an upstream task has run again.
        """
        found = {end.job_id: Verdict.of(end, vendor, options) for end in ends}
        if set(job_ids) - set(found):
            raise InvalidInput("job_id names other jobs now than those that were waited for; clear the task.")
        return cls(tuple(found[job_id] for job_id in job_ids))

    @property
    def complete(self) -> bool:
        """Say whether all jobs completed."""
        return all(each.state == COMPLETED for each in self.each)

    @property
    def results(self) -> list[Any]:
        """Return what the task returns for each job."""
        return [each.result for each in self.each]

    @property
    def warnings(self) -> list[str]:
        """Return what the task should say in its log."""
        ends = [(each.job_id, each.outcome) for each in self.each if each.outcome]
        left_out = [f"Job {job_id} counts as skipped: {end.skipped}" for job_id, end in ends if end.skipped]
        return [*left_out, *(end.warning for _, end in ends if end.warning)]

    @property
    def skipped(self) -> str:
        """Return why the task should count as skipped: all of its jobs do; empty where it should not."""
        reasons = [each.outcome.skipped for each in self.each if each.outcome and each.outcome.skipped]
        return reasons[0] if reasons and len(reasons) == len(self.each) else ""

    @property
    def gravest(self) -> Verdict | None:
        """Return the first of the worst, None where each job came to a good end."""
        return next(iter(self._bad()), None)

    def _bad(self) -> list[Verdict]:
        bad = (each for each in self.each if each.error is not None)
        return sorted(bad, key=lambda each: _GRAVE.index(each.state))

    def as_list(self) -> list[dict[str, Any]]:
        """Return plain JSON, for an XCom."""
        return [each.as_dict() for each in self.each]

    def report(self) -> str:
        """Return what there is to say of the jobs that have no result, the gravest first."""
        bad = self._bad()
        if len(self.each) == 1:
            return str(bad[0].error)
        states = Counter(each.state for each in self.each)
        counts = ", ".join(f"{states[word]} {word}" for word in (COMPLETED, SKIPPED, *_GRAVE) if states[word])
        lines = [f"{each.job_id}: {each.state}: {_indented(each.error)}" for each in bad[:_SHOWN]]
        more = [f"and {len(bad) - _SHOWN} more, see the XCom results"] if len(bad) > _SHOWN else []
        return "\n".join((f"{len(bad)} of {len(self.each)} jobs have no result ({counts}).", *lines, *more))


def _indented(error: object) -> str:
    return str(error).replace("\n", "\n    ")
