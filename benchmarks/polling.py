"""How often a job is polled, and how late its end is seen: our pauses against fixed intervals. No I/O.

Jobs last about 5 s, 20 s, 2 min or 1 h: up to a fifth more or less by chance, so that no interval meets the
end of a job by luck. The first poll is the worker's own, when the wait begins.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator

from airflow_provider_zuora.core.polling.wait import PollSchedule

JOBS = {"5 s": 5.0, "20 s": 20.0, "2 min": 120.0, "1 h": 3600.0}
DRAWS = 2000
Rule = Callable[[float, random.Random], float]


def _fixed(seconds: float) -> Rule:
    return lambda waited, rng: seconds


RULES: dict[str, Rule] = {
    "ours, deferred": PollSchedule().delay_after,
    "ours, on a worker": PollSchedule(first=1.0).delay_after,
    **{f"every {seconds} s": _fixed(seconds) for seconds in (5, 10, 30, 60)},
}


def simulate_wait(rule: Rule, lasts: float, rng: random.Random) -> tuple[int, float]:
    """Return how many polls one wait took, and how many seconds after the job's end the last was."""
    now, polls = 0.0, 1
    while now < lasts:
        now += rule(now, rng)
        polls += 1
    return polls, now - lasts


def compute_rows(draws: int = DRAWS, seed: int = 1) -> Iterator[tuple[str, str, float, float]]:
    """Yield rule, job, and the means of the polls and of the delay."""
    for name, rule in RULES.items():
        for job, lasts in JOBS.items():
            rng = random.Random(seed)
            waits = [simulate_wait(rule, lasts * rng.uniform(0.8, 1.2), rng) for _ in range(draws)]
            polls, delays = zip(*waits, strict=True)
            yield name, job, statistics.fmean(polls), statistics.fmean(delays)
