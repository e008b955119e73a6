"""The reads of a reconciliation: the list of orders, an order, its job, and the orders of an account."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import quote

from airflow_provider_zuora.core.errors import NotFound, Unreadable
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.reconciliation.comparison import Comparison
from airflow_provider_zuora.core.reconciliation.logged_orders import JobEnd
from airflow_provider_zuora.core.submission.order_lookup import read_page
from airflow_provider_zuora.core.vendors.response_body import read_text
from airflow_provider_zuora.core.vendors.zuora.order_list import (
    OrderRow,
    build_list_request,
    filter_account,
    filter_updated,
    read_list,
    read_order_row,
)

log = logging.getLogger(__name__)

Run: TypeAlias = Callable[[Callable[[ApiClient], Flow[Any]]], Any]
"""Runs the flow that is made of a client."""

RunMany: TypeAlias = Callable[[Callable[[ApiClient], Iterable[Flow[Any]]]], list[Any]]
"""Runs many of them, some at a time, and returns their results in their order."""


def read_zuora(known: Comparison, run: Run, run_many: RunMany) -> None:
    """
    Read what a comparison needs: the list, and one by one what it does not tell, or tells otherwise.

    A list alone never says that an order is missing: each that it does not show is asked for by its number.
    """

    def read_each(read: Callable[[ApiClient, str], Flow[Any]], names: Sequence[str]) -> list[Any]:
        if not names:
            return []
        log.info("%d more are read one by one", len(names))
        return run_many(lambda client: (read(client, name) for name in names))

    jobs = known.list_unread_jobs()
    known.take_jobs(jobs, read_each(read_job_end, jobs))
    filters = (filter_updated(known.begin_list()),)
    known.listed = run(partial(read_orders, filters=filters, take=known.take_row))
    log.info("Zuora's list has %d orders that were made or changed since the window began", known.listed)
    numbers = known.list_unconfirmed()
    known.take_orders(numbers, read_each(read_order, numbers))
    jobs = known.list_unexplained()
    known.take_jobs(jobs, read_each(read_job_end, jobs))
    numbers = known.list_alike()
    known.take_contents(numbers, read_each(read_order, numbers))
    keys = known.list_unplaced()
    known.take_placed(keys, read_each(partial(_read_orders_of, known), keys))


def _read_orders_of(known: Comparison, client: ApiClient, key: str) -> Flow[list[OrderRow] | None]:
    order = known.books.orders[key]
    return read_orders_of_account(client, order.account_number or order.account_id, order.order_date)


def read_orders(client: ApiClient, filters: Sequence[str], take: Callable[[OrderRow], object]) -> Flow[int]:
    """
    Read a list of orders page by page, hand over each, and return how many there were.

    An order that changes while the list is read may be on two pages, or on none.

    :raises Unreadable: if a page is none, or leads back to one that was read.
    """
    cursor, known, count = "", set[str](), 0
    while True:
        parsed = yield from client.send(build_list_request(filters, cursor), READ_POLICY)
        rows, cursor = read_list(parsed.body, parsed.info)
        count += len(rows)
        for row in rows:
            take(row)
        if not cursor:
            return count
        if cursor in known:
            raise Unreadable("The list of orders leads back to a page that was read.", info=parsed.info)
        known.add(cursor)


def read_order(client: ApiClient, number: str) -> Flow[OrderRow | None]:
    """Read the order with a number; None: Zuora says that there is none."""
    found = yield from read_page(client, number)
    return None if found is None else read_order_row(found[0].body)


def read_job_end(client: ApiClient, job_id: str) -> Flow[JobEnd]:
    """Read what a job has come to; Zuora may have forgotten it."""
    try:
        job = yield from client.get_job(job_id)
    except NotFound:
        return JobEnd(is_known=False)
    result = job.result if isinstance(job.result, dict) else {}
    return JobEnd(
        is_failed=job.state is JobState.FAILED,
        is_active=job.state is JobState.ACTIVE,
        number=read_text(result.get("orderNumber")),
        codes=tuple(job.info.codes) if job.info else (),
    )


def read_orders_of_account(client: ApiClient, account: str, date: str) -> Flow[list[OrderRow] | None]:
    """
    Read the orders of an account, by its number or id, with an order date.

    None: Zuora knows no such account.
    """
    request = Request("GET", f"/v1/accounts/{quote(account, safe='')}")
    try:
        parsed = yield from client.send(request, READ_POLICY)
    except NotFound:
        return None
    basic = parsed.body.get("basicInfo")
    account_id = read_text(basic.get("id")) if isinstance(basic, dict) else ""
    if not account_id:
        raise Unreadable("The page of the account names no id.", info=parsed.info, transient=True)
    rows: list[OrderRow] = []
    yield from read_orders(client, filter_account(account_id, date), rows.append)
    return rows
