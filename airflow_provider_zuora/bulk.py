"""Carries a list of orders over an account, so many at once, on an event loop of its own; no Airflow here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from airflow_provider_zuora.accounts import Account
from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.bulk import Entry, Listed, Progress, not_sent, submitted
from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.wire import Flow, Token, remembering

_PATIENCE = 10  # passing failures in a row, at the least, before the rest is left to a retry


def submit_all(
    account: Account,
    client: Client,
    orders: Sequence[Listed],
    attempt: Try,
    *,
    concurrency: int,
    return_ids: bool = False,
) -> list[Entry]:
    """
    Submit orders, so many at once, and return what became of each, in their order.

    :raises SignInRefused: before the first is sent.
    """
    if not orders:
        return []
    account.run(_signed_in())
    return asyncio.run(_submitted(account, client, orders, attempt, concurrency, return_ids))


def _signed_in() -> Flow[None]:
    yield Token()


async def _submitted(
    account: Account,
    client: Client,
    orders: Sequence[Listed],
    attempt: Try,
    concurrency: int,
    return_ids: bool,
) -> list[Entry]:
    progress = Progress(len(orders), max(concurrency, _PATIENCE))
    entries: dict[int, Entry] = {}
    turn = iter(orders)

    async def work() -> None:
        for order in turn:
            if progress.stop is None:
                flow = submitted(client, order, attempt, return_ids=return_ids)
                entry = await account.arun(remembering(flow, None))
            else:
                entry = not_sent(order, progress.stop)
            entries[order.index] = entry
            progress.add(entry)

    try:
        await asyncio.gather(*(work() for _ in range(min(concurrency, len(orders)))))
    finally:
        await account.aclose()
    return [entries[order.index] for order in orders]
