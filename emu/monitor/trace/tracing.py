"""Recording a run: all of it, from one event to another, a named path alone, or the last that came before something.

    names = Names.of(machine.image)
    trace, result = record(machine, start=trigger("sys_write", names), stop=trigger("irq 0", names), blocks=True)
    trace, result = record(machine, before=trigger("#PF", names), last=1000)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import BLOCK, CROSSING, Kind
from emu.monitor.arrays import joined, unwrapped
from emu.monitor.inspect.threads import is_known
from emu.monitor.monitor import EVERYWHERE, Collector, Monitor, Sink
from emu.monitor.names import Names
from emu.monitor.paths import paths
from emu.monitor.paths.paths import NamedPath
from emu.monitor.roster import Roster
from emu.monitor.trace.file import Trace, TraceEnd, TraceHead, TraceWriter
from emu.monitor.trace.frames import CONSOLE
from emu.monitor.trace.triggers import Run, Trigger, TriggerError
from emu.result import Reason, Result

if TYPE_CHECKING:
    from emu.machine import Machine

ENTRY = 24                  # offset of e_entry in the header of an ELF32 file
NO_SPACE = 0xFFFFF000       # a CR3 that nobody has: what is above all RAM


def record(machine: Machine, *, start: Trigger | None = None, stop: Trigger | None = None, times: int | None = None,
           before: Trigger | None = None, last: int | None = None, along: NamedPath | None = None,
           blocks: bool = False, levels: Iterable[int] = (0, 1, 2, 3), space: int | str | None = None,
           within: range = EVERYWHERE, writer: TraceWriter | None = None, head: TraceHead | None = None,
           max_cycles: int | None = None, max_instructions: int | None = None,
           until: int | str | Iterable[int | str] | None = None) -> tuple[Trace | None, Result]:
    """Run a machine as `Machine.run` with these limits would, recording: the trace, and how the run ended.

    Recording begins at `start` (at once without it) and ends at `stop`, again and again, at most `times` times; or it
    keeps the `last` crossings and blocks `before` an event, or before the end of the run, and ends there; or it keeps
    what lies on a path (`along`). `blocks`, `levels` and `within` are those of `Monitor`; `space` is an address space
    (CR3) or a program, of which nothing is recorded before its first instruction. The records go to a `writer`, which
    is finished, and no trace is returned; not with `last` or `along`.

    Raises TriggerError for options that contradict each other and for programs that the image does not have.
    """
    if last is not None and (start or stop or times or along or writer):
        raise TriggerError("the last before something: leave out where recording starts and stops, and a path")
    if before is not None and last is None:
        raise TriggerError(f"before {before.text}: say how many crossings and blocks to keep")
    if along and writer:
        raise TriggerError("a path is cut out when the run has ended: its trace cannot be written on the way")
    names = Names.of(machine.image)
    run = Run(machine, max_cycles, max_instructions, until)
    segments = _Segments(writer or Collector())
    with ExitStack() as stack:
        roster = stack.enter_context(Roster(machine))
        console = stack.enter_context(_Console(machine, writer))
        if isinstance(space, str):
            space = _space_of(machine, space, run)
        monitor = Monitor(machine, blocks=blocks, levels=levels, space=space, within=within, keep=last,
                          marks=paths.marks([along], names) if along else (), sink=None if last else segments)
        first_block = 0
        if last:
            with monitor:
                run.to(before)
            crossings, block_records, first_block = monitor.crossings, monitor.blocks, monitor.first_block
        else:
            _in_segments(monitor, segments, run, start, stop, times)
            nothing = np.zeros(0, CROSSING), np.zeros(0, BLOCK)
            crossings, block_records = segments.sink.all() if isinstance(segments.sink, Collector) else nothing
    result = run.ended()
    end = TraceEnd(result.counters.as_dict(), roster.threads, roster.spaces, in_words(result))
    if writer:
        writer.finish(end.counters, threads=end.threads, spaces=end.spaces, ended=end.ended)
        return None, result
    if along:
        crossings, block_records = _along(along, crossings, block_records, names, roster.spaces)
    trace = Trace.from_arrays(head or head_of(machine), crossings, block_records, console=console.bytes(), names=names,
                              end=end, first_block=first_block)
    return trace, result


class Tracing:
    """Writes what a machine does meanwhile to a file, in whatever way it is run. A context manager.

    Arrivals at `marks`, linear addresses, are noted (those of `paths.image_marks` let costs be told from the file). Set
    `result` to how the run ended, if that is to be in the file. Raises OSError, also at the end.
    """

    def __init__(self, machine: Machine, path: str | Path, *, blocks: bool = False, marks: Sequence[int] = (),
                 arguments: Iterable[str] = ()) -> None:
        self.result: Result | None = None
        self._machine = machine
        head = replace(head_of(machine, arguments), marks=tuple(marks))
        self._writer = TraceWriter(path, head, Names.of(machine.image))
        self._console = _Console(machine, self._writer)
        self._roster = Roster(machine)
        self._monitor = Monitor(machine, blocks=blocks, marks=marks, sink=self._writer)
        self._stack = ExitStack()

    def __enter__(self) -> Tracing:
        parts: tuple[AbstractContextManager[Any], ...] = (self._writer, self._console, self._roster, self._monitor)
        for each in parts:
            self._stack.enter_context(each)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._stack:
            if kind is None:
                self._monitor.stop()
                self._roster.look()
                self._writer.finish(self._machine.counters.as_dict(), threads=self._roster.threads,
                                    spaces=self._roster.spaces, ended=in_words(self.result) if self.result else "")


def head_of(machine: Machine, arguments: Iterable[str] = (), filters: Iterable[str] = ()) -> TraceHead:
    """What a trace of this machine begins with."""
    image = machine.image
    return TraceHead(machine.profile.name, machine.profile.clock, machine.ram.size, image.name if image else None,
                     image.digest if image else None, tuple(arguments), tuple(filters))


def in_words(result: Result) -> str:
    """How a run ended, in one line."""
    if result.reason == Reason.UNTIL:
        return f"reached {result.where}, cycle {result.cycles}"
    code = "" if result.exit_code is None else f" {result.exit_code}"
    return f"{result.reason}{code}{': ' if result.detail else ''}{result.detail}, cycle {result.cycles}"


def _in_segments(monitor: Monitor, segments: _Segments, run: Run, start: Trigger | None, stop: Trigger | None,
                 times: int | None) -> None:
    """Record from `start` to `stop` again and again, and run to the end."""
    once = any(each is not None and each.is_once for each in (start, stop)) or start is None
    left = 1 if once else times
    while left is None or left > 0:
        if not run.is_at(start) and not run.to(start):
            return
        with monitor:
            segments.begin()
            going = run.to(stop)
        if not going:
            return
        left = None if left is None else left - 1
    run.to(None)


class _Segments:
    """Passes records on, so that blocks are counted through all the times that a monitor was started."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._before = 0                    # blocks of the segments before this one
        self._blocks = 0                    # of all

    def begin(self) -> None:
        """A monitor was started, so it counts from 0."""
        self._before = self._blocks

    def crossings(self, records: NDArray[Any]) -> None:
        """See Sink."""
        if self._before:
            records = records.copy()
            records["blocks"] += np.uint32(self._before & 0xFFFFFFFF)
        self.sink.crossings(records)

    def blocks(self, records: NDArray[Any]) -> None:
        """See Sink."""
        self._blocks += len(records)
        self.sink.blocks(records)


class _Console:
    """Notes what is written to the console, with its cycles; whoever got the bytes before still gets them."""

    def __init__(self, machine: Machine, writer: TraceWriter | None) -> None:
        self._machine, self._writer = machine, writer
        self._rows: list[tuple[int, int]] = []
        self._others = machine.serial

    def __enter__(self) -> _Console:
        self._machine.serial = self._take
        return self

    def __exit__(self, *_: object) -> None:
        self._machine.serial = self._others

    def bytes(self) -> NDArray[Any]:
        """All of it, if it was not written."""
        return np.array(self._rows, CONSOLE)

    def _take(self, byte: int) -> None:
        cycle = self._machine.clock.moment
        if self._writer:
            self._writer.console(bytes((byte,)), cycle)
        else:
            self._rows.append((cycle, byte))
        if self._others:
            self._others(byte)


def _space_of(machine: Machine, program: str, run: Run) -> int:
    """The address space of a program: run to its first instruction. One that no record has if that never comes."""
    image = machine.image
    module = next((each for each in image.modules if each.name == program), None) if image else None
    if module is None or not is_known(machine):
        known = ", ".join(each.name for each in image.modules) if image and is_known(machine) else ""
        raise TriggerError(f"no address space of a program {program!r} is known: "
                           f"{f'programs are {known}' if known else 'give the CR3 of one'}")
    entry = int.from_bytes(module.data[ENTRY:ENTRY + 4], "little")
    first = Trigger(program, address=entry, program=program)
    return machine.cpu.registers.cr3 if run.is_at(first) or run.to(first) else NO_SPACE


def _along(path: NamedPath, crossings: NDArray[Any], blocks: NDArray[Any], names: Names,
           spaces: Mapping[int, str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The crossings and blocks on a path, each stretch of them between a BEGIN and an END."""
    places = unwrapped(crossings["blocks"])
    some_crossings, some_blocks, count = [], [], 0
    reached = -1
    for begin, end in sorted(path.occurrences(crossings, names, spaces).tolist()):
        begin = max(begin, reached + 1)
        if begin >= end:
            continue
        reached = end
        rows = crossings[[begin, *range(begin, end + 1), end]]
        rows["kind"][[0, -1]] = Kind.BEGIN, Kind.END
        rows["to"][0], rows["from"][-1] = rows["from"][0], rows["to"][-1]
        rows["cost"][[0, -1]] = 0
        own = np.concatenate([places[begin:begin + 1], places[begin:end + 1], places[end:end + 1]])
        rows["blocks"] = (own - own[0] + count).astype(np.uint32)
        some_crossings.append(rows)
        some_blocks.append(blocks[own[0]:own[-1]])
        count += len(some_blocks[-1])
    return joined(some_crossings, CROSSING), joined(some_blocks, BLOCK)
