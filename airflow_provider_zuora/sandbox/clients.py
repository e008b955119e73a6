"""The processes at the other end of a connection on this machine; found by both ends of it, never by name."""

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
"""Host and port, and what IPv6 adds, as a socket tells them."""

LOOK_SECONDS = 0.05
SHOW_SECONDS = 2.0
"""How long a stop may take to show; who sends SIGCONT at once may be quicker than we look. An end, too."""


def processes_at(peer: Address | None, here: Address | None) -> list[Process]:
    """
    Return the processes that hold the client's end of a connection: the client, and what it forked since.

    :param peer: the client's address, a loopback one; None: it has gone.
    :param here: the server's own.
    :raises RuntimeError: the client cannot be found, or a process that must live holds this end: this one,
        what it was started by, or process 1.
    """
    if not peer or not here:
        raise RuntimeError("the client has gone")
    if not ipaddress.ip_address(peer[0]).is_loopback:
        raise RuntimeError(f"a client at {peer[0]} is no process of this machine")
    _check_process_ids()
    found = {each for socket in _sockets(_end(peer), _end(here)) for each in _holders(*socket)}
    if not found:
        raise RuntimeError(f"nobody holds the client's end of the connection from port {peer[1]}")
    _check_spared(found)
    return sorted(found, key=lambda each: each.pid)


def _end(address: Address) -> tuple[str, int]:
    """Return host and port in one spelling; an IPv4 address may come as an IPv6 one."""
    host = ipaddress.ip_address(str(address[0]).partition("%")[0])
    return str(getattr(host, "ipv4_mapped", None) or host), address[1]


def _check_process_ids() -> None:
    """Refuse to act on numbers that mean other processes: /proc may be that of another namespace."""
    if _link(Path("/proc/self")) != str(os.getpid()):
        raise RuntimeError("a client is found in /proc alone, and there is none that knows this process")


def _sockets(local: tuple[str, int], remote: tuple[str, int]) -> Iterator[tuple[int, int]]:
    """Yield process and file descriptor of each socket with these ends, in our own network namespace."""
    import psutil  # noqa: PLC0415 - comes with Airflow; only these faults need it

    for each in psutil.net_connections("tcp"):
        if each.pid and each.raddr and (_end(each.laddr), _end(each.raddr)) == (local, remote):
            yield each.pid, each.fd


def _holders(pid: int, descriptor: int) -> Iterator[Process]:
    """Yield the processes that hold a socket; psutil names one of them only."""
    import psutil  # noqa: PLC0415 - see above

    socket = _link(Path(f"/proc/{pid}/fd/{descriptor}"))
    for other in psutil.pids() if socket else ():
        if socket not in _open(other):
            continue
        with suppress(psutil.NoSuchProcess):
            holder = psutil.Process(other)
            if socket in _open(other):  # still: the number is not another's by now
                yield holder


def _open(pid: int) -> set[str]:
    try:
        return set(map(_link, Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:  # it has ended, or is not ours to look at
        return set()


def _link(path: Path) -> str:
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
            "one, with python -m airflow_provider_zuora.sandbox"
        )
    spared = {each.pid for each in own.parents()} | {1}
    if held := sorted(each.pid for each in found if each.pid in spared):
        raise RuntimeError(f"process {held[0]} holds the client's end: it started this one, and is spared")


def kill(processes: Sequence[Process]) -> None:
    """End processes as a power cut would: SIGKILL."""
    for each in processes:
        _signal(each, signal.SIGKILL)


async def stop(processes: Sequence[Process]) -> bool:
    """
    Stop processes (SIGSTOP), and come back when somebody has let the first of them go on, or ended it.

    :return: True if it goes on.
    """
    first, *_ = processes
    for each in processes:
        _signal(each, signal.SIGSTOP)
    patience = time.monotonic() + SHOW_SECONDS
    while not _is_stopped(first) and time.monotonic() < patience:  # noqa: ASYNC110 - a process tells nobody
        await asyncio.sleep(LOOK_SECONDS)
    while _is_stopped(first):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
    patience = time.monotonic() + SHOW_SECONDS
    while _is_running(first) and time.monotonic() < patience:  # noqa: ASYNC110 - to its next wait, or to its end
        await asyncio.sleep(LOOK_SECONDS)
    return _is_alive(first)


def _signal(process: Process, number: signal.Signals) -> None:
    import psutil  # noqa: PLC0415 - see above

    with suppress(psutil.NoSuchProcess):  # it has ended; psutil sends nothing to who has its number now
        process.send_signal(number)


def _is_stopped(process: Process) -> bool:
    import psutil  # noqa: PLC0415 - see above

    return bool(_status(process) == psutil.STATUS_STOPPED)


def _is_running(process: Process) -> bool:
    """Return whether a process is at work; one that was killed is, until it has ended."""
    import psutil  # noqa: PLC0415 - see above

    return _status(process) in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)


def _is_alive(process: Process) -> bool:
    """Return whether a process has not ended; one that nobody has waited for yet has."""
    import psutil  # noqa: PLC0415 - see above

    return _status(process) not in ("", psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def _status(process: Process) -> str:
    """Return psutil's word for how a process is, an empty text if there is none with its number any more."""
    import psutil  # noqa: PLC0415 - see above

    try:
        return str(process.status()) if process.is_running() else ""
    except psutil.NoSuchProcess:
        return ""
