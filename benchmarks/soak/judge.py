"""What must hold of a soak, by its samples alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

from benchmarks.parts import Verdict
from benchmarks.soak.samples import Sample, find_percentile

WARM_UP = 300.0  # seconds; a sixth of a shorter soak
GROWTH = 1.05  # resident memory at the end, over that after the warm-up
STRAYS = 2  # sockets or descriptors that the end may have more: connections come and go
LAG_MS = 100.0
RENEWALS = 2
_SHARE = 10  # a tenth of the time is looked at for a beginning and an end
_PACE = 1.25  # polls that are due over those that came


def find_warm_up(seconds: float) -> float:
    """Return how much of a soak of so many seconds is no part of what is judged."""
    return min(WARM_UP, seconds / 6)


def judge(
    samples: Sequence[Sample], lags: Sequence[tuple[float, float]], waits: int, interval: float
) -> Iterator[Verdict]:
    """
    Yield what must hold.

    :param lags: of the loop: seconds since the first sample, and ms.
    :param waits: how many there are.
    :param interval: seconds between two polls of one; up to a tenth more by chance.
    """
    end = samples[-1].seconds
    warm_up = find_warm_up(end)
    window = (end - warm_up) / _SHARE
    first = [each for each in samples if warm_up <= each.seconds <= warm_up + window]
    last = [each for each in samples if each.seconds >= end - window]

    def find_growth(read: Callable[[Sample], float], find: Callable[[list[float]], float]) -> list[float]:
        return [find([read(each) for each in part]) for part in (last, first)]

    for name, read in (("resident", _read_rss), ("proportional", _read_pss)):
        after, before = find_growth(read, statistics.median)
        yield Verdict(f"{name} memory, the end / after {warm_up:.0f} s", after / before, GROWTH)
    for name, read in (("sockets", _read_sockets), ("descriptors", _read_descriptors)):
        after, before = find_growth(read, max)
        yield Verdict(f"{name}, the end - after {warm_up:.0f} s", after - before, STRAYS)
    steady = [lag for seconds, lag in lags if seconds >= warm_up]
    yield Verdict("ms of loop lag, 99th percentile", find_percentile(steady, 99), LAG_MS)
    yield Verdict("renewals of the token that are missing", RENEWALS + 1 - samples[-1].sign_ins, 0)
    for name, part in (("after the warm-up", first), ("at the end", last)):
        seen = statistics.fmean(each.polls_per_second for each in part)
        yield Verdict(f"polls that are due / polls, {name}", waits / interval / max(seen, 0.001), _PACE)


def _read_rss(sample: Sample) -> float:
    return sample.rss_mb


def _read_pss(sample: Sample) -> float:
    return sample.pss_mb


def _read_sockets(sample: Sample) -> float:
    return sample.sockets


def _read_descriptors(sample: Sample) -> float:
    return sample.descriptors
