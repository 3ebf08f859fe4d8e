"""Where Unicorn 2.1.4 keeps the live CPU state, and the check that it is so.

Trap delivery, translation and accounting read and write the processor's registers where they live, behind Unicorn's
back. The offsets below hold for Unicorn 2.1.4 and no other release; `locate` finds the state of one engine and tries
every offset by writing through the public API and looking. Another layout is refused with one line.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any, NamedTuple

from unicorn import Uc, UcError
from unicorn import x86_const as uc_x86

CPU = 0x1B8                 # offset of the pointer to the CPU object in the engine, bytes

# Offsets from the first general register ("env"), bytes.
EIP = 0x80                  # instruction pointer, u64
EFLAGS = 0x88               # system flags only, u64: CF, PF, AF, ZF, SF, OF and DF are kept elsewhere, lazily
DF = 0xAC                   # i32: the direction flag as 1 or -1
HFLAGS = 0xB0               # u32: see HF_*
SEGMENTS = 0xB8             # ES CS SS DS FS GS, SEGMENT_SIZE each
LDT = 0x148                 # four more in the same shape: LDTR, TR, GDTR and IDTR
TR = 0x160
GDT = 0x178
IDT = 0x190
CR0 = 0x1A8                 # u64 each
CR2 = 0x1B8
CR3 = 0x1C0
CR4 = 0x1C8
SYSENTER_CS = 0x12C0        # u32
SYSENTER_ESP = 0x12C8       # u64
SYSENTER_EIP = 0x12D0       # u64
ERROR_CODE = 0x1508         # i32: of the exception that is being reported
EXCEPTION_IS_INT = 0x150C   # i32: 1 if an INT instruction caused it
DR6 = 0x1548                # u64
OLD_EXCEPTION = 0x1578      # i32: never cleared by Unicorn; -1 keeps it from making double faults of its own

# One segment register: the descriptor cache.
SEGMENT_SIZE = 24
SELECTOR = 0                # u32
BASE = 8                    # u64
LIMIT = 16                  # u32, bytes
FLAGS = 20                  # u32: the descriptor's high doubleword

# hflags: what Unicorn's translator knows about the mode.
HF_CPL = 3                  # two bits: current privilege level
HF_INHIBIT_IRQ = 1 << 3     # in the shadow of STI or MOV SS
HF_CS32 = 1 << 4            # 32-bit code
HF_SS32 = 1 << 5            # 32-bit stack
HF_ADDSEG = 1 << 6          # some data segment has a base

# Offsets from the CPU object, bytes.
CFLAGS_NEXT_TB = 24         # u32: how many instructions the next block may hold, if not -1

PROBE_SIZE = 0xC000         # how far behind the start of the CPU object the registers may lie, bytes


class UnicornLayoutError(RuntimeError):
    """The installed Unicorn does not keep its state where this module says."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"this Unicorn keeps its CPU state elsewhere ({what}); install unicorn==2.1.4, the release that is known")


class Location(NamedTuple):
    """Host addresses of one engine's private state."""

    cpu: int                # the CPU object
    env: int                # the general registers, from which the offsets above count
    invalid_address: int    # u64: the linear address of the access that ended a run


def locate(uc: Uc) -> Location:
    """Find and check the private state of `uc`, a fresh engine in 32-bit mode. Raises UnicornLayoutError."""
    handle = handle_of(uc)
    cpu, env = _find_registers(uc, handle)
    _check_registers(uc, env)
    return Location(cpu, env, _find_invalid_address(uc, handle, cpu, env))


def handle_of(uc: Uc) -> int:
    """The address of the engine itself, which every C function of Unicorn takes."""
    handle: Any = uc._uch
    return int(handle.value)


def _peek(address: int, size: int) -> bytes:
    """Memory of this process, b"" where nothing is mapped: the kernel checks the address, so a wrong guess is safe."""
    reader, writer = os.pipe()
    try:
        libc = ctypes.CDLL(None)
        libc.write.argtypes, libc.write.restype = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t], ctypes.c_ssize_t
        parts = []
        while size:
            written = libc.write(writer, address, min(size, 4096))
            if written <= 0:
                break
            parts.append(os.read(reader, written))
            address, size = address + written, size - written
        return b"".join(parts)
    finally:
        os.close(reader)
        os.close(writer)


def _find_registers(uc: Uc, handle: int) -> tuple[int, int]:
    """(CPU object, general registers): where values just written are found behind the engine's CPU pointer."""
    names = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"]
    values = [0x5A110000 + 0x111 * i for i in range(8)]
    for name, value in zip(names, values, strict=True):
        uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name}"), value)
    cpu = int.from_bytes(_peek(handle + CPU, 8), "little")
    at = _peek(cpu, PROBE_SIZE).find(struct.pack("<8Q", *values))
    for name in names:
        uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name}"), 0)
    if at < 0:
        raise UnicornLayoutError("the general registers were not found")
    return cpu, cpu + at


def _check_registers(uc: Uc, env: int) -> None:
    """Try every offset: write by the API what the API can write, and look for it where it is expected."""
    def expect(name: str, offset: int, value: int, size: int = 8) -> None:
        if int.from_bytes(_peek(env + offset, size), "little") != value:
            raise UnicornLayoutError(name)

    for name, offset, value in (("EIP", EIP, 0x5A123456), ("CR2", CR2, 0x5A5A5001), ("CR3", CR3, 0x5A5A5000),
                                ("CR4", CR4, 0x600), ("DR6", DR6, 0x5A5A5002)):
        before = uc.reg_read(getattr(uc_x86, f"UC_X86_REG_{name}"))
        uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name}"), value)
        expect(name, offset, value)
        uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name}"), before)
    for msr, name, offset, size in ((0x174, "SYSENTER_CS", SYSENTER_CS, 4), (0x175, "SYSENTER_ESP", SYSENTER_ESP, 8),
                                    (0x176, "SYSENTER_EIP", SYSENTER_EIP, 8)):
        uc.msr_write(msr, 0x1234)
        expect(name, offset, 0x1234, size)
        uc.msr_write(msr, 0)
    for name, offset in (("GDTR", GDT), ("IDTR", IDT)):
        uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name}"), (0, 0x5A660000, 0x1233, 0))
        expect(name, offset + BASE, 0x5A660000)
        expect(name, offset + LIMIT, 0x1233, 4)
        uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name}"), (0, 0, 0, 0))
    uc.reg_write(uc_x86.UC_X86_REG_EFLAGS, 0x402)                            # DF
    expect("DF", DF, 0xFFFFFFFF, 4)
    uc.reg_write(uc_x86.UC_X86_REG_EFLAGS, 2)
    if not int.from_bytes(_peek(env + CR0, 8), "little") & 1:
        raise UnicornLayoutError("CR0")
    if int.from_bytes(_peek(env + HFLAGS, 4), "little") & 0xFF != 0xF0:
        raise UnicornLayoutError("hflags")
    expect("old_exception", OLD_EXCEPTION, 0xFFFFFFFF, 4)


def _find_invalid_address(uc: Uc, handle: int, cpu: int, env: int) -> int:
    """Run three instructions on a scratch engine's worth of memory: checks the block limit, finds the fault address."""
    page, missing = 0x5A5000, 0x5A5B7654
    uc.mem_map(page, 0x1000)
    try:
        uc.mem_write(page, b"\x40\x43"                                      # inc eax; inc ebx
                     b"\xa1" + struct.pack("<I", missing) + b"\xf4")       # mov eax, [missing]; hlt
        if _peek(cpu + CFLAGS_NEXT_TB, 4) != b"\xff" * 4:
            raise UnicornLayoutError("cflags_next_tb")
        limit = ctypes.c_uint32.from_address(cpu + CFLAGS_NEXT_TB)
        seen: list[int] = []

        def on_block(engine: Uc, address: int, size: int, _: object) -> None:
            seen.append(size)
            if len(seen) == 2:
                engine.emu_stop()

        hook = uc.hook_add(1 << 3, on_block)                                 # UC_HOOK_BLOCK
        limit.value = 1
        uc.emu_start(page, 0)
        uc.hook_del(hook)
        if seen != [1, 7] or uc.reg_read(uc_x86.UC_X86_REG_EBX) != 0:
            raise UnicornLayoutError("cflags_next_tb has no effect")
        try:
            uc.emu_start(page, 0)
            raise UnicornLayoutError("an access to unmapped memory succeeded")
        except UcError:
            pass
        at = _peek(handle, 4096).find(struct.pack("<Q", missing))
        if at < 0:
            raise UnicornLayoutError("the address of a refused access was not found")
        return handle + at
    finally:
        uc.mem_unmap(page, 0x1000)
        for name in ("EAX", "EBX", "EIP"):
            uc.reg_write(getattr(uc_x86, f"UC_X86_REG_{name}"), 0)
