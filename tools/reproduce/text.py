"""Findings as text: the bars and rows of each table, charts as tables of their points, remarks below."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tools.messages import styled
from tools.reproduce.papers import source
from tools.reproduce.table import Chart, Findings, Row, Table

HEADER = ["row", "metric", "unit", "cpu", "paper", "ours", "ratio"]
LEFT = 4                    # columns that begin at the left


def as_text(table: Table, found: Findings, quick: bool) -> str:
    """One table."""
    parts = [f"{table.name}: {table.title}\n{source(table.name)}"]
    if quick:
        parts.append("QUICK: fewer points and rounds than without --quick")
    footnotes: list[str] = []
    parts += [_chart(chart) for chart in found.charts]
    rows = [row for row in found.rows if not row.is_detail]
    if rows:
        cells = [HEADER, *(_cells(row) for row in rows)]
        remarks = ["", *(_remark(row, footnotes) for row in rows)]
        parts.append("\n".join(f"{line}  {remark}".rstrip() for line, remark in
                               zip(_aligned(cells, LEFT), remarks, strict=True)))
    numbered = [f"[{number}] {note}" for number, note in enumerate(footnotes, start=1)]
    parts.append("\n".join([*numbered, *found.notes]))
    return "\n\n".join(part for part in parts if part)


def number(value: float | tuple[float, float] | None) -> str:
    """A figure for people: integers as they are, others with three digits that count; "-" for none."""
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return f"{number(value[0])} to {number(value[1])}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"


def verdict(row: Row) -> str:
    """What became of its bar, or why it is open; "" for a row with neither."""
    bar = "" if row.at_most is None else f"at most {number(row.at_most)}"
    if row.open:
        return f"{bar}{': ' if bar else ''}open: {row.open}"
    return bar and f"{bar}: {'met' if row.is_met else 'not met'}"


def points(chart: Chart) -> list[list[str]]:
    """A chart as a table: its points by x, a column for each line."""
    by_line = [dict(line.points) for line in chart.lines]
    places = sorted({x for line in by_line for x in line})
    return [[chart.x, *(line.name for line in chart.lines)],
            *([number(x), *(number(line.get(x)) for line in by_line)] for x in places)]


def _chart(chart: Chart) -> str:
    return "\n".join([f"{chart.title}: {chart.y}", *_aligned(points(chart), 0)])


def _cells(row: Row) -> list[str]:
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return [row.row, row.metric, row.unit, row.cpu or "-", number(row.paper), number(row.ours), ratio]


def _remark(row: Row, footnotes: list[str]) -> str:
    """The verdict, and numbers of the row's notes, each of which is given one."""
    footnotes += [note for note in dict.fromkeys(row.notes) if note not in footnotes]
    text = verdict(row)
    if row.is_met is not None:
        text = styled(text, "green" if row.is_met else "red", sys.stdout)
    return " ".join([text, *(f"[{footnotes.index(note) + 1}]" for note in row.notes)]).strip()


def _aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Rows of cells in columns, of which so many begin at the left and the others end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{'<' if at < left else '>'}{width}}" for at, (cell, width) in
                      enumerate(zip(row, widths, strict=True))).rstrip() for row in rows]
