"""Finding, killing and stopping the client process of a connection on this machine.

A process is found by both addresses of its connection, never by its name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psutil import Process

Address = tuple[Any, ...]
"""Host and port, and what IPv6 adds, as a socket reports them."""

POLL_SECONDS = 0.05
STOP_TIMEOUT = 2.0
"""Seconds to wait until a process shows as stopped; a SIGCONT may come before our first check."""


def find_client_processes(peer: Address | None, here: Address | None) -> list[Process]:
    """
    Return the processes that hold the client's end of a connection: the client and its forked children.

    :param peer: the address of the client, a loopback address, or None if the client has gone.
    :param here: the address of the server.
    :raises RuntimeError: if the client cannot be found, or if one of the processes must not be touched: this
        process, its ancestors, and process 1.
    """
    if not peer or not here:
        raise RuntimeError("the client has gone")
    if not ipaddress.ip_address(peer[0]).is_loopback:
        raise RuntimeError(f"a client at {peer[0]} is no process of this machine")
    _check_process_ids()
    found = {
        each
        for socket in _find_sockets(_normalize_address(peer), _normalize_address(here))
        for each in _find_holders(*socket)
    }
    if not found:
        raise RuntimeError(f"nobody holds the client's end of the connection from port {peer[1]}")
    _check_spared(found)
    return sorted(found, key=lambda each: each.pid)


def _normalize_address(address: Address) -> tuple[str, int]:
    """Return host and port in one form; an IPv4 address may come as an IPv6 address."""
    host = ipaddress.ip_address(str(address[0]).partition("%")[0])
    return str(getattr(host, "ipv4_mapped", None) or host), address[1]


def _check_process_ids() -> None:
    """Check that process ids mean the same here as in /proc, which may belong to another namespace."""
    if _read_link(Path("/proc/self")) != str(os.getpid()):
        raise RuntimeError("a client is found in /proc alone, and there is none that knows this process")


def _find_sockets(local: tuple[str, int], remote: tuple[str, int]) -> Iterator[tuple[int, int]]:
    """Yield process id and file descriptor of each socket with these addresses, in our network namespace."""
    import psutil  # noqa: PLC0415 - only these faults need it, and importing the sandbox must stay cheap

    for each in psutil.net_connections("tcp"):
        if (
            each.pid
            and each.raddr
            and (_normalize_address(each.laddr), _normalize_address(each.raddr)) == (local, remote)
        ):
            yield each.pid, each.fd


def _find_holders(pid: int, descriptor: int) -> Iterator[Process]:
    """Yield all processes that hold a socket; psutil reports only one of them."""
    import psutil  # noqa: PLC0415 - see above

    socket = _read_link(Path(f"/proc/{pid}/fd/{descriptor}"))
    for other in psutil.pids() if socket else ():
        if socket not in _list_open_files(other):
            continue
        with suppress(psutil.NoSuchProcess):
            holder = psutil.Process(other)
            if socket in _list_open_files(other):  # check again: the process id may have been reused
                yield holder


def _list_open_files(pid: int) -> set[str]:
    try:
        return set(map(_read_link, Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:  # it has ended, or we may not look at it
        return set()


def _read_link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _check_spared(found: set[Process]) -> None:
    import psutil  # noqa: PLC0415 - see above

    own = psutil.Process()
    if own in found:
        raise RuntimeError(
            "the client is the sandbox's own process: to kill or stop a client, serve the sandbox in another "
            "one, with python -m zuora_sandbox"
        )
    spared = {each.pid for each in own.parents()} | {1}
    if held := sorted(each.pid for each in found if each.pid in spared):
        raise RuntimeError(f"process {held[0]} holds the client's end: it started this one, and is spared")


def kill_processes(processes: Sequence[Process]) -> None:
    """Kill processes with SIGKILL, which they cannot handle."""
    for each in processes:
        _send_signal(each, signal.SIGKILL)


async def stop_processes(processes: Sequence[Process]) -> bool:
    """
    Stop processes with SIGSTOP, and return when the first of them has been continued or has ended.

    :return: True if it was continued.
    """
    first, *_ = processes
    for each in processes:
        _send_signal(each, signal.SIGSTOP)
    deadline = time.monotonic() + STOP_TIMEOUT
    while not _is_stopped(first) and time.monotonic() < deadline:  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(POLL_SECONDS)
    while _is_stopped(first):  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
    deadline = time.monotonic() + STOP_TIMEOUT
    while _is_running(first) and time.monotonic() < deadline:  # noqa: ASYNC110 - until it waits or has ended
        await asyncio.sleep(POLL_SECONDS)
    return _is_alive(first)


def _send_signal(process: Process, number: signal.Signals) -> None:
    import psutil  # noqa: PLC0415 - see above

    with suppress(psutil.NoSuchProcess):  # it has ended; psutil signals no process that has reused its id
        process.send_signal(number)


def _is_stopped(process: Process) -> bool:
    import psutil  # noqa: PLC0415 - see above

    return bool(_read_status(process) == psutil.STATUS_STOPPED)


def _is_running(process: Process) -> bool:
    """Return whether a process is running; one that was killed is, until it has ended."""
    import psutil  # noqa: PLC0415 - see above

    return _read_status(process) in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)


def _is_alive(process: Process) -> bool:
    """Return whether a process has not ended; a zombie has."""
    import psutil  # noqa: PLC0415 - see above

    return _read_status(process) not in ("", psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def _read_status(process: Process) -> str:
    """Return psutil's word for the status of a process, or an empty text if it has ended."""
    import psutil  # noqa: PLC0415 - see above

    try:
        return str(process.status()) if process.is_running() else ""
    except psutil.NoSuchProcess:
        return ""
