"""Submit an order once, or adopt what stands for it; which key goes out, and when, is said in `attempts`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.attempts import OUTSIDE, Submission, Try
from airflow_provider_zuora.core.checks import KEY_LENGTH, header_violation
from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.errors import InvalidInput, NotFound, OutcomeUnknown, Refused
from airflow_provider_zuora.core.intents import NAME, Intent
from airflow_provider_zuora.core.jobs import Job, JobState
from airflow_provider_zuora.core.keys import Submitter
from airflow_provider_zuora.core.masking import hidden_values
from airflow_provider_zuora.core.orders import check_order
from airflow_provider_zuora.core.wire import Memoir, Recall, Record, Token

log = logging.getLogger(__name__)


def submit_order(
    client: Client,
    order: object,
    by: Submitter,
    attempt: Try = OUTSIDE,
    *,
    raw_key: str | None = None,
    return_ids: bool = False,
) -> Memoir[str]:
    """
    Check an order, submit it once, and return its job's id, or ``order:<orderNumber>``.

    :param raw_key: sent as it is instead of a key of ours; then there are no generations.
    :raises InvalidInput: with every broken rule, before anything is sent.
    :raises Refused, JobFailed: where the vendor said no for good; the first try after a clear asks again.
    :raises LockContention: where it met a lock; the next try submits it again, a minute later at the soonest.
    :raises OutcomeUnknown: where only a person can tell whether the order exists.
    :raises ApiError: transient, where the next try goes on with the same key.
    """
    document = _checked(order, by, raw_key)
    return (yield from submit_document(client, document, by, attempt, raw_key=raw_key, return_ids=return_ids))


def submit_document(
    client: Client,
    document: Mapping[str, Any],
    by: Submitter,
    attempt: Try = OUTSIDE,
    *,
    raw_key: str | None = None,
    return_ids: bool = False,
    alone: bool = True,
) -> Memoir[str]:
    """
    Submit an order that has been checked; otherwise as `submit_order`.

    :param alone: False where it is one of a list.
    """
    client = client.hiding(hidden_values(document))
    request = client.vendor.submission("order", document, {"return_ids": return_ids})
    yield Token()  # where signing in fails there is nothing to remember
    submission = Submission(client, document, request, by, attempt, raw_key, alone=alone)
    return (yield from submission.run())


def adopt_job(
    client: Client,
    job_id: str,
    order: object,
    by: Submitter,
    attempt: Try = OUTSIDE,
    *,
    raw_key: str | None = None,
) -> Memoir[str]:
    """
    Let a job, or ``order:<orderNumber>``, stand for an order that is not submitted, and return its id.

    :raises NotFound: where the vendor does not know it.
    :raises Refused: where it is a job that has failed.
    """
    document = _checked(order, by, raw_key)
    client = client.hiding(hidden_values(document))
    request = client.vendor.submission("order", document, {"return_ids": False})
    submission = Submission(client, document, request, by, attempt, raw_key)
    try:
        job = yield from client.job(job_id)
    except NotFound as error:
        raise NotFound(
            f"adopt_job_id: {client.vendor.title} knows no {job_id}; nothing was submitted.",
            answer=error.answer,
        ) from error
    if job.state is JobState.FAILED:
        raise Refused(f"adopt_job_id: there is no order to adopt. {job.failure()}")
    made = job.result.get("orderNumber") if isinstance(job.result, dict) else None
    if made and submission.number and made != submission.number:
        raise Refused(
            f"adopt_job_id: {job_id} is order {made}, not {submission.number}; nothing was submitted."
        )
    log.warning("Adopted %s, which is %s; nothing is submitted", job_id, job.status)
    try:
        noted = yield from submission.recalled()
    except OutcomeUnknown as error:
        log.warning("What is adopted replaces what was noted: %s", error)
        noted = None
    intent = (noted or submission.begun(0)).covering(submission.digest)
    adopted = intent.started(job_id, attempt.max_tries, client.clock())
    yield Record(NAME, adopted.as_dict())
    return job_id


def note_end(client: Client, job: Job) -> Memoir[None]:
    """Note that a job has failed, should the vendor have forgotten it when the next try asks."""
    stored = yield Recall(NAME)
    if stored is not None and job.state is JobState.FAILED:
        intent = Intent.from_dict(stored)
        if intent.job_id == job.job_id:
            yield Record(NAME, intent.failed(job, client.clock()).as_dict())


def _checked(order: object, by: Submitter, raw_key: str | None) -> dict[str, Any]:
    """Return an order that breaks no rule, in plain types."""
    given = {
        "idempotency_key": by.identity[0] if by.position is None else None,
        "raw_idempotency_key": raw_key,
    }
    wrong = {name: header_violation(key, KEY_LENGTH) for name, key in given.items() if key is not None}
    if lines := tuple(f"{name}: {why}" for name, why in wrong.items() if why):
        raise InvalidInput("Nothing was sent.", lines)
    return check_order(order)
