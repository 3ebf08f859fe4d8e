"""A debugging session: one machine, its timeline and breakpoints, and what has been shown of it."""

from __future__ import annotations

from typing import Any

from emu.counters import Counters
from emu.decoding import Instruction
from emu.machine import Machine
from emu.monitor.inspect import code, threads
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.stops.breakpoints import Breakpoints, Stop
from emu.monitor.stops.expressions import evaluate
from emu.result import Reason
from tools.exit_codes import exit_code
from tools.serial import timeline_of


class Session:
    """What commands work on."""

    def __init__(self, machine: Machine, sources: tuple[str, ...] = ()) -> None:
        """`sources`: directories in which source files are looked for."""
        self.machine = machine
        self.timeline = timeline_of(machine)
        self.points = Breakpoints(self.timeline)
        self.sources = sources
        self.last_stop: Stop | None = None
        self.listed: tuple[str, int] | None = None          # source file, and the next line to show
        self.counted = Counters()                           # the counters when they were shown last
        self.repeated = ""                                  # what an empty line means
        self._heard = 0                                     # bytes of the console that have been shown

    def heard(self) -> str:
        """What the guest has written to its console and nobody has been shown."""
        text = bytes(self.machine.console[self._heard:]).decode("utf-8", "replace")
        self._heard = max(self._heard, len(self.machine.console))
        return text

    @property
    def status(self) -> int:
        """The exit code of a session that ends here: the guest's own if it has ended the machine, else 0."""
        last = self.last_stop
        return exit_code(last.result) if last and last.result.reason == Reason.EXIT else 0

    @property
    def program(self) -> str | None:
        """The program whose names count: that of the running thread."""
        running_now = threads.on_stack(self.machine)
        return running_now.name if running_now else None

    @property
    def names(self) -> code.Names:
        """Symbols and source lines, as the running thread sees them."""
        return code.Names(self.machine, self.program)

    @property
    def space(self) -> AddressSpace:
        """The address space that is loaded."""
        return AddressSpace(self.machine)

    def instruction(self) -> Instruction | None:
        """The next instruction; None where there is none."""
        found = code.instructions(self.space, self.machine.cpu.linear_eip, 1, code.code_bits(self.machine))
        return found[0] if found else None

    def value(self, text: str) -> int:
        """The value of an expression. Raises ExpressionError."""
        return evaluate(text, self.machine)

    def where(self) -> dict[str, Any]:
        """Where the machine stands."""
        machine = self.machine
        lines = code.disassemble(machine, machine.cpu.linear_eip, 1, names=self.names)
        here = lines[0] if lines else None
        position = self.timeline.position
        running_now = threads.on_stack(machine)
        return {"eip": machine.cpu.linear_eip, "name": self.names.name(machine.cpu.linear_eip), "cpl": machine.cpu.cpl,
                "thread": f"{running_now.name} ({running_now.number})" if running_now else None,
                "cycle": position.cycles, "instructions": position.instructions,
                "instruction": here.text if here else None, "cost": here.cycles if here else None,
                "file": here.file if here else None, "line": here.line if here else None,
                "halted": machine.halted}
