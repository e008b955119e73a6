"""One process that waits for many jobs in one way; prints as JSON what that took. Started by `rounds`.

Each way is first warmed up with one job of another client id: what is imported at first use counts for none.
CPU is this process's own, so the server's does not matter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import bare
from benchmarks.bare import Target

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

Way = Callable[[Target, Sequence[str], float], Awaitable[list[str]]]


async def _bare(target: Target, jobs: Sequence[str], interval: float) -> list[str]:
    return await bare.wait(target, jobs, interval)


async def _ours(target: Target, jobs: Sequence[str], interval: float) -> list[str]:
    from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger

    connect(target, "zuora", target.url, verify=target.ca_file, max_connections=str(bare.LIMIT))
    triggers = [ZuoraJobTrigger(conn_id=target.client_id, job_id=job, poll_interval=interval) for job in jobs]
    return [end["job"]["status"] for event in await run_triggers(triggers) for end in event["results"]]


async def _http(target: Target, jobs: Sequence[str], interval: float) -> list[str]:
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    connect(target, "http", target.url)
    triggers = [HttpSensorTrigger(f"http/{job}", target.client_id, poke_interval=interval) for job in jobs]
    return ["Completed" for event in await run_triggers(triggers) if event is True]


async def _dbt(target: Target, jobs: Sequence[str], interval: float) -> list[str]:
    from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

    connect(target, "dbt_cloud", target.url.removeprefix("https://"))
    end = time.time() + 3600
    numbers = [int(job.partition("-")[2]) for job in jobs]
    triggers = [DbtCloudRunJobTrigger(target.client_id, number, end, interval, 1) for number in numbers]
    return ["Completed" for event in await run_triggers(triggers) if event["status"] == "success"]


async def _airflow(target: Target, jobs: Sequence[str], interval: float) -> list[str]:
    """Import what every trigger needs of Airflow, read a connection once, and wait as the bare loop does."""
    from airflow.providers.common.compat.connection import get_async_connection
    from airflow.triggers.base import BaseTrigger

    assert BaseTrigger
    connect(target, "http", target.url)
    await get_async_connection(target.client_id)
    return await bare.wait(target, jobs, interval)


WAYS: dict[str, Way] = {"bare": _bare, "ours": _ours, "http": _http, "dbt": _dbt, "airflow": _airflow}


def connect(target: Target, kind: str, host: str, **extra: str) -> None:
    """Put an Airflow connection, named as the client id, where Airflow looks for it."""
    fields = {"conn_type": kind, "host": host, "login": target.client_id, "password": target.secret}
    os.environ[f"AIRFLOW_CONN_{target.client_id.upper()}"] = json.dumps({**fields, "extra": extra})


async def run_triggers(triggers: Sequence[BaseTrigger]) -> list[Any]:
    """Run triggers at the same time, as a triggerer does; return what each fired."""

    async def one(trigger: BaseTrigger) -> Any:
        (payload,) = [event.payload async for event in trigger.run()]
        return payload

    return await asyncio.gather(*(one(trigger) for trigger in triggers))


def read_counts(target: Target) -> dict[str, int]:
    """Return what the server counted since it was asked last."""
    context = ssl.create_default_context(cafile=target.ca_file)
    asked = urllib.request.Request(f"{target.url}/counts", method="POST", headers={"Connection": "close"})
    with urllib.request.urlopen(asked, context=context) as answer:
        found: dict[str, int] = json.load(answer)
        return found


def read_memory(name: str) -> float:
    """Return a line of /proc/self/status in MB: VmRSS or VmHWM, the most that it was."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


async def measure(way: str, target: Target, size: int, interval: float) -> dict[str, float]:
    """Wait in one way and return what it took."""
    warm = Target(target.url, target.ca_file, f"warm{0:032}", target.secret)
    await WAYS[way](warm, ["warm-0"], 0.0)
    read_counts(target)
    idle, started, cpu = read_memory("VmRSS"), time.monotonic(), time.process_time()
    words = await WAYS[way](target, [f"job-{number}" for number in range(1, size + 1)], interval)
    cpu, wall = time.process_time() - cpu, time.monotonic() - started
    assert words == ["Completed"] * size, words
    found = read_counts(target)
    return {
        "cpu_ms": cpu * 1000 / found["polls"],
        "seconds": wall,
        "polls": found["polls"],
        "connections": found["connections"] - 1,  # one is that of `counts`
        "sign_ins": found.get("sign_ins", 0),
        "idle_mb": idle,
        "peak_mb": read_memory("VmHWM"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("size", type=int)
    parser.add_argument("interval", type=float)
    parser.add_argument("url")
    parser.add_argument("ca_file")
    given = parser.parse_args()
    goal = Target(given.url, given.ca_file, f"bench{0:031}", "a-secret-of-the-benchmark")
    print(json.dumps(asyncio.run(measure(given.way, goal, given.size, given.interval))))
