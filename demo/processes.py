"""A process starts in a session of its own and ends with all that it started, by id, never by name."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")


class StackError(RuntimeError):
    """Something of the stack did not come up, ended by itself, or took too long."""


def wait_for(what: str, poll: Callable[[], T | None], timeout: float, interval: float = 0.3) -> T:
    """
    Poll until there is something to return, and return it.

    :param poll: returns None, or a false value, if it must be called again.
    :param timeout: seconds, after which StackError says what was waited for.
    """
    deadline = time.monotonic() + timeout
    while True:
        if found := poll():
            return found
        if time.monotonic() > deadline:
            raise StackError(f"{what}: not within {timeout:.0f} s")
        time.sleep(interval)


def free_ports(count: int) -> list[int]:
    """
    Return ports of 127.0.0.1 that nothing listens on, all different.

    They are below those that systems give to clients, so that no client is there before a slow server.
    """
    candidates = random.sample(range(20_000, 30_000), 10_000)
    return list(islice((port for port in candidates if not _is_taken(port)), count))


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end_marked(name: str, value: str) -> None:
    """End at once every process that has this variable in its environment."""

    def kill_alive() -> bool:
        every = psutil.process_iter(["environ"])
        alive = [each for each in every if (each.info["environ"] or {}).get(name) == value]
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return not alive

    wait_for(f"the end of all that has {name}={value}", kill_alive, 30, interval=0.05)


class Process:
    """
    One program with its output in a file, and whatever it forks.

    Airflow's task processes make process groups of their own: the session is what holds a component together.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._leader = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """Return whether the program itself, not only something it started, is still there."""
        return self._leader.poll() is None

    def tail(self, lines: int = 30) -> str:
        """Return the end of the output, for an error."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def terminate(self) -> None:
        """Ask the program to end."""
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the program itself, if it is still there."""
        if self.is_running:
            self._leader.send_signal(number)

    def stop(self, grace: float) -> None:
        """Ask the program to end, and after `grace` seconds make it and all it started end."""
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._leader.wait(max(grace, 0))
        self.kill()

    @property
    def size(self) -> int:
        """Return how many processes there are: the program, and all it started."""
        return len(list(self._list_session()))

    def kill(self) -> None:
        """End the program and all it started, at once and unasked."""
        wait_for(f"the end of {self.log.stem}", self._kill_all, 30, interval=0.05)

    def _kill_all(self) -> bool:
        alive = list(self._list_session())
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return self._leader.poll() is not None and not alive

    def _list_session(self) -> Iterator[int]:
        for process in psutil.process_iter(["status"]):
            with suppress(ProcessLookupError, PermissionError):
                if (
                    os.getsid(process.pid) == self._leader.pid
                    and process.info["status"] != psutil.STATUS_ZOMBIE
                ):
                    yield process.pid
