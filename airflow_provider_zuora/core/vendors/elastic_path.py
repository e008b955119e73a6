"""Elastic Path Commerce Cloud: its paths, bodies and status words; nothing else in the package speaks it.

What its answers mean is in `elastic_path_answers`. Sources: elasticpath.dev, "Get a Job", "Create a Job",
"Client credential token", and the documentation of the same service under its former name, Moltin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from airflow_provider_zuora.core.errors import InvalidInput, JobFailed, ResponseInfo
from airflow_provider_zuora.core.job import Job, JobResult, JobState, clean_job_id
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response, ResponseKind
from airflow_provider_zuora.core.redaction import describe_value
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.core.vendors.elastic_path_answers import read_answer

_JOBS = "/v2/jobs"
_EMPTY = "no results matched the supplied filter"
_ABOUT = ("id", "type", "job_type", "status", "timestamps")  # not `link`: who has it, has the orders
_SAID = 64 * 1024  # characters of a job's error that are read
_EMPTY_EXPORTS = ("fail", "skip")


class ElasticPath(Vendor):
    """Elastic Path's order exports."""

    name = "elastic_path"
    title = "Elastic Path"
    environments: ClassVar[Mapping[str, str]] = {
        "US East": "https://useast.api.elasticpath.com",
        "EU West": "https://euwest.api.elasticpath.com",
    }
    # The union of what "Get a Job", Moltin's documentation and the sibling services' call them.
    states: ClassVar[Mapping[str, JobState]] = {
        **dict.fromkeys(("pending", "started", "processing", "cancelling"), JobState.ACTIVE),
        **dict.fromkeys(("success", "complete", "completed"), JobState.SUCCEEDED),
        **dict.fromkeys(("failed", "cancelled", "canceled"), JobState.FAILED),
    }

    def headers(self, fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Return no headers: a client id belongs to one store."""
        return {}

    def sign_in(self, credentials: Credentials) -> Request:
        """Return the form POST of the client credentials grant."""
        return credentials.grant("/oauth/access_token")

    def token_seconds(self, grant: Mapping[str, Any], now: float) -> object:
        """Return ``expires_in``, which no clock has a part in; else what is left until ``expires``."""
        until = grant.get("expires")
        if grant.get("expires_in") is None and isinstance(until, (int, float)):
            return until - now
        return grant.get("expires_in")

    def submission(self, kind: str, document: Mapping[str, Any], options: Mapping[str, Any]) -> Request:
        """Return the POST of a job of this ``job_type``; the document holds its ``filter``."""
        data = {"type": "job", "job_type": kind, **document}
        return Request(
            "POST",
            _JOBS,
            headers={"Content-Type": "application/json"},
            body=json.dumps({"data": data}, ensure_ascii=False).encode(),
        )

    def status(self, job_id: str) -> Request:
        """Return the GET of a job; the id is opaque."""
        return Request("GET", f"{_JOBS}/{quote(job_id, safe='')}")

    def file(self, job_id: str) -> Request:
        """Return the GET of the link to a job's file."""
        return Request("GET", f"{_JOBS}/{quote(job_id, safe='')}/file")

    def read(self, request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
        """Return what a response means."""
        return read_answer(response, info, self.states)

    def advice(self, parsed: ParsedResponse) -> str:
        """Return what to do about a job that is not known."""
        of_a_job = parsed.info.asked.startswith(f"GET {_JOBS}/")
        if parsed.kind is not ResponseKind.NOT_FOUND or not of_a_job:
            return ""
        return "A job is forgotten a week after it was created: export again."

    def read_job_id(self, body: Mapping[str, Any]) -> str:
        """Return the id in ``data``, which is an object, or a list of one."""
        return clean_job_id(_only(body.get("data")).get("id"))

    def read_job(self, job_id: str, body: Mapping[str, Any], info: ResponseInfo) -> Job:
        """Return the job; its state is decided by ``status`` alone."""
        data = _only(body.get("data"))
        word = data.get("status")
        state = self.state(word)
        if error := data.get("error"):
            info = info.with_words([describe_value(error, _SAID)])
        succeeded = state is JobState.SUCCEEDED
        about = {name: data[name] for name in _ABOUT if name in data} | {"id": job_id}
        status = word if isinstance(word, str) else ""
        return Job(job_id, state, status, about if succeeded else None, info=info)

    def read_link(self, body: Mapping[str, Any]) -> str:
        """Return ``href``, in ``data`` as documented, or bare as the sibling services answer."""
        link = (_only(body.get("data")) or body).get("href")
        return link.strip() if isinstance(link, str) else ""

    def violations(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Refuse another ``empty_export`` than ``fail`` and ``skip``."""
        wanted = options.get("empty_export", "fail")
        return () if wanted in _EMPTY_EXPORTS else (f"empty_export: must be fail or skip, not {wanted!r}",)

    def read_result(self, job: Job, options: Mapping[str, Any]) -> JobResult:
        """
        Return what is known of the export; an empty one is a failed job to Elastic Path.

        :param options: ``empty_export``: ``fail``, or ``skip``: an empty export is no failure.
        """
        if wrong := self.violations(options):
            return JobResult(job.job_id, job, InvalidInput("The job has ended.", wrong))
        said = " ".join(job.info.messages).lower() if job.info else ""
        if job.state is not JobState.FAILED or _EMPTY not in said:
            return JobResult.of_job(job)
        found = f"Job {job.job_id} ended as {job.status}: the export is empty, no order matched its filter."
        if options.get("empty_export") == "skip":
            return JobResult(job.job_id, job, skipped=found)
        error = JobFailed(f"{found} empty_export='skip' makes no failure of that.", info=job.info)
        return JobResult(job.job_id, job, error)


def _only(data: object) -> Mapping[str, Any]:
    """Return the one object that is meant: ``data`` itself, or the only one of a list; else an empty one."""
    rows = data if isinstance(data, list) else [data]
    return rows[0] if len(rows) == 1 and isinstance(rows[0], dict) else {}
