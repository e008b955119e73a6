"""Find out whether a job, or an order found by its number, is the order of the task; nothing is sent here."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, NotFound, OutcomeUnknown, Refused, WrongOrder
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.response_parsing import read_job
from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.job import ORDER, Job, JobState
from airflow_provider_zuora.core.messages import ParsedResponse
from airflow_provider_zuora.core.vendors.zuora.order_page import (
    NUMBERED_ORDER,
    build_account_request,
    build_order_request,
    describe_changes,
    describe_difference,
)

log = logging.getLogger(__name__)

_NAMES = {"jobType": "type", "orderNumber": "order number"}  # the others are of the account
_TAKEN = "Order number {} is taken at {} by an order that is not this one: {}."


def find_order(client: ApiClient, document: Mapping[str, Any]) -> Flow[str | None]:
    """
    Look once for an order by its ``orderNumber`` and return its id ``order:<orderNumber>``.

    None: it is not there, or not yet, see `recovery.find_late_order`.

    :raises OutcomeUnknown: if the number is that of another order, or if it is unknown whose it is.
    :raises ApiError: if the vendor could not be asked.
    """
    number, title = str(document["orderNumber"]), client.vendor.title
    found = yield from read_page(client, number)
    if found is None:
        return None
    page, job = found
    other = yield from _describe_difference(client, document, page, number)
    if wrong := other or _describe_failure(job):
        taken = _TAKEN.format(number, title, wrong)
        raise OutcomeUnknown(f"{taken} Nothing more was sent.", info=page.info)
    log.warning("Found order %s at %s; it replaces the job", number, title)
    return ORDER + number


def find_existing_order(client: ApiClient, document: Mapping[str, Any]) -> Flow[str | None]:
    """
    Look once whether an order was made already, by whomever, and return its id; None if it is not there yet.

    :raises Refused: if the number is that of another order, or of one with another content.
    :raises ApiError: as `find_order` does.
    """
    number, title = str(document["orderNumber"]), client.vendor.title
    try:
        found = yield from read_page(client, number)
    except ApiError as error:
        if error.transient:
            raise
        raise OutcomeUnknown(
            f"Whether order {number} is at {title} already is unknown, it cannot be looked up: "
            f"{error}\nNothing was sent.",
            info=error.info,
        ) from error
    if found is None:
        return None
    page, job = found
    other = yield from _describe_difference(client, document, page, number)
    if wrong := other or _describe_failure(job) or describe_changes(document, page.body):
        taken = _TAKEN.format(number, title, wrong)
        raise Refused(f"{taken} Nothing was sent; give this order another number.", info=page.info)
    log.info("Order %s is at %s already; nothing is sent", number, title)
    return ORDER + number


def describe_order_difference(
    client: ApiClient, document: Mapping[str, Any], number: str, *, is_adopted: bool = False
) -> Flow[str]:
    """
    Return in words what tells an order at the vendor from ours, empty if nothing does or it is not there.

    :param is_adopted: its date and content may be others, because a person has chosen it; but its account
        must be ours, however we name it, and it must not be one that will never be carried out.
    """
    found = yield from read_page(client, number)
    if found is None:
        return ""
    page, job = found
    compared = {**document, "orderDate": None} if is_adopted else document
    other = yield from _describe_difference(client, compared, page, number)
    return other or (_describe_failure(job) if is_adopted else describe_changes(document, page.body))


def read_page(client: ApiClient, number: str) -> Flow[tuple[ParsedResponse, Job] | None]:
    """Return the page of an order, and that as a job; None if the vendor says that there is no such order."""
    try:
        return (yield from read_order(client, number))
    except NotFound:
        return None


def read_order(client: ApiClient, number: str) -> Flow[tuple[ParsedResponse, Job]]:
    """
    Return the page of an order, and that as a job.

    :raises NotFound: if the vendor says that there is no such order.
    :raises ApiError: if that cannot be found out, or the page is none of this order.
    """
    page = yield from client.send(build_order_request(number), READ_POLICY)
    job = yield from read_job(NUMBERED_ORDER, ORDER + number, page, client.secrets)
    return page, job


def _describe_difference(
    client: ApiClient, document: Mapping[str, Any], page: ParsedResponse, number: str
) -> Flow[str]:
    """
    Return in words what tells the order on a page from ours; it is ours if account and date agree.

    :raises OutcomeUnknown: if its account cannot be read: the order is there, but whose is it?
    """
    try:
        request = build_account_request(document, page.body)
        account = (yield from client.send(request, READ_POLICY)).body if request else {}
    except ApiError as error:
        if error.transient:
            raise
        raise OutcomeUnknown(
            f"Order {number} is at {client.vendor.title}, but its account cannot be read, so whether it is "
            f"this task's is unknown: {error}\nNothing more was sent. If it is, pass order:{number} as "
            "adopt_job_id, and clear the task.",
            info=page.info,
        ) from error
    return describe_difference(document, page.body, account)


def _describe_failure(job: Job) -> str:
    """Return in words that an order will not be carried out, empty if it was or will be."""
    return f"it is {job.status}" if job.state is JobState.FAILED else ""


def build_expectation(document: Mapping[str, Any]) -> dict[str, str]:
    """
    Return what a result must repeat of an order, in plain JSON and without secrets.

    These are ``jobType``, ``orderNumber``, and ``accountNumber`` or ``accountId``, if the order names them.
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

    Its result must name an order. What it does not name is not compared: it may carry ids instead of numbers.

    :param expected: see `build_expectation`; empty: it was no order that was submitted.
    :raises WrongOrder: if it is another order's, or no order's.
    """
    if job.state is JobState.SUCCEEDED and expected:
        _refuse(job, list(_describe_wrong(_read_result(job), expected)))


def check_adopted(job: Job, expected: Mapping[str, str]) -> None:
    """
    Check that the result of an adopted job, or the number of an order, says that it is the task's order.

    :raises WrongOrder: if it is another order's, or no order's, or if it does not say whose it is.
    """
    result = _read_result(job)
    if job.job_id.startswith(ORDER):
        result["orderNumber"] = job.job_id.removeprefix(ORDER)
    wrong = list(_describe_wrong(result, expected))
    if not wrong and expected.get("orderNumber") and not result.get("orderNumber"):
        wrong.append(f"it does not say whether it is order {expected['orderNumber']}")
    _refuse(job, wrong)


def _refuse(job: Job, wrong: Sequence[str]) -> None:
    if wrong:
        raise WrongOrder(
            f"Job {job.job_id} did not make this task's order: {'; '.join(wrong)}. Look for the order in "
            "Zuora before you submit it again.",
            info=job.info,
        )


def _read_result(job: Job) -> dict[str, Any]:
    return dict(job.result) if isinstance(job.result, Mapping) else {}


def _describe_wrong(result: Mapping[str, Any], expected: Mapping[str, str]) -> Iterator[str]:
    for name, ours in expected.items():
        found = result.get(name)
        if found and str(found).strip().casefold() != ours.strip().casefold():
            yield f"its {_NAMES.get(name, 'account')} is {str(found)[:80]!r}, this one's is {ours!r}"
    names = ("orderNumber", "orderId")
    if not any(isinstance(result.get(name), (str, int)) and result[name] for name in names):
        yield "it names no order that it made"
