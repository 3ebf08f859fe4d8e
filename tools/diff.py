"""`trapline diff`: where two runs or traces begin to differ, why, and what that costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tools import machine_options
from tools.arguments import complete_cpu, complete_image
from tools.diff_findings import Finding, Side
from tools.exit_codes import ExitCode
from tools.machine_options import LIMITS, MACHINE, MachineOptions, bad_input
from tools.parameters import SIZE, Number
from tools.progress import progress, run_shown
from tools.trace import is_trace

if TYPE_CHECKING:
    from emu.machine import Machine
    from emu.monitor.paths.changes import CostChange
    from emu.monitor.paths.paths import NamedPath

MOST_LINES = 100_000                        # of --last
FOR_B = (                                   # options that B alone has; else it has those of A
    click.option("--cpu-b", metavar="NAME|FILE.toml", shell_complete=complete_cpu, help="Another processor for B."),
    click.option("--mem-b", type=SIZE, metavar="SIZE", help="Another size of memory for B."),
    click.option("--address-b", type=Number(), metavar="ADDR", help="Where B is loaded, if it is a flat file."),
    click.option("--cmdline-b", metavar="TEXT", help="Another command line for B."),
    click.option("--epoch-b", type=Number(0, machine_options.LAST_EPOCH), metavar="SECONDS",
                 help="What else the clock chip shows at the start of B."),
    click.option("--input-b", "given_b", metavar="FILE", type=click.Path(path_type=Path),
                 help="What else B receives on COM1."),
)
EXAMPLES = """\b
Examples:
  trapline diff preempt preempt --cpu p3-500 --cpu-b k7-550
  trapline diff old/kernel.elf new/kernel.elf --cpu p5-166
  trapline diff monday.trace tuesday.trace --last 30
  trapline diff monday.trace preempt --cpu p3-500 --state

\b
Exit codes: 0 if there is no difference, 1 if there is one, 2 for a wrong option, image or file."""


def _with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of two machines."""
    for option in reversed((*MACHINE, *LIMITS, *FOR_B)):
        command = option(command)
    return command


@click.command(short_help="Where two runs or traces differ.", epilog=EXAMPLES)
@click.argument("a", shell_complete=complete_image)
@click.argument("b", shell_complete=complete_image)
@_with_options
@click.option("--cycles", is_flag=True, help="A difference in time is one, too.")
@click.option("--last", type=Number(0, MOST_LINES), default=10, show_default=True, metavar="N",
              help="Show so many of the last events that both have in common.")
@click.option("--state", is_flag=True, help="Also look for the first instruction behind which registers or memory "
              "differ; takes some more runs.")
@click.option("--paths", "files", metavar="FILE.toml", multiple=True, type=click.Path(path_type=Path),
              help="More paths whose costs are compared; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
def diff(context: click.Context, a: str, b: str, cycles: bool, last: int, state: bool, files: tuple[Path, ...],
         as_json: bool, **values: Any) -> int | None:
    """Compare A and B, each an image, which is booted and run, or a trace that was recorded.

    Says which crossing of the privilege level is the first that differs, and what both had done before. If both can be
    run again, it also finds the instruction at which they part, with the registers, and the input from a device that
    differed. At the end stands what each path costs in A and in B.

    The options of a machine are for A and B alike, those that end in -b for B alone.
    """
    _check(context, a, b)
    try:
        with bad_input():
            paths = _more_paths(files)
            first = _trace("A", a) if is_trace(a) else _run("A", _machine(a, values), paths)
            second = _trace("B", b) if is_trace(b) else _run("B", _machine(b, _of_b(values)), paths)
            found = _find(first, second, cycles, last, state)
            found.costs = _costs(found, paths)
    finally:
        progress("")
    from tools import diff_report

    click.echo(json.dumps(diff_report.as_dict(found), indent=2) if as_json else diff_report.as_text(found))
    return ExitCode.DIFFERENT if found.differs else None


# What is compared

def _check(context: click.Context, a: str, b: str) -> None:
    """Refuse what makes no sense. Raises click.UsageError."""
    traces = is_trace(a), is_trace(b)
    if all(traces) and Path(a).exists() and Path(b).exists() and Path(a).samefile(b):
        raise click.UsageError(f"{a} and {b} are the same file: name two")
    for parameter in context.command.params:
        name = parameter.name or ""
        own = name.endswith("_b")
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        if (own and traces[1]) or (name in machine_options.NAMES and all(traces)):
            raise click.UsageError(f"{parameter.opts[0]}: {b if own else 'both'} {'was' if own else 'were'} recorded: "
                                   "leave it out, or name an image")


def _machine(image: str, values: dict[str, Any]) -> MachineOptions:
    return machine_options.find(image=image, **{name: value for name, value in values.items()
                                                if name in machine_options.NAMES})


def _of_b(values: dict[str, Any]) -> dict[str, Any]:
    """The options of B."""
    own = {name.removesuffix("_b"): value for name, value in values.items() if name.endswith("_b")}
    return values | {name: value for name, value in own.items() if value is not None}


def _run(letter: str, options: MachineOptions, paths: dict[str, NamedPath], limits: dict[str, Any] | None = None
         ) -> Side:
    """Boot and run, listening."""
    machine = options.boot()
    from emu.monitor.monitor import Monitor
    from emu.monitor.names import Names
    from emu.monitor.paths.paths import load, marks
    from emu.monitor.roster import Roster
    from emu.monitor.trace.file import Trace, TraceEnd
    from emu.monitor.trace.tracing import head_of, in_words

    names = Names.of(options.image)
    known = _of_image([*load(options.image.path_files).values(), *paths.values()], names)
    with Monitor(machine, marks=marks(known, names)) as monitor, Roster(machine) as roster:
        wanted = options.limits if limits is None else limits
        with run_shown(machine, f"{letter}: running", wanted.get("max_cycles")):
            result = machine.run(**wanted)
    end = TraceEnd(result.counters.as_dict(), roster.threads, roster.spaces, in_words(result))
    trace = Trace.from_arrays(head_of(machine, options.words), monitor.crossings, names=names, end=end)
    return Side(letter, trace, options)


def _trace(letter: str, name: str) -> Side:
    """Open a trace, and see how it can be run again."""
    from emu.monitor.trace.file import Trace

    def side(options: MachineOptions | None, why_not: str = "") -> Side:
        return Side(letter, trace, options, why_not, was_recorded=True)

    trace = Trace.open(name, partial=True)
    progress(f"{letter}: reading ...")
    if not len(trace.crossings) and trace.flaw:
        raise click.ClickException(trace.flaw)
    if trace.head.filters:
        return side(None, f"it has only {', '.join(trace.head.filters)}")
    if not trace.head.arguments:
        return side(None, "it does not say with which arguments it was recorded")

    @click.command()
    @machine_options.machine_options
    def recorded(options: MachineOptions) -> MachineOptions:
        return options

    try:
        options: MachineOptions = recorded.main(list(trace.head.arguments), prog_name="trace", standalone_mode=False)
    except click.ClickException as error:
        return side(None, error.format_message())
    if options.image.digest != trace.head.digest:
        return side(None, f"{trace.head.image} is not what it was then")
    return side(options)


def _filters(side: Side) -> str:
    return f"{side.letter} has {'only ' + ', '.join(side.trace.head.filters) if side.trace.head.filters else 'all'}"


# Where they part, and why

def _find(a: Side, b: Side, cycles: bool, last: int, with_state: bool) -> Finding:
    """Compare; and run both again, if that is possible, to see why."""
    from emu.monitor.compare.divergence import compare

    if a.trace.head.filters != b.trace.head.filters:
        raise click.ClickException("A and B do not record the same: "
                                   f"{' and '.join(map(_filters, (a, b)))}: trace both alike")
    comparison = compare(a.trace, b.trace, cycles=cycles)
    found = Finding(a, b, comparison, last)
    found.remarks += [f"{side.letter} is not whole, and compared as far as it is: {side.trace.flaw}"
                      for side in (a, b) if side.trace.flaw]
    if not comparison.differs and not with_state:
        return found
    for side, number in zip((a, b), comparison.first, strict=True):
        if why_not := _why_not_again(side, number):
            found.remarks.append(f"{side.letter} cannot be run again to see more: {why_not}")
            return found
    if comparison.differs:
        _part(found)
    if with_state:
        _compare_states(found)
    return found


def _why_not_again(side: Side, number: int | None) -> str:
    """Why a side cannot be run again so that it does what it did up to that crossing, or to its end; "" if it can."""
    from emu.monitor.compare.divergence import compare

    if side.options is None or not side.was_recorded:
        return side.why_not
    count = int(side.trace.crossings["instructions"][-1 if number is None else number]) + 1
    again = _run(side.letter, side.options, {}, {"max_instructions": count})
    if compare(side.trace, again.trace).differs:
        return "it runs otherwise than when it was recorded, so it must have had input that its arguments do not name"
    return ""


def _part(found: Finding) -> None:
    """Find the instruction, and the input that differed before it; or at least the registers."""
    from emu.monitor.compare.divergence import TIMES
    from emu.monitor.compare.inputs import first_difference, with_interrupts
    from emu.monitor.compare.lockstep import part, stand_before

    comparison, makes, programs = found.comparison, _makes(found), _programs(found)
    traces = found.a.trace, found.b.trace
    first = [trace.crossings[number] for trace, number in zip(traces, comparison.first, strict=True)]
    if comparison.by_name or set(comparison.differing) <= set(TIMES):
        for letter, make, crossing, names in zip("AB", makes, first, programs, strict=True):
            found.standings[letter] = stand_before(make(), crossing, names)
        return
    common = comparison.numbers[0][comparison.common - 1] if comparison.common else None
    start = 0 if common is None else int(traces[0].crossings["instructions"][common])
    lasts = [int(crossing["instructions"]) for crossing in first]
    found.parting, devices = part(makes, start, lasts, programs, _told)
    found.devices = tuple(devices)
    if found.parting:
        ends = [(each.cycle, found.parting.behind[0].instructions) for each in found.parting.before]
    else:
        ends = [(int(crossing["cycle"]), last) for crossing, last in zip(first, lasts, strict=True)]
    a, b = (with_interrupts(each.reads, trace.crossings) for each, trace in zip(devices, traces, strict=True))
    found.inputs = first_difference(a, b, ends)


def _compare_states(found: Finding) -> None:
    """Find where registers or memory become different, before the runs part or end."""
    from emu.monitor.compare.lockstep import first_other_state

    comparison = found.comparison
    if comparison.by_name:
        found.remarks.append("--state: the images differ, so states cannot be compared")
        return
    if found.parting:
        last = found.parting.behind[0].instructions
    else:
        last = min(int(side.trace.crossings["instructions"][-1 if number is None else number])
                   for side, number in zip((found.a, found.b), comparison.first, strict=True))
    found.looked_at_state = True
    found.state = first_other_state(_makes(found), last, _programs(found), _told)


def _makes(found: Finding) -> list[Callable[[], Machine]]:
    return [side.options.boot for side in (found.a, found.b) if side.options]


def _programs(found: Finding) -> list[Mapping[int, str]]:
    return [side.trace.end.spaces for side in (found.a, found.b)]


def _told(instructions: int) -> None:
    progress(f"looking where they part: {instructions:,} instructions ...")


# What paths cost

def _more_paths(files: tuple[Path, ...]) -> dict[str, NamedPath]:
    from emu.monitor.paths.paths import load

    return load(files)


def _of_image(paths: list[NamedPath], names: Any) -> list[NamedPath]:
    """Those of which the image has the places; of two with a name the later."""
    from emu.monitor.paths.paths import PathError, marks

    found = {}
    for path in paths:
        try:
            marks([path], names)
        except PathError:
            continue
        found[path.name] = path
    return list(found.values())


def _costs(found: Finding, more: dict[str, NamedPath]) -> list[CostChange]:
    """The costs of paths that either took, as far as both sides know of them."""
    from emu.crossings import Kind
    from emu.monitor.paths.changes import changes
    from emu.monitor.paths.costs import costs
    from emu.monitor.paths.paths import load, unseen

    files = [file for side in (found.a, found.b) if side.options for file in side.options.image.path_files]
    paths = list((load(dict.fromkeys(files)) | more).values())
    known = []
    for side in (found.a, found.b):
        trace = side.trace
        own = _of_image(paths, trace.names)
        if side.was_recorded:
            arrived = trace.crossings["to"][trace.crossings["kind"] == Kind.MARK].tolist()
            marked = [*trace.head.marks, *arrived]
            if lost := unseen(own, trace.names, marked):
                found.remarks.append(f"{side.letter} was recorded without marks for these paths, so they are not "
                                     f"compared: {', '.join(path.name for path in lost)}; trace with --marks")
                own = [path for path in own if path not in lost]
        known.append(costs(own, trace.crossings, trace.names, trace.end.spaces))
    return changes(*known)
