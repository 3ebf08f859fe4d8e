"""`trapline bench`: measures every group, and shows the figures beside their goals."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from tools.messages import first_start, progress, styled

if TYPE_CHECKING:
    from tools.bench.rig import Figure, Group

EXAMPLES = """\b
Examples:
  trapline bench
  trapline bench --json > speed.json"""


@click.command(short_help="Measure the machine's own speed.", epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--quick", is_flag=True, help="Measure for a tenth of the time; less exact.")
def bench(as_json: bool, quick: bool) -> None:
    """Measure how fast the machine is on this computer.

    The ratios compare it with Unicorn alone, which runs the same machine code with its own MMU and without hooks. All
    is CPU time, measured in one run, the things to compare in turns; the best turn counts.
    """
    first_start()
    groups = []
    for name, measure in _groups().items():
        progress(f"measuring {name} ...")
        groups.append(measure(quick))
    progress("")
    if as_json:
        click.echo(json.dumps(_values(groups), indent=2))
    else:
        click.echo(_table(groups))


def _groups() -> dict[str, Callable[[bool], Group]]:
    """What measures each group, in order."""
    from tools.bench import boot, compute, crossings, interrupts, memory

    return {"compute": compute.measure, "memory": memory.measure, "int": crossings.measure_int,
            "sysenter": crossings.measure_sysenter, "irq": interrupts.measure, "boot": boot.measure}


def _values(groups: list[Group]) -> dict[str, object]:
    """All numbers: by group, then by name; figures with a goal also under "goals"."""
    values: dict[str, object] = {"host": {"processor": platform.machine(), "python": platform.python_version()}}
    for group in groups:
        values[group.name] = {figure.name: figure.value for figure in group.figures} | group.more
    values["goals"] = {f"{group.name}.{figure.name}": {"goal": figure.goal, "is_met": figure.is_met}
                       for group in groups for figure in group.figures}
    return values


def _table(groups: list[Group]) -> str:
    """The same for people: figure, value, goal; below each what was run, and what explains it."""
    rows = [f"{'figure':<34}{'value':>12}   goal"]
    for group in groups:
        rows += [_row(group.name, figure) for figure in group.figures]
        rows += [f"    {line}" for line in [group.what, *_explained(group.more)]]
    return "\n".join(rows)


def _row(group: str, figure: Figure) -> str:
    wanted = f"{'at most' if figure.at_most else 'at least'} {_number(figure.goal)}"
    met = styled("met", "green", sys.stdout) if figure.is_met else styled("not met", "red", sys.stdout)
    return f"{f'{group}.{figure.name}':<34}{_number(figure.value):>12}   {wanted}: {met}"


def _explained(more: dict[str, object]) -> list[str]:
    """The numbers without a goal, a few to a line."""
    lines = []
    plain = [f"{name} {_number(value)}" for name, value in more.items() if isinstance(value, float)]
    if plain:
        lines.append(", ".join(plain))
    for name, table in more.items():
        if isinstance(table, dict):
            ratios = [f"{key} {_number(values['ratio_to_unicorn'])}" for key, values in table.items()]
            lines.append(f"ratio_to_unicorn {name}: {', '.join(ratios)}")
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"
