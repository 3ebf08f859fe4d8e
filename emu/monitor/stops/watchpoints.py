"""Watchpoints: stop behind the instruction that reads or writes certain memory.

The engine reports accesses while code runs, a block at a time; which instruction it was is then found by going back and
stepping, since the run is the same again. A watchpoint watches the memory that lay behind its linear addresses when it
was made, by whatever address it is accessed; while paging is still off, that of a kernel built on guest/abi is where
its window will be. What the processor does by itself goes unseen: pushes of an exception or interrupt, reads of
descriptors and page tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from unicorn import unicorn_const as uc_const

from emu.cpu.paging import READ_WRITE_EXECUTE
from emu.monitor.inspect import threads
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.plain import Plain
from emu.monitor.travel.history import Position
from emu.monitor.travel.timeline import Timeline
from emu.result import Reason, Result
from guest.abi.memory import Memory

if TYPE_CHECKING:
    from unicorn import Uc

    from emu.machine import Machine

WIDEST = 16                 # bytes of the widest access
NEAR = 32                   # instructions that are stepped through first, to find the one that made an access
FARTHER = 16                # each further search steps through that many times as many
WINDOW = 1000               # instructions that are searched first when looking backward
MOST = 64 << 20             # bytes that all watchpoints may watch together


class Access(StrEnum):
    """What a watchpoint stops at."""

    READ = "read"
    WRITE = "write"
    ANY = "access"


HOOKS = {Access.READ: uc_const.UC_HOOK_MEM_READ, Access.WRITE: uc_const.UC_HOOK_MEM_WRITE,
         Access.ANY: uc_const.UC_HOOK_MEM_READ | uc_const.UC_HOOK_MEM_WRITE}


@dataclass(frozen=True, eq=False)
class Watch:
    """A watchpoint."""

    linear: int             # first linear address
    size: int               # bytes
    access: Access
    pieces: tuple[tuple[int, int], ...]     # (physical address, bytes) behind it


@dataclass(frozen=True)
class Hit(Plain):
    """An access to watched memory."""

    linear: int             # of its first byte
    size: int               # bytes
    is_write: bool
    eip: int                # linear address of the instruction
    before: int             # what was there
    after: int              # ... and is there now
    watch: Watch            # which watchpoint: the first of several

    def as_dict(self) -> dict[str, Any]:
        """See Plain; without the watchpoint."""
        return {name: value for name, value in vars(self).items() if name != "watch"}


class Watchpoints:
    """The watchpoints of a machine that runs along a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._machine = timeline.machine
        self._hooks: dict[Watch, list[int]] = {}
        self._seen: list[tuple[Hit, int]] = []              # accesses, and the instruction count at about that time
        self._stops = False                                 # end the run at the first access

    def __iter__(self) -> Iterator[Watch]:
        return iter(self._hooks)

    def __len__(self) -> int:
        return len(self._hooks)

    def add(self, linear: int, size: int, access: Access) -> Watch:
        """Watch `size` bytes from a linear address on. Raises ValueError if there is no memory, or too much."""
        if not 0 < size <= MOST:
            raise ValueError(f"watchpoint of {size} bytes: give 1 to {MOST}")
        pieces = tuple(_pieces(self._machine, linear, size))
        watch = Watch(linear, size, access, pieces)
        engine = self._machine.cpu.uc
        if not self._hooks:
            engine.ctl_flush_tb()  # type: ignore[attr-defined]     # code translated so far does not report
        self._hooks[watch] = [
            engine.hook_add(HOOKS[access], self._report, watch, base + start - WIDEST + 1 if base + start >= WIDEST
                            else base, base + start + length - 1)
            for start, length in watch.pieces for base in (0, READ_WRITE_EXECUTE)]
        return watch

    def remove(self, watch: Watch) -> None:
        """Watch it no more. Raises KeyError for one that is not there."""
        engine = self._machine.cpu.uc
        for hook in self._hooks.pop(watch):
            engine.hook_del(hook)
        if not self._hooks:
            engine.ctl_flush_tb()  # type: ignore[attr-defined]

    def run(self, **limits: Any) -> tuple[Result, list[Hit]]:
        """`Timeline.run`, up to behind the first instruction that makes a watched access: its accesses."""
        timeline = self._timeline
        if not self._hooks:
            return timeline.run(**limits), []
        start = timeline.position
        result = self._watch(True, lambda: timeline.run(**limits))
        if not self._seen:
            return result, []
        end, back = timeline.position, NEAR
        while True:
            self._go_back(end, back, start)
            for _, hits in self._steps(end):
                return self._result(result), hits
            back *= FARTHER

    def last(self) -> list[Hit]:
        """Go back to in front of the last instruction before here that made a watched access: its accesses.

        None, and the start, if there is none.
        """
        timeline = self._timeline
        end, window = timeline.position, WINDOW
        while self._hooks and end > timeline.start:
            self._go_back(end, window, timeline.start)
            begin = timeline.position
            self._watch(False, partial(self._run_up_to, end))
            if self._seen:
                return self._last_between(begin, end, self._seen[-1][1])
            timeline.goto(begin)
            end, window = begin, window * FARTHER
        timeline.goto(timeline.start)
        return []

    def _last_between(self, begin: Position, end: Position, count: int) -> list[Hit]:
        """The last access between two positions, at about an instruction count; the machine stands in front of it."""
        timeline, near = self._timeline, NEAR
        while True:
            if count + near < end.instructions:
                timeline.goto(begin)
                timeline.run(max_instructions=count + near - begin.instructions)
                last = timeline.position
            else:
                last = end
            timeline.goto(last)
            self._go_back(last, 2 * near, begin)
            found = list(self._steps(last))
            if found:
                timeline.goto(found[-1][0])
                return found[-1][1]
            near *= FARTHER

    def _steps(self, end: Position) -> Iterator[tuple[Position, list[Hit]]]:
        """Step up to `end`: (position in front of it, accesses) of each instruction that makes some."""
        timeline = self._timeline
        while timeline.position < end:
            before = timeline.position
            self._watch(False, timeline.step)
            if self._seen:
                yield before, [hit for hit, _ in self._seen]
            if timeline.position == before:
                return

    def _run_up_to(self, end: Position) -> None:
        """Run on to a position of this run, without taking a snapshot's way there."""
        timeline = self._timeline
        while (here := timeline.position) < end:
            if here.cycles < end.cycles:
                timeline.run(max_cycles=end.cycles - here.cycles)
            else:
                timeline.step()
            if timeline.position == here:
                return

    def _go_back(self, end: Position, instructions: int, first: Position) -> None:
        """From `end`, go back that far, but not beyond `first`."""
        if end.instructions - instructions <= first.instructions:
            self._timeline.goto(first)
        else:
            self._timeline.back(instructions)

    def _watch(self, stops: bool, run: Callable[[], Any]) -> Any:
        """Run with accesses noted in `_seen`."""
        self._seen, self._stops = [], stops
        noted = self._seen
        try:
            return run()
        finally:
            self._seen, self._stops = noted, False

    def _report(self, engine: Uc, access: int, address: int, size: int, value: int, watch: Watch) -> None:
        """From the engine, in front of an access: `address` is physical, in one of the views of RAM."""
        physical = address & READ_WRITE_EXECUTE - 1
        for start, length in watch.pieces:
            if physical < start + length and start < physical + size:
                linear = watch.linear + physical - start + sum(each for at, each in watch.pieces if at < start)
                is_write = access == uc_const.UC_MEM_WRITE
                before = int.from_bytes(self._machine.ram.read(physical, size), "little")
                after = value & (1 << 8 * size) - 1 if is_write else before
                state = self._machine.cpu.state
                hit = Hit(linear, size, is_write, self._machine.cpu.linear_eip, before, after, watch)
                self._seen.append((hit, int(state.instructions)))
                if self._stops:
                    self._machine.stop()
                return

    def _result(self, result: Result) -> Result:
        """The result of a run that has been taken back to an access."""
        machine = self._machine
        return Result(Reason.STOPPED, "watchpoint", None, machine.cpu.linear_eip, machine.where(), machine.counters)


def _pieces(machine: Machine, linear: int, size: int) -> Iterable[tuple[int, int]]:
    """(physical address, bytes) of the memory behind linear addresses. Raises ValueError where there is none."""
    space, at = AddressSpace(machine), linear
    while at < linear + size:
        physical = space.walk(at).physical
        if not space.paged and at >= Memory.KERNEL_BASE and threads.is_known(machine):
            physical = at - Memory.KERNEL_BASE              # where a kernel of ours will put it, one to one
        if physical is None or physical >= machine.ram.size:
            why = "no page is there" if physical is None else "no RAM is there"
            raise ValueError(f"nothing to watch at {at & 0xFFFFFFFF:#x}: {why}")
        length = min(linear + size - at, 0x1000 - at % 0x1000)
        yield physical, length
        at += length
