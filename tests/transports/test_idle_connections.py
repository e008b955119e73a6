"""Sockets that idle in earnest: docs/connection.md promises 30 s, and aiohttp by itself gives them 15."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_zuora.core.errors import NotFound
from airflow_provider_zuora.core.http.retry import ONCE


def test_a_poll_17_seconds_after_the_last_one_uses_its_connection(zuora):
    session = zuora.make_session()

    async def poll():
        with pytest.raises(NotFound):
            await session.arun(session.client().get_job("none", ONCE))
        return zuora.connections()

    async def poll_twice():
        first = await poll()
        await asyncio.sleep(17)
        return first, await poll()

    first, second = asyncio.run(poll_twice())
    assert len(first) == 1
    assert second == first
