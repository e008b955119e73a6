"""Run what is measured in fresh processes, several ways in turn, and keep the figures of each round."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Rounds:
    """The figures of one way, a mapping for each round in which it was measured; `x["name"]` is a median."""

    figures: tuple[Figures, ...]

    def __getitem__(self, name: str) -> float:
        """Return the median of a figure."""
        return statistics.median(each[name] for each in self.figures)

    def ratios(self, other: Rounds, name: str) -> list[float]:
        """Return a figure of this way over that of another, for each round that has both."""
        return [ours[name] / its[name] for ours, its in zip(self.figures, other.figures, strict=False)]


@contextmanager
def serve(module: str = "benchmarks.server", *arguments: object) -> Iterator[dict[str, Any]]:
    """Run a server in a process of its own until the block is left; yield what it says: its URL and more."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()  # the server ends with it


def run_alone(module: str, *arguments: object, **more: str) -> dict[str, float]:
    """
    Run a module in a process of its own, whose Airflow has a folder of its own; return the figures it prints.

    :param more: environment variables.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "AIRFLOW_HOME": home,
            "XDG_RUNTIME_DIR": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            **more,
        }
        command = [sys.executable, "-m", module, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run_against_server(module: str, *arguments: object, options: Sequence[object] = ()) -> dict[str, float]:
    """
    Run a module against a server of its own and return the figures that it prints.

    :param options: of the server.
    """
    with serve("benchmarks.server", *options) as server:
        own = server["ca_file"]  # also aiohttp's own default, for those who have no option
        return run_alone(module, *arguments, server["url"], own, SSL_CERT_FILE=own)


def alternate(
    rounds: int,
    ways: Mapping[str, Sequence[object]],
    rough: Sequence[str] = (),
    measure: Callable[..., Figures] = run_against_server,
) -> dict[str, Rounds]:
    """
    Measure each way once a round, so that a ratio has both of its sides from the same minute.

    Every other round goes the other way round: what one leaves to the next, such as a busy disk, is nobody's.

    :param ways: module and arguments by name.
    :param rough: those that are measured in the first round only, because they take long.
    """
    found: dict[str, list[Figures]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, (module, *arguments) in list(ways.items())[:: -1 if number % 2 else 1]:
            if number == 0 or name not in rough:
                figures = measure(str(module), *arguments)
                found[name].append(figures)
                shown = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
                print(f"  round {number + 1} of {rounds}, {name}: {shown}", flush=True)
    return {name: Rounds(tuple(figures)) for name, figures in found.items()}
