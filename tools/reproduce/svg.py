"""Charts as inline SVG: lines over an axis, ticks at round numbers, names beside the ends, points to hover over.

Colours are classes c0, c1 ... that the page's style sheet defines, to suit its background. Of lines that lie over each
other both show if the later one is dashed.
"""

from __future__ import annotations

import math
from html import escape

from tools.reproduce.table import Chart, Line
from tools.reproduce.text import number

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 130, 16, 44      # margins: figures of an axis, names of the lines
NAME_HEIGHT = 14                                # between two names at least


def line_chart(chart: Chart) -> str:
    """The chart."""
    points = [point for line in chart.lines for point in line.points]
    ticks_x, ticks_y = (ticks(max(point[axis] for point in points)) for axis in (0, 1))
    across = _Scale(ticks_x[-1], LEFT, WIDTH - RIGHT)
    up = _Scale(ticks_y[-1], HEIGHT - BOTTOM, TOP)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">', f"<title>{escape(chart.title)}</title>"]
    for value in ticks_y:
        parts += [_path("grid", [(LEFT, up(value)), (WIDTH - RIGHT, up(value))]),
                  _text(LEFT - 8, up(value) + 4, number(value), "end")]
    for value in ticks_x:
        parts += [_path("axis", [(across(value), up(0)), (across(value), up(0) + 5)]),
                  _text(across(value), up(0) + 20, number(value), "middle")]
    parts += [_path("axis", [(LEFT, up(0)), (WIDTH - RIGHT, up(0))]),
              _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, chart.x, "middle"),
              f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" '
              f'text-anchor="middle">{escape(chart.y)}</text>']
    for line in chart.lines:
        parts.append(_line(line, across, up))
    parts += _names(chart, up)
    return "\n".join([*parts, "</svg>"])


def ticks(most: float) -> list[float]:
    """Round numbers from 0 to `most` or the next above it, four to ten of them."""
    if most <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * part for part in (0.1, 0.2, 0.5, 1, 2) if most / (power * part) <= 9)
    return [step * at for at in range(math.ceil(most / step) + 1)]


class _Scale:
    """Where a value from 0 to `most` lies between `begin` and `end`."""

    def __init__(self, most: float, begin: float, end: float) -> None:
        self._begin, self._step = begin, (end - begin) / most

    def __call__(self, value: float) -> float:
        return self._begin + value * self._step


def _line(line: Line, across: _Scale, up: _Scale) -> str:
    """A line and its points, each of which says its figures."""
    dots = [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="4">'
            f"<title>{escape(line.name)}: {number(x)}, {number(y)}</title></circle>" for x, y in line.points]
    path = _path("line", [(across(x), up(y)) for x, y in line.points])
    dashes = ' stroke-dasharray="6 4"' if line.is_dashed else ""
    return f'<g class="c{line.colour}"{dashes}>{path}{"".join(dots)}</g>'


def _names(chart: Chart, up: _Scale) -> list[str]:
    """The name of each line beside its end, moved so that none covers another."""
    parts, lowest = [], float("-inf")
    for line in sorted(chart.lines, key=lambda line: -line.points[-1][1]):
        lowest = max(up(line.points[-1][1]) + 4, lowest + NAME_HEIGHT)
        parts.append(_text(WIDTH - RIGHT + 10, lowest, line.name, "start", f"c{line.colour}"))
    return parts


def _path(kind: str, places: list[tuple[float, float]]) -> str:
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return f'<path class="{kind}" fill="none" stroke="currentColor" d="M{line}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind and f" class={kind!r}"}>{escape(text)}</text>'
