"""Submit an order once, or adopt what stands for it; which key goes out, and when, is said in `protocol`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    Refused,
    TimedOut,
)
from airflow_provider_zuora.core.flow import Flow, Sleep, StatefulFlow, Token
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import ORDER, Job, JobState
from airflow_provider_zuora.core.submission.attempt import OUTSIDE, TaskAttempt
from airflow_provider_zuora.core.submission.keys import IdempotencyScope
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.order_lookup import adopted_difference
from airflow_provider_zuora.core.submission.result import check_adopted, expectation
from airflow_provider_zuora.core.submission.submission import Submission
from airflow_provider_zuora.core.validation import KEY_LENGTH, header_violation
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order, check_preview
from airflow_provider_zuora.core.vendors.zuora.order_secrets import hidden_values

log = logging.getLogger(__name__)

_ADOPTION = 600.0  # seconds that an adopted job may take to end
_ADOPTION_POLL = 15.0  # seconds


def submit_order(
    client: ApiClient,
    order: object,
    by: IdempotencyScope,
    attempt: TaskAttempt = OUTSIDE,
    *,
    raw_key: str | None = None,
    return_ids: bool = False,
    sole: bool = True,
    read_notes: Callable[[TaskAttempt], StatefulFlow[Notes]] | None = None,
) -> StatefulFlow[str]:
    """
    Check an order, submit it once, and return its job's id, or ``order:<orderNumber>``.

    :param raw_key: sent as it is instead of a key of ours; then there are no generations.
    :param sole: False if the task may submit other orders too.
    :param read_notes: signs in and returns what the tries have noted; None: `signed_in_notes`.
    :raises InvalidInput: with every broken rule, before anything is sent.
    :raises Refused, JobFailed: where the vendor said no for good; the first try after a clear asks again.
    :raises LockContention: where it met a lock; the next try submits it again, a minute later at the soonest.
    :raises OutcomeUnknown: where only a person can tell whether the order exists.
    :raises ApiError: transient, where the next try goes on with the same key.
    """
    document = _checked(order, by, raw_key)
    request = client.vendor.submission("order", document, {"return_ids": return_ids})
    notes = yield from (read_notes or signed_in_notes)(attempt)
    return (yield from Submission(client, document, request, by, attempt, notes, raw_key, sole=sole).run())


def preview_order(client: ApiClient, order: object) -> Flow[str]:
    """Check a preview, submit it, and return the id of its job; it changes nothing and needs no key."""
    return (yield from client.submit(client.vendor.submission("preview", check_preview(order), {})))


def signed_in_notes(attempt: TaskAttempt) -> StatefulFlow[Notes]:
    """
    Return what the tries of the task have noted, once the account is signed in.

    If signing in fails the first try notes that it has sent nothing.
    """
    try:
        yield Token()
    except ApiError:
        yield from Notes(attempt).claim()
        raise
    return (yield from Notes(attempt).load())


def adopt_job(
    client: ApiClient,
    job_id: str,
    order: object,
    by: IdempotencyScope,
    attempt: TaskAttempt = OUTSIDE,
    *,
    raw_key: str | None = None,
    notes: Notes | None = None,
) -> StatefulFlow[str]:
    """
    Let a job, or ``order:<orderNumber>``, stand for an order that is not submitted, and return its id.

    :raises NotFound: where the vendor does not know it.
    :raises Refused: where it is a job that has failed.
    """
    document = _checked(order, by, raw_key)
    client = client.hiding(hidden_values(document))
    request = client.vendor.submission("order", document, {"return_ids": False})
    job = yield from _ended_job(client, job_id)
    if job.state is JobState.FAILED:
        raise Refused(f"adopt_job_id: there is no order to adopt. {job.build_error()}")
    try:
        check_adopted(job, expectation(document))
    except Refused as error:
        raise Refused(f"adopt_job_id: {error} Nothing was submitted.", info=job.info) from error
    yield from _check_account(client, document, job)
    log.warning("Adopted %s, which is %s; nothing is submitted", job_id, job.status)
    try:
        notes = (yield from Notes(attempt).load()) if notes is None else notes
        submission = Submission(client, document, request, by, attempt, notes, raw_key)
    except OutcomeUnknown as error:
        log.warning("What is adopted replaces what was noted: %s", error)
        notes = Notes(attempt)
        submission = Submission(client, document, request, by, attempt, notes, raw_key)
    record = submission.record.covering(submission.digest)
    yield from notes.save(record.started(job_id, client.clock()))
    return job_id


def _check_account(client: ApiClient, document: dict[str, Any], job: Job) -> StatefulFlow[None]:
    """
    Compare what the page of an adopted order tells, as its account's id or name, as far as it can be read.

    :raises Refused: if it is another account's order, or if it will never be carried out.
    """
    number = str(job.result.get("orderNumber") or "") if isinstance(job.result, dict) else ""
    try:
        wrong = (yield from adopted_difference(client, document, number)) if number else ""
    except ApiError as error:
        if error.transient:
            raise
        log.warning("adopt_job_id: order %s cannot be read to be compared: %s", number, error)
        return
    if wrong:
        raise Refused(f"adopt_job_id: of order {number} {wrong}. Nothing was submitted.", info=job.info)


def _ended_job(client: ApiClient, job_id: str) -> StatefulFlow[Job]:
    """Return a job that is to be adopted, when it has ended: before that it does not tell whose it is."""
    began = client.clock()
    while True:
        try:
            job = yield from client.job(job_id)
        except NotFound as error:
            raise NotFound(
                f"adopt_job_id: {client.vendor.title} knows no {job_id}; nothing was submitted.",
                info=error.info,
            ) from error
        if job.has_ended or job_id.startswith(ORDER):
            return job
        if client.clock() - began >= _ADOPTION:
            raise TimedOut(
                f"adopt_job_id: job {job_id} is still {job.status}, so whether it makes this task's order is "
                "unknown; nothing was submitted. Clear the task when it has ended."
            )
        log.info("adopt_job_id: job %s is %s; looking again in %.0f s", job_id, job.status, _ADOPTION_POLL)
        yield Sleep(_ADOPTION_POLL)


def note_end(
    client: ApiClient, attempt: TaskAttempt, job: Job, notes: Notes | None = None
) -> StatefulFlow[None]:
    """Note that a job has failed, should the vendor have forgotten it when the next try asks."""
    if job.state is not JobState.FAILED:
        return
    notes = (yield from Notes(attempt).load()) if notes is None else notes
    record = notes.of_job(job.job_id)
    if record is not None:
        yield from notes.save(record.failed(job, client.clock()))


def _checked(order: object, by: IdempotencyScope, raw_key: str | None) -> dict[str, Any]:
    """Return an order that breaks no rule, in plain types."""
    given = {
        "idempotency_key": by.identity[0] if by.position is None else None,
        "raw_idempotency_key": raw_key,
    }
    wrong = {name: header_violation(key, KEY_LENGTH) for name, key in given.items() if key is not None}
    if lines := tuple(f"{name}: {why}" for name, why in wrong.items() if why):
        raise InvalidInput("Nothing was sent.", lines)
    return check_order(order)
