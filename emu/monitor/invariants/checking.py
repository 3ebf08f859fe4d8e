"""Running a microkernel under its invariants."""

from __future__ import annotations

from collections.abc import Iterator

from emu.cpu.x86 import IF
from emu.decoding import decode
from emu.machine import Machine
from emu.monitor.inspect import micro
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.threads import UnknownKernel, kind
from emu.monitor.invariants import extensions, interrupts, processor, queues, threads, translations
from emu.monitor.invariants.frames import Ledger
from emu.monitor.invariants.mappings import Database
from emu.monitor.invariants.state import State
from emu.result import Reason, Result
from guest.abi.memory import Memory

LEAVES = ("iretd", "sysexit", "hlt")        # instructions with which the kernel lets somebody or something go on
FULL = 100                                  # checks to one of all memory
SHOWN = 12                                  # faults of one moment that are shown


class BrokenInvariant(AssertionError):
    """Something does not hold: where the machine stands, and a line for each fault."""


class Invariants:
    """The invariants of one machine's microkernel."""

    def __init__(self, machine: Machine) -> None:
        """Raises UnknownKernel if the image is no microkernel on guest.abi."""
        if kind(machine) is not micro or machine.image is None:
            name = machine.image.name if machine.image else "no image"
            raise UnknownKernel(f"{name}: the invariants are those of the microkernel (guest/kernel/l4.toml, uls.toml)")
        self._machine = machine
        self._symbols = dict(machine.image.symbols.items())
        self._leaves = dict(_leaves(machine, self._symbols))
        self._database = Database()
        self._ledger = Ledger()
        self.checks = 0                     # how often they have been checked

    def broken(self, *, memory: bool = True) -> list[str]:
        """What does not hold now: a line each. The machine must stand where the kernel lets somebody go on.

        Without `memory` the frames of the kernel's memory are not accounted for, which takes the longest.
        """
        state = State(self._machine, self._symbols)
        self.checks += 1
        found = [*threads.broken(state), *queues.broken(state), *processor.broken(state), *interrupts.broken(state),
                 *self._database.broken(state), *translations.broken(state, self._database.pages),
                 *extensions.broken(state)]
        if memory and not found and self._database.mappings:
            found += self._ledger.broken(state, self._database.mappings)
        return found

    def check(self, *, memory: bool = True) -> None:
        """Raise BrokenInvariant if something does not hold."""
        found = self.broken(memory=memory)
        if found:
            more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
            cpu = self._machine.cpu
            title = f"at {self._machine.where()}, cycle {cpu.state.cycles:,}, instruction {cpu.state.instructions:,}"
            raise BrokenInvariant("\n  ".join([title, *found[:SHOWN], *more]))

    def run(self, crossings: int, *, every: int = 1) -> Result:
        """Run until the kernel has let somebody go on so many times, and check each of these, or one in `every`; of
        these again one in FULL with its memory.

        Raises BrokenInvariant at the first that fails. The machine then stands right there, and can be looked at.
        """
        machine = self._machine
        left = crossings
        while True:
            result = machine.run(until=self._leaves)
            if result.reason != Reason.UNTIL:
                return result
            if self._goes_on():
                left -= 1
                if left % every == 0:
                    self.check(memory=left == 0 or self.checks % FULL == 0)
                if left == 0:
                    return result

    def _goes_on(self) -> bool:
        """Whether the instruction at EIP, one of LEAVES, leads to user mode, or makes the processor wait."""
        machine = self._machine
        name = self._leaves[machine.cpu.linear_eip]
        if name == "iretd":
            cs = AddressSpace(machine).word(machine.cpu.registers.esp + 4) or 0
            return cs & 3 == 3
        return name != "hlt" or bool(machine.cpu.registers.eflags & IF)


def _leaves(machine: Machine, symbols: dict[str, int]) -> Iterator[tuple[int, str]]:
    """(address, name) of the instructions in the kernel with which it lets somebody go on."""
    start, end = symbols["__text_start"], symbols["__text_end"]
    for each in decode(machine.ram.read(start - Memory.KERNEL_BASE, end - start), start):
        if each.name in LEAVES:
            yield each.address, each.name

