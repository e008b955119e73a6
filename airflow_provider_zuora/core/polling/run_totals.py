"""What is read of a run besides its end: when it begins, and what it came to, which may still change."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, NotFound, Unreadable
from airflow_provider_zuora.core.flow import Flow, Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.response_parsing import read_job
from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.messages import ParsedResponse, Request
from airflow_provider_zuora.core.redaction import MESSAGE_LENGTH, redact_messages, redact_words
from airflow_provider_zuora.core.vendors.base import RunTotals, fold_status

log = logging.getLogger(__name__)

_STILL = 60.0  # seconds for which counts must not change to count as final
_PAUSE = 15.0  # seconds between two reads
_NEW_RUN_PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds, before a run is asked for again that is not known yet


def read_waiting_run(client: ApiClient, job_id: str) -> Flow[tuple[Job, Mapping[str, Any]] | None]:
    """Return a run that waits for its time, and what the vendor says of it; None if it does not wait."""
    page = yield from _read_new(client, client.job_request(job_id))
    job = yield from read_job(client.vendor.find_kind(job_id), job_id, page, client.secrets)
    is_waiting = fold_status(job.status) in client.vendor.find_kind(job_id).waiting
    return (job, redact_messages(dict(page.body), client.secrets)) if is_waiting else None


def read_totals(client: ApiClient, job: Job, seconds: float) -> Flow[RunTotals]:
    """
    Return what a run that has ended came to.

    The vendor may count later than the run ends, or count what still is under way as an error. So it is read
    until it is final, or stands still for a minute, or for so many seconds.

    :raises ApiError: if it cannot be read.
    """
    kind = client.vendor.find_kind(job.job_id)
    build, read = kind.build_totals_request, kind.read_totals
    if build is None or read is None:
        raise ValueError(f"nothing is counted of {job.job_id}")
    request = client.job_request(job.job_id, lambda job_id: build(job_id.removeprefix(kind.prefix)))
    began = since = client.ticks()
    last: RunTotals | None = None
    while True:
        try:
            page = yield from client.send(request, READ_POLICY)
        except NotFound:
            if client.ticks() - began >= seconds:
                raise
            log.info("%s has not counted %s yet", client.vendor.title, job.job_id)
        else:
            totals, now = _redact(client, read(job, page.body)), client.ticks()
            if totals != last:
                last, since = totals, now
            if totals.is_final:
                return totals
            is_out_of_time = now - began >= seconds
            if is_out_of_time and not totals.is_of_now:
                words = f"{client.vendor.title} has not counted {job.job_id} since it was {job.status}."
                raise Unreadable(words, info=page.info)
            if (now - since >= _STILL and totals.is_of_now) or is_out_of_time:
                words = "What %s came to may still change at %s; read for %.0f s"
                log.warning(words, job.job_id, client.vendor.title, now - began)
                return totals
            log.info("%s: %d errors so far, or an old count; reading again", job.job_id, totals.errors)
        yield Sleep(max(1.0, min(_PAUSE, began + seconds - client.ticks())))


def _redact(client: ApiClient, totals: RunTotals) -> RunTotals:
    secrets = client.secrets
    message = redact_words(totals.message, MESSAGE_LENGTH, secrets)
    return replace(totals, values=redact_messages(totals.values, secrets), message=message)


def _read_new(client: ApiClient, request: Request) -> Flow[ParsedResponse]:
    """Return the answer about a run that must be there: a new one may not be known everywhere yet."""
    for pause in _NEW_RUN_PAUSES:
        try:
            return (yield from client.send(request, READ_POLICY))
        except NotFound as error:
            log.info("%s does not know it yet: %s", client.vendor.title, error)
            yield Sleep(pause)
    return (yield from client.send(request, READ_POLICY))


def describe_totals(totals: RunTotals | ApiError) -> str:
    """Return in words what a run came to, or why that is unknown."""
    if isinstance(totals, ApiError):
        return f"what it came to cannot be read: {totals}"
    counts = ", ".join(
        f"{name.replace('_', ' ')} {count}"
        for name, count in totals.values.items()
        if isinstance(count, int) and not isinstance(count, bool)
    )
    return "; ".join(part for part in (totals.message, counts) if part)
