"""The rings into which native code writes crossings and blocks as they happen (`emu.crossings` has their layout).

A ring is memory that somebody has lent for a while; nothing is written while there is none. It never decides about
anything: the run is the same with it and without it. When it is full, whoever lent it is called to take the records
away, or, if he wants the last ones only, the oldest are overwritten.
"""

from __future__ import annotations

from typing import Any

from numba import types

from emu.cpu.blocks import ENDS, KEY, LEAVES, SIZE_SHIFT, last_address
from emu.cpu.charging import PART
from emu.cpu.layout import BASE, CR3, EFLAGS, EIP, HF_CPL, HFLAGS, SEGMENT_SIZE, SEGMENTS, SELECTOR, TR
from emu.cpu.paging import PAGE_MASK, find
from emu.cpu.state import Crossing, State, record
from emu.cpu.x86 import IF, TSS_ESP0, Segment
from emu.crossings import BLOCK, CROSSING, NO_LINE, Bits, Kind, offsets
from emu.native import call_drain, callback, compiled, load16, load32, load64, store32, store64

CS = SEGMENTS + SEGMENT_SIZE * int(Segment.CS)
CROSSING_SIZE, BLOCK_RECORD = CROSSING.itemsize, BLOCK.itemsize
(C_CYCLE, C_INSTRUCTIONS, C_FROM, C_TO, C_SPACE, C_THREAD, C_KIND, _, _, _, C_ERROR, C_COST, C_WAITED, C_BLOCKS,
 C_TRANSITION, C_CACHE, C_TLB, C_BRANCH, C_BUS) = offsets(CROSSING)
B_CYCLE, B_INSTRUCTIONS, B_PC, B_SPACE, B_THREAD, B_SIZE, _ = offsets(BLOCK)
TO_IF, FROM_IF, FROM_SHIFT = int(Bits.IF_TO), int(Bits.IF_FROM), 2
MARK, IDLE, SYSENTER = int(Kind.MARK), int(Kind.IDLE), int(Kind.SYSENTER)
BY_INSTRUCTION = int(Kind.SYSENTER) - int(Crossing.SYSENTER)    # Kinds and Crossings stand in the same order
OTHER_CROSSING, OTHER = int(Crossing.OTHER), int(Kind.OTHER)
CROSSINGS_FULL, BLOCKS_FULL = 0, 1


@compiled
def linear_eip(s: State) -> int:
    """The linear address of the instruction at CS:EIP."""
    return load64(s.env + CS + BASE) + load32(s.env + EIP) & 0xFFFFFFFF


@compiled
def enabled(s: State) -> int:
    """1 if IF is set."""
    return 1 if load32(s.env + EFLAGS) & IF else 0


@compiled
def find_thread(s: State) -> None:
    """Note where the TSS holds ESP0, as tables and task register are now."""
    if s.thread_epoch == s.epoch and s.thread_tss == load64(s.env + TR + BASE):
        return                                          # as it was found last
    s.thread_epoch, s.thread_tss = s.epoch, load64(s.env + TR + BASE)
    s.thread_at = s.no_thread
    if load32(s.env + TR + SELECTOR) & 0xFFFC:
        linear = load64(s.env + TR + BASE) + TSS_ESP0 & 0xFFFFFFFF
        word = find(s, linear, 0, 0)
        physical = word & PAGE_MASK | linear & 0xFFF
        if word >= 0 and physical + 4 <= s.ram_size and linear & 0xFFF <= 0xFFC:
            s.thread_at = s.ram + physical


@compiled
def begin_crossing(s: State, origin: int) -> None:
    """Something that may become a crossing begins at linear address `origin`: note how things are."""
    at = s.crossing_ring + s.crossing_next * CROSSING_SIZE
    store64(at + C_CYCLE, s.cycles)
    store64(at + C_INSTRUCTIONS, s.instructions)
    store32(at + C_FROM, origin)
    store32(at + C_SPACE, s.ring << FROM_SHIFT | (FROM_IF if enabled(s) else 0))
    store32(at + C_TRANSITION, s.transition_cycles)
    store32(at + C_CACHE, s.cache_cycles)
    store32(at + C_TLB, s.tlb_cycles)
    store32(at + C_BRANCH, s.branch_cycles)
    store32(at + C_BUS, s.bus_cycles)


@compiled
def begin_earlier(s: State, cycle: int, transition: int, cache: int, tlb: int) -> None:
    """What has begun did so at `cycle`, with the last instruction, which took that much of these causes."""
    at = s.crossing_ring + s.crossing_next * CROSSING_SIZE
    store64(at + C_CYCLE, cycle)
    store64(at + C_INSTRUCTIONS, s.instructions - 1)
    store32(at + C_TRANSITION, s.transition_cycles - transition)
    store32(at + C_CACHE, s.cache_cycles - cache)
    store32(at + C_TLB, s.tlb_cycles - tlb)


@compiled
def end_crossing(s: State, kind: int, vector: int, line: int, error: int, waited: int) -> None:
    """What has begun is a crossing of this Kind, and complete: write the rest, if somebody wants it."""
    at = s.crossing_ring + s.crossing_next * CROSSING_SIZE
    to, space, level = linear_eip(s), load32(s.env + CR3) & PAGE_MASK, load32(s.env + HFLAGS) & HF_CPL
    before = load32(at + C_SPACE)
    levels = 1 << level | 1 << (before >> FROM_SHIFT & 3)
    origin = load32(at + C_FROM)
    if (not s.want_levels & levels or (s.want_space >= 0 and s.want_space != space)
            or not (s.want_first <= to <= s.want_last or s.want_first <= origin <= s.want_last)):
        return
    find_thread(s)
    store32(at + C_TO, to)
    store32(at + C_SPACE, space | level | before | (TO_IF if enabled(s) else 0))
    store32(at + C_THREAD, load32(s.thread_at))
    store32(at + C_KIND, kind | vector << 8 | line << 16)
    store32(at + C_ERROR, error)
    store32(at + C_COST, s.cycles - load64(at + C_CYCLE))
    store32(at + C_WAITED, waited)
    store32(at + C_BLOCKS, s.block_total)
    commit_crossing(s)


@compiled
def commit_crossing(s: State) -> None:
    """The next record is complete."""
    s.crossing_total += 1
    s.crossing_next += 1
    if s.crossing_next == s.crossing_room:
        s.crossing_next = 0
        if s.ring_full:
            call_drain(s.ring_full, CROSSINGS_FULL)


@compiled
def note_passage(s: State, kind: int, origin: int) -> None:
    """Write a crossing or a mark that takes no time of its own."""
    begin_crossing(s, origin)
    end_crossing(s, kind, 0, NO_LINE, 0, 0)


@compiled
def note_ring(s: State) -> None:
    """The last block has changed the privilege level, or returned from an interrupt within it: count and write how."""
    leaves = load16((s.block & ~PART) + LEAVES) if s.block else OTHER_CROSSING
    level = load32(s.env + HFLAGS) & HF_CPL
    if level != s.ring and s.block:
        s.crossings[leaves] += 1
    if s.crossing_ring:
        kind = leaves + BY_INSTRUCTION if leaves != OTHER_CROSSING else OTHER
        note_passage(s, kind, last_address(s, s.block & ~PART) if s.block else linear_eip(s))
    s.ring = level
    s.returning = 0


@callback(types.int32(types.voidptr, types.int64, types.int64, types.int64, types.int64))
def note_block(user: Any, slot: int, pc: int, cycles: int, instructions: int) -> int:
    """Write a block, or the rest of one, that begins at linear `pc`, if somebody wants it."""
    s = record(user)
    space, level = load32(s.env + CR3) & PAGE_MASK, load32(s.env + HFLAGS) & HF_CPL
    if (not s.want_levels >> level & 1 or (s.want_space >= 0 and s.want_space != space)
            or not s.want_first <= pc <= s.want_last):
        return 0
    at = s.block_ring + s.block_next * BLOCK_RECORD
    store64(at + B_CYCLE, cycles)
    store64(at + B_INSTRUCTIONS, instructions)
    store32(at + B_PC, pc)
    store32(at + B_SPACE, space | level | (TO_IF if enabled(s) else 0))
    store32(at + B_THREAD, load32(s.thread_at))
    key = load64(slot + KEY)
    behind = (key & 0xFFFFFFFF) + (key >> SIZE_SHIFT & 0xFFF)
    store32(at + B_SIZE, behind - pc & 0xFFFF | load16(slot + ENDS) << 16)
    s.block_total += 1
    s.block_next += 1
    if s.block_next == s.block_room:
        s.block_next = 0
        if s.ring_full:
            call_drain(s.ring_full, BLOCKS_FULL)
    return 0


@callback(types.void(types.voidptr, types.int64))
def note_idle(user: Any, cycles: int) -> None:
    """The processor has been halted for so many cycles."""
    s = record(user)
    begin_crossing(s, linear_eip(s))
    at = s.crossing_ring + s.crossing_next * CROSSING_SIZE
    store64(at + C_CYCLE, s.cycles - cycles)            # its cost follows from when it began
    end_crossing(s, IDLE, 0, NO_LINE, 0, 0)


@callback(types.void(types.voidptr, types.int64))
def note_edge(user: Any, kind: int) -> None:
    """Recording begins or ends here: Kind.BEGIN or Kind.END."""
    s = record(user)
    note_passage(s, kind, linear_eip(s))
