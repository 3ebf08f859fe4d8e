"""The block hook: charges a block to the clock, or stops in front of what must happen first.

Unicorn calls it before every block. Under a `unit` profile a plain block is a table look-up and three stores (under a
timing model the hook is in `modelled`). What needs attention (a deadline inside the block, a pending interrupt, an
instruction to look at) goes through `look_closer`, which may stop the run at the start of the block, with EIP there and
nothing executed, or ask for a part of the block only: `SPLIT`. The rest of a block that was split for somebody's sake
(a limit, a breakpoint, an event that interrupts nothing) is charged as the rest of that block, so that it costs what it
would have cost in one.
"""

from __future__ import annotations

from typing import Any

from numba import types

from emu.cpu.blocks import (
    CODE,
    CODE16,
    COST,
    COUNT,
    CUT_AT,
    ENTRIES,
    ENTRY_SIZE,
    FLAGS,
    FLUSHES,
    GUARD_AT,
    GUARD_KIND,
    HASH,
    KEY,
    POOL,
    SIZE_SHIFT,
    WORST,
    Guard,
    Special,
    index_in,
    repeat_count,
    slot_of,
)
from emu.cpu.charging import PART, charge, rewind, started
from emu.cpu.delivery import CS, ESP, SS
from emu.cpu.layout import BASE, EFLAGS, HF_CPL, HF_CS32, HF_INHIBIT_IRQ, HFLAGS
from emu.cpu.paging import flush_unicorn, read_linear
from emu.cpu.rings import MARK, note_passage, note_ring
from emu.cpu.spinning import skip
from emu.cpu.state import Examine, State, Stop, record
from emu.cpu.x86 import IF, IOPL_SHIFT, VM, Register
from emu.native import (
    call_attend,
    call_emu_stop,
    call_flush,
    call_note,
    call_open,
    callback,
    compiled,
    load8,
    load16,
    load32,
    load64,
    store32,
)

SPLIT, EVENT, INTERRUPT, LIMIT = int(Stop.SPLIT), int(Stop.EVENT), int(Stop.INTERRUPT), int(Stop.LIMIT)
BREAKPOINT, NEW_BLOCK, EXAMINE, REMAP = int(Stop.BREAK), int(Stop.NEW_BLOCK), int(Stop.EXAMINE), int(Stop.REMAP)
COMPARE, REPEAT, GUARDED = int(Special.COMPARE), int(Special.REPEAT), int(Special.GUARD)
BREAK, FLUSH, COUNT16 = int(Special.BREAK), int(Special.FLUSH), int(Special.COUNT16)
JUMP, CALL, SPINS = int(Special.JUMP), int(Special.CALL), int(Special.SPIN)
PORT, FAR, DIVIDE, ICEBP, UNKNOWN, ILLEGAL, MSR, BEGIN = (int(guard) for guard in list(Guard)[1:])
EXAMINE_PORT, FAR_TRANSFER = int(Examine.PORT), int(Examine.FAR_TRANSFER)
DIVISION, EXAMINE_ICEBP = int(Examine.DIVISION), int(Examine.ICEBP)
EXAMINE_ILLEGAL, EXAMINE_MSR = int(Examine.ILLEGAL), int(Examine.MSR)
SYSENTER_FIRST, SYSENTER_LAST = 0x174, 0x176    # the MSRs that Unicorn keeps
EAX, ECX, EDX = 8 * int(Register.EAX), 8 * int(Register.ECX), 8 * int(Register.EDX)


@compiled
def arm(s: State) -> None:
    """Set the cycle at which the block hook looks closer: at once while something is in suspense."""
    if (s.intr or s.flush_tlb or s.step_allow or s.stepping or s.reason or s.repeating >= 0 or s.rest_slot
            or s.returning or s.recording):
        s.deadline = 0
    elif s.block and load16((s.block & ~PART) + FLAGS) & COMPARE:
        s.deadline = 0                                  # the block may modify itself
    else:
        s.deadline = s.event_deadline


@compiled
def stop(s: State, reason: int) -> None:
    """End the native run; the block in front of which this is called does not execute."""
    s.reason = reason
    s.deadline = 0
    call_emu_stop(s.emu_stop, s.uc)


@compiled
def is_changed(s: State, slot: int, offset: int, size: int) -> bool:
    """True if `size` bytes of a block from `offset` on are not those that were decoded.

    Each page is where it was last fetched from.
    """
    kept = s.code_bytes + load32(slot + CODE)
    start = load64(slot + KEY) & 0xFFFFFFFF
    for i in range(offset, offset + size):
        at = start + i & 0xFFFFFFFF
        frame = load32(s.code_frames + (at >> 12) * 4) & 0x3FFFF
        if load8(s.ram + (frame << 12 | at & 0xFFF)) != load8(kept + i):
            return True
    return False


@compiled
def is_stored_again(s: State, pc: int, size: int) -> bool:
    """True after a store into the running block: Unicorn leaves it and runs the storing instruction again, as a block
    of one. That has been paid for; what follows it in its block is given back.
    """
    slot = s.block & ~PART
    if not slot or not load16(slot + FLAGS) & COMPARE:
        return False
    index = index_in(s, slot, pc - (load64(slot + KEY) & 0xFFFFFFFF))
    _, instructions = started(s)
    if index >= s.instructions - instructions:          # not one of those that have been charged
        return False
    at = s.starts + (load32(slot + POOL) + index) * 4
    if load32(at + 4) - load32(at) != size:
        return False
    if index + 1 == load16(slot + COUNT) and comes_again(s, slot, pc + size):
        return False
    if index + 1 < s.instructions - instructions:
        rewind(s, pc + size)
    return True


@compiled
def comes_again(s: State, slot: int, behind: int) -> bool:
    """True if the last instruction of a block, which ends at `behind`, has run and led to itself."""
    flags = load16(slot + FLAGS)
    if flags & REPEAT:
        return repeat_count(s, slot) != s.repeat_count
    if flags & CALL:
        pushed = read_linear(s, load64(s.env + SS + BASE) + load32(s.env + ESP), 2)
        return pushed == behind - load64(s.env + CS + BASE) & 0xFFFF
    return flags & JUMP != 0


@compiled
def next_breakpoint(s: State, slot: int, first: int) -> int:
    """The first instruction of a block from `first` on at which a breakpoint is; the number of instructions if none."""
    count = load16(slot + COUNT)
    start = load64(slot + KEY) & 0xFFFFFFFF
    for index in range(first, count):
        address = start + load32(s.starts + (load32(slot + POOL) + index) * 4)
        for i in range(s.breakpoint_count):
            if load32(s.breakpoints + i * 4) == address:
                return index
    return count


@compiled
def is_among(s: State, linear: int, first: int, last: int) -> bool:
    """True if one of the breakpoints and marks from `first` to `last` (exclusive) is at this address."""
    found = False
    for i in range(first, last):
        found |= load32(s.breakpoints + i * 4) == linear
    return found


@compiled
def charge_until_due(s: State, slot: int, first: int, last: int) -> int:
    """Charge instructions of a block from `first` on up to `last`, or to where the deadline falls: up to which."""
    if s.cycles + load32(slot + WORST) < s.event_deadline:
        charge(s, slot, first, last - first)
        return last
    index = first
    while index < last:
        charge(s, slot, index, 1)
        index += 1
        if s.cycles >= s.event_deadline:
            break
    return index


@compiled
def guarded(s: State, slot: int, first: int, pc: int) -> int:
    """Up to which instruction the block may run in view of the guarded one; -1 after a stop to examine it."""
    kind = load16(slot + GUARD_KIND)
    cpl = load32(s.env + HFLAGS) & HF_CPL
    flags = load32(s.env + EFLAGS)
    checked = True                                      # does this one need a look here?
    if kind == PORT:
        checked = cpl > flags >> IOPL_SHIFT & 3 or flags & VM != 0
    elif kind == FAR:
        checked = cpl == 3
    elif kind == MSR:
        checked = cpl == 0
    if checked and load16(slot + GUARD_AT) > first:
        return load16(slot + GUARD_AT)
    if checked and load16(slot + GUARD_AT) == first and s.passed != pc:
        what = 0
        if kind == PORT:
            what = EXAMINE_PORT
        elif kind == FAR:
            what = FAR_TRANSFER
        elif kind == ICEBP:
            what = EXAMINE_ICEBP
        elif kind == ILLEGAL:
            what = EXAMINE_ILLEGAL
        elif kind == MSR and not (s.has_sep and SYSENTER_FIRST <= load32(s.env + ECX) <= SYSENTER_LAST):
            what = EXAMINE_MSR
        elif kind == DIVIDE and load32(s.env + EAX) == 0:
            high = load32(s.env + EDX) & 0xFFFFFFFF
            if high == 0x80000000 or high & 0xFFFF == 0x8000:
                what = DIVISION
        elif kind == DIVIDE and load32(s.env + EDX) & 0xFFFF == 0x8000 and load32(s.env + EAX) & 0xFFFF == 0:
            what = DIVISION
        if what:
            s.examine = what
            s.step_slot, s.step_from = slot, first
            stop(s, EXAMINE)
            return -1
    return load16(slot + CUT_AT)


@compiled
def what_is_due(s: State) -> int:
    """What comes before the next instruction: a Stop, or 0."""
    if s.intr and load32(s.env + EFLAGS) & IF and not load32(s.env + HFLAGS) & HF_INHIBIT_IRQ:
        return INTERRUPT
    if s.cycles >= s.event_deadline:
        return EVENT
    return LIMIT if s.instructions >= s.limit else 0


@compiled
def flush(s: State) -> None:
    """The last block changed how addresses are translated."""
    kind = s.flush_tlb
    s.flush_tlb = 0
    s.epoch += 1
    if s.model:
        call_flush(s.flush_model, s.self, kind)


@compiled
def rest_begins(s: State, pc: int) -> bool:
    """True if the rest of the block that was split begins at linear `pc`, its bytes unchanged."""
    slot = s.rest_slot
    offset = load32(s.starts + (load32(slot + POOL) + s.rest_from) * 4)
    if pc != (load64(slot + KEY) & 0xFFFFFFFF) + offset & 0xFFFFFFFF:
        return False
    return not load16(slot + FLAGS) & COMPARE or not is_changed(s, slot, offset, block_size(s, slot) - offset)


@compiled
def block_size(s: State, slot: int) -> int:
    """Bytes of a block."""
    return load32(s.starts + (load32(slot + POOL) + load16(slot + COUNT)) * 4)


@compiled
def begin_part(s: State) -> None:
    """The part of a block that was asked for begins."""
    s.stepping = 0
    s.io_cycle = s.cycles
    if s.step_from + s.step_count == load16(s.step_slot + COUNT):
        s.flush_tlb = load16(s.step_slot + FLUSHES)
    if not s.charged:
        s.repeating = -1
        charge(s, s.step_slot, s.step_from, s.step_count)
    s.charged = 0
    s.passed = s.resumed = -1
    arm(s)


@compiled
def split(s: State, slot: int, first: int, last: int) -> None:
    """Run a part of a block that has been charged."""
    s.step_slot, s.step_from, s.step_count = slot, first, last - first
    s.charged = 1
    stop(s, SPLIT)


@compiled
def look_closer(s: State, pc: int, size: int, key: int, slot: int) -> None:
    """Everything that is not just another block."""
    if s.reason:                                        # already stopping: the block will not run
        return
    if s.stepping:
        begin_part(s)
        return
    if s.returning or load32(s.env + HFLAGS) & HF_CPL != s.ring:
        note_ring(s)
    if s.flush_tlb:
        flush(s)
    if s.step_allow:
        s.step_allow = 0
        flush_unicorn(s)
    if is_stored_again(s, pc, size):
        arm(s)
        return
    first = 0
    if s.rest_slot and rest_begins(s, pc):
        slot, first = s.rest_slot, s.rest_from
    s.rest_slot = 0
    flags = load16(slot + FLAGS)
    if not load64(slot) or (flags & COMPARE and not first and is_changed(s, slot, 0, size)):
        s.new_key = key
        s.new_size = size
        stop(s, NEW_BLOCK)
        return
    again = s.repeating == pc and flags & REPEAT != 0   # one more iteration of an instruction that has been counted
    if again:
        store32(s.env + HFLAGS, load32(s.env + HFLAGS) & ~HF_INHIBIT_IRQ)      # the shadow of STI is over
    else:
        s.repeating = -1
    arm(s)
    if again and repeat_count(s, slot) == 0:            # it was the last: nothing of it runs
        return
    due = what_is_due(s)
    if due and not (again and due == LIMIT):
        s.rest_slot, s.rest_from = slot if first else 0, first
        stop(s, due)
        return

    whole = load16(slot + COUNT)
    last = cut = whole
    marked = False
    if flags & BREAK and not again:
        last = next_breakpoint(s, slot, first)
        if last == first:
            if s.resumed != pc and is_among(s, pc, 0, s.stop_count):
                s.rest_slot, s.rest_from = slot if first else 0, first
                stop(s, BREAKPOINT)
                return
            marked = is_among(s, pc, s.stop_count, s.breakpoint_count)
            last = next_breakpoint(s, slot, first + 1)
    if flags & GUARDED:
        cut = guarded(s, slot, first, pc)
        if cut < 0:
            return
    if flags & SPINS and not first and s.fast_forward and not s.recording:
        skip(s, slot)
    if s.model:
        if not first:
            call_open(s.open_block, s.self, slot, pc)
        if s.remap_frame >= 0:
            s.fill_frame = s.remap_frame
            stop(s, REMAP)
            return
        if s.derived_cut:
            cut = min(cut, max(s.derived, first + 1))
        if first < s.split_at:
            last = min(last, s.split_at)
    last = min(last, cut)
    if not again:
        last = min(last, first + s.limit - s.instructions)
        if marked and s.crossing_ring:
            note_passage(s, MARK, pc)
        if s.block_ring and (not first or not s.block_total):      # the rest of one, if listening began in its middle
            call_note(s.note_block, s.self, slot, pc, s.cycles, s.instructions)
    last = charge_until_due(s, slot, first, last)
    if again:
        s.instructions -= 1
    if last < whole or (first and size != block_size(s, slot) - (pc - (load64(slot + KEY) & 0xFFFFFFFF))):
        if s.model and last < cut:
            s.rest_slot, s.rest_from = slot, last       # at a cut, a new block begins
        split(s, slot, first, last)
        return
    s.passed = s.resumed = -1
    if flags & FLUSH:
        s.flush_tlb = load16(slot + FLUSHES)
        s.deadline = 0


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def attend(user: Any, pc: int, size: int, key: int) -> int:
    """`look_closer`, for the block hooks."""
    s = record(user)
    look_closer(s, pc, size, key, slot_of(s, key))
    return 0


@callback(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr))
def on_block(handle: Any, address: int, size: int, user: Any) -> None:
    """UC_HOOK_BLOCK under a `unit` profile: `address` is linear, `size` the bytes of the block."""
    s = record(user)
    pc = types.int64(address) & 0xFFFFFFFF
    key = pc | load32(s.code_frames + (pc >> 12) * 4) << 32 | types.int64(size) << SIZE_SHIFT
    mode = load32(s.env + HFLAGS)
    if not mode & HF_CS32:
        key |= CODE16
    slot = s.table + (key * HASH >> 40 & ENTRIES - 1) * ENTRY_SIZE
    counts = load32(slot + COUNT)                       # with FLAGS in the upper half
    cycles = s.cycles + load32(slot + COST)
    instructions = s.instructions + counts
    if (load64(slot) == key and counts <= 0xFFFF and cycles < s.deadline and instructions < s.limit
            and mode & HF_CPL == s.ring):
        s.block = slot
        s.cycles = cycles
        s.instructions = instructions
        if s.block_ring:                                # last: what is called leaves nothing to be kept in registers
            call_note(s.note_block, s.self, slot, pc, cycles - load32(slot + COST), instructions - counts)
    else:
        call_attend(s.attend, s.self, pc, types.int64(size), key)      # by address: keeps this function small
