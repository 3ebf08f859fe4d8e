"""`trapline explore`: place the timer's interrupt at every instruction boundary, and see what breaks."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.cases import Case
from tools.exit_codes import ExitCode
from tools.machine_options import MachineOptions, bad_input, machine_options
from tools.parameters import COUNT, Number
from tools.progress import progress

if TYPE_CHECKING:
    from emu.machine import Machine
    from emu.monitor.explore.explorer import Broken, Explorer, Report
    from emu.monitor.explore.scenario import Check, Scenario

SHOWN = 20              # groups of broken boundaries

EXAMPLES = """\b
Examples:
  trapline explore race --from count_up --to race_end
  trapline explore my.toml --from ipc_send --to ipc_done --broken-at panic
  trapline explore my.toml --from boot_done --check checks.py:queues_are_whole --depth 2 --sample 1000
  trapline explore --replay race.case.toml

Exit codes: 0 if nothing breaks, 117 if something does, 2 for a wrong option, image or window."""


class _WithReplay(click.Command):
    """A command in which --replay FILE stands for the arguments of the case in that file."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Replace it by them, before the others that are given."""
        words = [part for word in args for part in (word.split("=", 1) if word.startswith("--replay=") else [word])]
        if "--replay" in words[:-1]:
            at = words.index("--replay")
            with bad_input():
                case = Case.load(Path(words[at + 1]))
            words[at:at + 2] = [*case.arguments, "--at", ",".join(map(str, case.ticks)), "--digest", case.digest]
        return super().parse_args(context, words)


@click.command(cls=_WithReplay, epilog=EXAMPLES,
               short_help="Place the timer's interrupt at every instruction boundary.")
@machine_options
@click.option("--from", "begin", metavar="PLACE", required=True, help="Where the window begins: the boundary in front "
              "of this instruction is the first.")
@click.option("--occurrence", type=Number(1), default=1, metavar="N", help="... when execution arrives there the Nth "
              "time.")
@click.option("--to", metavar="PLACE", help="Where the window ends. Default: where the run ends.")
@click.option("--broken-at", "--panic", multiple=True, metavar="PLACE",
              help="It is broken if execution arrives here. May be repeated.")
@click.option("--exit-code", type=Number(), metavar="N",
              help="It is broken if the guest ends otherwise. Default: as it ends undisturbed.")
@click.option("--check", metavar="FILE.py:FUNCTION", help="It is broken if this raises AssertionError; it gets the "
              "machine, as it is at the end.")
@click.option("--depth", type=click.IntRange(1, 2), default=1, show_default=True, help="How many ticks are placed in a "
              "run.")
@click.option("--sample", type=COUNT, metavar="N", help="Try only so many, of pairs if there are any.")
@click.option("--seed", type=Number(), default=0, show_default=True, metavar="N", help="... chosen by this number.")
@click.option("--first", is_flag=True, help="End with the first that breaks.")
@click.option("--case", type=click.Path(path_type=Path), metavar="FILE", help="Where the smallest case is written. "
              "Default: IMAGE.case.toml, if something breaks.")
@click.option("--replay", metavar="FILE", help="Make the run of such a file again, and no other.")
@click.option("--at", metavar="N,N", help="Place ticks here only: where so many instructions have retired.")
@click.option("--digest", hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explore(options: MachineOptions, begin: str, occurrence: int, to: str | None, broken_at: tuple[str, ...],
            exit_code: int | None, check: str | None, depth: int, sample: int | None, seed: int, first: bool,
            case: Path | None, replay: str | None, at: str | None, digest: str | None, as_json: bool) -> int:
    """Run IMAGE once for every instruction boundary between two places, with the timer's interrupt there.

    The timer's period begins anew in front of the first, so that no tick falls into the window by itself; then its end
    is brought forward to the boundary. Where the processor accepts no interrupts a tick would wait for the next
    boundary at which it does, so nothing is tried. The run is over where it ends by itself, at --until or after
    --max-cycles, and must then be as it should: see --broken-at, --exit-code, --check.
    """
    if options.limits.pop("max_instructions") is not None:
        raise click.UsageError("--max-instructions: an interrupt adds instructions to a run: give --max-cycles")
    if digest and digest != options.image.digest:
        raise click.ClickException(f"{options.image.name} has been built anew since the case was written: explore it "
                                   "again")
    with bad_input():
        function = load_check(check) if check else None
        ticks = _ticks(at) if at else ()
    arguments = [*options.words, *_words({"from": begin, "occurrence": occurrence if occurrence > 1 else None,
                                          "to": to, "exit-code": exit_code,
                                          "check": check}), *(word for place in broken_at for word in
                                                              ("--broken-at", place))]
    machine = options.boot()
    with bad_input():
        from emu.monitor.explore.explorer import Explorer, Report
        from emu.monitor.explore.scenario import Scenario

        _go_to(machine, options.place(begin), begin, occurrence)
        scenario = Scenario(machine, broken_at=broken_at, exit_code=exit_code, check=function, **options.limits)
        progress("looking for the boundaries at which interrupts are accepted")
        explorer = Explorer(scenario, to)
        progress("")
        if ticks:
            return _once(scenario, explorer, ticks, as_json)
        report, cut = Report(explorer.window), False
        try:
            explorer.explore(depth=depth, sample=sample, seed=seed, first=first, told=_told, into=report)
        except KeyboardInterrupt:                           # what was found until then is worth to be shown
            cut = True
        smallest = explorer.shrink(report.broken[0]) if report.broken else None
    progress("")
    path = case or Path(f"{options.image.name}.case.toml") if smallest else None
    if smallest and path:
        with bad_input():
            Case(options.image.digest, tuple(arguments), smallest.ticks, smallest.reason, smallest.where).save(path)
    if as_json:
        click.echo(json.dumps(report.as_dict() | {"smallest": smallest and smallest.as_dict(),
                                                  "case": path and str(path)}))
    else:
        _print(report, smallest, path)
    return ExitCode.INTERRUPTED if cut else ExitCode.BROKEN if report.broken else 0


def load_check(text: str) -> Check:
    """The function that FILE.py:FUNCTION names. Raises ValueError."""
    file, _, name = text.rpartition(":")
    if not file or not name:
        raise ValueError(f"--check {text}: give FILE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location("trapline_check", file)
    if spec is None or spec.loader is None or not Path(file).is_file():
        raise ValueError(f"--check {file}: no Python file there")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"--check {file}: {type(error).__name__}: {error}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"--check {file}: it has no function {name!r}")

    def guarded(machine: Machine) -> None:
        try:
            function(machine)
        except AssertionError:
            raise
        except Exception as error:
            raise ValueError(f"--check {text}: {type(error).__name__}: {error}") from None

    return guarded


def _ticks(text: str) -> tuple[int, ...]:
    try:
        ticks = tuple(int(part) for part in text.split(","))
    except ValueError:
        ticks = ()
    if not ticks or list(ticks) != sorted(set(ticks)) or ticks[0] < 0:
        raise ValueError(f"--at {text}: give counts of instructions, ascending, with commas between them")
    return ticks


def _words(values: dict[str, Any]) -> list[str]:
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]


def _go_to(machine: Machine, address: int, name: str, occurrence: int) -> None:
    """Run until execution arrives there. Raises ValueError if it does not."""
    for count in range(occurrence):
        result = machine.run(until=address)
        if result.reason != "until":
            raise ValueError(f"--from {name}: the run ends ({result.reason}) when it has been there {count} times")


def _once(scenario: Scenario, explorer: Explorer, ticks: tuple[int, ...], as_json: bool) -> int:
    """Place these ticks and no others."""
    broken = explorer.attempt(ticks)
    if as_json:
        click.echo(json.dumps({"ticks": list(ticks), "broken": broken and broken.as_dict()}))
    elif broken:
        click.echo("\n".join(_lines(broken)))
    else:
        click.echo(f"nothing breaks with {_ticks_text(ticks)}")
    return ExitCode.BROKEN if broken else 0


def _told(done: int, total: int) -> None:
    progress(f"explored {done:,} of {total:,}", done / total)


def _print(report: Report, smallest: Broken | None, path: Path | None) -> None:
    window = report.window
    click.echo(f"{len(window.open) + window.closed:,} boundaries, {len(window.open):,} of them open to interrupts; "
               f"{report.tried:,} runs" + (f", in {report.held:,} of which no tick could come" if report.held else ""))
    groups = report.groups()
    if not groups or smallest is None:
        click.echo("nothing breaks")
        return
    click.echo(f"{len(report.broken):,} of them break:")
    for group in groups[:SHOWN]:
        for line in _lines(group[0], len(group)):
            click.echo(f"  {line}")
    if len(groups) > SHOWN:
        click.echo(f"  ... and at {len(groups) - SHOWN:,} other places")
    click.echo(f"smallest: {_ticks_text(smallest.ticks)}: trapline explore --replay {path}")


def _lines(broken: Broken, times: int = 1) -> list[str]:
    source = f"  ({broken.file}:{broken.line})" if broken.file else ""
    often = f", and {times - 1:,} more there" if times > 1 else ""
    return [f"{broken.where}: {broken.text}{source}", f"    {broken.reason}, with {_ticks_text(broken.ticks)}{often}"]


def _ticks_text(ticks: tuple[int, ...]) -> str:
    word = "a tick" if len(ticks) == 1 else "ticks"
    return f"{word} after instruction {' and '.join(f'{tick:,}' for tick in ticks)}"
