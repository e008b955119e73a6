"""Jobs, accounts and the plug for a vendor; a vendor's words are read here and nowhere else into ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar
from urllib.parse import urlencode

from airflow_provider_zuora.core.checks import (
    canonical_url,
    credential_violation,
    id_violation,
    url_violations,
)
from airflow_provider_zuora.core.errors import Answer, InvalidInput, JobFailed, LockContention
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.wire import Request, Response

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
    :param answer: the answer that this was read from; for a failed job its codes and messages are the job's.
    :param locked: True where it failed because something else held what it was to change.
    """

    job_id: str
    state: JobState
    status: str
    result: Any = None
    transient: bool = False
    answer: Answer | None = None
    locked: bool = False

    def __post_init__(self) -> None:
        """Let the vendor's word in as `Answer` does its words."""
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
            answer=self.answer,
            transient=self.transient,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the job in plain JSON types, for a trigger's event."""
        answer = None if self.answer is None else _members(self.answer)
        if answer is not None:
            answer |= {"codes": list(answer["codes"]), "messages": list(answer["messages"])}
        return {**_members(self), "state": self.state.value, "answer": answer}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """
        Return the job that `as_dict` described.

        :raises ValueError, TypeError, KeyError: where it did not.
        """
        answer = values["answer"]
        if answer is not None:
            lists = {"codes": tuple(answer["codes"]), "messages": tuple(answer["messages"])}
            answer = Answer(**{**answer, **lists})
        return cls(**{**values, "state": JobState(values["state"]), "answer": answer})


def _members(value: Job | Answer) -> dict[str, Any]:
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


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    Where to sign in, and as whom.

    :param base_url: scheme, host, port and path prefix; http only on loopback. Kept in its one spelling.
    :raises InvalidInput: where a field is missing or the URL is not one that a secret may be sent to.
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a connection that cannot work, before anything is sent."""
        object.__setattr__(self, "base_url", canonical_url(self.base_url))
        wrong = url_violations(self.base_url)
        for field_name, words, value in (
            ("login", "id", self.client_id),
            ("password", "secret", self.client_secret),
        ):
            if rule := credential_violation(value) if value else "is missing":
                wrong.append(f"{field_name}: the OAuth client {words} {rule}")
        if wrong:
            raise InvalidInput("The connection cannot be used; nothing was sent.", tuple(wrong))

    def grant(self, path: str) -> Request:
        """Return the form POST of OAuth's client credentials grant."""
        form = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "grant_type": "client_credentials",
        }
        return Request(
            "POST",
            path,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )


class Meaning(Enum):
    """
    What an answer means for the request that it answers; when to ask again hangs on this alone.

    The second value says whether asking again may help.
    """

    OK = "answered", False
    REFUSED = "refused", False
    DENIED = "refused before it was looked at", False
    NOT_FOUND = "refused, there is no such thing", False
    UNCLEAR = "refused, for a reason that nobody documents", False
    TOKEN = "the token is not accepted", False
    LIMITED = "a limit is reached, not processed", True
    HELD = "a limit is reached, not sent", True
    IN_PROGRESS = "the same request is still in progress", True
    LOCKED = "locked by another operation", True
    TEMPORARY = "a passing error, or one of the vendor's own", True
    GATEWAY = "no readable answer of the vendor's own, outcome unknown", True
    SILENCE = "no answer, outcome unknown", True
    TOO_LARGE = "the answer is larger than what is read", False

    @property
    def words(self) -> str:
        """Return the meaning in words, for messages."""
        return self.value[0]

    @property
    def transient(self) -> bool:
        """Say whether asking again may help."""
        return self.value[1]


@dataclass(slots=True)
class Reading:
    """
    One answer, understood: what it means, what it says, and its JSON body (None if there is none).

    :param whole: True only if all of the body came and could be read. A cut-off answer, a page, an answer
        without a body and none at all are not whole: they prove nothing about what the vendor keeps.
    :param arrived: True if all of the body came, whether or not it can be read.
    :param is_large: True if going over the body takes so long that no event loop is to wait for it.
    """

    meaning: Meaning
    answer: Answer
    body: Any = field(default=None, repr=False)
    whole: bool = False
    arrived: bool = False
    is_large: bool = False


class Vendor(ABC):
    """The plug for a vendor: which requests to send, and how to read the answers. Pure: no I/O, no state."""

    name: ClassVar[str]
    """The connection type."""
    title: ClassVar[str]
    """The name that people use."""
    environments: ClassVar[Mapping[str, str]]
    """Base URLs by the name of the environment."""
    states: ClassVar[Mapping[str, JobState]]
    """Every status word, in lower case; with a word that is not here, or none, a job goes on."""

    def state(self, word: object) -> JobState:
        """
        Return what a status word means, whatever its case.

        One that nobody documents is never success, and no failure either: the job is polled on, and its
        `Job.status` says the word.
        """
        return (
            self.states.get(word.strip().lower(), JobState.ACTIVE)
            if isinstance(word, str)
            else JobState.ACTIVE
        )

    def knows(self, job: Job) -> bool:
        """Return whether the status of a job is a word that is documented."""
        return (
            job.state is not JobState.ACTIVE
            or job.status.strip().lower() in self.states
            or job.job_id.startswith(ORDER)
        )

    def described(self, job: Job) -> str:
        """Return how far a job is that has not ended, in words that follow "the job"."""
        if self.knows(job):
            return f"it is {job.status}"
        word = "it has no status" if job.status == NO_STATUS else f"its status is {job.status!r}"
        return f"{word}, which nobody documents; known are {', '.join(self.states)}"

    scope: ClassVar[tuple[str, ...]] = ()
    """Those of the headers that choose where a submission takes effect."""
    keys: ClassVar[bool] = False
    """Whether an Idempotency-Key makes a repeated POST the same one."""
    zips: ClassVar[bool] = False
    """Whether a long request may be sent gzipped."""

    @abstractmethod
    def headers(self, fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the headers that a connection's fields ask for, for every request but the sign-in."""

    def tracking(self, track_id: str) -> Mapping[str, str]:
        """Return the headers that carry a Track-Id, none where the vendor has no such thing."""
        return {}

    @abstractmethod
    def sign_in(self, credentials: Credentials) -> Request:
        """Return the request that asks for a token."""

    def token_seconds(self, grant: Mapping[str, Any], now: float) -> object:
        """Return how long a new token lasts, as the vendor states it; ``now`` is in epoch seconds."""
        return grant.get("expires_in")

    @abstractmethod
    def submission(self, kind: str, document: Mapping[str, Any], options: Mapping[str, Any]) -> Request:
        """Return the request that starts a job of this kind; the document is in plain JSON types."""

    @abstractmethod
    def status(self, job_id: str) -> Request:
        """Return the request that reads a job."""

    @abstractmethod
    def read(self, request: Request, response: Response, answer: Answer) -> Reading:
        """Return what a response means; `answer` holds what is known of it without reading its body."""

    def advice(self, reading: Reading) -> str:
        """Return what to do about an answer that is no good, in a sentence; empty for nothing."""
        return ""

    @abstractmethod
    def read_job_id(self, body: Mapping[str, Any]) -> str:
        """Return the id of the job that was started, an empty text where the body names none."""

    @abstractmethod
    def read_job(self, job_id: str, body: Mapping[str, Any], answer: Answer) -> Job:
        """Return the job that the body describes, or raise `Unreadable`."""

    def file(self, job_id: str) -> Request:
        """Return the request that asks for the link to a job's file."""
        raise NotImplementedError(f"{self.title} has no files")

    def read_link(self, body: Mapping[str, Any]) -> str:
        """Return the link to a file, an empty text where the body holds none."""
        raise NotImplementedError(f"{self.title} has no files")

    def order(self, number: str) -> Request:
        """Return the request that reads an order by its number."""
        raise NotImplementedError(f"{self.title} has no orders by number")

    def account(self, document: Mapping[str, Any], order: Mapping[str, Any]) -> Request | None:
        """
        Return the request that reads what `difference` has to know of an order's account, None for nothing.

        :param document: the order that we would submit; ``order``: the body of the one that was found.
        """
        raise NotImplementedError(f"{self.title} has no orders by number")

    def difference(
        self, document: Mapping[str, Any], order: Mapping[str, Any], account: Mapping[str, Any]
    ) -> str:
        """Return what tells a found order from the one that we would submit, empty where it is ours."""
        raise NotImplementedError(f"{self.title} has no orders by number")

    def changes(self, document: Mapping[str, Any], order: Mapping[str, Any]) -> str:
        """Return what we would submit otherwise than a found order was, empty where nothing is known."""
        raise NotImplementedError(f"{self.title} has no orders by number")

    def violations(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the rules that options of `outcome` break, a line each."""
        return ()

    @abstractmethod
    def outcome(self, job: Job, options: Mapping[str, Any]) -> Outcome:
        """Return what the end of a job means, or raise `JobFailed`."""
