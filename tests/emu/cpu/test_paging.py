"""Page walks, rights, accessed and dirty bits, stale translations, and memory that belongs to devices."""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_code import CODE, DATA, KERNEL_PAGE, PAGE_DIRECTORY, PAGE_TABLE, USER_PAGE, BareMachine

from emu.cpu.x86 import (
    CR0_WP,
    CR4_PAE,
    CR4_PSE,
    PDE_PS,
    PF_P,
    PF_U,
    PF_W,
    PTE_A,
    PTE_D,
    PTE_P,
    PTE_U,
    PTE_W,
    Vector,
)
from emu.machine import Machine
from emu.result import Reason

LARGE = 0x0080_0000         # a linear address with a page directory entry of its own
TABLE = 0x42000             # a second page table, for LARGE
FRAME = 0x0010_0000         # free RAM


def entry_of(bare: BareMachine, linear: int) -> int:
    return bare.read(PAGE_TABLE + (linear >> 12) * 4)


def map_second_table(bare: BareMachine, pde: int, pte: int) -> None:
    """LARGE, by a directory entry and a table entry with these flags, is FRAME."""
    bare.write(PAGE_DIRECTORY + (LARGE >> 22) * 4, TABLE | pde)
    bare.write(TABLE, FRAME | pte)


# The walk

@pytest.mark.parametrize("access", ["mov eax, [ebx]", "mov [ebx], eax", "inc dword ptr [ebx]", "push dword ptr [ebx]"])
def test_a_mapped_page_is_its_frame(access: str) -> None:
    bare = BareMachine(f"mov eax, 0x1234; {access}; done: jmp done", paging=True, ebx=LARGE + 8)
    map_second_table(bare, USER_PAGE, USER_PAGE)
    bare.write(FRAME + 8, 0x1234)
    bare.run(until="done")
    assert bare.read(FRAME + 8) == (0x1235 if access.startswith("inc") else 0x1234)


def test_a_large_page_is_four_mebibytes_in_one_entry() -> None:
    bare = BareMachine("mov eax, [ebx]; mov dword ptr [ebx + 4], 7; done: jmp done", paging=True, cr4=CR4_PSE,
                       ebx=LARGE + 0x123454)
    bare.write(PAGE_DIRECTORY + (LARGE >> 22) * 4, 0 | KERNEL_PAGE | PDE_PS)
    bare.write(0x123454, 99)
    bare.run(until="done")
    assert (bare.registers.eax, bare.read(0x123458)) == (99, 7)
    assert bare.read(PAGE_DIRECTORY + (LARGE >> 22) * 4) == KERNEL_PAGE | PDE_PS | PTE_A | PTE_D


def test_without_pse_the_size_bit_means_nothing() -> None:
    bare = BareMachine("mov eax, [ebx]; done: jmp done", paging=True, ebx=LARGE)
    map_second_table(bare, KERNEL_PAGE | PDE_PS, KERNEL_PAGE)
    bare.write(FRAME, 42)
    bare.run(until="done")
    assert bare.registers.eax == 42


def test_a_page_outside_ram_reads_ones() -> None:
    bare = BareMachine("mov eax, [ebx]; mov [ebx], eax; done: jmp done", paging=True, ebx=LARGE)
    map_second_table(bare, KERNEL_PAGE, 0)
    bare.write(TABLE, 0xF000_0000 | KERNEL_PAGE)
    bare.run(until="done")
    assert bare.registers.eax == 0xFFFFFFFF


def test_pae_is_not_supported_and_says_so() -> None:
    result = BareMachine(f"mov eax, {CR4_PAE}; mov cr4, eax; mov eax, cr3; mov cr3, eax; mov eax, [0x200000]; hlt",
                         paging=True).run()
    assert result.reason == Reason.UNSUPPORTED
    assert result.detail.endswith("paging with CR4.PAE set: use 4 KiB and 4 MiB pages")


# Accessed and dirty

@pytest.mark.parametrize(("access", "bits"), [
    ("mov eax, [ebx]", PTE_A), ("mov [ebx], eax", PTE_A | PTE_D), ("add dword ptr [ebx], 0", PTE_A | PTE_D),
    ("jmp ebx", PTE_A), ("mov eax, [ebx]; mov [ebx], eax", PTE_A | PTE_D), ("invlpg [ebx]", 0),
    ("lea eax, [ebx]", 0), ("test [ebx], eax", PTE_A),
])
def test_an_access_sets_exactly_its_bits(access: str, bits: int) -> None:
    bare = BareMachine(f"{access}; done: jmp done", paging=True, ebx=0x200000)
    bare.machine.ram.write(0x200000, b"\xeb\xfe")            # jmp $
    bare.run(max_cycles=20)
    assert entry_of(bare, 0x200000) == 0x200000 | KERNEL_PAGE | bits
    assert entry_of(bare, 0x201000) == 0x201000 | KERNEL_PAGE
    assert bare.read(PAGE_DIRECTORY) & (PTE_A | PTE_D) == PTE_A


def test_a_refused_access_sets_no_bits() -> None:
    bare = BareMachine("mov [ebx], eax", ring=3, paging=True, ebx=0x200000)
    bare.trap()
    assert entry_of(bare, 0x200000) == 0x200000 | KERNEL_PAGE


def test_a_bit_that_software_clears_is_set_again_after_a_flush() -> None:
    bare = BareMachine(f"""
        mov [ebx], eax; mov dword ptr [{PAGE_TABLE + 0x800}], {0x200000 | KERNEL_PAGE}
        mov eax, [ebx]; mov ecx, [{PAGE_TABLE + 0x800}]; invlpg [ebx]; mov eax, [ebx]
        mov edx, [{PAGE_TABLE + 0x800}]; done: jmp done""", paging=True, ebx=0x200000)
    bare.run(until="done")
    assert bare.registers.ecx == 0x200000 | KERNEL_PAGE      # still in the TLB
    assert bare.registers.edx == 0x200000 | KERNEL_PAGE | PTE_A


# Rights

@pytest.mark.parametrize("wp", [0, CR0_WP])
@pytest.mark.parametrize("write", [0, 1])
@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("pte", [0, 1, 3, 5, 7])
@pytest.mark.parametrize("pde", [0, 1, 3, 5, 7])
def test_rights_are_those_of_both_entries(pde: int, pte: int, ring: int, write: int, wp: int) -> None:
    bare = BareMachine("mov [ebx], eax; done: jmp done" if write else "mov eax, [ebx]; done: jmp done", ring=ring,
                       paging=True, cr0=wp, ebx=LARGE + 0x14)
    map_second_table(bare, pde, pte)
    both, user = pde & pte, ring == 3
    error = (PF_W if write else 0) | (PF_U if user else 0) | (PF_P if both & PTE_P else 0)
    if both & PTE_P and (both & PTE_U or not user) and (not write or both & PTE_W or not (user or wp)):
        bare.run(until="done")
        assert bare.machine.cpu.state.traps[Vector.PF] == 0
    else:
        trap = bare.trap()
        assert (trap.vector, trap.error, trap.eip) == (Vector.PF, error, CODE)
        assert bare.registers.cr2 == LARGE + 0x14


def test_a_handler_that_maps_the_page_lets_the_access_happen() -> None:
    bare = BareMachine(f"""
        mov dword ptr [0x31000], 5; mov ebx, [0x31000]; done: jmp done
        fault: pop eax; mov dword ptr [{PAGE_TABLE + 0x31 * 4}], {0x31000 | USER_PAGE}; iretd""",
                       paging=True, handlers={14: "fault"})
    bare.set_page(0x31000, 0)
    bare.run(until="done")
    assert (bare.registers.ebx, bare.machine.cpu.state.traps[14]) == (5, 1)


# Accesses across two pages

@pytest.mark.parametrize(("access", "write"), [
    ("mov eax, [ebx]", 0), ("mov [ebx], eax", PF_W), ("mov [ebx], ax", PF_W), ("push dword ptr [ebx]", 0)])
@pytest.mark.parametrize(("missing", "cr2"), [(0x31000, 0x31FFF), (0x32000, 0x32000)])
def test_a_page_missing_under_half_an_access_faults_there(access: str, write: int, missing: int, cr2: int) -> None:
    bare = BareMachine(f"mov eax, -1; {access}", ring=3, paging=True, ebx=0x31FFF)
    bare.set_page(missing, 0)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip, bare.registers.cr2) == (Vector.PF, PF_U | write, CODE + 5, cr2)
    assert bare.read(0x31FFF, 1) == bare.read(0x32000, 4) == 0


def test_an_access_across_two_pages_reaches_both() -> None:
    bare = BareMachine("mov dword ptr [ebx], 0x44332211; mov eax, [ebx]; done: jmp done", ring=3, paging=True,
                       ebx=0x31FFE)
    bare.write(PAGE_TABLE + 0x32 * 4, 0x35000 | USER_PAGE)
    bare.run(until="done")
    assert (bare.registers.eax, bare.read(0x31FFE, 2), bare.read(0x35000, 2)) == (0x44332211, 0x2211, 0x4433)


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("length", range(1, 6))
def test_what_stands_before_a_missing_page_runs_first(ring: int, length: int) -> None:
    """Increments, then `mov eax, imm32` of which `length` bytes are on the page; 5: all of it, the next one is not."""
    bare = BareMachine(f"jmp {0x32000 - length - 2}", ring=ring, paging=True)
    bare.machine.ram.write(0x32000 - length - 2, bytes.fromhex("4343" "b878563412")[:length + 2])
    bare.set_page(0x32000, 0)
    trap = bare.trap()
    assert (trap.vector, trap.error, bare.registers.cr2) == (Vector.PF, PF_U if ring else 0, 0x32000)
    assert trap.eip == (0x32000 if length == 5 else 0x32000 - length)
    assert bare.registers.ebx == 2


# The TLB

def test_a_translation_stays_until_it_is_flushed() -> None:
    bare = BareMachine(f"""
        mov eax, [ebx]; mov dword ptr [{PAGE_TABLE + 0x31 * 4}], {0x33000 | USER_PAGE}
        mov ecx, [ebx]; invlpg [ebx]; mov edx, [ebx]; done: jmp done""", paging=True, ebx=0x31000)
    bare.write(0x31000, 1)
    bare.write(0x33000, 2)
    bare.run(until="done")
    assert (bare.registers.eax, bare.registers.ecx, bare.registers.edx) == (1, 1, 2)


@pytest.mark.parametrize("flush", [
    "mov ebp, cr3; mov cr3, ebp", "mov ebp, cr0; and ebp, 0x7fffffff; mov cr0, ebp; or ebp, 0x80000000; mov cr0, ebp",
    f"mov ebp, {CR4_PSE}; mov cr4, ebp"])
def test_a_load_of_a_control_register_forgets_translations(flush: str) -> None:
    bare = BareMachine(f"""
        mov eax, [ebx]; mov dword ptr [{PAGE_TABLE + 0x31 * 4}], {0x33000 | USER_PAGE}
        {flush}; mov edx, [ebx]; done: jmp done""", paging=True, ebx=0x31000)
    bare.write(0x31000, 1)
    bare.write(0x33000, 2)
    bare.run(until="done")
    assert (bare.registers.eax, bare.registers.edx) == (1, 2)


def test_a_page_unmapped_without_a_flush_can_still_be_used() -> None:
    bare = BareMachine(f"mov eax, [ebx]; mov dword ptr [{PAGE_TABLE + 0x31 * 4}], 0; mov ecx, [ebx]; invlpg [ebx];"
                       "here: mov edx, [ebx]", paging=True, ebx=0x31000)
    trap = bare.trap()
    assert (trap.vector, trap.eip) == (Vector.PF, bare.address("here"))


def test_rights_taken_away_without_a_flush_still_hold() -> None:
    bare = BareMachine(f"mov [ebx], eax; mov dword ptr [{PAGE_TABLE + 0x31 * 4}], {0x31000 | PTE_P}; mov [ebx], eax;"
                       "invlpg [ebx]; here: mov [ebx], eax", paging=True, cr0=CR0_WP, ebx=0x31000)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.PF, PF_P | PF_W, bare.address("here"))


def test_another_address_space_has_other_pages() -> None:
    bare = BareMachine("mov ecx, 3; again: mov eax, [ebx]; mov cr3, esi; add edi, [ebx]; mov ebp, 0x40000; "
                       "mov cr3, ebp; add edi, eax; loop again; done: jmp done", paging=True, ebx=0x31000, esi=0x50000)
    machine = bare.machine
    machine.ram.write(0x50000, machine.ram.read(PAGE_DIRECTORY, 4096))
    machine.ram.write(0x51000, machine.ram.read(PAGE_TABLE, 4096))
    bare.write(0x50000, 0x51000 | USER_PAGE)
    bare.write(0x51000 + 0x31 * 4, 0x33000 | USER_PAGE)
    bare.write(0x31000, 1)
    bare.write(0x33000, 100)
    bare.run(until="done")
    assert bare.registers.edi == 303


# Any tables, any accesses: a walker of a few lines says what happens

class Access(NamedTuple):
    linear: int             # address
    size: int               # bytes
    write: bool             # or read
    user: bool              # or supervisor


FLAGS = st.sampled_from([0, PTE_P, PTE_P | PTE_W, PTE_P | PTE_U, PTE_P | PTE_W | PTE_U, USER_PAGE | PTE_A,
                         USER_PAGE | PTE_D])
ACCESSES = st.builds(Access, st.one_of(st.integers(0, 0x3FFC), st.sampled_from([0xFFE, 0x1FFF, 0x2FFD])),
                     st.sampled_from([1, 2, 4]), st.booleans(), st.booleans())


class Walker:
    """The tables that map LARGE to LARGE + 4000h, and what the processor makes of them."""

    def __init__(self, pde: int, ptes: list[int], wp: bool) -> None:
        self.pde, self.ptes, self.wp = pde, list(ptes), wp

    def walk(self, access: Access, linear: int) -> int | None:
        """None, or the error code; sets accessed and dirty bits."""
        page = linear >> 12
        error = access.write * PF_W | access.user * PF_U
        rights = self.pde & self.ptes[page]
        if not rights & PTE_P:
            return error
        allowed = (rights & PTE_U or not access.user) and (
            not access.write or rights & PTE_W or not (access.user or self.wp))
        if not allowed:
            return error | PF_P
        self.pde |= PTE_A
        self.ptes[page] |= PTE_A | access.write * PTE_D
        return None

    def access(self, access: Access) -> tuple[int, int] | None:
        """None, or (error code, address) of the page fault."""
        for linear in dict.fromkeys((access.linear, (access.linear + access.size - 1) & ~0xFFF)):
            if linear >> 12 == access.linear >> 12 and linear != access.linear:
                continue
            error = self.walk(access, linear)
            if error is not None:
                return error, LARGE + linear
        return None


@settings(max_examples=60, deadline=None)
@given(FLAGS, st.lists(FLAGS, min_size=4, max_size=4), st.booleans(), ACCESSES)
def test_any_access_does_what_a_simple_walker_says(pde: int, ptes: list[int], wp: bool, access: Access) -> None:
    register = {1: "al", 2: "ax", 4: "eax"}[access.size]
    source = f"mov [ebx], {register}" if access.write else f"mov {register}, [ebx]"
    bare = BareMachine(f"{source}; done: jmp done", ring=3 if access.user else 0, paging=True, cr0=CR0_WP if wp else 0,
                       ebx=LARGE + access.linear, eax=0x44332211)
    bare.write(PAGE_DIRECTORY + (LARGE >> 22) * 4, TABLE | pde)
    for page, flags in enumerate(ptes):
        bare.write(TABLE + 4 * page, FRAME + 0x1000 * page | flags)
    walker = Walker(pde, ptes, wp)
    fault = walker.access(access)
    if fault is None:
        bare.run(until="done")
        assert bare.machine.cpu.state.traps[Vector.PF] == 0
    else:
        trap = bare.trap()
        assert (trap.vector, (trap.error, bare.registers.cr2)) == (Vector.PF, fault)
    if fault is None or access.linear >> 12 == access.linear + access.size - 1 >> 12:
        assert bare.read(PAGE_DIRECTORY + (LARGE >> 22) * 4) == TABLE | walker.pde
        entries = struct.unpack("<4I", bare.machine.ram.read(TABLE, 16))
        assert list(entries) == [FRAME + 0x1000 * page | flags for page, flags in enumerate(walker.ptes)]


# Devices in memory

class Log:
    """A device that notes every access with its cycle and answers with a counter."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.start = machine.clock.now
        self.accesses: list[tuple[int, str, int, int, int]] = []     # cycle, kind, offset, size, value

    def _note(self, kind: str, offset: int, size: int, value: int) -> None:
        self.accesses.append((self.machine.clock.now - self.start, kind, offset, size, value))

    def read(self, offset: int, size: int) -> int:
        value = len(self.accesses) + 1
        self._note("read", offset, size, value)
        return value

    def write(self, offset: int, value: int, size: int) -> None:
        self._note("write", offset, size, value)


def with_device(source: str, **options: object) -> tuple[BareMachine, Log]:
    """A snippet and a device of 4 KiB at F0000000h."""
    bare = BareMachine(source, **options)                    # type: ignore[arg-type]
    log = Log(bare.machine)
    bare.machine.bus.memory.claim(0xF000_0000, 0x1000, log, "log", width=4)
    return bare, log


def test_a_device_sees_each_access_at_its_cycle() -> None:
    bare, log = with_device("nop; mov eax, [ebx]; nop; nop; mov [ebx + 4], ax; mov [ebx + 7], al; hlt", ebx=0xF000_0000)
    bare.run()
    assert log.accesses == [(1, "read", 0, 4, 1), (4, "write", 4, 2, 1), (5, "write", 7, 1, 1)]
    assert bare.machine.cpu.state.io_accesses == 3


def test_a_read_modify_write_is_a_read_and_a_write_at_one_cycle() -> None:
    bare, log = with_device("nop; add dword ptr [ebx], 8; hlt", ebx=0xF000_0010)
    bare.run()
    assert log.accesses == [(1, "read", 0x10, 4, 1), (1, "write", 0x10, 4, 9)]


def test_rep_movs_reaches_a_device_once_an_iteration() -> None:
    bare, log = with_device("rep movsd; hlt", esi=DATA, edi=0xF000_0000, ecx=3)
    for i in range(3):
        bare.write(DATA + 4 * i, i + 10)
    result = bare.run()
    assert log.accesses == [(i, "write", 4 * i, 4, i + 10) for i in range(3)]
    assert (bare.registers.ecx, result.cycles - log.start) == (0, 4)


def test_rep_movs_reads_a_device_once_an_iteration() -> None:
    bare, log = with_device("rep movsb; hlt", edi=DATA, esi=0xF000_0000, ecx=3)
    bare.run()
    assert log.accesses == [(i, "read", i, 1, i + 1) for i in range(3)]
    assert bare.machine.ram.read(DATA, 4) == b"\1\2\3\0"


def test_a_device_behind_a_page_table_is_reached_by_its_linear_address() -> None:
    bare, log = with_device("mov eax, [ebx + 4]; done: jmp done", paging=True, ring=3, ebx=LARGE)
    map_second_table(bare, USER_PAGE, 0)
    bare.write(TABLE, 0xF000_0000 | USER_PAGE)
    bare.run(until="done")
    assert [access[1:4] for access in log.accesses] == [("read", 4, 4)]


def test_a_user_cannot_reach_a_device_that_is_not_mapped_for_it() -> None:
    bare, log = with_device("mov [ebx], eax", paging=True, ring=3, ebx=LARGE)
    map_second_table(bare, USER_PAGE, 0)
    bare.write(TABLE, 0xF000_0000 | KERNEL_PAGE)
    assert bare.trap().error == PF_P | PF_W | PF_U
    assert log.accesses == []


def test_code_in_a_device_is_not_supported_and_says_so() -> None:
    bare, _ = with_device("jmp ebx", ebx=0xF000_0000)
    result = bare.run()
    assert (result.reason, result.eip) == (Reason.UNSUPPORTED, 0xF000_0000)
    assert result.detail == "at 0xf0000000: instructions fetched from outside RAM"


def test_code_that_runs_into_a_device_stops_there() -> None:
    bare = BareMachine("jmp ebx", ebx=0x3FFFFE)
    bare.machine.ram.write(0x3FFFFE, b"\x41\x41")            # inc ecx; inc ecx, and RAM ends
    result = bare.run()
    assert (result.reason, result.eip, bare.registers.ecx) == (Reason.UNSUPPORTED, 0x400000, 2)
