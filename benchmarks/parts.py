"""What is measured, part by part, and what must hold of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.limits import PER_MINUTE
from benchmarks.rounds import Figures, Rounds, alternate, run_against_server, run_alone, serve
from benchmarks.workers import WAYS, count_processes

WAITS, SUBMITS, IMPORTS = "benchmarks.waits", "benchmarks.submits", "benchmarks.imports"
LIMITS, EXPORTS, FILES = "benchmarks.limits", "benchmarks.exports", "benchmarks.file_server"
PARTS = ("waits", "submits", "exports", "imports", "polling", "limits", "workers")
PACE = 1000  # polls a second at the most: so many waits or fewer poll each second, more of them less often
POLLS, MANY_POLLS = 5, 25  # of a wait; the difference of two waits is polls alone
CONCURRENCY = 20


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    parts: tuple[str, ...] = PARTS
    rounds: int = 9  # the median of as many ratios is judged
    sizes: tuple[int, ...] = (100, 1000, 2000, 10_000)
    compared: int = 1000  # waits, the size at which ours are judged beside Airflow's own triggers
    shared: int = (
        2000  # waits, up to which Airflow's own are measured: each poll of theirs has its connection
    )
    orders: int = 1000
    orders_of_sdk: int = 100
    pairs: int = 9  # of exports: each way once
    exported: int = 1024**3  # bytes
    limited: int = 300  # orders and waits where calls are limited
    pools: tuple[int, ...] = (20, 60)  # connections there: fewer and more than the vendor lets in at once


MOST_CPU = {1000: 1.25, 10_000: 1.15}  # of a poll, in those of the bare loop, by the number of waits
FULL = Plan()
QUICK = Plan(PARTS[:-1], rounds=1, sizes=(1000,), orders=300, orders_of_sdk=20, pairs=3)


@dataclass(frozen=True)
class Verdict:
    """One thing that must hold."""

    claim: str
    value: float
    limit: float
    spread: str = ""

    @classmethod
    def of_ratios(cls, claim: str, ratios: Sequence[float], limit: float) -> Verdict:
        """Return the verdict on the median of the ratios of pairs, with their spread."""
        spread = f" (median of {len(ratios)}, {min(ratios):.2f} to {max(ratios):.2f})"
        return cls(claim, statistics.median(ratios), limit, spread)

    @property
    def holds(self) -> bool:
        """Return whether it does."""
        return self.value <= self.limit

    def __str__(self) -> str:
        """Return a line that says so."""
        word = "ok  " if self.holds else "MISS"
        return f"{word} {self.claim}: {self.value:.2f}{self.spread}, at most {self.limit:.2f}"


def find_interval(size: int) -> float:
    """Return the seconds between two polls of each of so many waits, so that no way is short of time."""
    return max(1.0, size / PACE)


def measure_waits(plan: Plan) -> dict[int, dict[str, Rounds]]:
    """Wait for many jobs in each way; at a size with a limit the import of Airflow alone is one of them."""
    found = {}
    for size in plan.sizes:
        print(f"{size:,} waits of {POLLS} polls:", flush=True)
        names = ("bare", "ours", *(("airflow",) if size in MOST_CPU else ()))
        names = (*names, *(("http", "dbt") if size <= plan.shared else ()))
        ways = {name: (WAITS, name, size, find_interval(size)) for name in names}
        rough = ("http", "dbt") if size > plan.compared else ()
        found[size] = alternate(plan.rounds, ways, rough=(*rough, "airflow") if size > plan.shared else rough)
    return found


def measure_polls(plan: Plan) -> dict[str, Rounds]:
    """Wait with few and with many polls, by the bare loop and by ours: more polls need no more starts."""
    print(f"{plan.compared:,} waits of {POLLS} and of {MANY_POLLS} polls:", flush=True)

    def measure(module: str, way: str, polls: int) -> Figures:
        options = ("--polls", polls)
        return run_against_server(module, way, plan.compared, find_interval(plan.compared), options=options)

    ways = {
        f"{way} {polls}": (WAITS, way, polls) for polls in (POLLS, MANY_POLLS) for way in ("bare", "ours")
    }
    found = alternate(plan.rounds, ways, measure=measure)
    return {
        way: split_costs(found[f"{way} {POLLS}"], found[f"{way} {MANY_POLLS}"]) for way in ("bare", "ours")
    }


def split_costs(few: Rounds, many: Rounds) -> Rounds:
    """Return the CPU of a poll, and that of a wait without its polls, in ms, of each round."""
    split = []
    for short, long in zip(few.figures, many.figures, strict=True):
        poll = (MANY_POLLS * long["cpu_ms"] - POLLS * short["cpu_ms"]) / (MANY_POLLS - POLLS)
        split.append({"poll_ms": poll, "start_ms": POLLS * (short["cpu_ms"] - poll)})
    return Rounds(tuple(split))


def measure_submits(plan: Plan) -> dict[str, Rounds]:
    """Submit many orders in each way."""
    print(f"{plan.orders} orders, {CONCURRENCY} at a time, 150 ms each:", flush=True)
    ways = {name: (SUBMITS, name, plan.orders, CONCURRENCY) for name in ("bare", "ours")}
    return alternate(plan.rounds, {**ways, "sdk": (SUBMITS, "sdk", plan.orders_of_sdk, 1)})


def measure_exports(plan: Plan) -> dict[str, Rounds]:
    """Fetch the file of a query in each way, from one server."""
    print(f"Exports of {plan.exported:,} bytes:", flush=True)
    with serve(FILES, "--size", plan.exported) as server:

        def measure(module: str, way: str) -> Figures:
            return run_alone(module, way, server["url"])

        return alternate(plan.pairs, {way: (EXPORTS, way) for way in ("ours", "curl")}, measure=measure)


def measure_imports(plan: Plan) -> dict[str, Rounds]:
    """Import what a DAG file imports."""
    print("Imports:", flush=True)
    names = ("nothing", "airflow", "ours", "dbt", "sdk")
    return alternate(plan.rounds, {name: (IMPORTS, name) for name in names})


def measure_limits(plan: Plan) -> dict[int, Rounds]:
    """Submit and wait where the vendor limits calls, with pools of several sizes."""
    print(f"{plan.limited} orders and waits, {PER_MINUTE} calls a minute:", flush=True)
    ways = {str(pool): (LIMITS, pool, plan.limited, 45.0, 5.0) for pool in plan.pools}
    return {int(pool): figures for pool, figures in alternate(1, ways, measure=run_alone).items()}


def measure_workers() -> dict[str, int]:
    """Count the worker processes of one order on a real Airflow, in each way."""
    print("Worker processes of one order:", flush=True)
    found = count_processes()
    print("".join(f"  {way}: {number}\n" for way, number in found.items()), end="", flush=True)
    return found


def judge_waits(plan: Plan, found: Mapping[int, Mapping[str, Rounds]]) -> Iterator[Verdict]:
    """Yield what must hold of the waits."""
    for size, most in MOST_CPU.items():
        if size not in found:
            continue
        of, at = found[size], f"{size:,} waits"
        ours, bare = of["ours"], of["bare"]
        ratios = ours.ratios(bare, "cpu_ms")
        yield Verdict.of_ratios(f"{at}: CPU per poll, ours / bare loop", ratios, most)
        yield Verdict(f"{at}: sign-ins", ours["sign_ins"], 1)
        yield Verdict(f"{at}: connections", ours["connections"], 20)
        room = 1.3 * bare["peak_mb"] + of["airflow"]["idle_mb"] - bare["idle_mb"]
        yield Verdict(f"{at}: MB, against 1.3 x bare loop + Airflow", ours["peak_mb"], room)
    of = found[plan.compared]
    for name, title in (("http", "HttpSensorTrigger"), ("dbt", "DbtCloudRunJobTrigger")):
        ratios = of["ours"].ratios(of[name], "cpu_ms")
        yield Verdict.of_ratios(f"{plan.compared:,} waits: CPU per poll, ours / {title}", ratios, 0.25)


def judge_polls(found: Mapping[str, Rounds]) -> Iterator[Verdict]:
    """Yield what must hold of a poll without the start of its wait."""
    ratios = found["ours"].ratios(found["bare"], "poll_ms")
    yield Verdict.of_ratios("CPU of a poll without the start of its wait, ours / bare loop", ratios, 1.25)


def judge_submits(found: Mapping[str, Rounds]) -> Iterator[Verdict]:
    """Yield what must hold of bulk submission."""
    ratios = found["ours"].ratios(found["bare"], "seconds")
    yield Verdict.of_ratios("seconds in bulk, ours / bare loop", ratios, 1.1)


def judge_exports(found: Mapping[str, Rounds]) -> Iterator[Verdict]:
    """Yield what must hold of an export: at least 0.8 of the throughput of curl, which does not sync."""
    pairs = zip(found["ours"].figures, found["curl"].figures, strict=True)
    ratios = [ours["seconds"] / its["fetch_seconds"] for ours, its in pairs]
    yield Verdict.of_ratios("seconds of an export to the disk, ours / curl without fsync", ratios, 1.25)


def judge_limits(found: Mapping[int, Rounds]) -> Iterator[Verdict]:
    """Yield what must hold where calls are limited, first that the limit was met at all."""
    for pool, of in found.items():
        at = f"limited, {pool} connections"
        yield Verdict(f"{at}: calls of a minute / calls", PER_MINUTE / of["requests"], 1)
        yield Verdict(f"{at}: waits that did not finish", of["unfinished"], 0)
        yield Verdict(f"{at}: requests started in a cool-down", of["asked_in_cool_down"], 0)
        yield Verdict(f"{at}: sign-ins", of["sign_ins"], 1)
        yield Verdict(f"{at}: orders doubled", of["doubled"], 0)


def judge_workers(found: Mapping[str, int]) -> Iterator[Verdict]:
    """Yield how many worker processes one order may take."""
    for way, (_, most) in WAYS.items():
        yield Verdict(f"worker processes, {way}", found[way], most)
