"""The report of a run: what was really done to it, by the records, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.events import History
from tests.cluster.load import Load
from tests.cluster.records import Records
from tests.cluster.waits import LONGEST, Waits


def make_report(
    load: Load,
    records: Records,
    history: History,
    waits: Waits,
    revived: Counter[str],
    seconds: float,
) -> str:
    """Return the report as text."""
    ledger = records.ledger
    parts = {
        "What went through": _list_load(load, records, seconds),
        "What happened to the cluster": [*history.told, *_list_revived(revived)],
        "Faults that requests met, by the sandbox's count": _list_counts(ledger["faults"]),
        "What the sandbox answered": _list_counts(ledger["answers"]),
        "What it was asked": _list_counts(ledger["requests"]),
        "Tries": list(_list_tries(records)),
        "Limits and pauses": [
            f"{ledger['signIns']} sign-ins",
            f"{ledger['answers'].get('429', 0)} answers were a 429",
            f"{ledger['askedInQuiet']} requests came within a stated Retry-After, of other processes",
            f"{waits.deferred} pauses of over {LONGEST:.0f} s were deferred, and held no worker",
            f"the longest that a worker slept: {waits.single}; with a list: {waits.listed}",
        ],
    }
    lines = [f"\n{title}\n" + "\n".join(f"  {line}" for line in found) for title, found in parts.items()]
    return "\n".join(lines)


def _list_load(load: Load, records: Records, seconds: float) -> list[str]:
    ledger = records.ledger
    posted = sum(run["posts"] == 1 and run["status"] == "Posted" for run in ledger["billRuns"])
    ended = sum(query["queryStatus"] == "completed" for query in ledger["queries"])
    return [
        f"{len(ledger['orders'])} of {len(load.markers)} orders, each with one marker",
        f"{load.refused} more were refused by their jobs",
        f"{load.queries} data queries, by {ended} that completed of {len(ledger['queries'])} submitted",
        f"{posted} of {load.bill_runs} bill runs posted once",
        f"{len(records.instances)} task instances, in {seconds:.0f} s",
    ]


def _list_revived(revived: Counter[str]) -> Iterator[str]:
    for name, count in sorted(revived.items()):
        yield f"{name} ended by itself {count} times, and the supervisor started it again"


def _list_counts(counts: dict[str, int]) -> list[str]:
    return [f"{count:6}  {name}" for name, count in sorted(counts.items())] or ["none"]


def _list_tries(records: Records) -> Iterator[str]:
    by_task: dict[str, Counter[int]] = {}
    for each in records.instances:
        name = f"{each.dag_id}.{each.task_id.rstrip('0123456789').rstrip('_')}"
        by_task.setdefault(name, Counter())[each.tries] += 1
    for name, tries in sorted(by_task.items()):
        said = ", ".join(f"{count} in try {number}" for number, count in sorted(tries.items()))
        yield f"{name}: {said}"


def write_report(folder: Path, text: str) -> Path:
    """Write the report beside the logs, and return where."""
    path = folder / "report.txt"
    path.write_text(text + "\n", encoding="utf-8")
    return path
