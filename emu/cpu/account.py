"""The block hook: charges a block to the clock, or stops in front of what must happen first.

Unicorn calls it before every block. A plain block costs a table look-up and five stores. What needs attention (a
deadline inside the block, a pending interrupt, an instruction to look at) goes through `look_closer`, which may stop
the run at the start of the block, with EIP there and nothing executed, or ask for a part of the block only: `SPLIT`.
"""

from __future__ import annotations

from typing import Any

from numba import types

from emu.cpu.blocks import (
    BREAK_AT,
    CODE,
    CODE16,
    COST,
    COUNT,
    CUT_AT,
    ENTRIES,
    ENTRY_SIZE,
    FLAGS,
    GUARD_AT,
    GUARD_KIND,
    HASH,
    KEY,
    POOL,
    SIZE_SHIFT,
    Guard,
    Special,
    index_in,
    slot_of,
)
from emu.cpu.delivery import CS, ESP, SS
from emu.cpu.layout import BASE, EFLAGS, HF_CPL, HF_CS32, HF_INHIBIT_IRQ, HFLAGS
from emu.cpu.paging import flush_unicorn, read_linear
from emu.cpu.state import Examine, State, Stop, record
from emu.cpu.x86 import IF, IOPL_SHIFT, VM, Register
from emu.native import call_attend, call_emu_stop, callback, compiled, load8, load16, load32, load64, store32

SPLIT, EVENT, INTERRUPT, LIMIT = int(Stop.SPLIT), int(Stop.EVENT), int(Stop.INTERRUPT), int(Stop.LIMIT)
BREAKPOINT, NEW_BLOCK, EXAMINE = int(Stop.BREAK), int(Stop.NEW_BLOCK), int(Stop.EXAMINE)
COMPARE, REPEAT, GUARDED = int(Special.COMPARE), int(Special.REPEAT), int(Special.GUARD)
BREAK, FLUSH, COUNT16 = int(Special.BREAK), int(Special.FLUSH), int(Special.COUNT16)
JUMP, CALL = int(Special.JUMP), int(Special.CALL)
PORT, FAR, DIVIDE, ICEBP, UNKNOWN, ILLEGAL, MSR, BEGIN = (int(guard) for guard in list(Guard)[1:])
EXAMINE_PORT, FAR_TRANSFER = int(Examine.PORT), int(Examine.FAR_TRANSFER)
DIVISION, EXAMINE_ICEBP = int(Examine.DIVISION), int(Examine.ICEBP)
EXAMINE_ILLEGAL, EXAMINE_MSR = int(Examine.ILLEGAL), int(Examine.MSR)
SYSENTER_FIRST, SYSENTER_LAST = 0x174, 0x176    # the MSRs that Unicorn keeps
EAX, ECX, EDX = 8 * int(Register.EAX), 8 * int(Register.ECX), 8 * int(Register.EDX)

PART = 1                    # tag in `block`: only a part of it was run


@compiled
def arm(s: State) -> None:
    """Set the cycle at which the block hook looks closer: at once while something is in suspense."""
    if s.intr or s.flush_tlb or s.step_allow or s.stepping or s.reason or s.repeating >= 0:
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
def cost_before(s: State, slot: int, index: int) -> int:
    """Cycles from the start of a block to its instruction `index`."""
    return load32(s.costs + (load32(slot + POOL) + index) * 4)


@compiled
def charge(s: State, slot: int, first: int, count: int) -> None:
    """Charge `count` instructions of a block from its instruction `first` on."""
    before = cost_before(s, slot, first)
    s.block = slot
    if first > 0 or count < load16(slot + COUNT):
        set_start(s, slot, s.cycles - before, s.instructions - first)
    s.cycles += cost_before(s, slot, first + count) - before
    s.instructions += count
    if load16(slot + FLAGS) & REPEAT and first + count == load16(slot + COUNT):
        s.repeating = last_address(s, slot)
        s.repeat_count = repeat_count(s, slot)
    if load16(slot + FLAGS) & (COMPARE | REPEAT):
        s.deadline = 0


@compiled
def set_start(s: State, slot: int, cycles: int, instructions: int) -> None:
    """Note when the current block began, as it cannot be told from what it costs: it does not run whole."""
    s.block = slot | PART
    s.block_cycles = cycles
    s.block_instructions = instructions


@compiled
def started(s: State) -> tuple[int, int]:
    """(clock, instruction count) when the current block began, which it must not have left."""
    if s.block & PART:
        return s.block_cycles, s.block_instructions
    return s.cycles - load32(s.block + COST), s.instructions - load16(s.block + COUNT)


@compiled
def rewind(s: State, linear: int) -> None:
    """Give back the part of the current block from the instruction at `linear` on: it was left there."""
    s.repeating = -1
    if not s.block:
        return
    slot = s.block & ~PART
    index = index_in(s, slot, linear - (load64(slot + KEY) & 0xFFFFFFFF))
    if index < load16(slot + COUNT):
        cycles, instructions = started(s)
        set_start(s, slot, cycles, instructions)
        s.cycles = cycles + cost_before(s, slot, index)
        s.instructions = instructions + index


@compiled
def cycle_at(s: State, linear: int) -> int:
    """The clock when the instruction of the current block at `linear` begins."""
    if not s.block:
        return s.cycles
    slot = s.block & ~PART
    cycles, _ = started(s)
    return cycles + cost_before(s, slot, index_in(s, slot, linear - (load64(slot + KEY) & 0xFFFFFFFF)))


@compiled
def last_address(s: State, slot: int) -> int:
    """Linear address of a block's last instruction."""
    return (load64(slot + KEY) & 0xFFFFFFFF) + load32(s.starts + (load32(slot + POOL) + load16(slot + COUNT) - 1) * 4)


@compiled
def is_changed(s: State, slot: int, pc: int, size: int) -> bool:
    """True if the bytes of a block are not those that were decoded; each page is where it was last fetched from."""
    kept = s.code_bytes + load32(slot + CODE)
    for i in range(size):
        at = pc + i & 0xFFFFFFFF
        frame = load32(s.code_frames + (at >> 12) * 4) & 0x3FFFF
        if load8(s.ram + (frame << 12 | at & 0xFFF)) != load8(kept + i):
            return True
    return False


@compiled
def undo_self_modified(s: State, pc: int, size: int) -> None:
    """A store into the running block: Unicorn leaves it and runs the storing instruction again, as a block of one."""
    slot = s.block & ~PART
    if not slot or not load16(slot + FLAGS) & COMPARE:
        return
    index = index_in(s, slot, pc - (load64(slot + KEY) & 0xFFFFFFFF))
    _, instructions = started(s)
    if index >= s.instructions - instructions:          # not one of those that have been charged
        return
    at = s.starts + (load32(slot + POOL) + index) * 4
    if load32(at + 4) - load32(at) != size:
        return
    if index + 1 == load16(slot + COUNT) and comes_again(s, slot, pc + size):
        return
    rewind(s, pc)


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
def repeat_count(s: State, slot: int) -> int:
    """The count register of the REP instruction in a block."""
    return load32(s.env + ECX) & (0xFFFF if load16(slot + FLAGS) & COUNT16 else 0xFFFFFFFF)


@compiled
def guarded(s: State, slot: int, count: int, pc: int) -> int:
    """How many instructions may run in view of the guarded one; -1 after a stop to examine it."""
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
    if checked and load16(slot + GUARD_AT) > 0:
        return min(count, load16(slot + GUARD_AT))
    if checked and s.passed != pc:
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
            s.step_slot, s.step_from = slot, 0
            stop(s, EXAMINE)
            return -1
    return min(count, load16(slot + CUT_AT))


@compiled
def within_deadline(s: State, slot: int, count: int) -> int:
    """How many of the first `count` instructions run before the boundary at which the deadline or limit falls."""
    if s.instructions + count > s.limit:
        count = s.limit - s.instructions
    if s.cycles + cost_before(s, slot, count - 1) >= s.event_deadline:
        for i in range(1, count):
            if s.cycles + cost_before(s, slot, i) >= s.event_deadline:
                return i
    return count


@compiled
def what_is_due(s: State) -> int:
    """What comes before the next instruction: a Stop, or 0."""
    if s.intr and load32(s.env + EFLAGS) & IF and not load32(s.env + HFLAGS) & HF_INHIBIT_IRQ:
        return INTERRUPT
    if s.cycles >= s.event_deadline:
        return EVENT
    return LIMIT if s.instructions >= s.limit else 0


@compiled
def look_closer(s: State, pc: int, size: int, key: int, slot: int) -> None:
    """Everything that is not just another block."""
    if s.reason:                                        # already stopping: the block will not run
        return
    if s.stepping:                                      # the part that was asked for
        s.stepping = 0
        s.repeating = -1
        s.io_cycle = s.cycles
        if s.step_from + s.step_count == load16(s.step_slot + COUNT) and load16(s.step_slot + FLAGS) & FLUSH:
            s.flush_tlb = 1
        charge(s, s.step_slot, s.step_from, s.step_count)
        s.passed = s.resumed = -1
        arm(s)
        return
    if s.flush_tlb:
        s.flush_tlb = 0
        s.epoch += 1
    if s.step_allow:
        s.step_allow = 0
        flush_unicorn(s)
    undo_self_modified(s, pc, size)
    flags = load16(slot + FLAGS)
    if not load64(slot) or (flags & COMPARE and is_changed(s, slot, pc, size)):
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
        stop(s, due)
        return

    whole = load16(slot + COUNT)
    count = whole
    if flags & BREAK and not again:
        at = load16(slot + BREAK_AT)
        if at == 0 and s.resumed != pc:
            stop(s, BREAKPOINT)
            return
        if at > 0:
            count = at
    if flags & GUARDED:
        count = guarded(s, slot, count, pc)
        if count < 0:
            return
    if not again:
        count = within_deadline(s, slot, count)
    if count < whole:
        s.step_slot, s.step_from, s.step_count = slot, 0, count
        stop(s, SPLIT)
        return
    s.passed = s.resumed = -1
    if flags & FLUSH:
        s.flush_tlb = 1
        s.deadline = 0
    charge(s, slot, 0, whole)
    if again:
        s.instructions -= 1


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def attend(user: Any, pc: int, size: int, key: int) -> int:
    """`look_closer`, for `on_block`."""
    s = record(user)
    look_closer(s, pc, size, key, slot_of(s, key))
    return 0


@callback(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr))
def on_block(handle: Any, address: int, size: int, user: Any) -> None:
    """UC_HOOK_BLOCK: `address` is linear, `size` the bytes of the block."""
    s = record(user)
    pc = types.int64(address) & 0xFFFFFFFF
    key = pc | load32(s.code_frames + (pc >> 12) * 4) << 32 | types.int64(size) << SIZE_SHIFT
    if not load32(s.env + HFLAGS) & HF_CS32:
        key |= CODE16
    slot = s.table + (key * HASH >> 40 & ENTRIES - 1) * ENTRY_SIZE
    counts = load32(slot + COUNT)                       # with FLAGS in the upper half
    cycles = s.cycles + load32(slot + COST)
    instructions = s.instructions + counts
    if load64(slot) == key and counts <= 0xFFFF and cycles < s.deadline and instructions < s.limit:
        s.block = slot
        s.cycles = cycles
        s.instructions = instructions
    else:
        call_attend(s.attend, s.self, pc, types.int64(size), key)      # by address: keeps this function small
