"""What a program in ring 3 cannot do: privileged instructions, ports, flags, the kernel's pages and segments.

Source: Intel manual volume 3 (1999), chapter 4; volume 1, section 12.5 (I/O protection); volume 2.
"""

from __future__ import annotations

from typing import Any

import pytest
from machine_code import (
    ABSENT,
    CALL,
    CODE,
    CODE0,
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
    USER_PAGE,
    USER_STACK,
    BareMachine,
    descriptor,
    gate,
)

from emu.cpu.x86 import CR0_WP, IF, IOPL_SHIFT, RF, Vector

PORT = 0x300                # where the tests put a device
SECRET = 0x5EC4E701         # what stands in the kernel's page
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


# The kernel's pages


K = KERNEL_DATA
READS = [
    f"mov eax, [{K}]", f"mov al, [{K}]", f"cmp eax, [{K}]", f"push dword ptr [{K}]", f"mov esi, {K}; lodsd",
    f"mov esi, {K}; mov edi, {DATA}; movsd", f"mov esi, {K}; mov edi, {K}; cmpsd", f"mov edi, {K}; scasd",
    f"mov esp, {K}; pop eax", f"mov esp, {K}; popa", f"mov esp, {K}; popfd", f"mov esp, {K}; ret",
    f"mov esp, {K}; pop ds", f"mov esp, {K}; pop es", f"mov esp, {K}; pop ss", f"mov esp, {K}; iretd",
    f"mov esp, {K}; retf", f"mov esp, {K}; retf 8", f"mov esp, {K}; leave_frame: mov ebp, esp; leave",
    f"mov ds, [{K}]", f"mov ss, [{K}]", f"lds eax, [{K}]", f"les eax, [{K}]", f"lss eax, [{K}]", f"lfs eax, [{K}]",
    f"jmp dword ptr [{K}]", f"call dword ptr [{K}]", f"jmp far [{K}]", f"call far [{K}]", f"bound eax, [{K}]",
    f"lar eax, word ptr [{K}]", f"lsl eax, word ptr [{K}]", f"verr word ptr [{K}]", f"verw word ptr [{K}]",
    f"fld dword ptr [{K}]", f"frstor [{K}]", f"fldcw [{K}]", f"movq mm0, [{K}]", f"mov ebx, {K}; xlatb",
    f"imul eax, [{K}]", f"div dword ptr [{K}]", f"idiv dword ptr [{K}]", f"bt [{K}], eax",
    f"mov eax, cs:[{K}]", f"mov eax, 0; mov ebx, {K}; mov eax, [ebx + eax * 4]",
]
WRITES = [
    f"mov [{K}], eax", f"mov byte ptr [{K}], 1", f"mov edi, {K}; stosd", f"mov edi, {K}; mov ecx, 4; rep stosb",
    f"mov esi, {DATA}; mov edi, {K}; movsd", f"mov esp, {K} + 4; push eax", f"mov esp, {K} + 32; pusha",
    f"mov esp, {K} + 4; pushfd", f"mov esp, {K} + 4; call end", f"push 1; pop dword ptr [{K}]", f"setz [{K}]",
    f"mov [{K}], ds", f"sgdt [{K}]", f"sidt [{K}]", f"str word ptr [{K}]", f"sldt word ptr [{K}]",
    f"smsw word ptr [{K}]", f"fst dword ptr [{K}]", f"fnsave [{K}]", f"fnstcw [{K}]", f"movq [{K}], mm0",
    f"mov esp, {K} + 8; push ds", f"mov esp, {K} + 8; enter 8, 0", f"mov esp, {K} + 4; push cs",
    f"mov esp, {K} + 8; .byte 0x9a; .long {CODE}; .word {CODE3}",
    f"push {CODE3}; push {CODE}; mov esi, esp; mov esp, {K} + 8; call far [esi]",
    f"push {CODE3}; push {CODE}; mov esi, esp; mov esp, {K} + 8; .byte 0x66, 0xff, 0x1e",
]


TOUCH = """
    jmp end
touch:
    mov ebp, {0}; mov esi, [ebp]; mov [ebp], esi; mov ebp, {1}; mov esi, [ebp]; mov [ebp], esi; iretd
"""


def kernel_page(source: str) -> BareMachine:
    """A program in ring 3 in front of `source`, and secrets at K, which the kernel has just read and written."""
    bare = BareMachine(f"int 0x80; go: {source}" + TOUCH.format(K, K), ring=3, paging=True, handlers={0x80: "touch"})
    for at in range(0, 0x100, 4):
        bare.write(K + at, SECRET)
    bare.run(until="go")
    bare.registers.esi = bare.registers.ebp = 0
    return bare


@pytest.mark.parametrize("source", READS)
def test_a_program_cannot_read_a_kernel_page(source: str) -> None:
    bare = kernel_page(source)
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.PF, 5)
    assert K <= bare.registers.cr2 < K + 0x80
    assert SECRET not in bare.registers.snapshot().values()


@pytest.mark.parametrize("source", WRITES)
def test_a_program_cannot_write_a_kernel_page(source: str) -> None:
    bare = kernel_page(source)
    before = bare.machine.ram.read(K, 0x1000)
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.PF, 7)
    assert K <= bare.registers.cr2 < K + 0x80
    assert bare.machine.ram.read(K, 0x1000) == before


@pytest.mark.parametrize("address", [GDT + 8, TSS_BASE + 4, 0x1400])
@pytest.mark.parametrize(("source", "error"), [
    ("mov eax, [{}]", 5), ("mov [{}], eax", 7), ("mov ds, [{}]", 5), ("mov [{}], ds", 7), ("lds eax, [{}]", 5),
    ("push 1; pop dword ptr [{}]", 7), ("mov esp, {}; pop ds", 5), ("mov esp, {}; pop eax", 5),
    ("lar eax, word ptr [{}]", 5),
    ("call far [{}]", 5), ("jmp far [{}]", 5), ("mov esp, {}; iretd", 5), ("mov esp, {}; retf", 5),
    ("mov esp, {} + 8; .byte 0x9a; .long 0x10000; .word 0x1b", 7), ("pop dword ptr [{}]", 7),
])
def test_a_program_cannot_reach_the_tables_of_the_processor(source: str, error: int, address: int) -> None:
    bare = BareMachine(f"int 0x80; go: {source.format(address)}" + TOUCH.format(address, KERNEL_DATA), ring=3, paging=True,
                       handlers={0x80: "touch"})
    bare.run(until="go")
    before = bare.machine.ram.read(0, 0x6000)
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.PF, error)
    assert address <= bare.registers.cr2 < address + 8
    assert bare.machine.ram.read(0, 0x6000) == before


def test_a_far_call_with_the_stack_in_a_kernel_page_leaves_the_page_alone() -> None:
    """Through a call gate to ring 0 with parameters: they are read from the program's stack."""
    bare = BareMachine(f"mov esp, {K}; .byte 0x9a; .long 0; .word {FREE + 3}", ring=3, paging=True)
    bare.set_descriptor(FREE, gate(CODE0, CODE, CALL, parameters=2))
    trap = bare.trap()
    assert (trap.vector, trap.error, bare.registers.cr2) == (Vector.PF, 5, K)


def test_a_call_gate_that_stays_in_ring_3_pushes_with_the_rights_of_ring_3() -> None:
    bare = kernel_page(f"mov esp, {K} + 8; .byte 0x9a; .long 0; .word {FREE + 3}")
    bare.set_descriptor(FREE, gate(CODE3, CODE, CALL))
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.PF, 7)
    assert bare.read(K + 4) == SECRET


@pytest.mark.parametrize(("source", "error"), [
    ("mov esp, {page} - 8; pop dword ptr [esp + 4]", 7), ("mov edi, {page} - 4; mov [edi + 4], ds", 7),
    ("lds eax, [{page} - 4]", 5), ("lss eax, [{page} - 4]", 5), ("call far [{page} - 4]", 5), ("jmp far [{page} - 4]", 5),
    ("lds eax, [{page} - 5]", 5), ("mov ds, [{page} - 1]", 5), ("lar eax, word ptr [{page} - 1]", 5),
    ("mov esp, {page} - 1; pop ds", 5), ("mov esp, {page} - 4; retf", 5), ("mov esp, {page} - 8; iretd", 5),
    ("mov esp, {page} - 1; pop dword ptr [0x30000]", 5),
])
def test_a_table_behind_a_page_of_the_program_stays_closed(source: str, error: int) -> None:
    """The LDT begins in a kernel page that the kernel has touched; the page before belongs to the program."""
    page = DATA + 0x2000
    bare = BareMachine(f"int 0x80; go: {source.format(page=page)}" + TOUCH.format(page, page), ring=3, paging=True,
                       handlers={0x80: "touch"})
    bare.set_page(page, KERNEL_PAGE)
    bare.set_table("ldtr", page, 0xFFF)
    bare.write(page, CODE3)
    bare.run(until="go")
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip >= bare.address("go")) == (Vector.PF, error, True)
    assert bare.registers.cr2 == page
    assert bare.read(page) == CODE3
    assert CODE3 not in (bare.registers.ds, bare.registers.es)


def test_a_read_across_into_a_kernel_page_is_refused() -> None:
    bare = BareMachine(f"mov eax, [{KERNEL_DATA - 2}]", ring=3, paging=True)
    trap = bare.trap()
    assert (trap.vector, trap.error, bare.registers.cr2) == (Vector.PF, 5, KERNEL_DATA)


def test_ring_3_cannot_execute_a_kernel_page() -> None:
    bare = BareMachine(f"mov eax, {K}; jmp eax", ring=3, paging=True)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip, bare.registers.cr2) == (Vector.PF, 5, K, K)


@pytest.mark.parametrize("ring", [1, 2])
def test_rings_1_and_2_are_supervisors_to_the_page_tables(ring: int) -> None:
    bare = BareMachine(f"mov eax, [{K}]; mov [{K + 4}], eax", ring=ring, paging=True)
    bare.write(K, SECRET)
    bare.run(until="end")
    assert bare.read(K + 4) == SECRET


def test_what_the_kernel_has_touched_stays_closed_to_the_program() -> None:
    bare = BareMachine(f"int 0x80; here: mov eax, [{K}]; nop\nkernel: mov eax, [{K}]; mov [{K}], eax; iretd", ring=3,
                       paging=True, handlers={0x80: "kernel"})
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.PF, 5, bare.address("here"))


def test_what_a_segment_load_has_opened_is_closed_again() -> None:
    bare = BareMachine(f"mov ax, {DATA3}; mov ds, ax; here: mov eax, [{GDT + 0x20}]", ring=3, paging=True)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.PF, 5, bare.address("here"))


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


def test_write_protection_binds_ring_0_only_with_wp() -> None:
    for cr0 in (0, CR0_WP):
        bare = BareMachine(f"mov dword ptr [{DATA}], {SECRET}", ring=0, paging=True, cr0=cr0)
        bare.set_page(DATA, USER_PAGE & ~2)
        if cr0:
            trap = bare.trap()
            assert (trap.vector, trap.error, bare.registers.cr2) == (Vector.PF, 3, DATA)
        else:
            bare.run(until="end")
            assert bare.read(DATA) == SECRET
