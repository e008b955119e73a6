"""Zuora: its paths, bodies, status words and errors; nothing else in the package speaks Zuora.

What its answers mean is in `zuora_answers`. Sources: developer.zuora.com, "Create an order asynchronously",
"Retrieve the status and response of a job", and recorded answers of production tenants.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from airflow_provider_zuora.core.errors import JobFailed, ResponseInfo
from airflow_provider_zuora.core.job import NO_STATUS, Job, JobResult, JobState, clean_job_id
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.core.vendors.zuora.order_page import (
    account_request,
    changes,
    difference,
    is_completed,
    never_completes,
    order_number,
    order_request,
    order_status_words,
    read_order,
)
from airflow_provider_zuora.core.vendors.zuora.responses import (
    JOBS,
    read_answer,
    read_contradiction,
    read_job_errors,
)

_SUBMISSIONS = {"order": "/v1/async/orders", "preview": "/v1/async/orders/preview"}


class Zuora(Vendor):
    """Zuora's asynchronous orders."""

    name = "zuora"
    title = "Zuora"
    environments: ClassVar[Mapping[str, str]] = {
        "US Developer & Central Sandbox": "https://rest.test.zuora.com",
        "US API Sandbox Cloud 1": "https://rest.sandbox.na.zuora.com",
        "US API Sandbox Cloud 2": "https://rest.apisandbox.zuora.com",
        "US Production Cloud 1": "https://rest.na.zuora.com",
        "US Production Cloud 2": "https://rest.zuora.com",
        "EU Developer & Central Sandbox": "https://rest.test.eu.zuora.com",
        "EU API Sandbox": "https://rest.sandbox.eu.zuora.com",
        "EU Production": "https://rest.eu.zuora.com",
        "APAC Developer & Central Sandbox": "https://rest.test.ap.zuora.com",
        "APAC Production": "https://rest.ap.zuora.com",
    }
    states: ClassVar[Mapping[str, JobState]] = {
        "processing": JobState.ACTIVE,
        "completed": JobState.SUCCEEDED,
        "failed": JobState.FAILED,
    }

    scope = ("Zuora-Entity-Ids", "Zuora-Org-Ids")
    track_id_header = "Zuora-Track-Id"
    keys = True
    zips = True

    def headers(self, fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the entity, organisation and version headers; what the connection leaves out is not sent."""
        names = {
            "entity_id": "Zuora-Entity-Ids",
            "org_ids": "Zuora-Org-Ids",
            "zuora_version": "Zuora-Version",
        }
        return {header: fields[name] for name, header in names.items() if fields[name]}

    def sign_in(self, credentials: Credentials) -> Request:
        """Return the form POST of the client credentials grant."""
        return credentials.grant("/oauth/token")

    def submission(self, kind: str, document: Mapping[str, Any], options: Mapping[str, Any]) -> Request:
        """Return the POST of an order or of a preview; the option is ``return_ids``."""
        return Request(
            "POST",
            _SUBMISSIONS[kind],
            params=(("returnIds", "true"),) if options.get("return_ids") else (),
            headers={"Content-Type": "application/json"},
            body=json.dumps(document, ensure_ascii=False, allow_nan=False).encode(),
        )

    def status(self, job_id: str) -> Request:
        """Return the GET of a job; the id is opaque, but for ``order:<orderNumber>``: the GET of an order."""
        if number := order_number(job_id):
            return order_request(number)
        return Request("GET", JOBS + quote(job_id, safe=""))

    def read(self, request: Request, response: Response, info: ResponseInfo) -> ParsedResponse:
        """Return what a response means."""
        return read_answer(request, response, info)

    def read_job_id(self, body: Mapping[str, Any]) -> str:
        """Return ``jobId``, an empty text if it is none that can be asked for."""
        return clean_job_id(body.get("jobId"))

    def read_job(self, job_id: str, body: Mapping[str, Any], info: ResponseInfo) -> Job:
        """
        Return the job; ``status`` decides about its state, and a completed job that says no has failed.

        Such a failure is no passing one: nobody knows how much of the order was carried out.
        """
        if order_number(job_id):
            return read_order(job_id, body, info)
        word, result = body.get("status"), body.get("result")
        state, status = self.state(word), word if isinstance(word, str) else ""
        if state is not JobState.SUCCEEDED:
            info, passing, locked = read_job_errors(body.get("errors"), info)
            return Job(job_id, state, status, transient=passing, info=info, locked=locked)
        denial = read_contradiction(body, info) or never_completes(result, info)
        if denial:
            return Job(job_id, JobState.FAILED, status, info=denial)
        return Job(job_id, state, status, result, info=info)

    def order(self, number: str) -> Request:
        """Return the GET of an order by its number."""
        return order_request(number)

    def account(self, document: Mapping[str, Any], order: Mapping[str, Any]) -> Request | None:
        """Return the GET of a found order's account, where more than its number has to be known."""
        return account_request(document, order)

    def difference(
        self, document: Mapping[str, Any], order: Mapping[str, Any], account: Mapping[str, Any]
    ) -> str:
        """Return what differs in account or order date."""
        return difference(document, order, account)

    def changes(self, document: Mapping[str, Any], order: Mapping[str, Any]) -> str:
        """Return what differs in the content of the order, as far as its page repeats it."""
        return changes(document, order)

    def read_result(self, job: Job, options: Mapping[str, Any]) -> JobResult:
        """
        Return the result; a completed job may hold an order that did not take effect.

        :param options: ``require_order_completed`` makes a failure of that, otherwise it is a warning.
        """
        result = JobResult.of_job(job)
        order = job.result if isinstance(job.result, dict) else {}
        status = order.get("status")
        is_required = options.get("require_order_completed")
        if result.error or is_completed(status) or (status is None and not is_required):
            return result
        number, word = (redact_words(order.get(name), WORD_LENGTH) for name in ("orderNumber", "status"))
        found = (
            f"Job {job.job_id} is {job.status}, but its order {number} is {word or NO_STATUS}, "
            f"not Completed: {order_status_words(status)}. Look at the order in Zuora."
        )
        if is_required:
            return JobResult(job.job_id, job, JobFailed(found, info=job.info))
        return JobResult(job.job_id, job, warning=found)
