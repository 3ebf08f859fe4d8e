"""How a run ended, and the counts that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:                           # so that a command line can name reasons without loading the machine
    from emu.counters import Counters


class Reason(StrEnum):
    """Why `Machine.run` came back."""

    EXIT = "exit"                           # the guest ended the machine (port F4h)
    CYCLES = "cycle limit"
    INSTRUCTIONS = "instruction limit"
    UNTIL = "until"                         # in front of an address that was asked for
    VECTOR = "vector"                       # behind the delivery of an exception or interrupt that was asked for
    TRIPLE_FAULT = "triple fault"           # shutdown: an exception while a double fault was being delivered
    HALTED = "halted"                       # HLT with interrupts disabled: nothing can wake the processor
    IDLE = "idle"                           # HLT with interrupts enabled, but no device has anything to come
    RESET = "reset"                         # the guest asked the keyboard controller for a reset
    UNCLAIMED = "unclaimed"                 # strict: an access where no device is
    UNSUPPORTED = "unsupported"             # a processor feature that is not modelled
    STOPPED = "stopped"                     # `Machine.stop` was called


@dataclass(frozen=True)
class Result:
    """The end of a run. Counts and cycles are since power-on."""

    reason: Reason
    detail: str                             # one line for people: what, where, what to do; or ""
    exit_code: int | None                   # what the guest wrote to port F4h; None if it did not end the machine
    eip: int                                # linear address of the next instruction
    where: str                              # the same as symbol+offset
    counters: Counters                      # everything that was counted; the most wanted have properties here

    @property
    def cycles(self) -> int:
        """The clock."""
        return self.counters.cycles

    @property
    def idle_cycles(self) -> int:
        """Cycles spent halted."""
        return self.counters.idle_cycles

    @property
    def instructions(self) -> int:
        """Instructions retired."""
        return self.counters.instructions

    @property
    def io_accesses(self) -> int:
        """Accesses to ports and to devices in memory."""
        return self.counters.io_accesses

    @property
    def traps(self) -> Mapping[int, int]:
        """Exceptions, software and external interrupts delivered, by vector."""
        return self.counters.traps

    @property
    def irqs(self) -> Mapping[int, int]:
        """Interrupts accepted, by IRQ line."""
        return self.counters.irqs

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON, counters and all else in one object."""
        return {"reason": str(self.reason), "detail": self.detail, "exit_code": self.exit_code,
                **self.counters.as_dict(), "eip": self.eip, "where": self.where}
