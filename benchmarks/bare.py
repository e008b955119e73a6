"""The bare aiohttp loop that all others are measured against: one session of 20 connections, and no more.

It was committed before our own loop was measured, and is never changed in a commit that changes ours. It
sends the headers that we send, parses the JSON and pauses as we pause; it repeats, checks and logs nothing.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

LIMIT = 20  # connections, as ours
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": "airflow-provider-zuora/bench",
}


@dataclass(frozen=True)
class Target:
    """Where to ask, whom to trust (the path of a certificate), and as whom to sign in."""

    url: str
    ca_file: str
    client_id: str
    secret: str = field(repr=False)

    def open_session(self) -> aiohttp.ClientSession:
        """Return a session with aiohttp's defaults, but for the limit and the certificate."""
        context = ssl.create_default_context(cafile=self.ca_file)
        connector = aiohttp.TCPConnector(limit=LIMIT, ssl=context)
        return aiohttp.ClientSession(connector=connector, headers=HEADERS)

    async def token(self, session: aiohttp.ClientSession) -> str:
        """Sign in."""
        form = {
            "client_id": self.client_id,
            "client_secret": self.secret,
            "grant_type": "client_credentials",
        }
        async with session.post(f"{self.url}/oauth/token", data=form, raise_for_status=True) as answer:
            token: str = (await answer.json())["access_token"]
            return token


def make_headers(token: str) -> dict[str, str]:
    """Return the headers of one request."""
    return {"Authorization": f"Bearer {token}", "Zuora-Track-Id": f"af-{uuid.uuid4().hex}"}


async def wait_until_done(
    session: aiohttp.ClientSession, token: str, address: str, interval: float
) -> dict[str, Any]:
    """Poll a job until it has ended; pause for the interval and up to a tenth more, as ours does."""
    while True:
        async with session.get(address, headers=make_headers(token), raise_for_status=True) as answer:
            body: dict[str, Any] = await answer.json()
        if body["status"] != "Processing":
            return body
        await asyncio.sleep(interval * (1 + 0.1 * random.random()))


async def wait(target: Target, job_ids: Iterable[str], interval: float) -> list[str]:
    """Wait for all jobs at the same time and return their status words."""
    async with target.open_session() as session:
        token = await target.token(session)
        waits = (
            wait_until_done(session, token, f"{target.url}/v1/async-jobs/{job_id}", interval)
            for job_id in job_ids
        )
        jobs = await asyncio.gather(*waits)
    return [job["status"] for job in jobs]


async def submit(target: Target, orders: Iterable[Mapping[str, Any]], concurrency: int) -> list[str]:
    """Submit all orders, so many at the same time, and return the ids of their jobs."""
    address, turn = f"{target.url}/v1/async/orders", iter(orders)
    job_ids: list[str] = []
    async with target.open_session() as session:
        token = await target.token(session)

        async def work() -> None:
            for order in turn:
                headers = {**make_headers(token), "Idempotency-Key": f"af-{uuid.uuid4().hex}"}
                async with session.post(
                    address, json=order, headers=headers, raise_for_status=True
                ) as answer:
                    job_ids.append((await answer.json())["jobId"])

        await asyncio.gather(*(work() for _ in range(concurrency)))
    return job_ids
