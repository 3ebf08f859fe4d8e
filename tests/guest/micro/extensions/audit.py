"""The kernel's accounts, read from outside; and the same accounts kept by the host, which asks the kernel for nothing.

The host marks each RDTSC of account.asm: the record of a mark says at which cycle it was, and whose processor it was by
ESP0 in the TSS. So the cycles between two marks belong to the thread of the second, whatever the kernel made of them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from emu.decoding import decode
from emu.machine import Machine
from emu.monitor.inspect import micro
from emu.monitor.invariants.state import State
from guest.abi.memory import Memory
from guest.abi.micro import MicroSize

KERNEL_BASE = int(Memory.KERNEL_BASE)
CHARGES = ("account_charge", "account_end")     # routines that take the time, and charge the current thread for it
LONGEST = 32                                    # bytes to the RDTSC


class Accounts:
    """What the kernel has written down."""

    def __init__(self, machine: Machine) -> None:
        assert machine.image is not None
        self._machine = machine
        self._symbols = dict(machine.image.symbols.items())

    def _variable(self, name: str) -> int:
        at = self._symbols[name] - KERNEL_BASE
        return int.from_bytes(self._machine.ram.read(at, 8), "little")

    @property
    def elapsed(self) -> int:
        """Cycles from the start of accounting to the last change of the current thread."""
        return self._variable("account_last") - self._variable("account_start")

    @property
    def last(self) -> int:
        """When that was."""
        return self._variable("account_last")

    @property
    def gone(self) -> int:
        """Cycles of threads that are no more."""
        return self._variable("account_gone")

    def threads(self) -> dict[int, tuple[int, int]]:
        """(used, donated) of each thread by the address of its KTCB, the idle thread's among them."""
        state = State(self._machine, self._symbols)
        idle = self._symbols["idle_ktcb"]
        blocks = {int(at): block for at, block in zip(state.at, state.threads, strict=True)}
        blocks[idle] = micro.blocks(self._machine, np.array([idle], np.uint32))[0]
        return {at: (_both(block, "used"), _both(block, "donated")) for at, block in blocks.items()}

    def by_number(self) -> dict[int, tuple[int, int]]:
        """The same of the programs' threads, by their numbers."""
        threads, state = self.threads(), State(self._machine, self._symbols)
        return {number: threads[at] for number, at in zip(state.numbers.tolist(), state.at.tolist(), strict=True)}

    def check(self) -> None:
        """The law."""
        assert sum(map(sum, self.threads().values())) + self.gone == self.elapsed


class Ledger:
    """What the host sees from now on: cycles by the KTCB of the current thread. It is a Monitor's sink."""

    def __init__(self, machine: Machine) -> None:
        assert machine.image is not None
        symbols = dict(machine.image.symbols.items())
        accounts = Accounts(machine)
        self._charge, self._end = (_rdtsc(machine, symbols[name]) for name in CHARGES)
        self._idle = symbols["idle_ktcb"]
        self._ended: int | None = None              # KTCB of the current thread, if it has just ended itself
        self.places = [self._charge, self._end]     # for the Monitor's marks
        self.last = accounts.last
        self.gone = accounts.gone
        self.cycles = Counter({at: used + donated for at, (used, donated) in accounts.threads().items()})

    def crossings(self, records: Any) -> None:
        """Some records."""
        marks = records[np.isin(records["to"], self.places)]
        for place, cycle, esp0 in zip(*(marks[name].tolist() for name in ("to", "cycle", "thread")), strict=True):
            thread, cycles, self.last = esp0 - MicroSize.KTCB_TOP, cycle - self.last, cycle
            if place == self._end:
                self.gone += cycles
                self._ended = thread
            else:                                   # from its end to the next thread nobody is current
                self.cycles[self._idle if thread == self._ended else thread] += cycles
                self._ended = None

    def blocks(self, records: Any) -> None:
        """There are none."""

    def end(self, thread: int) -> None:
        """The thread with this KTCB is ended, by itself or another one."""
        self.gone += self.cycles.pop(thread, 0)


def _both(block: Any, name: str) -> int:
    return int(block[f"{name}_low"]) | int(block[f"{name}_high"]) << 32


def _rdtsc(machine: Machine, routine: int) -> int:
    """The address of the RDTSC in a routine."""
    code = machine.ram.read(routine - KERNEL_BASE, LONGEST)
    return next(each.address for each in decode(code, routine) if each.name == "rdtsc")
