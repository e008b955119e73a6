"""``python -m tests.cluster [--quick]``: what goes through a cluster that things happen to.

It prints a report, and its exit status is 0 if each thing was made exactly once and every task has the right
result. Docs: docs/cluster-test.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from demo.processes import StackError
from tests.cluster import faults, verdict
from tests.cluster.cluster import ROOT, Cluster
from tests.cluster.events import EVENTS, History, run_events
from tests.cluster.listeners import Watch
from tests.cluster.load import FAILS, FULL, QUICK_VARIABLE, SMALL, Load, make_rows, mark, quote_marker
from tests.cluster.records import Records, read_records
from tests.cluster.report import make_report, write_report
from tests.cluster.waits import Waits, read_waits

PATIENCE = {True: 330.0, False: 1500.0}  # seconds for the load, quick or not
PAUSES = {True: 1, False: 5}  # long ones, for each kind of mapped order


def say(words: str) -> None:
    """Print at once."""
    print(words, flush=True)


def prepare_sandbox(cluster: Cluster, load: Load, *, quick: bool) -> None:
    """Tell the sandbox what each query gives, and what goes wrong with requests."""
    for index in range(load.queries):
        script = {"contains": f"'{mark('Q', index)}'", "rows": make_rows(index)}
        cluster.ask_sandbox("POST", "queries", script)
    failing = {"contains": quote_marker("X-"), "errors": FAILS}
    cluster.ask_sandbox("POST", "orders", failing)
    for fault in faults.list_faults(PAUSES[quick]):
        cluster.ask_sandbox("POST", "faults", fault)


def run(home: Path, *, quick: bool) -> list[str]:
    """Run it all, print the report, and return what is wrong."""
    load = SMALL if quick else FULL
    say(f"Starting PostgreSQL, Redis, the sandbox and a distributed Airflow in {home}")
    with Cluster(home, quick=quick) as cluster:
        watch = Watch(str(home))
        watch.start()
        try:
            prepare_sandbox(cluster, load, quick=quick)
            began = time.monotonic()
            history = run_events(cluster, load, EVENTS, PATIENCE[quick], say)
            seconds = time.monotonic() - began
            records = read_records(cluster)
        finally:
            doors = watch.stop()
        waits = read_waits(cluster.logs)
        revived = cluster.supervisor.revived
    report = make_report(load, records, history, waits, revived, seconds)
    say(report)
    say(f"\nThis report, and all logs: {write_report(home, report).parent}")
    return [*judge(load, records, history, waits), *sorted(doors)]


def judge(load: Load, records: Records, history: History, waits: Waits) -> list[str]:
    """Return what is wrong with the run, and what of its plan did not happen."""
    revocations = sum(each.startswith("revocation") for each in history.told)
    met = records.ledger["faults"]
    return [
        *verdict.find_problems(load, records, revocations),
        *(f"did not happen: {name}" for name in history.missed),
        *verdict.check_waits(waits),
        *(f"no request met the fault: {name}" for name in faults.find_unmet(met)),
    ]


def _end(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):  # to end all of it takes some seconds: let it
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    options.add_argument("--quick", action="store_true", help="40 orders instead of 500")
    options.add_argument("--home", type=Path, default=ROOT / ".cluster", help="is emptied first")
    chosen = options.parse_args(arguments)
    os.environ.pop(QUICK_VARIABLE, None)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _end)
    try:
        problems = run(chosen.home.resolve(), quick=chosen.quick)
    except StackError as error:
        print(f"cluster-test: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cluster-test: ended before its end; nothing of it runs any more", file=sys.stderr)
        return 130
    for problem in problems:
        say(f"WRONG: {problem}")
    say(f"{len(problems)} things are wrong." if problems else "All is right.")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
