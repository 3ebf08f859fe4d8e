"""Charging what was recorded, natively: the functions of the machine's own model, fed from a recording.

The record of a processor (`State`) stands in for the machine: registers and memory are zero but for what the model
looks at, which is CR3 and page-directory entries.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numba import carray, types

from emu.cpu.blocks import COUNT, KEY, POOL, slot_of
from emu.cpu.charging import PART, add_charge, rewind, set_start
from emu.cpu.delivery import charge_bitmap, charge_transition
from emu.cpu.layout import CR3
from emu.cpu.modelled import settle, simulate
from emu.cpu.records import BUS, CACHE_STALL, KIND, LENGTH, LINEAR, RECORD_SIZE, RECORDS, TRANSITION, WHERE, add_record
from emu.cpu.records import FETCHED as FETCHED_RECORD
from emu.cpu.state import DTYPE as STATE
from emu.cpu.state import State, bus_price, transition_price
from emu.native import (
    call_flush,
    call_part,
    callback,
    compiled,
    load8,
    load16,
    load32,
    load64,
    pointer_to,
    store32,
    store64,
)
from emu.recording import events
from emu.timing.hierarchy import snoop
from emu.timing.model import model_at

OPENED, CHARGED, ACCESSED, TOUCHED = events.OPENED, events.CHARGED, events.ACCESSED, events.TOUCHED
SETTLED, FLUSHED, DELIVERED, ON_BUS = events.SETTLED, events.FLUSHED, events.DELIVERED, events.ON_BUS
REWOUND, IDLE, DIRECTORY, ENTRY = events.REWOUND, events.IDLE, events.DIRECTORY, events.ENTRY
CODE_PAGE, LONG, BITMAP, WRITTEN = events.CODE_PAGE, events.LONG, events.BITMAP, events.WRITTEN
FIRST, COUNTED = events.FIRST, events.COUNTED
TRANSITIONS, BUSES, FLUSHES, INSTRUCTIONS = 8, 4, 3, 512    # how many there are; of a block at most
DONE, DAMAGED = 0, -1               # what `play` returns, or the number of the block that it must know first

# A line that a block fetches, packed into a word of `fetches`.
FETCH_OFFSET, FETCH_WHERE, FETCH_SIZE = 0, 16, 32   # bits: where it begins in the block, instruction, as in a record
NO_FETCH = -1                       # behind the last one


class Player(ctypes.Structure):
    """A recording being charged."""

    _fields_ = [(name, ctypes.c_int64) for name in (
        "state",                # address of the State that is charged
        "events",               # address of words
        "position",             # of the next one
        "end",                  # how many there are
        "keys",                 # address of i64: key in the block table, by number
        "numbers",              # how many blocks are known, plus one
        "first_fetches",        # address of i64: where the fetches of each block begin in `fetches`
        "fetches",              # address of i64
        "code_pages",           # address of i64[2^20]: the last CODE_PAGE of each page
        "fetch",                # where the next fetch of the current block stands in `fetches`; -1 if none is to come
        "derived",              # up to which instruction its accesses are known
        "clock", "recorded_clock",      # Hz
        "halted",               # cycles of the recorded clock
        "idle_cycles",          # of the new one
    )]


DTYPE = np.dtype(Player)


@compiled
def fetch_until(s: State, p: Player, where: int) -> None:
    """Append the fetches up to instruction `where` of the current block."""
    where = min(where, p.derived)
    start = load64((s.block & ~PART) + KEY) & 0xFFFFFFFF
    while p.fetch >= 0:
        word = load64(p.fetches + p.fetch * 8)
        if word == NO_FETCH:
            p.fetch = -1
        elif word >> FETCH_WHERE & 0xFFFF > where:
            return
        else:
            linear = start + (word >> FETCH_OFFSET & 0xFFFF) & 0xFFFFFFFF
            page = load64(p.code_pages + (linear >> 12) * 8)
            physical = (page >> 32 & 0xFFFFF) << 12 | linear & 0xFFF
            add_record(s, word >> FETCH_WHERE & 0xFFFF, FETCHED_RECORD, linear, physical, word >> FETCH_SIZE,
                       page >> 4 & 0xF)
            p.fetch += 1


@compiled
def set_record(s: State, at: int, word: int, place: int) -> None:
    """Write an ACCESSED into a record."""
    store64(at + LINEAR, place)
    store32(at + LENGTH, (word >> 16 & 0xFFFF) | (word >> 4 & 0xF) << 16 | (word >> 8 & 0xFF) << 24)
    store32(at + WHERE, word >> 32 & 0xFFFF)
    store64(at + CACHE_STALL, 0)
    if load8(at + KIND) == TRANSITION:
        store32(at + CACHE_STALL, transition_price(s, place & TRANSITIONS - 1))


@compiled
def open_block(s: State, p: Player, word: int) -> int:
    """OPENED."""
    number = word >> 4 & (1 << 28) - 1
    if number >= p.numbers:
        return DAMAGED
    slot = slot_of(s, load64(p.keys + number * 8))
    if not load64(slot):
        return number
    set_start(s, slot, s.cycles, s.instructions)
    s.record_next = s.record_count = 0
    p.fetch = load64(p.first_fetches + number * 8)
    p.derived = word >> 32 & 0xFFFF
    return DONE


@compiled
def access(s: State, p: Player, word: int, place: int) -> int:
    """ACCESSED."""
    where = word >> 32 & 0xFFFF
    if not s.block or where >= load16((s.block & ~PART) + COUNT):
        return DAMAGED
    fetch_until(s, p, where)
    if s.record_count >= RECORDS - INSTRUCTIONS:
        return DAMAGED
    set_record(s, s.records + s.record_count * RECORD_SIZE, word, place)
    s.record_count += 1
    return DONE


@compiled
def charge(s: State, p: Player, word: int) -> int:
    """CHARGED."""
    slot = s.block & ~PART
    first, last = word >> 4 & 0xFFF, word >> 16 & 0xFFFF
    if not slot or first > last or last > load16(slot + COUNT):
        return DAMAGED
    fetch_until(s, p, INSTRUCTIONS)
    p.fetch = -1
    s.repeating = -1 if word >> 32 & FIRST else 0
    s.repeat_left = 1 if word >> 32 & COUNTED else 0
    call_part(s.charge_part, s.self, slot, first, last)
    return DONE


@compiled
def leave(s: State, p: Player, word: int) -> int:
    """REWOUND."""
    slot, index = s.block & ~PART, word >> 4 & 0xFFF
    ran = word >> 16 & 0xFFFF
    if not slot or index >= load16(slot + COUNT) or ran > load16(slot + COUNT):
        return DAMAGED
    s.instructions = s.block_instructions + ran
    rewind(s, (load64(slot + KEY) & 0xFFFFFFFF) + load32(s.starts + (load32(slot + POOL) + index) * 4))
    return DONE


@compiled
def wait(s: State, p: Player, cycles: int) -> None:
    """IDLE: as long as it was, by another clock."""
    p.halted += cycles
    rest = p.halted % p.recorded_clock
    high = rest * (p.clock >> 16)                       # rest * clock may have more than 63 bits
    low = (high % p.recorded_clock << 16) + rest * (p.clock & 0xFFFF)
    idle = p.halted // p.recorded_clock * p.clock + (high // p.recorded_clock << 16) + low // p.recorded_clock
    s.cycles += idle - p.idle_cycles
    p.idle_cycles = idle


@compiled
def flush(s: State, word: int) -> int:
    """FLUSHED."""
    kind = word >> 4 & 0xF
    if not 0 < kind <= FLUSHES:
        return DAMAGED
    s.flush_page = word >> 8 & 0xFFFFFFFF
    s.paging_mode = -1                                  # whatever it was: it has changed
    call_flush(s.flush_model, s.self, kind)
    return DONE


@compiled
def access_bus(s: State, word: int) -> int:
    """ON_BUS."""
    if not s.block:
        return DAMAGED
    cycles = bus_price(s, word >> 4 & BUSES - 1)
    s.bus_cycles += cycles
    add_charge(s, word >> 16 & 0xFFFF, BUS, cycles)
    return DONE


@compiled
def written(s: State, word: int) -> int:
    """WRITTEN."""
    physical, size = word >> 4 & 0xFFFFFFFF, word >> 36 & 0xFFFFFFF
    if not size or physical + size > s.ram_size:
        return DAMAGED
    snoop(model_at(s.model), physical, size)
    return DONE


@compiled
def touch(s: State, word: int, place: int) -> None:
    """TOUCHED."""
    at = s.records + RECORDS * RECORD_SIZE
    set_record(s, at, word, place)
    s.cycles += simulate(s, model_at(s.model), at, s.cycles)


@compiled
def play_rare(s: State, p: Player, kind: int, word: int, place: int) -> int:
    """An event that is not one of a block."""
    if kind == TOUCHED:
        touch(s, word, place)
    elif kind == FLUSHED:
        return flush(s, word)
    elif kind == DELIVERED:
        charge_transition(s, word >> 4 & 0xF, word >> 8 & 1)
    elif kind == ON_BUS:
        return access_bus(s, word)
    elif kind == BITMAP:
        charge_bitmap(s, word >> 4 & 1)
    elif kind == REWOUND:
        return leave(s, p, word)
    elif kind == WRITTEN:
        return written(s, word)
    elif kind == IDLE:
        wait(s, p, word >> 4)
    elif kind == DIRECTORY:
        store64(s.env + CR3, word >> 4 & 0xFFFFFFFF)
    elif kind == ENTRY:
        if (place & 0xFFFFFFFF) + 4 <= s.ram_size:
            store32(s.ram + (place & 0xFFFFFFFF), place >> 32)
    elif kind == CODE_PAGE:
        store64(p.code_pages + (word >> 8 & 0xFFFFF) * 8, word)
    else:
        return DAMAGED
    return DONE


@callback(types.int64(types.voidptr))
def play(user: Any) -> int:
    """Charge events from `position` to `end`: DONE, DAMAGED, or the number of a block that must be entered first."""
    p = carray(user, (1,), DTYPE)[0]
    s = carray(pointer_to(p.state), (1,), STATE)[0]  # type: ignore[call-arg]
    while p.position < p.end:
        word = load64(p.events + p.position * 8)
        kind = word & 0xF
        width = 1 + (LONG >> kind & 1)
        if p.position + width > p.end:
            return DAMAGED
        place = load64(p.events + (p.position + width - 1) * 8)
        found = DONE
        if kind == OPENED:
            found = open_block(s, p, word)
        elif kind == ACCESSED:
            found = access(s, p, word, place)
        elif kind == CHARGED:
            found = charge(s, p, word)
        elif kind == SETTLED:
            if not s.branch_slot:
                return DAMAGED
            settle(s, model_at(s.model), word >> 4 & 0xFFFFFFFF)
        else:
            found = play_rare(s, p, kind, word, place)
        if found:
            return found
        p.position += width
    return DONE
