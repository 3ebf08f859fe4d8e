"""How an event finds its handler: gates, code segments, the stack of the inner ring, and what goes wrong on the way.

Source: Intel manual volume 3 (1999), sections 5.10 to 5.12 (tables 5-3 and 5-4), and INT n in volume 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from machine_code import (
    CAUGHT,
    CODE,
    CODE0,
    CODE3,
    CODE_ACCESS,
    CODE_OF,
    CONFORMING,
    DATA,
    DATA0,
    DATA3,
    DATA_ACCESS,
    DATA_OF,
    FREE,
    GDT,
    GDT_LIMIT,
    IDT,
    INTERRUPT,
    INTERRUPT16,
    LDT,
    PRESENT,
    RING0_STACK,
    TASK_GATE,
    TO_RING_3,
    TRAP16,
    TSS,
    TSS16,
    TSS_BASE,
    USER_STACK,
    BareMachine,
    descriptor,
    gate,
)

from emu.cpu.x86 import IF, TSS_ESP0, Vector
from emu.result import Reason

EXT = 1                     # in an error code: an event outside the program
IN_IDT = 2                  # in an error code: the index refers to the IDT
NUMBER = 0x43               # the vector of the gate under test
ERROR = NUMBER * 8 + IN_IDT


Spoil = Callable[[BareMachine], None]


class Bad(NamedTuple):
    """A gate, or what it refers to, that cannot be used by INT n."""

    name: str
    spoil: Spoil
    vector: Vector              # what is reported instead
    error: int                  # its error code


def handler(bare: BareMachine, selector: int = CODE0, kind: int = INTERRUPT, *, dpl: int = 3,
            present: bool = True) -> None:
    """Write the gate under test."""
    bare.set_gate(NUMBER, gate(selector, bare.handler(NUMBER), kind, dpl=dpl, present=present))


def handler_in(access: int, dpl: int = 0) -> Spoil:
    """Let the gate under test lead to a segment of its own."""
    def spoil(bare: BareMachine) -> None:
        bare.set_descriptor(FREE, descriptor(access, dpl=dpl))
        handler(bare, FREE)
    return spoil


GATES = [
    Bad("a not-present gate", lambda bare: handler(bare, present=False), Vector.NP, ERROR),
    *(Bad(f"a gate of type {kind}", lambda bare, kind=kind: handler(bare, CODE0, kind), Vector.GP, ERROR)  # type: ignore[misc]
      for kind in (0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13)),
    Bad("a code segment where the gate belongs", lambda bare: bare.set_gate(NUMBER, descriptor(CODE_ACCESS)),
        Vector.GP, ERROR),
    Bad("a gate beyond the limit of the IDT", lambda bare: shorten_idt(bare, NUMBER * 8 + 6), Vector.GP, ERROR),
    Bad("a null selector", lambda bare: handler(bare, 3), Vector.GP, 0),
    Bad("a selector beyond the limit of the GDT", lambda bare: handler(bare, GDT_LIMIT + 1), Vector.GP, GDT_LIMIT + 1),
    Bad("a selector beyond the limit of the LDT", lambda bare: handler(bare, 0x44), Vector.GP, 0x44),
    Bad("a data segment", handler_in(DATA_ACCESS), Vector.GP, FREE),
    Bad("a system segment", lambda bare: handler(bare, TSS), Vector.GP, TSS),
    Bad("a segment that is not present", handler_in(CODE_ACCESS & ~PRESENT), Vector.NP, FREE),
    Bad("an empty descriptor", lambda bare: handler(bare, FREE), Vector.GP, FREE),
]


def shorten_idt(bare: BareMachine, limit: int) -> None:
    """Let the IDT end at `limit`."""
    bare.set_table("idtr", IDT, limit)


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("bad", GATES, ids=lambda bad: bad.name)
def test_int_n_through_a_bad_gate_faults_at_the_int(bad: Bad, ring: int) -> None:
    bare = BareMachine(f"nop; here: int {NUMBER}", ring=ring)
    bad.spoil(bare)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (bad.vector, bad.error, bare.address("here"))


@pytest.mark.parametrize("bad", GATES, ids=lambda bad: bad.name)
def test_an_interrupt_through_a_bad_gate_faults_with_the_ext_bit(bad: Bad) -> None:
    bare = BareMachine("nop; nop; nop", ring=3, flags=IF)
    bad.spoil(bare)
    raise_irq3(bare)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (bad.vector, bad.error | EXT, CODE)


def raise_irq3(bare: BareMachine) -> None:
    """Let IRQ 3 wait, with the vector under test."""
    bare.start_pic(NUMBER - 3)
    bare.machine.pic.irq[3].set(1)


@pytest.mark.parametrize("ring", range(4))
@pytest.mark.parametrize("dpl", range(4))
def test_int_n_needs_a_gate_of_its_own_ring_or_an_outer_one(ring: int, dpl: int) -> None:
    bare = BareMachine(f"nop; here: int {NUMBER}; after: nop", ring=ring)
    handler(bare, dpl=dpl)
    trap = bare.trap()
    if dpl >= ring:
        assert (trap.vector, trap.eip) == (NUMBER, bare.address("after"))
    else:
        assert (trap.vector, trap.error, trap.eip) == (Vector.GP, ERROR, bare.address("here"))


@pytest.mark.parametrize(("source", "vector"), [("int3", Vector.BP), ("mov al, 0x7f; inc al; into", Vector.OF)])
def test_int3_and_into_need_the_right_to_use_their_gate(source: str, vector: Vector) -> None:
    bare = BareMachine(source, ring=3)
    bare.set_gate(vector, gate(CODE0, bare.handler(vector), dpl=0))
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.GP, vector * 8 + IN_IDT)


@pytest.mark.parametrize("source", ["ud2", ".byte 0xf1", "xor ecx, ecx; div ecx"])
def test_exceptions_need_no_right_to_use_their_gate(source: str) -> None:
    bare = BareMachine(source, ring=3)
    for vector in (Vector.DE, Vector.DB, Vector.UD):
        bare.set_gate(vector, gate(CODE0, bare.handler(vector), dpl=0))
    assert bare.trap().vector in (Vector.DE, Vector.DB, Vector.UD)


def test_interrupts_need_no_right_to_use_their_gate() -> None:
    bare = BareMachine("nop", ring=3, flags=IF)
    handler(bare, dpl=0)
    raise_irq3(bare)
    assert bare.trap().vector == NUMBER


@pytest.mark.parametrize(("vector", "error"), [(Vector.GP, None), (Vector.DF, None), (Vector.PF, None)])
def test_int_n_pushes_no_error_code_whatever_the_vector(vector: Vector, error: None) -> None:
    bare = BareMachine(f"int {vector}; after: nop", ring=3)
    bare.run(until=CAUGHT)
    assert bare.stack(6) == [vector, bare.address("after"), CODE3, 2, USER_STACK, DATA3]


# Which ring the handler runs in


@pytest.mark.parametrize(("ring", "to"), [(3, 2), (3, 1), (2, 1), (1, 0), (2, 2), (3, 3)])
def test_a_handler_runs_in_the_ring_of_its_segment(ring: int, to: int) -> None:
    bare = BareMachine(f"int {NUMBER}", ring=ring)
    bare.write(TSS_BASE + TSS_ESP0 + 8 * (to % 3), DATA + 0x800)
    bare.write(TSS_BASE + TSS_ESP0 + 8 * (to % 3) + 4, DATA_OF[to])
    handler(bare, CODE_OF[to])
    trap = bare.trap()
    assert bare.registers.cpl == to
    assert (bare.registers.cs, bare.registers.ss) == (CODE_OF[to], DATA_OF[to])
    assert (trap.cs, trap.esp) == (CODE_OF[ring], USER_STACK if to < ring else None)


def test_a_handler_in_an_outer_ring_is_refused() -> None:
    bare = BareMachine(f"int {NUMBER}", ring=0)
    handler(bare, CODE3)
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.GP, CODE3 & ~3)


@pytest.mark.parametrize("dpl", [0, 2])
def test_a_conforming_handler_runs_in_the_ring_of_the_program(dpl: int) -> None:
    bare = BareMachine(f"int {NUMBER}", ring=3)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS | CONFORMING, dpl=dpl))
    handler(bare, FREE)
    trap = bare.trap()
    assert (bare.registers.cs, bare.registers.cpl, bare.registers.ss) == (FREE | 3, 3, DATA3)
    assert (trap.cs, trap.esp) == (CODE3, None)


def test_a_handler_in_the_ldt_is_found() -> None:
    bare = BareMachine(f"int {NUMBER}", ring=3)
    bare.set_descriptor(0xC, descriptor(CODE_ACCESS))
    handler(bare, 0xC)
    assert bare.trap().vector == NUMBER
    assert bare.registers.cs == 0xC


def test_a_handler_in_a_segment_with_a_base_is_reached() -> None:
    bare = BareMachine(f"int {NUMBER}", ring=3)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS, base=0x1000))
    bare.set_gate(NUMBER, gate(FREE, bare.handler(NUMBER) - 0x1000))
    bare.run(until=bare.handler(NUMBER))
    assert bare.registers.eip == bare.handler(NUMBER) - 0x1000


def test_a_handler_beyond_the_limit_of_its_segment_is_refused() -> None:
    bare = BareMachine(f"here: int {NUMBER}", ring=3)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS, limit=0x5FFF))
    handler(bare, FREE)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0, CODE)


def test_delivery_marks_the_descriptors_that_it_loads_accessed() -> None:
    bare = BareMachine(f"int {NUMBER}", ring=3)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS & ~1))
    bare.set_descriptor(FREE + 8, descriptor(DATA_ACCESS & ~1))
    bare.write(TSS_BASE + TSS_ESP0 + 4, FREE + 8)
    handler(bare, FREE)
    bare.run(until=CAUGHT)
    assert [bare.read(GDT + selector + 5, 1) for selector in (FREE, FREE + 8)] == [CODE_ACCESS, DATA_ACCESS]


# The stack of the inner ring


def stack(selector: int) -> Spoil:
    """Put a selector into TSS.SS0."""
    return lambda bare: bare.write(TSS_BASE + TSS_ESP0 + 4, selector, 2)


def stack_in(access: int, dpl: int = 0) -> Spoil:
    """Let TSS.SS0 name a segment of its own."""
    def spoil(bare: BareMachine) -> None:
        bare.set_descriptor(FREE, descriptor(access, dpl=dpl))
        stack(FREE)(bare)
    return spoil


STACKS = [
    Bad("a null selector", stack(0), Vector.TS, 0),
    Bad("a selector beyond the limit of the GDT", stack(GDT_LIMIT + 1), Vector.TS, GDT_LIMIT + 1),
    Bad("a selector beyond the limit of the LDT", stack(0x44), Vector.TS, 0x44),
    Bad("a selector of another ring", stack(DATA0 | 1), Vector.TS, DATA0),
    Bad("a segment of another ring", stack_in(DATA_ACCESS, dpl=3), Vector.TS, FREE),
    Bad("a read-only segment", stack_in(DATA_ACCESS & ~2), Vector.TS, FREE),
    Bad("a code segment", stack(CODE0), Vector.TS, CODE0),
    Bad("a system segment", stack(LDT), Vector.TS, LDT),
    Bad("a segment that is not present", stack_in(DATA_ACCESS & ~PRESENT), Vector.SS, FREE),
]


@pytest.mark.parametrize("bad", STACKS, ids=lambda bad: bad.name)
def test_a_bad_inner_stack_is_reported_at_the_int(bad: Bad) -> None:
    """The reports are delivered in ring 3 here: ring 0 has no stack to offer."""
    bare = BareMachine(f"nop; here: int {NUMBER}", ring=3)
    for vector in (Vector.TS, Vector.SS):
        bare.set_gate(vector, gate(CODE3, bare.handler(vector)))
    bad.spoil(bare)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (bad.vector, bad.error, bare.address("here"))


def test_a_tss_too_short_for_the_stack_is_reported() -> None:
    bare = BareMachine(f"mov ax, {FREE}; ltr ax; {TO_RING_3.format('here')}; here: int {NUMBER}")
    bare.set_descriptor(FREE, descriptor(0x89, base=TSS_BASE, limit=TSS_ESP0 + 4))
    bare.set_gate(Vector.TS, gate(CODE3, bare.handler(Vector.TS)))
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.TS, FREE)


def test_a_16_bit_tss_gives_16_bit_stack_pointers() -> None:
    bare = BareMachine(f"mov ax, {FREE}; ltr ax; {TO_RING_3.format('here')}; here: int {NUMBER}")
    bare.set_descriptor(FREE, descriptor(TSS16, base=DATA, limit=0x2B))
    bare.write(DATA + 2, RING0_STACK, 2)
    bare.write(DATA + 4, DATA0, 2)
    trap = bare.trap()
    assert (trap.vector, trap.esp) == (NUMBER, USER_STACK)
    assert bare.registers.esp == RING0_STACK - 24


# 16-bit gates and stacks


@pytest.mark.parametrize(("kind", "kept"), [(INTERRUPT16, 0), (TRAP16, IF)])
def test_a_16_bit_gate_pushes_words(kind: int, kept: int) -> None:
    bare = BareMachine(f"jmp far_away; .space 0x100; far_away: int {NUMBER}; after: nop", ring=3, flags=IF)
    handler(bare, CODE0, kind)
    bare.run(until=bare.handler(NUMBER))
    assert bare.registers.esp == RING0_STACK - 10
    assert bare.stack(5, 2) == [bare.address("after") & 0xFFFF, CODE3, IF | 2, USER_STACK & 0xFFFF, DATA3]
    assert bare.registers.eflags & IF == kept


def test_a_16_bit_gate_pushes_a_word_of_error_code() -> None:
    bare = BareMachine("here: mov [0x40000000], eax", ring=0, paging=True)
    bare.set_gate(Vector.PF, gate(CODE0, bare.handler(Vector.PF), INTERRUPT16))
    bare.run(until=bare.handler(Vector.PF))
    assert bare.stack(4, 2) == [2, CODE & 0xFFFF, CODE0, 2]


def test_a_16_bit_gate_reaches_only_the_low_64_kib() -> None:
    bare = BareMachine(f"int {NUMBER}", ring=0)
    bare.set_gate(NUMBER, gate(CODE0, 0x10000 + bare.handler(NUMBER), INTERRUPT16))
    bare.run(until=bare.handler(NUMBER))


def test_a_16_bit_stack_wraps_within_64_kib() -> None:
    bare = BareMachine(f"int {NUMBER}", ring=3)
    bare.set_descriptor(FREE, descriptor(DATA_ACCESS, limit=0xFFFF, wide=False))
    bare.write(TSS_BASE + TSS_ESP0, 0x5678_0000)
    bare.write(TSS_BASE + TSS_ESP0 + 4, FREE)
    bare.run(until=bare.handler(NUMBER))
    assert bare.registers.esp == 0x5678_0000 | 0x10000 - 20
    assert bare.read(0xFFFC) == DATA3


# Task gates


@pytest.mark.parametrize("source", [f"int {NUMBER}", "ud2"])
def test_a_task_gate_ends_the_run_and_says_why(source: str) -> None:
    bare = BareMachine(f"nop; here: {source}", ring=3)
    for vector in (NUMBER, Vector.UD):
        bare.set_gate(vector, gate(TSS, 0, TASK_GATE))
    result = bare.run()
    assert result.reason == Reason.UNSUPPORTED
    assert "task gate" in result.detail


def test_a_task_gate_that_the_program_may_not_use_is_a_general_protection_fault() -> None:
    bare = BareMachine(f"int {NUMBER}", ring=3)
    bare.set_gate(NUMBER, gate(TSS, 0, TASK_GATE, dpl=0))
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.GP, ERROR)


def test_a_task_gate_that_is_not_present_is_reported_as_such() -> None:
    bare = BareMachine(f"int {NUMBER}", ring=3)
    bare.set_gate(NUMBER, gate(TSS, 0, TASK_GATE, present=False))
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.NP, ERROR)
