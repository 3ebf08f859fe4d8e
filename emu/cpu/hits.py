"""The quick path of the timing model: a block whose every access hits the first cache and TLB costs its price.

Most blocks that run have run a moment ago. `hits` runs the block's address program and looks whether everything is
there. A hit changes no more than the order of its set: most are at the front already, and the others are moved there,
which is noted, so that it can be taken back if the block must not run. At the first access that stalls or is unusual
it gives up, and `modelled` goes the long way from there on, with records; but a single line that is missing is passed
by: what it costs is added behind the block.
"""

from __future__ import annotations

from typing import Any

from numba import types

from emu.cpu.addresses import calculate, keep
from emu.cpu.derivation import Op
from emu.cpu.glance import HOT
from emu.cpu.layout import CR0, CR3, HF_CPL, HF_SS32, HFLAGS
from emu.cpu.paging import PAGE_MASK, find
from emu.cpu.program import (
    ACCESS,
    DISP,
    GLANCE,
    LINE,
    MASK,
    OP_BIT_SCAN,
    OP_FETCH,
    OP_IF_COUNT,
    OP_KEEP,
    PAGED_GLANCE,
    RESULT,
    SCALED,
    SEGMENT,
    SET,
    SHIFT,
    SIZE,
    STEP_SIZE,
    VALUE_BASE,
)
from emu.cpu.records import ACCESS_WRITE, CODE_FRAME, MOVED_ENTRY, MOVED_WAY, value_at
from emu.cpu.state import State, record
from emu.cpu.x86 import CR0_PG, PDE_PS, PTE_D, PTE_P, PTE_U, PTE_W
from emu.native import call_glance, call_hits, callback, compiled, inlined, load8, load16, load32, load64, store64
from emu.timing.associative import KEY as TAG
from emu.timing.associative import LARGE as LARGE_TAG
from emu.timing.associative import MARK, key_of, place_back, place_first, set_of
from emu.timing.hierarchy import trace_index
from emu.timing.model import Model, model_at

OP_END, OP_ACCESS = int(Op.END), int(Op.ACCESS)
EPOCH = -1 << 32            # those bits of a TLB word
ALL_HIT = -1                # of a program: no step stalls


@inlined
def look(s: State, first: int, ways: int, key: int) -> int:
    """The word with this key in the set at `first`, at the front of which it is then; 0 if there is none."""
    word = load64(first)
    return word if word & TAG == key else look_behind(s, first, ways, key)


@compiled
def look_behind(s: State, first: int, ways: int, key: int) -> int:
    """`look`, behind the front; that the word has moved is noted."""
    way = 1
    while way < ways:
        word = load64(first + way * 8)
        if word & TAG == key:
            place_first(first, way, word)
            at = s.moved + s.moved_count * MOVED_ENTRY
            store64(at, first)
            store64(at + MOVED_WAY, way)
            s.moved_count += 1
            return word
        way += 1
    return 0


@compiled
def take_back(s: State) -> None:
    """Put what `hits` has moved back where it was: the block does not run, or not as a whole."""
    give_up(s, 0)
    while s.moved_count:
        s.moved_count -= 1
        at = s.moved + s.moved_count * MOVED_ENTRY
        place_back(load64(at), load64(at + MOVED_WAY))
    s.last_page = s.last_code_page = -1


@compiled
def look_large(s: State, m: Model, linear: int) -> int:
    """Not 0 if the data TLB for 4 MiB pages has the page."""
    page = linear >> 22
    if m.data_large:
        return look(s, set_of(m.data_large, m.data_large_mask, m.data_large_ways, page), m.data_large_ways,
                    key_of(page) | LARGE_TAG)
    return look(s, set_of(m.data, m.data_mask, m.data_ways, page), m.data_ways, key_of(page) | LARGE_TAG)


@compiled
def look_page(s: State, m: Model, linear: int, large: int) -> int:
    """Not 0 if the first data TLB has the page."""
    if large:
        return look_large(s, m, linear)
    page = linear >> 12
    return look(s, set_of(m.data, m.data_mask, m.data_ways, page), m.data_ways, key_of(page))


@compiled
def look_code_page(s: State, m: Model, linear: int) -> int:
    """Not 0 if the first code TLB has the page, or paging is off."""
    if load32(s.env + CR0) & CR0_PG == 0:
        return 1
    word = load64(s.tlb + (linear >> 12) * 8)
    if word >> 32 != s.epoch:
        word = find(s, linear, 0, 1 if load32(s.env + HFLAGS) & HF_CPL == 3 else 0)
        if word < 0:
            return 0
    page = linear >> 12
    if not word & PDE_PS:
        return look(s, set_of(m.code, m.code_mask, m.code_ways, page), m.code_ways, key_of(page))
    page = linear >> 22
    if m.code_large:
        return look(s, set_of(m.code_large, m.code_large_mask, m.code_large_ways, page), m.code_large_ways,
                    key_of(page) | LARGE_TAG)
    return look(s, set_of(m.code, m.code_mask, m.code_ways, page), m.code_ways, key_of(page) | LARGE_TAG)


@compiled
def look_code(s: State, m: Model, step: int, start: int) -> int:
    """Not 0 if the first TLB and cache have the code of a FETCH, of a block at linear `start`.

    Where that is, its set and key, is kept in the step: it does not change but on another page.
    """
    linear = start + load32(step + DISP) & 0xFFFFFFFF
    page = linear >> 12
    if page != s.last_code_page:
        if not look_code_page(s, m, linear):
            return 0
        s.last_code_page = page
    if m.trace:
        first, ways = set_of(m.trace, m.trace_mask, m.trace_ways, trace_index(linear)), m.trace_ways
        key = key_of(linear)
    else:
        frame = load32(s.code_frames + page * 4) & 0x3FFFF
        line = (frame << 12 | linear & 0xFFF) >> m.l1i_shift
        first, key, ways = set_of(m.l1i, m.l1i_mask, m.l1i_ways, line), key_of(line), m.l1i_ways
    if page == start >> 12:
        store64(step + SET, first)
        store64(step + LINE, key)
    return look(s, first, ways, key)


@inlined
def fetches(s: State, m: Model, step: int, start: int) -> bool:
    """True if the code of a FETCH is there: at the front of its set, for the most part."""
    return load64(load64(step + SET)) & TAG == load64(step + LINE) or look_code(s, m, step, start) != 0


@compiled
def is_dirty(s: State, m: Model, word: int, physical: int) -> bool:
    """True if a store into a line that L1 has as `word` changes nothing: it is dirty, or written through, in L2."""
    if not m.l1d_through:
        return word & MARK != 0
    if not m.l2 or m.l2_through:
        return False
    line = physical >> m.l2_shift
    return look(s, set_of(m.l2, m.l2_mask, m.l2_ways, line), m.l2_ways, key_of(line)) & MARK != 0


@compiled
def is_noticed(s: State, m: Model, word: int, physical: int) -> bool:
    """True if a store into a line that L1 has as `word` does more than hit: it meets code, or makes the line dirty."""
    return load8(s.frames + (physical >> 12)) & CODE_FRAME != 0 or not is_dirty(s, m, word, physical)


@compiled
def look_further(s: State, m: Model, step: int, first: int, key: int, physical: int) -> int:
    """The word of a line of data that is not at the front of its set. One that is missing, the first such of a block,
    is passed by as if it had come, dirty by a store: `missed`. 0 if that cannot be.
    """
    write = load8(step + ACCESS) & ACCESS_WRITE
    if s.missed and first == s.missed_set:
        same = key == key_of(s.missed_physical >> m.l1d_shift) and write <= load8(s.missed + ACCESS) & ACCESS_WRITE
        return key | MARK if same else 0
    word = look_behind(s, first, m.l1d_ways, key)
    if word or s.missed or m.l1d_through or (write and not m.l1d_allocates):
        return word
    s.missed, s.missed_set, s.missed_physical, s.missed_kept = step, first, physical, s.kept_count
    hide(first)
    return key | MARK


@compiled
def hide(first: int) -> None:
    """Let nothing be found at the front of a set of lines, or let it again."""
    store64(first, load64(first) ^ LARGE_TAG)


@compiled
def give_up(s: State, step: int) -> int:
    """The step from which the long way is to go on, when `step` does not hit."""
    if s.missed:
        step = s.missed
        s.kept_count = s.missed_kept
        s.missed = 0
        hide(s.missed_set)
    return step


@compiled
def follow_value(s: State, step: int, op: int, linear: int, physical: int, user: int) -> bool:
    """What a LOAD will find goes into its temporary, what a KEEP stores is kept; False if a LOAD is not known."""
    size = load16(step + SIZE)
    if op == OP_KEEP:
        keep(s, step, linear, size)
        return True
    value = load32(s.ram + physical) if size == 4 and not s.kept_count else value_at(s, linear, size, user)
    store64(load64(step + RESULT), value)
    return value >= 0


@callback(types.int32(types.voidptr, types.int64, types.int64))
def hits(user: Any, step: int, start: int) -> int:
    """Run the program on from `step` for the block at linear `start`: ALL_HIT if all hits, and the model knows.

    Otherwise how many bytes behind `step` the first one lies that does not hit. It is `missed`, too, if it is all that
    does not: an access that brings a line into the first cache, and nothing behind it meets another line of its set.
    The pages of the last access to data and of the last fetch are the most recent of their sets: not looked for again.
    """
    s = record(user)
    m = model_at(s.model)
    first_step = step
    paged = load32(s.env + CR0) & CR0_PG
    user_mode = 1 if load32(s.env + HFLAGS) & HF_CPL == 3 else 0
    rights = s.epoch << 32 | (PTE_P | PTE_U if user_mode else PTE_P)
    while True:
        head = load64(step)                             # OP, AT, SIZE, ACCESS and SHIFT at one go
        op = head & 0xFFFF
        if op <= OP_KEEP and op >= OP_ACCESS:
            offset = load32(load64(step + VALUE_BASE)) + (load32(load64(step + SCALED)) << (head >> 8 * SHIFT & 31)) \
                + load32(step + DISP) & load32(step + MASK)
            linear = load64(load64(step + SEGMENT)) + offset & 0xFFFFFFFF
            if linear + (head >> 8 * SIZE & 0xFFFF) - 1 >> m.l1d_shift != linear >> m.l1d_shift:
                break                                   # two lines, or no access
            write = head >> 8 * ACCESS & ACCESS_WRITE
            physical = linear & s.a20_mask
            if paged:
                need = rights | PTE_W | PTE_D if write else rights
                word = load64(s.tlb + (linear >> 12) * 8)
                if word & (need | EPOCH) != need:
                    break
                if linear >> 12 != s.last_page:
                    if not look_page(s, m, linear, word & PDE_PS):
                        break
                    s.last_page = linear >> 12
                physical = word & PAGE_MASK | linear & 0xFFF
            if physical >= s.ram_size:
                break
            line = physical >> m.l1d_shift
            first, key = set_of(m.l1d, m.l1d_mask, m.l1d_ways, line), key_of(line)
            word = load64(first)
            if word & TAG != key:
                word = look_further(s, m, step, first, key, physical)
                if not word:
                    break
            if (write and (word & MARK == 0 or load8(s.frames + (physical >> 12)) & CODE_FRAME)
                    and is_noticed(s, m, word, physical)):
                break
            if op != OP_ACCESS and not follow_value(s, step, op, linear, physical, user_mode):
                break
        elif op == OP_END:
            return s.missed - first_step if s.missed else ALL_HIT
        elif op == OP_FETCH:
            if not fetches(s, m, step, start):
                break
        elif op == OP_IF_COUNT:
            s.repeat_left = load32(load64(step + VALUE_BASE)) + load32(step + DISP) & 0xFFFFFFFF
            if not s.repeat_left:
                return s.missed - first_step if s.missed else ALL_HIT
        elif op > OP_KEEP and op <= OP_BIT_SCAN:
            store64(load64(step + RESULT), calculate(step) & 0xFFFFFFFF)
        else:
            break
        step += STEP_SIZE
    return give_up(s, step) - first_step


@compiled
def count_run(s: State, program: int, field: int, runs: int) -> None:
    """A block without machine code runs so many times now: ask for some when that is often, if there is room to."""
    if runs == s.hot_after:
        if s.hot_count == HOT:
            return
        store64(s.hot + s.hot_count * 8, program + (field == PAGED_GLANCE))
        s.hot_count += 1
    store64(program + field, runs)


@inlined
def look_through(s: State, m: Model, program: int, start: int) -> int:
    """Look whether all hits that the block at linear `start` accesses: 0, or the first step of `program` that does not.

    It begins with a fetch. Then its machine code goes as far as it can, if it has any (`glance`), and `hits` goes on.
    """
    s.kept_count = s.moved_count = 0
    s.missed = 0
    mode = load32(s.env + HFLAGS)
    paged = load32(s.env + CR0) & CR0_PG
    if s.stream or mode & HF_SS32 == 0 or (paged and s.tlb_cr3 != load32(s.env + CR3)):
        return program
    if start >> 12 != s.last_code_page:
        if not look_code_page(s, m, start):
            return program
        s.last_code_page = start >> 12
    if not fetches(s, m, program, start):
        return program
    field = PAGED_GLANCE if paged else GLANCE
    glance = load64(program + field)
    done = STEP_SIZE
    if glance > s.hot_after:
        if paged:
            s.rights = PTE_P | PTE_U if mode & HF_CPL == 3 else PTE_P
        done = call_glance(glance, s.self, program)
        if not done:
            return 0
    elif glance < s.hot_after:
        count_run(s, program, field, glance + 1)
    behind = call_hits(s.hits, s.self, program + done, start)
    return 0 if behind == ALL_HIT else program + done + behind
