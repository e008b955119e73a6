"""What the package asks of a vendor, and of a kind of its jobs; pure: no I/O, no state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.job import NO_STATUS, Job, JobResult, JobState, clean_status
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response

Document: TypeAlias = Mapping[str, Any]


class RepeatedSubmit(Enum):
    """What a submit request may do that is sent for another time because its outcome is unknown."""

    HARMLESS = "it changes nothing that anybody keeps"
    KEYED = "an Idempotency-Key makes it the same one"
    NEITHER = "it may start the job twice"


@dataclass(frozen=True, slots=True)
class JobKind:
    """
    One kind of job: all that sensor, trigger, bulk wait and events know of it.

    :param prefix: how its ids begin, empty for bare ones; what is asked and read is the id without it.
    :param build_status_request: makes the request that reads a job.
    :param states: every status word, in lower case; with a word that is not here, or none, a job goes on.
    :param read_job: reads a job of an answer's body, or raises `Unreadable`; its arguments are the whole id,
        the body, and what is known of the answer.
    :param read_result: says what a job that has ended means to a task with these options.
    :param build_submit_request: makes the request that starts a job of a document in plain JSON types, and of
        options; None: such a job is never started.
    :param repeated_submit: what a submit request may do that is repeated.
    :param read_id: returns the id in the answer to a submit request, an empty text if it names none.
    :param build_cancel_request: makes the request that stops a job; None: it cannot be stopped.
    :param build_lookup_request: makes the request that finds out whether a submission came through; None:
        nothing can.
    """

    prefix: str
    build_status_request: Callable[[str], Request]
    states: Mapping[str, JobState]
    read_job: Callable[[str, Document, ResponseInfo], Job]
    read_result: Callable[[Job, Document], JobResult]
    build_submit_request: Callable[[Document, Document], Request] | None = None
    repeated_submit: RepeatedSubmit = RepeatedSubmit.NEITHER
    read_id: Callable[[Document], str] = lambda _: ""
    build_cancel_request: Callable[[str], Request] | None = None
    build_lookup_request: Callable[[Document], Request] | None = None


class Vendor(ABC):
    """What every vendor has: how to sign in, how to read its answers, and its kinds of jobs."""

    name: ClassVar[str]
    """The connection type."""
    title: ClassVar[str]
    """The name that people use."""
    environments: ClassVar[Mapping[str, str]]
    """Base URLs by the name of the environment."""
    kinds: ClassVar[Mapping[str, JobKind]]
    """The kinds of jobs by their names; of those that share a prefix the first one reads what was started."""
    scope_headers: ClassVar[tuple[str, ...]] = ()
    """Those of the headers that choose where a submission takes effect."""
    track_id_header: ClassVar[str] = ""
    """The header that carries a Track-Id, empty if the vendor knows none."""
    supports_idempotency_keys: ClassVar[bool] = False
    """Whether an Idempotency-Key makes a repeated POST the same one."""
    accepts_gzip: ClassVar[bool] = False
    """Whether a long request may be sent gzipped."""

    @abstractmethod
    def build_headers(self, fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the headers that a connection's fields ask for, for every request but the sign-in."""

    @abstractmethod
    def build_sign_in(self, credentials: Credentials) -> Request:
        """Return the request that asks for a token."""

    def read_token_lifetime(self, grant: Mapping[str, Any], now: float) -> object:
        """Return how long a new token lasts, as the vendor states it; ``now`` is in epoch seconds."""
        return grant.get("expires_in")

    @abstractmethod
    def read_response(self, request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
        """Return what a response means; ``info`` holds what is known of it without reading its body."""

    def advise(self, parsed: ParsedResponse) -> str:
        """Return what to do about an answer that is no good, in a sentence; empty for nothing."""
        return ""

    def list_violations(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the rules that options of `read_result` break, a line each."""
        return ()

    @lru_cache(1024)  # noqa: B019 - there is one of each vendor, and as many kinds as fingers
    def find_kind(self, prefix: str) -> JobKind:
        """
        Return the kind of the jobs whose ids begin with ``prefix:``; an unknown one begins a bare id.

        :param prefix: what stands before the first colon.
        """
        kinds = self.kinds.values()
        named = (kind for kind in kinds if kind.prefix == f"{prefix}:")
        return next(named, None) or next(kind for kind in kinds if not kind.prefix)

    def kind_of(self, job_id: str) -> JobKind:
        """Return the kind of a job."""
        prefix, _, rest = job_id.partition(":")
        return self.find_kind(prefix if rest else "")

    def build_submit_request(self, kind: str, document: Document, options: Document) -> Request:
        """Return the request that starts a job of a kind; the document is in plain JSON types."""
        build = self.kinds[kind].build_submit_request
        if build is None:
            raise ValueError(f"no job of the kind {kind} is ever started")
        return build(document, options)

    def read_job_id(self, body: Document, kind: str = "") -> str:
        """Return the id of the job that was started, an empty text if the body names none."""
        started = self.kinds[kind] if kind else self.find_kind("")
        job_id = started.read_id(body)
        return job_id and started.prefix + job_id

    def build_status_request(self, job_id: str) -> Request:
        """Return the request that reads a job."""
        kind = self.kind_of(job_id)
        return kind.build_status_request(job_id.removeprefix(kind.prefix))

    def read_job(self, job_id: str, body: Document, info: ResponseInfo) -> Job:
        """Return the job that the body describes, or raise `Unreadable`."""
        return self.kind_of(job_id).read_job(job_id, body, info)

    def read_result(self, job: Job, options: Document) -> JobResult:
        """Return what a job that has ended means to a task with these options."""
        return self.kind_of(job.job_id).read_result(job, options)

    def is_documented(self, job: Job) -> bool:
        """Return whether the status of a job is a word that is documented."""
        if job.state is not JobState.ACTIVE:
            return True
        return job.status.strip().lower() in self.kind_of(job.job_id).states

    def describe(self, job: Job) -> str:
        """Return how far a job is that has not ended, in words that follow "the job"."""
        if self.is_documented(job):
            return f"it is {job.status}"
        word = "it has no status" if job.status == NO_STATUS else f"its status is {job.status!r}"
        known = ", ".join(self.kind_of(job.job_id).states)
        return f"{word}, which nobody documents; known are {known}"


def read_status(word: object, states: Mapping[str, JobState]) -> tuple[JobState, str]:
    """
    Return what a status word means, whatever its case, and the word in one printable line.

    One that nobody documents is never success, and no failure either: the job is polled on.
    """
    if not isinstance(word, str):
        return JobState.ACTIVE, NO_STATUS
    if (state := states.get(word.lower())) is not None:
        return state, word
    return states.get(word.strip().lower(), JobState.ACTIVE), clean_status(word)
