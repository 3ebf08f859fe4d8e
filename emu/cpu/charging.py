"""What has run is paid for here: cycles, instructions and micro-ops of a block, or of a part of it.

The pipeline's price of a block is known (`blocks`). Under a timing model each record of what the block accesses keeps
what it cost in addition (`modelled`): so a block that is left early is charged for what ran, and the cycle of each of
its instructions can be told.
"""

from __future__ import annotations

from emu.cpu.blocks import COST, COUNT, FLAGS, KEY, LEAVES, POOL, Special, index_in, last_address, repeat_count
from emu.cpu.records import BUS, CACHE_STALL, FETCHED, ITERATION, KIND, RECORD_SIZE, TLB_STALL, WHERE, add_record
from emu.cpu.state import Crossing, Note, State, note
from emu.native import call_open, call_part, compiled, inlined, load8, load16, load32, load64, store32

REWOUND = int(Note.REWOUND)
IRET = int(Crossing.IRET)
COMPARE, REPEAT = int(Special.COMPARE), int(Special.REPEAT)
PART = 1                    # tag in `block`: when it began is noted


@compiled
def cost_before(s: State, slot: int, index: int) -> int:
    """The pipeline's cycles from the start of a block to its instruction `index`."""
    return load32(s.costs + (load32(slot + POOL) + index) * 4)


@compiled
def stalls_before(s: State, index: int) -> int:
    """What instructions of the current block before `index` cost in addition."""
    stalls = 0
    for at in range(s.records, s.records + s.record_next * RECORD_SIZE, RECORD_SIZE):
        if load16(at + WHERE) < index:
            stalls += load32(at + CACHE_STALL) + load32(at + TLB_STALL)
    return stalls


@compiled
def stalls_of(s: State, index: int) -> tuple[int, int]:
    """What an instruction of the current block has waited for caches and for TLBs."""
    cache = tlb = 0
    for at in range(s.records, s.records + s.record_next * RECORD_SIZE, RECORD_SIZE):
        if load16(at + WHERE) == index and load8(at + KIND) <= FETCHED:
            cache += load32(at + CACHE_STALL)
            tlb += load32(at + TLB_STALL)
    return cache, tlb


@inlined
def set_start(s: State, slot: int, cycles: int, instructions: int) -> None:
    """Note when the current block began, as it cannot be told from what it costs."""
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
def charge(s: State, slot: int, first: int, count: int) -> None:
    """Charge `count` instructions of a block from its instruction `first` on."""
    last = first + count
    if s.model:
        charge_model(s, slot, first, last)
    else:
        before = cost_before(s, slot, first)
        s.block = slot
        if first > 0 or last < load16(slot + COUNT):
            set_start(s, slot, s.cycles - before, s.instructions - first)
        s.cycles += cost_before(s, slot, last) - before
        s.instructions += count
    flags = load16(slot + FLAGS)
    if flags & REPEAT and last == load16(slot + COUNT):
        s.repeating = last_address(s, slot)
        s.repeat_count = repeat_count(s, slot)
    if s.crossing_ring and load16(slot + LEAVES) == IRET and last == load16(slot + COUNT):
        s.returning = 1
    if flags & (COMPARE | REPEAT) or s.returning:
        s.deadline = 0


@compiled
def charge_model(s: State, slot: int, first: int, last: int) -> None:
    """`charge` under a timing model."""
    if first == 0 and not s.opened:
        call_open(s.open_block, s.self, slot, load64(slot + KEY) & 0xFFFFFFFF)
    s.opened = 0
    call_part(s.charge_part, s.self, slot, first, last)


@compiled
def add_charge(s: State, index: int, kind: int, cycles: int) -> None:
    """Charge the current block's instruction `index` for something that has a price of its own."""
    s.record_count = s.record_next
    at = add_record(s, index, kind, 0, 0, 0, 0)
    s.record_next = s.record_count
    store32(at + CACHE_STALL, cycles)
    s.cycles += cycles


@compiled
def rewind(s: State, linear: int) -> None:
    """Give back the part of the current block from the instruction at `linear` on: it was left there."""
    s.repeating = -1
    s.returning = 0
    if not s.block:
        return
    slot = s.block & ~PART
    index = index_in(s, slot, linear - (load64(slot + KEY) & 0xFFFFFFFF))
    if index < load16(slot + COUNT):
        cycles, instructions = started(s)
        note(s, REWOUND, index, s.instructions - instructions)
        if s.model:
            give_back(s, slot, index, s.instructions - instructions)
        set_start(s, slot, cycles, instructions)
        s.cycles = cycles + cost_before(s, slot, index) + stalls_before(s, index)
        s.instructions = instructions + index


@compiled
def give_back(s: State, slot: int, index: int, ran: int) -> None:
    """Take what instructions `index` to `ran` cost out of the counters by cause. Caches stay as they are."""
    pool = load32(slot + POOL)
    s.transition_cycles -= load32(s.transitions + (pool + ran) * 4) - load32(s.transitions + (pool + index) * 4)
    s.uops -= load32(s.uop_counts + (pool + ran) * 4) - load32(s.uop_counts + (pool + index) * 4)
    while s.record_next > 0 and load16(s.records + (s.record_next - 1) * RECORD_SIZE + WHERE) >= index:
        s.record_next -= 1
        at = s.records + s.record_next * RECORD_SIZE
        kind, stall = load8(at + KIND), load32(at + CACHE_STALL)
        s.tlb_cycles -= load32(at + TLB_STALL)
        if kind <= FETCHED:
            s.cache_cycles -= stall
        elif kind == BUS:
            s.bus_cycles -= stall
        elif kind != ITERATION:
            s.transition_cycles -= stall
    s.record_count = s.record_next
    s.derived, s.derived_cut = index, 1
    s.branch_slot = s.rest_slot = 0


@compiled
def cycle_at(s: State, linear: int) -> int:
    """The clock when the instruction of the current block at `linear` begins."""
    if not s.block:
        return s.cycles
    slot = s.block & ~PART
    cycles, _ = started(s)
    index = index_in(s, slot, linear - (load64(slot + KEY) & 0xFFFFFFFF))
    return cycles + cost_before(s, slot, index) + stalls_before(s, index)
