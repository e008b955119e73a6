"""Let a job, an order or a run that is there already replace one that is not submitted."""

from __future__ import annotations

import logging

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    Refused,
    TimedOut,
)
from airflow_provider_zuora.core.flow import Flow, Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import ORDER, Job, JobState
from airflow_provider_zuora.core.submission.idempotency_keys import OUTSIDE, IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.logging_facts import describe_end
from airflow_provider_zuora.core.submission.order_lookup import (
    build_expectation,
    check_adopted,
    describe_order_difference,
)
from airflow_provider_zuora.core.submission.record_store import RecordStore, SharedRecordStore
from airflow_provider_zuora.core.submission.submission import Submission
from airflow_provider_zuora.core.submission.submission_log import NO_LOG, SubmissionLog
from airflow_provider_zuora.core.vendors.base import CheckedDocument

log = logging.getLogger(__name__)

_MOST_SECONDS = 600.0  # that an adopted job may take to end
_POLL_INTERVAL = 15.0  # seconds


def adopt_job(
    client: ApiClient,
    job_id: str,
    order: CheckedDocument,
    scope: IdempotencyScope,
    attempt: TaskAttempt = OUTSIDE,
    *,
    raw_key: str | None = None,
    shared: SharedRecordStore | None = None,
    submission_log: SubmissionLog = NO_LOG,
) -> Flow[str]:
    """
    Let a job, or ``order:<orderNumber>``, replace an order that is not submitted, and return its id.

    :raises NotFound: if the vendor does not know it.
    :raises Refused: if it is a job that has failed, or another order's.
    """
    client = client.with_redacted(order.secrets)
    job = yield from _wait_for_end(client, job_id)
    if job.state is JobState.FAILED:
        raise Refused(f"adopt_job_id: there is no order to adopt. {job.build_error()}")
    try:
        check_adopted(job, build_expectation(order.document))
    except Refused as error:
        raise Refused(f"adopt_job_id: {error} Nothing was submitted.", info=job.info) from error
    yield from _check_order(client, order, job)
    yield from _record_adopted(client, job, order, scope, attempt, raw_key, shared, submission_log)
    return job_id


def adopt_run(
    client: ApiClient,
    job_id: str,
    run: CheckedDocument,
    scope: IdempotencyScope,
    attempt: TaskAttempt = OUTSIDE,
    shared: SharedRecordStore | None = None,
    submission_log: SubmissionLog = NO_LOG,
) -> Flow[str]:
    """
    Let a run, which may be under way, replace one that is not submitted, and return its job's id.

    :raises InvalidInput: if it is no run of this kind; ``NotFound``: if the vendor does not know it.
    :raises Refused: if it has failed.
    """
    prefix = client.vendor.kinds[run.kind].prefix
    job_id = job_id if ":" in job_id else prefix + job_id
    if not job_id.startswith(prefix):
        rule = f"adopt_job_id: must be {prefix} and the id of a {run.kind}"
        raise InvalidInput("Nothing was sent.", (rule,))
    job = yield from _read_adopted(client, job_id)
    if job.state is JobState.FAILED:
        raise Refused(f"adopt_job_id: there is no {run.kind} to adopt. {job.build_error()}")
    yield from _record_adopted(client, job, run, scope, attempt, None, shared, submission_log)
    return job_id


def _record_adopted(
    client: ApiClient,
    job: Job,
    order: CheckedDocument,
    scope: IdempotencyScope,
    attempt: TaskAttempt,
    raw_key: str | None,
    shared: SharedRecordStore | None,
    submission_log: SubmissionLog,
) -> Flow[None]:
    """Note, and log, that a job replaces what was to be submitted."""
    log.warning("Adopted %s, which is %s; nothing is submitted", job.job_id, job.status)
    try:
        notes = (shared and shared.notes) or (yield from RecordStore(attempt).load())
        submission = Submission(client, order, scope, attempt, notes, raw_key)
    except OutcomeUnknown as error:
        log.warning("What is adopted replaces what was noted: %s", error)
        submission = Submission(client, order, scope, attempt, RecordStore(attempt), raw_key)
    record = submission.record.with_content(submission.keys.digest)
    submission.record = record.with_job(job.job_id, client.clock())
    yield from submission.notes.save(submission.record)
    submission.is_adopted = True
    submission_log.add_end(describe_end(submission, job.job_id))
    yield from submission_log.write_ends()


def _check_order(client: ApiClient, order: CheckedDocument, job: Job) -> Flow[None]:
    """Refuse a job whose order, as far as it can be read, is another account's or will not be carried out."""
    number = str(job.result.get("orderNumber") or "") if isinstance(job.result, dict) else ""
    if not number:
        return
    try:
        wrong = yield from describe_order_difference(client, order.document, number, is_adopted=True)
    except ApiError as error:
        if error.transient:
            raise
        log.warning("adopt_job_id: order %s cannot be read to be compared: %s", number, error)
        return
    if wrong:
        raise Refused(f"adopt_job_id: of order {number} {wrong}. Nothing was submitted.", info=job.info)


def _wait_for_end(client: ApiClient, job_id: str) -> Flow[Job]:
    """Return a job that is to be adopted, when it has ended: before that it is unknown whose it is."""
    began = client.clock()
    while True:
        job = yield from _read_adopted(client, job_id)
        if job.has_ended or job_id.startswith(ORDER):
            return job
        if client.clock() - began >= _MOST_SECONDS:
            raise TimedOut(
                f"adopt_job_id: job {job_id} is still {job.status}, so whether it makes this task's order is "
                "unknown; nothing was submitted. Clear the task when it has ended."
            )
        log.info("adopt_job_id: job %s is %s; polling again in %.0f s", job_id, job.status, _POLL_INTERVAL)
        yield Sleep(_POLL_INTERVAL)


def _read_adopted(client: ApiClient, job_id: str) -> Flow[Job]:
    try:
        return (yield from client.get_job(job_id))
    except NotFound as error:
        words = f"adopt_job_id: {client.vendor.title} knows no {job_id}; nothing was submitted."
        raise NotFound(words, info=error.info) from error


def record_failure(
    client: ApiClient, attempt: TaskAttempt, job: Job, shared: SharedRecordStore | None = None
) -> Flow[None]:
    """Note that a job has failed, in case the vendor has forgotten it when the next try asks."""
    if job.state is not JobState.FAILED:
        return
    notes = (shared and shared.notes) or (yield from RecordStore(attempt).load())
    if (record := notes.find_job(job.job_id)) is not None:
        yield from notes.save(record.with_failure(job, client.clock()))
