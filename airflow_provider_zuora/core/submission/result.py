"""Whether a job made the order that was submitted: the one place where the two are compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_zuora.core.errors import WrongOrder
from airflow_provider_zuora.core.job import ORDER, Job, JobState

_NAMES = {
    "jobType": "type",
    "orderNumber": "order number",
    "accountNumber": "account",
    "accountId": "account",
}


def build_expectation(document: Mapping[str, Any]) -> dict[str, str]:
    """
    Return what a result must repeat of an order, in plain JSON and without secrets.

    :return: ``jobType``; ``orderNumber``, and ``accountNumber`` or ``accountId``, as far as the order names
        them.
    """
    new = document.get("newAccount")
    own = new.get("accountNumber") if isinstance(new, Mapping) else None
    expected = {
        "jobType": "AsyncCreateOrder",
        "orderNumber": document.get("orderNumber"),
        "accountNumber": document.get("existingAccountNumber") or own,
        "accountId": document.get("existingAccountId"),
    }
    return {name: str(value) for name, value in expected.items() if value}


def check_result(job: Job, expected: Mapping[str, str]) -> None:
    """
    Check that a job that succeeded made the order that was submitted; others pass.

    Its result must name an order, and be no preview's. It may carry ids instead of numbers (``return_ids``):
    what it does not name is not compared.

    :param expected: see `build_expectation`; empty: it was no order that was submitted.
    :raises WrongOrder: if it is another order's, or no order's.
    """
    if job.state is JobState.SUCCEEDED and expected:
        _refuse(job, _describe_wrong(_read_result(job), expected))


def check_adopted(job: Job, expected: Mapping[str, str]) -> None:
    """
    Check that a job that is adopted makes the task's order: its result must say so.

    :param job: one that has ended well, or an order that was found by its number.
    :raises WrongOrder: if it is another order's, or no order's, or if it does not say whose it is.
    """
    result = _read_result(job)
    if job.job_id.startswith(ORDER):
        result["orderNumber"] = job.job_id.removeprefix(ORDER)
    wrong = list(_describe_wrong(result, expected))
    if not wrong and expected.get("orderNumber") and not result.get("orderNumber"):
        wrong.append(f"it does not say whether it is order {expected['orderNumber']}")
    _refuse(job, wrong)


def _refuse(job: Job, wrong: Iterable[str]) -> None:
    if words := "; ".join(wrong):
        raise WrongOrder(
            f"Job {job.job_id} did not make this task's order: {words}. Look for the order in Zuora before "
            "you submit it again.",
            info=job.info,
        )


def _read_result(job: Job) -> dict[str, Any]:
    return dict(job.result) if isinstance(job.result, Mapping) else {}


def _describe_wrong(result: Mapping[str, Any], expected: Mapping[str, str]) -> Iterator[str]:
    for name, ours in expected.items():
        found = result.get(name)
        if found and str(found).strip().casefold() != ours.strip().casefold():
            yield f"its {_NAMES[name]} is {str(found)[:80]!r}, this one's is {ours!r}"
    names = ("orderNumber", "orderId")
    if not any(isinstance(result.get(name), (str, int)) and result[name] for name in names):
        yield "it names no order that it made"
