"""One order of a list, submitted once; what becomes of it stops no other."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_zuora.core.errors import ApiError, raise_first
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.submission.bulk_orders import BulkOrder
from airflow_provider_zuora.core.submission.bulk_results import BulkResult
from airflow_provider_zuora.core.submission.idempotency_keys import EQUAL, TaskAttempt
from airflow_provider_zuora.core.submission.order_lookup import find_existing_order
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission import Submission

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedOrder:
    """An order of a list and its submission, which has not begun."""

    order: BulkOrder
    submission: Submission


def prepare_order(
    client: ApiClient, order: BulkOrder, attempt: TaskAttempt, notes: RecordStore
) -> PreparedOrder:
    """Return an order of a list, ready to be submitted."""
    place = "equals" if order.equals else "list"
    return PreparedOrder(order, Submission(client, order.checked, order.scope, attempt, notes, place=place))


def refuse_repeated(batch: Iterable[PreparedOrder]) -> None:
    """Refuse a list if the same try has submitted an equal order without a number before."""
    broken = [f"{each.order.label}: {EQUAL}" for each in batch if each.submission.is_repeated]
    raise_first("Nothing was sent.", broken)


def select_records(batch: Iterable[PreparedOrder]) -> list[SubmissionRecord]:
    """Return what is to be noted before the first order of a batch is sent."""
    records = [each.submission.record for each in batch]
    return [record for record in records if record.state is SubmissionState.OPEN]


def submit_one(prepared: PreparedOrder, *, adopt: bool = False) -> Flow[BulkResult]:
    """
    Submit one order of a list, once, and return what became of it; no error of the vendor's is raised.

    :param adopt: take an order that is there already, found by its number.
    """
    order, submission = prepared.order, prepared.submission
    client, job_id = submission.client, None
    try:
        with client.count_submission(order.checked.kind):
            if adopt and order.number:
                job_id = yield from find_existing_order(client, order.checked.document)
            if job_id is not None:
                yield from submission.notes.save(submission.record.with_job(job_id, client.clock()))
            else:
                job_id = yield from submission.run()
    except ApiError as error:
        log.warning("%s was not submitted: %s", order, error)
        return BulkResult(order, error=error)
    return BulkResult(order, job_id)
