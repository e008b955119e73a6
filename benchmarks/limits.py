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
from pathlib import Path

from benchmarks.bare import Target
from benchmarks.submits import order
from benchmarks.waits import connect, fired
from demo.sandbox import ServedSandbox

PER_MINUTE, AT_ONCE = 600, 40
PATIENCE = 300.0  # seconds; a wait that has not ended by then counts as one that did not finish
# Zuora asks for 120 s where too many calls come at once; then what is measured would mostly be that.
BUSY_SECONDS = 10


def _told(job_seconds: float) -> tuple[str, ...]:
    settings = {
        "requests-per-minute": PER_MINUTE,
        "concurrent-requests": AT_ONCE,
        "busy-seconds": BUSY_SECONDS,
        "answer-seconds": 0.1,
        "job-seconds": job_seconds,
    }
    return tuple(f"--{name}={value}" for name, value in settings.items())


def _completed(conn_id: str, size: int, connections: int, interval: float) -> int:
    """Submit orders and wait for all their jobs at the same time; return how many completed."""
    from airflow_provider_zuora.hooks import ZuoraHook
    from airflow_provider_zuora.triggers import JobTrigger

    # Without a number of its own an order is protected by its key alone.
    orders = [order(number) for number in range(size)]
    for each in orders:
        del each["orderNumber"]
    entries = ZuoraHook(conn_id).create_orders(orders, concurrency=connections)
    given = {"conn_id": conn_id, "poke_interval": interval, "deadline": time.time() + PATIENCE}
    triggers = [JobTrigger(job_id=entry.job_id, **given) for entry in entries if entry.job_id is not None]
    ends = [end for event in asyncio.run(fired(triggers)) for end in event.get("ends", ())]
    return sum((end["job"] or {}).get("status") == "Completed" for end in ends)


def measured(connections: int, size: int, job_seconds: float, interval: float) -> dict[str, float]:
    """Submit and wait; return what the sandbox has seen of it."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        ServedSandbox(Path(folder) / "sandbox.log", *_told(job_seconds)) as zuora,
    ):
        target = Target(zuora.url, "", zuora.client_id, zuora.client_secret)
        connect(target, "zuora", zuora.url, max_connections=str(connections))
        zuora.ask("POST", "/sandbox/clock", {"advance": 60 - zuora.ledger()["now"] % 60})
        started = time.monotonic()
        completed = _completed(target.client_id, size, connections, interval)
        seconds, ledger = time.monotonic() - started, zuora.ledger()
    return {
        "seconds": seconds,
        "unfinished": size - completed,
        "requests": sum(ledger["requests"].values()) - len(ledger["tokens"]),
        "refused": sum(each["status"] == 429 for each in ledger["recent"]),  # of the last 1,000 only
        "asked_in_quiet": ledger["askedInQuiet"],
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
    print(json.dumps(measured(given.connections, given.size, given.job_seconds, given.interval)))
