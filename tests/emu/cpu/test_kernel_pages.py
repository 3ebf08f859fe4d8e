"""What a program in ring 3 cannot reach: the kernel's pages, and the tables that the processor reads for it.

Far transfers and segment loads make the processor itself read and write at ring 3's behest; with operands or a stack in
kernel pages they must not open what plain loads and stores cannot. Source: Intel manual volume 3 (1999), section 4.11.
"""

from __future__ import annotations

import pytest
from machine_code import (
    CALL,
    CODE,
    CODE0,
    CODE3,
    DATA,
    DATA3,
    FREE,
    GDT,
    KERNEL_DATA,
    KERNEL_PAGE,
    TSS_BASE,
    USER_PAGE,
    BareMachine,
    gate,
)

from emu.cpu.x86 import CR0_WP, Vector

SECRET = 0x5EC4E701         # what stands in the kernel's page
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
    bare = BareMachine(f"int 0x80; go: {source.format(address)}" + TOUCH.format(address, KERNEL_DATA), ring=3,
                       paging=True, handlers={0x80: "touch"})
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
    ("lds eax, [{page} - 4]", 5), ("lss eax, [{page} - 4]", 5), ("lds eax, [{page} - 5]", 5),
    ("call far [{page} - 4]", 5), ("jmp far [{page} - 4]", 5), ("mov ds, [{page} - 1]", 5),
    ("lar eax, word ptr [{page} - 1]", 5),
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
