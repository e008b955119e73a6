"""A thousand submissions with twenty of each fault: exactly those are named, and again after kills."""

from __future__ import annotations

import csv
import datetime as dt
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.books import EACH, spoil
from tests.submission_logs import check_files
from zuora_sandbox import Settings

ROOT = Path(__file__).parents[2]
LIST, ORDER = "GET /object-query/orders", "GET /v1/orders/{orderNumber}"
CUTS = [(LIST, 7), (ORDER, 10), (ORDER, 90)]
"""After so many requests of a kind a process is killed: while it reads the list, and one by one."""
VOLATILE = ("closed", "report")


def start(zuora, folder, window):
    command = [sys.executable, "-m", "tests.killed_reconciliation", zuora.url, str(folder), *window]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def finish(process):
    """Return the summary of a process that was let alone."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(said.splitlines()[-1])["summary"]


def kill_after(zuora, process, asked, count):
    """Kill a process when it has asked so often, and see that it has not come to its end."""
    before = zuora.sandbox.state.counts[asked]
    deadline = time.monotonic() + 60
    while zuora.sandbox.state.counts[asked] - before < count:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it has ended before"
        time.sleep(0.001)
    process.kill()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == -9
    assert not [line for line in said.splitlines() if line.startswith("{")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("zuora", [Settings(job_seconds=0, answer_seconds=0.002)], indirect=True)
def test_a_thousand_orders_with_twenty_of_each_fault_are_named_exactly_and_again_after_kills(zuora, tmp_path):
    began, folder = dt.datetime.now(dt.UTC), tmp_path / "log"
    books = spoil(zuora.sandbox, folder)
    window = (began.isoformat(), (began + dt.timedelta(hours=1)).isoformat())

    for asked, count in CUTS:
        kill_after(zuora, start(zuora, folder, window), asked, count)
        assert not list(tmp_path.glob("*report*")), "a part of a report"
    summary = finish(start(zuora, folder, window))

    for finding, expected in books.faults.items():
        assert sorted(summary[finding]) == sorted(expected), finding
    counts = {name: len(expected) for name, expected in books.faults.items()}
    counts |= {"found": 1000 - sum(counts.values()) + EACH}  # others are none of ours
    assert {name: count for name, count in summary["counts"].items() if count} == counts
    proposals = {each["order"]: (each["action"], each["value"]) for each in summary["proposals"]}
    assert proposals == books.proposals
    with Path(summary["report"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["finding"] for row in rows) == counts

    again = finish(start(zuora, folder, window))
    assert (summary["closed"], again["closed"]) == (EACH, 0)
    assert {k: v for k, v in again.items() if k not in VOLATILE} == {
        k: v for k, v in summary.items() if k not in VOLATILE
    }
    check_files(tmp_path)
