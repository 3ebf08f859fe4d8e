"""Address programs, evaluated natively at the entry of a block: the list of everything that the block will access.

`derivation` made the program, `program` has packed it; here it is run over the live registers. The result is the
block's records (`records`), code lines and data, linear and physical, in the order of execution.
"""

from __future__ import annotations

from emu.cpu.delivery import descriptor_address
from emu.cpu.derivation import Marks
from emu.cpu.far_accesses import far_transfer, read_descriptor
from emu.cpu.layout import CR0, CR3, EFLAGS, HF_CPL, HF_SS32, HFLAGS
from emu.cpu.paging import NOT_PAGED, PAGE_MASK, RIGHTS, find
from emu.cpu.program import (
    ACCESS,
    AT,
    DISP,
    MASK,
    OFFSET,
    ON_STACK,
    OP,
    OP_ACCESS,
    OP_ADD,
    OP_AND,
    OP_BIT_SCAN,
    OP_DESCRIPTOR,
    OP_EMPTY,
    OP_FETCH,
    OP_FLOATING,
    OP_IF_COUNT,
    OP_INSERT,
    OP_INTERRUPT_FLAG,
    OP_KEEP,
    OP_LOAD,
    OP_MUL,
    OP_OR,
    OP_PRIVILEGED,
    OP_SAR,
    OP_SHL,
    OP_SHR,
    OP_SIGN_EXTEND,
    OP_SUB,
    OP_XOR,
    OP_ZERO_EXTEND,
    RESULT,
    SCALED,
    SEGMENT,
    SHIFT,
    SIZE,
    STEP_SIZE,
    STOPS,
    STORED,
    VALUE_BASE,
)
from emu.cpu.records import (
    ACCESS_READ,
    ACCESS_RMW,
    ACCESS_WRITE,
    CODE_FRAME,
    EMPTY,
    FETCHED,
    KEPT_ENTRY,
    KEPT_LINEAR,
    KEPT_SIZE,
    KEPT_VALUE,
    NO_PAGE,
    PAGE_BITS,
    READ,
    WHOLE,
    WRITE,
    add_access,
    add_record,
    value_at,
)
from emu.cpu.state import State
from emu.cpu.x86 import CR0_EM, CR0_PG, CR0_TS, DESC_A, DESC_S, IOPL_SHIFT, PTE_D, PTE_P, PTE_U, PTE_W
from emu.native import compiled, load8, load16, load32, load64, store64

FREE = RIGHTS | NOT_PAGED     # of a translation while paging is off
BUSY, ACCESSED = int(Marks.BUSY), int(Marks.ACCESSED)


@compiled
def sign_extended(value: int, size: int) -> int:
    """The low `size` bytes as a signed number."""
    value &= (1 << 8 * size) - 1
    return value - (1 << 8 * size) if value >> 8 * size - 1 else value


@compiled
def calculate(step: int) -> int:
    """The result of an operation on temporaries."""
    op = load16(step + OP)
    size = load16(step + SIZE)
    shift = load8(step + SHIFT)
    left = load32(load64(step + VALUE_BASE)) + load32(step + DISP)
    right = load32(load64(step + SCALED))
    if op == OP_ADD:
        return left + (right << shift)
    right = right + load32(step + OFFSET) & 0xFFFFFFFF
    left &= 0xFFFFFFFF
    if op == OP_ZERO_EXTEND:
        return left >> shift & (1 << 8 * size) - 1
    if op == OP_SIGN_EXTEND:
        return sign_extended(left, size)
    if op == OP_SUB:
        return left - right
    if op == OP_AND:
        return left & right
    if op == OP_OR:
        return left | right
    if op == OP_XOR:
        return left ^ right
    if op == OP_SHL:
        return left << (right & 31)
    if op == OP_SHR:
        return left >> (right & 31)
    if op == OP_SAR:
        return sign_extended(left, 4) >> (right & 31)
    if op == OP_MUL:
        return sign_extended(left, 4) * sign_extended(right, 4)
    if op == OP_INSERT:
        mask = (1 << 8 * size) - 1 << shift
        return right & ~mask | left << shift & mask
    return bit_scan(left, right, shift)


@compiled
def bit_scan(value: int, otherwise: int, highest: int) -> int:
    """The number of the lowest or highest bit that is set; `otherwise` if none is."""
    if value == 0:
        return otherwise
    bit = 31 if highest else 0
    while not value >> bit & 1:
        bit += -1 if highest else 1
    return bit


@compiled
def keep(s: State, step: int, linear: int, size: int) -> None:
    """Note what a store will write, for a load behind it."""
    kept = s.kept + s.kept_count * KEPT_ENTRY
    s.kept_count += 1
    stored = load64(step + STORED)
    store64(kept + KEPT_LINEAR, linear)
    store64(kept + KEPT_SIZE, size)
    store64(kept + KEPT_VALUE, load32(stored) + load32(step + OFFSET) & 0xFFFFFFFF if stored else -1)


@compiled
def derive(s: State, step: int, start: int) -> None:
    """Run the program from `step` on for the block at linear `start`; what came before has kept its stores.

    Leaves the records, `derived`: up to which instruction they are complete, `derived_cut`: 1 if the block must be left
    there, 0 if it will fault there or ends, `split_at`: where it must be left at the latest, and `remap_frame`: the
    frame that must change its use before it can run, -1 if none.
    """
    user = 1 if load32(s.env + HFLAGS) & HF_CPL == 3 else 0
    stack_mask = 0xFFFFFFFF if load32(s.env + HFLAGS) & HF_SS32 else 0xFFFF
    s.record_count = 0
    s.derived_cut = 0
    s.split_at = WHOLE
    s.remap_frame = -1
    paged = load32(s.env + CR0) & CR0_PG
    fresh = s.tlb_cr3 == load32(s.env + CR3)
    rights = PTE_P | PTE_U if user else PTE_P
    while True:
        op = load16(step + OP)
        at = load16(step + AT)
        if op == OP_FETCH:
            linear = start + load32(step + DISP) & 0xFFFFFFFF
            frame = load32(s.code_frames + (linear >> 12) * 4) & 0x3FFFF
            found = find(s, linear, 0, user)
            page_kind = (found & PAGE_BITS) >> 7 if found >= 0 else 0
            add_record(s, at, FETCHED, linear, frame << 12 | linear & 0xFFF, load16(step + SIZE), page_kind)
        elif op <= OP_KEEP and op >= OP_ACCESS:
            access, size, mask = load8(step + ACCESS), load16(step + SIZE), load32(step + MASK)
            if access & ON_STACK:
                access, mask = access & ACCESS_RMW, stack_mask
            offset = load32(load64(step + VALUE_BASE)) + (load32(load64(step + SCALED)) << load8(step + SHIFT)) \
                + load32(step + DISP) & mask
            linear = load64(load64(step + SEGMENT)) + offset & 0xFFFFFFFF
            if not access:                              # INVLPG
                s.flush_page = linear
                step += STEP_SIZE
                continue
            need = rights | PTE_W | PTE_D if access & ACCESS_WRITE else rights
            word = load64(s.tlb + (linear >> 12) * 8) if paged else linear & PAGE_MASK & s.a20_mask | FREE
            physical = word & PAGE_MASK | linear & 0xFFF
            if ((not paged or (fresh and word >> 32 == s.epoch)) and word & need == need
                    and (linear & 0xFFF) + size <= 0x1000
                    and physical < s.ram_size
                    and not (access & ACCESS_WRITE and load8(s.frames + (physical >> 12)) & CODE_FRAME)):
                failed = 0                              # what `add_access` would find, without the calls
                if access & ACCESS_READ:
                    add_record(s, at, READ, linear, physical, size, (word & PAGE_BITS) >> 7)
                if access & ACCESS_WRITE:
                    add_record(s, at, WRITE, linear, physical, size, (word & PAGE_BITS) >> 7)
            else:
                failed = add_access(s, at, access, linear, size, user)
            if failed:
                s.derived = at
                s.derived_cut = 0 if failed == NO_PAGE else 1
                return
            if op == OP_LOAD:
                value = value_at(s, linear, size, user)
                if value < 0:                           # from a store that was not followed: it must be made first
                    s.derived = at
                    s.derived_cut = 1
                    return
                store64(load64(step + RESULT), value)
            elif op == OP_KEEP:
                keep(s, step, linear, size)
        elif op <= STOPS:
            s.derived = at
            s.derived_cut = op
            return
        elif op <= OP_BIT_SCAN:
            store64(load64(step + RESULT), calculate(step) & 0xFFFFFFFF)
        elif not go_on(s, step, op, user):
            s.derived = at + 1 if op == OP_IF_COUNT else at
            return
        step += STEP_SIZE


@compiled
def go_on(s: State, step: int, op: int, user: int) -> bool:
    """The rare steps; False if the program ends here."""
    if op == OP_IF_COUNT:
        s.repeat_left = load32(load64(step + VALUE_BASE)) + load32(step + DISP) & 0xFFFFFFFF
        return s.repeat_left != 0
    if op == OP_FLOATING:
        return load32(s.env + CR0) & (CR0_TS | CR0_EM) == 0
    cpl = load32(s.env + HFLAGS) & HF_CPL
    if op == OP_PRIVILEGED:
        return cpl == 0
    if op == OP_INTERRUPT_FLAG:
        return cpl <= load32(s.env + EFLAGS) >> IOPL_SHIFT & 3
    if op == OP_DESCRIPTOR:
        selector = load32(load64(step + VALUE_BASE)) + load32(step + DISP) & 0xFFFF
        high = read_descriptor(s, load16(step + AT), selector)
        marks = load8(step + ACCESS)
        if high and (marks == BUSY or (marks == ACCESSED and high & DESC_S and not high & DESC_A)):
            add_access(s, load16(step + AT), ACCESS_WRITE, descriptor_address(s, selector) + 4, 4, 0)
        return True
    if op == OP_EMPTY:
        add_record(s, load16(step + AT), EMPTY, 0, 0, load16(step + SIZE), 0)
        return True
    return far_transfer(s, step, user) == 0
