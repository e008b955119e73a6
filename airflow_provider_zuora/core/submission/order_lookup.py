"""Find out whether an order of ours exists, by the number that we gave it; nothing here sends an order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, NotFound, OutcomeUnknown, Refused
from airflow_provider_zuora.core.flow import Flow, Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.job import ORDER, Job, JobState
from airflow_provider_zuora.core.messages import ParsedResponse
from airflow_provider_zuora.core.vendors.zuora.order_page import (
    build_account_request,
    build_order_request,
    describe_changes,
    describe_difference,
)

log = logging.getLogger(__name__)

APART = 600.0
"""
Seconds between two look-ups that must both find nothing.

Zuora makes an order after a timeout all the same, "a couple of minutes later" by what its users report
(facts: Knowledge Center, "Error: 504 Gateway Timeout"; "Create an order": "the call is still running").
"""
_TAKEN = "Order number {} is taken at {} by an order that is not this one: {}."


def find_order(client: ApiClient, document: Mapping[str, Any], *, once: bool = False) -> Flow[str | None]:
    """
    Look an order up by its ``orderNumber`` and return its id ``order:<orderNumber>``, None if there is none.

    None means that the vendor has answered so twice, ten minutes apart; with ``once`` it means nothing. If an
    unknown job is under way for longer, only the vendor's own refusal of a taken number prevents a second
    order.

    :raises OutcomeUnknown: if the number is that of another order, or if it is unknown whose it is.
    :raises ApiError: if the vendor could not be asked.
    """
    number, title = str(document["orderNumber"]), client.vendor.title
    for pause in (0.0,) if once else (APART, 0.0):
        found = yield from _read_page(client, number)
        if found is not None:
            page, job = found
            other = yield from _describe_difference(client, document, page, number)
            if wrong := other or _describe_failure(job):
                taken = _TAKEN.format(number, title, wrong)
                raise OutcomeUnknown(f"{taken} Nothing more was sent.", info=page.info)
            log.warning("Found order %s at %s; it replaces the job", number, title)
            return ORDER + number
        again = f"; looking again in {pause:.0f} s" if pause else ""
        log.warning("%s knows no order %s%s", title, number, again)
        if pause:
            yield Sleep(pause)
    return None


def find_existing_order(client: ApiClient, document: Mapping[str, Any]) -> Flow[str | None]:
    """
    Look once whether an order was made already, by whomever, and return its id; None if it is not there.

    One whose job is still under way is not there yet.

    :raises Refused: if the number is that of another order, or of one with another content.
    :raises ApiError: as `find_order` does.
    """
    number, title = str(document["orderNumber"]), client.vendor.title
    try:
        found = yield from _read_page(client, number)
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
    Return what tells an order at the vendor from ours in words, empty if nothing does or it is not there.

    :param is_adopted: its account must be ours, however we name it, and it must not be one that will never be
        carried out; its date and content may be others: a person says that it is to be taken.
    :raises ApiError: if it cannot be read.
    """
    found = yield from _read_page(client, number)
    if found is None:
        return ""
    page, job = found
    compared = {**document, "orderDate": None} if is_adopted else document
    other = yield from _describe_difference(client, compared, page, number)
    return other or (_describe_failure(job) if is_adopted else describe_changes(document, page.body))


def _read_page(client: ApiClient, number: str) -> Flow[tuple[ParsedResponse, Job] | None]:
    """Return the page of an order, and that as a job; None if the vendor says that there is no such order."""
    try:
        page = yield from client.send(build_order_request(number), READ_POLICY)
    except NotFound:
        return None
    return page, (yield from client.read_job(ORDER + number, page))  # raises if it holds no order


def _describe_difference(
    client: ApiClient, document: Mapping[str, Any], page: ParsedResponse, number: str
) -> Flow[str]:
    """
    Return what tells the order on a page from ours, in words; it is ours if account and date agree.

    :raises OutcomeUnknown: if its account cannot be read: the order is there, but whose is it?
    """
    try:
        request = build_account_request(document, page.body)
        known = (yield from client.send(request, READ_POLICY)).body if request else {}
    except ApiError as error:
        if error.transient:
            raise
        raise OutcomeUnknown(
            f"Order {number} is at {client.vendor.title}, but its account cannot be read, so whether it is "
            f"this task's is unknown: {error}\nNothing more was sent. If it is, pass order:{number} as "
            "adopt_job_id, and clear the task.",
            info=page.info,
        ) from error
    return describe_difference(document, page.body, known)


def _describe_failure(job: Job) -> str:
    """Return in words that an order will not be carried out, empty if it was or will be."""
    return f"it is {job.status}" if job.state is JobState.FAILED else ""
