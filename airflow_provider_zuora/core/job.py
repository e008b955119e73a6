"""What a job is, and what the wait for one came to: a vendor's words are read in `core.vendors`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

from airflow_provider_zuora.core import errors
from airflow_provider_zuora.core.errors import ApiError, InvalidInput, JobFailed, ResponseInfo, raise_first
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.validation import find_id_violation

ORDER = "order:"
"""How the id of an order begins that was found by its number; its job is unknown."""
NO_STATUS = "without a status"


class JobState(Enum):
    """How far a job is; every status word of a vendor means one of these."""

    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(slots=True)
class Job:
    """A job as the vendor described it last."""

    job_id: str
    state: JobState
    status: str  # the vendor's own word, for example ``Completed``, in one printable line
    result: Any = None  # the vendor's, as parsed from JSON; None while the job is active or has failed
    transient: bool = False  # by the vendor's codes the job may succeed when it is submitted again
    info: ResponseInfo | None = None  # with the codes and messages of a job that has failed
    locked: bool = False  # it failed because something else held what it was to change

    @property
    def has_ended(self) -> bool:
        """Return whether the job is over, whether it succeeded or failed."""
        return self.state is not JobState.ACTIVE

    def build_error(self) -> JobFailed | errors.LockContention:
        """Return the error of a job that failed."""
        advice = (
            ": submit again (a retry of a task that submits and waits does; else clear the submitting task)"
        )
        kind = f"transient failure{advice}" if self.transient else "permanent failure"
        words = f"Job {self.job_id} ended as {self.status}; by the vendor's codes this is a {kind}."
        error_type = errors.LockContention if self.locked else JobFailed
        return error_type(words, info=self.info, transient=self.transient)


def clean_status(word: object) -> str:
    """Return a vendor's status word in one printable line, without what may not be shown."""
    return redact_words(word, WORD_LENGTH) or NO_STATUS


def clean_job_id(value: object) -> str:
    """Return the id in an answer, an empty text if no job with this id can be polled."""
    job_id = value.strip() if isinstance(value, str) else ""
    return job_id if _is_plain_id(job_id) or not find_id_violation(job_id) else ""


def _is_plain_id(job_id: str) -> bool:
    """Return whether an id is a word, as nearly all are, which breaks no rule."""
    return job_id.isalnum() and len(job_id) <= WORD_LENGTH


def check_job_ids(job_id: object) -> tuple[str, ...]:
    """Return the ids that a task waits for; raise `InvalidInput` for anything but an id or a list of them."""
    if isinstance(job_id, str):
        if _is_plain_id(job_id):
            return (job_id,)
        named: dict[str, object] = {"job_id": job_id}
    elif isinstance(job_id, Sequence) and not isinstance(job_id, (bytes, bytearray)):
        named = {f"job_id[{index}]": each for index, each in enumerate(job_id)}
    else:
        rule = f"job_id: must be an id or a list of ids, not of type {type(job_id).__name__}"
        raise InvalidInput("Nothing was sent.", (rule,))
    broken = [f"{name}: {wrong}" for name, each in named.items() if (wrong := find_id_violation(each))]
    raise_first("Nothing was sent.", broken)
    return tuple(map(str, named.values()))


def name_jobs(job_ids: Sequence[str]) -> str:
    """Return how a message calls these jobs."""
    if len(job_ids) == 1:
        return f"job {job_ids[0]}"
    return f"{len(job_ids)} jobs" + (f" ({job_ids[0]} and so on)" if job_ids else "")


class ResultState(StrEnum):
    """What became of a job that a task waited for; the words stand in XComs."""

    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The vendor does not know the job, or does not show it."""
    UNREAD = "unread"
    """It completed, and its result cannot be read any more."""
    OPEN = "open"
    """Polls failed for a transient reason; a retry goes on."""
    TIMED_OUT = "timed_out"
    """The wait is over, and the job goes on at the vendor."""

    @property
    def words(self) -> str:
        """Return the state as people read it."""
        return self.replace("_", " ")


_WORST_FIRST = (
    ResultState.FAILED,
    ResultState.UNKNOWN,
    ResultState.UNREAD,
    ResultState.OPEN,
    ResultState.TIMED_OUT,
)
_STATE_OF_ERROR = {
    errors.TimedOut: ResultState.TIMED_OUT,
    errors.ResultLost: ResultState.UNREAD,
    JobFailed: ResultState.FAILED,
}
_SHOWN = 10  # lines of an error; the XCom `job_results` has all


@dataclass(frozen=True, slots=True)
class JobResult:
    """What the wait for one job came to."""

    job_id: str
    job: Job | None = None  # has ended; None if the wait ended without it
    error: ApiError | None = None  # the job failed, or the wait ended without it
    warning: str = ""
    skipped: str = ""  # why the task should count as skipped, empty if it should not
    polls: int = field(default=0, compare=False)  # that the wait has sent

    @classmethod
    def of_job(cls, job: Job) -> JobResult:
        """Return the result of a job that has ended; raise a ValueError if it has not."""
        if job.state is JobState.ACTIVE:
            raise ValueError(f"job {job.job_id} has not ended: it is {job.status}")
        return cls(job.job_id, job, job.build_error() if job.state is JobState.FAILED else None)

    @property
    def state(self) -> ResultState:
        """Return what became of the job."""
        if self.error is None:
            return ResultState.SKIPPED if self.skipped else ResultState.COMPLETED
        if self.job is not None:
            return ResultState.FAILED
        if self.error.transient:
            return ResultState.OPEN
        states = (state for kind, state in _STATE_OF_ERROR.items() if isinstance(self.error, kind))
        return next(states, ResultState.UNKNOWN)

    @property
    def result(self) -> Any:
        """Return what the task returns for this job, or raise `error`."""
        if self.error is not None:
            raise self.error
        if self.job is None:
            raise ValueError("a result has a job or an error")
        return None if self.skipped else self.job.result

    def as_dict(self) -> dict[str, Any]:
        """Return one entry of the XCom ``job_results``, in plain JSON types."""
        result = None if self.error else self.result
        error = self.error and str(self.error)
        return {"job_id": self.job_id, "state": str(self.state), "result": result, "error": error}


@dataclass(frozen=True, slots=True)
class JobResults:
    """What became of all jobs of a list, in its order; a job that is named twice has two results."""

    each: tuple[JobResult, ...]

    @classmethod
    def of(
        cls, job_ids: Sequence[str], results: Iterable[JobResult], read: Callable[[Job], JobResult]
    ) -> JobResults:
        """Return what jobs mean to the task, in the order of the ids; raise if they are other jobs."""
        found = {each.job_id: read(each.job) if each.job else each for each in results}
        if set(job_ids) - set(found):
            raise InvalidInput("job_id names other jobs now than those that were waited for; clear the task.")
        return cls(tuple([found[job_id] for job_id in job_ids]))

    @property
    def is_complete(self) -> bool:
        """Return whether all jobs completed."""
        return all(result.state is ResultState.COMPLETED for result in self.each)

    @property
    def warnings(self) -> list[str]:
        """Return the warnings for the task's log."""
        skipped = [each for each in self.each if each.skipped]
        warnings = [f"Job {each.job_id} counts as skipped: {each.skipped}" for each in skipped]
        return warnings + [each.warning for each in self.each if each.warning]

    @property
    def skipped(self) -> str:
        """Return why the task should count as skipped, which it does if all of its jobs do; else empty."""
        reasons = [each.skipped for each in self.each if each.skipped]
        return reasons[0] if reasons and len(reasons) == len(self.each) else ""

    @property
    def worst(self) -> JobResult | None:
        """Return the first of the worst results, None if no job is without a result."""
        return next(iter(self._list_failed()), None)

    def _list_failed(self) -> list[JobResult]:
        failed = (each for each in self.each if each.error is not None)
        return sorted(failed, key=lambda each: _WORST_FIRST.index(each.state))

    def describe_errors(self) -> str:
        """Return the errors of the jobs that have no result, the worst first, ten at most."""
        failed = self._list_failed()
        if len(self.each) == 1:
            return str(failed[0].error)
        states = Counter(each.state for each in self.each)
        order = (ResultState.COMPLETED, ResultState.SKIPPED, *_WORST_FIRST)
        counts = ", ".join(f"{states[state]} {state.words}" for state in order if states[state])
        texts = ((each, str(each.error).replace("\n", "\n    ")) for each in failed[:_SHOWN])
        lines = [f"{each.job_id}: {each.state.words}: {error}" for each, error in texts]
        if len(failed) > _SHOWN:
            lines.append(f"and {len(failed) - _SHOWN} more, see the XCom job_results")
        return "\n".join((f"{len(failed)} of {len(self.each)} jobs have no result ({counts}).", *lines))
