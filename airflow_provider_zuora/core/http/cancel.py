"""Cancel a job, if its kind can be: only a task that started it does so, never a sensor."""

from __future__ import annotations

import logging

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import NOT_PROCESSED, WRITE, RetryPolicy

log = logging.getLogger(__name__)


def cancel_job(client: ApiClient, job_id: str) -> Flow[bool]:
    """
    Cancel a job that nobody waits for any more; return whether it is cancelled, or had ended.

    A job that has ended cannot be cancelled: a refusal is no error then. No error is raised.
    """
    cancel = client.vendor.find_kind(job_id).build_cancel_request
    if cancel is None:
        return False
    try:
        request = client.job_request(job_id.partition(":")[2], cancel)
        yield from client.send(request, RetryPolicy(WRITE, NOT_PROCESSED, allows_any_content=True))
    except ApiError as error:
        try:
            job = yield from client.get_job(job_id)
        except ApiError as failure:
            log.warning("Job %s was not cancelled: %s; %s", job_id, error, failure)
            return False
        if not job.has_ended:
            log.warning("Job %s was not cancelled, it is %s: %s", job_id, job.status, error)
        return job.has_ended
    log.info("Job %s is cancelled: nobody waits for it", job_id)
    return True
