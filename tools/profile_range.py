"""`trapline boot --profile-range`: the same run under the least, the typical and the largest figures of a profile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from emu.result import Reason, Result
from tools.exit_codes import exit_code

if TYPE_CHECKING:
    from emu.machine import Machine
    from emu.timing.levels import Level
    from emu.timing.profile import Profile

    Runs = dict[Level, Result]

SHOWN = ("instructions", "l1d_misses", "l2_misses", "dtlb_misses", "itlb_misses", "mispredictions", "io_accesses")
APART = "The runs differ in what they executed: interrupts and polls of devices fell elsewhere."


def check_range(profile: Profile | None, context: click.Context) -> Profile:
    """The profile, if it and the other options go with --profile-range. Raises click.UsageError."""
    for name in ("serial", "debug_console"):
        option, value = f"--{name.replace('_', '-')}", context.params[name]
        if value != "null" and context.get_parameter_source(name) != ParameterSource.DEFAULT:
            raise click.UsageError(f"--profile-range runs the image three times, without consoles: leave out {option} "
                                   f"{value}")
    if profile is None or profile.timing is None:
        raise click.UsageError(f"--profile-range: {profile.name if profile else 'unit'} has no figures: choose a "
                               "processor with --cpu")
    return profile


def run_range(boot: Callable[[Profile], Machine], profile: Profile, start: int | None, limits: dict[str, Any],
              as_json: bool) -> int:
    """Boot and run once for each level, and print all three: the typical run's exit code.

    What is counted begins where execution first arrives at `start` (power-on if None), and ends within `limits` of it.
    """
    from emu.timing.levels import LEVELS
    from tools.terminal import StopSignals

    runs: Runs = {}
    for level in LEVELS:
        machine = boot(profile.at(level))
        with StopSignals(machine) as signals:
            runs[level] = _count(machine, start, limits)
        if signals.received:
            return signals.received
    status = exit_code(runs["typical"])
    name, begin = machine.image.name if machine.image else "", machine.where(start) if start is not None else "power-on"
    if as_json:
        click.echo(json.dumps({"status": int(status), "image": name, "cpu": profile.name, "clock_hz": profile.clock,
                               "from": begin, **{level: run.as_dict() for level, run in runs.items()}}, indent=2))
    else:
        click.echo(f"{name} on {profile.name}: cycles from {begin} on, by the figures of the profile\n\n{table(runs)}")
    return status


def _count(machine: Machine, start: int | None, limits: dict[str, Any]) -> Result:
    """The end of a run, and what was counted from `start` on. Raises click.ClickException if that is not reached."""
    before = machine.counters
    if start is not None:
        arrived = machine.run(until=start)
        if arrived.reason not in (Reason.UNTIL, Reason.STOPPED):
            raise click.ClickException(f"--from {machine.where(start)}: never reached; the run ended before it: "
                                       f"{arrived.reason}")
        before = arrived.counters
    result = machine.run(**limits)
    return replace(result, counters=result.counters - before)


def table(runs: Runs) -> str:
    """Cycles by cause and the counts behind them, a column for each level."""
    every = [result.counters for result in runs.values()]
    rows: list[tuple[str, list[str]]] = [("", list(runs))]
    rows += [("cycles", [f"{each.cycles:,}" for each in every])]
    rows += [(f"  {cause}", [f"{each.causes[cause]:,}" for each in every]) for cause in every[0].causes]
    rows += [("  idle", [f"{each.idle_cycles:,}" for each in every])]
    rows += [(name.replace("_", " "), [f"{getattr(each, name):,}" for each in every]) for name in SHOWN]
    rows += [("end", [str(result.reason) for result in runs.values()])]
    width = max(len(name) for name, _ in rows)
    columns = max(len(value) for _, values in rows for value in values)
    lines = [f"{name:{width}}" + "".join(f"  {value:>{columns}}" for value in values) for name, values in rows]
    if len({each.instructions for each in every}) > 1:
        lines += ["", APART]
    return "\n".join(lines)
