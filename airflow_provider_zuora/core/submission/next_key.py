"""The next key of a submission, after one that cannot make what is submitted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.submission import endings, recovery
from airflow_provider_zuora.core.submission.logging_facts import describe
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.submission.protocol import Event
from airflow_provider_zuora.core.submission.record import SubmissionState

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.submission import Submission

log = logging.getLogger(__name__)

LOCK_REST = 60.0  # seconds between a lock that was met and the next key


def begin_next_key(submission: Submission) -> Flow[Event]:
    """Begin the next generation, after one that cannot make an order."""
    before = submission.record
    if submission.keys.raw_key:
        raise endings.build_used_up_error(submission)
    is_absent = before.state is SubmissionState.ABSENT
    if is_absent and submission.left_absent and not submission.is_inherited:
        raise before.to_error()  # one new key in a try is enough
    rest = before.decided_at + LOCK_REST - submission.client.clock()
    if before.locked and rest > 0 and not submission.passed:
        yield from submission.pause("rest", min(rest, LOCK_REST))
    if before.absence_believed:
        if submission.mark is None:
            submission.why = "an earlier try sent it with another content, and it was not found then"
            raise recovery.build_question(submission)
        words = "Looking for %s %s: it may have been made under an earlier key"
        log.warning(words, submission.kind.noun, submission.order.mark)
        if (yield from recovery.find_late_order(submission)):
            return Event.FOUND
    submission.log.add_end(describe(submission, before) | {"outcome": Outcome.REFUSED})
    submission.left_absent |= is_absent
    words = "Key %s cannot make the %s, the next one follows: %s"
    log.warning(words, before.key, submission.kind.noun, before.reason)
    is_known = submission.is_noted or bool(submission.post.sent)
    generation = submission.keys.generation_after(before, is_known=is_known)
    submission.record = submission.kept = submission.keys.begin_record(generation, before)
    submission.is_inherited = submission.keys.is_of_an_earlier_try(generation)
    submission.is_noted = False
    submission.post = submission.make_post()
    return Event.BEGUN_BEFORE if submission.record.unanswered else Event.BEGUN
