"""The quick path of the timing model: a block whose every access hits the first cache and TLB costs its price.

Most blocks that run have run a moment ago. `hits` runs the block's address program and looks whether everything is
there; it gives up, having changed nothing, at the first access that would stall or is unusual, and `modelled` goes the
long way, with records. A hit changes no more than the order of its set: most are at the front already, and the others
are noted and moved once it is known that the whole block hits.
"""

from __future__ import annotations

from emu.cpu.addresses import calculate, keep
from emu.cpu.derivation import BY_STACK, Op
from emu.cpu.layout import CR0, CR3, HF_CPL, HF_SS32, HFLAGS
from emu.cpu.paging import PAGE_MASK
from emu.cpu.program import (
    ACCESS,
    DISP,
    MASK,
    OP_BIT_SCAN,
    OP_FETCH,
    OP_IF_COUNT,
    OP_KEEP,
    OP_LOAD,
    RESULT,
    SCALED,
    SEGMENT,
    SHIFT,
    SIZE,
    STEP_SIZE,
    VALUE_BASE,
)
from emu.cpu.records import ACCESS_WRITE, CODE_FRAME, NOT_KEPT, kept_value, value_at
from emu.cpu.state import State
from emu.cpu.x86 import CR0_PG, PDE_PS, PTE_D, PTE_P, PTE_U, PTE_W
from emu.native import compiled, inlined, load8, load32, load64, store64
from emu.timing.associative import KEY as TAG
from emu.timing.associative import LARGE as LARGE_TAG
from emu.timing.associative import MARK, key_of, place_back, place_first, set_of
from emu.timing.hierarchy import trace_index
from emu.timing.model import Model

OP_END, OP_ACCESS = int(Op.END), int(Op.ACCESS)

# A word that has moved to the front of its set: address of the set, where the word stood; i64 each.
MOVED_WAY, MOVED_ENTRY = 8, 16


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
    while s.moved_count:
        s.moved_count -= 1
        at = s.moved + s.moved_count * MOVED_ENTRY
        place_back(load64(at), load64(at + MOVED_WAY))
    s.last_page = s.last_code_page = -1


@inlined
def look_page(s: State, m: Model, linear: int, large: int) -> int:
    """Not 0 if the first data TLB has the page."""
    if not large:
        page = linear >> 12
        return look(s, set_of(m.data, m.data_mask, m.data_ways, page), m.data_ways, key_of(page))
    page = linear >> 22
    if m.data_large:
        return look(s, set_of(m.data_large, m.data_large_mask, m.data_large_ways, page), m.data_large_ways,
                    key_of(page) | LARGE_TAG)
    return look(s, set_of(m.data, m.data_mask, m.data_ways, page), m.data_ways, key_of(page) | LARGE_TAG)


@inlined
def look_code_page(s: State, m: Model, linear: int, large: int) -> int:
    """Not 0 if the first code TLB has the page."""
    if not large:
        page = linear >> 12
        return look(s, set_of(m.code, m.code_mask, m.code_ways, page), m.code_ways, key_of(page))
    page = linear >> 22
    if m.code_large:
        return look(s, set_of(m.code_large, m.code_large_mask, m.code_large_ways, page), m.code_large_ways,
                    key_of(page) | LARGE_TAG)
    return look(s, set_of(m.code, m.code_mask, m.code_ways, page), m.code_ways, key_of(page) | LARGE_TAG)


@inlined
def look_code(s: State, m: Model, linear: int, paged: int, epoch: int) -> int:
    """Not 0 if the first TLB and cache have the code at a linear address."""
    if paged and linear >> 12 != s.last_code_page:
        word = load64(s.tlb + (linear >> 12) * 8)
        if word >> 32 != epoch or not look_code_page(s, m, linear, word & PDE_PS):
            return 0
        s.last_code_page = linear >> 12
    if m.trace:
        return look(s, set_of(m.trace, m.trace_mask, m.trace_ways, trace_index(linear)), m.trace_ways, key_of(linear))
    frame = load32(s.code_frames + (linear >> 12) * 4) & 0x3FFFF
    line = (frame << 12 | linear & 0xFFF) >> m.l1i_shift
    return look(s, set_of(m.l1i, m.l1i_mask, m.l1i_ways, line), m.l1i_ways, key_of(line))


@inlined
def look_written(s: State, m: Model, physical: int) -> int:
    """Not 0 if a store finds its line in the first cache, dirty; if that writes through, dirty in L2."""
    line = physical >> m.l1d_shift
    word = look(s, set_of(m.l1d, m.l1d_mask, m.l1d_ways, line), m.l1d_ways, key_of(line))
    if m.l1d_through and word:
        if not m.l2 or m.l2_through:
            return 0
        line = physical >> m.l2_shift
        word = look(s, set_of(m.l2, m.l2_mask, m.l2_ways, line), m.l2_ways, key_of(line))
    return word & MARK


@inlined
def hits(s: State, m: Model, step: int, start: int) -> int:
    """Run the program at `step` for the block at linear `start`; the first step that does not hit, 0 if all do.

    The pages of the last access to data and of the last fetch are the most recent of their sets: not looked for again.
    """
    s.kept_count = s.moved_count = 0
    mode = load32(s.env + HFLAGS)
    stack_mask = 0xFFFFFFFF if mode & HF_SS32 else 0xFFFF
    paged = load32(s.env + CR0) & CR0_PG
    if s.stream or (paged and s.tlb_cr3 != load32(s.env + CR3)):
        return step
    user = 1 if mode & HF_CPL == 3 else 0
    rights = PTE_P | PTE_U if user else PTE_P
    tlb, epoch, ram_size, frames = s.tlb, s.epoch, s.ram_size, s.frames
    shift, line_mask = m.l1d_shift, (1 << m.l1d_shift) - 1
    last_line, last_write = -1, 0                       # of the access before: that it is there is known
    while True:
        head = load64(step)                             # OP, AT, SIZE, ACCESS and SHIFT at one go
        op = head & 0xFFFF
        if op >= OP_ACCESS and op <= OP_KEEP and op != OP_FETCH:
            access, size, mask = head >> 8 * ACCESS & 0xFF, head >> 8 * SIZE & 0xFFFF, load32(step + MASK)
            if mask == BY_STACK:
                mask = stack_mask
            offset = load32(load64(step + VALUE_BASE)) + (load32(load64(step + SCALED)) << (head >> 8 * SHIFT & 31)) \
                + load32(step + DISP) & mask
            linear = load64(load64(step + SEGMENT)) + offset & 0xFFFFFFFF
            if not access or (linear & line_mask) + size > line_mask + 1:
                return step
            write = access & ACCESS_WRITE
            physical = linear & s.a20_mask
            if paged:
                need = rights | PTE_W | PTE_D if write else rights
                word = load64(tlb + (linear >> 12) * 8)
                if word >> 32 != epoch or word & need != need:
                    return step
                if linear >> 12 != s.last_page:
                    if not look_page(s, m, linear, word & PDE_PS):
                        return step
                    s.last_page = linear >> 12
                physical = word & PAGE_MASK | linear & 0xFFF
            line = physical >> shift
            if line != last_line or write > last_write:
                if physical >= ram_size:
                    return step
                if write:
                    if load8(frames + (physical >> 12)) & CODE_FRAME or not look_written(s, m, physical):
                        return step
                elif not look(s, set_of(m.l1d, m.l1d_mask, m.l1d_ways, line), m.l1d_ways, key_of(line)):
                    return step
                last_line, last_write = line, write
            if op == OP_LOAD:
                value = kept_value(s, linear, size) if s.kept_count else NOT_KEPT
                if value == NOT_KEPT:
                    value = load32(s.ram + physical) if size == 4 else value_at(s, linear, size, user)
                if value < 0:
                    return step
                store64(load64(step + RESULT), value)
            elif op == OP_KEEP:
                keep(s, step, linear, size)
        elif op == OP_FETCH:
            linear = start + load32(step + DISP) & 0xFFFFFFFF
            if not look_code(s, m, linear, paged, epoch):
                return step
        elif op == OP_END:
            break
        elif op == OP_IF_COUNT:
            s.repeat_left = load32(load64(step + VALUE_BASE)) + load32(step + DISP) & 0xFFFFFFFF
            if not s.repeat_left:
                break
        elif op > OP_KEEP and op <= OP_BIT_SCAN:
            store64(load64(step + RESULT), calculate(step) & 0xFFFFFFFF)
        else:
            return step
        step += STEP_SIZE
    return 0
