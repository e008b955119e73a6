"""The beginning of a try: it signs in, and reads what the tries of the task have noted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.flow import LONGEST_PAUSE, Flow, Sleep, Token
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import READ
from airflow_provider_zuora.core.metrics import THROTTLED_SECONDS
from airflow_provider_zuora.core.submission.endings import name_open_post
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.pauses import State, asks_for_pause
from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.core.submission.record_store import RecordStore, SharedRecordStore

log = logging.getLogger(__name__)


def read_notes(
    attempt: TaskAttempt,
    shared: SharedRecordStore | None = None,
    check: Callable[[], None] | None = None,
    sign_in: Flow[None] | None = None,
    *,
    has_begun: bool = False,
    noun: str = "order",
) -> Flow[RecordStore]:
    """
    Return what the tries of the task have noted, once the account is signed in.

    If signing in fails the first try notes that it has sent nothing, and a later one says what is open.

    :param check: raises an `ApiError` if nothing may be submitted; called before the account signs in.
    :param has_begun: an earlier process of this try has begun its submission, so it may have sent something.
    :param noun: of what is submitted.
    :raises ApiError: if this try cannot go on; it names a POST of an earlier one that may have made an order.
    """
    shared = shared or SharedRecordStore()
    with shared.reading:
        try:
            if check is not None:
                check()
            if sign_in is None:
                yield Token()  # of this account
            else:
                yield from sign_in
        except ApiError as error:
            if shared.notes is None and not has_begun:
                yield from RecordStore(attempt).note_nothing_sent()
                if not error.transient and (sent := (yield from _find_open(attempt))):
                    raise name_open_post(sent, noun, error) from error
            raise
        if shared.notes is None:
            shared.notes = yield from RecordStore(attempt).load()
        return shared.notes


def _find_open(attempt: TaskAttempt) -> Flow[SubmissionRecord | None]:
    """Return what an earlier try has sent without learning what came of it; None also if that is unknown."""
    try:
        notes = yield from RecordStore(attempt).load()
    except ApiError as error:
        log.warning("Whether an earlier try has sent something cannot be read: %s", error)
        return None
    return next(filter(attrgetter("unanswered"), notes.records), None)


def sign_in(client: ApiClient, state: State) -> Flow[None]:
    """Sign in; a long pause that the vendor asks for before that is one of the whole try."""
    waited: float = state.get("sign_in", 0.0)
    while True:
        try:
            yield Token(budget=replace(READ, longest=LONGEST_PAUSE))
            return
        except ApiError as error:
            if not asks_for_pause(error, waited):
                raise
            pause = error.retry_after
            log.warning("Signing in again in %.0f s: %s", pause, error)
        waited += pause
        client.emit(THROTTLED_SECONDS, pause)
        yield Sleep(pause, {**state, "sign_in": waited})
