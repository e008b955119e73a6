"""Run one trigger for each job id on one event loop, and report what blocked it; run by test_triggers.py."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

# What a triggerer has loaded when it gets a trigger, and what Airflow loads with the first connection.
import airflow.jobs.triggerer_job_runner

from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger

with suppress(ImportError):  # Airflow 2 has none
    import airflow.sdk.execution_time.cache  # noqa: F401

EVENTS = frozenset({"open", "time.sleep", "subprocess.Popen", "os.system", "os.posix_spawn", "os.fork"})
watched: dict[int, list[list[str]]] = {}


def audit(event: str, args: tuple[object, ...]) -> None:
    seen = watched.get(threading.get_ident())
    if seen is None:
        return
    blocking_connect = event == "socket.connect" and args[0].gettimeout() != 0
    if event in EVENTS or blocking_connect or event == "socket.getaddrinfo":
        seen.append([event, str(args)[:200]])


def audited_sleep(seconds: float, sleep=time.sleep) -> None:
    """Python tells audit hooks of sleeping from 3.13 on."""
    sys.audit("time.sleep", seconds)
    sleep(seconds)


def watch() -> list[list[str]]:
    return watched.setdefault(threading.get_ident(), [])


async def one(job_id: str) -> tuple[str, str]:
    (event,) = [event.payload async for event in ZuoraJobTrigger(job_id=job_id, poll_interval=0.2).run()]
    (end,) = event["results"]
    return end["job_id"], end["job"]["result"]["orderNumber"]


async def everything(job_ids: list[str]) -> dict[str, str]:
    watch()
    try:
        return dict(await asyncio.gather(*map(one, job_ids)))
    finally:
        seen.extend(watched.pop(threading.get_ident()))


def control() -> list[str]:
    """Show that the hook sees what blocks."""
    found = watch()
    with Path(__file__).open():
        time.sleep(0)
    with socket.socket() as loose:
        loose.settimeout(1)
        loose.connect_ex(("127.0.0.1", 1))
    subprocess.run([sys.executable, "-c", ""], check=True)
    del watched[threading.get_ident()]
    return sorted(
        {event for event, _ in found} & {"open", "time.sleep", "socket.connect", "subprocess.Popen"}
    )


for name in [name for name in sys.modules if name.partition(".")[0] == "certifi"]:
    del sys.modules[name]  # what nobody else may have loaded yet

seen: list[list[str]] = []
sys.addaudithook(audit)
time.sleep = audited_sleep
results = asyncio.run(everything(sys.argv[1:]))
print(json.dumps({"blocked": seen, "control": control(), "results": results}))
