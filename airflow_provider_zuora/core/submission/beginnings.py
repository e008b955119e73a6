"""The beginning of a try: it signs in, and reads what the tries of the task have noted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.flow import LONGEST_PAUSE, Flow, Sleep, Token
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import READ
from airflow_provider_zuora.core.metrics import THROTTLED_SECONDS
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.pauses import State, asks_for_pause
from airflow_provider_zuora.core.submission.record_store import RecordStore, SharedRecordStore

log = logging.getLogger(__name__)


def read_notes(
    attempt: TaskAttempt,
    shared: SharedRecordStore | None = None,
    check: Callable[[], None] | None = None,
    sign_in: Flow[None] | None = None,
    *,
    has_begun: bool = False,
) -> Flow[RecordStore]:
    """
    Return what the tries of the task have noted, once the account is signed in.

    If signing in fails the first try notes that it has sent nothing.

    :param check: raises an `ApiError` if nothing may be submitted; called before the account signs in.
    :param has_begun: an earlier process of this try has begun its submission, so it may have sent something.
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
        except ApiError:
            if shared.notes is None and not has_begun:
                yield from RecordStore(attempt).note_nothing_sent()
            raise
        if shared.notes is None:
            shared.notes = yield from RecordStore(attempt).load()
        return shared.notes


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
