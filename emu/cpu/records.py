"""The records of a block: everything that it accesses, in the order of execution, and what each access has cost.

`addresses` appends them, `modelled` prices them; together they are the block's ledger. Nothing here changes the guest:
page tables are looked at, not marked.
"""

from __future__ import annotations

from emu.cpu.derivation import Access
from emu.cpu.paging import NOT_PAGED, PAGE_MASK, find
from emu.cpu.state import Frame, State
from emu.cpu.x86 import PDE_PS, PTE_G
from emu.native import compiled, inlined, load8, load16, load32, load64, store32, store64

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

# A word that has moved to the front of its set, as `hits` notes it: address of the set, where the word stood; i64 each.
MOVED_WAY, MOVED_ENTRY = 8, 16
WHOLE = 1 << 30             # `split_at` of a block that may run whole
CODE_FRAME, ONLY_CODE = int(Frame.FETCHED | Frame.MIXED), int(Frame.FETCHED)
RECORDS = 1 << 14           # a block has at most 512 instructions, an instruction at most a dozen accesses
ACCESS_READ, ACCESS_WRITE, ACCESS_RMW = int(Access.READ), int(Access.WRITE), int(Access.RMW)
PAGE_BITS = PDE_PS | PTE_G | NOT_PAGED          # of a TLB word, which are PAGE_KIND << 7


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
    kept = s.kept + s.kept_count * KEPT_ENTRY
    while kept > s.kept:
        kept -= KEPT_ENTRY
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
