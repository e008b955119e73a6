"""What bill runs and payment runs have in common: their answers name the run, its number and its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import Job, JobState, clean_job_id
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.vendors.base import read_status
from airflow_provider_zuora.core.vendors.response_body import read_text


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


def read_run_id(prefix: str, body: Mapping[str, Any]) -> str:
    """Return the job id of a run that was created, empty if the answer names none."""
    found = clean_job_id(body.get("id"))
    return f"{prefix}{found}" if found else ""
