"""Jobs, accounts and the plug for a vendor; a vendor's words are read here and nowhere else into ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from airflow_provider_zuora.core.errors import JobFailed, LockContention, ResponseInfo
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.validation import id_violation

ORDER = "order:"
"""How an id begins that stands for an order which was found by its number, its job being unknown."""
NO_STATUS = "without a status"
"""The status of a job that the vendor gives none."""


class JobState(Enum):
    """How far a job is; every status word of a vendor means one of these."""

    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(slots=True)
class Job:
    """
    A job as the vendor described it last.

    :param status: the vendor's own word, for example ``Completed``, in one printable line and not too long.
    :param result: the vendor's result, as parsed from JSON; None while the job is active or has failed.
    :param transient: True where the vendor calls a failure a passing one.
    :param info: the answer that this was read from; for a failed job its codes and messages are the job's.
    :param locked: True where it failed because something else held what it was to change.
    """

    job_id: str
    state: JobState
    status: str
    result: Any = None
    transient: bool = False
    info: ResponseInfo | None = None
    locked: bool = False

    def __post_init__(self) -> None:
        """Let the vendor's word in as `ResponseInfo` does its words."""
        self.status = redact_words(self.status, WORD_LENGTH) or NO_STATUS

    @property
    def ended(self) -> bool:
        """Say whether the job is over, well or badly."""
        return self.state is not JobState.ACTIVE

    def outcome(self) -> Any:
        """
        Return the result of a job that succeeded.

        :raises JobFailed: where the vendor says that the job failed; `LockContention` where on a lock.
        :raises ValueError: where the job has not ended.
        """
        if not self.ended:
            raise ValueError(f"job {self.job_id} has not ended: it is {self.status}")
        if self.state is JobState.FAILED:
            raise self.failure()
        return self.result

    def failure(self) -> JobFailed | LockContention:
        """Return the error of a job that failed."""
        kind = (
            "passing failure: submit again (a retry of a task that submits and waits does; else clear the "
            "submitting task)"
            if self.transient
            else "lasting failure"
        )
        return (LockContention if self.locked else JobFailed)(
            f"Job {self.job_id} ended as {self.status}; by the vendor's codes this is a {kind}.",
            info=self.info,
            transient=self.transient,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the job in plain JSON types, for a trigger's event."""
        members = _members(self)
        info = members.pop("info")
        answer = None if info is None else _members(info)
        if answer is not None:
            answer |= {"codes": list(info.codes), "messages": list(info.messages)}
        return {**members, "state": self.state.value, "answer": answer}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """
        Return the job that `as_dict` described.

        :raises ValueError, TypeError, KeyError: where it did not.
        """
        members = dict(values)
        answer = members.pop("answer")
        info = None
        if answer is not None:
            lists = {"codes": tuple(answer["codes"]), "messages": tuple(answer["messages"])}
            info = ResponseInfo(**{**answer, **lists})
        return cls(**{**members, "state": JobState(values["state"]), "info": info})


def _members(value: Job | ResponseInfo) -> dict[str, Any]:
    """Return the fields of a value by name; unlike asdict it copies nothing, a large result least of all."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def as_job_id(value: object) -> str:
    """Return the id in an answer, an empty text if it is none that can be kept and asked for."""
    job_id = value.strip() if isinstance(value, str) else ""
    return "" if id_violation(job_id) else job_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What the end of a job means to the task that waited for it.

    :param result: what the task returns.
    :param warning: what the task should say in its log, empty for nothing.
    :param skipped: why the task should count as skipped, empty where it should not.
    """

    result: Any
    warning: str = ""
    skipped: str = ""
