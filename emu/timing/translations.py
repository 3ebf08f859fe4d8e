"""TLBs and page walks: what a translation waits for beyond a hit in the first TLB.

Pages of 4 MiB have a TLB of their own where the profile has one (`data_large`, `code_large`), or share that of 4 KiB
pages. A second TLB holds 4 KiB pages only; what is found or brought in stands in both. P6 and later read page tables
through the data caches, and so do all processors here.
"""

from __future__ import annotations

from emu.native import compiled, inlined, load64
from emu.timing.associative import (
    KEY,
    LARGE,
    MARK,
    clear,
    clear_unmarked,
    drop,
    insert,
    key_of,
    promote,
    set_of,
)
from emu.timing.hierarchy import empty_trace, read_line
from emu.timing.model import Model

MISS = -1           # no TLB has it: walk


@inlined
def lookup_data(m: Model, linear: int, large: int, global_: int) -> int:
    """Look up the page of a data access; the stall in cycles, or MISS. It is in the TLBs then.

    large: 1 if the page has 4 MiB; global_: 1 if a load of CR3 leaves it alone (PTE.G and CR4.PGE).
    """
    page = linear >> 12
    if not large and load64(set_of(m.data, m.data_mask, m.data_ways, page)) & KEY == key_of(page):
        return 0
    return find_data(m, linear, large, MARK if global_ else 0)


@compiled
def find_data(m: Model, linear: int, large: int, note: int) -> int:
    """`lookup_data` beyond the most recent page; `note` goes into a new word."""
    if large:
        page = linear >> 22
        key = key_of(page) | LARGE
        if m.data_large:
            found = find(m, m.data_large, m.data_large_mask, m.data_large_ways, page, key | note)
        else:
            found = find(m, m.data, m.data_mask, m.data_ways, page, key | note)
        if found:
            return 0
        m.dtlb_misses += 1
        return MISS
    page = linear >> 12
    if find(m, m.data, m.data_mask, m.data_ways, page, key_of(page) | note):
        return 0
    m.dtlb_misses += 1
    if m.data_l2 and find(m, m.data_l2, m.data_l2_mask, m.data_l2_ways, page, key_of(page) | note):
        return m.data_l2_stall
    return MISS


@inlined
def lookup_code(m: Model, linear: int, large: int, global_: int) -> int:
    """`lookup_data` for code."""
    page = linear >> 12
    if not large and load64(set_of(m.code, m.code_mask, m.code_ways, page)) & KEY == key_of(page):
        return 0
    return find_code(m, linear, large, MARK if global_ else 0)


@compiled
def find_code(m: Model, linear: int, large: int, note: int) -> int:
    """`find_data` for code."""
    if large:
        page = linear >> 22
        key = key_of(page) | LARGE
        if m.code_large:
            found = find(m, m.code_large, m.code_large_mask, m.code_large_ways, page, key | note)
        else:
            found = find(m, m.code, m.code_mask, m.code_ways, page, key | note)
        if found:
            return 0
        m.itlb_misses += 1
        return MISS
    page = linear >> 12
    if find(m, m.code, m.code_mask, m.code_ways, page, key_of(page) | note):
        return 0
    m.itlb_misses += 1
    if m.code_l2 and find(m, m.code_l2, m.code_l2_mask, m.code_l2_ways, page, key_of(page) | note):
        return m.code_l2_stall
    return MISS


@compiled
def find(m: Model, table: int, mask: int, ways: int, page: int, word: int) -> int:
    """1 if a TLB has the page of `word`; otherwise it has it now."""
    first = set_of(table, mask, ways, page)
    if promote(m, first, ways, word & KEY):
        return 1
    insert(m, first, ways, word)
    return 0


@compiled
def walk(m: Model, pde_at: int, pte_at: int) -> int:
    """Read a page-directory and a page-table entry at physical addresses; the stall in cycles. pte_at -1: 4 MiB."""
    m.walks += 1
    stall = m.walk + read_line(m, pde_at)
    if pte_at >= 0:
        stall += read_line(m, pte_at)
    m.walk_stalls += stall
    return stall


@compiled
def load_cr3(m: Model) -> None:
    """MOV to CR3: empty what the profile's `cr3_load` says."""
    if not m.cr3_spares_global:
        flush_all(m)
        return
    clear_unmarked(m, m.data, m.data_mask, m.data_ways)
    clear_unmarked(m, m.data_large, m.data_large_mask, m.data_large_ways)
    clear_unmarked(m, m.data_l2, m.data_l2_mask, m.data_l2_ways)
    clear_unmarked(m, m.code, m.code_mask, m.code_ways)
    clear_unmarked(m, m.code_large, m.code_large_mask, m.code_large_ways)
    clear_unmarked(m, m.code_l2, m.code_l2_mask, m.code_l2_ways)
    if m.cr3_empties_trace:
        empty_trace(m)


@compiled
def flush_all(m: Model) -> None:
    """A change of CR0.PG or of CR4's paging bits: empty all TLBs, global pages too."""
    clear(m, m.data, m.data_mask, m.data_ways)
    clear(m, m.data_large, m.data_large_mask, m.data_large_ways)
    clear(m, m.data_l2, m.data_l2_mask, m.data_l2_ways)
    clear(m, m.code, m.code_mask, m.code_ways)
    clear(m, m.code_large, m.code_large_mask, m.code_large_ways)
    clear(m, m.code_l2, m.code_l2_mask, m.code_l2_ways)
    if m.cr3_empties_trace:
        empty_trace(m)


@compiled
def flush_page(m: Model, linear: int) -> None:
    """INVLPG: forget the page at a linear address, global or not, whatever its size."""
    flush_from(m, m.data, m.data_mask, m.data_ways, linear)
    flush_from(m, m.data_large, m.data_large_mask, m.data_large_ways, linear)
    flush_from(m, m.data_l2, m.data_l2_mask, m.data_l2_ways, linear)
    flush_from(m, m.code, m.code_mask, m.code_ways, linear)
    flush_from(m, m.code_large, m.code_large_mask, m.code_large_ways, linear)
    flush_from(m, m.code_l2, m.code_l2_mask, m.code_l2_ways, linear)


@compiled
def flush_from(m: Model, table: int, mask: int, ways: int, linear: int) -> None:
    """`flush_page` for one TLB."""
    if table:
        drop(m, set_of(table, mask, ways, linear >> 12), ways, key_of(linear >> 12))
        drop(m, set_of(table, mask, ways, linear >> 22), ways, key_of(linear >> 22) | LARGE)
