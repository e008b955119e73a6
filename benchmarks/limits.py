"""One process that submits orders and waits for their jobs where calls are limited; prints figures as JSON.

The vendor is the sandbox, in a process of its own: 600 calls a minute and 40 at once, of 100 ms each. Its
clock begins a minute when the first order is sent, so that every run meets the limits at the same point.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bare import Target
from benchmarks.submits import make_order
from benchmarks.waits import connect, run_triggers
from demo.sandbox import ServedSandbox

PER_MINUTE, AT_ONCE = 600, 40
PATIENCE = 300.0  # seconds; a wait that has not ended by then counts as one that did not finish
# Zuora asks for 120 s where too many calls come at once; then what is measured would mostly be that.
BUSY_SECONDS = 10


def _make_options(job_seconds: float) -> tuple[str, ...]:
    settings = {
        "requests-per-minute": PER_MINUTE,
        "concurrent-requests": AT_ONCE,
        "busy-seconds": BUSY_SECONDS,
        "answer-seconds": 0.1,
        "job-seconds": job_seconds,
    }
    return tuple(f"--{name}={value}" for name, value in settings.items())


def _submit(conn_id: str, size: int, connections: int) -> list[str]:
    """Submit orders and return the ids of their jobs."""
    from airflow_provider_zuora.hooks.zuora import ZuoraHook

    orders = [make_order(number) for number in range(size)]
    for each in orders:
        del each["orderNumber"]  # which would protect it too: there is nothing but its key now
    entries = ZuoraHook(conn_id).create_orders(orders, concurrency=connections)
    return [entry.job_id for entry in entries if entry.job_id is not None]


def _count_completed(conn_id: str, job_ids: Sequence[str], interval: float) -> int:
    """Wait for all jobs at the same time; return how many completed."""
    from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger

    given = {"conn_id": conn_id, "poke_interval": interval, "deadline": time.time() + PATIENCE}
    events = asyncio.run(run_triggers([ZuoraJobTrigger(job_id=job_id, **given) for job_id in job_ids]))
    ends = [end for event in events for end in event.get("results", ())]
    return sum((end["job"] or {}).get("status") == "Completed" for end in ends)


def _list_refused(ledger: Mapping[str, Any]) -> set[tuple[float, str]]:
    """Return which of the last 5,000 requests, all that a ledger lists, were answered 429."""
    return {(each["at"], each["trackId"]) for each in ledger["recent"] if each["status"] == 429}


def measure(connections: int, size: int, job_seconds: float, interval: float) -> dict[str, float]:
    """Submit and wait; return what the sandbox counted."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        ServedSandbox(Path(folder) / "sandbox.log", *_make_options(job_seconds)) as zuora,
    ):
        conn_id = zuora.client_id
        target = Target(zuora.url, "", conn_id, zuora.client_secret)
        connect(target, "zuora", zuora.url, max_connections=str(connections))
        zuora.ask("POST", "/sandbox/clock", {"advance": 60 - zuora.ledger()["now"] % 60})
        started = time.monotonic()
        job_ids = _submit(conn_id, size, connections)
        refused = _list_refused(zuora.ledger())
        completed = _count_completed(conn_id, job_ids, interval)
        seconds, ledger = time.monotonic() - started, zuora.ledger()
    return {
        "seconds": seconds,
        "unfinished": size - completed,
        "requests": sum(ledger["requests"].values()) - ledger["signIns"],
        "refused": len(refused | _list_refused(ledger)),
        "asked_in_cool_down": ledger["askedInQuiet"],
        "sign_ins": ledger["signIns"],
        "doubled": max(0, len(ledger["jobs"]) - size),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connections", type=int)
    parser.add_argument("size", type=int)
    parser.add_argument("job_seconds", type=float)
    parser.add_argument("interval", type=float)
    given = parser.parse_args()
    print(json.dumps(measure(given.connections, given.size, given.job_seconds, given.interval)))
