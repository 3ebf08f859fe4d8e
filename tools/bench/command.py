"""`trapline bench`: measures every group, and shows the figures beside their goals."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from tools.messages import first_start, styled
from tools.progress import progress

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
    wanted = _groups()
    for at, (name, measure) in enumerate(wanted.items()):
        progress(f"measuring {name} ...", at / len(wanted))
        groups.append(measure(quick))
    progress("")
    if as_json:
        click.echo(json.dumps(_values(groups), indent=2))
    else:
        click.echo(_table(groups))


def _groups() -> dict[str, Callable[[bool], Group]]:
    """What measures each group, in order."""
    from tools.bench import boot, compute, crossings, interrupts, memory, model, monitor, network

    return {"compute": compute.measure, "memory": memory.measure, "model": model.measure,
            "monitor": monitor.measure,
            "int": crossings.measure_int, "sysenter": crossings.measure_sysenter, "irq": interrupts.measure,
            "network": network.measure, "boot": boot.measure}


def _values(groups: list[Group]) -> dict[str, object]:
    """All numbers: by group, then by name; figures with a goal also under "goals", and why one is null, "missing"."""
    values: dict[str, object] = {"host": {"processor": platform.machine(), "python": platform.python_version()}}
    for group in groups:
        values[group.name] = {figure.name: figure.value for figure in group.figures} | group.more
    figures = {f"{group.name}.{figure.name}": figure for group in groups for figure in group.figures}
    values["goals"] = {name: {"goal": figure.goal, "is_met": figure.is_met} for name, figure in figures.items()
                       if figure.goal is not None}
    values["missing"] = {name: figure.missing for name, figure in figures.items() if figure.value is None}
    return values


def _table(groups: list[Group]) -> str:
    """The same for people: figure, value, goal; below each what was run, and what explains it."""
    rows = [f"{'figure':<36}{'value':>12}   goal"]
    for group in groups:
        rows += [_row(group.name, figure) for figure in group.figures]
        rows += [f"    {line}" for line in [group.what, *_explained(group.more)]]
    return "\n".join(rows)


def _row(group: str, figure: Figure) -> str:
    name = f"{f'{group}.{figure.name}':<36}"
    wanted = "" if figure.goal is None else f"{'at most' if figure.at_most else 'at least'} {_number(figure.goal)}"
    if figure.value is None:
        return f"{name}{'-':>12}   {wanted + ': ' if wanted else ''}{figure.missing}"
    if figure.is_met is None:
        return f"{name}{_number(figure.value):>12}"
    met = styled("met", "green", sys.stdout) if figure.is_met else styled("not met", "red", sys.stdout)
    return f"{name}{_number(figure.value):>12}   {wanted}: {met}"


def _explained(more: dict[str, object]) -> list[str]:
    """The numbers without a goal, a few to a line."""
    lines = []
    plain = [f"{name} {_number(value)}" for name, value in more.items() if isinstance(value, float)]
    if plain:
        lines.append(", ".join(plain))
    for name, table in more.items():
        if isinstance(table, dict):
            label = "" if all(isinstance(values, float) for values in table.values()) else "ratio_to_unicorn "
            shown = [f"{key} {_number(values['ratio_to_unicorn'] if label else values)}"
                     for key, values in table.items()]
            lines.append(f"{label}{name}: {', '.join(shown)}")
    return lines


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 or not value else f"{value:.2g}"
