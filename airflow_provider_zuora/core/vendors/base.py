"""What the package asks of a vendor, and of a kind of its jobs; no I/O, no state."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeAlias

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.job import NO_STATUS, Job, JobResult, JobState, clean_status
from airflow_provider_zuora.core.messages import ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.receipt import JobFacts

Document: TypeAlias = Mapping[str, Any]


class CheckedDocument(Protocol):
    """What can be submitted once: a document that breaks no rule, and the POST that submits it."""

    @property
    def kind(self) -> str:
        """Return the name of its kind in `Vendor.kinds`."""

    @property
    def document(self) -> dict[str, Any]:
        """Return the document in plain JSON types, secrets included."""

    @property
    def request(self) -> Request:
        """Return the POST that submits it, without a key."""

    @property
    def canonical(self) -> bytes:
        """Return the JSON text with sorted keys that equal documents have."""

    @property
    def content(self) -> str:
        """Return the SHA-256 of that, in hex."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the secret values in it, as texts."""

    @property
    def number(self) -> str | None:
        """Return the number that makes it the same one again, whoever submits it; None if it has none."""

    @property
    def mark(self) -> str | None:
        """Return what the vendor can be asked for to find out whether it exists; None if nothing is."""


class RepeatedSubmit(Enum):
    """What a submit request may do if it is sent again because its outcome is unknown."""

    HARMLESS = "it changes nothing that anybody keeps"
    KEYED = "an Idempotency-Key makes it the same one"
    NEITHER = "it may start the job twice"


@dataclass(frozen=True, slots=True)
class RunTotals:
    """What a run came to, as the vendor counts it besides the run's own status."""

    values: Mapping[str, Any]  # in plain JSON types, by our own names
    is_final: bool  # another read cannot tell more
    errors: int = 0
    message: str = ""  # the vendor's, of what went wrong
    is_of_now: bool = True  # False: it is of a run that was not as far


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job: all that sensor, trigger, bulk wait and events know of it."""

    prefix: str  # how its ids begin, empty for bare ones; the requests hold the id without it
    build_status_request: Callable[[str], Request]
    states: Mapping[str, JobState]  # by `fold_status`; with another word, or none, a job is polled on
    read_job: Callable[[str, Document, ResponseInfo], Job]  # by its whole id; raises `Unreadable` for no job
    read_result: Callable[[Job, Document], JobResult]  # of a job that has ended, by the task's options
    read_facts: Callable[[Job], JobFacts]  # of a job that has ended: its numbers and ids, for a receipt
    path: str = ""  # how the paths of its requests begin, for `classify`
    classify: Callable[[ParsedResponse], ResponseKind] | None = None  # of an answer there that is no good
    build_submit_request: Callable[[Document, Document], Request] | None = None  # of a document and options
    repeated_submit: RepeatedSubmit = RepeatedSubmit.NEITHER
    read_id: Callable[[Document], str] = lambda _: ""  # of the job that was started; empty if there is none
    build_cancel_request: Callable[[str], Request] | None = None  # None: it cannot be stopped
    build_totals_request: Callable[[str], Request] | None = None  # of a run that has ended
    read_totals: Callable[[Job, Document], RunTotals] | None = None  # raises `Unreadable` for none
    # Of what has ended when the vendor knows it no more; None: then nobody knows what became of it.
    read_absence: Callable[[str, ResponseInfo | None], Job] | None = None
    waiting: tuple[str, ...] = ()  # words of a run that begins at its time, by `fold_status`


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """How one job is polled, the same all through a wait."""

    job_id: str
    kind: JobKind
    request: Request
    kind_name: str  # as metrics have it


class Vendor(ABC):
    """What every vendor has: how to sign in, how to read its answers, and its kinds of jobs."""

    name: ClassVar[str]  # the connection type
    title: ClassVar[str]  # the name that people use
    environments: ClassVar[Mapping[str, str]]  # base URLs by the name of the environment
    pages: ClassVar[Mapping[str, str]] = {}  # web pages for people by base URL, where the vendor names them
    kinds: ClassVar[Mapping[str, JobKind]]  # of those with one prefix, the first one reads what was started
    sign_in_path: ClassVar[str]  # to which OAuth's client credentials grant is posted
    headers_by_field: ClassVar[Mapping[str, str]] = {}  # of a connection; for all requests but the sign-in
    scope_headers: ClassVar[tuple[str, ...]] = ()  # those that choose where a submission takes effect
    track_id_header: ClassVar[str] = ""  # empty if the vendor knows no Track-Id
    supports_idempotency_keys: ClassVar[bool] = False  # by an Idempotency-Key a repeated POST is the same one
    accepts_gzip: ClassVar[bool] = False  # for long requests
    # Method, and a pattern of all of the path without a query, of what changes nothing though it is no GET.
    reads: ClassVar[tuple[tuple[str, str], ...]] = ()
    check_path: ClassVar[str] = ""  # of a GET; that it is answered, by NOT_FOUND too, proves the headers

    def build_headers(self, fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the headers of every request but the sign-in."""
        return {header: fields[name] for name, header in self.headers_by_field.items() if fields[name]}

    def read_token_lifetime(self, grant: Mapping[str, Any], now: float) -> object:
        """Return how long a new token lasts, as the vendor states it; ``now`` is in epoch seconds."""
        return grant.get("expires_in")

    @abstractmethod
    def read_response(self, request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
        """Return what a response means; ``info`` holds what is known without reading its body."""

    def is_read(self, request: Request) -> bool:
        """Return whether a request, as it is spelt, is known to change nothing; a sign-in is one."""
        if request.method in ("GET", "HEAD"):
            return True
        reads = (("POST", re.escape(self.sign_in_path)), *self.reads)
        return any(request.method == method and re.fullmatch(path, request.path) for method, path in reads)

    def explain_refused_sign_in(self, info: ResponseInfo) -> str:
        """Return what is wrong if a sign-in is refused, and what to do, in sentences."""
        return f"{self.title} refuses the client id (login) or its secret (password): compare both."

    def explain_refused_check(self, info: ResponseInfo, fields: Mapping[str, Any]) -> str:
        """
        Return what is wrong with the connection if the GET of `check_path` is refused, empty if nothing is.

        :param fields: of the connection, as they were read.
        """
        return ""

    def advise(self, parsed: ParsedResponse) -> str:
        """Return what to do about an answer that is no good, in a sentence, or an empty text."""
        return ""

    def list_violations(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the rules that options of `read_result` break, a line each."""
        return ()

    def find_kind(self, job_id: str) -> JobKind:
        """Return the kind of a job by the prefix of its id; an unknown prefix is none."""
        prefix, colon, rest = job_id.partition(":")
        named = [kind for kind in self.kinds.values() if rest and kind.prefix == prefix + colon]
        return named[0] if named else next(kind for kind in self.kinds.values() if not kind.prefix)

    def name_kind(self, job_id: str) -> str:
        """Return the name of the kind of a job, by its id."""
        kind = self.find_kind(job_id)
        return next(name for name, each in self.kinds.items() if each is kind)

    def build_submit_request(self, kind: str, document: Document, options: Document) -> Request:
        """Return the request that starts a job of a kind; the document is in plain JSON types."""
        build = self.kinds[kind].build_submit_request
        if build is None:
            raise ValueError(f"no job of the kind {kind} is ever started")
        return build(document, options)

    def build_status_request(self, job_id: str) -> Request:
        """Return the request that reads a job."""
        kind = self.find_kind(job_id)
        return kind.build_status_request(job_id.removeprefix(kind.prefix))

    def read_result(self, job: Job, options: Document) -> JobResult:
        """Return what a job that has ended means to a task with these options."""
        return self.find_kind(job.job_id).read_result(job, options)

    def read_facts(self, job: Job) -> JobFacts:
        """Return what a job that has ended has made, as far as it says so."""
        return self.find_kind(job.job_id).read_facts(job)

    def describe(self, job: Job) -> str:
        """Return how far a job is that has not ended, in words that follow "the job"."""
        states = self.find_kind(job.job_id).states
        if is_known_status(job.status, states):
            return f"it is {job.status}"
        word = "it has no status" if job.status == NO_STATUS else f"its status is {job.status!r}"
        return f"{word}, which nobody documents; known are {', '.join(states)}"


def read_status(word: object, states: Mapping[str, JobState]) -> tuple[JobState, str]:
    """Return what a status word means, and the word redacted; with an unknown word a job is polled on."""
    if not isinstance(word, str):
        return JobState.ACTIVE, NO_STATUS
    if (state := states.get(word.lower())) is not None:
        return state, word
    return states.get(fold_status(word), JobState.ACTIVE), clean_status(word.strip())


def is_known_status(word: str, states: Mapping[str, JobState]) -> bool:
    """Return whether a status word is in a table; mostly it is spelt as there."""
    return word.lower() in states or fold_status(word) in states


def fold_status(word: str) -> str:
    """Return a status word as the tables have it; pages and answers of a vendor space words differently."""
    return re.sub(r"[\s_-]+", "", word).lower()
