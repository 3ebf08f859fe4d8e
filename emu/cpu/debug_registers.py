"""The debug registers put back: Unicorn keeps its own breakpoints beside them, and makes those in `mov dr7` alone.

So that instruction is run, on a page that only Unicorn sees, with all that the hooks do switched off.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING

import unicorn.unicorn_py3.unicorn as binding

from emu.cpu import runner
from emu.cpu.layout import EFLAGS, EIP, HFLAGS
from emu.cpu.state import Stop
from emu.cpu.x86 import EFLAGS_FIXED

if TYPE_CHECKING:
    from emu.cpu.cpu import Cpu

# Offsets from the general registers (emu.cpu.layout), bytes.
DR = 0x1518                         # DR0 to DR7, u64 each
POINTERS = slice(0x1558, 0x1578)    # to Unicorn's breakpoints, of DR0 to DR3
DR7 = DR + 7 * 8
ENABLES = 0xFF                      # of DR7

FLAT = 0xF0                         # hflags of 32-bit protected mode at CPL 0
PAGE = 5 << 32                      # Unicorn's physical address of the page, beyond RAM and devices
CODE = b"\x0f\x23\xf8\xf4".ljust(16, b"\x90")      # mov dr7, eax; hlt
PLACES = range(0, 0x90, len(CODE))  # where it stands: one more than old and new breakpoints together


def load_breakpoints(cpu: Cpu, registers: bytes) -> None:
    """Make Unicorn's breakpoints those of the DR0 to DR7 in `registers`, which are about to be put back whole."""
    env = cpu.state.env
    *there, now = _debug_registers(ctypes.string_at(env, POINTERS.start))
    *coming, wanted = _debug_registers(registers)
    if not (now | wanted) & ENABLES:
        return
    points = {address & ~15 for address in there[:4] + coming[:4]}
    start = next(place for place in PLACES if place not in points)      # where it meets no breakpoint itself
    _write_dr7(cpu, start, now & ~ENABLES)                  # first those go that are there
    ctypes.memmove(env + DR, registers[DR:DR7], DR7 - DR)
    _write_dr7(cpu, start, wanted)


def _debug_registers(registers: bytes) -> tuple[int, ...]:
    return struct.unpack_from("<8Q", registers, DR)


def _write_dr7(cpu: Cpu, start: int, value: int) -> None:
    """Run `mov dr7` at linear address `start`. Registers and what is noted about the block under way are lost."""
    state, env, uc = cpu.state, cpu.state.env, cpu.uc
    uc.mem_map(PAGE, 0x1000, 5)
    uc.mem_write(PAGE, CODE * len(PLACES))
    runner.flat_segments.ctypes(cpu._user)
    ctypes.c_uint32.from_address(env + HFLAGS).value = FLAT
    for offset, word in ((EFLAGS, EFLAGS_FIXED), (EIP, start), (0, value)):
        ctypes.c_uint64.from_address(env + offset).value = word
    cpu._flush()
    state.branch_slot, state.repeating = 0, -1
    state.reason, state.deadline = Stop.PYTHON, 0           # the block hook takes it for a run that is ending
    state.dropping = PAGE                                   # wherever code is fetched from
    try:
        error = binding.uclib.uc_emu_start(uc._uch, *map(ctypes.c_uint64, (start, 0, 0)), ctypes.c_size_t(0))
    finally:
        state.dropping = 0
        uc.mem_unmap(PAGE, 0x1000)
    assert not error, f"mov dr7 ended with Unicorn's error {error}"
