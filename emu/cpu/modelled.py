"""The timing model at work: the block hook under a profile that has figures, and what it sends through the model.

A block is opened (`open_block`: when it began, and what it will access) and charged, whole or part by part
(`charge_part`): each record goes through the TLBs and caches of `emu.timing` and keeps what it cost. The branch that
ended a block is settled when the next one is known. Everything here is called by address, and imported only under such
a profile: a `unit` machine does without, and without the time that compiling it takes.
"""

from __future__ import annotations

from typing import Any

from numba import types

from emu.cpu.addresses import derive
from emu.cpu.blocks import (
    CODE16,
    COST,
    COUNT,
    COUNT16,
    ENDS,
    ENTRIES,
    ENTRY_SIZE,
    FLAGS,
    HASH,
    KEY,
    LAST,
    LOADS,
    POOL,
    PROGRAM,
    SIZE_SHIFT,
    STORES,
    STRING,
    STRING_SIZE,
    TRANSITIONS,
    UOPS,
    WORST,
    Flush,
    repeat_count,
)
from emu.cpu.charging import REPEAT, add_charge, cost_before, set_start
from emu.cpu.hits import hide, look_through, take_back
from emu.cpu.layout import CR0, CR4, HF_CPL, HF_CS32, HF_INHIBIT_IRQ, HFLAGS
from emu.cpu.paging import PAGE_MASK, directory_entry, find, table_entry
from emu.cpu.program import ACCESS, AT, READS, SIZE, WRITES
from emu.cpu.records import (
    ACCESS_READ,
    ACCESS_WRITE,
    CACHE_STALL,
    EMPTY,
    FETCHED,
    GLOBAL,
    ITERATION,
    KIND,
    LARGE,
    LENGTH,
    LINEAR,
    PAGE_BITS,
    PAGE_KIND,
    PHYSICAL,
    READ,
    RECORD_SIZE,
    RECORDS,
    TLB_STALL,
    UNTRANSLATED,
    WHERE,
    WHOLE,
    WRITE,
    add_record,
)
from emu.cpu.state import State, record
from emu.cpu.x86 import CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE
from emu.native import (
    call_attend,
    call_note,
    call_part,
    callback,
    compiled,
    inlined,
    load8,
    load16,
    load32,
    load64,
    store32,
    store64,
)
from emu.timing.branches import branch
from emu.timing.hierarchy import empty, fetch, fetch_trace, load, store
from emu.timing.model import Model, model_at
from emu.timing.translations import MISS, flush_all, flush_page, load_cr3, lookup_code, lookup_data, walk

HUNDREDTHS = 100            # prices of string iterations have fractions
FLUSH_CR3, FLUSH_PAGE = int(Flush.CR3), int(Flush.PAGE)
PAGING0, PAGING4 = CR0_PG | CR0_WP, CR4_PSE | CR4_PAE | CR4_PGE     # what in CR0 and CR4 changes translations

# What a REP string instruction costs, an entry of `string_costs`: i64 each, the prices of iterations in 1/100 cycle.
SETUP, BYTE, STRING_ENTRY = 0, 8, 32        # then word and doubleword


@inlined
def fetch_code(m: Model, at: int, physical: int) -> int:
    """The stall of a line of code, of the trace cache if the processor has one."""
    if m.trace:
        return fetch_trace(m, load32(at + LINEAR), physical, load16(at + LENGTH))
    return fetch(m, physical)


@compiled
def walk_tables(s: State, m: Model, linear: int, large: int) -> int:
    """The stall of a page walk."""
    pde_at = directory_entry(s, linear)
    return walk(m, pde_at, -1 if large else table_entry(s, pde_at, linear))


@inlined
def translate_data(s: State, m: Model, at: int) -> int:
    """The stall of translating a data address."""
    page = load8(at + PAGE_KIND)
    if page & UNTRANSLATED:
        return 0
    stall = lookup_data(m, load32(at + LINEAR), page & LARGE, page & GLOBAL)
    return walk_tables(s, m, load32(at + LINEAR), page & LARGE) if stall == MISS else stall


@inlined
def translate_code(s: State, m: Model, at: int) -> int:
    """The stall of translating a code address."""
    page = load8(at + PAGE_KIND)
    if page & UNTRANSLATED:
        return 0
    stall = lookup_code(m, load32(at + LINEAR), page & LARGE, page & GLOBAL)
    return walk_tables(s, m, load32(at + LINEAR), page & LARGE) if stall == MISS else stall


@inlined
def simulate(s: State, m: Model, at: int, now: int) -> int:
    """Send the access in a record through TLBs and caches at cycle `now`; its stall in cycles."""
    kind = load8(at + KIND)
    physical = load32(at + PHYSICAL)
    translation = 0
    if kind == READ:
        translation = translate_data(s, m, at)
        stall = load(m, physical, load16(at + LENGTH))
        s.cache_cycles += stall
    elif kind == WRITE:
        translation = translate_data(s, m, at)
        stall = store(m, physical, load16(at + LENGTH), now + translation)
        s.cache_cycles += stall
    elif kind == FETCHED:
        translation = translate_code(s, m, at)
        stall = fetch_code(m, at, physical)
        s.cache_cycles += stall
    else:
        stall = load32(at + CACHE_STALL)
        if kind == EMPTY:
            stall = empty(m)
            stall = stall if load16(at + LENGTH) else 0
        s.transition_cycles += stall
    store32(at + CACHE_STALL, stall)
    store32(at + TLB_STALL, translation)
    s.tlb_cycles += translation
    return stall + translation


@compiled
def charge_iteration(s: State, slot: int, index: int) -> None:
    """Charge what REP costs before its first iteration, or an iteration."""
    stall = 0
    if s.repeating < 0:
        s.repeat_index = 0
        stall = load64(s.string_costs + load16(slot + STRING) * STRING_ENTRY + SETUP)
    if s.repeat_left:
        stall += price_iteration(s, slot)
    if stall:
        add_charge(s, index, ITERATION, stall)


@compiled
def price_iteration(s: State, slot: int) -> int:
    """The cycles of the next iteration: whole ones, so that all together make what the profile says."""
    costs = s.string_costs + load16(slot + STRING) * STRING_ENTRY
    each = load64(costs + BYTE + load16(slot + STRING_SIZE) * 8)
    s.repeat_index += 1
    return each * s.repeat_index // HUNDREDTHS - each * (s.repeat_index - 1) // HUNDREDTHS


@compiled
def may_iterate(s: State, slot: int) -> bool:
    """True if nothing is due but one more iteration of the REP string instruction that a block is."""
    return not (s.intr or s.reason or s.stepping or s.flush_tlb or s.step_allow or s.recording or s.stream
                or load16(slot + FLAGS) & ~(REPEAT | COUNT16)
                or s.cycles + load32(slot + WORST) >= s.event_deadline or not repeat_count(s, slot))


@compiled
def iterate(s: State, m: Model, slot: int) -> None:
    """Charge one more iteration of REP of which all hits: what `look_closer` would do."""
    store32(s.env + HFLAGS, load32(s.env + HFLAGS) & ~HF_INHIBIT_IRQ)      # the shadow of STI is over
    cycles = s.cycles
    charge_price(s, m, slot, 1)
    s.instructions -= 1
    set_start(s, slot, cycles, s.instructions)
    s.cycles += price_iteration(s, slot)
    s.repeat_count = repeat_count(s, slot)
    s.passed = s.resumed = -1


@inlined
def settle(s: State, m: Model, pc: int) -> None:
    """The branch that ended the last block has led to linear `pc`: what the predictor makes of it."""
    slot = s.branch_slot
    s.branch_slot = 0
    key = load64(slot + KEY)
    start = key & 0xFFFFFFFF
    behind = start + (key >> SIZE_SHIFT & 0xFFF) & 0xFFFFFFFF
    stall = branch(m, load16(slot + ENDS), start + load16(slot + LAST), behind, pc)
    if stall:
        s.cycles += stall
        s.branch_cycles += stall


@inlined
def charge_price(s: State, m: Model, slot: int, count: int) -> None:
    """`open_block` and `charge_part` for a whole block of which every access hits: it has no records."""
    s.block = slot
    s.record_count = s.record_next = 0
    s.cycles += load32(slot + COST)
    s.instructions += count
    s.uops += load32(slot + UOPS)
    if load32(slot + TRANSITIONS):
        s.transition_cycles += load32(slot + TRANSITIONS)
    m.loads += load16(slot + LOADS)
    m.stores += load16(slot + STORES)
    s.branch_slot = slot if load16(slot + ENDS) else 0


@compiled
def copy_record(s: State, at: int) -> None:
    """Append an access to data to the stream that somebody wants; what there is no room for is counted only."""
    if s.stream_count < s.stream_size:
        to = s.stream + s.stream_count * RECORD_SIZE
        for i in range(0, RECORD_SIZE, 8):
            store64(to + i, load64(at + i))
    s.stream_count += 1


@callback(types.int32(types.voidptr, types.int64, types.int64))
def open_block(user: Any, slot: int, pc: int) -> int:
    """A block begins at linear `pc`: note when, and derive what it will access."""
    s = record(user)
    set_start(s, slot, s.cycles, s.instructions)
    s.record_next = 0
    s.opened = 1
    s.kept_count = 0
    derive(s, s.programs + load32(slot + PROGRAM), pc)
    return 0


@compiled
def charge_records(s: State, m: Model, slot: int, first: int, last: int) -> None:
    """Charge instructions `first` to `last` (exclusive) of the block that was opened, with what their accesses cost."""
    begin = s.cycles - cost_before(s, slot, first)
    stalls = 0
    s.last_page = s.last_code_page = -1
    while s.record_next < s.record_count:
        at = s.records + s.record_next * RECORD_SIZE
        where = load16(at + WHERE)
        if where >= last:
            break
        stalls += simulate(s, m, at, begin + cost_before(s, slot, where) + stalls)
        if s.stream and load8(at + KIND) <= WRITE:
            copy_record(s, at)
        s.record_next += 1
    pool = load32(slot + POOL)
    s.cycles = begin + cost_before(s, slot, last) + stalls
    s.instructions += last - first
    s.transition_cycles += load32(s.transitions + (pool + last) * 4) - load32(s.transitions + (pool + first) * 4)
    s.uops += load32(s.uop_counts + (pool + last) * 4) - load32(s.uop_counts + (pool + first) * 4)
    if last == load16(slot + COUNT):
        if load16(slot + ENDS):
            s.branch_slot = slot
        if load16(slot + STRING):
            charge_iteration(s, slot, last - 1)


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def charge_part(user: Any, slot: int, first: int, last: int) -> int:
    """`charge_records`, for who charges (`charging`)."""
    s = record(user)
    charge_records(s, model_at(s.model), slot, first, last)
    return 0


@compiled
def add_missed(s: State, m: Model, slot: int, step: int) -> None:
    """Append what the only step of a block does that misses, but for the translation: that hit. Count all others."""
    access, at, size = load8(step + ACCESS), load16(step + AT), load16(step + SIZE)
    hide(s.missed_set)
    s.record_count = 0
    m.loads += load16(slot + LOADS)
    m.stores += load16(slot + STORES)
    if access & ACCESS_READ:
        add_record(s, at, READ, 0, s.missed_physical, size, UNTRANSLATED)
        m.loads -= 1
    if access & ACCESS_WRITE:
        add_record(s, at, WRITE, 0, s.missed_physical, size, UNTRANSLATED)
        m.stores -= 1


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def charge_from(user: Any, slot: int, pc: int, step: int) -> int:
    """Charge a whole block at linear `pc` of which everything hits before `step` of its program, or but for it.

    What hits has no records: it has not stalled. 0 if the block must not run whole: then nothing has happened.
    """
    s = record(user)
    m = model_at(s.model)
    if s.missed:
        add_missed(s, m, slot, step)
    else:
        derive(s, step, pc)
        if s.derived_cut or s.split_at != WHOLE:
            take_back(s)
            return 0
        m.loads += load16(step + READS)
        m.stores += load16(step + WRITES)
    if s.block_ring:
        call_note(s.note_block, s.self, slot, pc, s.cycles, s.instructions)
    set_start(s, slot, s.cycles, s.instructions)
    s.record_next = s.opened = 0
    charge_records(s, m, slot, 0, load16(slot + COUNT))
    return 1


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64))
def touch(user: Any, linear: int, size: int, write: int) -> int:
    """The processor itself accesses memory, with supervisor rights: charge what the access misses."""
    s = record(user)
    m = model_at(s.model)
    linear &= 0xFFFFFFFF
    word = find(s, linear, write, 0)
    physical = word & PAGE_MASK | linear & 0xFFF
    if word < 0 or physical >= s.ram_size:
        return 0
    at = s.records + RECORDS * RECORD_SIZE              # behind those of the block
    store32(at + LINEAR, linear)
    store32(at + PHYSICAL, physical)
    store32(at + LENGTH, size | (WRITE if write else READ) << 16 | (word & PAGE_BITS) >> 7 << 24)
    s.cycles += simulate(s, m, at, s.cycles)
    s.last_page = -1
    return 0


@callback(types.int32(types.voidptr, types.int64))
def flush_model(user: Any, kind: int) -> int:
    """The last block changed how addresses are translated, as `blocks.Flush` says."""
    s = record(user)
    m = model_at(s.model)
    mode = load32(s.env + CR0) & PAGING0 | (load32(s.env + CR4) & PAGING4) << 32
    s.last_page = s.last_code_page = -1
    if kind == FLUSH_CR3:
        load_cr3(m)
    elif kind == FLUSH_PAGE:
        flush_page(m, s.flush_page)
    elif mode != s.paging_mode:
        flush_all(m)
    s.paging_mode = mode
    return 0


@callback(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr))
def on_block_modelled(handle: Any, address: int, size: int, user: Any) -> None:
    """UC_HOOK_BLOCK under a timing model."""
    s = record(user)
    m = model_at(s.model)
    pc = types.int64(address) & 0xFFFFFFFF
    key = pc | load32(s.code_frames + (pc >> 12) * 4) << 32 | types.int64(size) << SIZE_SHIFT
    mode = load32(s.env + HFLAGS)
    if not mode & HF_CS32:
        key |= CODE16
    slot = s.table + (key * HASH >> 40 & ENTRIES - 1) * ENTRY_SIZE
    counts = load32(slot + COUNT)
    if s.branch_slot:
        settle(s, m, pc)
    known = load64(slot) == key
    whole = (known and counts <= 0xFFFF and s.cycles + load32(slot + WORST) < s.deadline
             and s.instructions + counts < s.limit and mode & HF_CPL == s.ring)
    if whole or (known and s.repeating == pc and counts & 0xFFFF == 1 and may_iterate(s, slot)):
        step = look_through(s, m, s.programs + load32(slot + PROGRAM), pc)
        if not step:
            if whole:
                if s.block_ring:
                    call_note(s.note_block, s.self, slot, pc, s.cycles, s.instructions)
                charge_price(s, m, slot, counts)
            else:
                iterate(s, m, slot)
            return
        if whole and call_part(s.charge_from, s.self, slot, pc, step):
            return
        if not whole:
            take_back(s)
    call_attend(s.attend, s.self, pc, types.int64(size), key)
