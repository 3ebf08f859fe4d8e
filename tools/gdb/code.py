"""The code of an ELF file, before it runs: its memory, its routines, and how each of them is entered."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from capstone import x86_const as x86

from emu.cpu.x86 import HAS_ERROR_CODE
from emu.decoding import Instruction, decode_detail
from emu.monitor.inspect.flow import Flow, Slot, State
from emu.monitor.inspect.tables import Gate, decode
from guest.abi.cpu import GATE, Msr
from loader.elf import SectionHeader, SectionType, read

EXECUTABLE = 4              # SHF_EXECINSTR, in sh_flags
START = 24                  # in the ELF header: where the file begins to run, u32 e_entry
WORD = 4                    # bytes


class Entry(NamedTuple):
    """A way into a routine."""

    address: int            # of its first instruction
    slot: Slot | None       # what lies on the stack then; None: nothing, nobody returns from here
    depth: int = 0          # bytes that lie above the slot: an error code


class Memory:
    """What a file puts into memory, by linear address."""

    def __init__(self, data: bytes, sections: list[SectionHeader]) -> None:
        self._data = data
        self._sections = [each for each in sections if each.addr and each.type != SectionType.NOBITS]

    def read(self, linear: int, size: int) -> bytes:
        """Up to `size` bytes, no farther than the end of a section; none where the file has none."""
        for each in self._sections:
            at = linear - each.addr
            if 0 <= at < each.size:
                return self._data[each.offset + at:each.offset + min(at + size, each.size)]
        return b""

    def word(self, linear: int) -> int | None:
        """The doubleword at an address, None if the file has none there."""
        data = self.read(linear, WORD)
        return int.from_bytes(data, "little") if len(data) == WORD else None


class Code:
    """The routines of a file."""

    def __init__(self, data: bytes) -> None:
        elf = read(data, "")
        sections = elf.sections.headers if elf.sections else []
        self._memory = Memory(data, sections)
        self._symbols = elf.symbols
        self._start, = struct.unpack_from("<I", data, START)
        self._spans = [(each.addr, each.addr + each.size) for each in sections if each.flags & EXECUTABLE]
        self.flow = Flow(self._memory)

    def entries(self) -> list[Entry]:
        """How each routine is entered, as far as the code tells.

        What is called, and what is in the IDT or behind SYSENTER, is known, and where the file begins. Of the rest a
        routine that returns is called by a pointer, and of one that does not nobody is the caller.
        """
        found = [Entry(self._start, None), *dict.fromkeys(self._known())]
        seen = {address for entry in found for address in self.routine(entry)}
        for address in self._routines():
            if address in seen:
                continue
            returns = self.flow.pops_to_return(address)
            if returns in (None, (Slot.CALL, 0)):
                found.append(Entry(address, Slot.CALL if returns else None))
                seen |= self.flow.routine(address).keys()
        return found

    def routine(self, entry: Entry) -> dict[int, set[State]]:
        """The instructions of a routine, each with what is on the stack there; where nothing is, as if called."""
        return self.flow.routine(entry.address, entry.slot or Slot.CALL, entry.depth)

    def callers(self) -> dict[int, set[int]]:
        """The return addresses of the calls that lead to a routine, by its address."""
        found: dict[int, set[int]] = {}
        for each, _ in self._instructions():
            if each.name == "call":
                for target in self.flow.targets(each):
                    found.setdefault(target, set()).add(each.address + each.size)
        return found

    def functions(self) -> dict[int, str]:
        """The names of the routines by their addresses, as gdb is to know them.

        One that another falls into behind a call is one with that: else gdb would not know the caller again when the
        call returns.
        """
        behind_calls = {each.address + each.size for each, _ in self._instructions() if each.name == "call"}
        found: dict[int, str] = {}
        for address in self._routines():
            name, _ = self._symbols.find(address) or ("", 0)
            if found and address in behind_calls:
                found[max(found)] += f"/{name}"
            else:
                found[address] = name
        return found

    def _routines(self) -> list[int]:
        """Where the symbols in code are, ascending."""
        return sorted({address for _, address in self._symbols.items()
                       if any(start <= address < end for start, end in self._spans)})

    def _known(self) -> Iterator[Entry]:
        for each, before in self._instructions():
            if each.name == "call":
                yield from (Entry(target, Slot.CALL) for target in self.flow.targets(each))
            elif each.name == "lidt" and not each.detail.operands[0].mem.base:
                yield from self._gates(each.detail.operands[0].mem.disp & 0xFFFFFFFF)
            elif each.name == "wrmsr" and before.get(x86.X86_REG_ECX) == Msr.MSR_SYSENTER_EIP:
                yield Entry(before.get(x86.X86_REG_EAX, 0), Slot.REGISTERS)

    def _instructions(self) -> Iterator[tuple[Instruction, dict[int, int]]]:
        """All instructions, and what was loaded last into each register as an immediate."""
        for start, end in pairwise((*self._routines(), max((end for _, end in self._spans), default=0))):
            loaded: dict[int, int] = {}
            for each in decode_detail(self._memory.read(start, end - start), start):
                operands = each.detail.operands
                if each.name == "mov" and operands[0].type == x86.X86_OP_REG and operands[1].type == x86.X86_OP_IMM:
                    loaded[operands[0].reg] = operands[1].imm & 0xFFFFFFFF
                yield each, loaded

    def _gates(self, register: int) -> Iterator[Entry]:
        """The handlers in an IDT, given where LIDT finds its limit and base."""
        limit, base = struct.unpack("<HI", self._memory.read(register, 6).ljust(6, b"\0"))
        table = self._memory.read(base, limit + 1)
        for vector in range(len(table) // GATE.size):
            gate = decode(table[vector * GATE.size:(vector + 1) * GATE.size])
            if isinstance(gate, Gate) and gate.present and gate.offset:
                has_error = vector < 32 and HAS_ERROR_CODE >> vector & 1
                yield Entry(gate.offset, Slot.TRAP, WORD if has_error else 0)
