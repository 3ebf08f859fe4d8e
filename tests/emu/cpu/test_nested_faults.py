"""Faults while an exception is being delivered: one after the other, double, and the third that ends the machine.

Source: Intel manual volume 3 (1999), section 5.12, interrupt 8 (tables 5-3 and 5-4).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from machine_code import (
    ABSENT,
    CODE,
    CODE0,
    CODE3,
    DATA,
    DATA0,
    DATA3,
    DATA_ACCESS,
    FREE,
    KERNEL_STACK,
    PRESENT,
    TSS_BASE,
    USER_STACK,
    BareMachine,
    descriptor,
    gate,
)

from emu.cpu.x86 import TSS_ESP0, Vector
from emu.result import Reason

EXT = 1                     # in an error code: an event outside the program
IN_IDT = 2                  # in an error code: the index refers to the IDT
Spoil = Callable[[BareMachine], None]

FIRST = {           # how to raise it, in ring 0
    Vector.DE: "xor ecx, ecx; div ecx",
    Vector.UD: "ud2",
    Vector.BP: "int3",
    Vector.NP: f"mov ax, {FREE}; mov ds, ax",
    Vector.GP: "mov ax, 0x28; mov ds, ax",
    Vector.SS: f"mov ax, {FREE}; mov ss, ax",
    Vector.PF: "mov eax, [0x40000000]",
}
BENIGN = (Vector.UD, Vector.BP)


def with_spoilt_gate(first: Vector, how: str) -> BareMachine:
    """A machine about to raise `first`, the gate of which raises #NP, #GP or #PF in its turn."""
    bare = BareMachine(f"nop; here: {FIRST[first]}", paging=True)
    bare.set_descriptor(FREE, descriptor(DATA_ACCESS & ~PRESENT))
    if how == "NP":
        bare.set_gate(first, gate(CODE0, 0, present=False))
    elif how == "GP":
        bare.set_gate(first, gate(DATA0, 0))
    else:                                               # the handler's descriptor lies in a page that is not there
        bare.set_gate(first, gate(0xC, 0))
        bare.set_table("ldtr", 0x40000000, 0xFF)
    return bare


@pytest.mark.parametrize("how", ["NP", "GP", "PF"])
@pytest.mark.parametrize("first", FIRST)
def test_a_second_fault_is_serial_or_a_double_fault_as_table_5_4_says(first: Vector, how: str) -> None:
    bare = with_spoilt_gate(first, how)
    trap = bare.trap()
    second = Vector[how]
    if first in BENIGN or (second == Vector.PF and first != Vector.PF):
        assert trap.vector == second
        if second == Vector.NP:
            assert trap.error == first * 8 + IN_IDT + (0 if first == Vector.BP else EXT)
        elif second == Vector.GP:
            assert trap.error == DATA0 + (0 if first == Vector.BP else EXT)
        else:
            assert (trap.error, bare.registers.cr2) == (0, 0x40000008)
    else:
        assert (trap.vector, trap.error) == (Vector.DF, 0)


def test_a_double_fault_saves_where_the_first_fault_was() -> None:
    bare = with_spoilt_gate(Vector.DE, "NP")
    trap = bare.trap()
    assert (trap.vector, trap.eip) == (Vector.DF, bare.address("here") + 2)


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("spoil", [
    lambda bare: bare.set_gate(Vector.DF, gate(CODE0, 0, present=False)),
    lambda bare: bare.set_gate(Vector.DF, gate(DATA0, 0)),
    lambda bare: bare.set_gate(Vector.DF, gate(0, 0)),
    lambda bare: bare.set_gate(Vector.DF, bytes(8)),
], ids=["not present", "data", "null", "empty"])
def test_a_fault_while_delivering_a_double_fault_is_a_triple_fault(spoil: Spoil, ring: int) -> None:
    bare = BareMachine("nop; here: xor ecx, ecx; div ecx", ring=ring)
    bare.set_gate(Vector.DE, bytes(8))
    bare.set_gate(Vector.GP, bytes(8))
    spoil(bare)
    result = bare.run()
    assert result.reason == Reason.TRIPLE_FAULT
    assert f"{bare.address('here') + 2:#x}" in result.detail
    assert result.eip == bare.address("here") + 2


def test_a_page_fault_without_a_kernel_stack_is_a_triple_fault() -> None:
    bare = BareMachine("mov eax, [0x40000000]", ring=3, paging=True)
    bare.write(TSS_BASE + TSS_ESP0, 0x50000000)
    result = bare.run()
    assert (result.reason, result.eip) == (Reason.TRIPLE_FAULT, CODE)
    assert bare.registers.cr2 == 0x4FFFFFFC


def test_an_empty_idt_is_a_triple_fault() -> None:
    bare = BareMachine(f"lidt [{DATA}]; here: int3")
    bare.write(DATA, 0, 2)
    result = bare.run()
    assert (result.reason, result.eip) == (Reason.TRIPLE_FAULT, bare.address("here"))


def test_a_machine_after_a_triple_fault_stays_there() -> None:
    bare = BareMachine(f"lidt [{DATA}]; here: int3")
    first = bare.run()
    assert bare.machine.run(max_cycles=1000) == first


def test_a_double_fault_on_the_inner_stack_pushes_over_nothing_else() -> None:
    """A missing page below ESP0: the page fault becomes a double fault on the same stack, and then the end."""
    bare = BareMachine("ud2", ring=3, paging=True)
    bare.write(TSS_BASE + TSS_ESP0, KERNEL_STACK - 0x1000 + 8)
    bare.set_page(KERNEL_STACK - 0x2000, ABSENT)
    before = bare.machine.ram.read(0, 0x8000)
    result = bare.run()
    assert result.reason == Reason.TRIPLE_FAULT
    assert bare.machine.ram.read(0, 0x8000) == before
    registers = bare.registers
    assert (registers.esp, registers.ss, registers.cs, registers.eip) == (USER_STACK, DATA3, CODE3, CODE)


def test_faults_in_a_row_are_not_a_double_fault() -> None:
    """The handler returns before the next fault: each is the first again."""
    bare = BareMachine("""
        mov ecx, 5
    again:
        ud2; mov eax, [0x40000000]; loop again; jmp end
    skip_ud:
        add dword ptr [esp], 2; iretd
    skip_pf:
        add esp, 4; add dword ptr [esp], 5; iretd
    """, ring=3, paging=True, handlers={Vector.UD: "skip_ud", Vector.PF: "skip_pf"})
    result = bare.run(until="end")
    assert (result.traps[Vector.UD], result.traps[Vector.PF]) == (5, 5)
    assert Vector.DF not in result.traps
