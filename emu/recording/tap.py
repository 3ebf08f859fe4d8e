"""Where a recording listens: native functions that stand in front of those that charge, and note what they do.

While a run is recorded, `State` calls these instead of the functions of `modelled`, `account` and `delivery`, and the
block hook looks closer at every block. So a machine that is not recorded pays nothing, and one that is runs through the
same code at the same cycles as in a run that is cut into single blocks.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numba import carray, types

from emu.cpu.blocks import CODE16, COUNT, ENTRY_SIZE, KEY, POOL, SIZE_SHIFT, STRING, Flush
from emu.cpu.layout import CR3, HF_CPL, HFLAGS
from emu.cpu.paging import PAGE_MASK, directory_entry, find, read_physical32
from emu.cpu.records import (
    FETCHED,
    KIND,
    LENGTH,
    LINEAR,
    PAGE_BITS,
    PAGE_KIND,
    RECORD_SIZE,
    RECORDS,
    UNTRANSLATED,
    WHERE,
    WRITE,
)
from emu.cpu.state import Note, State, record
from emu.native import (
    call_attend,
    call_drain,
    call_flush,
    call_open,
    call_part,
    call_touch,
    callback,
    compiled,
    load8,
    load16,
    load32,
    load64,
    pointer_to,
    store8,
    store16,
    store32,
    store64,
)
from emu.recording import events
from emu.timing.model import model_at

OPENED, CHARGED, ACCESSED, TOUCHED = events.OPENED, events.CHARGED, events.ACCESSED, events.TOUCHED
SETTLED, FLUSHED, DELIVERED, ON_BUS = events.SETTLED, events.FLUSHED, events.DELIVERED, events.ON_BUS
BITMAP, WRITTEN = events.BITMAP, events.WRITTEN
REWOUND, DIRECTORY, ENTRY, CODE_PAGE = events.REWOUND, events.DIRECTORY, events.ENTRY, events.CODE_PAGE
FIRST, COUNTED = events.FIRST, events.COUNTED
NOTED_REWOUND, NOTED_BUS, NOTED_BITMAP = int(Note.REWOUND), int(Note.BUS), int(Note.BITMAP)
NOTED_DMA = int(Note.DMA)
FLUSH_MODE = int(Flush.MODE)

WORDS = 1 << 20             # room for events
MOST_WORDS = 5 * RECORDS + 32       # of one block: an access, an address space and a directory entry for each record
CODE_ROOM = 1 << 20         # bytes of room for the blocks that were met
MOST_CODE = 1 << 13         # of one block

# What block was met at an entry of the block table, bytes from its start.
MET_BLOCK = 0               # i64: its place in the pool | how often the table had been cleared, plus 1, << 32
MET_NUMBER = 8              # i64
MET_ENTRY = 16

# A block that was met, bytes from its start; its code follows.
BLOCK_NUMBER = 0            # u32
BLOCK_ADDRESS = 4           # u32: linear
BLOCK_SIZE = 8              # u16: bytes of code
BLOCK_BITS = 10             # u16: 16 or 32
BLOCK_HEAD = 12


class Tap(ctypes.Structure):
    """What native code keeps of a recording."""

    _fields_ = [(name, ctypes.c_int64) for name in (
        "attend", "open_block", "charge_part", "touch", "flush_model",     # addresses of the functions listened to
        "drain",                # address of the function that empties both buffers
        "events",               # address of the events that have not been written
        "used",                 # how many words there are
        "code",                 # address of the blocks that have not been written
        "code_used",            # bytes of them
        "numbers",              # how many blocks have been met
        "met",                  # address, for each entry of the block table: what block was met there
        "opened_at",            # where the last OPENED stands, if nothing has happened to that block; -1
        "opened_end",           # where its accesses end
        "branches",             # how many branches had been settled
        "cr3",                  # as the recording has it
        "entries",              # address of i64[1024]: the last directory entries, as in an ENTRY
        "code_pages",           # address of i64[2^20]: the last CODE_PAGE of each page
    )]


DTYPE = np.dtype(Tap)


@compiled
def tap_of(s: State) -> Any:
    """The record of a machine's recording."""
    return carray(pointer_to(s.recording), (1,), DTYPE)[0]  # type: ignore[call-arg]


@compiled
def append(t: Tap, word: int) -> None:
    """Append a word."""
    store64(t.events + t.used * 8, word)
    t.used += 1


@compiled
def make_room(t: Tap) -> None:
    """Have written what there is, if the next block may not fit."""
    if t.used + MOST_WORDS > WORDS or t.code_used + MOST_CODE > CODE_ROOM:
        call_drain(t.drain, 0)
        t.used = t.code_used = 0
        t.opened_at = -1


@compiled
def note_directory(s: State, t: Tap, linear: int) -> None:
    """Note the directory entry through which a linear address is translated, if it is news."""
    cr3 = load32(s.env + CR3)
    if cr3 != t.cr3:
        t.cr3 = cr3
        append(t, DIRECTORY | cr3 << 4)
    pde_at = directory_entry(s, linear)
    entry = pde_at | (read_physical32(s, pde_at) & PAGE_MASK) << 32
    kept = t.entries + (linear >> 22) * 8
    if entry != load64(kept):
        store64(kept, entry)
        append(t, ENTRY)
        append(t, entry)


@compiled
def note_code_page(s: State, t: Tap, linear: int, user: int) -> None:
    """Note where a page of code is fetched from, if it is news."""
    word = find(s, linear, 0, user)
    page_kind = (word & PAGE_BITS) >> 7 if word >= 0 else 0
    if not page_kind & UNTRANSLATED:
        note_directory(s, t, linear)
    page = linear >> 12
    frame = load32(s.code_frames + page * 4) & 0x3FFFF
    found = CODE_PAGE | page_kind << 4 | page << 8 | frame << 32
    if found != load64(t.code_pages + page * 8):
        store64(t.code_pages + page * 8, found)
        append(t, found)


@compiled
def number_of(s: State, t: Tap, slot: int) -> int:
    """The number of a block. An entry of the table is of one block as long as its place in the pool is the same."""
    met = t.met + (slot - s.table) // ENTRY_SIZE * MET_ENTRY
    block = load32(slot + POOL) | s.tables + 1 << 32
    if load64(met + MET_BLOCK) != block:
        store64(met + MET_BLOCK, block)
        store64(met + MET_NUMBER, define(s, t, slot))
    return load64(met + MET_NUMBER)


@compiled
def define(s: State, t: Tap, slot: int) -> int:
    """Give a block a number, and note its code."""
    t.numbers += 1
    key = load64(slot + KEY)
    start, size = key & 0xFFFFFFFF, key >> SIZE_SHIFT & 0xFFF
    to = t.code + t.code_used
    store32(to + BLOCK_NUMBER, t.numbers)
    store32(to + BLOCK_ADDRESS, start)
    store16(to + BLOCK_SIZE, size)
    store16(to + BLOCK_BITS, 16 if key & CODE16 else 32)
    for i in range(size):
        at = start + i & 0xFFFFFFFF
        frame = load32(s.code_frames + (at >> 12) * 4) & 0x3FFFF
        store8(to + BLOCK_HEAD + i, load8(s.ram + (frame << 12 | at & 0xFFF)))
    t.code_used += BLOCK_HEAD + size
    return t.numbers


@compiled
def append_access(t: Tap, event: int, at: int) -> None:
    """Append the access in a record, or what else is in it."""
    append(t, event | load8(at + KIND) << 4 | load8(at + PAGE_KIND) << 8 | load16(at + LENGTH) << 16
           | load16(at + WHERE) << 32)
    append(t, load64(at + LINEAR))


@callback(types.int32(types.voidptr, types.int64, types.int64))
def open_recorded(user: Any, slot: int, pc: int) -> int:
    """`open_block`, and the block with everything that it will access."""
    s = record(user)
    t = tap_of(s)
    call_open(t.open_block, s.self, slot, pc)
    if t.opened_at >= 0 and t.used == t.opened_end:
        t.used = t.opened_at                            # nothing of the block before has run: it was this one
    make_room(t)
    number = number_of(s, t, slot)
    ring3 = 1 if load32(s.env + HFLAGS) & HF_CPL == 3 else 0
    size = load64(slot + KEY) >> SIZE_SHIFT & 0xFFF
    note_code_page(s, t, pc, ring3)
    if (pc & 0xFFF) + size > 0x1000:
        note_code_page(s, t, pc + 0x1000 & 0xFFFFF000, ring3)
    end = s.records + s.record_count * RECORD_SIZE
    for at in range(s.records, end, RECORD_SIZE):
        if load8(at + KIND) <= WRITE and not load8(at + PAGE_KIND) & UNTRANSLATED:
            note_directory(s, t, load32(at + LINEAR))
    t.opened_at = t.used
    append(t, OPENED | number << 4 | s.derived << 32)
    for at in range(s.records, end, RECORD_SIZE):
        if load8(at + KIND) != FETCHED:
            append_access(t, ACCESSED, at)
    t.opened_end = t.used
    return 0


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def charge_recorded(user: Any, slot: int, first: int, last: int) -> int:
    """`charge_part`, and what ran."""
    s = record(user)
    t = tap_of(s)
    word = CHARGED | first << 4 | last << 16
    if load16(slot + STRING) and last == load16(slot + COUNT):
        word |= (FIRST if s.repeating < 0 else 0) << 32 | (COUNTED if s.repeat_left else 0) << 32
    call_part(t.charge_part, s.self, slot, first, last)
    append(t, word)
    return 0


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def attend_recorded(user: Any, pc: int, size: int, key: int) -> int:
    """`attend`, behind the branch that led to it if there was one."""
    s = record(user)
    t = tap_of(s)
    m = model_at(s.model)
    make_room(t)
    if m.branches != t.branches:
        t.branches = m.branches
        append(t, SETTLED | pc << 4)
    call_attend(t.attend, s.self, pc, size, key)
    return 0


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def touch_recorded(user: Any, linear: int, size: int, write: int) -> int:
    """`touch`, and what it accessed, if it is in memory."""
    s = record(user)
    t = tap_of(s)
    m = model_at(s.model)
    before = m.loads + m.stores
    call_touch(t.touch, s.self, linear, size, write)
    if m.loads + m.stores != before:
        make_room(t)
        at = s.records + RECORDS * RECORD_SIZE
        if not load8(at + PAGE_KIND) & UNTRANSLATED:
            note_directory(s, t, load32(at + LINEAR))
        append_access(t, TOUCHED, at)
    return 0


@callback(types.int32(types.voidptr, types.int64))
def flush_recorded(user: Any, kind: int) -> int:
    """`flush_model`, if it changed something."""
    s = record(user)
    t = tap_of(s)
    before = s.paging_mode
    call_flush(t.flush_model, s.self, kind)
    if kind != FLUSH_MODE or s.paging_mode != before:
        make_room(t)
        append(t, FLUSHED | kind << 4 | (s.flush_page & 0xFFFFFFFF) << 8)
    return 0


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def hear(user: Any, what: int, first: int, second: int) -> int:
    """A `state.Note`."""
    t = tap_of(record(user))
    make_room(t)
    if what == NOTED_REWOUND:
        append(t, REWOUND | first << 4 | second << 16)
    elif what == NOTED_BUS:
        append(t, ON_BUS | first << 4 | second << 16)
    elif what == NOTED_BITMAP:
        append(t, BITMAP | first << 4)
    elif what == NOTED_DMA:
        append(t, WRITTEN | first << 4 | second << 36)
    else:
        append(t, DELIVERED | first << 4 | second << 8)
    return 0
