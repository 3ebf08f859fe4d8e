"""Caches, store buffer and memory: what an access waits for beyond a hit in the first cache.

Chosen where documents are silent or a processor does more than is modelled:
- L2 is not inclusive: a miss fills L1 and L2, and a line that leaves L2 stays in L1.
- A dirty line that leaves L1 goes to L2, one that leaves L2 to memory. Nobody waits: write-back buffers hide it.
- A miss is waited for at once; misses do not overlap, and nothing is prefetched but the other half of a sector.
- A store that misses waits in the store buffer, which writes one at a time, each for as long as a load from there
  would stall; but one that brings no line in, for the profile's `store` if there is one: a bus takes a write without
  an answer. The program waits only for a free entry. A store that hits a write-through cache in front of an L2 that
  has its line is in the pipeline's price already.
- Memory has one open row: a line next to the one read last comes in the profile's `linear` time, any other in
  `random` (see `model` for what is taken out of that).
- Caches of code and data do not watch each other.

An access that crosses a page is two to the caller, each with its own physical address, plus `misaligned`.
"""

from __future__ import annotations

from emu.native import compiled, inlined, load64, store64
from emu.timing.associative import KEY, MARK, NUMBER_SHIFT, clear, drop, insert, key_of, mark, promote, set_of
from emu.timing.model import Model


@inlined
def load(m: Model, physical: int, size: int) -> int:
    """Read `size` bytes; the stall in cycles."""
    m.loads += 1
    line = physical >> m.l1d_shift
    stall = 0
    if load64(set_of(m.l1d, m.l1d_mask, m.l1d_ways, line)) & KEY != key_of(line):
        stall = read_line(m, physical)
    if physical + size - 1 >> m.l1d_shift != line:
        stall += m.misaligned + read_line(m, physical + size - 1)
    m.load_stalls += stall
    return stall


@inlined
def store(m: Model, physical: int, size: int, now: int) -> int:
    """Write `size` bytes at cycle `now`; the stall in cycles.

    Stores of one block may be given the same `now`: what an earlier one waited is not waited again.
    """
    m.stores += 1
    line = physical >> m.l1d_shift
    stall = 0
    if load64(set_of(m.l1d, m.l1d_mask, m.l1d_ways, line)) & (KEY | MARK) != key_of(line) | MARK:
        stall = write_line(m, physical, now)
    if physical + size - 1 >> m.l1d_shift != line:
        stall += m.misaligned + write_line(m, physical + size - 1, now)
    m.store_stalls += stall
    return stall


@compiled
def read_line(m: Model, physical: int) -> int:
    """The stall of reading the data line at an address; it is in L1 then."""
    line = physical >> m.l1d_shift
    first = set_of(m.l1d, m.l1d_mask, m.l1d_ways, line)
    if promote(m, first, m.l1d_ways, key_of(line)):
        return 0
    m.l1d_misses += 1
    stall = access_second(m, physical, 0)
    fill_first(m, first, key_of(line))
    return stall


@compiled
def write_line(m: Model, physical: int, now: int) -> int:
    """The stall of writing into the data line at an address."""
    line = physical >> m.l1d_shift
    first = set_of(m.l1d, m.l1d_mask, m.l1d_ways, line)
    if m.l1d_through and m.l2 and load64(first) & KEY == key_of(line):
        second = set_of(m.l2, m.l2_mask, m.l2_ways, physical >> m.l2_shift)
        if load64(second) & (KEY | MARK) == key_of(physical >> m.l2_shift) | MARK:
            return 0        # the line was the last one used in both: nothing to do
    hit = promote(m, first, m.l1d_ways, key_of(line))
    if hit and not m.l1d_through:
        mark(m, first)
        return 0
    if not hit:
        m.l1d_misses += 1
    passes = m.l1d_through or not m.l1d_allocates
    cost = access_second(m, physical, 1 if passes else 0)
    if hit and cost == m.l2_stall and m.l2:
        return 0
    if not hit and m.l1d_allocates:
        fill_first(m, first, key_of(line) | (0 if passes else MARK))
    elif not hit and m.l1d_store:
        cost = m.l1d_store
    return buffer_store(m, now, cost)


@compiled
def buffer_store(m: Model, now: int, cost: int) -> int:
    """Put a store that takes `cost` cycles to write into the store buffer; the cycles until an entry is free."""
    m.changes += 1
    now = max(now, m.buffer_seen)
    oldest = load64(m.buffer + m.buffer_next)
    stall = max(oldest - now, 0)
    m.buffer_seen = now + stall
    m.buffer_empty = max(m.buffer_empty, now + stall) + cost
    store64(m.buffer + m.buffer_next, m.buffer_empty)
    m.buffer_next = m.buffer_next + 8 if m.buffer_next + 8 < m.buffer_size else 0
    return stall


@compiled
def fill_first(m: Model, first: int, word: int) -> None:
    """Bring a line into a set of the first data cache."""
    leaving = insert(m, first, m.l1d_ways, word)
    if leaving & MARK:
        write_back(m, leaving >> NUMBER_SHIFT << m.l1d_shift)


@compiled
def write_back(m: Model, physical: int) -> None:
    """A dirty line leaves L1: to L2, or to memory if there is none or it keeps nothing dirty."""
    if not m.l2 or m.l2_through:
        m.writebacks += 1
        return
    line = physical >> m.l2_shift
    first = set_of(m.l2, m.l2_mask, m.l2_ways, line)
    if promote(m, first, m.l2_ways, key_of(line)):
        mark(m, first)
    else:
        fill_second(m, first, key_of(line) | MARK)


@compiled
def access_second(m: Model, physical: int, write: int) -> int:
    """The stall of what L1 does not have, or writes through (`write`): from L2 or memory."""
    if not m.l2:
        return access_memory(m, physical)
    line = physical >> m.l2_shift
    first = set_of(m.l2, m.l2_mask, m.l2_ways, line)
    hit = promote(m, first, m.l2_ways, key_of(line))
    if hit and not (write and m.l2_through):
        if write:
            mark(m, first)
        return m.l2_stall
    if not hit:
        m.l2_misses += 1
    stall = access_memory(m, physical)
    if not hit and (m.l2_allocates or not write):
        fill_sector(m, line)
        fill_second(m, first, key_of(line) | (MARK if write and not m.l2_through else 0))
    return stall


@compiled
def fill_sector(m: Model, line: int) -> None:
    """Bring the other lines of a line's sector into L2."""
    start = line & ~m.sector_mask
    for other in range(start, start + m.sector_mask + 1):
        first = set_of(m.l2, m.l2_mask, m.l2_ways, other)
        if other != line and not promote(m, first, m.l2_ways, key_of(other)):
            fill_second(m, first, key_of(other))


@compiled
def fill_second(m: Model, first: int, word: int) -> None:
    """Bring a line into a set of L2."""
    if insert(m, first, m.l2_ways, word) & MARK:
        m.writebacks += 1


@compiled
def access_memory(m: Model, physical: int) -> int:
    """The stall of an access to memory."""
    m.memory_accesses += 1
    unit = physical >> m.memory_shift
    step = unit - m.last_memory
    m.last_memory = unit
    return m.linear_stall if -1 <= step <= 1 else m.random_stall


@inlined
def fetch(m: Model, physical: int) -> int:
    """Fetch the line of code at an address from a cache of instructions; the stall in cycles."""
    if not m.l1i:
        return access_second(m, physical, 0)
    line = physical >> m.l1i_shift
    first = set_of(m.l1i, m.l1i_mask, m.l1i_ways, line)
    if load64(first) & KEY == key_of(line) or promote(m, first, m.l1i_ways, key_of(line)):
        return 0
    m.l1i_misses += 1
    stall = access_second(m, physical, 0)
    insert(m, first, m.l1i_ways, key_of(line))
    m.fetch_stalls += stall
    return stall


@compiled
def trace_index(linear: int) -> int:
    """What chooses the set of the trace line that begins at a linear address."""
    return linear ^ linear >> 8 ^ linear >> 16


@compiled
def fetch_trace(m: Model, linear: int, physical: int, instructions: int) -> int:
    """Fetch the line of the trace cache that begins at a linear address; the stall in cycles.

    At a miss its `instructions` (at most as many as a line has micro-ops) are decoded from the line of L2 that holds
    the first of them. How a real trace cache chooses the set is not published: here by the address, folded.
    """
    if not m.trace:
        return fetch(m, physical)
    first = set_of(m.trace, m.trace_mask, m.trace_ways, trace_index(linear))
    if load64(first) & KEY == key_of(linear) or promote(m, first, m.trace_ways, key_of(linear)):
        return 0
    m.trace_misses += 1
    stall = m.decode * instructions + access_second(m, physical, 0)
    insert(m, first, m.trace_ways, key_of(linear))
    m.fetch_stalls += stall
    return stall


@compiled
def empty_trace(m: Model) -> None:
    """Empty the trace cache, as a store into code that it holds does."""
    clear(m, m.trace, m.trace_mask, m.trace_ways)


@compiled
def empty(m: Model) -> int:
    """INVD and WBINVD: empty all caches; the cycles that writing the dirty lines back takes (WBINVD)."""
    lines = clear(m, m.l1d, m.l1d_mask, m.l1d_ways) + clear(m, m.l2, m.l2_mask, m.l2_ways)
    clear(m, m.l1i, m.l1i_mask, m.l1i_ways)
    empty_trace(m)
    return lines * m.linear_stall


@compiled
def snoop(m: Model, physical: int, size: int) -> None:
    """A device writes memory: lines of it leave the caches of data."""
    for line in range(physical >> m.l1d_shift, (physical + size - 1 >> m.l1d_shift) + 1):
        drop(m, set_of(m.l1d, m.l1d_mask, m.l1d_ways, line), m.l1d_ways, key_of(line))
    if m.l2:
        for line in range(physical >> m.l2_shift, (physical + size - 1 >> m.l2_shift) + 1):
            drop(m, set_of(m.l2, m.l2_mask, m.l2_ways, line), m.l2_ways, key_of(line))
