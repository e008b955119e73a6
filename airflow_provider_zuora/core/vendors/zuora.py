"""Zuora: its paths, bodies, status words and errors; nothing else in the package speaks Zuora.

Sources: developer.zuora.com, "Create an order asynchronously", "Retrieve the status and response of a job",
"Error handling", "Error codes", "Rate limits", and recorded answers of production tenants.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from airflow_provider_zuora.core.errors import Answer, JobFailed, Unreadable
from airflow_provider_zuora.core.jobs import Credentials, Job, JobState, Meaning, Outcome, Reading, Vendor
from airflow_provider_zuora.core.wire import Request, Response

_JOBS = "/v1/async-jobs/"
_SUBMISSIONS = {"order": "/v1/async/orders", "preview": "/v1/async/orders/preview"}

# "Error codes": the last two digits of a code are its category.
_CATEGORIES = {
    **dict.fromkeys((10, 20, 21, 22, 23, 27, 30, 40, 45, 90), Meaning.REFUSED),
    **dict.fromkeys((60, 61, 99), Meaning.TEMPORARY),
    11: Meaning.TOKEN,
    50: Meaning.LOCKED,
    70: Meaning.LIMITED,
}
# Several reasons at once: the first of these that is among them decides; all must be passing ones to repeat.
_WEIGHT = (Meaning.TOKEN, Meaning.REFUSED, Meaning.TEMPORARY, Meaning.LOCKED, Meaning.LIMITED)
# What the HTTP status says where no code does.
_STATUSES = {
    401: Meaning.TOKEN,
    408: Meaning.GATEWAY,
    409: Meaning.IN_PROGRESS,
    429: Meaning.LIMITED,
    **dict.fromkeys((502, 503, 504), Meaning.GATEWAY),
}
_TRANSIENT_JOB_CATEGORIES = {50, 61}  # a failed job of another category stays failed

# A job's `errors`: "[40000050]: text", sometimes without the colon, possibly several.
_JOB_ERROR = re.compile(r"\[(\d{8})\]:?\s*")
_PAGE_TITLE = re.compile(r"<(title|h1)[^>]*>\s*([^<]+?)\s*<", re.IGNORECASE)
_EDGE_LIMIT = re.compile(r"request exceeded limit", re.IGNORECASE)
_MESSAGE_LENGTH = 1000


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

    def headers(self, extra: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the entity, organisation and version headers; what extra leaves out is not sent."""
        names = {
            "entity_id": "Zuora-Entity-Ids",
            "org_ids": "Zuora-Org-Ids",
            "zuora_version": "Zuora-Version",
        }
        given = {header: extra.get(name) for name, header in names.items()}
        return {
            header: ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value).strip()
            for header, value in given.items()
            if value not in (None, "", [])
        }

    def tracking(self, track_id: str) -> Mapping[str, str]:
        """Return the Zuora-Track-Id header."""
        return {"Zuora-Track-Id": track_id}

    def sign_in(self, credentials: Credentials) -> Request:
        """Return the form POST of the client credentials grant."""
        form = {
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "grant_type": "client_credentials",
        }
        return Request(
            "POST",
            "/oauth/token",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )

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
        """Return the GET of a job; the id is opaque."""
        return Request("GET", _JOBS + quote(job_id, safe=""))

    def read(self, request: Request, response: Response, answer: Answer) -> Reading:
        """Return what a response means, whichever of Zuora's body shapes it has."""
        try:
            body = json.loads(response.body) if response.body and not response.damage else None
        except (ValueError, RecursionError):
            return _unreadable(response, answer)
        if response.damage or (response.body and not isinstance(body, (dict, list))):
            return _unreadable(response, answer)
        fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
        reasons = [(_text(code), _text(message)) for code, message in _reasons(fields)]
        answer = replace(
            answer,
            codes=tuple(code for code, _ in reasons),
            messages=tuple(message[:_MESSAGE_LENGTH] for _, message in reasons),
            request_id=_text(fields.get("requestId")) or response.header("Zuora-Request-Id"),
            process_id=_text(fields.get("processId")),
        )
        return Reading(_meaning(request, response.status, fields, answer), answer, body)

    def read_job_id(self, body: Mapping[str, Any]) -> str:
        """Return ``jobId``."""
        job_id = body.get("jobId")
        return job_id.strip() if isinstance(job_id, str) else ""

    def read_job(self, job_id: str, body: Mapping[str, Any], answer: Answer) -> Job:
        """Return the job; its state is decided by ``status`` alone, never by ``success``."""
        word = body.get("status")
        if not isinstance(word, str):
            raise Unreadable(f"The answer about job {job_id} holds no status.", answer=answer)
        reasons = list(_job_reasons(body.get("errors")))
        codes = tuple(code for code, _ in reasons)
        messages = tuple(text[:_MESSAGE_LENGTH] for _, text in reasons)
        categories = [_category(code) for code in codes]
        return Job(
            job_id,
            self.state(word, answer),
            word,
            result=body.get("result"),
            transient=bool(categories) and _TRANSIENT_JOB_CATEGORIES.issuperset(categories),
            answer=replace(answer, codes=codes, messages=messages),
        )

    def outcome(self, job: Job, options: Mapping[str, Any]) -> Outcome:
        """
        Return the result; a completed job may hold an order that did not take effect.

        :param options: ``require_order_completed`` makes a failure of that, otherwise it is a warning.
        """
        result = job.outcome()
        order = result if isinstance(result, dict) else {}
        status = order.get("status")
        if status == "Completed" or (status is None and not options.get("require_order_completed")):
            return Outcome(result)
        found = (
            f"Job {job.job_id} is {job.status}, but its order {order.get('orderNumber') or ''} is "
            f"{status or 'without a status'}, not Completed: it may wait for an activation, an acceptance "
            "or a missing trigger date. Look at the order in Zuora."
        )
        if options.get("require_order_completed"):
            raise JobFailed(found, answer=job.answer)
        return Outcome(result, warning=found)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _unreadable(response: Response, answer: Answer) -> Reading:
    """Read a body that is no JSON: a gateway's or the edge's page, a cut-off or an over-long answer."""
    text = response.body.decode("utf-8", "replace")
    page = _PAGE_TITLE.search(text)
    seen = response.damage or (page[2] if page else f"{len(response.body)} bytes that are no JSON")
    answer = replace(answer, messages=(seen[:200],), request_id=response.header("Zuora-Request-Id"))
    meaning = _STATUSES.get(response.status, Meaning.REFUSED)
    # A 403 page is the edge's, not Zuora's word about a permission.
    if response.status < 300 or response.status >= 500 or (response.status == 403 and "<" in text):
        meaning = Meaning.GATEWAY
    return Reading(meaning, answer)


def _reasons(body: Mapping[str, Any]) -> Iterator[tuple[object, object]]:
    """Yield code and message of every error in the body, from each shape that Zuora answers with."""
    for name, code, message in (("reasons", "code", "message"), ("Errors", "Code", "Message")):
        rows = body.get(name)
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict):
                yield row.get(code), row.get(message)
    error = body.get("error")
    if isinstance(error, dict):
        yield error.get("code"), error.get("message")
    elif error:
        yield error, body.get("message") or body.get("error_description")
    elif body.get("message"):
        yield body.get("code"), body["message"]
    for code, message in (("FaultCode", "FaultMessage"), ("faultcode", "faultstring")):
        if body.get(code) or body.get(message):
            yield body.get(code), body.get(message)


def _category(code: str) -> int:
    """Return the category of a code of eight digits, or of two; -1 where the code is a word."""
    return int(code[-2:]) if code.isdecimal() and len(code) in (2, 8) else -1


def _meaning(  # noqa: PLR0911 - one line for each row of the taxonomy
    request: Request, status: int, body: Mapping[str, Any], answer: Answer
) -> Meaning:
    """Return what the status, the ``success`` flag and the codes mean together."""
    read_a_job = request.path.startswith(_JOBS) and isinstance(body.get("status"), str)
    refused = body.get("success") is False or body.get("Success") is False
    if status < 300 and (read_a_job or not (refused or _complains(body, answer))):
        return Meaning.OK
    if status == 409 and body.get("jobId") and not refused:
        return Meaning.OK  # an older reading of the guide: the first answer comes back as a 409
    if status in (401, 429, 502, 503, 504):
        return _STATUSES[status]
    if any(_EDGE_LIMIT.search(message) for message in answer.messages):
        return Meaning.LIMITED
    if status >= 500:
        return Meaning.TEMPORARY if answer.messages or answer.codes else Meaning.GATEWAY
    found = {_CATEGORIES.get(_category(code)) for code in answer.codes}
    if status == 409 and Meaning.LOCKED not in found:
        told = any("idempoten" in message.lower() for message in answer.messages)
        in_progress = told or not any(answer.codes)
        return Meaning.IN_PROGRESS if in_progress else Meaning.REFUSED
    if known := [meaning for meaning in _WEIGHT if meaning in found]:
        return Meaning.REFUSED if None in found and known[0].transient else known[0]
    return _STATUSES.get(status, Meaning.REFUSED)


def _complains(body: Mapping[str, Any], answer: Answer) -> bool:
    """Say whether a 2xx body without ``success: false`` is an error all the same; with a jobId it is none."""
    if body.get("success") is True or body.get("Success") is True or body.get("jobId"):
        return False
    marks = ("reasons", "Errors", "FaultCode", "faultcode", "error")
    return any(body.get(mark) for mark in marks) or any(map(_EDGE_LIMIT.search, answer.messages))


def _job_reasons(errors: object) -> Iterator[tuple[str, str]]:
    """Yield code and text of a job's ``errors``: null, a text, an object or a list of these."""
    for error in errors if isinstance(errors, list) else [errors]:
        if isinstance(error, dict) and (error.get("code") or error.get("message")):
            yield _text(error.get("code")), _text(error.get("message"))
        elif error:
            lead, *pairs = _JOB_ERROR.split(str(error))
            if lead.strip() or not pairs:
                yield "", lead.strip()
            yield from zip(pairs[::2], (text.strip() for text in pairs[1::2]), strict=True)
