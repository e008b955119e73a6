"""The plug for a vendor; a vendor's words are read there and nowhere else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.job import NO_STATUS, ORDER, Job, JobResult, JobState
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response


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
    track_id_header: ClassVar[str] = ""
    """The header that carries a Track-Id, empty if the vendor knows none."""
    keys: ClassVar[bool] = False
    """Whether an Idempotency-Key makes a repeated POST the same one."""
    zips: ClassVar[bool] = False
    """Whether a long request may be sent gzipped."""

    @abstractmethod
    def headers(self, fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the headers that a connection's fields ask for, for every request but the sign-in."""

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
    def read(self, request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
        """Return what a response means; `info` holds what is known of it without reading its body."""

    def advice(self, parsed: ParsedResponse) -> str:
        """Return what to do about an answer that is no good, in a sentence; empty for nothing."""
        return ""

    @abstractmethod
    def read_job_id(self, body: Mapping[str, Any]) -> str:
        """Return the id of the job that was started, an empty text where the body names none."""

    @abstractmethod
    def read_job(self, job_id: str, body: Mapping[str, Any], info: ResponseInfo) -> Job:
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
        """Return the rules that options of `read_result` break, a line each."""
        return ()

    @abstractmethod
    def read_result(self, job: Job, options: Mapping[str, Any]) -> JobResult:
        """Return what a job that has ended means to a task with these options."""
