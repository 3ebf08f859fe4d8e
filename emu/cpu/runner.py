"""The native loop around `uc_emu_start`: handles without Python what it can, and returns a Stop for the rest."""

from __future__ import annotations

from typing import Any

from numba import types

from emu.cpu.account import arm, charge_until_due, what_is_due
from emu.cpu.blocks import COUNT, KEY, index_in, slot_of
from emu.cpu.charging import PART, charge, rewind, started
from emu.cpu.delivery import CS, DS, ES, FAULT, FS, GS, SS, charge_bitmap, deliver, set_segment
from emu.cpu.hooks import FLAT_CODE, FLAT_DATA, PCI_READ, charge_bus, linear_eip
from emu.cpu.layout import CFLAGS_NEXT_TB, CR2, EIP
from emu.cpu.paging import (
    DEVICE,
    FETCH,
    FETCH_WRITTEN,
    PAGE_MASK,
    WRITE_FETCHED,
    flush_unicorn,
    read_linear,
    translate,
)
from emu.cpu.state import Examine, Fill, Mode, State, Stop, record
from emu.cpu.x86 import PF_P, PF_U, PF_W, Vector
from emu.native import call_emu_start, callback, compiled, load16, load32, load64, store8, store32, store64

PF = int(Vector.PF)
SPLIT, HALT, EXAMINE, UNSUPPORTED, ENGINE, REMAP = (
    int(getattr(Stop, name)) for name in ["SPLIT", "HALT", "EXAMINE", "UNSUPPORTED", "ENGINE", "REMAP"])
FILL_FAULT, FILL_PAE = int(Fill.FAULT), int(Fill.PAE)
IMPLICIT_ACCESS, FETCH_ACROSS = int(Examine.IMPLICIT_ACCESS), int(Examine.FETCH_ACROSS)
PAE, CODE_IN_DEVICE = int(Mode.PAE), int(Mode.CODE_IN_DEVICE)
UC_ERR_EXCEPTION = 21
ALLOW_DEVICE = 1


@compiled
def begin_step(s: State) -> None:
    """Make Unicorn's next block end after `step_count` instructions."""
    s.stepping = 1
    store32(s.cpu + CFLAGS_NEXT_TB, s.step_count)


@compiled
def request_step(s: State, linear: int, allow: int) -> bool:
    """Begin with the one instruction of the current block at `linear`; False if the block does not hold it."""
    if not s.block:
        return False
    slot = s.block & ~PART
    index = index_in(s, slot, linear - (load64(slot + KEY) & 0xFFFFFFFF))
    if index >= load16(slot + COUNT):
        return False
    _, instructions = started(s)
    if s.model and s.instructions - instructions == index + 1:
        s.charged = 1                                   # it was run alone already
    else:
        rewind(s, linear)
    s.step_slot, s.step_from, s.step_count = slot, index, 1
    s.step_allow = allow
    begin_step(s)
    return True


@compiled
def refused(s: State) -> int:
    """What follows a refused TLB fill: 0 to go on, or a Stop."""
    linear = load64(s.invalid_address) & 0xFFFFFFFF
    here = linear_eip(s)
    if s.fill_kind == FETCH and s.fill != FETCH_WRITTEN:
        due = what_is_due(s)                            # comes before a fault of the next instruction
        if due:
            return due
        if linear & PAGE_MASK != here & PAGE_MASK:
            s.examine = FETCH_ACROSS
            return EXAMINE
    if s.fill == FILL_FAULT:
        if s.fill_kind != FETCH:
            rewind(s, here)
        if s.fill_kind != FETCH and s.fill_error & ~PF_W == PF_P | PF_U and not s.step_allow:
            s.examine = IMPLICIT_ACCESS                 # a supervisor page at CPL 3: accessed by whom?
            return EXAMINE
        store64(s.env + CR2, linear)
        if s.step_allow:                                # what it opened is closed again
            s.step_allow = 0
            flush_unicorn(s)
        return deliver(s, PF, s.fill_error, FAULT, 0)
    if s.fill == FETCH_WRITTEN:
        flush_unicorn(s)
        store8(s.frames + s.fill_frame, 0)
        return 0
    if s.fill == WRITE_FETCHED:
        rewind(s, here)
        return REMAP
    if s.fill == DEVICE and request_step(s, here, ALLOW_DEVICE):
        return 0
    s.examine = PAE if s.fill == FILL_PAE else CODE_IN_DEVICE
    return UNSUPPORTED


@callback(types.int64(types.voidptr))
def run(user: Any) -> int:
    """Run until something needs Python: a Stop."""
    s = record(user)
    while True:
        s.reason = 0
        s.fill = 0
        arm(s)
        error = call_emu_start(s.emu_start, s.uc, load32(s.env + EIP), 0, 0, 0)
        reason = s.reason
        if reason == SPLIT:
            begin_step(s)
            continue
        s.stepping = 0
        if reason:
            return reason
        if s.fill and error == UC_ERR_EXCEPTION:
            reason = refused(s)
            if reason:
                s.reason = reason
                return reason
            continue
        if error:
            s.examine = error
            return ENGINE
        return HALT


@callback(types.int64(types.voidptr, types.int64, types.int64, types.int64))
def exception(user: Any, vector: int, error: int, kind: int) -> int:
    """Deliver, at EIP, an exception that Python found or an external interrupt: 0, or a Stop."""
    return deliver(record(user), vector, error, kind, 0)


@callback(types.int64(types.voidptr, types.int64, types.int64, types.int64))
def probe(user: Any, linear: int, size: int, write: int) -> int:
    """May CPL 3 access `size` bytes here? 1, or 0 with the page fault noted in `walk_error` and `walk_address`."""
    s = record(user)
    if translate(s, linear & 0xFFFFFFFF, write, 1) < 0:
        return 0
    second = linear + size - 1 & PAGE_MASK
    return 0 if second != linear & PAGE_MASK and translate(s, second, write, 1) < 0 else 1


@callback(types.int64(types.voidptr, types.int64, types.int64))
def read_system(user: Any, linear: int, size: int) -> int:
    """1, 2 or 4 bytes as the processor reads its tables; -1 on a page fault, noted as by `probe`."""
    return read_linear(record(user), linear, size)


@callback(types.int64(types.voidptr, types.int64))
def step_allowed(user: Any, allow: int) -> int:
    """Let the next run begin with the instruction at EIP alone, with rights that the program lacks: 0 if unknown."""
    s = record(user)
    return request_step(s, linear_eip(s), allow)


@callback(types.void(types.voidptr, types.int64))
def pass_over(user: Any, size: int) -> None:
    """Charge the one instruction that was examined, and move EIP over its `size` bytes."""
    s = record(user)
    charge(s, s.step_slot, s.step_from, 1)
    s.resumed = -1
    store64(s.env + EIP, load32(s.env + EIP) + size & 0xFFFFFFFF)


@callback(types.void(types.voidptr))
def begin_part(user: Any) -> None:
    """Let the next run begin with the block that Python entered as `new_key`, and with no more than that."""
    s = record(user)
    s.step_slot, s.step_from = slot_of(s, s.new_key), 0
    s.step_count = charge_until_due(s, s.step_slot, 0, min(load16(s.step_slot + COUNT), s.limit - s.instructions))
    s.charged = 1
    begin_step(s)


@callback(types.void(types.voidptr, types.int64))
def wait_for_bus(user: Any, write: int) -> None:
    """The instruction at EIP has accessed a device in memory."""
    s = record(user)
    charge_bus(s, PCI_READ + write)


@callback(types.void(types.voidptr, types.int64))
def ask_bitmap(user: Any, write: int) -> None:
    """The I/O permission bitmap has allowed the instruction at EIP."""
    charge_bitmap(record(user), write)


@callback(types.void(types.voidptr))
def flat_segments(user: Any) -> None:
    """CS, SS, DS, ES, FS and GS as Multiboot hands them over: base 0, limit 4 GiB, ring 0."""
    s = record(user)
    for at in (SS, DS, ES, FS, GS):
        set_segment(s, at, 0x10, 0, 0xFFFFFFFF, FLAT_DATA)
    set_segment(s, CS, 0x08, 0, 0xFFFFFFFF, FLAT_CODE)
