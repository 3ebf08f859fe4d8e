"""What a program in ring 3 cannot do: privileged instructions, ports, flags, the kernel's pages and segments.

Source: Intel manual volume 3 (1999), chapter 4; volume 1, section 12.5 (I/O protection); volume 2.
"""

from __future__ import annotations

from typing import Any

import pytest
from machine_code import (
    ABSENT,
    CODE,
    CODE3,
    CODE_ACCESS,
    CONFORMING,
    DATA,
    DATA0,
    DATA3,
    DATA_ACCESS,
    FREE,
    GDT,
    KERNEL_DATA,
    KERNEL_PAGE,
    LDT,
    PRESENT,
    TO_RING_3,
    TSS,
    TSS_BASE,
    USER_STACK,
    BareMachine,
    descriptor,
)

from emu.cpu.x86 import IF, IOPL_SHIFT, RF, Vector

PORT = 0x300                # where the tests put a device
IOPL = 3 << IOPL_SHIFT
TSD = 1 << 2                # CR4


# Privileged instructions

PRIVILEGED = [
    "hlt", "clts", "invd", "wbinvd", "lmsw ax", f"lgdt [{DATA}]", f"lidt [{DATA}]", "lldt ax", "ltr ax",
    "mov eax, cr0", "mov eax, cr2", "mov eax, cr3", "mov eax, cr4", "mov cr0, eax", "mov cr2, eax", "mov cr3, eax",
    "mov cr4, eax", "mov eax, dr0", "mov eax, dr6", "mov eax, dr7", "mov dr0, eax", "mov dr7, eax", "rdmsr", "wrmsr",
    f"invlpg [{DATA}]", "sysexit",
]


@pytest.mark.parametrize("ring", [1, 2, 3])
@pytest.mark.parametrize("source", PRIVILEGED)
def test_a_privileged_instruction_outside_ring_0_is_refused(source: str, ring: int) -> None:
    bare = BareMachine(f"nop; here: {source}", ring=ring, flags=IOPL, ecx=0x174)
    before = bare.registers.snapshot()
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0, bare.address("here"))
    changed = {"eip", "esp", "eflags", "cs", "ss"}
    after = bare.registers.snapshot()
    assert {name for name in before if before[name] != after[name]} <= changed


@pytest.mark.parametrize("ring", [1, 2, 3])
@pytest.mark.parametrize("source", ["cli", "sti"])
@pytest.mark.parametrize("iopl", [0, 1, 2, 3])
def test_cli_and_sti_need_iopl(source: str, ring: int, iopl: int) -> None:
    bare = BareMachine(source, ring=ring, flags=iopl << IOPL_SHIFT | (IF if source == "cli" else 0))
    if ring > iopl:
        trap = bare.trap()
        assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0, CODE)
    else:
        bare.run(until="end")
        assert bool(bare.registers.eflags & IF) == (source == "sti")


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize(("before", "wanted"), [(0, IF), (IF, 0), (0, IOPL), (IOPL, 0), (IOPL, IF), (IF | IOPL, 0)])
@pytest.mark.parametrize("how", [
    "push {flags}; popfd", "push {flags}; push cs; push end; iretd",
    ".byte 0x66, 0x68; .word {flags}; .byte 0x66, 0x9d",                # push imm16, popf of 16 bits
])
def test_popf_and_iret_change_if_and_iopl_only_as_far_as_allowed(how: str, before: int, wanted: int, ring: int) -> None:
    bare = BareMachine(how.format(flags=wanted), ring=ring, flags=before)
    bare.run(until="end")
    expected = wanted
    if ring == 3:
        expected = before & IOPL | (wanted if before & IOPL else before) & IF
    assert bare.registers.eflags & (IF | IOPL) == expected


@pytest.mark.parametrize(("ring", "cr4", "allowed"), [(0, TSD, True), (3, TSD, False), (3, 0, True)])
def test_rdtsc_outside_ring_0_is_up_to_cr4_tsd(ring: int, cr4: int, allowed: bool) -> None:
    bare = BareMachine("nop; here: rdtsc", ring=ring, cr4=cr4)
    if allowed:
        bare.run(until="end")
    else:
        trap = bare.trap()
        assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0, bare.address("here"))


# Ports


class Latch:
    """A device that notes every access."""

    def __init__(self) -> None:
        self.accesses: list[tuple[Any, ...]] = []

    def read(self, offset: int, size: int) -> int:
        self.accesses.append(("read", offset, size))
        return 0x44332211

    def write(self, offset: int, value: int, size: int) -> None:
        self.accesses.append(("write", offset, value, size))


def with_latch(source: str, **options: Any) -> tuple[BareMachine, Latch]:
    """A machine with a latch at PORT, to which DX points."""
    bare, latch = BareMachine(source, **{"edx": PORT} | options), Latch()
    bare.machine.bus.ports.claim(PORT, 8, latch, "latch", 4)
    return bare, latch


ACCESSES = [
    ("in al, dx", ("read", 0, 1)), ("in ax, dx", ("read", 0, 2)), ("in eax, dx", ("read", 0, 4)),
    ("out dx, al", ("write", 0, 0x78, 1)), ("out dx, ax", ("write", 0, 0x5678, 2)),
    ("out dx, eax", ("write", 0, 0x12345678, 4)),
    ("insb", ("read", 0, 1)), ("insw", ("read", 0, 2)), ("insd", ("read", 0, 4)),
    ("outsb", ("write", 0, 0xEF, 1)), ("outsw", ("write", 0, 0xBEEF, 2)), ("outsd", ("write", 0, 0xDEADBEEF, 4)),
]
PREPARE = f"mov eax, 0x12345678; mov esi, {DATA}; mov edi, {DATA + 16}; mov dword ptr [esi], 0xdeadbeef; cld"


@pytest.mark.parametrize(("ring", "iopl"), [(ring, iopl) for ring in range(4) for iopl in range(4)])
@pytest.mark.parametrize(("source", "access"), ACCESSES)
def test_a_port_access_needs_iopl(source: str, access: tuple[Any, ...], ring: int, iopl: int) -> None:
    bare, latch = with_latch(f"{PREPARE}; here: {source}", ring=ring, flags=iopl << IOPL_SHIFT)
    if ring <= iopl:
        bare.run(until="end")
        assert latch.accesses == [access]
    else:
        trap = bare.trap()
        assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0, bare.address("here"))
        assert latch.accesses == []
        assert bare.read(DATA + 16) == 0
        assert (bare.registers.eax, bare.registers.esi, bare.registers.edi) == (0x12345678, DATA, DATA + 16)


@pytest.mark.parametrize(("source", "access"), ACCESSES)
def test_the_io_bitmap_allows_single_ports(source: str, access: tuple[Any, ...]) -> None:
    bare, latch = with_latch(f"{PREPARE}; here: {source}", ring=3)
    size = access[-1]
    bare.allow_port(PORT, size)
    bare.run(until="end")
    assert latch.accesses == [access]


@pytest.mark.parametrize("denied", range(4))
@pytest.mark.parametrize(("source", "access"), ACCESSES)
def test_every_byte_of_an_access_must_be_allowed(source: str, access: tuple[Any, ...], denied: int) -> None:
    bare, latch = with_latch(f"{PREPARE}; here: {source}", ring=3)
    for byte in range(4):
        if byte != denied:
            bare.allow_port(PORT + byte)
    if denied >= access[-1]:
        bare.run(until="end")
        assert latch.accesses == [access]
    else:
        assert bare.trap().vector == Vector.GP
        assert latch.accesses == []


@pytest.mark.parametrize("source", ["in al, 0x77", "out 0x77, al"])
def test_an_immediate_port_is_looked_up_too(source: str) -> None:
    assert BareMachine(source, ring=3).trap().vector == Vector.GP
    allowed = BareMachine(source, ring=3)
    allowed.allow_port(0x77)
    allowed.run(until="end")


@pytest.mark.parametrize(("limit", "allowed"), [(0x68 + PORT // 8 + 1, True), (0x68 + PORT // 8, False), (0x67, False)])
def test_ports_beyond_the_limit_of_the_tss_are_denied(limit: int, allowed: bool) -> None:
    bare, latch = with_latch(f"mov ax, {FREE}; ltr ax; {TO_RING_3.format('here')}; here: in al, dx; after: nop")
    bare.set_descriptor(FREE, descriptor(0x89, base=TSS_BASE, limit=limit))
    bare.allow_port(PORT)
    if allowed:
        bare.run(until="after")
    else:
        trap = bare.trap()
        assert (trap.vector, trap.eip) == (Vector.GP, bare.address("here"))
    assert bool(latch.accesses) == allowed


def test_a_16_bit_tss_allows_no_port() -> None:
    bare, latch = with_latch(f"mov ax, {FREE}; ltr ax; {TO_RING_3.format('here')}; here: in al, dx; after: nop")
    bare.set_descriptor(FREE, descriptor(0x81, base=TSS_BASE, limit=0x2000))
    bare.allow_port(PORT)
    bare.write(TSS_BASE + 2, 0xF000, 2)
    bare.write(TSS_BASE + 4, DATA0, 2)
    assert bare.trap().vector == Vector.GP
    assert latch.accesses == []


def test_rep_ins_stops_at_the_first_denied_iteration() -> None:
    bare, latch = with_latch(f"mov ecx, 4; mov edi, {DATA}; cld; here: rep insb", ring=3)
    trap = bare.trap()
    assert (trap.vector, trap.eip, bare.registers.ecx, latch.accesses) == (Vector.GP, bare.address("here"), 4, [])


def test_rep_outs_to_an_allowed_port_runs_to_its_end() -> None:
    bare, latch = with_latch(f"mov ecx, 4; mov esi, {CODE}; cld; rep outsb", ring=3)
    bare.allow_port(PORT)
    bare.run(until="end")
    code = bare.machine.ram.read(CODE, 4)
    assert latch.accesses == [("write", 0, byte, 1) for byte in code]


@pytest.mark.parametrize("page", [KERNEL_DATA, DATA + 0x3000])
def test_ins_to_a_page_that_refuses_it_does_not_touch_the_device(page: int) -> None:
    bare, latch = with_latch(f"mov edi, {page}; cld; here: insd", ring=3, paging=True)
    bare.allow_port(PORT, 4)
    bare.set_page(DATA + 0x3000, ABSENT)
    trap = bare.trap()
    assert (trap.vector, trap.eip, bare.registers.cr2) == (Vector.PF, bare.address("here"), page)
    assert latch.accesses == []


def test_an_io_bitmap_in_a_missing_page_is_a_page_fault() -> None:
    bare, latch = with_latch("in al, dx", ring=3, paging=True)
    bare.set_page(TSS_BASE + 0x68, KERNEL_PAGE)
    bare.write(TSS_BASE + 0x66, 0x1068, 2)
    bare.set_page(TSS_BASE + 0x1000, ABSENT)
    trap = bare.trap()
    assert (trap.vector, trap.error, bare.registers.cr2) == (Vector.PF, 0, TSS_BASE + 0x1068 + PORT // 8)
    assert latch.accesses == []


# Segments


@pytest.mark.parametrize("paging", [False, True])
@pytest.mark.parametrize("source", [
    f"mov eax, {DATA3}; mov ds, ax", f"mov eax, {DATA3}; mov ss, ax", f"push {DATA3}; pop es", f"push {DATA3}; pop ss",
    f"push {DATA3}; push {DATA}; lds eax, [esp]", f"push {DATA3}; push {DATA}; lgs eax, [esp]",
    f"mov eax, {DATA3}; lar ebx, eax", f"mov eax, {DATA3}; lsl ebx, eax", f"mov eax, {DATA3}; verr ax",
    f"push {CODE3}; push end; retf", f"push 2; push {CODE3}; push end; iretd",
    f".byte 0xea; .long end; .word {CODE3}", f"push {CODE3}; push end; jmp far [esp]",
    f"mov eax, {0xF}; mov ds, ax", f"mov eax, {0xF}; mov gs, ax",
])
def test_segments_load_in_ring_3_from_tables_in_kernel_pages(source: str, paging: bool) -> None:
    bare = BareMachine(source, ring=3, paging=paging)
    bare.set_descriptor(0xC, descriptor(DATA_ACCESS, dpl=3))
    bare.run(until="end")


@pytest.mark.parametrize("paging", [False, True])
def test_a_segment_load_in_ring_3_marks_its_descriptor_accessed(paging: bool) -> None:
    bare = BareMachine(f"mov eax, {FREE + 3}; mov ds, ax", ring=3, paging=paging)
    bare.set_descriptor(FREE, descriptor(DATA_ACCESS & ~1, dpl=3))
    bare.run(until="end")
    assert bare.read(GDT + FREE + 5, 1) == DATA_ACCESS | 3 << 5


@pytest.mark.parametrize("segment", ["ds", "es", "fs", "gs"])
@pytest.mark.parametrize(("selector", "access", "dpl", "vector"), [
    (FREE + 3, DATA_ACCESS, 3, None), (FREE, DATA_ACCESS, 3, None), (FREE + 3, DATA_ACCESS, 2, Vector.GP),
    (FREE, DATA_ACCESS, 0, Vector.GP), (FREE + 3, CODE_ACCESS, 3, None), (FREE + 3, CODE_ACCESS & ~2, 3, Vector.GP),
    (FREE + 3, CODE_ACCESS, 0, Vector.GP), (FREE + 3, CODE_ACCESS | CONFORMING, 0, None),
    (FREE + 3, DATA_ACCESS & ~PRESENT, 3, Vector.NP), (FREE + 3, DATA_ACCESS & ~PRESENT, 0, Vector.GP),
    (0, 0, 0, None), (3, 0, 0, None), (TSS, 0, 0, Vector.GP), (LDT, 0, 0, Vector.GP),
])
def test_data_segments_load_as_privilege_allows(segment: str, selector: int, access: int, dpl: int,
                                                vector: Vector | None) -> None:
    bare = BareMachine(f"mov eax, {selector}; here: mov {segment}, ax", ring=3)
    bare.set_descriptor(FREE, descriptor(access, dpl=dpl))
    if vector is None:
        bare.run(until="end")
        assert getattr(bare.registers, segment) == selector
    else:
        trap = bare.trap()
        assert (trap.vector, trap.error, trap.eip) == (vector, selector & ~3, bare.address("here"))


@pytest.mark.parametrize(("ring", "selector", "access", "dpl", "vector"), [
    (3, FREE + 3, DATA_ACCESS, 3, None), (3, FREE, DATA_ACCESS, 3, Vector.GP), (3, FREE + 3, DATA_ACCESS, 0, Vector.GP),
    (3, FREE + 3, DATA_ACCESS & ~2, 3, Vector.GP), (3, FREE + 3, CODE_ACCESS, 3, Vector.GP), (3, 3, 0, 0, Vector.GP),
    (3, FREE + 3, DATA_ACCESS & ~PRESENT, 3, Vector.SS), (0, FREE, DATA_ACCESS, 0, None),
    (0, FREE + 3, DATA_ACCESS, 3, Vector.GP), (0, FREE, DATA_ACCESS & ~PRESENT, 0, Vector.SS),
    (0, 0, 0, 0, Vector.GP),
])
@pytest.mark.parametrize("how", [
    "mov eax, {}; here: mov ss, ax", "push {}; here: pop ss", "push {}; push esp; here: lss esp, [esp]",
])
def test_the_stack_segment_must_match_the_ring(how: str, ring: int, selector: int, access: int, dpl: int,
                                               vector: Vector | None) -> None:
    bare = BareMachine(how.format(selector), ring=ring)
    bare.set_descriptor(FREE, descriptor(access, dpl=dpl))
    if vector is None:
        bare.run(until="end")
        assert bare.registers.ss == selector
    else:
        trap = bare.trap()
        assert (trap.vector, trap.error, trap.eip) == (vector, selector & ~3, bare.address("here"))


def test_returning_to_ring_3_empties_segments_that_it_may_not_use() -> None:
    bare = BareMachine(f"push {DATA3}; push {USER_STACK}; push 2; push {CODE3}; push end; iretd")
    bare.run(until="end")
    registers = bare.registers
    assert (registers.ds, registers.es, registers.fs, registers.gs) == (0, 0, 0, 0)
    assert registers.ss == DATA3


def test_a_program_cannot_set_rf_or_vm_by_popf() -> None:
    bare = BareMachine("push 0x30002; popfd; pushfd; pop eax", ring=3)
    bare.run(until="end")
    assert not bare.registers.eax & (RF | 1 << 17)
    assert bare.registers.cpl == 3
