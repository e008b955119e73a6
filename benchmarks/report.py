"""Write what was measured into docs/benchmarks.md and docs/polling.md, with a picture each."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import polling
from benchmarks.limits import AT_ONCE, PER_MINUTE
from benchmarks.parts import Plan, Verdict
from benchmarks.plot import draw_chart, draw_picture
from benchmarks.rounds import ROOT, Rounds

DOCS = ROOT / "docs"
MARK = "<!-- measured: written by `make bench-docs`, everything below -->\n"
NAMES = {
    "bare": "bare aiohttp loop",
    "ours": "`ZuoraJobTrigger`",
    "http": "`HttpSensorTrigger`",
    "dbt": "`DbtCloudRunJobTrigger`",
}


@dataclass
class Found:
    """All that was measured; what was not asked for is empty."""

    plan: Plan
    waits: Mapping[int, Mapping[str, Rounds]] = field(default_factory=dict)
    polls: Mapping[str, Rounds] = field(default_factory=dict)
    submits: Mapping[str, Rounds] = field(default_factory=dict)
    exports: Mapping[str, Rounds] = field(default_factory=dict)
    imports: Mapping[str, Rounds] = field(default_factory=dict)
    limits: Mapping[int, Rounds] = field(default_factory=dict)
    workers: Mapping[str, int] = field(default_factory=dict)
    verdicts: Sequence[Verdict] = ()


def make_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _describe_waits(found: Found) -> str:
    rows = []
    for size, ways in found.waits.items():
        for name, title in NAMES.items():
            if name not in ways:
                continue
            of, bare = ways[name], ways["bare"]
            ratio = describe_spread(of.ratios(bare, "cpu_ms"))
            numbers = [f"{of[key]:.0f}" for key in ("connections", "sign_ins", "idle_mb", "peak_mb")]
            rows.append([f"{size:,}", title, f"{of['cpu_ms']:.2f}", ratio, *numbers])
    head = ("waits", "way", "CPU ms a poll", "x bare", "connections", "sign-ins", "MB before", "MB at most")
    return make_table(head, rows)


def _describe_polls(found: Found) -> str:
    if not found.polls:
        return ""
    rows = [
        [
            NAMES[name],
            *(describe_spread([each[key] for each in of.figures]) for key in ("start_ms", "poll_ms")),
        ]
        for name, of in found.polls.items()
    ]
    return make_table(("way", "CPU ms of a wait without its polls", "CPU ms of a poll"), rows)


def _describe_submits(found: Found) -> str:
    bare = found.submits["bare"]["seconds"]
    sdk = f"`zuora-sdk`, a loop (scaled from {found.plan.orders_of_sdk} orders)"
    rows = []
    for name, title in (("bare", NAMES["bare"]), ("ours", "`create_orders`"), ("sdk", sdk)):
        of = found.submits[name]
        seconds = found.plan.orders / of["orders_per_second"]
        ratio, rate, cpu = seconds / bare, of["orders_per_second"], of["cpu_ms"]
        rows.append([title, f"{seconds:.1f}", f"{ratio:.2f}", f"{rate:.0f}", f"{cpu:.2f}"])
    return make_table(
        ("way", f"s for {found.plan.orders:,}", "x bare", "orders a second", "CPU ms an order"), rows
    )


def describe_spread(shares: Sequence[float]) -> str:
    return f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"


def describe_exports(found: Found) -> str:
    """Return what is said of exports, empty if none were measured."""
    if not found.exports:
        return ""
    curl, rows = found.exports["curl"], []
    for name, title in (("curl", "`curl`, and `fsync` of its file"), ("ours", "`export_query`")):
        of = found.exports[name]
        pairs = list(zip(of.figures, curl.figures, strict=True))
        shares = [
            describe_spread([its[kind] / each["seconds"] for each, its in pairs])
            for kind in ("seconds", "fetch_seconds")
        ]
        rows.append([title, f"{of['seconds']:.1f}", f"{of['mb_per_second']:.0f}", *shares])
    head = ("way", "s", "MB a second", "of curl's throughput", "of curl's without `fsync`")
    about = f"{found.plan.exported:,} bytes to a local path, {len(curl.figures)} pairs."
    return f"## Exporting\n\n{about}\n\n{make_table(head, rows)}\n"


def _describe_imports(found: Found) -> str:
    titles = {
        "nothing": "nothing",
        "airflow": "`from airflow.sdk import DAG`",
        "ours": "the same, and our operators and sensors",
        "dbt": "the same, and the dbt provider's",
        "sdk": "`import zuora_sdk`",
    }
    rows = [
        [title, f"{found.imports[name]['seconds']:.2f}", f"{found.imports[name]['mb']:.0f}"]
        for name, title in titles.items()
    ]
    return make_table(("import", "CPU s", "MB"), rows)


def _describe_limits(found: Found) -> str:
    if not found.limits:
        return ""
    counts = ("unfinished", "requests", "refused", "asked_in_cool_down", "sign_ins", "doubled")
    rows = [
        [pool, *(f"{of[key]:,.0f}" for key in counts), f"{of['seconds']:.0f}"]
        for pool, of in found.limits.items()
    ]
    head = (
        "connections",
        "waits unfinished",
        "calls",
        "answered 429",
        "begun in a Retry-After",
        "sign-ins",
        "orders doubled",
        "s",
    )
    vendor = f"{PER_MINUTE} calls a minute and {AT_ONCE} at once"
    about = f"{found.plan.limited} orders and waits against the sandbox, which takes {vendor}."
    return f"## Where calls are limited\n\n{about}\n\n{make_table(head, rows)}\n"


def _describe_workers(found: Found) -> str:
    if not found.workers:
        return ""
    rows = [[way, number] for way, number in found.workers.items()]
    return f"## Worker processes for one order\n\n{make_table(('way', 'processes'), rows)}\n"


def _describe_polling() -> tuple[str, str]:
    """Return table and picture of the polling rules."""
    rows = list(polling.compute_rows())
    polls = {job: {rule: number for rule, at, number, _ in rows if at == job} for job in polling.JOBS}
    late = {job: {rule: number for rule, at, _, number in rows if at == job} for job in polling.JOBS}
    charts = [
        draw_chart("Polls until the end of a job is seen", "", polls),
        draw_chart("Seconds from the end of a job until it is seen", "s", late, 250),
    ]
    lines = [
        [rule, *(f"{polls[job][rule]:.1f} / {late[job][rule]:.1f} s" for job in polling.JOBS)]
        for rule in polling.RULES
    ]
    head = ("polls / delay (means)", *(f"job of {job}" for job in polling.JOBS))
    return make_table(head, lines), draw_picture(charts, list(polling.RULES))


def write_after_mark(path: Path, text: str, head: str = MARK) -> None:
    """Replace what follows the mark in a page."""
    kept, mark, _ = path.read_text("utf-8").partition(head)
    if not mark:
        raise SystemExit(f"{path} has no line {head!r}")
    path.write_text(kept + mark + text, "utf-8")


def list_versions() -> str:
    """Return what was measured with."""
    names = ("http", "dbt-cloud")
    packages = ("apache-airflow", "aiohttp", *(f"apache-airflow-providers-{name}" for name in names))
    return ", ".join(f"{name} {version(name)}" for name in (*packages, "zuora-sdk"))


def write(found: Found, docs: Path = DOCS, using: Callable[[], str] = list_versions) -> None:
    """Write the docs; the page about the benchmarks only where all was measured."""
    (docs / "images").mkdir(exist_ok=True)
    rules, image = _describe_polling()
    write_after_mark(docs / "polling.md", f"\n{rules}\n![Polls and delay](images/polling.svg)\n")
    (docs / "images" / "polling.svg").write_text(image, "utf-8")
    if not (found.waits and found.submits and found.imports):
        return
    drawn = {f"{size:,} waits": of for size, of in found.waits.items() if NAMES.keys() <= of.keys()}
    cpu = {title: {name: of[name]["cpu_ms"] for name in NAMES} for title, of in drawn.items()}
    peak = {title: {name: of[name]["peak_mb"] for name in NAMES} for title, of in drawn.items()}
    charts = [
        draw_chart("CPU of one poll", "ms", cpu),
        draw_chart("Resident memory at most", "MB", peak, 250),
    ]
    names = [name.strip("`").replace("bare aiohttp loop", "bare loop") for name in NAMES.values()]
    (docs / "images" / "benchmarks.svg").write_text(draw_picture(charts, names), "utf-8")
    day = datetime.now(UTC).date().isoformat()
    claims = "\n".join(f"- {verdict}" for verdict in found.verdicts)
    write_after_mark(
        docs / "benchmarks.md",
        f"\n`make bench-docs` on {day}: median of {found.plan.rounds} rounds, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {using()}.\n\n"
        f"## Waiting\n\n{_describe_waits(found)}\n{_describe_polls(found)}\n"
        "![CPU and memory](images/benchmarks.svg)\n\n"
        f"## Submitting\n\n{_describe_submits(found)}\n{describe_exports(found)}"
        f"## Importing\n\n{_describe_imports(found)}\n"
        f"{_describe_limits(found)}{_describe_workers(found)}"
        f"## What must hold\n\n{claims}\n",
    )
