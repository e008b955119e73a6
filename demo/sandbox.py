"""The stand-in for Zuora runs as a user runs it: ``python -m zuora_sandbox``."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.api import fetch_json
from demo.processes import Process, StackError, wait_for
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET


class ServedSandbox:
    """
    The sandbox in a process of its own; a context manager.

    :param log: the file that gets its output.
    :param options: more of its command line, see ``python -m zuora_sandbox --help``.
    """

    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET

    def __init__(self, log: Path, *options: str) -> None:
        self.url = ""
        self._log = log
        self._options = options

    def __enter__(self) -> Self:
        """Start it and wait until it tells its address."""
        command = [sys.executable, "-m", "zuora_sandbox", "--port", "0", *self._options]
        env = os.environ | {"PYTHONUNBUFFERED": "1"}
        self._process = Process(command, env=env, cwd=Path.cwd(), log=self._log)
        try:
            self.url = wait_for("the sandbox's address", self._address, 30, interval=0.1)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._process.stop(grace=10)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return what one of its own pages answers: those under /sandbox/."""
        return fetch_json(method, f"{self.url}{path}", body)

    def ledger(self) -> dict[str, Any]:
        """Return what it has been asked and what it holds."""
        return dict(self.ask("GET", "/sandbox/ledger"))

    def connection(
        self, conn_id: str = "zuora_default", kind: str = "zuora", **extra: Any
    ) -> tuple[str, ...]:
        """Return the ``airflow`` command that makes the connection to it; it is both vendors at once."""
        who = ("--conn-login", self.client_id, "--conn-password", self.client_secret)
        more = ("--conn-extra", json.dumps(extra)) if extra else ()
        return ("connections", "add", conn_id, "--conn-type", kind, "--conn-host", self.url, *who, *more)

    def _address(self) -> str | None:
        if not self._process.is_running:
            raise StackError(f"the sandbox ended:\n{self._process.tail()}")
        found = re.search(r"http://127\.0\.0\.1:\d+", self._process.tail())
        return found[0] if found else None
