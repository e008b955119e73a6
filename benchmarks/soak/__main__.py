"""`python -m benchmarks.soak`: many waits in one real triggerer of Airflow, against the sandbox."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import bare
from benchmarks.rounds import ROOT
from benchmarks.soak import page
from benchmarks.soak.judge import judge
from benchmarks.soak.samples import Sample, Watch, write_samples
from benchmarks.submits import make_order
from demo.processes import StackError, wait_for
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack

EVERY = 10.0  # seconds between two samples; of a soak of some minutes, less
START = 1200.0  # seconds in which all waits must have begun
_AT_ONCE = 10
_OF_A_TOKEN = 0.36  # the part of the soak that a token lasts: it is renewed twice


def submit(zuora: ServedSandbox, count: int) -> list[str]:
    """Start jobs that outlast the soak, and return their ids."""
    target = bare.Target(zuora.url, "", zuora.client_id, zuora.client_secret)
    return asyncio.run(bare.submit(target, [make_order(number) for number in range(count)], _AT_ONCE))


def run(place: Path, minutes: float, waits: int, interval: float) -> tuple[list[Sample], Watch]:
    """Run Airflow with all waits for some minutes; return what was seen."""
    dags, probe, seconds = place / "dags", place / "probe.jsonl", minutes * 60
    life = _find_token_life(seconds * _OF_A_TOKEN)
    options = (f"--token-seconds={life:.0f}", "--job-seconds=604800")
    with ServedSandbox(place / "sandbox.log", *options) as zuora:
        given = {"job_ids": submit(zuora, waits), "interval": interval, "probe": str(probe)}
        shutil.copytree(ROOT / "benchmarks" / "soak" / "dags", dags)
        (dags / "soak.json").write_text(json.dumps(given | {"timeout": seconds + START + 3600}), "utf-8")
        config = {"triggerer__capacity": str(2 * waits), "dag_processor__dag_file_processor_timeout": "300"}
        stack = AirflowStack(place / "airflow", dags, env={"PYTHONPATH": str(ROOT)}, config=config)
        stack.cli("db", "migrate")
        stack.cli(*zuora.connection())
        with stack:
            watch = Watch(probe)
            _wait_for_all(watch, waits)
            return _watch(watch, zuora, seconds), watch


def _find_token_life(use: float) -> float:
    """Return how long a token must last to be used for so many seconds: it is renewed before its end."""
    return max(use + 60, use * 4 / 3) if use > 180 else use * 4 / 3


def _wait_for_all(watch: Watch, waits: int) -> None:
    """Wait until the triggerer has as many tasks as there are waits."""
    told = 0

    def has_all() -> bool:
        nonlocal told
        line = watch.read_probe()
        count = line["tasks"] if line else 0
        if count >= told + waits / 10:
            told = count
            print(f"  {count:,} tasks in the triggerer", flush=True)
        return count > waits

    wait_for(f"{waits:,} waits in the triggerer", has_all, START, interval=2)


def _watch(watch: Watch, zuora: ServedSandbox, seconds: float) -> list[Sample]:
    begin, every = time.monotonic(), min(EVERY, seconds / 30)
    before = zuora.ledger()["signIns"]
    samples: list[Sample] = []
    while time.monotonic() - begin < seconds + every:
        ledger = zuora.ledger()
        samples.append(watch.take(ledger | {"signIns": ledger["signIns"] - before + 1}, time.time()))
        print(f"  {samples[-1]}", flush=True)
        time.sleep(every)
    return samples[1:]  # the first one has nothing to compare with


def main() -> int:
    """Soak, print what must hold, and write the page; return 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=10, help="seconds between two polls of a job")
    parser.add_argument("--place", type=Path, help="a folder that keeps all logs; else a temporary one")
    parser.add_argument("--write", action="store_true", help="write docs/soak.md and its picture")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        place = (given.place or Path(folder)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        try:
            samples, watch = run(place, given.minutes, given.waits, given.interval)
        except StackError as error:
            sys.exit(f"soak: {error}")
        write_samples(place / "soak.csv", samples)
        (place / "lags.json").write_text(json.dumps(watch.lags))
    verdicts = list(judge(samples, watch.lags, given.waits, given.interval))
    print("\n".join(["", *map(str, verdicts)]))
    if given.write:
        page.write(samples, verdicts, given.waits, given.interval)
    return 0 if all(verdict.holds for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
