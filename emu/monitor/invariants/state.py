"""The kernel's objects at one moment, as arrays: what the files with the invariants look at."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.cpu.x86 import PTE_P, PTE_U, PTE_W
from emu.machine import Machine
from emu.monitor.inspect import micro
from emu.monitor.inspect.tables import thread_key
from guest.abi.memory import Memory
from guest.abi.micro import KIP, KTCB, KipFeature, MicroSize, ThreadId

KERNEL_BASE = int(Memory.KERNEL_BASE)
PAGE = 4096
FRAME = np.uint32(0xFFFFF000)
PRESENT, WRITABLE, USER = int(PTE_P), int(PTE_W), int(PTE_U)        # of page-table entries
ID_SHIFT = np.uint32(ThreadId.ID_SHIFT)
IDLE = -2                   # where a row of a thread is expected: the idle thread's
NOBODY = -1                 # likewise: no thread's

Words = NDArray[np.uint32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


class State:
    """One moment of a machine with a microkernel. A thread is a row of `threads`, wherever an index is meant."""

    def __init__(self, machine: Machine, symbols: dict[str, int]) -> None:
        """`symbols`: the addresses of the kernel's symbols."""
        self.machine = machine
        self.symbols = symbols
        self.ram: Words = machine.ram.bytes[:machine.ram.size & ~3].view(np.uint32)
        self.kip = KIP.decode(machine.ram.read(symbols["kip"] - KERNEL_BASE, KIP.size))
        self.uls = bool(self.kip.features & KipFeature.KIP_ULS)
        table = self.words(symbols["thread_table"], self.kip.threads)
        self.numbers: Rows = np.nonzero(table != symbols["nil_ktcb"])[0]        # of each thread, ascending
        self.at: Words = table[self.numbers]                                    # addresses of their KTCBs
        self.threads = micro.blocks(machine, self.at)
        self._order = np.argsort(self.at)
        self._sorted = self.at[self._order]

    # Memory

    def words(self, linear: int, count: int) -> Words:
        """`count` words of the window."""
        first = linear - KERNEL_BASE >> 2
        return self.ram[first:first + count]

    def word(self, linear: int) -> int:
        """A word of the window, 0 outside RAM."""
        at = linear - KERNEL_BASE >> 2
        return int(self.ram[at]) if 0 <= at < len(self.ram) else 0

    def gather(self, linear: Words) -> Words:
        """The words at many addresses of the window, 0 for those outside RAM."""
        at = (linear.astype(np.int64) - KERNEL_BASE) >> 2
        inside = (at >= 0) & (at < len(self.ram))
        return np.where(inside, self.ram[np.where(inside, at, 0)], 0)

    def entries(self, space: Words, linear: Words) -> Words:
        """The page-table entries for addresses of spaces (physical addresses of directories), with no more rights than
        those of the directory; 0 for what is not there.
        """
        directory = self.gather(space + (linear >> np.uint32(22)) * np.uint32(4) + np.uint32(KERNEL_BASE))
        entry = self.gather((directory & FRAME) + (linear >> np.uint32(12) & np.uint32(0x3FF)) * np.uint32(4)
                            + np.uint32(KERNEL_BASE))
        both = entry & (directory | ~np.uint32(PRESENT | USER | WRITABLE))
        return np.where(both & np.uint32(PRESENT) != 0, both, 0)

    def variable(self, name: str) -> int:
        """The word at a symbol."""
        return self.word(self.symbols[name])

    # Threads

    def rows(self, addresses: Words) -> Rows:
        """The row of each KTCB address: IDLE for the idle thread's, NOBODY for what is no thread's."""
        place = np.minimum(np.searchsorted(self._sorted, addresses), len(self._sorted) - 1)
        found = np.where(self._sorted[place] == addresses, self._order[place], NOBODY)
        return np.where(addresses == self.symbols["idle_ktcb"], IDLE, found)

    def row(self, address: int) -> int:
        """The same of one address."""
        return int(self.rows(np.array([address], np.uint32))[0])

    def exists(self, identifiers: Words) -> Mask:
        """Whether each is the identifier of a thread, whatever its state."""
        row = np.minimum(np.searchsorted(self.numbers, identifiers >> ID_SHIFT), len(self.at) - 1)
        found: Mask = self.threads["id"][row] == identifiers
        return found

    def among(self, field: str, *values: int) -> Mask:
        """Which threads have one of these values in a field."""
        column = self.threads[field]
        found = column == values[0]
        for value in values[1:]:
            found |= column == value
        return found

    @cached_property
    def are_programs(self) -> Mask:
        """Which threads are programs', and no interrupt's."""
        return self.numbers >= int(ThreadId.FIRST_THREAD)

    @cached_property
    def current_at(self) -> int:
        """The KTCB of the current thread, by ESP0."""
        return thread_key(self.machine) - int(MicroSize.KTCB_TOP)

    @cached_property
    def current(self) -> int:
        """Its row."""
        return self.row(self.current_at)

    @cached_property
    def idle(self) -> Any:
        """The idle thread's KTCB."""
        return micro.blocks(self.machine, np.array([self.symbols["idle_ktcb"]], np.uint32))[0]

    @cached_property
    def nil(self) -> Any:
        """`nil_ktcb`."""
        return micro.blocks(self.machine, np.array([self.symbols["nil_ktcb"]], np.uint32))[0]

    def name(self, row: int) -> str:
        """A thread for people: "33.1"."""
        if row < 0:
            return "the idle thread" if row == IDLE else "nobody"
        return micro.identifier(int(self.threads["id"][row]))

    def each(self, wrong: Mask, text: str) -> Iterator[str]:
        """A line for each thread in a mask: "33.1: text", {names} being fields of its KTCB."""
        if wrong.any():
            for row in np.nonzero(wrong)[0].tolist():
                yield f"{self.name(row)}: {text.format_map(_Fields(self.threads[row]))}"


class _Fields(dict[str, str]):
    """The fields of a KTCB as text."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self._block = block

    def __missing__(self, name: str) -> str:
        value = int(self._block[name])
        field = next((field for field in KTCB.fields if field.name == name), None)
        word = next((member for member in field.word or () if member == value), None) if field else None
        return word.name if word is not None else f"{value:#x}"
