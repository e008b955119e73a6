"""Zuora's asynchronous orders and previews: how one is started, how its job is read, what its result means.

Sources: developer.zuora.com, "Create an order asynchronously", "Preview an order asynchronously", "Retrieve
the status and response of a job", and recorded answers of production tenants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import JobFailed, ResponseInfo
from airflow_provider_zuora.core.job import NO_STATUS, Job, JobResult, JobState, clean_job_id
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.receipt import JobFacts, count_rows, list_words
from airflow_provider_zuora.core.redaction import WORD_LENGTH, describe_value, redact_words
from airflow_provider_zuora.core.vendors.base import JobKind, RepeatedSubmit, read_status
from airflow_provider_zuora.core.vendors.response_body import TEXT_LENGTH, read_text
from airflow_provider_zuora.core.vendors.zuora import error_codes

_STATES: Mapping[str, JobState] = {
    "processing": JobState.ACTIVE,
    "completed": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
}
# What the status of an order means (the SDK's order_status; Reverted until April 2026), and in words.
ORDER_STATUSES: Mapping[str, tuple[JobState, str]] = {
    "completed": (JobState.SUCCEEDED, "it is carried out"),
    "pending": (
        JobState.SUCCEEDED,
        "it may wait for an activation, an acceptance or a missing trigger date, or hold what cannot be done",
    ),
    "executing": (JobState.ACTIVE, "Zuora is carrying it out"),
    "scheduled": (JobState.ACTIVE, "Zuora carries it out at its scheduled date"),
    "draft": (JobState.FAILED, "it is a draft, which Zuora does not carry out"),
    "failed": (JobState.FAILED, "Zuora could not carry it out"),
    **dict.fromkeys(("cancelled", "canceled"), (JobState.FAILED, "it was cancelled")),
    "reverted": (JobState.FAILED, "what it had done was undone"),
}
UNKNOWN_STATUS = (JobState.ACTIVE, "what that means nobody documents")
_LOCK = 50
_PREVIEW = "AsyncPreviewOrder"
# What the result of an order has by numbers, and with returnIds by ids, by our own names.
_FACTS = {
    "order_number": "orderNumber",
    "order_id": "orderId",
    "status": "status",
    "account_number": "accountNumber",
    "account_id": "accountId",
    "subscription_numbers": "subscriptionNumbers",
    "subscription_ids": "subscriptionIds",
    "invoice_numbers": "invoiceNumbers",
    "invoice_ids": "invoiceIds",
    "credit_memo_numbers": "creditMemoNumbers",
    "credit_memo_ids": "creditMemoIds",
    "payment_number": "paymentNumber",
    "payment_id": "paymentId",
}
_TRANSIENT_CATEGORIES = {_LOCK, 61}  # of error codes; a failed job of another category stays failed
# A job's `errors`: "[40000050]: text", sometimes without the colon, possibly several.
_JOB_ERROR = re.compile(r"\[([0-9]{8})\]:?\s*")


def _build_submit_request(path: str, document: Mapping[str, Any], options: Mapping[str, Any]) -> Request:
    return Request.post_json(path, document, (("returnIds", "true"),) if options.get("return_ids") else ())


def _read_job(job_id: str, body: Mapping[str, Any], info: ResponseInfo) -> Job:
    """Return the job; a completed job that says no is a permanent failure: what was done is unknown."""
    status, result = body.get("status"), body.get("result")
    state = _STATES.get(status.lower()) if isinstance(status, str) else None
    state, word = (state, str(status)) if state else read_status(status, _STATES)
    if state is not JobState.SUCCEEDED:
        info, is_transient, is_lock = _read_job_errors(body.get("errors"), info)
        return Job(job_id, state, word, transient=is_transient, info=info, locked=is_lock)
    denial = _read_contradiction(body, info) or _explain_never_completed(result, info)
    if denial:
        return Job(job_id, JobState.FAILED, word, info=denial)
    return Job(job_id, state, word, result, info=info)


def read_order_result(job: Job, options: Mapping[str, Any]) -> JobResult:
    """Return the result; an order without effect is a warning, an error if ``require_order_completed``."""
    if job.state is not JobState.SUCCEEDED:
        return JobResult.of_job(job)
    order = job.result if isinstance(job.result, dict) else {}
    status = order.get("status")
    is_required = options.get("require_order_completed")
    if _normalize(status) == "completed" or (status is None and not is_required):
        return JobResult(job.job_id, job)
    number, word = (redact_words(order.get(name), WORD_LENGTH) for name in ("orderNumber", "status"))
    meaning = ORDER_STATUSES.get(_normalize(status), UNKNOWN_STATUS)[1]
    found = (
        f"Job {job.job_id} is {job.status}, but its order {number} is {word or NO_STATUS}, "
        f"not Completed: {meaning}. Look at the order in Zuora."
    )
    if is_required:
        return JobResult(job.job_id, job, JobFailed(found, info=job.info))
    return JobResult(job.job_id, job, warning=found)


def read_order_facts(job: Job) -> JobFacts:
    """Return the numbers, or ids, of what an order has made, or how much a preview shows."""
    result = job.result if isinstance(job.result, dict) else {}
    if result.get("jobType") == _PREVIEW:
        counts = {"invoices": count_rows(result.get("invoices"))}
        return JobFacts("preview", counts | {"credit_memos": count_rows(result.get("creditMemos"))})
    facts = {name: result.get(theirs) for name, theirs in _FACTS.items()}
    if not facts["subscription_numbers"]:  # how they are listed depends on the Zuora-Version
        facts["subscription_numbers"] = list_words(result.get("subscriptions"), "subscriptionNumber")
    return JobFacts("order", facts)


def _explain_never_completed(result: Any, info: ResponseInfo) -> ResponseInfo | None:
    """Return the answer of a completed job whose order will never be completed, or None."""
    order = result if isinstance(result, dict) else {}
    state, words = ORDER_STATUSES.get(_normalize(order.get("status")), UNKNOWN_STATUS)
    if state is not JobState.FAILED:
        return None
    number, status = (redact_words(order.get(name), WORD_LENGTH) for name in ("orderNumber", "status"))
    return info.with_words([f"its order {number} is {status}: {words}"])


def _normalize(status: object) -> str:
    return status.strip().lower() if isinstance(status, str) else ""


def _read_job_errors(errors: object, info: ResponseInfo) -> tuple[ResponseInfo, bool, bool]:
    """
    Return the answer with a job's ``errors``, and whether they are transient, and whether they are a lock.

    They are transient if each code is of the categories 50 or 61, and a lock if one of them is 50, too. If
    ``errors`` is empty, the ``reasons`` at the root of the body count, which the answer holds already.
    """
    if not errors and not info.codes and not info.messages:
        return info, False, False
    reasons = error_codes.read_first_reasons(_list_job_reasons(errors)) or info.reasons()
    categories = {error_codes.read_category(code) for code, _ in reasons}
    is_transient = bool(categories) and categories <= _TRANSIENT_CATEGORIES
    return error_codes.replace_reasons(info, reasons), is_transient, is_transient and _LOCK in categories


def _read_contradiction(body: Mapping[str, Any], info: ResponseInfo) -> ResponseInfo | None:
    """Return the answer of a completed job that says no after all, or None."""
    parts = [part for part in (body, body.get("result")) if isinstance(part, dict) and _is_denial(part)]
    if not parts:
        return None
    found = (chain(_list_job_reasons(part.get("errors")), error_codes.list_reasons(part)) for part in parts)
    reasons = error_codes.read_first_reasons(chain.from_iterable(found))
    return error_codes.replace_reasons(info, reasons or [("", "it says success: false")])


def _is_denial(part: Mapping[str, Any]) -> bool:
    success = part.get("success")
    is_no = success not in (True, None) and read_text(success).lower() == "false"
    return is_no or any(part.get(name) for name in ("errors", "reasons", "Errors"))


def _list_job_reasons(errors: object) -> Iterator[tuple[object, object]]:
    """Yield code and text of a job's ``errors``: null, a text, an object or a list of these."""
    rows = errors if isinstance(errors, list) else [errors]
    for error in rows[: error_codes.MAX_REASONS]:
        if isinstance(error, dict) and error.get("reasons"):
            yield from error_codes.list_reasons(error)
        elif isinstance(error, dict) and (error.get("code") or error.get("message")):
            yield error.get("code"), error.get("message")
        elif error:
            words = describe_value(error, TEXT_LENGTH + 1)
            lead, *pairs = _JOB_ERROR.split(words[:TEXT_LENGTH])
            texts = [text.strip() for text in pairs[1::2]] or [""]
            texts[0] = f"{lead.strip()} {texts[0]}".strip()
            yield from zip(pairs[::2] or [""], texts, strict=True)
            if len(words) > TEXT_LENGTH:
                yield error_codes.MORE
    if len(rows) > error_codes.MAX_REASONS:
        yield error_codes.MORE


_ASYNC_JOB = JobKind(
    prefix="",
    build_status_request=lambda job_id: Request("GET", error_codes.JOBS + quote(job_id, safe="")),
    states=_STATES,
    read_job=_read_job,
    read_result=read_order_result,
    read_facts=read_order_facts,
    read_id=lambda body: clean_job_id(body.get("jobId")),
)
ORDER_JOB = replace(
    _ASYNC_JOB,
    build_submit_request=partial(_build_submit_request, "/v1/async/orders"),
    repeated_submit=RepeatedSubmit.KEYED,
)
PREVIEW_JOB = replace(
    _ASYNC_JOB,
    build_submit_request=partial(_build_submit_request, "/v1/async/orders/preview"),
    repeated_submit=RepeatedSubmit.HARMLESS,
)
