"""How the formats call things: threads, programs, places, crossings."""

from __future__ import annotations

from typing import Any

from emu.crossings import NO_LINE, Kind
from emu.monitor.names import exception_name
from emu.monitor.trace.file import Trace

CR3 = 0xFFFFF000            # of `space`
LINES = {0: "timer", 1: "keyboard", 4: "COM1", 8: "clock"}      # what is on the board's interrupt lines
BY_NAME = {Kind.CALL_GATE: "call gate", Kind.OTHER: "other way"}     # the others are called as their Kind


class Labels:
    """The names that a trace has for what its records mention."""

    def __init__(self, trace: Trace) -> None:
        self._names = trace.names
        self._threads = trace.end.threads
        self._spaces = trace.end.spaces
        self._functions: dict[tuple[int, int], tuple[str, int]] = {}

    def thread(self, key: int) -> str:
        """A thread by the `thread` of a record; "start" before there are any."""
        return self._threads.get(key) or (f"{key:#x}" if key else "start")

    def program(self, space: int) -> str:
        """The program in an address space, "" if it is not known."""
        return self._spaces.get(space & CR3, "")

    def place(self, address: int, space: int) -> str:
        """An address as symbol+0x12, PROGRAM:symbol+0x12 or plain hexadecimal."""
        return self._names.name(address, self.program(space))

    def function(self, address: int, space: int) -> tuple[str, int]:
        """(name, start) of the symbol that covers an address; what has no symbol is one function, "?", at 0."""
        key = address, space & CR3
        if key not in self._functions:
            found = self._names.find(address, self.program(space))
            self._functions[key] = (found[1], address - found[2]) if found else ("?", 0)
        return self._functions[key]

    def crossing(self, record: Any) -> str:
        """What a crossing is: IRQ0 timer, #PF error 0x4, int 0x80, sysenter, iret, mark ..."""
        kind, vector = Kind(record["kind"]), int(record["vector"])
        if kind == Kind.INTERRUPT:
            line = int(record["line"])
            return f"vector {vector:#04x}" if line == NO_LINE else f"IRQ{line} {LINES.get(line, '')}".rstrip()
        if kind == Kind.SOFTWARE:
            return f"int {vector:#04x}"
        if kind == Kind.EXCEPTION:
            return exception_name(vector, int(record["error"]))
        return BY_NAME.get(kind, kind.name.lower())


def rings(space: int) -> tuple[int, int]:
    """(CPL before a crossing, CPL behind it), from Bits.FROM and Bits.TO."""
    return space >> 2 & 3, space & 3
