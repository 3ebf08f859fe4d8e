"""Address spaces: the page tables as they stand in memory, and the machine's TLB, which may know older ones.

Source: Intel manual volume 3, section 3.6 (two levels, 4 KiB and 4 MiB pages).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.cpu.x86 import CR0_PG, CR4_PGE, CR4_PSE, PDE_PS, PTE_A, PTE_D, PTE_G, PTE_P, PTE_U, PTE_W
from emu.machine import Machine
from emu.memory import PAGE
from emu.monitor.inspect.plain import Plain

LARGE = 1 << 22             # bytes of a large page
BITS = {PTE_P: "P", PTE_W: "W", PTE_U: "U", PTE_A: "A", PTE_D: "D", PDE_PS: "PS", PTE_G: "G"}


@dataclass(frozen=True)
class Entry(Plain):
    """An entry of a page directory or page table."""

    at: int                 # its physical address
    value: int              # 32 bits
    bits: str               # those that are set, by Intel's names


@dataclass(frozen=True)
class Walk(Plain):
    """What a page walk for one linear address finds."""

    linear: int             # the address
    entries: list[Entry]    # directory entry, table entry; none with paging off
    physical: int | None    # where it leads; None: no page is there
    size: int               # bytes of the page, 0 if there is none
    writable: bool          # at CPL 3; in ring 0 only CR0.WP makes it count
    user: bool              # CPL 3 may access it


@dataclass(frozen=True)
class Range(Plain):
    """Pages that follow each other and have the same rights."""

    start: int              # linear address of the first
    size: int               # bytes
    physical: int | None    # where it begins in physical memory; None if it lies there in pieces
    writable: bool          # see Walk
    user: bool


@dataclass(frozen=True)
class Translation(Plain):
    """One page that the machine's TLB holds."""

    linear: int             # of the page
    physical: int
    writable: bool
    user: bool
    dirty: bool
    large: bool             # part of a 4 MiB page
    global_: bool           # stays when CR3 is loaded
    stale: bool             # the page tables say something else by now


class AddressSpace:
    """Linear memory as one page directory shows it."""

    def __init__(self, machine: Machine, cr3: int | None = None) -> None:
        """`cr3`: the directory's physical address; None means the one that is loaded."""
        registers = machine.cpu.registers
        self._ram = machine.ram
        self._mask = machine.cpu.state.a20_mask
        self.cr3 = registers.cr3 if cr3 is None else cr3
        self.paged = bool(registers.cr0 & CR0_PG)
        self._large = bool(registers.cr4 & CR4_PSE)

    def walk(self, linear: int) -> Walk:
        """Follow the page tables for a linear address."""
        linear &= 0xFFFFFFFF
        if not self.paged:
            return Walk(linear, [], linear & self._mask, PAGE, True, True)
        directory = self._entry((self.cr3 & 0xFFFFF000) + (linear >> 22) * 4, table=False)
        value = directory.value
        if not value & PTE_P:
            return Walk(linear, [directory], None, 0, False, False)
        if value & PDE_PS and self._large:
            physical = (value & 0xFFC00000 | linear & 0x3FFFFF) & self._mask
            return Walk(linear, [directory], physical, LARGE, bool(value & PTE_W), bool(value & PTE_U))
        table = self._entry((value & 0xFFFFF000) + (linear >> 12 & 0x3FF) * 4, table=True)
        if not table.value & PTE_P:
            return Walk(linear, [directory, table], None, 0, False, False)
        rights = value & table.value
        physical = (table.value & 0xFFFFF000 | linear & 0xFFF) & self._mask
        return Walk(linear, [directory, table], physical, PAGE, bool(rights & PTE_W), bool(rights & PTE_U))

    def read(self, linear: int, size: int) -> bytes:
        """Up to `size` bytes of RAM; fewer if a page is missing or leads outside RAM."""
        data = b""
        while len(data) < size:
            at = linear + len(data) & 0xFFFFFFFF
            physical = self.walk(at).physical
            if physical is None or physical >= self._ram.size:
                break
            data += self._ram.read(physical, min(size - len(data), PAGE - at % PAGE, self._ram.size - physical))
        return data

    def word(self, linear: int) -> int | None:
        """The doubleword at a linear address, None if it is not, or not wholly, in RAM."""
        data = self.read(linear, 4)
        return int.from_bytes(data, "little") if len(data) == 4 else None

    def ranges(self) -> list[Range]:
        """The whole space: pages with the same rights merged. Empty with paging off."""
        found: list[Range] = []
        for linear, size, physical, writable, user in self._pages():
            last = found[-1] if found else None
            if last and last.start + last.size == linear and (last.writable, last.user) == (writable, user):
                follows = last.physical is not None and last.physical + last.size == physical
                found[-1] = Range(last.start, last.size + size, last.physical if follows else None, writable, user)
            else:
                found.append(Range(linear, size, physical, writable, user))
        return found

    def _pages(self) -> Iterator[tuple[int, int, int, bool, bool]]:
        """(linear, size, physical, writable, user) of every page that is there."""
        if not self.paged:
            return
        for index, upper in enumerate(self._table(self.cr3)):
            if not upper & PTE_P:
                continue
            if upper & PDE_PS and self._large:
                yield index << 22, LARGE, upper & 0xFFC00000, bool(upper & PTE_W), bool(upper & PTE_U)
                continue
            for below, lower in enumerate(self._table(upper)):
                if lower & PTE_P:
                    rights = upper & lower
                    yield (index << 22 | below << 12, PAGE, lower & 0xFFFFF000, bool(rights & PTE_W),
                           bool(rights & PTE_U))

    def _table(self, entry: int) -> list[int]:
        """The 1,024 entries of the directory or table that an entry or CR3 leads to; none outside RAM."""
        at = entry & 0xFFFFF000 & self._mask
        if at + PAGE > self._ram.size:
            return []
        words: list[int] = self._ram.bytes[at:at + PAGE].view(np.uint32).tolist()
        return words

    def _entry(self, at: int, table: bool) -> Entry:
        at &= self._mask
        inside = at + 4 <= self._ram.size
        value = int.from_bytes(self._ram.read(at, 4), "little") if inside else 0xFFFFFFFF
        names = [name for bit, name in BITS.items() if value & bit and not (table and bit == PDE_PS)]
        return Entry(at, value, " ".join(names))


def translations(machine: Machine) -> list[Translation]:
    """What the machine's TLB holds, by linear address: all that was translated since it was last emptied."""
    state = machine.cpu.state
    space = AddressSpace(machine)
    words = _tlb(machine)
    has_global = bool(machine.cpu.registers.cr4 & CR4_PGE)
    found = []
    for page in np.nonzero(words >> 32 == state.epoch)[0].tolist():
        word, linear = int(words[page]), page << 12
        physical, writable, user = word & 0xFFFFF000, bool(word & PTE_W), bool(word & PTE_U)
        now = space.walk(linear)
        stale = (now.physical, now.writable, now.user) != (physical, writable, user)
        found.append(Translation(linear, physical, writable, user, bool(word & PTE_D), bool(word & PDE_PS),
                                 has_global and bool(word & PTE_G), stale))
    return found


def held(machine: Machine, linear: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What the machine's TLB holds of many pages, as page-table entries; 0 for those that it does not hold."""
    words = _tlb(machine)
    if not len(words):
        return np.zeros(len(linear), np.uint32)
    found = words[linear >> np.uint32(12)]
    entries: NDArray[np.uint32] = np.where(found >> 32 == machine.cpu.state.epoch, found | PTE_P, 0).astype(np.uint32)
    return entries


def _tlb(machine: Machine) -> NDArray[np.int64]:
    """The TLB's words, by page number; none if paging is off or CR3 has just been loaded."""
    state, registers = machine.cpu.state, machine.cpu.registers
    if not registers.cr0 & CR0_PG or state.tlb_cr3 != registers.cr3:
        return np.zeros(0, np.int64)
    words: NDArray[np.int64] = np.ctypeslib.as_array((ctypes.c_int64 * (1 << 20)).from_address(state.tlb))
    return words
