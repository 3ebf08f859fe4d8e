"""Descriptor tables: GDT, LDT, IDT and the task-state segment, decoded from guest memory.

Source: Intel manual volume 3, sections 3.4.3 and 3.5 (descriptors), 5.11 (gates), 6.2.1 (the TSS).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from emu.cpu.x86 import DESC_B, DESC_C, DESC_CODE, DESC_DPL_SHIFT, DESC_G, DESC_P, DESC_RW, DESC_S, Vector
from emu.machine import Machine
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.plain import Plain

SYSTEM = {1: "16-bit TSS", 2: "LDT", 3: "16-bit TSS, busy", 4: "16-bit call gate", 5: "task gate",
          6: "16-bit interrupt gate", 7: "16-bit trap gate", 9: "TSS", 11: "TSS, busy", 12: "call gate",
          14: "interrupt gate", 15: "trap gate"}
GATES = (4, 5, 6, 7, 12, 14, 15)
TSS32 = struct.Struct("<26I")       # the doublewords before the last, which holds the T bit and the I/O map base
TSS_NAMES = ("link", "esp0", "ss0", "esp1", "ss1", "esp2", "ss2", "cr3", "eip", "eflags", "eax", "ecx", "edx", "ebx",
             "esp", "ebp", "esi", "edi", "es", "cs", "ss", "ds", "fs", "gs", "ldt", "io_map")


@dataclass(frozen=True)
class Descriptor(Plain):
    """A segment descriptor, from a table or from the cache of a segment register."""

    kind: str               # "code", "data", or what kind of system segment; "null" and "reserved" as well
    base: int               # linear address
    limit: int              # bytes, inclusive
    dpl: int                # descriptor privilege level
    present: bool
    bits: int               # 16 or 32: default size of operands or of the stack
    rights: str             # code: "execute", "execute, read"; data: "read", "read, write"; more after commas


@dataclass(frozen=True)
class Gate(Plain):
    """A call, interrupt, trap or task gate."""

    kind: str
    selector: int           # of the code segment, or of the TSS
    offset: int             # of the handler; 0 for a task gate
    dpl: int                # INT and CALL from a less privileged level are refused
    present: bool
    parameters: int         # words that a call gate copies


@dataclass(frozen=True)
class Slot(Plain):
    """One place of a table."""

    index: int              # GDT, LDT: the selector without RPL; IDT: the vector
    name: str               # IDT: the exception's name, or ""
    entry: Descriptor | Gate


@dataclass(frozen=True)
class Tss(Plain):
    """The task-state segment that TR names."""

    selector: int
    base: int
    limit: int
    fields: dict[str, int]  # by Intel's names, in order; "io_map" is the base of the I/O permission bitmap
    ports: list[tuple[int, int]]    # ranges (first, last) that the bitmap opens to CPL 3


def describe_descriptor(high: int, base: int, limit: int) -> Descriptor:
    """A descriptor from its high doubleword, with base and limit already put together."""
    rights = ""
    if high & DESC_S and high & DESC_CODE:
        kind = "code"
        rights = "execute" + (", read" if high & DESC_RW else "") + (", conforming" if high & DESC_C else "")
    elif high & DESC_S:
        kind = "data"
        rights = "read" + (", write" if high & DESC_RW else "") + (", expand-down" if high & DESC_C else "")
    else:
        kind = SYSTEM.get(high >> 8 & 15, "reserved") if high & 0xFF00 else "null"
    return Descriptor(kind, base, limit, high >> DESC_DPL_SHIFT & 3, bool(high & DESC_P),
                      32 if high & DESC_B else 16, rights)


def decode(data: bytes) -> Descriptor | Gate:
    """One entry of a table, eight bytes."""
    low, high = struct.unpack("<II", data)
    kind = high >> 8 & 15
    if not high & DESC_S and kind in GATES and high & 0xFF00:
        offset = 0 if kind == 5 else low & 0xFFFF | (high & 0xFFFF0000 if kind > 8 else 0)
        words = high & 31 if kind in (4, 12) else 0
        return Gate(SYSTEM[kind], low >> 16, offset, high >> DESC_DPL_SHIFT & 3, bool(high & DESC_P), words)
    base = low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000
    limit = low & 0xFFFF | high & 0xF0000
    return describe_descriptor(high, base, limit << 12 | 0xFFF if high & DESC_G else limit)


def gdt(machine: Machine) -> list[Slot]:
    """The global descriptor table."""
    return [Slot(index * 8, "", entry) for index, entry in _table(machine, *machine.cpu.registers.table("gdtr"))]


def ldt(machine: Machine) -> list[Slot]:
    """The local descriptor table; empty if there is none."""
    cache = machine.cpu.registers.segment("ldtr")
    if not cache.selector & ~3:
        return []
    return [Slot(index * 8 | 4, "", entry) for index, entry in _table(machine, cache.base, cache.limit)]


def idt(machine: Machine) -> list[Slot]:
    """The interrupt descriptor table, entries that are nothing left out."""
    return [Slot(vector, vector_name(vector), entry)
            for vector, entry in _table(machine, *machine.cpu.registers.table("idtr"))
            if isinstance(entry, Gate) or entry.kind != "null"]


def tss(machine: Machine) -> Tss | None:
    """The task-state segment; None before TR has been loaded."""
    cache = machine.cpu.registers.segment("tr")
    if not cache.selector & ~3:
        return None
    data = AddressSpace(machine).read(cache.base, min(cache.limit + 1, 104 + 8192))
    words = TSS32.unpack(data.ljust(104, b"\0")[:104])
    fields = dict(zip(TSS_NAMES, words, strict=True))
    fields["io_map"] >>= 16
    return Tss(cache.selector, cache.base, cache.limit, fields, _open_ports(data, fields["io_map"]))


def thread_key(machine: Machine) -> int:
    """ESP0 in the TSS, which tells the threads of most kernels apart (the `thread` of records); 0 without a TSS."""
    cache = machine.cpu.registers.segment("tr")
    return AddressSpace(machine).word(cache.base + 4) or 0 if cache.selector & ~3 else 0


def vector_name(vector: int) -> str:
    """The exception's name, as #PF; "" for what is none."""
    try:
        name = Vector(vector).name
    except ValueError:
        return ""
    return name if name == "NMI" else f"#{name}"


def _table(machine: Machine, base: int, limit: int) -> list[tuple[int, Descriptor | Gate]]:
    data = AddressSpace(machine).read(base, min(limit + 1, 1 << 16)) if limit else b""
    return [(at // 8, decode(data[at:at + 8])) for at in range(0, len(data) // 8 * 8, 8)]


def _open_ports(data: bytes, base: int) -> list[tuple[int, int]]:
    """The ports whose bits are clear, as ranges; the bitmap ends with the segment (volume 1, section 12.5.2)."""
    bits = [port for port in range(min(len(data) - base - 1, 8192) * 8) if not data[base + port // 8] >> port % 8 & 1]
    ranges: list[tuple[int, int]] = []
    for port in bits:
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1] = ranges[-1][0], port
        else:
            ranges.append((port, port))
    return ranges
