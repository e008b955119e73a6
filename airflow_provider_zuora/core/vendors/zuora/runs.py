"""What bill runs and payment runs have in common: how one is submitted, and how its answers name it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import Job, JobState, clean_job_id
from airflow_provider_zuora.core.json_types import CANONICAL
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.receipt import JobFacts
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.vendors.base import read_status
from airflow_provider_zuora.core.vendors.response_body import read_text

_DIGITS = 18  # of a number of 64 bits


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A run that breaks no rule; what `CheckedDocument` asks of it."""

    secrets: ClassVar[tuple[str, ...]] = ()
    number: ClassVar[str | None] = None  # the tenant gives it one
    kind: str
    document: dict[str, Any] = field(repr=False)
    request: Request
    canonical: bytes = field(repr=False)
    content: str
    mark: str | None = None  # the name to look it up by

    @classmethod
    def of(cls, kind: str, path: str, document: dict[str, Any]) -> CheckedRun:
        """Return a run of a kind that is submitted by a POST to a path."""
        canonical = CANONICAL.encode(document).encode()
        content = hashlib.sha256(canonical).hexdigest()
        return cls(kind, document, Request.post_json(path, document), canonical, content)


def read_run(
    job_id: str,
    body: Mapping[str, Any],
    info: ResponseInfo,
    *,
    states: Mapping[str, JobState],
    number: str,
) -> Job:
    """
    Return a run as a job, whose result is all that the answer says of it.

    :param number: the field that holds its number, for example ``billRunNumber``.
    :raises Unreadable: if the answer is about another run.
    """
    asked = job_id.partition(":")[2]
    found = [text for name in ("id", number) if (text := read_text(body.get(name)))]
    if found and asked not in found:
        words = f"The answer about {job_id} is about another run, {redact_words(found[0], WORD_LENGTH)}."
        raise Unreadable(words, info=info, transient=True)
    state, word = read_status(body.get("status"), states)
    if state is JobState.SUCCEEDED:
        return Job(job_id, state, word, {name: body[name] for name in body if name != "success"}, info=info)
    message = read_text(body.get("errorMessage"))
    return Job(job_id, state, word, info=info.with_words([message]) if message else info)


def read_run_facts(kind: str, number: str, job: Job) -> JobFacts:
    """Return number and status of a run of a kind; its name may say more than a number does."""
    page = job.result if isinstance(job.result, dict) else {}
    return JobFacts(kind, {f"{kind}_number".replace(" ", "_"): page.get(number), "status": job.status})


def read_count(value: object) -> int | None:
    """Return a whole number of an answer, None if it has none."""
    text = read_text(value).strip()
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None


def read_run_id(prefix: str, body: Mapping[str, Any]) -> str:
    """Return the job id of a run that was created, empty if the answer names none."""
    found = clean_job_id(body.get("id"))
    return f"{prefix}{found}" if found else ""
