"""A component is a program that is to run; a small supervisor starts again what has ended by itself."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.processes import Process

PAUSE = 3.0  # seconds until what has ended is started again


class Component:
    """
    A program that is to run until somebody wants it to be away.

    :param stopping: the signal that ends it in good order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        logs: Path,
        stopping: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.is_wanted = False
        self._command, self._env, self._cwd = command, env, cwd
        self._log, self._stopping = logs / f"{name}.log", stopping
        self._process: Process | None = None
        self._is_closed = False
        self._lock = threading.RLock()

    def start(self) -> None:
        """Start it, unless it was closed; it is wanted from now on."""
        with self._lock:
            if self._is_closed:
                return
            self.is_wanted = True
            self._process = Process(self._command, env=self._env, cwd=self._cwd, log=self._log)

    def kill(self) -> int:
        """
        End it with SIGKILL, with all that it started, and let it be away.

        :return: how many processes there were.
        """
        with self._lock:
            self.is_wanted = False
            assert self._process is not None, f"{self.name} was never started"
            size = self._process.size
            self._process.kill()
            return size

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the program itself, and let it be away."""
        with self._lock:
            self.is_wanted = False
            if self._process is not None:
                self._process.send_signal(number)

    def revive(self) -> bool:
        """Start it again if it has ended though it is wanted, and return whether that was so."""
        with self._lock:
            if not self.is_wanted or self._process is None or self._process.is_running:
                return False
            self._process.kill()  # what it started and left behind, as a service manager does
            self.start()
            return True

    def close(self) -> None:
        """Ask it to end in good order; nobody starts it again."""
        with self._lock:
            self._is_closed = True
            self.send_signal(self._stopping)

    def end(self, grace: float) -> None:
        """Wait for its end for so many seconds, and make it end then."""
        with self._lock:
            if self._process is not None:
                deadline = time.monotonic() + grace
                while self._process.is_running and time.monotonic() < deadline:
                    time.sleep(0.1)
                self._process.kill()

    def tail(self) -> str:
        """Return the end of its output."""
        return self._process.tail() if self._process is not None else ""


class Supervisor(threading.Thread):
    """Start again, some seconds later, what has ended by itself, as systemd or Kubernetes would."""

    def __init__(self, components: Sequence[Component]) -> None:
        super().__init__(name="supervisor")
        self.revived: Counter[str] = Counter()
        self._components = components
        self._is_over = threading.Event()

    def run(self) -> None:
        """Look after them until `stop`."""
        while not self._is_over.wait(PAUSE):
            for component in self._components:
                if component.revive():
                    self.revived[component.name] += 1

    def stop(self) -> None:
        """Look after them no longer."""
        self._is_over.set()
        if self.is_alive():
            self.join()
