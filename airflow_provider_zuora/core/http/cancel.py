"""Cancel a job, if its kind can be: only a task that started it does so, never a sensor."""

from __future__ import annotations

import logging

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.flow import Flow, RetryBudget, Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import TRANSIENT, RetryPolicy

log = logging.getLogger(__name__)

_BUDGET = RetryBudget(3, 20.0)  # of each request: a task that has failed must not hold its worker for long
_PAUSES = (2.0, 5.0)  # seconds, before a job that cannot be cancelled yet is cancelled again


def cancel_job(client: ApiClient, job_id: str) -> Flow[bool]:
    """
    Cancel a job that nobody waits for any more; return whether it is cancelled, or had ended.

    A job that has ended, or that has not begun, cannot be cancelled: a refusal is no error, and the job's own
    status decides. No error is raised.
    """
    cancel = client.vendor.find_kind(job_id).build_cancel_request
    if cancel is None:
        return False
    for pause in (*_PAUSES, 0.0):
        try:
            request = client.job_request(job_id.partition(":")[2], cancel)
            yield from client.send(
                request, RetryPolicy(_BUDGET, TRANSIENT)
            )  # repeated, it cancels nothing else
        except ApiError as error:
            log.info("Job %s is not cancelled by this: %s", job_id, error)
        else:
            log.info("Job %s is cancelled: nobody waits for it", job_id)
            return True
        try:
            job = yield from client.get_job(job_id, _BUDGET)
        except ApiError as error:
            log.warning("Whether job %s is cancelled is unknown: %s", job_id, error)
            return False
        if job.has_ended:
            return True
        if pause:
            yield Sleep(pause)
    log.warning("Job %s was not cancelled, it is %s", job_id, job.status)
    return False
