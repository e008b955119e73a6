"""Some orders of the log, each compared with its own page at Zuora and with its job; no list is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import ORDER
from airflow_provider_zuora.core.reconciliation.comparison import Comparison
from airflow_provider_zuora.core.reconciliation.findings import Entry, Finding, find_each
from airflow_provider_zuora.core.reconciliation.logged_orders import JobEnd, LoggedOrder, LogState, fold
from airflow_provider_zuora.core.reconciliation.zuora_orders import RunMany, read_job_end, read_order


def compare_sample(
    known: Comparison, drawn: Sequence[LoggedOrder], run_many: RunMany, now: float
) -> list[Entry]:
    """Read what Zuora says of orders of the log, and of their jobs, and return what became of each."""

    def read_each(read: Callable[[ApiClient, str], Flow[Any]], names: Sequence[str]) -> list[Any]:
        return run_many(lambda client: (read(client, name) for name in names)) if names else []

    orders = _list_related(known, drawn)
    jobs = sorted({job for each in orders for job in each.job_ids if not job.startswith(ORDER)})
    ends = dict(zip(jobs, read_each(read_job_end, jobs), strict=True))
    unlogged = [job for job in jobs if job not in known.books.jobs]
    known.take_jobs(unlogged, [ends[job] for job in unlogged])
    by_number = {fold(number): number for each in orders for number in known.list_numbers(each)}
    numbers = sorted(by_number.values())
    known.take_orders(numbers, read_each(read_order, numbers))
    return [_compare_jobs(known, entry, orders, ends) for entry in find_each(known, drawn, now)]


def _list_related(known: Comparison, drawn: Sequence[LoggedOrder]) -> list[LoggedOrder]:
    """Return the orders that were drawn, and those of the log that have the number or the content of one."""
    numbers = {fold(each.order_number) for each in drawn if each.order_number}
    digests = {each.digest for each in drawn if each.digest}
    own = {each.key for each in drawn}
    return [
        each
        for each in known.books.orders.values()
        if each.key in own
        or (each.state is LogState.SENT and (fold(each.order_number) in numbers or each.digest in digests))
    ]


def _compare_jobs(
    known: Comparison, entry: Entry, orders: Sequence[LoggedOrder], ends: Mapping[str, JobEnd]
) -> Entry:
    """Return an entry with what the jobs of its number say: those of the order, and those of others."""
    order = entry.order
    assert order is not None
    if entry.row is None:
        return entry  # its finding tells of its job
    number = fold(entry.number)
    wrong = [words for job in order.job_ids if job in ends for words in _describe(job, ends[job], number)]
    others = [
        job
        for each in orders
        if each is not order and number in map(fold, known.list_numbers(each))
        for job in each.job_ids
        if job not in order.job_ids
    ]
    lost = [job for job in order.job_ids if job in ends and not ends[job].is_known]
    notes = [f"Zuora does not know job {job} any more" for job in lost]
    notes += [f"its number was submitted as job {job}, too" for job in others]
    finding = Finding.DIFFERENT if wrong and entry.finding is Finding.FOUND else entry.finding
    return replace(entry, finding=finding, detail="; ".join(filter(None, (entry.detail, *wrong, *notes))))


def _describe(job: str, end: JobEnd, number: str) -> Iterator[str]:
    """Yield in words what a job says otherwise than that it has made the order of a number."""
    if end.is_failed:
        yield f"job {job} has failed: the order is not of this submission"
    elif end.number and fold(end.number) != number:
        yield f"job {job} has made {end.number}"
