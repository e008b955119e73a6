"""Zuora's payment runs: how one is created, and how it is read; REST cannot stop one.

Sources: developer.zuora.com, "Create a payment run", "Retrieve a payment run". Completed does not mean that
anything was paid: the run's summary says that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import quote

from airflow_provider_zuora.core.job import JobResult, JobState
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.vendors.base import JobKind, RepeatedSubmit
from airflow_provider_zuora.core.vendors.zuora.runs import read_run, read_run_id

PATH = "/v1/payment-runs"
_STATES: Mapping[str, JobState] = {
    **dict.fromkeys(("pending", "processing"), JobState.ACTIVE),
    "completed": JobState.SUCCEEDED,
    **dict.fromkeys(("error", "canceled", "cancelled"), JobState.FAILED),
}

PAYMENT_RUN = JobKind(
    prefix="payment-run:",
    build_status_request=lambda run: Request("GET", f"{PATH}/{quote(run, safe='')}"),
    states=_STATES,
    read_job=partial(read_run, states=_STATES, number="number"),
    read_result=lambda job, _: JobResult.of_job(job),
    build_submit_request=lambda document, _: Request.post_json(PATH, document),
    repeated_submit=RepeatedSubmit.KEYED,
    read_id=partial(read_run_id, "payment-run:"),
)
