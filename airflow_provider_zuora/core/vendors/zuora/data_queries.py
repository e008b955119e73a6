"""Zuora's Data Query: how one is started, how it is read, and where its file is.

Sources: developer.zuora.com, "Submit a data query", "Retrieve a data query", "Cancel a data query"; Knowledge
Center, "Zuora Data Query"; Zuora's own Ruby client for ``errorCode`` and ``errorMessage``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import Job, JobResult, JobState, clean_job_id
from airflow_provider_zuora.core.messages import ParsedResponse, Request, ResponseKind
from airflow_provider_zuora.core.receipt import JobFacts
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.vendors.base import JobKind, RepeatedSubmit, read_status
from airflow_provider_zuora.core.vendors.response_body import read_text
from airflow_provider_zuora.core.vendors.zuora.runs import read_count

PREFIX = "data-query:"
PATH = "/query/jobs"
_QUEUED = "accepted"
_STATES: Mapping[str, JobState] = {
    **dict.fromkeys(("submitted", _QUEUED, "inprogress"), JobState.ACTIVE),
    "completed": JobState.SUCCEEDED,
    **dict.fromkeys(("failed", "cancelled", "canceled"), JobState.FAILED),
}
# What a vendor's client repeats; the second one is permanent for tables that a tenant does not have.
_TRANSIENT_CODES = ("LINK_10000005", "LINK_30000007")
_ARCHIVE = (
    "If it fails in this way again, a table of the query is not available in this tenant, although it says "
    "otherwise (archived usage, for example)"
)
_REFUSED = (400, 415, 422)  # HTTP statuses; codes of eight digits there are none in this family


# Queries of a tenant that wait, by their source ("Zuora Data Query": limits); a further one is refused.
_QUEUES = {"LIVE": 10, "WAREHOUSE": 30}
QUEUED = {"queryStatus": _QUEUED}
"""Of a list, see `build_list_request`: the queries that wait."""
_MOST_LISTED = 1000
_FULL = re.compile(
    r"\bqueue\b.*\bfull\b|\b(?:too many|maximum number of|limit of)\b[a-z ]*\bquer(?:y|ies)\b", re.IGNORECASE
)


def build_list_request(params: Mapping[str, str]) -> Request:
    """Return the request that lists queries, the newest first; there is one page only."""
    return Request("GET", PATH, tuple({**params, "pageSize": str(_MOST_LISTED)}.items()))


def has_same_source(row: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Return whether a query in a list reads where ours does."""
    return _read_source(row) == _read_source(document)


def _read_source(query: Mapping[str, Any]) -> str:
    return str(query.get("sourceData", "LIVE"))


def is_full(waiting: int, document: Mapping[str, Any], info: ResponseInfo | None) -> bool:
    """Return whether a query was refused because too many wait: by their number, or as the refusal says."""
    says_so = info is not None and any(_FULL.search(message) for message in info.messages)
    return says_so or waiting >= _QUEUES[_read_source(document)]


def read_list(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the queries in an answer, each as `read_data` reads one alone."""
    rows = body.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def read_data(body: Any) -> Mapping[str, Any]:
    """Return what an answer says of a query, empty if it says nothing."""
    data = body.get("data") if isinstance(body, dict) else None
    return data if isinstance(data, dict) else {}


def _read_id(body: Mapping[str, Any]) -> str:
    """Return the job id in an answer about a query, or in a row of a list, empty if there is none."""
    found = clean_job_id((read_data(body) or body).get("id"))
    return f"{PREFIX}{found}" if found else ""


def read_link(body: Any) -> str:
    """Return the link to the file of a completed query, empty if there is none; who has it has the file."""
    return read_text(read_data(body).get("dataFile"))


def _read_job(job_id: str, body: Mapping[str, Any], info: ResponseInfo) -> Job:
    """Return the query as a job; neither its link, which is a secret, nor its text is kept."""
    data, asked = read_data(body), job_id.removeprefix(PREFIX)
    if (found := read_text(data.get("id"))) and found.lower() != asked.lower():
        words = f"The answer about {job_id} is about another query, {redact_words(found, WORD_LENGTH)}."
        raise Unreadable(words, info=info, transient=True)
    state, word = read_status(data.get("queryStatus"), _STATES)
    if state is JobState.SUCCEEDED:
        names = {"milliseconds": "processingTime", "source_data": "sourceData"}
        result = {name: data.get(theirs) for name, theirs in names.items()}
        return Job(job_id, state, word, {"rows": _read_rows(data), **result}, info=info)
    code, message = (read_text(data.get(name)) for name in ("errorCode", "errorMessage"))
    if not (code or message):
        return Job(job_id, state, word, info=info)
    is_transient = any(known in f"{code} {message}" for known in _TRANSIENT_CODES)
    messages = [message, _ARCHIVE] if _TRANSIENT_CODES[1] in f"{code} {message}" else [message]
    info = info.with_words(messages, [code] if code else [])
    return Job(job_id, state, word, transient=is_transient and state is JobState.FAILED, info=info)


def _read_rows(data: Mapping[str, Any]) -> int | None:
    """Return the number of rows, None if the answer does not say so: by it a cut file is recognized."""
    rows = data.get("outputRows")
    return int(rows) if isinstance(rows, float) and rows.is_integer() else read_count(rows)


def _read_facts(job: Job) -> JobFacts:
    found = job.result if isinstance(job.result, dict) else {}
    return JobFacts("data query", {"rows": found.get("rows"), "status": job.status})


def _classify(parsed: ParsedResponse) -> ResponseKind:
    """Return what an answer that is no good means: its ``code`` is the HTTP status, not a category."""
    is_refused = parsed.kind is ResponseKind.DENIED and parsed.info.status in _REFUSED
    return ResponseKind.REFUSED if is_refused else parsed.kind


def _build_submit_request(document: Mapping[str, Any], _: Mapping[str, Any]) -> Request:
    return Request.post_json(PATH, {**document, "output": {"target": "S3"}})


def _build_status_request(query_id: str) -> Request:
    return Request("GET", f"{PATH}/{quote(query_id, safe='')}")


DATA_QUERY = JobKind(
    prefix=PREFIX,
    build_status_request=_build_status_request,
    states=_STATES,
    read_job=_read_job,
    read_result=lambda job, _: JobResult.of_job(job),
    read_facts=_read_facts,
    path=PATH,
    classify=_classify,
    build_submit_request=_build_submit_request,
    repeated_submit=RepeatedSubmit.HARMLESS,
    read_id=_read_id,
    build_cancel_request=lambda query_id: replace(_build_status_request(query_id), method="DELETE"),
)
