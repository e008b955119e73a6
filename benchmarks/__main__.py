"""`python -m benchmarks`: measure, print what must hold and whether it does, and write the docs if asked."""

from __future__ import annotations

import argparse
import sys

from benchmarks import parts, report


def main() -> int:
    """Run what was asked for; return 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, 1,000 waits, 300 orders, no workers")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and docs/polling.md")
    parser.add_argument("--only", choices=parts.PARTS, action="append")
    given = parser.parse_args()
    plan = parts.QUICK if given.quick else parts.FULL
    wanted = given.only or plan.parts
    found = report.Found(plan)
    verdicts: list[parts.Verdict] = []
    if "waits" in wanted:
        found.waits = parts.measure_waits(plan)
        verdicts += parts.judge_waits(plan, found.waits)
        found.polls = parts.measure_polls(plan)
        verdicts += parts.judge_polls(found.polls)
    if "submits" in wanted:
        found.submits = parts.measure_submits(plan)
        verdicts += parts.judge_submits(found.submits)
    if "exports" in wanted:
        found.exports = parts.measure_exports(plan)
        verdicts += parts.judge_exports(found.exports)
    if "imports" in wanted:
        found.imports = parts.measure_imports(plan)
    if "limits" in wanted:
        found.limits = parts.measure_limits(plan)
        verdicts += parts.judge_limits(found.limits)
    if "workers" in wanted:
        found.workers = parts.measure_workers()
        verdicts += parts.judge_workers(found.workers)
    found.verdicts = verdicts
    if given.write and given.only in (None, ["polling"]):
        report.write(found)
    print("\n".join(["", *map(str, verdicts)]))
    return 0 if all(verdict.holds for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
