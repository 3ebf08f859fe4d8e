"""A ledger: what one stretch of a run cost, instruction by instruction, with its causes.

The machine runs alike however it is cut into pieces. So a stretch is found in a first run, and in a second one that is
just like it each instruction of the stretch is run alone, with the counters read before and after. Nothing is
estimated: the rows add up to the stretch, cycle by cycle and cause by cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from emu.counters import CAUSES
from emu.crossings import NO_LINE, Kind
from emu.decoding import decode
from emu.machine import Machine
from emu.monitor.inspect.code import LONGEST, code_bits
from emu.monitor.inspect.threads import current
from emu.monitor.monitor import Monitor
from emu.monitor.names import Names, exception_name
from emu.result import Reason

ANY = frozenset(range(256))  # vectors
KEPT = 64                   # crossings of one step: idle time may come in pieces
EVENTS = (Kind.EXCEPTION, Kind.SOFTWARE, Kind.INTERRUPT, Kind.IDLE)


class Place(NamedTuple):
    """A place in a run."""

    instructions: int       # retired before it
    cycle: int              # the clock


@dataclass(frozen=True)
class Row:
    """An instruction that ran, or an event that was delivered, and what it cost."""

    cycle: int              # the clock when it began
    instructions: int       # retired before it
    address: int            # linear; of an event: where it struck
    where: str              # that as symbol+offset
    file: str | None        # source
    line: int | None
    text: str               # disassembly, or what the event was
    is_event: bool          # no instruction: an exception, an interrupt, idle time
    cpl: int                # before it
    cycles: int
    causes: dict[str, int]  # cycles by CAUSES and "idle"; they add up to `cycles`

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return vars(self)


@dataclass(frozen=True)
class Ledger:
    """Rows in the order in which they happened."""

    rows: list[Row] = field(default_factory=list)

    @property
    def cycles(self) -> int:
        """All of them."""
        return sum(row.cycles for row in self.rows)

    @property
    def instructions(self) -> int:
        """How many ran."""
        return sum(not row.is_event for row in self.rows)

    @property
    def causes(self) -> dict[str, int]:
        """Cycles by cause, of all rows."""
        return {cause: sum(row.causes[cause] for row in self.rows) for cause in (*CAUSES, "idle")}

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"cycles": self.cycles, "instructions": self.instructions, "causes": self.causes,
                "rows": [row.as_dict() for row in self.rows]}


class _Reading(NamedTuple):
    """The clock and the causes at an instant."""

    cycle: int
    idle: int
    causes: tuple[int, ...]     # CAUSES but the first, which has what they leave; modulo 2^32


class _Instruction(NamedTuple):
    """What is about to run."""

    instructions: int
    address: int
    cpl: int
    text: str
    program: str            # whose names its addresses have


def ledger(machine: Machine, begin: Place, end: Place, *, names: Names | None = None,
           told: Callable[[int], None] | None = None) -> Ledger:
    """The ledger from `begin` to `end` of a run, on a machine that is about to make that run and has not come to
    `begin` yet; it stands behind `end` afterwards. `told` hears, after each instruction, how many have run.

    Raises ValueError if the run does not come there: it was not such a machine.
    """
    rows = [row for row in _rows(machine, begin, end, names or Names.of(machine.image), told or (lambda _: None))
            if begin <= (row.instructions, row.cycle) and row.cycle + row.cycles <= end.cycle
            and (row.is_event or row.instructions < end.instructions)]
    is_it = bool(rows) and (rows[0].instructions, rows[0].cycle) == begin
    if not is_it or sum(row.cycles for row in rows) != end.cycle - begin.cycle:
        raise ValueError(f"the run does not come from cycle {begin.cycle:,} to {end.cycle:,} as it did before: boot "
                         "the same image with the same arguments")
    return Ledger(rows)


def _rows(machine: Machine, begin: Place, end: Place, names: Names, told: Callable[[int], None]) -> Iterator[Row]:
    """Rows from the last instruction before `begin` on, one run of the machine after the other."""
    state = machine.cpu.state
    ahead = begin.instructions - 1 - state.instructions     # the one before ends where an event may begin
    if ahead > 0:
        machine.run(max_instructions=ahead)
    program = _program(machine)
    with Monitor(machine, keep=KEPT) as monitor:
        while state.cycles < end.cycle and state.instructions <= end.instructions:
            heard = state.crossing_total
            about, before = _next(machine, program), _read(machine)
            result = machine.run(max_instructions=1, vectors=ANY)
            new = state.crossing_total - heard
            yield from _rows_of_step(names, about, before, _read(machine), state.instructions > about.instructions,
                                     monitor.crossings[-new:] if new else ())
            told(state.instructions - begin.instructions)
            if result.reason not in (Reason.INSTRUCTIONS, Reason.VECTOR):
                return
            if new:
                program = _program(machine)


def _rows_of_step(names: Names, about: _Instruction, before: _Reading, after: _Reading, has_run: bool,
                  crossings: Iterable[Any]) -> Iterator[Row]:
    """Rows of one run of the machine: an instruction if it `has_run`, idle time, an event at which it stopped."""
    for each in crossings:
        if each["kind"] in EVENTS:
            start = _Reading(int(each["cycle"]), before.idle, tuple(int(each[cause]) for cause in CAUSES[1:]))
            stop = after                                    # the run ended with the event, unless it was idle time
            if each["kind"] == Kind.IDLE:
                stop = start._replace(cycle=start.cycle + int(each["cost"]), idle=start.idle + int(each["cost"]))
            if has_run:
                yield _row(names, before, start, about)
                has_run = False
            yield _row(names, start, stop, about, each)
            before = stop
    if has_run:
        yield _row(names, before, after, about)


def _program(machine: Machine) -> str:
    """The program whose thread runs, whose names an address has that several have; it changes at crossings only."""
    thread = current(machine)
    return thread.name if thread else ""


def _next(machine: Machine, program: str) -> _Instruction:
    """The instruction in front of which the machine stands."""
    pc = machine.cpu.linear_eip
    text = _text(machine.cpu.read_linear(pc, LONGEST), pc, code_bits(machine))
    return _Instruction(machine.cpu.state.instructions, pc, machine.cpu.cpl, text, program)


@cache
def _text(code: bytes, address: int, bits: int) -> str:
    """The first instruction of `code`."""
    found = decode(code, address, bits)[:1]
    return f"{found[0].mnemonic} {found[0].operands}".rstrip() if found else "?"


def _read(machine: Machine) -> _Reading:
    state = machine.cpu.state
    causes = tuple(getattr(state, f"{cause}_cycles") & 0xFFFFFFFF for cause in CAUSES[1:])
    return _Reading(state.cycles, machine.idle_cycles, causes)


def _row(names: Names, before: _Reading, after: _Reading, about: _Instruction,
         event: Any = None) -> Row:
    """The row of an instruction, or of an event in front of or behind it."""
    address = about.address if event is None else int(event["from"])
    cpl = about.cpl if event is None else int(event["space"]) >> 2 & 3
    file, line = names.line(address, about.program) or (None, None)
    cycles, idle = after.cycle - before.cycle, after.idle - before.idle
    parts = [(end - start) & 0xFFFFFFFF for start, end in zip(before.causes, after.causes, strict=True)]
    causes = dict(zip(CAUSES, (cycles - idle - sum(parts), *parts), strict=True)) | {"idle": idle}
    count = about.instructions if event is None else int(event["instructions"])
    return Row(before.cycle, count, address, names.name(address, about.program), file, line,
               about.text if event is None else describe(event), event is not None, cpl, cycles, causes)


def describe(event: Any) -> str:
    """A CROSSING that is an event, in words: #PF error 4, IRQ 0 (vector 20h), INT 80h, idle."""
    kind, vector = Kind(event["kind"]), int(event["vector"])
    if kind == Kind.IDLE:
        return "idle"
    if kind == Kind.INTERRUPT:
        line = f"IRQ {event['line']}" if event["line"] != NO_LINE else "interrupt"
        return f"{line} (vector {vector:#04x}) after {int(event['waited'])} cycles"
    if kind == Kind.SOFTWARE:
        return f"INT {vector:#04x}"
    return exception_name(vector, int(event["error"]))
