"""Nothing of the cluster may listen where another machine could reach it."""

from __future__ import annotations

import ipaddress
import os
import threading
from contextlib import suppress

import psutil

from demo.processes import StackError


def find_open_doors(home: str) -> set[str]:
    """Return what listens on other than a loopback address, of us and of all whose AIRFLOW_HOME this is."""
    found = set()
    for each in psutil.net_connections("inet"):
        if each.status != psutil.CONN_LISTEN or ipaddress.ip_address(each.laddr.ip).is_loopback:
            continue
        with suppress(psutil.Error):
            process = psutil.Process(each.pid or 0)
            if process.pid == os.getpid() or process.environ().get("AIRFLOW_HOME") == home:
                found.add(f"{' '.join(process.cmdline())[:100]} listens on {each.laddr.ip}")
    return found


class Watch(threading.Thread):
    """Looks again and again, until `stop`."""

    def __init__(self, home: str) -> None:
        super().__init__(name="listeners")
        self.looked = 0
        self.found: set[str] = set()
        self._home = home
        self._is_over = threading.Event()

    def run(self) -> None:
        """Look every ten seconds."""
        while True:
            self.found |= find_open_doors(self._home)
            self.looked += 1
            if self._is_over.wait(10):
                return

    def stop(self) -> set[str]:
        """Return what was found; StackError if nobody has looked."""
        self._is_over.set()
        self.join()
        if not self.looked:
            raise StackError("nobody has looked who listens")
        return self.found
