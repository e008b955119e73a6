"""Bar charts as SVG, on a logarithmic scale: the ratios between bars are what is to be seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

COLOURS = ("#0b5fa5", "#63b3ed", "#c05621", "#dd8c4a", "#eab38a", "#8a8a8a")
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 760, 250, 60, 34, 26


def draw_chart(title: str, unit: str, groups: Mapping[str, Mapping[str, float]], top: int = 0) -> str:
    """
    Return one chart as SVG elements, 760 x 250.

    :param groups: bars by group and name; all groups have the same names, in the same order.
    :param top: pixels from the top of the picture.
    """
    values = [value for bars in groups.values() for value in bars.values() if value > 0]
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))
    floor, room = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP

    def height(value: float) -> float:
        return room * (math.log10(value) - low) / (high - low) if value > 0 else 0.0

    parts = [f'<g transform="translate(0 {top})"><text x="8" y="18" class="title">{escape(title)}</text>']
    for power in range(low, high + 1):
        y = floor - room * (power - low) / (high - low)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - 8}" class="line"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="axis">{10.0**power:g} {unit}</text>')
    each = (_WIDTH - _LEFT - 8) / len(groups)
    for place, (group, bars) in enumerate(groups.items()):
        wide = each * 0.84 / len(bars)
        start = _LEFT + place * each + each * 0.08
        for number, value in enumerate(bars.values()):
            tall = height(value)
            x, y = start + number * wide, floor - tall
            colour = COLOURS[number % len(COLOURS)]
            size = f'width="{wide - 2:.1f}" height="{tall:.1f}"'
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{colour}"/>')
            label = f"{value:.3g}"
            parts.append(f'<text x="{x + wide / 2 - 1:.1f}" y="{y - 3:.1f}" class="value">{label}</text>')
        middle = start + each * 0.42
        parts.append(f'<text x="{middle:.1f}" y="{floor + 16}" class="group">{escape(group)}</text>')
    return "\n".join([*parts, "</g>"])


def draw_picture(charts: list[str], names: list[str]) -> str:
    """Return a picture of charts, one below the other, and what their colours mean."""
    tall = _HEIGHT * len(charts) + 30
    legend = "".join(
        f'<rect x="{_LEFT + number * 118}" y="{tall - 20}" width="10" height="10" '
        f'fill="{COLOURS[number % len(COLOURS)]}"/>'
        f'<text x="{_LEFT + 14 + number * 118}" y="{tall - 11}" class="key">{escape(name)}</text>'
        for number, name in enumerate(names)
    )
    style = (
        "text{font:11px sans-serif;fill:#333}.title{font-weight:bold;font-size:13px}.axis{text-anchor:end}"
        ".value,.group{text-anchor:middle}.value{font-size:9px}.line{stroke:#ddd}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {tall}" role="img">'
    white = f'<rect width="{_WIDTH}" height="{tall}" fill="#fff"/>'
    return "\n".join([head, f"<style>{style}</style>{white}", *charts, legend, "</svg>", ""])
