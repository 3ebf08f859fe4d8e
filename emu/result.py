"""How a run ended, and the counts that go with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why `Machine.run` came back."""

    EXIT = "exit"                           # the guest ended the machine (port F4h)
    CYCLES = "cycle limit"
    INSTRUCTIONS = "instruction limit"
    UNTIL = "until"                         # in front of an address that was asked for
    TRIPLE_FAULT = "triple fault"           # shutdown: an exception while a double fault was being delivered
    HALTED = "halted"                       # HLT with interrupts disabled: nothing can wake the processor
    IDLE = "idle"                           # HLT with interrupts enabled, but no device has anything to come
    RESET = "reset"                         # the guest asked the keyboard controller for a reset
    UNCLAIMED = "unclaimed"                 # strict: an access where no device is
    UNSUPPORTED = "unsupported"             # a processor feature that is not modelled
    STOPPED = "stopped"                     # `Machine.stop` was called


@dataclass(frozen=True)
class Result:
    """The end of a run."""

    reason: Reason
    detail: str                             # one line for people: what, where, what to do; or ""
    exit_code: int | None                   # what the guest wrote to port F4h; None if it did not end the machine
    cycles: int                             # the clock: cycles since power-on
    idle_cycles: int                        # of these, spent halted
    instructions: int                       # retired since power-on
    eip: int                                # linear address of the next instruction
    where: str                              # the same as symbol+offset
    traps: dict[int, int] = field(default_factory=dict)     # vector -> exceptions, software and external interrupts
    irqs: dict[int, int] = field(default_factory=dict)      # IRQ line -> interrupts accepted
    io_accesses: int = 0                    # port and device-memory accesses

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self) | {"reason": str(self.reason)}
