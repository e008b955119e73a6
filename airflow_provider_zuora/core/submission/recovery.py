"""How a submission finds out what became of its order, an action a function; nothing here sends an order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_zuora.core.errors import ApiError, NotFound, OutcomeUnknown, WrongOrder
from airflow_provider_zuora.core.flow import Flow, Sleep
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.submission.authority import Heard
from airflow_provider_zuora.core.submission.keys import KEY_AGE
from airflow_provider_zuora.core.submission.order_lookup import describe_order_difference, find_order
from airflow_provider_zuora.core.submission.post import CLOCKS_APART, UNDER_WAY
from airflow_provider_zuora.core.submission.protocol import Event, Standing
from airflow_provider_zuora.core.submission.result import check_result, expectation

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.submission import Submission

log = logging.getLogger(__name__)

_LAG = 600.0  # seconds in which a job that was issued may not be known everywhere yet
_LAG_POLL = 15.0  # seconds
_WHY = {
    Standing.STUCK: "its key is too old to be sent again",
    Standing.CONTRADICTED: "it is refused, but an earlier POST under its key may have made it",
    Standing.MISUSED: "its key was used for another request",
    Standing.LOST: "its job is not known any more",
}


def read_job(submission: Submission) -> Flow[Event]:
    """Find out what has become of the job of an earlier try."""
    job_id, clock = str(submission.record.job_id), submission.client.clock
    try:
        job = yield from _read_known_job(submission, job_id)
    except ApiError as error:
        if error.transient:
            raise
        log.warning("Job %s cannot be read, and counts as under way: %s", job_id, error)
        return Event.RUNS
    if job is None:
        return Event.JOB_UNKNOWN if clock() - submission.issued_at >= _LAG else Event.RUNS
    check_result(job, expectation(submission.document))
    if job.state is JobState.FAILED:
        submission.record = submission.record.with_failure(job, clock())
        submission.failure = job.build_error()
        return Event.JOB_FAILED
    log.info("An earlier try started job %s, which is %s; nothing is submitted", job_id, job.status)
    return Event.RUNS


def _read_known_job(submission: Submission, job_id: str) -> Flow[Job | None]:
    """
    Return a job of an earlier try, None if it is not known.

    If nobody noted when it was issued, that may have been a moment ago.
    """
    client = submission.client
    began = client.clock()
    while True:
        try:
            return (yield from client.get_job(job_id))
        except NotFound:
            log.warning("%s does not know job %s, or not yet", client.vendor.title, job_id)
            if submission.issued_at or client.clock() - began >= _LAG:
                return None
        yield Sleep(_LAG_POLL)


def look_up(submission: Submission) -> Flow[Event]:
    """Look for the order by its number."""
    standing, is_proven, number = submission.standing, submission.post.is_proven, submission.number
    submission.why = "its key gets the same answer each time" if is_proven else _WHY[standing]
    if number is None:
        return Event.NO_NUMBER
    log.warning("Looking for order %s: %s", number, submission.why)
    if standing is Standing.STUCK and not is_proven:  # until no other try, by whatever clock, sends the key
        latest = submission.record.first_post + KEY_AGE + UNDER_WAY + CLOCKS_APART
        if (rest := latest - submission.client.clock()) > 0:
            yield Sleep(min(rest, UNDER_WAY + CLOCKS_APART))
    try:
        is_found = yield from find_late_order(submission)
    except OutcomeUnknown:
        raise
    except ApiError as error:
        if error.transient:
            raise
        submission.why += f", and it cannot be looked up: {error}"
        raise submission.build_question() from error
    if is_found:
        return Event.FOUND
    if standing is not Standing.CONTRADICTED:
        return Event.NOT_FOUND
    if submission.post.heard not in (Heard.REFUSED, Heard.LOCKED):
        return Event.NOT_FOUND_TURNED_AWAY
    return Event.NOT_FOUND_STORED if is_proven else Event.NOT_FOUND


def look_once(submission: Submission) -> Flow[Event]:
    """Look whether the order is there already; if it is not, nothing is known."""
    number = submission.number
    try:
        is_found = bool(number) and (yield from find_late_order(submission, once=True))
    except ApiError as error:  # what ends this try is that nothing is known
        log.warning("Order %s cannot be looked up: %s", number, error)
        return Event.NOT_FOUND_YET
    return Event.FOUND if is_found else Event.NOT_FOUND_YET


def find_late_order(submission: Submission, *, once: bool = False) -> Flow[bool]:
    """Return whether the order is there, and let it stand for the job."""
    order_id = yield from find_order(submission.client, submission.document, once=once)
    if order_id is not None:
        submission.record = submission.record.with_job(order_id, submission.client.clock())
    return order_id is not None


def check_raw_key(submission: Submission, job_id: str) -> Flow[None]:
    """
    Compare what a raw key led to with the order, as far as job and order can be read by now.

    :raises Refused: if it is another order's.
    """
    client, document, key = submission.client, submission.document, submission.record.key
    try:
        job = yield from client.get_job(job_id)
        check_result(job, expectation(document))
        number = job.result.get("orderNumber") if isinstance(job.result, dict) else None
        other = (yield from describe_order_difference(client, document, number)) if number else ""
    except WrongOrder:
        raise
    except ApiError as error:
        if error.transient:
            raise
        log.warning("What raw key %s led to cannot be read: %s", key, error)
    else:
        if other:
            raise WrongOrder(f"The raw_idempotency_key {key} led to order {number}, of which {other}.")
