"""The function graph: which functions were called, by whom and how long, and what crossed meanwhile.

It is a shadow of the guest's stacks, one for each thread, kept from blocks and crossings alone. A block that ends with
CALL opens a function and one that ends with RET closes it; a trap, interrupt or system call stands on the stack between
what it interrupted and what the kernel does about it. Without blocks there are only crossings.

What does not come in pairs is taken as it comes. Execution that goes on in another function without a call (a jump, or
falling through) replaces the function, and the new one returns where the old one would have. A return that answers no
call does the same, unless the call may have been before recording began. An entry from ring 3 finds the kernel's stack
empty; a return that no entry came for, or into another program, ends all that was there. Where recording was off,
everything ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emu.crossings import Bits, Kind
from emu.monitor.paths.pairing import CR3, ENTRIES, RETURNS
from emu.monitor.trace.frames import Frame

CALLS = (4, 5)              # how a block ends: kinds of emu.timing.branches, which only native code can import quickly
RETURN = 6
TRANSFERS = (*CALLS, RETURN)
SEARCHED = 256              # calls among which that of a return is looked for
DEEPEST = 4096              # a stack that has more is no stack, when a return finds nothing on it
RING = int(Bits.TO)          # as a plain number: it is used a million times
GAPS = (Kind.BEGIN, Kind.END, Kind.LOST)
Function = tuple[str, int]  # name, linear address of its start
Naming = Callable[[int, int], Function]     # from linear address and `space`


class How(StrEnum):
    """How a function or crossing began or ended."""

    CALL = "call"
    RETURN = "return"
    JUMP = "jump"           # into another function, without call or return
    CROSSING = "crossing"   # by one
    FOUND = "found"         # it was running when it was first seen
    ABANDONED = "abandoned"     # nobody will return to it
    END = "end"             # recording ended


class Enter(NamedTuple):
    """A function begins, or a crossing into a ring, or within it."""

    cycle: int
    instructions: int       # retired before
    thread: int
    ring: int               # in which it runs
    depth: int              # how many are open below it in this thread
    name: str               # of the function; "" for a crossing
    address: int            # where it begins
    how: How
    record: Any             # the CROSSING; None for a function


class Leave(NamedTuple):
    """What was entered last in this thread ends."""

    cycle: int
    instructions: int
    thread: int
    ring: int
    depth: int              # as in its Enter
    began: Enter
    how: How
    record: Any             # the crossing that ended it, if one did
    target: str             # the function that replaces it, for a JUMP; else ""


class Passed(NamedTuple):
    """A crossing that neither enters nor leaves: a mark, idling, recording that begins or ends."""

    cycle: int
    instructions: int
    thread: int
    ring: int
    depth: int
    record: Any


class Switched(NamedTuple):
    """Another thread runs from here on."""

    cycle: int
    instructions: int
    thread: int             # the new one
    before: int             # the old one


Event = Enter | Leave | Passed | Switched


@dataclass(slots=True)
class _Open:
    """A function or crossing on a thread's stack."""

    enter: Enter
    returns_to: int = -1    # where the RET that ends it leads; -1 for a crossing, and if nobody called
    outer: int = -1         # a crossing: the ring it came from; -1 for a function
    space: int = 0          # ... and CR3 before it


class _Last(NamedTuple):
    """The end of the last block, as far as a call or return may follow from it."""

    ends: int
    end: int                # linear address behind it


def events(frames: Iterator[Frame], function: Naming) -> Iterator[Event]:
    """The graph of a run as it unfolds, in order; every Enter has its Leave."""
    graph = _Graph(function)
    for frame in frames:
        yield from graph.frame(frame)
    yield from graph.end()


class _Graph:
    def __init__(self, function: Naming) -> None:
        self._function = function
        self._stacks: dict[int, list[_Open]] = {}
        self._thread = 0
        self._stack = self._stacks.setdefault(0, [])
        self._seen = False                              # whether there was a record
        self._last: _Last | None = None
        self._waiting: tuple[int, ...] | None = None    # the last block of a frame: its end depends on what follows
        self._now = 0, 0
        self._out: list[Event] = []

    def frame(self, frame: Frame) -> list[Event]:
        """What happens in a frame."""
        blocks, crossings = frame.blocks, frame.crossings
        order = frame.merged()
        if not len(order):
            return []
        at, count, needed = self._needed(order, blocks, crossings)
        numbers = np.flatnonzero(needed)
        rows = order[numbers]
        is_block = rows < 0
        of_block = np.where(is_block, ~rows, 0)
        of_crossing = np.where(is_block, 0, rows)
        columns = [np.where(is_block, blocks[name][of_block] if len(blocks) else 0,
                            crossings[name][of_crossing] if len(crossings) else 0).tolist()
                   for name in ("cycle", "instructions", "space", "thread")]
        lasts = self._lasts(order, blocks, at, count, numbers)
        for row, place, cycle, instructions, space, thread, last in zip(
                rows.tolist(), at[numbers].tolist(), *columns, lasts, strict=True):
            self._now = cycle, instructions
            if thread != self._thread or not self._seen:
                self._switch(thread)
            if row < 0:
                self._arrive(place, space, last)
            else:
                record = crossings[row]
                if last is not None:
                    self._transfer(place, space, last)
                self._cross(record, space)
        final = int(order[-1])
        end = blocks[~final] if final < 0 else crossings[final]
        self._now = int(end["cycle"]), int(end["instructions"])
        self._waiting = None
        if final < 0:
            block = blocks[~final]
            self._waiting = tuple(int(block[name]) for name in ("pc", "size", "ends", "instructions"))
        return self._taken()

    def end(self) -> list[Event]:
        """The records are at their end: so is all that is open."""
        for thread, stack in self._stacks.items():
            self._leave(stack, 0, How.END, thread=thread)
        return self._taken()

    def _taken(self) -> list[Event]:
        out, self._out = self._out, []
        return out

    # What of a frame matters, found for all records at once

    def _needed(self, order: NDArray[np.int64], blocks: NDArray[Any], crossings: NDArray[Any]
                ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        """For each record: where it is, instructions retired before it, and whether something begins or ends there."""
        is_block = order < 0
        at, count = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
        kinds = np.empty(len(order), np.int64)
        at[is_block], at[~is_block] = blocks["pc"], crossings["from"]
        count[is_block], count[~is_block] = blocks["instructions"], crossings["instructions"]
        kinds[is_block], kinds[~is_block] = blocks["ends"], -1
        needed = ~is_block
        needed[0] = True
        needed[1:] |= ~is_block[:-1] | np.isin(kinds[:-1], TRANSFERS)
        functions, threads = np.full(len(order), -1, np.int64), np.full(len(order), -1, np.int64)
        functions[is_block] = self._functions(blocks)
        threads[is_block] = blocks["thread"]
        needed[1:] |= (functions[1:] != functions[:-1]) | (threads[1:] != threads[:-1])
        return at, count, needed

    def _functions(self, blocks: NDArray[Any]) -> NDArray[np.int64]:
        """A number for the function of each block, alike for alike functions."""
        keys = (blocks["space"].astype(np.uint64) >> np.uint64(12)) << np.uint64(32) | blocks["pc"]
        unique, inverse = np.unique(keys, return_inverse=True)
        numbers: dict[Function, int] = {}
        found = [numbers.setdefault(self._function(key & 0xFFFFFFFF, key >> 32 << 12), len(numbers))
                 for key in unique.tolist()]
        return np.array(found, np.int64)[inverse] if found else np.zeros(0, np.int64)

    def _lasts(self, order: NDArray[np.int64], blocks: NDArray[Any], at: NDArray[Any], count: NDArray[Any],
               numbers: NDArray[Any]) -> Iterator[_Last | None]:
        """For each of these records: how the block right before it ended, if it ran to its end and that matters."""
        before = order[np.maximum(numbers - 1, 0)]
        is_block = (before < 0) & (numbers > 0)
        some = blocks[np.where(is_block, ~before, 0)] if len(blocks) else np.zeros(len(numbers), blocks.dtype)
        start, size, ends = (some[name].astype(np.int64) for name in ("pc", "size", "ends"))
        whole = is_block & (count[numbers] > some["instructions"]) & ~_is_inside(at[numbers], start, size)
        wanted = whole & np.isin(ends, TRANSFERS)
        found: list[_Last | None] = [
            _Last(kind, end & 0xFFFFFFFF) if want else None
            for kind, end, want in zip(ends.tolist(), (start + size).tolist(), wanted.tolist(), strict=True)]
        if self._waiting and len(found):
            pc, length, kind, retired = self._waiting
            if kind in TRANSFERS and count[0] > retired and not _is_inside(at[0], pc, length):
                found[0] = _Last(kind, pc + length & 0xFFFFFFFF)
        return iter(found)

    # What happens at one record

    def _switch(self, thread: int) -> None:
        before, self._thread = self._thread, thread
        self._stack = self._stacks.setdefault(thread, [])
        if self._seen:
            self._out.append(Switched(*self._now, thread, before))
        self._seen = True

    def _arrive(self, place: int, space: int, last: _Last | None) -> None:
        """A block begins at `place`."""
        if last is not None:
            self._transfer(place, space, last)
        name, start = self._function(place, space)
        top = self._stack[-1] if self._stack else None
        if top is None or top.outer >= 0:
            self._open(name, start, space & RING, How.CROSSING if top else How.FOUND, None)
        elif (top.enter.name, top.enter.address) != (name, start):
            returns = last is not None and last.ends == RETURN and top.returns_to < 0      # to a caller never seen
            self._leave(self._stack, len(self._stack) - 1, How.RETURN if returns else How.JUMP,
                                   target="" if returns else name)
            self._open(name, start, space & RING, How.FOUND if returns else How.JUMP, None,
                             returns_to=top.returns_to)

    def _transfer(self, place: int, space: int, last: _Last) -> None:
        """A call or return has led to `place`."""
        if last.ends in CALLS:
            name, start = self._function(place, space)
            self._open(name, start, self._ring(space), How.CALL, None, returns_to=last.end)
            return
        stack, same = self._stack, -1
        for depth in range(len(stack) - 1, max(len(stack) - SEARCHED, 0) - 1, -1):
            each = stack[depth]
            if each.outer >= 0:                         # what an interrupt interrupted is not returned to by RET
                break
            if each.returns_to == place:
                self._leave(stack, depth, How.RETURN)
                return
            if same < 0 and depth < len(stack) - 1 and (each.enter.name, each.enter.address) == self._function(
                    place, space):
                same = depth
        if same >= 0:                                   # no call led here, but the function was on its way
            self._leave(stack, same + 1, How.RETURN)
        elif len(stack) > DEEPEST:
            self._leave(stack, 0, How.ABANDONED)

    def _ring(self, space: int) -> int:
        """The ring of a function that is being called: that of the caller, for a crossing is no call."""
        return self._stack[-1].enter.ring if self._stack else space & RING

    def _cross(self, record: Any, space: int) -> None:
        kind, outer, ring = Kind(record["kind"]), space >> 2 & RING, space & RING
        if kind in GAPS:
            if kind == Kind.END:
                self._passed(record, ring)
            for thread, stack in self._stacks.items():
                self._leave(stack, 0, How.END, thread=thread)
            if kind != Kind.END:
                self._passed(record, ring)
        elif kind in ENTRIES:
            if outer == 3:
                first = next((depth for depth, each in enumerate(self._stack) if each.outer >= 0), len(self._stack))
                self._leave(self._stack, first, How.ABANDONED)
            self._open("", int(record["to"]), ring, How.CROSSING, record, outer=outer, space=space & CR3)
        elif kind in RETURNS or kind == Kind.OTHER:
            self._return(record, ring, space & CR3)
        else:
            self._passed(record, ring)

    def _return(self, record: Any, ring: int, space: int) -> None:
        """A return to `ring`, and to an address space: it ends the latest entry that came from there."""
        for depth in range(len(self._stack) - 1, -1, -1):
            each = self._stack[depth]
            if each.outer == ring and (ring != 3 or each.space == space):
                self._leave(self._stack, depth, How.CROSSING, record)
                return
        self._leave(self._stack, 0, How.ABANDONED, record)
        self._passed(record, ring)

    def _passed(self, record: Any, ring: int) -> None:
        self._out.append(Passed(*self._now, self._thread, ring, len(self._stack), record))

    def _open(self, name: str, address: int, ring: int, how: How, record: Any, *, returns_to: int = -1,
              outer: int = -1, space: int = 0) -> None:
        enter = Enter(*self._now, self._thread, ring, len(self._stack), name, address, how, record)
        self._stack.append(_Open(enter, returns_to, outer, space))
        self._out.append(enter)

    def _leave(self, stack: list[_Open], depth: int, how: How, record: Any = None, *, target: str = "",
               thread: int | None = None) -> None:
        """End all from the top of a stack down to `depth`."""
        while len(stack) > depth:
            enter = stack.pop().enter
            is_last = len(stack) == depth
            self._out.append(Leave(*self._now, self._thread if thread is None else thread, enter.ring, len(stack),
                                   enter, How.ABANDONED if how is How.RETURN and not is_last else how,
                                   record if is_last else None, target))


def _is_inside(place: Any, start: Any, size: Any) -> Any:
    """Whether execution that went on there had not reached the end of a block."""
    return (start < place) & (place < start + size)
