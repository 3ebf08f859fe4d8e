"""Findings as a page: one HTML file with its style sheet and charts in it, that loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tools.reproduce.papers import source
from tools.reproduce.svg import line_chart
from tools.reproduce.table import Chart, Findings, Row, Table
from tools.reproduce.text import HEADER, LEFT, number, points, verdict

STYLE = """
:root { color-scheme: light dark; --text: #1c1c1c; --faint: #6b6b6b; --rule: #dcdcdc; --page: #fff;
        --c0: #2f5fb3; --c1: #b8481f; --c2: #2b7a4b; --c3: #7d4aa5; --good: #1e7a3a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
    :root { --text: #e6e6e6; --faint: #9a9a9a; --rule: #3a3a3a; --page: #161616;
            --c0: #7ba7ee; --c1: #f0936b; --c2: #74c493; --c3: #c39ae6; --good: #74c493; --bad: #f28b82; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 3rem; } h3 { font-size: 1rem; }
p.source, p.made { color: var(--faint); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.met { color: var(--good); } .missed { color: var(--bad); font-weight: 600; } .open { color: var(--faint); }
small { display: block; color: var(--faint); }
svg { width: 100%; max-width: 50rem; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--text); } svg path { fill: none; stroke: var(--faint); } svg path.grid { stroke: var(--rule); }
svg path.line { stroke: currentColor; stroke-width: 2; } svg circle { fill: currentColor; }
""" + "\n".join(f".c{at} {{ color: var(--c{at}); }} svg text.c{at} {{ fill: var(--c{at}); }}" for at in range(4))


def as_html(measured: Sequence[tuple[Table, Findings]], command: str, quick: bool) -> str:
    """The report of what `command` has found."""
    title = "Ours beside theirs"
    parts = [f"<h1>{title}</h1>",
             f'<p class="made"><code>{escape(command)}</code>: the same command finds the same '
             "figures everywhere.</p>"]
    if quick:
        parts.append('<p class="missed">QUICK: fewer points and rounds than without --quick.</p>')
    for table, found in measured:
        parts += _table(table, found)
    head = (f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">\n<title>{title}</title>\n'
            f"<style>{STYLE}</style>")
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _table(table: Table, found: Findings) -> list[str]:
    parts = [f'<h2 id="{escape(table.name)}">{escape(table.name)}: {escape(table.title)}</h2>',
             f'<p class="source">{escape(source(table.name))}. Images: {escape(", ".join(table.images))}.</p>']
    for chart in found.charts:
        parts += _chart(chart)
    rows = [row for row in found.rows if not row.is_detail]
    if rows:
        parts += [f'<div class="scroll"><table>\n<tr>{_heads([*HEADER, ""], LEFT)}</tr>', *map(_row, rows),
                  "</table></div>"]
    return parts + [f"<p>{escape(note)}</p>" for note in found.notes]


def _chart(chart: Chart) -> list[str]:
    heads, *rows = points(chart)
    return [f"<h3>{escape(chart.title)}</h3>", line_chart(chart),
            f"<details><summary>{escape(chart.y)}, as a table</summary><table><tr>{_heads(heads, 0)}</tr>",
            *("<tr>" + "".join(f'<td class="figure">{cell}</td>' for cell in row) + "</tr>" for row in rows),
            "</table></details>"]


def _row(row: Row) -> str:
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    texts = "".join(f"<td>{escape(cell)}</td>" for cell in (row.row, row.metric, row.unit, row.cpu or "-"))
    figures = "".join(f'<td class="figure">{cell}</td>' for cell in (number(row.paper), number(row.ours), ratio))
    kind = "open" if row.open else {True: "met", False: "missed", None: ""}[row.is_met]
    notes = "".join(f"<small>{escape(note)}</small>" for note in row.notes)
    return f'<tr>{texts}{figures}<td><span class="{kind}">{escape(verdict(row))}</span>{notes}</td></tr>'


def _heads(heads: Sequence[str], left: int) -> str:
    return "".join(f'<th{"" if at < left or not head else " class=figure"}>{escape(head)}</th>'
                   for at, head in enumerate(heads))
