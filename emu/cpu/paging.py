"""Address translation: the page walk, our TLB, and the hook by which Unicorn asks for a page.

Our TLB is one word per linear page: epoch (32 bits), frame (20), PTE_P/W/U/D, PDE_PS, PTE_G. It holds every
translation made since the last flush, so what a stale page-table entry does is the same in every run, whatever
Unicorn's own TLB forgot.
Unicorn sees RAM three times, at host addresses that differ: read-write for data, read-execute for code, and
read-write-execute for frames that are both, where it watches every store. Source: Intel manual volume 3, section 3.6.
"""

from __future__ import annotations

from typing import Any

from numba import types
from unicorn.unicorn_const import UC_CTL_IO_WRITE, UC_CTL_TB_REMOVE_CACHE, UC_CTL_TLB_FLUSH

from emu.cpu.layout import CR0, CR3, CR4, HF_CPL, HFLAGS
from emu.cpu.state import Fill, Frame, State, record
from emu.cpu.x86 import (
    CR0_PG,
    CR0_WP,
    CR4_PAE,
    CR4_PGE,
    CR4_PSE,
    PDE_PS,
    PF_P,
    PF_U,
    PF_W,
    PTE_A,
    PTE_D,
    PTE_G,
    PTE_P,
    PTE_U,
    PTE_W,
)
from emu.native import (
    address_of,
    call_ctl,
    call_ctl_range,
    callback,
    compiled,
    load8,
    load32,
    load64,
    store8,
    store32,
    store64,
)

READ_EXECUTE = 1 << 32          # Unicorn's physical address of each view of RAM; data is at 0
READ_WRITE_EXECUTE = 2 << 32
DEVICES = 3 << 32               # physical addresses outside RAM: every access calls the bus

PAGE_MASK = 0xFFFFF000
FETCH, WRITE, READ = 18, 17, 16     # UC_MEM_FETCH, UC_MEM_WRITE, UC_MEM_READ
TLB_FLUSH = UC_CTL_TLB_FLUSH | UC_CTL_IO_WRITE << 30
REMOVE_CACHE = UC_CTL_TB_REMOVE_CACHE | 2 << 26 | UC_CTL_IO_WRITE << 30     # of two arguments
RIGHTS = PTE_P | PTE_W | PTE_U | PTE_D
NOT_PAGED = 1 << 9                  # in a TLB word: paging is off
MIXED_CODE = 1 << 19                # in `code_frames`: fetched from a mixed frame, so compare the bytes

GRANTED, FAULT, DEVICE, FETCH_WRITTEN, WRITE_FETCHED, CODE_IN_DEVICE, PAE = (int(fill) for fill in Fill)
WRITTEN, FETCHED, MIXED = (int(use) for use in Frame)


@compiled
def flush_unicorn(s: State) -> None:
    """Make Unicorn ask again for every page."""
    call_ctl(s.ctl, s.uc, TLB_FLUSH)


@compiled
def drop_code(s: State, address: int, size: int) -> None:
    """Drop what Unicorn translated from bytes at one of its physical addresses, all in one page.

    Unicorn takes a linear address and asks the fill hook what is there; `dropping` is the answer.
    """
    flush_unicorn(s)
    s.dropping = address & ~0xFFF
    call_ctl_range(s.ctl, s.uc, REMOVE_CACHE, address & 0xFFF, (address & 0xFFF) + size)
    s.dropping = 0
    flush_unicorn(s)


@callback(types.void(types.voidptr, types.int64))
def drop_frame(user: Any, address: int) -> None:
    """`drop_code` for a whole frame, from Python."""
    drop_code(record(user), address, 0x1000)


@compiled
def read_physical32(s: State, physical: int) -> int:
    """A doubleword of RAM; all ones outside it."""
    physical &= s.a20_mask
    if physical + 4 > s.ram_size:
        return 0xFFFFFFFF
    return load32(s.ram + physical)


@compiled
def write_physical(s: State, physical: int, value: int, size: int) -> None:
    """Store 1 or 4 bytes in RAM (nothing outside it), code included: what was translated from there is dropped."""
    physical &= s.a20_mask
    if physical + size > s.ram_size:
        return
    if size == 1:
        store8(s.ram + physical, value)
    else:
        store32(s.ram + physical, value)
    use = s.frames + (physical >> 12)
    if load8(use) & FETCHED:
        store8(use, MIXED)
        drop_code(s, READ_EXECUTE + (physical & PAGE_MASK), 0x1000)
    elif load8(use) & MIXED:
        drop_code(s, READ_WRITE_EXECUTE + physical, size)


@compiled
def fail(s: State, linear: int, error: int) -> int:
    """Note why a translation failed; -1."""
    s.walk_address = linear
    s.walk_error = error
    return -1


@compiled
def directory_entry(s: State, linear: int) -> int:
    """Physical address of the page-directory entry for a linear address."""
    return (load32(s.env + CR3) & PAGE_MASK) + (linear >> 22) * 4


@compiled
def table_entry(s: State, pde_at: int, linear: int) -> int:
    """Physical address of the page-table entry, by the page-directory entry at a physical address."""
    return (read_physical32(s, pde_at) & PAGE_MASK) + (linear >> 12 & 0x3FF) * 4


@compiled
def look_up(s: State, linear: int, write: int, user: int) -> int:
    """Find a translation in the page tables; a TLB word without epoch, or -1. Nothing is marked."""
    cr4 = load32(s.env + CR4)
    if cr4 & CR4_PAE:
        s.walk_pae = 1
        return fail(s, linear, 0)
    error = (PF_W if write else 0) | (PF_U if user else 0)
    pde_at = directory_entry(s, linear)
    pde = read_physical32(s, pde_at)
    if not pde & PTE_P:
        return fail(s, linear, error)
    if pde & PDE_PS and cr4 & CR4_PSE:
        entry, rights = pde, pde
        frame = (pde & 0xFFC00000 | linear & 0x3FF000) & s.a20_mask | PDE_PS
    else:
        entry = read_physical32(s, table_entry(s, pde_at, linear))
        if not entry & PTE_P:
            return fail(s, linear, error)
        rights = pde & entry
        frame = entry & PAGE_MASK & s.a20_mask
    if user and not rights & PTE_U:
        return fail(s, linear, error | PF_P)
    if write and not rights & PTE_W and (user or load32(s.env + CR0) & CR0_WP):
        return fail(s, linear, error | PF_P)
    return frame | rights & (PTE_P | PTE_W | PTE_U) | entry & PTE_D | (entry & PTE_G if cr4 & CR4_PGE else 0)


@compiled
def walk(s: State, linear: int, write: int, user: int) -> int:
    """Translate by the page tables, setting accessed and dirty bits; a TLB word without epoch, or -1."""
    word = look_up(s, linear, write, user)
    if word < 0:
        return word
    pde_at = entry_at = directory_entry(s, linear)
    if not word & PDE_PS:
        entry_at = table_entry(s, pde_at, linear)
        pde = read_physical32(s, pde_at)
        if not pde & PTE_A:
            write_physical(s, pde_at, pde | PTE_A, 4)
    entry = read_physical32(s, entry_at)
    marked = entry | PTE_A | (PTE_D if write else 0)
    if marked != entry:
        write_physical(s, entry_at, marked, 4)
    return word | marked & PTE_D


@compiled
def translate(s: State, linear: int, write: int, user: int) -> int:
    """A TLB word (frame and rights) for an access to `linear`, or -1 with `walk_error` and `walk_address` set."""
    if not load32(s.env + CR0) & CR0_PG:
        return linear & PAGE_MASK & s.a20_mask | RIGHTS | NOT_PAGED
    if s.flush_tlb:                     # the running block flushes at its end: keep nothing
        return walk(s, linear, write, user)
    cr3 = load32(s.env + CR3)
    if s.tlb_cr3 != cr3:
        s.tlb_cr3 = cr3
        s.epoch += 1
    word = load64(s.tlb + (linear >> 12) * 8)
    if word >> 32 == s.epoch and (not write or word & PTE_D):
        return permitted(s, linear, write, user, word & 0xFFFFFFFF)
    entry = walk(s, linear, write, user)
    if entry >= 0:
        store64(s.tlb + (linear >> 12) * 8, s.epoch << 32 | entry)
    return entry


@compiled
def permitted(s: State, linear: int, write: int, user: int, entry: int) -> int:
    """A word of our TLB if it allows the access, or -1."""
    if user and not entry & PTE_U:
        return fail(s, linear, PF_P | PF_U | (PF_W if write else 0))
    if not write or entry & PTE_W or (not user and not load32(s.env + CR0) & CR0_WP):
        return entry
    return fail(s, linear, PF_P | PF_W | (PF_U if user else 0))


@compiled
def find(s: State, linear: int, write: int, user: int) -> int:
    """What `translate` would say, without marking a page-table entry or keeping a translation."""
    if not load32(s.env + CR0) & CR0_PG:
        return linear & PAGE_MASK & s.a20_mask | RIGHTS | NOT_PAGED
    word = load64(s.tlb + (linear >> 12) * 8)
    if word >> 32 == s.epoch and (not write or word & PTE_D) and s.tlb_cr3 == load32(s.env + CR3):
        return permitted(s, linear, write, user, word & 0xFFFFFFFF)
    return look_up(s, linear, write, user)


@compiled
def read_linear(s: State, linear: int, size: int) -> int:
    """`size` (1, 2 or 4) bytes as the processor reads its own tables: supervisor rights; -1 on a page fault."""
    linear &= 0xFFFFFFFF
    if (linear & 0xFFF) + size > 0x1000:
        value = 0
        for i in range(size):
            byte = read_linear_within(s, linear + i & 0xFFFFFFFF, 1)
            if byte < 0:
                return -1
            value |= byte << 8 * i
        return value
    return read_linear_within(s, linear, size)


@compiled
def read_linear_within(s: State, linear: int, size: int) -> int:
    """`read_linear` inside one page."""
    entry = translate(s, linear, 0, 0)
    if entry < 0:
        return -1
    physical = entry & PAGE_MASK | linear & 0xFFF
    if physical + 4 <= s.ram_size:
        return load32(s.ram + physical) & (1 << 8 * size) - 1
    if physical + size > s.ram_size:
        return (1 << 8 * size) - 1
    value = 0
    for i in range(size):
        value |= load8(s.ram + physical + i) << 8 * i
    return value


@compiled
def write_linear(s: State, linear: int, value: int, size: int) -> int:
    """Push `size` (2 or 4) bytes with supervisor rights; -1 on a page fault, in which case nothing was written."""
    linear &= 0xFFFFFFFF
    first = translate(s, linear, 1, 0)
    if first < 0:
        return -1
    if size == 4 and linear & 0xFFF <= 0xFFC:
        write_physical(s, first & PAGE_MASK | linear & 0xFFF, value, 4)
        return 0
    last = linear + size - 1 & 0xFFFFFFFF
    second = translate(s, last, 1, 0)
    if second < 0:
        return -1
    for i in range(size):
        at = linear + i & 0xFFFFFFFF
        entry = first if at & PAGE_MASK == linear & PAGE_MASK else second
        write_physical(s, entry & PAGE_MASK | at & 0xFFF, value >> 8 * i & 0xFF, 1)
    return 0


@compiled
def fill(s: State, linear: int, kind: int) -> tuple[int, int]:
    """Decide about a page for Unicorn: (frame address in Unicorn's space, rights: 1 read, 2 write, 4 execute).

    Rights 0 means refused, with the reason in `fill`.
    """
    user = 1 if load32(s.env + HFLAGS) & HF_CPL == 3 and not s.step_allow & 2 else 0
    write = 1 if kind == WRITE else 0
    s.fill_kind = kind
    entry = translate(s, linear, write, user)
    if entry < 0:
        s.fill = PAE if s.walk_pae else FAULT
        s.fill_error = s.walk_error
        return 0, 0
    physical = entry & PAGE_MASK
    frame = physical >> 12
    s.fill_frame = frame
    if physical + 0x1000 > s.ram_size:
        if kind == FETCH:
            s.fill = CODE_IN_DEVICE
            return 0, 0
        if not s.step_allow & 1:
            s.fill = DEVICE
            return 0, 0
        return DEVICES + physical, 3
    at = s.frames + frame
    use = load8(at)
    if kind == FETCH:
        if use & WRITTEN:
            s.fill = FETCH_WRITTEN
            return 0, 0
        if use & MIXED:
            store32(s.code_frames + (linear >> 12) * 4, frame | MIXED_CODE)
            return READ_WRITE_EXECUTE + physical, 4
        store8(at, use | FETCHED)
        store32(s.code_frames + (linear >> 12) * 4, frame)
        return READ_EXECUTE + physical, 4
    writable = entry & PTE_D and (entry & PTE_W or (not user and not load32(s.env + CR0) & CR0_WP))
    if use & MIXED:                     # executable too: Unicorn watches no stores to a page that is not
        store32(s.code_frames + (linear >> 12) * 4, frame | MIXED_CODE)
        return READ_WRITE_EXECUTE + physical, 7 if writable else 5
    if use & FETCHED:
        if write:
            s.fill = WRITE_FETCHED
            return 0, 0
        return physical, 1
    if writable:
        store8(at, use | WRITTEN)
        return physical, 3
    return physical, 1


@callback(types.boolean(types.voidptr, types.uint64, types.int32, types.voidptr, types.voidptr))
def on_tlb_fill(handle: Any, page: int, kind: int, entry: Any, user: Any) -> bool:
    """UC_HOOK_TLB_FILL: `page` is linear; `entry` is uc_tlb_entry (u64 frame address, u32 rights)."""
    s = record(user)
    if s.dropping:
        address, rights = s.dropping, 4
    else:
        address, rights = fill(s, types.int64(page) & 0xFFFFFFFF, types.int64(kind))
    result: int = address_of(entry)  # type: ignore[call-arg]
    store64(result, address)
    store32(result + 8, rights)
    return rights != 0
