"""What earlier tries have made of an order, or a run: their notes, its job, itself; nothing is sent here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_zuora.core.errors import ApiError, NotFound, OutcomeUnknown, WrongOrder
from airflow_provider_zuora.core.flow import Flow, Sleep
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.submission.idempotency_keys import (
    KEY_AGE,
    Generations,
    find_changed_paths,
    hash_paths,
    propose_key,
)
from airflow_provider_zuora.core.submission.order_lookup import describe_order_difference
from airflow_provider_zuora.core.submission.post import CLOCKS_APART, REFUSALS, UNDER_WAY
from airflow_provider_zuora.core.submission.protocol import Action, Event, Standing
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission_kinds import KINDS, ORDER, SubmissionKind
from airflow_provider_zuora.core.times import write_second

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.submission import Submission

log = logging.getLogger(__name__)

APART = 600.0
"""
Seconds between two look-ups that must both find nothing.

Zuora makes an order after a timeout all the same, "a couple of minutes later" by what its users report
(facts: Knowledge Center, "Error: 504 Gateway Timeout"; "Create an order": "the call is still running").
"""
OLD, LOOK = "old", "look"  # the pause until nobody sends the key, and that after the first look
_LAG = 600.0  # seconds in which a job that was issued may not be known everywhere yet
_LAG_POLL = 15.0  # seconds
_WHY = {
    Standing.STUCK: "its key is too old to be sent again",
    Standing.CONTRADICTED: "it is refused, but an earlier POST under its key may have made it",
    Standing.MISUSED: "its key was used for another request",
    Standing.LOST: "its job is not known any more",
}

_HOW_TO_PROCEED = {
    "alone": (
        "2. It is there: pass {job} as adopt_job_id, and clear the task.\n"
        "3. It is not: pass another idempotency_key that ends in the time, such as {again}, and clear "
        "the task within 23 hours."
    ),
    "list": (
        "2. It is there: take it out of the list, and clear the task.\n"
        "3. It is not: take it out of the list too, and submit it in another task."
    ),
    # Only their count tells equal orders apart, so none may be taken out without the others.
    "equals": (
        "2. Count how many of the equal orders of the list are there.\n"
        "3. Take all of them out of the list, and clear the task; submit those that are missing in another "
        "task."
    ),
}


def find_noted(
    notes: RecordStore, keys: Generations, *, is_alone: bool, is_sole: bool
) -> SubmissionRecord | None:
    """
    Return what an earlier try has noted of an order, None if there is nothing; see `Submission`.

    :param is_alone: False if it is one of a list.
    :raises OutcomeUnknown: if it may be one of several that have changed.
    """
    if is_alone and notes.is_of_another_account(keys.submitter, keys.account):
        words = "What earlier tries noted of this %s is of another account: it is not used"
        log.warning(words, KINDS[keys.order.kind].noun)
    exact = notes.find(keys.submitter, keys.account, keys.digest)
    if exact is not None and keys.raw_key not in (None, exact.key):
        words = "An earlier try sent this %s under key %s: it is not used"
        log.warning(words, KINDS[keys.order.kind].noun, exact.key)
        return None
    if exact is not None or not (is_alone or keys.order.number):
        return exact
    return _find_changed(notes, keys, is_sole=is_sole)


def _find_changed(notes: RecordStore, keys: Generations, *, is_sole: bool) -> SubmissionRecord | None:
    """Return what is noted of the same submitter's order with another content."""
    attempt, kind = keys.attempt, KINDS[keys.order.kind]
    known = notes.find_all(keys.submitter, keys.account)
    known = [record for record in known if keys.raw_key in (None, record.key)]
    # A clear ends what is decided: after it a changed order is another one.
    others = [
        record
        for record in known
        if record.try_number != attempt.number
        and (record.state is SubmissionState.OPEN or record.max_tries >= attempt.max_tries)
    ]
    if not others:
        return None
    has_own = any(record.try_number == attempt.number for record in known)
    if keys.order.number is None and not (is_sole and not has_own and len(others) == 1):
        raise OutcomeUnknown(kind.several.format(count=len(others)))
    changed = find_changed_paths(others[-1].paths or {}, hash_paths(keys.client, keys.order.document))
    words = (
        "The %s has changed since an earlier try sent it under key %s. The earlier submission counts; it "
        "may not contain these changes: %s"
    )
    log.warning(words, kind.noun, others[-1].key, ", ".join(changed) or kind.unseen)
    return others[-1]


def read_job(submission: Submission) -> Flow[Event]:
    """Return what has become of the job of an earlier try."""
    job_id, client = str(submission.record.job_id), submission.hasty_client
    began = client.clock()
    while True:
        try:
            job = yield from client.get_job(job_id)
            break
        except NotFound:
            log.warning("%s does not know job %s, or not yet", client.vendor.title, job_id)
            # If it was not noted when the job was issued, that may have been a moment ago.
            if submission.issued_at or client.clock() - began >= _LAG:
                is_new = client.clock() - submission.issued_at < _LAG
                return Event.RUNS if is_new else Event.JOB_UNKNOWN
        except ApiError as error:
            if error.transient:
                raise
            log.warning("Job %s cannot be read, and counts as under way: %s", job_id, error)
            return Event.RUNS
        yield Sleep(_LAG_POLL)
    submission.kind.check_job(job, submission.order.document)
    if job.state is JobState.FAILED:
        submission.record = submission.record.with_failure(job, client.clock())
        submission.failure = job.build_error()
        return Event.JOB_FAILED
    log.info("An earlier try started job %s, which is %s; nothing is submitted", job_id, job.status)
    return Event.RUNS


def look_up(submission: Submission) -> Flow[Event]:
    """Look for the order by its number, or for what else has a mark."""
    standing, is_proven, mark = submission.standing, submission.post.is_proven, submission.mark
    submission.why = "its key gets the same answer each time" if is_proven else _WHY[standing]
    if mark is None:
        return Event.NO_NUMBER
    log.warning("Looking for %s %s: %s", submission.kind.noun, mark, submission.why)
    if standing is Standing.STUCK and not is_proven and not submission.passed & {OLD, LOOK}:
        # Until no other try, by whatever clock, sends the key.
        latest = submission.record.first_post + KEY_AGE + UNDER_WAY + CLOCKS_APART
        if (rest := latest - submission.client.clock()) > 0:
            yield from submission.pause(OLD, min(rest, UNDER_WAY + CLOCKS_APART))
    try:
        is_found = yield from find_late_order(submission)
    except ApiError as error:
        if error.transient or isinstance(error, OutcomeUnknown):
            raise
        submission.why += f", and it cannot be looked up: {error}"
        raise build_question(submission) from error
    if is_found:
        return Event.FOUND
    if standing is not Standing.CONTRADICTED:
        return Event.NOT_FOUND
    if submission.post.answer not in REFUSALS:
        return Event.NOT_FOUND_TURNED_AWAY
    return Event.NOT_FOUND_STORED if is_proven else Event.NOT_FOUND


def look_once(submission: Submission) -> Flow[Event]:
    """Look whether the order is there already; if it is not, nothing is known."""
    mark = submission.mark
    try:
        is_found = bool(mark) and (yield from _look(submission))
    except ApiError as error:
        if submission.may_pause(error):
            raise
        # What ends this try is that nothing is known.
        log.warning("%s %s cannot be looked up: %s", submission.kind.noun.capitalize(), mark, error)
        return Event.NOT_FOUND_YET
    return Event.FOUND if is_found else Event.NOT_FOUND_YET


def find_late_order(submission: Submission) -> Flow[bool]:
    """
    Return whether the order is there: False means that the vendor has said so twice, ten minutes apart.

    If an unknown job is under way for longer, only the vendor's refusal of a taken number prevents a second
    order.
    """
    if LOOK not in submission.passed:
        if (yield from _look(submission)):
            return True
        log.warning("Looking again in %.0f s", APART)
        yield from submission.pause(LOOK, APART)
    return (yield from _look(submission))


def _look(submission: Submission) -> Flow[bool]:
    """Return whether the order is there now; if it is, it replaces the job."""
    find, client, generation = submission.kind.find, submission.hasty_client, submission.record.generation
    job_id = (yield from find(client, submission.order.document, generation)) if find else None
    if job_id is not None:
        submission.record = submission.record.with_job(job_id, client.clock())
        return True
    log.warning("%s knows no %s %s", client.vendor.title, submission.kind.noun, submission.mark)
    return False


def check_raw_key(submission: Submission, job_id: str) -> Flow[None]:
    """Refuse what a raw key led to if it is another order's, as far as job and order can be read by now."""
    client, document, key = submission.client, submission.order.document, submission.record.key
    try:
        job = yield from client.get_job(job_id)
        submission.kind.check_job(job, document)
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


def build_question(submission: Submission) -> OutcomeUnknown:
    """Return the question to a person whether the order exists."""
    client, parsed = submission.client, submission.post.parsed
    title, document, why = client.vendor.title, submission.order.document, submission.why
    now, place = client.clock(), submission.place
    words = write_question(submission.record, document, title, why, now, place=place, kind=submission.kind)
    question = OutcomeUnknown(words, info=parsed.info if parsed else None)
    question.key, question.unanswered = submission.record.key, submission.record.unanswered
    return question


def write_question(
    record: SubmissionRecord,
    document: Mapping[str, Any],
    title: str,
    why: str,
    now: float,
    *,
    place: str,
    kind: SubmissionKind = ORDER,
) -> str:
    """
    Return what a person has to look for, and how to proceed.

    :param title: the vendor's name; ``why``: it is unknown; ``place``: as in `Submission`.
    """
    posts = "not sent by this try"
    if record.track_ids:
        posts = f"first sent {write_second(record.first_post)}, Track-Ids {', '.join(record.track_ids)}"
    return (
        f"Whether this {kind.noun} exists is unknown: {why}{kind.without_mark(document)}. It was not sent "
        f"again, that could make it twice.\nKey {record.key}, {posts}.\n"
        f"1. Look in {title} for {kind.describe(document)}, made since then (give it some minutes).\n"
        f"{_HOW_TO_PROCEED[place].format(again=propose_key(record.key, now), job=kind.job)} "
        "More: docs/exactly-once.md"
    )


ACTIONS: dict[Action, Callable[[Submission], Flow[Event]]] = {
    Action.READ_JOB: read_job,
    Action.LOOK_ONCE: look_once,
    Action.LOOK_UP: look_up,
}
