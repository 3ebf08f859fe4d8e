"""`trapline costs`: what paths cost, how long interrupts wait, and where the cycles of one occurrence go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.machine_options import MachineOptions, bad_input, machine_options
from tools.progress import progress, run_shown

if TYPE_CHECKING:
    from emu.monitor.names import Names
    from emu.monitor.paths.costs import PathCosts
    from emu.monitor.paths.latency import LineLatency, Window
    from emu.monitor.paths.ledger import Ledger

WHICH = ("min", "median", "p99", "max")
EXAMPLES = """\b
Examples:
  trapline costs preempt --cpu p3-500
  trapline costs preempt --cpu p3-500 --ledger syscall-sysenter --which min
  trapline costs preempt --cpu p5-166 --path irq-handler --latency --json
  trapline costs my/kernel.elf --paths my/kernel.paths.toml --max-cycles 100M"""


@dataclass(frozen=True)
class Survey:
    """What a run has shown."""

    costs: list[PathCosts]
    lines: list[LineLatency]
    windows: list[Window]
    names: Names
    spaces: dict[int, str]          # CR3 -> program
    threads: dict[int, str]         # ESP0 -> name
    ended: str                      # why the run did


@click.command(short_help="What paths through the kernel cost.", epilog=EXAMPLES)
@machine_options
@click.option("--paths", "files", metavar="FILE.toml", multiple=True, type=click.Path(path_type=Path),
              help="More paths, or others of the same names; may be repeated. Default: NAME.paths.toml beside the "
              "image and its kernel.")
@click.option("--path", "wanted", metavar="NAME", multiple=True, help="Only this path; may be repeated.")
@click.option("--ledger", metavar="NAME", help="One occurrence of this path, instruction by instruction.")
@click.option("--which", type=click.Choice([*WHICH, "worst"]), default="median", show_default=True,
              help="Which occurrence the ledger shows, by its cycles; worst is max.")
@click.option("--latency", is_flag=True, help="Also how long interrupts waited, and the longest times with interrupts "
              "off.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def costs(options: MachineOptions, files: tuple[Path, ...], wanted: tuple[str, ...], ledger: str | None, which: str,
          latency: bool, as_json: bool) -> None:
    """Run IMAGE and say what each path through it cost: how often it was taken, instructions, cycles, and the share of
    each cause.

    Paths are named in small files beside the image (see the documentation); the kernels that come with Trapline have
    theirs. The guest is not changed, and runs as it does under trapline boot. The console is not shown.
    """
    with bad_input():
        paths = _paths(options, files, (*wanted, ledger) if ledger else wanted, only=bool(wanted))
        found = survey(options, paths, latency)
        chosen = next((each for each in found.costs if each.path.name == ledger), None)
        rows = _ledger(options, chosen, "max" if which == "worst" else which) if chosen else None
    click.echo(json.dumps(_as_dict(options, found, latency, rows, which), indent=2) if as_json
               else _as_text(found, latency, rows, ledger, which))


def survey(options: MachineOptions, paths: list[Any], latency: bool) -> Survey:
    """Run the image, listening to what these paths need."""
    machine = options.boot()
    from emu.monitor.monitor import Monitor
    from emu.monitor.names import Names
    from emu.monitor.paths.costs import costs
    from emu.monitor.paths.latency import flag_marks, latencies, windows
    from emu.monitor.paths.paths import marks
    from emu.monitor.roster import Roster

    names = Names.of(options.image)
    flags = flag_marks(options.image) if latency else {}
    monitor, roster = Monitor(machine, marks=[*marks(paths, names), *flags]), Roster(machine)
    with monitor, roster, run_shown(machine, "running", options.limits["max_cycles"]):
        result = machine.run(**options.limits)
    crossings = monitor.crossings
    return Survey(costs(paths, crossings, names, roster.spaces), latencies(crossings) if latency else [],
                  windows(crossings, flags) if latency else [], names, roster.spaces, roster.threads,
                  str(result.reason))


def _paths(options: MachineOptions, files: tuple[Path, ...], wanted: tuple[str, ...], only: bool) -> list[Any]:
    """The paths to look for. Raises PathError and click.ClickException."""
    from difflib import get_close_matches

    from emu.monitor.paths.paths import load

    known = load([*options.image.path_files, *files])
    if not known:
        raise click.ClickException(f"{options.image.name}: no paths are named: write a NAME.paths.toml beside the "
                                   "image, or give --paths FILE")
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise click.ClickException(f"no path is called {name!r}: {hint}")
    return [path for name, path in known.items() if not only or name in wanted]


def _ledger(options: MachineOptions, chosen: PathCosts, which: str) -> Ledger:
    """The ledger of an occurrence, from a second run. Raises ValueError if there is no occurrence."""
    from emu.monitor.paths.ledger import Place, ledger

    one = chosen.choose(which)
    begin = Place(int(one["begin_instructions"]), int(one["begin"]))
    end = Place(int(one["end_instructions"]), int(one["end"]))
    machine = options.boot()
    total = end.instructions - begin.instructions

    def told(count: int) -> None:
        if count % 500 == 0:
            progress(f"instruction {max(count, 0):,} of {total:,}", count / total)

    try:
        return ledger(machine, begin, end, told=told)
    finally:
        progress("")


def _as_dict(options: MachineOptions, found: Survey, latency: bool, ledger: Ledger | None,
             which: str) -> dict[str, Any]:
    from emu.timing.profile import load_profile

    profile = options.profile or load_profile("unit")
    values: dict[str, Any] = {
        "image": options.image.name, "digest": options.image.digest, "cpu": profile.name, "clock_hz": profile.clock,
        "arguments": list(options.words), "ended": found.ended, "paths": [each.as_dict() for each in found.costs]}
    if latency:
        values["interrupts"] = [line.as_dict() for line in found.lines]
        values["interrupts_off"] = [window.as_dict(found.names, found.spaces) for window in found.windows]
    if ledger:
        values["ledger"] = {"which": which, **ledger.as_dict()}
    return values


def _as_text(found: Survey, latency: bool, ledger: Ledger | None, name: str | None, which: str) -> str:
    from emu.monitor.paths.costs import table
    from emu.monitor.paths.latency import table as latency_table
    from emu.monitor.paths.latency import window_table

    if ledger:
        from tools.ledger_table import ledger_table

        return f"{name}: the {which} occurrence\n\n{ledger_table(ledger)}"
    parts = [table(found.costs)]
    if latency:
        parts += ["Interrupts, cycles from when the device asserted the line:", latency_table(found.lines)]
        parts += ["Interrupts off, longest times first:", window_table(found.windows, found.names, found.spaces)]
    return "\n\n".join(parts)
