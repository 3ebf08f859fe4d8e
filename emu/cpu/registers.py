"""The processor's registers by name, read and written where Unicorn keeps them."""

from __future__ import annotations

import ctypes
import struct
from typing import NamedTuple

from unicorn import Uc
from unicorn import x86_const as uc_x86

from emu.cpu import layout
from emu.cpu.x86 import EFLAGS_FIXED, RF, Register, Segment

GENERAL = tuple(register.name.lower() for register in Register)
CONTROL = {"cr0": layout.CR0, "cr2": layout.CR2, "cr3": layout.CR3, "cr4": layout.CR4, "dr6": layout.DR6}
SELECTORS = {segment.name.lower(): layout.SEGMENTS + layout.SEGMENT_SIZE * segment for segment in Segment} | {
    "ldtr": layout.LDT, "tr": layout.TR}
TABLES = {"gdtr": layout.GDT, "idtr": layout.IDT}


class SegmentCache(NamedTuple):
    """What a segment register holds: the selector and the descriptor it was loaded from."""

    selector: int           # visible part
    base: int               # linear address
    limit: int              # bytes, inclusive
    flags: int              # high doubleword of the descriptor


class Registers:
    """`cpu.registers`: eax ... edi, eip, eflags, cs ... gs (selectors), cr0, cr2, cr3, cr4, dr6 as attributes.

    Values are unsigned 32-bit numbers. Setting a selector is refused: load a whole `SegmentCache` with `set_segment`.
    """

    def __init__(self, uc: Uc, env: int) -> None:
        object.__setattr__(self, "_uc", uc)
        object.__setattr__(self, "_env", env)

    _uc: Uc                 # the engine
    _env: int               # where it keeps the registers

    def __getattr__(self, name: str) -> int:
        if name in GENERAL:
            return self._word(8 * GENERAL.index(name))
        if name == "eip":
            return self._word(layout.EIP)
        if name == "eflags":
            return int(self._uc.reg_read(uc_x86.UC_X86_REG_EFLAGS)) & ~RF     # which Unicorn clears late
        if name in CONTROL:
            return self._word(CONTROL[name])
        if name in SELECTORS:
            return self.segment(name).selector
        if name == "cpl":
            return self._word(layout.HFLAGS) & layout.HF_CPL
        raise AttributeError(f"the processor has no register {name!r}")

    def __setattr__(self, name: str, value: int) -> None:
        if name in GENERAL:
            self._set_word(8 * GENERAL.index(name), value)
        elif name == "eip":
            self._set_word(layout.EIP, value)
        elif name == "eflags":
            self._uc.reg_write(uc_x86.UC_X86_REG_EFLAGS, value & 0xFFFFFFFF | EFLAGS_FIXED)
        elif name in CONTROL:
            self._uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name.upper()}"), value & 0xFFFFFFFF)
        else:
            raise AttributeError(f"register {name!r} cannot be set")

    def segment(self, name: str) -> SegmentCache:
        """The cache of a segment register, LDTR or TR. Raises KeyError for another name."""
        at = self._env + SELECTORS[name]
        selector, base, limit, flags = struct.unpack("<IxxxxQII", ctypes.string_at(at, layout.SEGMENT_SIZE))
        return SegmentCache(selector, base & 0xFFFFFFFF, limit, flags)

    def table(self, name: str) -> tuple[int, int]:
        """(base, limit) of "gdtr" or "idtr". Raises KeyError for another name."""
        at = TABLES[name]
        return self._word(at + layout.BASE), self._word(at + layout.LIMIT)

    def snapshot(self) -> dict[str, int]:
        """Every register that software can see, by name."""
        names = (*GENERAL, "eip", "eflags", *SELECTORS, *CONTROL)
        values = {name: getattr(self, name) for name in names}
        for name in TABLES:
            values[f"{name}.base"], values[f"{name}.limit"] = self.table(name)
        return values

    def _word(self, offset: int) -> int:
        return int(ctypes.c_uint32.from_address(self._env + offset).value)

    def _set_word(self, offset: int, value: int) -> None:
        ctypes.c_uint64.from_address(self._env + offset).value = value & 0xFFFFFFFF
