"""Carries many flows over an account, so many at once; no Airflow here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from airflow_provider_zuora.core.errors import StoreUnavailable
from airflow_provider_zuora.core.flow import Flow, Store, remembering
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.submission.bulk import (
    BulkOrder,
    BulkResult,
    Prepared,
    Progress,
    not_sent,
    prepare,
    refuse_repeated,
    submitted,
    to_be_sent,
)
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.session.event_loop import run_on_own_loop
from airflow_provider_zuora.session.session import ApiSession

T = TypeVar("T")
log = logging.getLogger(__name__)

_BATCH = 100  # orders that are noted at a time
_PATIENCE = 10  # passing failures in a row, at the least, before the rest is left to a retry


async def acarried(account: ApiSession, flows: Iterable[Flow[T]], concurrency: int) -> list[T]:
    """
    Carry flows on the running event loop, so many at once, and return their results in their order.

    A flow is taken from the iterable when its turn comes. An error that one raises ends all.
    """
    results: dict[int, T] = {}
    turn = enumerate(flows)

    async def work() -> None:
        for index, flow in turn:
            results[index] = await account.arun(flow)

    if concurrency == 1:
        await work()
    else:
        workers = [asyncio.ensure_future(work()) for _ in range(concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
    return [results[index] for index in range(len(results))]


def carried(account: ApiSession, flows: Iterable[Flow[T]], concurrency: int) -> list[T]:
    """Carry flows as `acarried` does, on an event loop and a thread of their own, wherever this is called."""
    return run_on_own_loop(lambda: acarried(account, flows, concurrency))


def _ready(
    client: ApiClient, orders: Sequence[BulkOrder], notes: Notes, *, return_ids: bool
) -> Iterator[Prepared]:
    """
    Return the submissions, each made when its turn comes: while others are under way that takes no time.

    :raises InvalidInput: if this try has submitted one of them, which takes notes.
    """
    ready = (prepare(client, order, notes.attempt, notes, return_ids=return_ids) for order in orders)
    if not notes:
        return ready
    every = list(ready)
    refuse_repeated(every)
    return iter(every)


def _submitted(
    prepared: Prepared, store: Store | None, progress: Progress, *, adopt: bool
) -> Flow[BulkResult]:
    if progress.stop is None:
        try:
            entry = yield from remembering(submitted(prepared, adopt=adopt), store)
        except StoreUnavailable as error:  # its words are about this order, the others go on
            entry = BulkResult(prepared.order, error=error)
    else:
        entry = not_sent(prepared.order, progress.stop)
    progress.add(entry)
    return entry


def submit_all(
    account: ApiSession,
    client: ApiClient,
    orders: Sequence[BulkOrder],
    notes: Notes,
    *,
    concurrency: int,
    store: Store | None = None,
    return_ids: bool = False,
    adopt: bool = False,
) -> list[BulkResult]:
    """
    Submit orders, so many at once, and return what became of each, in their order.

    :param store: what the task's next try can read. A hundred orders are noted at a time, before the first of
        them is sent.
    :param notes: see `signed_in_notes`.
    :param adopt: take orders that are there already, found by their number.
    """
    if not orders:
        return []
    progress = Progress(len(orders), max(concurrency, _PATIENCE))
    flow = partial(_submitted, store=store, progress=progress, adopt=adopt)
    notes.is_kept = store is not None
    ready = _ready(client, orders, notes, return_ids=return_ids)

    async def noted(records: Iterable[SubmissionRecord], *, is_first: bool) -> None:
        """Note a batch before it is sent; what was sent before it is told of in any case."""
        try:
            await account.arun(remembering(notes.reserve(records), store))
        except StoreUnavailable as error:
            if is_first:
                raise
            log.warning("What became of the orders could not be noted, a retry finds it: %r", error.__cause__)
            progress.stop = progress.stop or error

    async def carry() -> list[BulkResult]:
        entries: list[BulkResult] = []
        try:
            if store is None:
                return await acarried(account, map(flow, ready), min(concurrency, len(orders)))
            while batch := list(islice(ready, _BATCH)):
                await noted(to_be_sent(batch), is_first=not entries)
                entries += await acarried(account, map(flow, batch), min(concurrency, len(batch)))
            await noted((), is_first=False)
        finally:
            await account.aclose()
        return entries

    return run_on_own_loop(carry)
