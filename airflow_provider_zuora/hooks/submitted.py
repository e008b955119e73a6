"""What the end of a job means to the task that submitted it, and can submit it again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, get_current_context

from airflow_provider_zuora.airflow_context.task import get_claims, open_store, read_attempt
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.submission.adoption import record_failure
from airflow_provider_zuora.core.submission.order_lookup import check_result
from airflow_provider_zuora.exceptions import TransientError, convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.version_compat import NEVER_EXPIRE

log = logging.getLogger(__name__)


def get_running_context() -> Mapping[str, Any]:
    """Return the context of the running task, an empty one if none runs."""
    try:
        return get_current_context()
    except (AirflowException, RuntimeError):  # Airflow 2, Airflow 3
        return {}


def read_submitted_result(
    hook: BaseJobHook,
    job: Job,
    context: Mapping[str, Any],
    expected: Mapping[str, str],
    options: Mapping[str, object],
) -> JobResult:
    """
    Return what a job that has ended came to.

    :param expected: what its result must repeat of what was submitted, see `check_result`.
    :param options: those of `Vendor.read_result`.
    :raises PermanentError: if the job failed permanently, or made another order.
    :raises TransientError: if it failed for a transient reason; `LockContentionError` if on a lock.
    """
    job = hook._settings.client.redact_job(job)  # a trigger does not know what to hide
    if job.state is JobState.FAILED:
        _record_failure(hook, job, context)
    with convert_errors():
        check_result(job, expected)
        result = hook.vendor.read_result(job, options)
        if result.error:
            raise result.error
    return result


def _record_failure(hook: BaseJobHook, job: Job, context: Mapping[str, Any]) -> None:
    """Record that a job failed; if that cannot be done, the next try asks the vendor again."""
    shared = get_claims(context.get("ti")).shared
    try:
        hook._run(
            lambda client: record_failure(client, read_attempt(context), job, shared),
            open_store(context, NEVER_EXPIRE),
        )
    except TransientError as error:
        log.warning("That job %s failed could not be recorded: %s", job.job_id, error)
