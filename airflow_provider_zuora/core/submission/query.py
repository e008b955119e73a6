"""
A data query: submitted, taken up again, and cancelled if nobody waits for it any more.

It changes nothing at the vendor, so that it may be submitted twice; but it takes a place that the whole
tenant shares. So a retry waits for what an earlier try has left, and what nobody waits for is cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow_provider_zuora.core.errors import (
    ApiError,
    NotFound,
    QueryQueueFull,
    RateLimited,
    Refused,
    SignInRefused,
    Unreadable,
)
from airflow_provider_zuora.core.flow import LONGEST_PAUSE, Flow, LoadState, SaveState, Sleep
from airflow_provider_zuora.core.http.cancel import cancel_job
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import NOT_PROCESSED, READ_POLICY, WRITE, RetryPolicy
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.metrics import THROTTLED_SECONDS
from airflow_provider_zuora.core.submission.beginnings import sign_in
from airflow_provider_zuora.core.submission.idempotency_keys import (
    OUTSIDE,
    IdempotencyScope,
    TaskAttempt,
    compute_account,
    sha256,
)
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.submission.pauses import State, asks_for_pause, read_state
from airflow_provider_zuora.core.submission.submission_log import NO_LOG, Facts, SubmissionLog, log_end
from airflow_provider_zuora.core.vendors.zuora import data_queries

log = logging.getLogger(__name__)

NAME = "zuora_query"
"""The entry of the state store of a task that holds its query."""
KIND = "data query"
_LIMITED = 429
_PAUSE = 5.0  # seconds before a POST whose outcome is unknown is repeated; it doubles


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """What is kept of a task's query; the names are those of stored JSON."""

    account: str  # fingerprint of URL, client id, entity and orgs
    digest: str  # of the request's body
    max_tries: int  # Airflow's; clearing the task raises it: then the query runs again
    try_number: int  # Airflow's, of the try that waits for it
    generation: int  # of the key; a query that has failed is not asked for again
    job_id: str = ""  # empty: it is unknown whether there is one

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, values: Any) -> QueryRecord | None:
        """Return the record that `as_dict` described, None if it is none: a query may be submitted again."""
        try:
            record = cls(**{name: values[name] for name in cls.__slots__})
        except (KeyError, TypeError):
            return None
        texts = (record.account, record.digest, record.job_id)
        numbers = (record.max_tries, record.try_number, record.generation)
        has_types = all(isinstance(text, str) for text in texts) and all(isinstance(n, int) for n in numbers)
        return record if has_types else None


def submit_query(
    client: ApiClient,
    document: Mapping[str, Any],
    scope: IdempotencyScope,
    attempt: TaskAttempt = OUTSIDE,
    on_start: Callable[[str], object] = str,
    state: State | None = None,
    submission_log: SubmissionLog = NO_LOG,
) -> Flow[str]:
    """
    Submit a query, or find the one that an earlier try of this task has left, and return its job id.

    An earlier try's query counts if it has not failed and the task was not cleared since.

    :param document: the body, as `check_query` returns it.
    :param on_start: called with the id as soon as it is known, before it is noted.
    :param state: that of the `Sleep` after which this process goes on with the try; None: it begins.
    :raises QueryQueueFull: if the tenant has too many queries queued; transient.
    :raises Refused: if the vendor refuses the query.
    :raises LogUnavailable: if what is about to be sent could not be logged: it was not sent.
    """
    known = read_state(state, attempt)
    waited = float(known.get("waited", 0.0))  # seconds that the vendor has asked for
    with client.count_submission(KIND):
        yield from sign_in(client, known)
        while True:
            try:
                flow = _submit(client, document, scope, attempt, on_start, waited, submission_log)
                return (yield from flow)
            except ApiError as error:
                if not asks_for_pause(error, waited, WRITE):
                    raise
                pause = error.retry_after
                log.warning("Asking again in %.0f s: %s", pause, error)
            waited += pause
            client.emit(THROTTLED_SECONDS, pause)
            yield Sleep(pause, {**known, "waited": waited})


def _submit(
    client: ApiClient,
    document: Mapping[str, Any],
    scope: IdempotencyScope,
    attempt: TaskAttempt,
    on_start: Callable[[str], object],
    waited: float,
    submission_log: SubmissionLog,
) -> Flow[str]:
    account, digest = compute_account(client), sha256(dict(document))
    record = QueryRecord(account, digest, attempt.max_tries, attempt.number, 0)
    known = QueryRecord.from_dict((yield LoadState(NAME)))
    if known and _is_same(known, record):
        found = known.job_id
        if found and (yield from _is_usable(client, found)):
            on_start(found)
            log.info("An earlier try started %s; nothing is submitted", found)
            facts = _describe(scope, known)
            submission_log.add_end(facts | {"job_id": found, "outcome": Outcome.FOUND})
            yield from submission_log.write_ends()
            yield SaveState(NAME, _change(known, try_number=attempt.number).as_dict())
            return found
        record = _change(record, generation=known.generation + bool(found))
    elif known and known.job_id:
        yield from cancel_job(client, known.job_id)  # of before a clear, or with another text
    while True:
        try:
            facts = _describe(scope, record)
            yield from submission_log.note_intents([facts | {"unanswered": 1}])
            post = _post(client, document, facts["key"], waited)
            job_id = yield from log_end(submission_log, partial(_describe_end, facts), post)
        except QueryQueueFull:
            record = _change(record, generation=record.generation + 1)  # the vendor repeats it under this key
            if record.generation < attempt.number:
                continue  # perhaps it was an earlier try's
            yield SaveState(NAME, record.as_dict())
            raise
        on_start(job_id)
        yield SaveState(NAME, _change(record, job_id=job_id).as_dict())
        is_new = attempt.is_first or record.generation >= attempt.number - 1  # each goes one key further
        if is_new or (yield from _is_usable(client, job_id, is_new=True)):
            return job_id
        record = _change(record, generation=record.generation + 1)  # the key repeats a query that has failed


def cancel_own(client: ApiClient, job_id: str, attempt: TaskAttempt) -> Flow[bool]:
    """Cancel a query unless a later try of the task waits for it; return whether it has ended."""
    record = QueryRecord.from_dict((yield LoadState(NAME)))
    if record and record.job_id == job_id and record.try_number > attempt.number:
        log.info("A later try of the task waits for %s: it is not cancelled", job_id)
        return False
    return (yield from cancel_job(client, job_id))


def _is_same(known: QueryRecord, record: QueryRecord) -> bool:
    names = ("account", "digest", "max_tries")
    return all(getattr(known, name) == getattr(record, name) for name in names)


def _change(record: QueryRecord, **changes: Any) -> QueryRecord:
    return QueryRecord(**{name: getattr(record, name) for name in record.__slots__} | changes)


def _describe(scope: IdempotencyScope, record: QueryRecord) -> dict[str, Any]:
    """Return what the log says of a query under one key, besides its end."""
    key = scope.key(sha256([record.digest, record.max_tries]), None, record.generation)
    return {"kind": KIND, "key": key, "digest": record.digest}


def _describe_end(facts: Facts, job_id: str) -> Facts:
    return {**facts, "job_id": job_id, "outcome": Outcome.SUBMITTED}


def _is_usable(client: ApiClient, job_id: str, *, is_new: bool = False) -> Flow[bool]:
    """Return whether a query is under way, or has completed; if it cannot be read the wait will tell."""
    try:
        job = yield from client.get_job(job_id)
    except NotFound:
        return is_new  # one that was just submitted may not be known everywhere
    except ApiError as error:
        log.warning("%s cannot be read, and counts as under way: %s", job_id, error)
        return True
    return job.state is not JobState.FAILED


def _post(
    client: ApiClient,
    document: Mapping[str, Any],
    key: str,
    waited: float,
) -> Flow[str]:
    """
    Send a query until the answer is final, or until it asks for a long pause, under one key.

    It is not looked for in the vendor's list: that names neither format nor `readDeleted`, so the query of
    another task with the same text would look like this one.
    """
    request = client.vendor.build_submit_request(KIND, document, {}).with_headers({"Idempotency-Key": key})
    read_id, pause, attempt = client.vendor.kinds[KIND].read_id, _PAUSE, 0
    hasty = client.with_longest_pause(LONGEST_PAUSE)
    while True:
        attempt += 1
        try:
            parsed = yield from hasty.send(request, RetryPolicy(WRITE, NOT_PROCESSED))
            if job_id := read_id(parsed.body):
                log.info("%s started %s: %s", client.vendor.title, job_id, parsed.info)
                return job_id
            raise Unreadable("The answer names no query.", info=parsed.info, transient=True)
        except ApiError as error:
            if asks_for_pause(error, waited, WRITE):
                raise
            is_last = attempt == WRITE.attempts or not _is_unknown(error)
            if is_last:
                yield from _refuse(client, document, error)
            if not _is_unknown(error):
                raise
            log.warning("Whether the query was submitted is unknown: %s", error)
            if is_last:
                raise
        yield Sleep(pause)
        pause *= 2


def _is_unknown(error: ApiError) -> bool:
    """Return whether a query may have been submitted though an error came."""
    was_limited = error.info is not None and error.info.status == _LIMITED
    return error.transient and not was_limited and not isinstance(error, RateLimited)


def _refuse(client: ApiClient, document: Mapping[str, Any], error: ApiError) -> Flow[None]:
    """Raise the error of a full queue, if that is why a query was refused: its code is documented nowhere."""
    if not isinstance(error, Refused) or isinstance(error, SignInRefused):
        return
    try:
        rows = yield from _list_queries(client, data_queries.QUEUED)
    except ApiError as failure:
        log.warning("Whether the queue of queries is full is unknown: %s", failure)
        return
    waiting = sum(data_queries.has_same_source(row, document) for row in rows)
    if data_queries.is_full(waiting, document, error.info):
        words = f"{client.vendor.title} takes no more queries now: {waiting} that we see wait. {error}"
        raise QueryQueueFull(words, transient=True) from error


def _list_queries(client: ApiClient, params: Mapping[str, str]) -> Flow[list[Mapping[str, Any]]]:
    """Return the queries that the vendor shows us, the newest first."""
    parsed = yield from client.send(data_queries.build_list_request(params), READ_POLICY)
    return data_queries.read_list(parsed.body)


def read_file_link(client: ApiClient, job_id: str) -> Flow[str]:
    """Return a link to the file of a completed query, a secret; empty if the vendor names none."""
    parsed = yield from client.send(client.job_request(job_id), READ_POLICY)
    return data_queries.read_link(parsed.body)
