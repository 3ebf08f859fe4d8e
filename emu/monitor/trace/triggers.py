"""Triggers: events of a run at which something begins or ends, and running a machine up to them.

A trigger is PLACE (an address, SYMBOL, SYMBOL+0x12 or PROGRAM:SYMBOL), "vector N" or "#PF" (an exception, INT n or
interrupt that has been delivered), "irq N", "cycle N" or "instruction N" (since power-on). A run gets exactly there: in
front of the instruction at that place, in front of the handler's first instruction, to the first instruction behind
that cycle. It runs in pieces for that, which is the same run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emu.cpu.x86 import Vector
from emu.monitor.inspect.threads import current, is_known
from emu.monitor.names import Names
from emu.result import Reason, Result

if TYPE_CHECKING:
    from emu.machine import Machine

VECTORS = {f"#{vector.name}".lower(): int(vector) for vector in Vector}
COUNTED = {"vector": 256, "irq": 16, "cycle": 1 << 62, "instruction": 1 << 62}      # words before a number; its limit
EVERY_VECTOR = frozenset(range(256))


class TriggerError(ValueError):
    """A trigger that makes no sense: one line."""


@dataclass(frozen=True)
class Trigger:
    """An event of a run. One of the numbers is given."""

    text: str                           # as it was given
    address: int | None = None          # linear
    program: str = ""                   # it counts only while this program runs
    vector: int | None = None
    line: int | None = None             # of an external interrupt
    cycle: int | None = None
    instruction: int | None = None

    @property
    def is_once(self) -> bool:
        """Whether it happens once in a run."""
        return self.cycle is not None or self.instruction is not None


def trigger(text: str, names: Names) -> Trigger:
    """The trigger that `text` describes. Raises TriggerError."""
    text = " ".join(text.split())
    if text.lower() in VECTORS:
        return Trigger(text, vector=VECTORS[text.lower()])
    counted = re.fullmatch(rf"({'|'.join(COUNTED)}) (\w+)", text)
    if not counted:
        try:
            address, program = names.resolve(text)
        except ValueError as error:
            raise TriggerError(f"{error} (or 'vector N', '#PF', 'irq N', 'cycle N', 'instruction N')") from None
        return Trigger(text, address=address, program=program)
    word, most = counted[1], COUNTED[counted[1]]
    try:
        value = int(counted[2].replace("_", ""), 0)
    except ValueError:
        value = -1
    if not 0 <= value < most:
        raise TriggerError(f"{text!r}: give {word} a number from 0 to {most - 1}")
    numbers: dict[str, Any] = {"line" if word == "irq" else word: value}
    return Trigger(text, **numbers)


class Run:
    """A run in pieces that is, as a whole, one with these limits."""

    def __init__(self, machine: Machine, max_cycles: int | None, max_instructions: int | None,
                 until: int | str | Iterable[int | str] | None) -> None:
        state = machine.cpu.state
        self._machine = machine
        self._limits = max_cycles, max_instructions
        self._last_cycle = None if max_cycles is None else state.cycles + max_cycles
        self._last = None if max_instructions is None else state.instructions + max_instructions
        places = [until] if isinstance(until, int | str) else until or ()
        self._until = frozenset(map(machine.address, places))
        self.result: Result | None = None       # how the run ended; None while it goes on

    def ended(self) -> Result:
        """How it ended; if it did not, that it got where it was to."""
        machine = self._machine
        return self.result or Result(Reason.UNTIL, "", None, machine.cpu.linear_eip, machine.where(), machine.counters)

    def is_at(self, event: Trigger | None) -> bool:
        """Whether it stands at that event already, or behind it. No event: it does."""
        state = self._machine.cpu.state
        if event is None:
            return True
        if event.address is not None:
            return self._machine.cpu.linear_eip == event.address and self._is_program(event)
        return ((event.cycle is not None and state.cycles >= event.cycle)
                or (event.instruction is not None and state.instructions >= event.instruction))

    def to(self, event: Trigger | None) -> bool:
        """Run on to an event, or with None to the end. True if the event came, False if the run has ended."""
        machine, state = self._machine, self._machine.cpu.state
        if event and event.address is None and self.is_at(event):
            return True
        places = self._until | ({event.address} if event and event.address is not None else set())
        vectors = self._vectors(event)
        while self.result is None:
            accepted = list(machine.irqs)
            cycle, instruction = (event.cycle, event.instruction) if event else (None, None)
            result = machine.run(max_cycles=_left(state.cycles, self._last_cycle, cycle),
                                 max_instructions=_left(state.instructions, self._last, instruction),
                                 until=places, vectors=vectors)
            here = machine.cpu.linear_eip
            if event and self._has_come(event, result, accepted):
                return True
            if result.reason == Reason.VECTOR or (result.reason == Reason.UNTIL and here not in self._until):
                continue                                # of another program, or another interrupt
            details = {Reason.CYCLES: f"{self._limits[0]} cycles have passed",
                       Reason.INSTRUCTIONS: f"{self._limits[1]} instructions have run"}
            self.result = replace(result, detail=details.get(result.reason, result.detail))
        return False

    def _has_come(self, event: Trigger, result: Result, accepted: list[int]) -> bool:
        machine = self._machine
        if result.reason == Reason.VECTOR:
            return event.line is None or machine.irqs[event.line] > accepted[event.line]
        if result.reason == Reason.UNTIL:
            return self.is_at(event)
        limited = Reason.CYCLES if event.cycle is not None else Reason.INSTRUCTIONS
        return result.reason == limited and event.address is None and self.is_at(event)

    def _vectors(self, event: Trigger | None) -> frozenset[int]:
        if event is None or (event.vector is None and event.line is None):
            return frozenset()
        return EVERY_VECTOR if event.vector is None else frozenset((event.vector,))

    def _is_program(self, event: Trigger) -> bool:
        if not event.program or not is_known(self._machine):
            return True
        thread = current(self._machine)
        return thread is not None and thread.name == event.program


def _left(now: int, *ends: int | None) -> int | None:
    """How many are left to the first of these ends."""
    left = [end - now for end in ends if end is not None]
    return max(min(left), 0) if left else None
