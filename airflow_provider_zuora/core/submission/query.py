"""
A data query: submitted, found again, read and cancelled.

It changes nothing at the vendor, so that it may be submitted twice; but it takes a place that the whole
tenant shares. So a retry waits for what an earlier try has left, and what nobody waits for is cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
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
from airflow_provider_zuora.core.flow import Flow, LoadState, SaveState, Sleep
from airflow_provider_zuora.core.http.cancel import cancel_job
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import NOT_PROCESSED, READ_POLICY, WRITE, RetryPolicy
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.submission.idempotency_keys import (
    OUTSIDE,
    IdempotencyScope,
    TaskAttempt,
    compute_account,
    sha256,
)
from airflow_provider_zuora.core.vendors.zuora import data_queries

log = logging.getLogger(__name__)

NAME = "zuora_query"
"""The entry of the state store of a task that holds its query."""
KIND = "data query"
_CLOCKS_APART = 600.0  # seconds by which our clock and the vendor's may differ
_LIMITED = 429
_PAUSE = 5.0  # seconds before a POST whose outcome is unknown is repeated; it doubles


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """What is kept of a task's query; the names are those of stored JSON."""

    account: str  # fingerprint of URL, client id, entity and orgs
    digest: str  # of the request's body
    max_tries: int  # Airflow's; clearing the task raises it: then the query runs again
    generation: int  # of the key; a query that has failed is not asked for again
    first_post: float  # seconds since 1970
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
        texts, numbers = (record.account, record.digest, record.job_id), (record.max_tries, record.generation)
        has_types = all(isinstance(text, str) for text in texts) and all(isinstance(n, int) for n in numbers)
        return record if has_types and isinstance(record.first_post, (int, float)) else None


def submit_query(
    client: ApiClient, document: Mapping[str, Any], scope: IdempotencyScope, attempt: TaskAttempt = OUTSIDE
) -> Flow[str]:
    """
    Submit a query, or find the one that an earlier try of this task has left, and return its job id.

    An earlier try's query counts if it has not failed and the task was not cleared since.

    :param document: the body, as `check_query` returns it.
    :raises QueryQueueFull: if the tenant has too many queries queued; transient.
    :raises Refused: if the vendor refuses the query.
    """
    fresh = QueryRecord(compute_account(client), sha256(dict(document)), attempt.max_tries, 0, client.clock())
    record = fresh
    known = QueryRecord.from_dict((yield LoadState(NAME)))
    if known and _is_same(known, fresh):
        record = known
        found = yield from _find_earlier(client, document, known)
        if found and (yield from _is_usable(client, found)):
            log.info("An earlier try started %s; nothing is submitted", found)
            yield SaveState(NAME, _with(known, job_id=found).as_dict())
            return found
        if found:
            record = _with(fresh, generation=known.generation + 1)
    elif known and known.job_id:
        yield from cancel_job(client, known.job_id)  # of before a clear, or with another text: nobody waits
    while True:
        record = _with(record, job_id="")
        yield SaveState(NAME, record.as_dict())
        job_id = yield from _post(client, document, scope, record)
        yield SaveState(NAME, _with(record, job_id=job_id).as_dict())
        is_new = attempt.is_first or record.generation >= attempt.number - 1  # each try goes one key further
        if is_new or (yield from _is_usable(client, job_id)):
            return job_id
        record = _with(record, generation=record.generation + 1)  # the key repeats a query that has failed


def _is_same(known: QueryRecord, fresh: QueryRecord) -> bool:
    names = ("account", "digest", "max_tries")
    return all(getattr(known, name) == getattr(fresh, name) for name in names)


def _with(record: QueryRecord, **changes: Any) -> QueryRecord:
    return QueryRecord(**{**record.as_dict(), **changes})


def _find_earlier(client: ApiClient, document: Mapping[str, Any], known: QueryRecord) -> Flow[str]:
    """Return the id of an earlier try's query, empty if there is none that anybody knows."""
    if known.job_id:
        return known.job_id
    return (yield from _find_query(client, document, known.first_post))


def _is_usable(client: ApiClient, job_id: str) -> Flow[bool]:
    """Return whether a query is under way, or has completed."""
    try:
        job = yield from client.get_job(job_id)
    except NotFound:
        return False
    return job.state is not JobState.FAILED


def _post(
    client: ApiClient, document: Mapping[str, Any], scope: IdempotencyScope, record: QueryRecord
) -> Flow[str]:
    """Send a query until the answer is final; before it is repeated, it is looked for."""
    key = scope.key(sha256([record.digest, record.max_tries]), None, record.generation)
    request = client.vendor.build_submit_request(KIND, document, {}).with_headers({"Idempotency-Key": key})
    read_id, pause = client.vendor.kinds[KIND].read_id, _PAUSE
    for attempt in range(1, WRITE.attempts + 1):
        began = client.clock()
        try:
            parsed = yield from client.send(request, RetryPolicy(WRITE, NOT_PROCESSED))
            if job_id := read_id(parsed.body):
                log.info("%s started %s: %s", client.vendor.title, job_id, parsed.info)
                return job_id
            raise Unreadable("The answer names no query.", info=parsed.info, transient=True)
        except ApiError as error:
            if isinstance(error, Refused):
                yield from _refuse(client, error)
            was_limited = error.info is not None and error.info.status == _LIMITED
            if not error.transient or was_limited or isinstance(error, RateLimited):
                raise
            log.warning("Whether the query was submitted is unknown: %s", error)
            if found := (yield from _find_query(client, document, began)):
                return found
            if attempt == WRITE.attempts:
                raise
        yield Sleep(pause)
        pause *= 2
    raise AssertionError("the last attempt returns or raises")


def _refuse(client: ApiClient, error: Refused) -> Flow[None]:
    """Raise the error of a full queue, if that is why a query was refused: its code is documented nowhere."""
    is_other = error.transient and not (error.info and error.info.status == _LIMITED)
    if is_other or isinstance(error, SignInRefused):
        return
    try:
        rows = yield from _list_queries(client, {"queryStatus": "accepted"})
    except ApiError as failure:
        log.warning("Whether the queue of queries is full is unknown: %s", failure)
        return
    if len(rows) >= data_queries.QUEUE_LENGTH or data_queries.says_full(error.info):
        raise QueryQueueFull(
            f"{client.vendor.title} takes no more queries now: {len(rows)} of ours wait. {error}",
            transient=True,
        ) from error


def _find_query(client: ApiClient, document: Mapping[str, Any], since: float) -> Flow[str]:
    """Return the id of the one query with this text that was submitted since then, empty if there is none."""
    rows = yield from _list_queries(client, {})
    ours = [row for row in rows if data_queries.is_of(row, document)]
    new = [row for row in ours if (data_queries.read_time(row) or 0.0) >= since - _CLOCKS_APART]
    if not new:
        return ""
    if len(new) > 1:
        log.warning("%d queries with this text were submitted lately; the newest counts", len(new))
    return client.vendor.kinds[KIND].read_id({"data": new[0]})


def _list_queries(client: ApiClient, params: Mapping[str, str]) -> Flow[list[Mapping[str, Any]]]:
    """Return the queries that the vendor shows us, the newest first."""
    parsed = yield from client.send(data_queries.build_list_request(params), READ_POLICY)
    rows = parsed.body.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def read_file_link(client: ApiClient, job_id: str) -> Flow[str]:
    """Return a link to the file of a completed query, a secret; empty if the vendor names none."""
    parsed = yield from client.send(client.job_request(job_id), READ_POLICY)
    return data_queries.read_link(parsed.body)
