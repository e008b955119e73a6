"""Zuora's payment runs: how one is created, how it is read and counted; REST cannot stop one.

Sources: developer.zuora.com, "Create a payment run", "Retrieve a payment run", "Retrieve a payment
run summary". Completed does not mean that
anything was paid: the run's summary says that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any
from urllib.parse import quote

from airflow_provider_zuora.core.errors import Unreadable
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.vendors.base import JobKind, RepeatedSubmit, RunTotals
from airflow_provider_zuora.core.vendors.response_body import read_text
from airflow_provider_zuora.core.vendors.zuora.runs import read_count, read_run, read_run_facts, read_run_id

PATH = "/v1/payment-runs"
_WAITING = "pending"
_STATES: Mapping[str, JobState] = {
    **dict.fromkeys((_WAITING, "processing"), JobState.ACTIVE),
    "completed": JobState.SUCCEEDED,
    **dict.fromkeys(("error", "canceled", "cancelled"), JobState.FAILED),
}

_COUNT, _AMOUNT = "numberOf", "totalValueOf"  # how the fields of a summary begin
_MONEY = re.compile(r"(-?[0-9]{1,30}(?:\.[0-9]{1,30})?)\s+([A-Za-z]{3})")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def _build_path(run: str) -> str:
    return f"{PATH}/{quote(run, safe='')}"


def _read_totals(job: Job, body: Mapping[str, Any]) -> RunTotals:
    """
    Return the summary: its numbers, and ``amounts`` by currency, as texts that are exact.

    ``numberOfErrors`` counts the payments that still process, too, so only none of them is final.
    """
    counts = {
        _name_field(name, _COUNT): read_count(value)
        for name, value in body.items()
        if name.startswith(_COUNT)
    }
    errors = counts.get("errors")
    if errors is None:
        raise Unreadable(f"The summary of {job.job_id} has no number of errors.", info=job.info)
    amounts = _read_amounts(job, body.get("totalValues") or [])
    is_wrong = any(Decimal(each.get("errors", "0")) for each in amounts.values())
    wrong_input = counts.get("error_input_data", 0)
    if wrong_input is None:
        raise Unreadable(f"The summary of {job.job_id} has no number of errors of its data.", info=job.info)
    errors = max(errors, wrong_input, int(is_wrong))
    return RunTotals({**counts, "amounts": amounts}, errors == 0, errors)


def _read_amounts(job: Job, rows: object) -> dict[str, dict[str, str]]:
    """
    Return the amounts of a summary by currency, as exact texts; those of one currency are added.

    :raises Unreadable: if one cannot be read: a sum that lacks it would be wrong.
    """
    sums: dict[str, dict[str, Decimal]] = {}
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"The summary of {job.job_id} has no list of amounts.", info=job.info)
    for name, value in chain.from_iterable(row.items() for row in rows):
        if name.startswith(_AMOUNT) and value is not None:
            if not (money := _MONEY.fullmatch(read_text(value).strip())):
                words = f"The summary of {job.job_id} has an amount, {name}, that cannot be read."
                raise Unreadable(words, info=job.info)
            amounts, field = sums.setdefault(money[2].upper(), {}), _name_field(name, _AMOUNT)
            amounts[field] = amounts.get(field, Decimal(0)) + Decimal(money[1])
    return {
        currency: {field: format(amount, "f") for field, amount in amounts.items()}
        for currency, amounts in sums.items()
    }


def _name_field(name: str, start: str) -> str:
    """Return ``unprocessed_receivables`` for ``numberOfUnprocessedReceivables``."""
    return _CAPITAL.sub("_", name.removeprefix(start)).lower()


PAYMENT_RUN = JobKind(
    prefix="payment-run:",
    build_status_request=lambda run: Request("GET", _build_path(run)),
    states=_STATES,
    read_job=partial(read_run, states=_STATES, number="number"),
    read_result=lambda job, _: JobResult.of_job(job),
    read_facts=partial(read_run_facts, "payment run", "number"),
    build_submit_request=lambda document, _: Request.post_json(PATH, document),
    repeated_submit=RepeatedSubmit.KEYED,
    read_id=partial(read_run_id, "payment-run:"),
    build_totals_request=lambda run: Request("GET", f"{_build_path(run)}/summary"),
    read_totals=_read_totals,
    waiting=(_WAITING,),
)
