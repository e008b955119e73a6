"""Post a bill run: a PUT that has no key, so it is sent only after a read says that the run is Completed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, Refused
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.response_parsing import make_error
from airflow_provider_zuora.core.http.retry import WRITE, delay_before_retry
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.messages import ResponseKind
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.submission.submission_log import NO_LOG, Facts, SubmissionLog, log_end
from airflow_provider_zuora.core.vendors.zuora.bill_runs import (
    BILL_RUN,
    BILL_RUN_POST,
    build_post_request,
    is_postable,
    is_posting,
)
from airflow_provider_zuora.core.vendors.zuora.field_rules import is_date

log = logging.getLogger(__name__)

_LAG = 15.0  # seconds in which a run may not show yet that its posting has begun


CheckDrafts = Callable[[ApiClient, str], Flow[None]]


def check_nothing(_: ApiClient, __: str) -> Flow[None]:
    """Let each run be posted."""
    yield from ()


def post_bill_run(
    client: ApiClient,
    job_id: str,
    invoice_date: str | None = None,
    submission_log: SubmissionLog = NO_LOG,
    check_drafts: CheckDrafts = check_nothing,
) -> Flow[str]:
    """
    Post a completed bill run, and return ``bill-run-post:<id>``; one that is posted already is a success.

    An answer that was lost, or a refusal, decides nothing: the run itself says whether it is being posted.

    :param job_id: ``bill-run:<id>``; ``invoice_date``: of all its invoices; None: as they have it.
    :param check_drafts: is asked with the run's id before the first post of this call.
    :raises GuardRefused: if ``check_drafts`` refuses it: this call has posted nothing.
    :raises Refused: if it is not Completed, or Zuora refuses to post it.
    :raises LogUnavailable: if the post could not be logged: it was not sent.
    :raises ApiError: transient, if the next try goes on.
    """
    if invoice_date is not None and not is_date(invoice_date):
        raise InvalidInput("Nothing was sent.", ("invoice_date: must be a date, written YYYY-MM-DD",))
    run_id = job_id.removeprefix(BILL_RUN_POST.prefix).removeprefix(BILL_RUN.prefix)
    track_ids: list[str] = []

    def describe_end(_: str) -> Facts:
        outcome = Outcome.SUBMITTED if track_ids else Outcome.FOUND
        return _describe(run_id, track_ids) | {"outcome": outcome}

    flow = _post(client, run_id, invoice_date, submission_log, track_ids, check_drafts)
    return (yield from log_end(submission_log, describe_end, flow))


def _post(
    client: ApiClient,
    run_id: str,
    invoice_date: str | None,
    submission_log: SubmissionLog,
    track_ids: list[str],
    check_drafts: CheckDrafts,
) -> Flow[str]:
    """Post a run; ``track_ids``: those of its PUTs are added to it."""
    posting, error, sent = BILL_RUN_POST.prefix + run_id, None, 0
    while True:
        job = yield from client.get_job(posting)
        if is_posting(job):
            log.info("Bill run %s is %s: it is not posted again", run_id, job.status)
            return posting
        if not is_postable(job):
            raise _build_refusal(job)
        if error is not None and (sent == WRITE.attempts or not error.transient):
            raise error
        if not sent:
            yield from check_drafts(client, run_id)
        request = client.job_request(posting, lambda _: build_post_request(run_id, invoice_date))
        track_ids.append(client.make_track_id())
        yield from submission_log.note_intents([_describe(run_id, track_ids) | {"unanswered": 1}])
        parsed = yield from client.send_once(request, track_ids[-1])
        sent += 1
        if parsed.kind is ResponseKind.OK:
            log.info("Posting bill run %s: %s", run_id, parsed.info)
            return posting
        error = make_error(client.vendor, parsed, sent)
        pause = delay_before_retry(parsed, sent, client.rng)
        words = "Bill run %s may be posted or not, reading it in %.1f s: %s"
        log.warning(words, run_id, max(_LAG, pause), error)
        yield from client.pause(parsed, pause, _LAG)


def _describe(run_id: str, track_ids: Sequence[str]) -> dict[str, Any]:
    """Return what the log says of a posting, which has no key."""
    return {"kind": "bill run post", "job_id": BILL_RUN_POST.prefix + run_id, "track_ids": track_ids}


def _build_refusal(job: Job) -> ApiError:
    why = "it has failed" if job.state is JobState.FAILED else "only a Completed run can be posted"
    return Refused(f"{job.job_id} is {job.status}: {why}. Nothing was posted.", info=job.info)
