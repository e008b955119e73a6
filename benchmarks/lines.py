"""Line charts as SVG, one below the other, on a common axis of time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.plot import COLOURS

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 170, 60, 12, 34, 22
_TICKS = 6
_STYLE = (
    "text{font:11px sans-serif;fill:#333}.title{font-weight:bold;font-size:13px}.axis{text-anchor:end}"
    ".tick{text-anchor:middle}.line{stroke:#ddd}.curve{fill:none;stroke-width:1.5}"
)


def _find_top(most: float) -> float:
    """Return the end of an axis: 1, 2 or 5 times a power of ten, not below the most."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= most)


def draw_lines(
    charts: Mapping[str, Mapping[str, Sequence[float]]], times: Sequence[float], unit: str = "min"
) -> str:
    """
    Return a picture.

    :param charts: curves by title and name; each begins at zero and has a value for each time.
    :param times: ascending, in the unit.
    """
    tall = _HEIGHT * len(charts) + 8
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {tall}" role="img">'
    parts = [head, f'<style>{_STYLE}</style><rect width="{_WIDTH}" height="{tall}" fill="#fff"/>']
    for number, (title, curves) in enumerate(charts.items()):
        parts.append(f'<g transform="translate(0 {number * _HEIGHT})">')
        parts += _draw_chart(title, curves, times, unit)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _draw_chart(
    title: str, curves: Mapping[str, Sequence[float]], times: Sequence[float], unit: str
) -> list[str]:
    floor, wide, room = _HEIGHT - _BOTTOM, _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
    top, end = _find_top(max(max(values) for values in curves.values())), times[-1]
    parts = [f'<text x="8" y="18" class="title">{escape(title)}</text>']
    for step in range(5):
        y = floor - room * step / 4
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" class="line"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="axis">{top * step / 4:g}</text>')
    for step in range(_TICKS + 1):
        x = _LEFT + wide * step / _TICKS
        words = f"{end * step / _TICKS:.3g}" + (f" {unit}" if step == _TICKS else "")
        parts.append(f'<text x="{min(x, _WIDTH - 24):.1f}" y="{floor + 15}" class="tick">{words}</text>')
    for number, (name, values) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{_LEFT + wide * time / end:.1f},{floor - room * value / top:.1f}"
            for time, value in zip(times, values, strict=True)
        )
        parts.append(f'<polyline points="{points}" class="curve" stroke="{colour}"/>')
        x = _WIDTH - _RIGHT - 118 * (len(curves) - number)
        parts.append(f'<rect x="{x}" y="9" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="18">{escape(name)}</text>')
    return parts
