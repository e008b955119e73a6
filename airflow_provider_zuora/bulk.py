"""Carries a list of orders over an account, so many at once, on an event loop of its own; no Airflow here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from airflow_provider_zuora.accounts import Account
from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.bulk import Entry, Listed, Progress, not_sent, submitted
from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.wire import Flow, Memoir, Token, remembering

_PATIENCE = 10  # passing failures in a row, at the least, before the rest is left to a retry


def submit_all(
    account: Account,
    client: Client,
    orders: Sequence[Listed],
    attempt: Try,
    *,
    concurrency: int,
    return_ids: bool = False,
    adopt: bool = False,
) -> list[Entry]:
    """
    Submit orders, so many at once, and return what became of each, in their order.

    :param adopt: take orders that are there already, found by their number.

    :raises SignInRefused: before the first is sent.
    """
    if not orders:
        return []
    account.run(_signed_in())

    def flow(order: Listed) -> Memoir[Entry]:
        return submitted(client, order, attempt, return_ids=return_ids, adopt=adopt)

    return asyncio.run(_submitted(account, orders, flow, concurrency))


def _signed_in() -> Flow[None]:
    yield Token()


async def _submitted(
    account: Account,
    orders: Sequence[Listed],
    flow: Callable[[Listed], Memoir[Entry]],
    concurrency: int,
) -> list[Entry]:
    progress = Progress(len(orders), max(concurrency, _PATIENCE))
    entries: dict[int, Entry] = {}
    turn = iter(orders)

    async def work() -> None:
        for order in turn:
            if progress.stop is None:
                entry = await account.arun(remembering(flow(order), None))
            else:
                entry = not_sent(order, progress.stop)
            entries[order.index] = entry
            progress.add(entry)

    try:
        await asyncio.gather(*(work() for _ in range(min(concurrency, len(orders)))))
    finally:
        await account.aclose()
    return [entries[order.index] for order in orders]
