"""`trapline trace`: what a run did, as text or for the tools of others; or as a file that is read later."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tools import machine_options
from tools.exit_codes import ExitCode
from tools.machine_options import MachineOptions, bad_input
from tools.messages import say
from tools.parameters import COUNT, Number
from tools.progress import OFTEN, progress, run_shown

if TYPE_CHECKING:
    from emu.machine import Machine
    from emu.monitor.names import Names
    from emu.monitor.trace.file import Trace
    from emu.result import Result

TEXTS = ("text", "jsonl", "folded", "lcov")                 # formats that may go to standard output
FORMATS = (*TEXTS, "perfetto", "trace")
WITH_BLOCKS = ("folded", "lcov", "perfetto")                # formats that say little without blocks
MOST_KEPT = 1 << 24                                         # of --last
TRACE_FILE = b"TRAPLINE "                                   # how files of ours begin

EXAMPLES = """\b
Examples:
  trapline trace preempt --cpu p3-500
  trapline trace hello --calls --start sys_write --stop "irq 0"
  trapline trace preempt --before "#PF" --last 200 --calls
  trapline trace preempt --format perfetto -o preempt.perfetto-trace
  trapline trace preempt --format folded --only-cpl 0 | flamegraph.pl > kernel.svg
  trapline trace hello --format trace --blocks -o hello.trace
  trapline trace hello.trace --format lcov -o hello.info

\b
PLACE is an address, SYMBOL, SYMBOL+OFFSET or PROGRAM:SYMBOL; EVENT is a PLACE, "vector N", "#PF" and the like, "irq N",
"cycle N" or "instruction N". Exit codes: 0 if the trace is written, 2 for a wrong option, image or file or a trace that
is not whole, 130 after Ctrl-C, with what was traced until then."""


@dataclass(frozen=True)
class What:
    """What to record, as it was asked for."""

    start: str | None
    stop: str | None
    times: int | None
    before: str | None
    last: int | None
    path: str | None
    files: tuple[Path, ...]             # with more paths
    levels: tuple[str, ...]
    space: str | None
    within: str | None

    @property
    def words(self) -> tuple[str, ...]:
        """The same for the head of a trace."""
        names = {"start": self.start, "stop": self.stop, "times": self.times, "before": self.before, "last": self.last,
                 "path": self.path, "CPL": " ".join(self.levels) or None, "space": self.space, "within": self.within}
        return tuple(f"{name} {value}" for name, value in names.items() if value is not None)


def _image_or_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a machine as `source`: a MachineOptions, or the path of a trace."""

    @wraps(command)
    def with_source(*arguments: Any, **values: Any) -> Any:
        named = {name: values.pop(name) for name in machine_options.NAMES}
        source: MachineOptions | Path
        if is_trace(named["image"]):
            _only_for_images((*machine_options.NAMES[1:], *What.__annotations__, "blocks"))
            source = Path(named["image"])
        else:
            source = machine_options.find(**named)
        return command(*arguments, source=source, **values)

    wrapped: Any = with_source
    for option in reversed((machine_options.IMAGE, *machine_options.MACHINE, *machine_options.LIMITS)):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def is_trace(name: str) -> bool:
    """Whether a name is that of a trace rather than of an image: a file that begins like one, or .trace."""
    try:
        with open(name, "rb") as file:
            return file.read(len(TRACE_FILE)) == TRACE_FILE or name.endswith(".trace")
    except OSError:
        return name.endswith(".trace")


def _only_for_images(names: tuple[str, ...]) -> None:
    """Refuse options that say what to run or to record."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and given is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[-1]}: this trace has been recorded: leave it out, or trace the "
                                   "image again")


@click.command(short_help="Trace an image, or show a trace.", epilog=EXAMPLES)
@_image_or_file
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True,
              help="text: a line for each crossing, or with --calls for each function. jsonl: an object for each "
              "record. perfetto: for ui.perfetto.dev. folded: stacks for flame graphs. lcov: coverage of the guest's "
              "sources. trace: a file that this command reads again.")
@click.option("--json", "form", flag_value="jsonl", help="The same as --format jsonl.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Where it goes. Default: standard output, for text.")
@click.option("--calls", is_flag=True, help="Text: which functions were called, and how long they took.")
@click.option("--blocks/--no-blocks", default=None, help="Record every block that runs, or crossings alone. Default: "
              "if the format needs blocks.")
@click.option("--start", metavar="EVENT", help="Record from here on. Default: from the beginning.")
@click.option("--stop", metavar="EVENT", help="... up to here, and then from --start on again.")
@click.option("--times", type=COUNT, metavar="N", help="... N times.")
@click.option("--before", metavar="EVENT", help="With --last: end the run here.")
@click.option("--last", type=Number(1, MOST_KEPT), metavar="N", help="Only the last N crossings and N blocks.")
@click.option("--path", metavar="NAME", help="Only what lies on this path (see trapline costs).")
@click.option("--paths", "files", metavar="FILE.toml", multiple=True, type=click.Path(path_type=Path),
              help="More paths; may be repeated.")
@click.option("--only-cpl", "levels", multiple=True, type=click.Choice(["0", "1", "2", "3"]),
              help="Only what runs in this ring, and crossings from and to it; may be repeated.")
@click.option("--only-space", "space", metavar="PROGRAM|CR3", help="Only what runs in this address space.")
@click.option("--within", metavar="SYMBOL|A..B", help="Only what runs in this function, or from A up to B, and "
              "crossings from and to there.")
def trace(source: MachineOptions | Path, form: str, output: Path | None, calls: bool, blocks: bool | None,
          **what: Any) -> int | None:
    """Boot IMAGE and write down what it does: every change of the privilege level, every interrupt and exception, and
    every block if asked for. Or show what a FILE.trace has, which trapline boot --trace and --format trace write.

    The guest is not changed and runs as it does under trapline boot, to the cycle. Its console is not shown; it is in
    the trace.
    """
    if form not in TEXTS and output is None:
        raise click.UsageError(f"--format {form} is not for reading: say where it goes with -o FILE")
    if calls and form != "text":
        raise click.UsageError("--calls is for --format text: leave out one of them")
    if isinstance(source, Path):
        return _show(source, form, output, calls)
    if calls and blocks is False:
        raise click.UsageError("--calls needs blocks: leave out --no-blocks")
    return _record(source, What(**what), form, output, calls,
                   with_blocks=blocks if blocks is not None else calls or form in WITH_BLOCKS)


def _show(file: Path, form: str, output: Path | None, calls: bool) -> int | None:
    """Show a trace that was recorded, as far as it is whole."""
    from emu.monitor.trace.file import Trace

    if output and output.exists() and output.samefile(file):
        raise click.UsageError(f"{output}: would be written while it is read: give another name")
    with bad_input():
        found = Trace.open(file, partial=True)
        if calls and not len(found.blocks):
            raise click.ClickException(f"{file}: has no blocks, which --calls needs: record it with --blocks")
    _write(found, form, output, calls, [file.resolve().parent])
    if found.flaw:
        about = "" if found.flaw.startswith(str(file)) else f"{file}: "
        say(f"{about}{found.flaw}; shown is what is whole")
        return ExitCode.BAD_INPUT
    return None


def _record(options: MachineOptions, what: What, form: str, output: Path | None, calls: bool,
            with_blocks: bool) -> int | None:
    """Boot and trace."""
    machine = options.boot()
    from emu.monitor.names import Names
    from emu.monitor.trace.file import TraceWriter
    from emu.monitor.trace.tracing import head_of, record
    from tools.terminal import StopSignals

    names = Names.of(options.image)
    with bad_input():
        arguments = _arguments(options, what, names) | {"blocks": with_blocks}
        head = head_of(machine, options.words, what.words)
        direct = form == "trace" and not (what.last or what.path) and output is not None
        writer = TraceWriter(output, head, names) if direct and output else None
        try:
            shown = run_shown(machine, "running", options.limits["max_cycles"])
            with StopSignals(machine) as signals, shown, _named(output or Path()):
                found, result = record(machine, **arguments, writer=writer, head=head, **options.limits)
        finally:
            if writer:
                writer.close()
    if found:
        _write(found, form, output, calls, _folders(options))
        if what.path and not len(found.crossings):
            say(f"the run was not on path {what.path}: the trace is empty")
    return _status(result, signals.received, machine)


def _status(result: Result, received: ExitCode | None, machine: Machine) -> int | None:
    from emu.result import Reason

    if result.reason == Reason.STOPPED and received:
        say(f"{received.phrase}: traced up to cycle {result.cycles:,}, at {machine.where()}")
        return received
    return None


def _arguments(options: MachineOptions, what: What, names: Names) -> dict[str, Any]:
    """The same for `emu.monitor.trace.tracing.record`. Raises ValueError and click.ClickException."""
    from emu.monitor.trace.triggers import trigger

    found: dict[str, Any] = {name: trigger(text, names) for name in ("start", "stop", "before")
                             if (text := getattr(what, name)) is not None}
    if what.path is not None:
        found["along"] = _path(options, what.path, what.files)
    if what.levels:
        found["levels"] = [int(level) for level in what.levels]
    if what.space is not None:
        found["space"] = int(what.space, 0) if what.space[:1].isdigit() else what.space
    if what.within is not None:
        found["within"] = _range(what.within, names, what.space or "")
    return found | {"times": what.times, "last": what.last}


def _path(options: MachineOptions, name: str, files: tuple[Path, ...]) -> Any:
    from difflib import get_close_matches

    from emu.monitor.paths.paths import load

    known = load([*options.image.path_files, *files])
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise click.ClickException(f"no path is called {name!r}: " + (
            f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none: give --paths FILE.toml'}"))
    return known[name]


def _range(text: str, names: Names, space: str) -> range:
    """The addresses of SYMBOL or A..B, of the kernel or of the program whose space it is. Raises ValueError."""
    first, dots, last = text.partition("..")
    known = names.addresses()
    own = {name: f"{space}:{name}" for name in (first, last) if name not in known and f"{space}:{name}" in known}
    start, program = names.resolve(own.get(first, first))
    if dots:
        end = names.resolve(own.get(last, last))[0]
        if end <= start:
            raise ValueError(f"--within {text}: ends at {end:#x}, before it begins")
        return range(start, end)
    table = names.programs[program] if program else names.symbols
    found = table.find(start)
    if found is None:
        raise ValueError(f"--within {text}: no symbol covers {start:#x}: give FROM..TO")
    begin = start - found[1]
    size = table.size(found[0]) or next((at - begin for _, at in table.items() if at > begin), 1)
    return range(begin, begin + size)


# Output

def _write(found: Trace, form: str, output: Path | None, calls: bool, folders: list[Path]) -> None:
    """Write a trace in a format. Raises click.ClickException, and OSError for standard output."""
    if output is None:
        for piece in _pieces(found, form, calls, folders):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    with bad_input(), _named(output):
        if form == "trace":
            _copy(found, output)
            return
        with output.open("wb") as file:
            for piece in _pieces(found, form, calls, folders):
                file.write(piece)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """An error of the system is about this file, if it does not say so."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def _pieces(found: Trace, form: str, calls: bool, folders: list[Path]) -> Iterator[bytes]:
    """The bytes of a format, and how far it is on a terminal."""
    from emu.monitor.formats import folded, jsonl, lcov, perfetto, text

    if form == "perfetto":
        yield from _counted(perfetto.pieces(found), "pieces")
        return
    lines: Iterator[str]
    if form == "text":
        lines = text.functions(found) if calls else text.crossings(found)
    else:
        lines = {"jsonl": jsonl.lines, "folded": folded.lines}[form](found) if form != "lcov" else (
            lcov.lines(found, folders))
    yield from _counted((f"{line}\n".encode() for line in lines), "lines")


def _counted(pieces: Iterator[bytes], unit: str) -> Iterator[bytes]:
    shown = time.monotonic()
    try:
        for number, piece in enumerate(pieces):
            if not number % 256 and time.monotonic() - shown > OFTEN:
                shown = time.monotonic()
                progress(f"writing: {number:,} {unit} ...")
            yield piece
    finally:
        progress("")


def _copy(found: Trace, output: Path) -> None:
    """Write a trace as a trace."""
    from emu.monitor.trace.file import TraceWriter

    with TraceWriter(output, found.head, found.names) as writer:
        first = None
        for frame in found.frames():
            first = frame.first_block if first is None else first
            crossings = frame.crossings.copy()
            crossings["blocks"] -= first & 0xFFFFFFFF
            writer.crossings(crossings)
            writer.blocks(frame.blocks)
            for cycle, byte in frame.console.tolist():
                writer.console(bytes((byte,)), cycle)
        writer.finish(found.end.counters, threads=found.end.threads, spaces=found.end.spaces, ended=found.end.ended)


def _folders(options: MachineOptions) -> list[Path]:
    """Where the sources of an image may be."""
    file = Path(options.words[0])
    return [file.resolve().parent] if file.is_file() else []
