"""A trigger that tells how late the event loop of its triggerer is: it runs there beside the waits."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

TICK = 0.05  # seconds between two looks at the clock
WINDOW = 5.0  # seconds of looks in one line of the file


class LoopProbe(BaseTrigger):
    """Write a line of JSON every five seconds: when, by which process, its tasks, and each lag in ms."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the argument."""
        return f"{__name__}.LoopProbe", {"path": self.path}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the triggerer ends."""
        loop, file = asyncio.get_running_loop(), Path(self.path)
        while True:
            lags, end = [], loop.time() + WINDOW
            while (now := loop.time()) < end:
                await asyncio.sleep(TICK)
                lags.append(round((loop.time() - now - TICK) * 1000, 1))
            line = {"at": time.time(), "pid": os.getpid(), "tasks": len(asyncio.all_tasks()), "lags": lags}
            await asyncio.to_thread(_append, file, json.dumps(line))
        yield TriggerEvent({})  # pragma: no cover - what makes this a generator


class ProbeOperator(BaseOperator):
    """Leave a `LoopProbe` in the triggerer."""

    def __init__(self, *, path: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.path = path

    def execute(self, context: Mapping[str, Any]) -> None:
        """Defer, for ever."""
        self.defer(trigger=LoopProbe(self.path), method_name="execute")


def _append(file: Path, line: str) -> None:
    with file.open("a") as opened:
        opened.write(f"{line}\n")
