"""Address programs, evaluated natively at the entry of a block: the list of everything that the block will access.

`derivation` made the program; here it is packed (`pack`) and run (`derive`) over the live registers. The result is a
list of records in the order of execution, code lines and data, linear and physical, which `charging` prices; together
with what each cost they are the block's ledger. Nothing here changes the guest: page tables are looked at, not marked.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from emu.cpu.delivery import SS, descriptor_address
from emu.cpu.derivation import BY_STACK, DIRECTION, NOTHING, TEMPORARY, Access, Marks, Op, Step, Value
from emu.cpu.layout import (
    BASE,
    CR0,
    CR3,
    DF,
    EFLAGS,
    HF_CPL,
    HF_SS32,
    HFLAGS,
    SEGMENT_SIZE,
    SEGMENTS,
    TR,
)
from emu.cpu.paging import NOT_PAGED, PAGE_MASK, find
from emu.cpu.state import Frame, State, Transition, transition_price
from emu.cpu.x86 import (
    CR0_EM,
    CR0_PG,
    CR0_TS,
    DESC_A,
    DESC_C,
    DESC_DPL_SHIFT,
    DESC_S,
    IOPL_SHIFT,
    PDE_PS,
    PTE_G,
    PTE_P,
    PTE_U,
    TSS_ESP0,
    TYPE_CALL_GATE16,
    TYPE_CALL_GATE32,
)
from emu.native import compiled, inlined, load8, load16, load32, load64, store32, store64

# A packed step, bytes from its start. Operands are addresses of 32-bit values in this process.
OP = 0                      # u16: Op
AT = 2                      # u16: instruction
SIZE = 4                    # u16: bytes
ACCESS = 6                  # u8: Access
SHIFT = 7                   # u8
DISP = 8                    # i32: added to the base
OFFSET = 12                 # i32: added to the second operand of an operation, or to the value of a KEEP
VALUE_BASE = 16             # address of the base
SCALED = 24                 # address of what is shifted and added, or of the second operand
SEGMENT = 32                # address of the segment's base (u64)
MASK = 40                   # u32: of the offset in the segment; 0: as wide as the stack
RESULT = 48                 # address of the temporary that is written
STORED = 56                 # KEEP: address of the value that is stored; 0: not known
STEP_SIZE = 64
_LAYOUT = struct.Struct("<HHHBBiiqqqqqq")

# A record, bytes from its start.
LINEAR = 0                  # u32; of a TRANSITION, which
PHYSICAL = 4                # u32
LENGTH = 8                  # u16: bytes; of a FETCH into a trace cache, instructions
KIND = 10                   # u8: see below
PAGE_KIND = 11              # u8: LARGE, GLOBAL, UNTRANSLATED
WHERE = 12                  # u16: instruction in the block
CACHE_STALL = 16            # i32: what it cost beyond a first-level hit, cycles: caches, or its own price
TLB_STALL = 20              # i32: TLBs and page walks
RECORD_SIZE = 24

READ, WRITE, FETCHED = 1, 2, 3                  # KIND: accesses
TRANSITION, BUS, ITERATION, EMPTY = 4, 5, 6, 7  # KIND: what has a price of its own; ITERATION of REP, EMPTY the caches
NO_PAGE, DEVICE, REMAP = 1, 2, 3                # why an access ends the program
LARGE, GLOBAL, UNTRANSLATED = 1, 2, 4           # PAGE_KIND: a 4 MiB page; in every address space; paging is off

# A store whose value a later load of the block may find.
KEPT_LINEAR, KEPT_SIZE, KEPT_VALUE = 0, 8, 16   # i64 each; the value is -1 if it is not known
KEPT_ENTRY = 24
UNKNOWN_VALUE, NOT_KEPT = -1, -2

WHOLE = 1 << 30             # `split_at` of a block that may run whole
CODE_FRAME, ONLY_CODE = int(Frame.FETCHED | Frame.MIXED), int(Frame.FETCHED)
RECORDS = 1 << 14           # a block has at most 512 instructions, an instruction at most a dozen accesses
TEMPORARIES = 1 << 13
ENDS, STOPS = int(Op.END), int(Op.STOP)
OP_ACCESS, OP_FETCH, OP_LOAD, OP_KEEP = int(Op.ACCESS), int(Op.FETCH), int(Op.LOAD), int(Op.KEEP)
OP_ADD, OP_SUB, OP_AND, OP_OR, OP_XOR = (int(op) for op in (Op.ADD, Op.SUB, Op.AND, Op.OR, Op.XOR))
OP_SHL, OP_SHR, OP_SAR, OP_MUL = int(Op.SHL), int(Op.SHR), int(Op.SAR), int(Op.MUL)
OP_ZERO_EXTEND, OP_SIGN_EXTEND, OP_INSERT = int(Op.ZERO_EXTEND), int(Op.SIGN_EXTEND), int(Op.INSERT)
OP_BIT_SCAN, OP_IF_COUNT = int(Op.BIT_SCAN), int(Op.IF_COUNT)
OP_FLOATING, OP_PRIVILEGED, OP_INTERRUPT_FLAG = int(Op.FLOATING), int(Op.PRIVILEGED), int(Op.INTERRUPT_FLAG)
OP_DESCRIPTOR, OP_RETURN_FAR = int(Op.DESCRIPTOR), int(Op.RETURN_FAR)
OP_CALL_FAR, OP_JUMP_FAR, OP_EMPTY = int(Op.CALL_FAR), int(Op.JUMP_FAR), int(Op.EMPTY)
IRET_OUTER, _, RETF_OUTER, _, CALL_FAR, JMP_FAR, GATE_INNER, GATE_SAME = map(int, Transition)
ACCESS_READ, ACCESS_WRITE = int(Access.READ), int(Access.WRITE)
BUSY, ACCESSED = int(Marks.BUSY), int(Marks.ACCESSED)
PAGE_BITS = PDE_PS | PTE_G | NOT_PAGED          # of a TLB word, which are PAGE_KIND << 7


def pack(steps: Sequence[Step], s: State) -> bytes:
    """A program for `derive`, of this process: its operands are addresses."""
    return b"".join(_pack_step(step, s) for step in steps)


def _pack_step(step: Step, s: State) -> bytes:
    disp, offset = step.base.offset, step.scaled.offset
    if step.op in (Op.ACCESS, Op.LOAD, Op.KEEP, Op.ADD):
        disp += step.scaled.offset << step.shift
        offset = step.value.offset if step.value else 0
    return _LAYOUT.pack(step.op, step.at, step.size, step.access, step.shift, _signed(disp), _signed(offset),
                        _place(step.base, s), _place(step.scaled, s),
                        s.env + SEGMENTS + SEGMENT_SIZE * step.segment + BASE, step.mask,
                        _place(Value(step.result, 0), s) if step.result else 0,
                        _place(step.value, s) if step.value else 0)


def _signed(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


def _place(value: Value, s: State) -> int:
    """The address of what a value is based on."""
    if value.base == NOTHING:
        return s.temporaries                # the first is always zero
    if value.base == DIRECTION:
        return s.env + DF
    return s.env + 8 * value.base if value.base < DIRECTION else s.temporaries + 8 * (value.base - TEMPORARY + 1)


@inlined
def add_record(s: State, at: int, kind: int, linear: int, physical: int, size: int, page_kind: int) -> int:
    """Append a record; its address."""
    record = s.records + s.record_count * RECORD_SIZE
    s.record_count += 1
    store32(record + LINEAR, linear)
    store32(record + PHYSICAL, physical)
    store32(record + LENGTH, size | kind << 16 | page_kind << 24)
    store32(record + WHERE, at)
    store64(record + CACHE_STALL, 0)
    return record


@compiled
def store_to_code(s: State, at: int, frame: int) -> bool:
    """A store meets a frame with code. True if the frame must change its use first; otherwise the block, which may be
    storing into itself, is left behind the instruction.
    """
    if load8(s.frames + frame) & ONLY_CODE:
        s.remap_frame = frame
        return True
    s.split_at = min(s.split_at, at + 1)
    return False


@compiled
def add_access(s: State, at: int, access: int, linear: int, size: int, user: int) -> int:
    """Append what an access to data reads and writes; 0, or what ends the program: see NO_PAGE and so on."""
    linear &= 0xFFFFFFFF
    first = min(size, 0x1000 - (linear & 0xFFF))
    write = access >> 1
    word = find(s, linear, write, user)
    if word < 0:
        return NO_PAGE
    physical = word & PAGE_MASK | linear & 0xFFF
    if physical >= s.ram_size:
        return DEVICE
    if write and load8(s.frames + (physical >> 12)) & CODE_FRAME and store_to_code(s, at, physical >> 12):
        return REMAP
    page_kind = (word & PAGE_BITS) >> 7
    second_linear = linear + first & 0xFFFFFFFF
    second = 0
    if first < size:
        second = find(s, second_linear, write, user)
        if second < 0:
            return NO_PAGE
        if second & PAGE_MASK >= s.ram_size:
            return DEVICE
        if write and load8(s.frames + (second >> 12)) & CODE_FRAME and store_to_code(s, at, second >> 12):
            return REMAP
    if access & ACCESS_READ:
        add_record(s, at, READ, linear, physical, first, page_kind)
        if first < size:
            add_record(s, at, READ, second_linear, second & PAGE_MASK, size - first, (second & PAGE_BITS) >> 7)
    if write:
        add_record(s, at, WRITE, linear, physical, first, page_kind)
        if first < size:
            add_record(s, at, WRITE, second_linear, second & PAGE_MASK, size - first, (second & PAGE_BITS) >> 7)
    return 0


@compiled
def kept_value(s: State, linear: int, size: int) -> int:
    """What an earlier store of the block leaves at an address: a value, UNKNOWN_VALUE, or NOT_KEPT if none does."""
    for kept in range(s.kept + (s.kept_count - 1) * KEPT_ENTRY, s.kept - 1, -KEPT_ENTRY):
        at, length = load64(kept + KEPT_LINEAR), load64(kept + KEPT_SIZE)
        if at == linear and length == size:
            value = load64(kept + KEPT_VALUE)
            return value if value < 0 else value & (1 << 8 * size) - 1
        if at < linear + size and linear < at + length:
            return UNKNOWN_VALUE
    return NOT_KEPT


@compiled
def value_at(s: State, linear: int, size: int, user: int) -> int:
    """The value that a load will find, of up to 4 bytes: in an earlier store of the block, or in RAM; -1: not known."""
    linear &= 0xFFFFFFFF
    value = kept_value(s, linear, size)
    if value != NOT_KEPT:
        return value
    if (linear & 0xFFF) + size > 0x1000:
        value = 0
        for i in range(size):
            byte = value_at_byte(s, linear + i & 0xFFFFFFFF, user)
            if byte < 0:
                return UNKNOWN_VALUE
            value |= byte << 8 * i
        return value
    word = find(s, linear, 0, user)
    physical = word & PAGE_MASK | linear & 0xFFF
    if word < 0 or physical >= s.ram_size:
        return UNKNOWN_VALUE
    if size == 4:
        return load32(s.ram + physical)
    return load16(s.ram + physical) if size == 2 else load8(s.ram + physical)


@compiled
def value_at_byte(s: State, linear: int, user: int) -> int:
    """A byte of RAM; -1 if there is none."""
    word = find(s, linear, 0, user)
    physical = word & PAGE_MASK | linear & 0xFFF
    return UNKNOWN_VALUE if word < 0 or physical >= s.ram_size else load8(s.ram + physical)


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
def read_descriptor(s: State, at: int, selector: int) -> int:
    """Append the reads of a descriptor; its high doubleword, 0 for a null selector or one outside its table."""
    if not selector & 0xFFFC:
        return 0
    linear = descriptor_address(s, selector & 0xFFFF)
    if linear < 0 or add_access(s, at, ACCESS_READ, linear, 4, 0) or add_access(s, at, ACCESS_READ, linear + 4, 4, 0):
        return 0
    high = value_at(s, linear + 4, 4, 0)
    return high if high > 0 else 0


@compiled
def stack_address(s: State, offset: int) -> int:
    """The linear address of an offset in the stack segment."""
    mask = 0xFFFFFFFF if load32(s.env + HFLAGS) & HF_SS32 else 0xFFFF
    return load64(s.env + SS + BASE) + (offset & mask) & 0xFFFFFFFF


@compiled
def far_transfer(s: State, step: int, user: int) -> int:
    """Append what RETF, IRET, far CALL and JMP access behind their operands, and what the transition costs."""
    op, at, size = load16(step + OP), load16(step + AT), load16(step + SIZE)
    selector = load32(load64(step + VALUE_BASE)) + load32(step + DISP) & 0xFFFF
    top = load32(load64(step + SCALED)) + load32(step + OFFSET) & 0xFFFFFFFF
    cpl = load32(s.env + HFLAGS) & HF_CPL
    high = read_descriptor(s, at, selector)
    if op == OP_RETURN_FAR:
        outer = selector & 3 > cpl
        if outer:
            inner_ss = value_at(s, stack_address(s, top + size), 2, user)
            failed = add_access(s, at, ACCESS_READ, stack_address(s, top), size, user)
            failed |= add_access(s, at, ACCESS_READ, stack_address(s, top + size), size, user)
            if failed or inner_ss < 0:
                return 1
            read_descriptor(s, at, inner_ss)
        which = (IRET_OUTER if load8(step + ACCESS) else RETF_OUTER) + (0 if outer else 1)      # ..._SAME follows
    elif high & DESC_S:
        which = JMP_FAR
        if op == OP_CALL_FAR:
            which = CALL_FAR
            if push_return(s, at, stack_address(s, top), size, 2, user):
                return 1
    else:
        which = through_gate(s, at, selector, high, top, user)
        if which < 0:
            return 1
    record = add_record(s, at, TRANSITION, which, 0, 0, 0)
    store32(record + CACHE_STALL, transition_price(s, which))
    return 0


@compiled
def push_return(s: State, at: int, top: int, size: int, items: int, user: int) -> int:
    """Append the pushes of a far call: 0, or 1 if one would fault."""
    for i in range(items):
        if add_access(s, at, ACCESS_WRITE, top - (i + 1) * size, size, user):
            return 1
    return 0


@compiled
def through_gate(s: State, at: int, selector: int, high: int, top: int, user: int) -> int:
    """Append what a call gate makes the processor access; the Transition, or -1."""
    kind = high >> 8 & 0xF
    if kind != TYPE_CALL_GATE32 and kind != TYPE_CALL_GATE16:
        return JMP_FAR
    size = 4 if kind == TYPE_CALL_GATE32 else 2
    low = value_at(s, descriptor_address(s, selector), 4, 0)
    if low < 0:
        return -1
    code = read_descriptor(s, at, low >> 16)
    cpl = load32(s.env + HFLAGS) & HF_CPL
    dpl = code >> DESC_DPL_SHIFT & 3
    if code & DESC_C or dpl >= cpl:
        return -1 if push_return(s, at, stack_address(s, top), size, 2, user) else GATE_SAME
    slot = load64(s.env + TR + BASE) + TSS_ESP0 + dpl * 8
    failed = add_access(s, at, ACCESS_READ, slot, 4, 0) | add_access(s, at, ACCESS_READ, slot + 4, 2, 0)
    esp, ss = value_at(s, slot, 4, 0), value_at(s, slot + 4, 2, 0)
    if failed or esp < 0 or ss < 0:
        return -1
    stack = read_descriptor(s, at, ss)
    base = value_at(s, descriptor_address(s, ss), 4, 0) >> 16 | (stack & 0xFF) << 16 | stack & 0xFF000000
    parameters = high & 0x1F
    for i in range(parameters):
        if add_access(s, at, ACCESS_READ, stack_address(s, top + i * size), size, user):
            return -1
    return -1 if push_return(s, at, base + esp, size, 4 + parameters, 0) else GATE_INNER


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
    """Run the program at `step` for the block at linear `start`.

    Leaves the records, `derived`: up to which instruction they are complete, `derived_cut`: 1 if the block must be left
    there, 0 if it will fault there or ends, `split_at`: where it must be left at the latest, and `remap_frame`: the
    frame that must change its use before it can run, -1 if none.
    """
    user = 1 if load32(s.env + HFLAGS) & HF_CPL == 3 else 0
    stack_mask = 0xFFFFFFFF if load32(s.env + HFLAGS) & HF_SS32 else 0xFFFF
    s.record_count = 0
    s.kept_count = 0
    s.derived_cut = 0
    s.split_at = WHOLE
    s.remap_frame = -1
    plain = load32(s.env + CR0) & CR0_PG and s.tlb_cr3 == load32(s.env + CR3)
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
            access, size = load8(step + ACCESS), load16(step + SIZE)
            mask = load64(step + MASK)
            if mask == BY_STACK:
                mask = stack_mask
            offset = load32(load64(step + VALUE_BASE)) + (load32(load64(step + SCALED)) << load8(step + SHIFT)) \
                + load32(step + DISP) & mask
            linear = load64(load64(step + SEGMENT)) + offset & 0xFFFFFFFF
            if not access:                              # INVLPG
                s.flush_page = linear
                step += STEP_SIZE
                continue
            word = load64(s.tlb + (linear >> 12) * 8)
            physical = word & PAGE_MASK | linear & 0xFFF
            if plain and access == ACCESS_READ and word >> 32 == s.epoch and word & rights == rights \
                    and (linear & 0xFFF) + size <= 0x1000 and physical < s.ram_size:
                failed = 0                              # what `add_access` would find, without the calls
                add_record(s, at, READ, linear, physical, size, (word & PAGE_BITS) >> 7)
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
