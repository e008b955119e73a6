"""What earlier tries have noted of an order, also if a template has changed the order since."""

from __future__ import annotations

import logging

from airflow_provider_zuora.core.errors import OutcomeUnknown
from airflow_provider_zuora.core.submission.keys import Generations, find_changed_paths, hash_paths
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState

log = logging.getLogger(__name__)


def find_noted(notes: Notes, keys: Generations, *, is_alone: bool, is_sole: bool) -> SubmissionRecord | None:
    """
    Return what an earlier try has noted of an order; None if it has noted nothing of it.

    :param is_alone: False if it is one of a list.
    :param is_sole: True if the task submits no other order: what was sent before is this one, changed.
    :raises OutcomeUnknown: if it may be one of several that have changed.
    """
    if is_alone and notes.is_of_another_account(keys.submitter, keys.account):
        log.warning("What earlier tries noted of this order is of another account: it is not used")
    exact = notes.find(keys.submitter, keys.account, keys.digest)
    if exact is not None and keys.raw_key not in (None, exact.key):
        log.warning("An earlier try sent this order under key %s: it is not used", exact.key)
        return None
    if exact is not None or not (is_alone or keys.number):
        return exact
    return _find_changed(notes, keys, is_sole=is_sole)


def _find_changed(notes: Notes, keys: Generations, *, is_sole: bool) -> SubmissionRecord | None:
    """Return what is noted of the same submitter's order with another content."""
    number = keys.attempt.number
    others = [
        record
        for record in notes.find_all(keys.submitter, keys.account)
        if keys.raw_key in (None, record.key)
    ]
    has_own = any(record.try_number == number for record in others)
    others = [record for record in others if record.try_number != number and not _is_ended(record, keys)]
    if keys.number is None and others and not (is_sole and not has_own and len(others) == 1):
        raise OutcomeUnknown(
            f"Earlier tries of this task have sent {len(others)} orders without an orderNumber, and this "
            "is none of them. Whether it is one of them that has changed is unknown; nothing was sent. "
            "Give each order an orderNumber, or pass an idempotency_key for each, and clear the task."
        )
    if not others:
        return None
    changed = find_changed_paths(others[-1].paths or {}, hash_paths(keys.client, keys.document))
    log.warning(
        "The order has changed since an earlier try sent it under key %s. The earlier submission counts; it "
        "may not contain these changes: %s",
        others[-1].key,
        ", ".join(changed) or "the entity, the orgs or return_ids",
    )
    return others[-1]


def _is_ended(record: SubmissionRecord, keys: Generations) -> bool:
    """Return whether a clear has ended this submission, so that a changed order is another one."""
    is_cleared = record.max_tries < keys.attempt.max_tries
    return is_cleared and record.state is not SubmissionState.OPEN
