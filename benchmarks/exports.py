"""One process that fetches the file of a query in one way; prints as JSON how long that took.

Each way ends when the disk has the file: `hook.export_query` sees to that, curl's is synced after it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bare import Target
from benchmarks.file_server import QUERIES
from benchmarks.waits import connect


def _ours(target: Target, path: Path) -> float:
    """Run a query, and put its file to the path."""
    from airflow_provider_zuora.hooks.zuora import ZuoraHook

    connect(target, "zuora", target.url)
    hook = ZuoraHook(target.client_id)
    hook.get_conn()  # what is imported at first use counts for none
    started = time.monotonic()
    hook.export_query("SELECT * FROM account", path)
    return time.monotonic() - started


def _curl(target: Target, path: Path) -> float:
    """Fetch the file alone; no query."""
    link = f"{target.url}/files/{QUERIES['NONE']}"
    started = time.monotonic()
    subprocess.run(["curl", "--silent", "--show-error", "--fail", "--output", path, link], check=True)
    return time.monotonic() - started


WAYS: dict[str, Callable[[Target, Path], float]] = {"ours": _ours, "curl": _curl}


def measure(way: str, target: Target) -> dict[str, float]:
    """Fetch in one way; return seconds until it was done, and until the disk had the file."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ["AIRFLOW_HOME"]) as folder:
        path = Path(folder) / "a.csv"
        os.sync()
        fetched = WAYS[way](target, path)
        started = time.monotonic()
        with path.open("rb") as file:
            os.fsync(file.fileno())
        seconds = fetched + time.monotonic() - started
        size = path.stat().st_size
    return {"seconds": seconds, "fetch_seconds": fetched, "mb_per_second": size / seconds / 1e6}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("url")
    given = parser.parse_args()
    goal = Target(given.url, "", f"bench{0:031}", "a-secret-of-the-benchmark")
    print(json.dumps(measure(given.way, goal)))
