"""The processes at the other end of a connection on this machine; found by its ports, never by name."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

Address = tuple[Any, ...]
"""Host and port, and what IPv6 adds, as a socket tells them."""

LOOK_SECONDS = 0.05
SHOW_SECONDS = 2.0
"""How long a stop may take to show; who sends SIGCONT at once may be quicker than we look."""


def processes_at(peer: Address, here: Address) -> list[int]:
    """
    Return the ids of the processes that hold the client's end of a connection.

    :param peer: the client's address, a loopback one.
    :param here: the server's own.
    :raises RuntimeError: the client cannot be found, or is this very process, which must live.
    """
    import psutil  # noqa: PLC0415 - comes with Airflow; only these faults need it

    if not ipaddress.ip_address(peer[0]).is_loopback:
        raise RuntimeError(f"a client at {peer[0]} is no process of this machine")
    ends = (peer[1], here[1])
    found = {
        each.pid
        for each in psutil.net_connections("tcp")
        if each.raddr and (each.laddr.port, each.raddr.port) == ends and each.pid
    }
    if not found:
        raise RuntimeError(f"nobody holds the client's end of the connection from port {peer[1]}")
    if os.getpid() in found:
        raise RuntimeError(
            "the client is the sandbox's own process: to kill or stop a client, serve the sandbox in another "
            "one, with python -m airflow_provider_zuora.sandbox"
        )
    return sorted(found)


def kill(pids: Sequence[int]) -> None:
    """End processes as a power cut would: SIGKILL."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def stop(pids: Sequence[int]) -> None:
    """Stop processes (SIGSTOP), and come back when somebody has let the first of them go on, or ended it."""
    first, *_ = pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    patience = time.monotonic() + SHOW_SECONDS
    while not _is_stopped(first) and time.monotonic() < patience:  # noqa: ASYNC110 - a process tells nobody
        await asyncio.sleep(LOOK_SECONDS)
    while _is_stopped(first):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)


def _is_stopped(pid: int) -> bool:
    import psutil  # noqa: PLC0415 - see above

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False
