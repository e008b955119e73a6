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
from airflow_provider_zuora.core.submission.guarding import describe_intents
from airflow_provider_zuora.core.submission.idempotency_keys import EQUAL, TaskAttempt
from airflow_provider_zuora.core.submission.order_lookup import find_existing_order
from airflow_provider_zuora.core.submission.record import SubmissionState
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission import Submission
from airflow_provider_zuora.core.submission.submission_log import NO_LOG, SubmissionLog

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedOrder:
    """An order of a list and its submission, which has not begun."""

    order: BulkOrder
    submission: Submission


def prepare_order(
    client: ApiClient,
    order: BulkOrder,
    attempt: TaskAttempt,
    notes: RecordStore,
    submission_log: SubmissionLog = NO_LOG,
) -> PreparedOrder:
    """Return an order of a list, ready to be submitted."""
    place = "equals" if order.equals else "list"
    submission = Submission(client, order.checked, order.scope, attempt, notes, place=place)
    submission.log = submission_log
    return PreparedOrder(order, submission)


def refuse_repeated(batch: Iterable[PreparedOrder]) -> None:
    """Refuse a list if the same try has submitted an equal order without a number before."""
    broken = [f"{each.order.label}: {EQUAL}" for each in batch if each.submission.is_repeated]
    raise_first("Nothing was sent.", broken)


def reserve_batch(
    batch: Iterable[PreparedOrder], notes: RecordStore, submission_log: SubmissionLog = NO_LOG
) -> Flow[None]:
    """
    Note a batch before the first of its orders is sent, in the log first; it is empty after the last one.

    :raises LogUnavailable, StoreUnavailable: if that fails: nothing of the batch may be sent.
    """
    opened = [each.submission for each in batch if each.submission.record.state is SubmissionState.OPEN]
    if submission_log.is_kept:
        yield from submission_log.note_intents(describe_intents(opened))
    yield from notes.reserve([each.record for each in opened])


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
                submission.record = submission.record.with_job(job_id, client.clock())
                submission.is_adopted = True
                yield from submission.notes.save(submission.record)
            else:
                job_id = yield from submission.run()
    except ApiError as error:
        log.warning("%s was not submitted: %s", order, error)
        return BulkResult(order, error=error)
    return BulkResult(order, job_id)
