"""Whether a bill run is there already, by its name, which no other submission has; nothing is sent here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_zuora.core.errors import OutcomeUnknown, ResponseInfo
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.vendors.zuora.bill_runs import build_lookup_request, read_named_runs

log = logging.getLogger(__name__)


def find_bill_run(client: ApiClient, document: Mapping[str, Any], generation: int) -> Flow[str | None]:
    """
    Look once for a bill run by its name and return its job id, None if it is not there, or not yet.

    :param generation: of the key: so many runs of this name may have failed before.
    :raises OutcomeUnknown: if there are two.
    :raises ApiError: if the vendor could not be asked, or does not list runs by their names.
    """
    name, title = str(document["name"]), client.vendor.title
    page = yield from client.send(build_lookup_request(document), READ_POLICY)
    job_id = _choose_run(read_named_runs(page.body, name, page.info), generation, name, page.info)
    if job_id is not None:
        log.warning("Found %s by its name %s at %s", job_id, name, title)
    return job_id


def _choose_run(
    found: Sequence[tuple[str, JobState]], generation: int, name: str, info: ResponseInfo
) -> str | None:
    """Return the one run that is ours, None if there is none; failed ones may be of the keys before."""
    failed = [job_id for job_id, state in found if state is JobState.FAILED]
    others = [job_id for job_id, state in found if state is not JobState.FAILED]
    if not others and len(failed) <= generation:
        return None
    ours = others or failed
    if len(ours) > 1 or (generation and not others):
        ids = ", ".join(ours)
        raise OutcomeUnknown(
            f"There are {len(ours)} bill runs with the name {name}, so which of them this task has made is "
            f"unknown: {ids}. Nothing more was sent. Look at them in Zuora, and pass the right one as "
            "adopt_job_id.",
            info=info,
        )
    return ours[0]
