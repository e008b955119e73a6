"""Write what a soak showed: its samples, a picture of them, and the measured part of docs/soak.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.lines import draw_lines
from benchmarks.parts import Verdict
from benchmarks.report import DOCS, make_table, write_after_mark
from benchmarks.soak.samples import Sample, write_samples

MARK = "<!-- measured: written by `make soak WRITE=1`, everything below -->\n"


def draw(samples: Sequence[Sample]) -> str:
    """Return the picture of a soak."""
    charts = {
        "MB of memory": {
            "resident": [each.rss_mb for each in samples],
            "proportional": [each.pss_mb for each in samples],
            "supervisor": [each.supervisor_mb for each in samples],
        },
        "Open at once": {
            "descriptors": [each.descriptors for each in samples],
            "sockets": [each.sockets for each in samples],
        },
        "ms of event loop lag": {
            "median": [each.lag_p50_ms for each in samples],
            "99th percentile": [each.lag_p99_ms for each in samples],
        },
        "Polls a second": {"polls": [each.polls_per_second for each in samples]},
        "% of one core": {"triggerer": [each.cpu_percent for each in samples]},
        "Sign-ins": {"sign-ins": [each.sign_ins for each in samples]},
    }
    return draw_lines(charts, [each.seconds / 60 for each in samples])


def _make_rows(samples: Sequence[Sample]) -> str:
    """Return a table of the samples, about one for each tenth of the time."""
    step = max(1, len(samples) // 10)
    rows = [
        [
            f"{each.seconds / 60:.1f}",
            f"{each.rss_mb:.1f}",
            f"{each.pss_mb:.1f}",
            each.descriptors,
            each.sockets,
            f"{each.lag_p50_ms:.1f} / {each.lag_p99_ms:.1f} / {each.lag_most_ms:.0f}",
            f"{each.polls_per_second:.0f}",
            f"{each.cpu_percent:.0f}",
            each.sign_ins,
        ]
        for each in samples[::step]
    ]
    head = (
        "min",
        "MB resident",
        "MB proportional",
        "descriptors",
        "sockets",
        "lag ms (50 % / 99 % / most)",
        "polls a second",
        "CPU %",
        "sign-ins",
    )
    return make_table(head, rows)


def write(
    samples: Sequence[Sample], verdicts: Sequence[Verdict], waits: int, interval: float, docs: Path = DOCS
) -> None:
    """Write docs/soak.csv, the picture, and what the page says below its mark."""
    (docs / "images").mkdir(exist_ok=True)
    write_samples(docs / "soak.csv", samples)
    (docs / "images" / "soak.svg").write_text(draw(samples), "utf-8")
    day, minutes = datetime.now(UTC).date().isoformat(), samples[-1].seconds / 60
    about = (
        f"`make soak` on {day}: {waits:,} waits, a poll of each every {interval:g} s and up to a tenth more, "
        f"for {minutes:.0f} minutes; {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"apache-airflow {version('apache-airflow')}, aiohttp {version('aiohttp')}. CPU of a poll, with all "
        f"that Airflow does in that process: {_find_cost(samples):.2f} ms."
    )
    claims = "\n".join(f"- {verdict}" for verdict in verdicts)
    text = f"\n{about}\n\n![What one triggerer takes](images/soak.svg)\n\n{_make_rows(samples)}\n{claims}\n"
    write_after_mark(docs / "soak.md", text, MARK)


def _find_cost(samples: Sequence[Sample]) -> float:
    """Return the CPU of one poll in ms: the median of the samples."""
    return statistics.median(each.cpu_percent * 10 / max(each.polls_per_second, 0.001) for each in samples)
