"""Breakpoints: where a run along a timeline stops, forward and backward.

    points = Breakpoints(Timeline(machine))
    points.add("ping:main", condition="eax != 0")
    points.add("vector 14")
    points.watch("clock_ticks", access=Access.WRITE)
    stop = points.run()

A place is an address, SYMBOL, SYMBOL+OFFSET, PROGRAM:SYMBOL (which stops in that program alone), FILE:LINE, "vector N"
(or "#PF"), "cycle N" or "instruction N".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from emu.cpu.x86 import Vector
from emu.monitor.inspect import threads
from emu.monitor.inspect.registers import sysenter
from emu.monitor.inspect.tables import Gate, idt
from emu.monitor.stops.expressions import ExpressionError, Value, evaluate, parse
from emu.monitor.stops.watchpoints import Access, Hit, Watch, Watchpoints
from emu.monitor.travel.history import Position
from emu.monitor.travel.timeline import Timeline
from emu.result import Reason, Result

if TYPE_CHECKING:
    from emu.machine import Machine

LIMITS = (Reason.CYCLES, Reason.INSTRUCTIONS)
EVERY = frozenset(range(256))       # vectors
VECTORS = {f"#{vector.name}".lower(): int(vector) for vector in Vector}


class BreakpointError(ValueError):
    """A breakpoint that cannot be made: one line."""


class Kind(StrEnum):
    """What a breakpoint waits for."""

    ADDRESS = "address"
    VECTOR = "vector"
    CYCLE = "cycle"
    INSTRUCTION = "instruction"
    WATCH = "watch"


@dataclass
class Breakpoint:
    """One of them; `enabled`, `ignore`, `temporary` and `condition` may be changed."""

    number: int
    kind: Kind
    place: str                          # as it was given
    addresses: tuple[int, ...] = ()     # linear
    program: str = ""                   # it counts only in that program's threads
    count: int = 0                      # the vector, the cycle or the instruction count
    watch: Watch | None = None
    condition: str = ""                 # an expression that must be true
    ignore: int = 0                     # how many more times it is passed over
    temporary: bool = False             # gone when it has stopped once
    enabled: bool = True
    hits: int = 0                       # how often it has been met with its condition true
    _holds: Value | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        hidden = ("watch", "_holds")
        found = {name: value for name, value in vars(self).items() if name not in hidden}
        return found | ({"watch": {"linear": self.watch.linear, "size": self.watch.size,
                                   "access": str(self.watch.access)}} if self.watch else {})


@dataclass(frozen=True)
class Stop:
    """The end of a run."""

    result: Result
    breakpoints: tuple[Breakpoint, ...] = ()    # those that have stopped it
    hits: tuple[Hit, ...] = ()                  # watched accesses of the last instruction

    def as_dict(self) -> dict[str, Any]:
        """For JSON: breakpoints by their numbers."""
        return self.result.as_dict() | {"breakpoints": [point.number for point in self.breakpoints],
                                        "hits": [hit.as_dict() for hit in self.hits]}


class Breakpoints:
    """The breakpoints of a machine that runs along a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._machine = timeline.machine
        self._points: dict[int, Breakpoint] = {}
        self._watches = Watchpoints(timeline)
        self._next = 1

    def __iter__(self) -> Iterator[Breakpoint]:
        return iter(self._points.values())

    def __len__(self) -> int:
        return len(self._points)

    def __getitem__(self, number: int) -> Breakpoint:
        """The breakpoint with that number. Raises KeyError with a line for people."""
        if number not in self._points:
            raise KeyError(f"no breakpoint {number}: there are {', '.join(map(str, self._points)) or 'none'}")
        return self._points[number]

    # Making them

    def add(self, place: str, *, condition: str = "", ignore: int = 0, temporary: bool = False) -> Breakpoint:
        """A breakpoint at a place: see above. Raises BreakpointError, and ExpressionError for its condition."""
        point = self._at(place.strip())
        point.ignore, point.temporary = ignore, temporary
        self.set_condition(point, condition)
        return self._keep(point)

    def watch(self, place: str, size: int = 4, access: Access = Access.WRITE, *, condition: str = "",
              ignore: int = 0) -> Breakpoint:
        """Stop behind an access to `size` bytes at an address, given as an expression. Raises as `add`."""
        condition_holds = parse(condition, self._machine) if condition else None
        try:
            watch = self._watches.add(evaluate(place, self._machine) & 0xFFFFFFFF, size, access)
        except ValueError as error:
            raise BreakpointError(str(error)) from None
        return self._keep(Breakpoint(0, Kind.WATCH, place, watch=watch, condition=condition, ignore=ignore,
                                     _holds=condition_holds))

    def set_condition(self, point: Breakpoint, condition: str) -> None:
        """Give it another condition; "" for none. Raises ExpressionError."""
        point._holds = parse(condition, self._machine) if condition else None
        point.condition = condition

    def delete(self, number: int) -> None:
        """Forget it. Raises KeyError."""
        point = self[number]
        if point.watch:
            self._watches.remove(point.watch)
        del self._points[number]

    def _keep(self, point: Breakpoint) -> Breakpoint:
        point.number, self._next = self._next, self._next + 1
        self._points[point.number] = point
        return point

    def _at(self, place: str) -> Breakpoint:
        counted = re.fullmatch(r"(vector|cycle|instruction)\s+(\w+)", place)
        if counted:
            try:
                count = int(counted[2].replace("_", ""), 0)
            except ValueError:
                raise BreakpointError(f"{place!r}: {counted[2]!r} is not a number") from None
            kind = Kind(counted[1])
            if kind is Kind.VECTOR and count > 255:
                raise BreakpointError(f"{place!r}: vectors are 0 to 255")
            return Breakpoint(0, kind, place, count=count)
        if place.lower() in VECTORS:
            return Breakpoint(0, Kind.VECTOR, place, count=VECTORS[place.lower()])
        addresses, program = locate(self._machine, place)
        return Breakpoint(0, Kind.ADDRESS, place, addresses, program)

    # Running

    def run(self, *, until: Iterable[int] = (), vectors: Iterable[int] = (), max_instructions: int | None = None,
            max_cycles: int | None = None) -> Stop:
        """Run to the next stop: a breakpoint whose condition holds, an address of `until` or a vector of `vectors`
        (whatever a breakpoint says), a limit, the end. Raises ExpressionError if a condition has no value.
        """
        timeline, begin = self.timeline, self.timeline.position
        extra, extra_vectors = frozenset(until), frozenset(vectors)
        while True:
            here = timeline.position
            absent = self._absent()
            silent = {sysenter(self._machine)["eip"]} - {0} if absent else set()    # where the kernel is entered
            cycles = None if max_cycles is None else max_cycles - (here.cycles - begin.cycles)
            left = None if max_instructions is None else max_instructions - (here.instructions - begin.instructions)
            result, hits = self._watches.run(
                until=self._addresses(absent) | extra | silent,
                vectors=EVERY if absent else self._vectors() | extra_vectors,
                max_cycles=_least(cycles, self._next_count(Kind.CYCLE, here.cycles)),
                max_instructions=_least(left, self._next_count(Kind.INSTRUCTION, here.instructions)))
            met = self._met(result, here, hits)
            found = tuple(point for point in met if self._counts(point))
            for point in found:
                if point.temporary:
                    self.delete(point.number)
            if found or self._is_over(result, begin, extra, extra_vectors, max_cycles, max_instructions, hits):
                return Stop(result, found, tuple(hits))

    def reverse(self) -> Stop:
        """Go back to the last stop before here: in front of the instruction, behind the vector, at the cycle; for a
        watchpoint in front of the access. Ignore counts do not count. To the start if there is none.
        """
        timeline, end = self.timeline, self.timeline.position
        candidates: list[tuple[Position, tuple[Hit, ...]]] = []
        if self._addresses() or self._vectors():
            if timeline.reverse_continue(until=self._addresses(), vectors=self._vectors(), condition=self._would_stop):
                candidates.append((timeline.position, ()))
            timeline.goto(end)
        for point in self._enabled(Kind.CYCLE, Kind.INSTRUCTION):
            at = self._position_of(point, end)
            if at:
                candidates.append((at, ()))
        timeline.goto(end)
        while self._watches and (hits := self._watches.last()):
            if any(self._holds(point) for point in self._watching(hits)):
                candidates.append((timeline.position, tuple(hits)))
                break
        position, hits_there = max(candidates, key=lambda each: each[0], default=(timeline.start, ()))
        timeline.goto(position)
        result = Result(Reason.STOPPED, "" if candidates else "the beginning", None, self._machine.cpu.linear_eip,
                        self._machine.where(), self._machine.counters)
        return Stop(result, tuple(self._here(hits_there, end)) if candidates else (), hits_there)

    # How

    def _enabled(self, *kinds: Kind) -> list[Breakpoint]:
        return [point for point in self._points.values() if point.enabled and point.kind in kinds]

    def _addresses(self, absent: Collection[str] = ()) -> frozenset[int]:
        return frozenset(address for point in self._enabled(Kind.ADDRESS) if point.program not in absent
                         for address in point.addresses)

    def _absent(self) -> frozenset[str]:
        """Programs whose breakpoints cannot be met before the kernel has been entered, as another program runs: they
        have the same addresses, and may lie in its busiest loop.
        """
        programs = {point.program for point in self._enabled(Kind.ADDRESS)} - {""}
        if not programs or self._machine.cpu.cpl != 3:
            return frozenset()
        running = threads.current(self._machine)
        return frozenset(programs - {running.name}) if running else frozenset()

    def _vectors(self) -> frozenset[int]:
        return frozenset(point.count for point in self._enabled(Kind.VECTOR))

    def _next_count(self, kind: Kind, now: int) -> int | None:
        """How far it is to the next breakpoint of that kind."""
        return min((point.count - now for point in self._enabled(kind) if point.count > now), default=None)

    def _met(self, result: Result, begin: Position, hits: list[Hit]) -> list[Breakpoint]:
        """The breakpoints at which a run that began at `begin` has stopped, whatever their conditions."""
        here, now = self._machine.cpu.linear_eip, self.timeline.position
        found = self._watching(hits)
        if result.reason == Reason.UNTIL or (now > begin and (hits or result.reason in LIMITS) and self._is_next()):
            found += [point for point in self._enabled(Kind.ADDRESS) if here in point.addresses]
        if result.reason == Reason.VECTOR:
            found += [point for point in self._enabled(Kind.VECTOR) if point.count == self._machine.cpu.state.vector]
        found += [point for point in self._enabled(Kind.CYCLE) if begin.cycles < point.count <= now.cycles]
        found += [point for point in self._enabled(Kind.INSTRUCTION)
                  if begin.instructions < point.count <= now.instructions]
        return found

    def _is_next(self) -> bool:
        """True if nothing comes before the instruction at EIP, so that a run that began earlier would stop there."""
        cpu, state = self._machine.cpu, self._machine.cpu.state
        return (not self._machine.halted and state.repeating != cpu.linear_eip
                and not (state.intr and cpu.accepts_interrupts))

    def _watching(self, hits: Iterable[Hit]) -> list[Breakpoint]:
        watches = {hit.watch for hit in hits}
        return [point for point in self._enabled(Kind.WATCH) if point.watch in watches]

    def _counts(self, point: Breakpoint) -> bool:
        """A breakpoint has been met: does it stop?"""
        if not self._holds(point):
            return False
        point.hits += 1
        if point.ignore:
            point.ignore -= 1
            return False
        return True

    def _holds(self, point: Breakpoint) -> bool:
        if point.program and threads.is_known(self._machine):
            running = threads.on_stack(self._machine)
            if running is None or running.name != point.program:
                return False
        return point._holds is None or bool(point._holds(self._machine))

    def _would_stop(self, machine: Machine) -> bool:
        """At one of the addresses or behind one of the vectors: does a breakpoint there stop?"""
        return any(self._holds(point) for point in self._here((), None))

    def _here(self, hits: Iterable[Hit], end: Position | None) -> list[Breakpoint]:
        """The breakpoints that belong to where the machine stands."""
        here, now = self._machine.cpu.linear_eip, self.timeline.position
        handlers = {slot.index: slot.entry.offset for slot in idt(self._machine) if isinstance(slot.entry, Gate)}
        found = self._watching(hits)
        found += [point for point in self._enabled(Kind.ADDRESS) if here in point.addresses]
        found += [point for point in self._enabled(Kind.VECTOR)
                  if point.count == self._machine.cpu.state.vector and handlers.get(point.count) == here]
        if end:
            found += [point for point in self._enabled(Kind.CYCLE, Kind.INSTRUCTION)
                      if self._position_of(point, end) == now]
        return found

    def _position_of(self, point: Breakpoint, end: Position) -> Position | None:
        """The position at which a breakpoint at a cycle or instruction count stops, None if not before `end`."""
        timeline, here = self.timeline, self.timeline.position
        start, name = timeline.start, "cycles" if point.kind is Kind.CYCLE else "instructions"
        if not getattr(start, name) < point.count <= getattr(end, name):
            return None
        timeline.goto(start)
        timeline.run(**{f"max_{name}": point.count - getattr(start, name)})     # type: ignore[arg-type]
        found = timeline.position
        timeline.goto(here)
        return found if found < end else None

    def _is_over(self, result: Result, begin: Position, until: frozenset[int], vectors: frozenset[int],
                 max_cycles: int | None, max_instructions: int | None, hits: list[Hit]) -> bool:
        """True if a run that no breakpoint has stopped ends nevertheless."""
        now = self.timeline.position
        if hits:
            return False
        match result.reason:
            case Reason.UNTIL:
                return self._machine.cpu.linear_eip in until
            case Reason.VECTOR:
                return self._machine.cpu.state.vector in vectors
            case Reason.CYCLES:
                return max_cycles is not None and now.cycles - begin.cycles >= max_cycles
            case Reason.INSTRUCTIONS:
                return max_instructions is not None and now.instructions - begin.instructions >= max_instructions
        return True


def locate(machine: Machine, place: str) -> tuple[tuple[int, ...], str]:
    """(linear addresses, program) of an address, SYMBOL[+OFFSET], PROGRAM:SYMBOL or FILE:LINE; the program is "" unless
    it was named. Raises BreakpointError for what is not there.
    """
    image = machine.image
    line = re.fullmatch(r"(.+\.\w+):(\d+)", place)
    if line and image:
        tables = [image.lines, *image.program_lines.values()]
        found = [table.addresses(line[1], int(line[2])) for table in tables]
        firsts = dict.fromkeys(min(addresses) for addresses in found if addresses)
        if not firsts:
            raise BreakpointError(f"no code comes from {place}")
        return tuple(firsts), ""
    program, _, symbol = place.rpartition(":")
    try:
        if not re.fullmatch(r"[\w.@:$+\-\[\] ]+", place) or place.startswith("-"):
            raise ExpressionError(f"{place!r}: not a place")
        return (evaluate(place, machine) & 0xFFFFFFFF,), program if symbol else ""
    except ExpressionError as error:
        raise BreakpointError(f"{error}: give an address, SYMBOL, PROGRAM:SYMBOL, FILE:LINE, 'vector N', 'cycle N' or "
                              "'instruction N'") from None


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)

