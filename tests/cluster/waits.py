"""How long workers have slept for the vendor's sake, by what the logs of their tasks say and when."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

LONGEST = 30.0
"""Seconds that a worker sleeps at most, docs/exactly-once.md; a list keeps its worker."""

BUSY = 10.0
"""Seconds more that a process may take to go on, where all cores are busy."""

DEFERS = "No worker waits for"
BEGINS = "::group::Pre Execute"  # Airflow's first line of each process of a task
SLEEPS = re.compile(r"(?:next|again) in [\d.]+ s\b|sends the account nothing for")


@dataclass(frozen=True)
class Sleep:
    """
    The time between a line that announces a pause and the next one of the same process.

    :param log: which task's log.
    """

    seconds: float
    log: str

    def __str__(self) -> str:
        """Return both."""
        return f"{self.seconds:.0f} s in {self.log}"


NONE = Sleep(0.0, "no log")


@dataclass(frozen=True)
class Waits:
    """
    What the logs show.

    :param deferred: how many pauses ended their worker.
    :param single: the longest sleep of a task that submits one thing.
    :param listed: that of a task that submits a list.
    """

    deferred: int = 0
    single: Sleep = NONE
    listed: Sleep = NONE


def read_waits(logs: Path) -> Waits:
    """Return what the logs of all tasks show; those of triggers are not a worker's."""
    deferred, longest = 0, {True: NONE, False: NONE}
    for path in sorted(logs.glob("dag_id=*/run_id=*/**/attempt=*.log")):
        if ".trigger." in path.name:
            continue
        lines = list(read_lines(path.read_text(errors="replace")))
        deferred += sum(DEFERS in words for _, words in lines)
        name = str(path.relative_to(logs))
        sleeps = [Sleep(seconds, name) for seconds in list_sleeps(lines)]
        is_list = name.startswith("dag_id=lists")
        longest[is_list] = max([longest[is_list], *sleeps], key=lambda sleep: sleep.seconds)
    return Waits(deferred, longest[False], longest[True])


def read_lines(text: str) -> Iterator[tuple[datetime, str]]:
    """Yield moment and words of each line; a process that is killed may leave half a line."""
    for line in text.splitlines():
        try:
            said = json.loads(line)
            yield datetime.fromisoformat(said["timestamp"]), str(said.get("event"))
        except (ValueError, KeyError, TypeError):
            continue


def list_sleeps(lines: Iterable[tuple[datetime, str]]) -> Iterator[float]:
    """Yield the seconds of each pause that a process announced and has itself waited for."""
    for (before, said), (after, then) in pairwise(lines):
        if SLEEPS.search(said) and BEGINS not in then:
            yield (after - before).total_seconds()
