"""The end of a run, for people (a line on standard error) and as JSON."""

from __future__ import annotations

import json
from typing import Any

from emu.cpu.x86 import Vector
from emu.machine import Machine
from emu.result import Reason, Result
from tools.exit_codes import ExitCode

LIMITS = {                      # the ends that the machine cannot name the place of, and what to do about them
    Reason.CYCLES: "raise --max-cycles to go on",
    Reason.INSTRUCTIONS: "raise --max-instructions to go on",
}
ADVICE = {                      # what to do about other ends, where the machine does not say it
    Reason.UNCLAIMED: "leave out --strict to go on",
    Reason.IDLE: "give the guest input, or a timer",
}
GATE_SIZE = 8                   # bytes of an IDT entry


def in_words(machine: Machine, result: Result, status: int) -> str:
    """The end as one line, more for a triple fault; "" for a guest that ended the machine itself."""
    reason = result.reason
    if reason == Reason.EXIT:
        return ""
    if reason == Reason.STOPPED:
        by = status.phrase if isinstance(status, ExitCode) else str(reason)
        return f"{by}: the guest was at {place(machine, result)}"
    if reason == Reason.UNTIL:
        return f"reached {place(machine, result)}"
    text = f"{reason}: {result.detail}"
    if reason in LIMITS:
        return f"{text}, at {place(machine, result)}: {LIMITS[reason]}"
    if reason == Reason.TRIPLE_FAULT:
        return f"{text}\n{_shutdown(machine, result)}"
    return f"{text}: {ADVICE[reason]}" if reason in ADVICE else text


def place(machine: Machine, result: Result) -> str:
    """Where the guest is: symbol and offset, ring, cycle."""
    return f"{result.where}, ring {machine.cpu.cpl}, cycle {result.cycles:,}"


def as_json(machine: Machine, result: Result, status: int, seconds: float) -> str:
    """The end report: all but `host_seconds` and `host_mips` is the same in every run."""
    image = machine.image
    report: dict[str, Any] = {
        "status": int(status),
        **result.as_dict(),
        "trap_names": {str(vector): Vector(vector).name for vector in result.traps if vector in set(Vector)},
        "ring": machine.cpu.cpl,
        "host_seconds": seconds,
        "host_mips": result.instructions / seconds / 1e6,
        "image": image.name if image else None,
        "digest": image.digest if image else None,
        "cpu": machine.profile.name,
        "clock_hz": machine.profile.clock,
        "memory": machine.ram.size,
        **({"network": machine.network.describe()} if machine.network else {}),
        "console": _text(machine.console),
        "debug_console": _text(machine.debug_console),
    }
    return json.dumps(report, indent=2)


def _text(data: bytearray) -> str:
    return data.decode("utf-8", "backslashreplace")


def _shutdown(machine: Machine, result: Result) -> str:
    """The registers at a triple fault, the exceptions before it, and the likely cause."""
    registers = machine.cpu.registers.snapshot()

    def row(*names: str) -> str:
        return "  " + "  ".join(f"{name} {registers[name]:08x}" for name in names)

    exceptions = [f"{Vector(vector).name} {count}" for vector, count in result.traps.items() if vector in set(Vector)]
    return "\n".join([
        row("eax", "ebx", "ecx", "edx"),
        row("esi", "edi", "ebp", "esp"),
        row("eip", "eflags", "cr2", "tr"),
        row("cr0", "cr3", "cr4", "cs", "ss"),
        row("gdtr.base", "gdtr.limit", "idtr.base", "idtr.limit"),
        f"  ring {machine.cpu.cpl}, cycle {result.cycles:,}; delivered before: {', '.join(exceptions) or 'nothing'}",
        f"  {_cause(registers['idtr.limit'])}",
    ])


def _cause(idt_limit: int) -> str:
    """What to look at first."""
    if idt_limit < GATE_SIZE * (Vector.DF + 1) - 1:
        return "the IDT has no gate for a double fault (vector 8): load a whole one with LIDT before anything can fault"
    return "look at the gate of vector 8 in the IDT, and at the stack that the TSS names for ring 0"
