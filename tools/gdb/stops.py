"""Why and where the guest stands still, in gdb's words (Debugging with GDB, appendix E, "Stop Reply Packets")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from emu.machine import Machine
from emu.monitor.inspect.tables import thread_key
from emu.monitor.stops.watchpoints import Access, Hit
from emu.result import Reason, Result

FRAME = Struct("<5I")       # of an interrupt: EIP, CS, EFLAGS, and of an outer ring ESP, SS (volume 3A, figure 6-4)
SAME_RING = 12              # bytes of a frame without ESP and SS


class Signal(IntEnum):
    """Signals by gdb's numbers (include/gdb/signals.h)."""

    NONE = 0                # it just stands still
    INT = 2                 # Ctrl-C
    ILL = 4                 # what the machine does not model
    TRAP = 5                # a breakpoint, a step
    ABRT = 6                # the guest cannot go on
    SEGV = 11               # triple fault


DEADLY = {Reason.TRIPLE_FAULT: Signal.SEGV, Reason.UNSUPPORTED: Signal.ILL}     # other ends are Signal.ABRT
WATCHED = {Access.WRITE: "watch", Access.READ: "rwatch", Access.ANY: "awatch"}


@dataclass(frozen=True)
class Stopped:
    """A stop."""

    signal: Signal
    why: str = ""                   # stop reason as it stands in the packet: "swbreak:;"
    text: str = ""                  # one line for the person at gdb, or ""
    exit_code: int | None = None    # the guest has ended the machine


STEPPED = Stopped(Signal.TRAP)
INTERRUPTED = Stopped(Signal.INT)
BEGINNING = Stopped(Signal.TRAP, "replaylog:begin;")    # nobody goes farther back


def accessed(hits: Sequence[Hit]) -> Stopped:
    """The stop at an instruction that makes these watched accesses: at the first of them."""
    watch = hits[0].watch
    return Stopped(Signal.TRAP, f"{WATCHED[watch.access]}:{max(hits[0].linear, watch.linear):x};")


def ended(result: Result, stays: bool) -> Stopped:
    """The stop at the end of a run that is nobody's breakpoint; `stays`: the guest's own end is a stop like others."""
    if result.reason == Reason.STOPPED:
        return INTERRUPTED
    if result.reason != Reason.EXIT:
        return Stopped(DEADLY.get(result.reason, Signal.ABRT), text=f"{result.reason}: {result.detail}")
    if stays:
        return Stopped(Signal.ABRT, text=f"the guest has ended with exit code {result.exit_code}")
    return Stopped(Signal.NONE, exit_code=result.exit_code)


class Context(NamedTuple):
    """An instruction of a thread, to come back to."""

    eip: int                # linear
    esp: int
    thread: int             # key: ESP0
    cr3: int


def here(machine: Machine) -> Context:
    """Where the machine stands."""
    return Context(machine.cpu.linear_eip, machine.cpu.registers.esp, thread_key(machine), machine.cpu.registers.cr3)


def interrupted(machine: Machine, base: int) -> Context:
    """What the interrupt handler that is about to run will return to, in a code segment with that base."""
    registers, cpl = machine.cpu.registers, machine.cpu.cpl
    frame = machine.cpu.read_linear(registers.segment("ss").base + registers.esp, FRAME.size)
    eip, cs, _, esp, _ = FRAME.unpack(frame.ljust(FRAME.size, b"\0"))
    if cs & 3 == cpl:
        esp = registers.esp + SAME_RING
    return Context(base + eip & 0xFFFFFFFF, esp & 0xFFFFFFFF, thread_key(machine), registers.cr3)
