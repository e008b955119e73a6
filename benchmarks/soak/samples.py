"""What is seen of a triggerer again and again: of its processes, of its event loop, and at the vendor."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

MB = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """
    One look; memory is in MB, lags are in ms, and are those since the sample before.

    :ivar seconds: since the first sample.
    :ivar supervisor_mb: resident memory of the process above, Airflow's own.
    :ivar cpu_percent: of one core, since the sample before.
    """

    seconds: float
    rss_mb: float
    pss_mb: float
    supervisor_mb: float
    descriptors: int
    sockets: int
    cpu_percent: float
    tasks: int
    sign_ins: int
    polls_per_second: float
    lag_p50_ms: float
    lag_p99_ms: float
    lag_most_ms: float


def find_percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent are not above; NaN if there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def read_memory(pid: int) -> dict[str, float]:
    """Return the resident and the proportional memory of a process in MB, by the kernel's names."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    rows = (line.split() for line in lines)
    return {row[0].rstrip(":"): int(row[1]) / MB for row in rows}


def count_descriptors(pid: int) -> tuple[int, int]:
    """Return how many descriptors a process has open, and how many of them are sockets."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            links.append(str(entry.readlink()))
    return len(links), sum(link.startswith("socket:") for link in links)


class Watch:
    """
    Takes samples of the triggerer that a probe runs in.

    :param probe: the file that `probe.LoopProbe` writes.
    """

    def __init__(self, probe: Path):
        self._probe, self._read = probe, 0
        self.lags: list[tuple[float, float]] = []  # seconds since the first sample, and ms
        self._first = self._last = self._cpu = self._polls = 0.0

    def read_probe(self) -> Mapping[str, Any] | None:
        """Return the last line of the probe, None if there is none yet; note the lags of those before."""
        if not self._probe.exists():
            return None
        with self._probe.open() as opened:
            opened.seek(self._read)
            lines = [json.loads(line) for line in opened if line.endswith("\n")]
            self._read = opened.tell()
        for line in lines:
            self.lags += [(line["at"] - self._first, lag) for lag in line["lags"]]
            self._line = line
        return getattr(self, "_line", None)

    def take(self, ledger: Mapping[str, Any], now: float) -> Sample:
        """
        Return a sample.

        :param ledger: of the sandbox.
        :param now: seconds since 1970.
        """
        known = len(self.lags)
        line = self.read_probe()
        assert line is not None
        if not self._first:
            self._first, self.lags, known = now, [], 0
        lags = [lag for _, lag in self.lags[known:]]
        process = psutil.Process(line["pid"])
        cpu, polls = sum(process.cpu_times()[:2]), float(sum(ledger["requests"].values()))
        passed = now - self._last if self._last else math.inf
        memory, (descriptors, sockets) = read_memory(process.pid), count_descriptors(process.pid)
        sample = Sample(
            seconds=round(now - self._first, 1),
            rss_mb=round(memory["Rss"], 2),
            pss_mb=round(memory["Pss"], 2),
            supervisor_mb=round(read_memory(process.ppid())["Rss"], 2),
            descriptors=descriptors,
            sockets=sockets,
            cpu_percent=round((cpu - self._cpu) / passed * 100, 1),
            tasks=line["tasks"],
            sign_ins=ledger["signIns"],
            polls_per_second=round((polls - self._polls) / passed, 1),
            lag_p50_ms=find_percentile(lags, 50),
            lag_p99_ms=find_percentile(lags, 99),
            lag_most_ms=max(lags, default=math.nan),
        )
        self._last, self._cpu, self._polls = now, cpu, polls
        return sample


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples as CSV."""
    with path.open("w", newline="") as opened:
        rows = csv.DictWriter(opened, [each.name for each in fields(Sample)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(map(asdict, samples))


def read_samples(path: Path) -> list[Sample]:
    """Return the samples of a CSV."""
    kinds = {each.name: int if each.type == "int" else float for each in fields(Sample)}
    with path.open(newline="") as opened:
        return [
            Sample(**{name: kinds[name](value) for name, value in row.items()})
            for row in csv.DictReader(opened)
        ]
