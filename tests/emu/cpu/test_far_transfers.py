"""Far jumps, calls and returns, call gates and IRET: within a ring, inwards, outwards, and what is refused.

Source: Intel manual volume 3 (1999), sections 4.8 and 6.3; volume 2, CALL, RET, JMP, IRET.
"""

from __future__ import annotations

import pytest
from machine_code import (
    CALL,
    CALL16,
    CODE,
    CODE0,
    CODE1,
    CODE2,
    CODE3,
    CODE_ACCESS,
    CODE_OF,
    CONFORMING,
    DATA,
    DATA0,
    DATA1,
    DATA3,
    DATA_ACCESS,
    DATA_OF,
    FREE,
    GDT,
    GDT_LIMIT,
    KERNEL_STACK,
    LDT,
    PAGE_DIRECTORY,
    PRESENT,
    RING0_STACK,
    TSS,
    TSS_BASE,
    USER_STACK,
    BareMachine,
    descriptor,
    gate,
)

from emu.cpu.x86 import IF, IOPL_SHIFT, NT, TSS_ESP0, Vector
from emu.result import Reason

JUMP, CALL_FAR = 0xEA, 0x9A


def far(opcode: int, selector: int | str, offset: int | str = "target") -> str:
    """A far jump or call with the address in the instruction."""
    return f".byte {opcode:#x}; .long {offset}; .word {selector}"


def selector_of(bare: BareMachine) -> tuple[int, int, int]:
    """(CS, SS, CPL)."""
    return bare.registers.cs, bare.registers.ss, bare.registers.cpl


# Within a ring


@pytest.mark.parametrize("ring", [0, 3])
def test_a_far_jump_loads_cs(ring: int) -> None:
    bare = BareMachine(far(JUMP, FREE + ring) + "\nnop\ntarget: nop", ring=ring)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS, dpl=ring))
    bare.run(until="target")
    assert selector_of(bare) == (FREE + ring, DATA_OF[ring], ring)


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("source", [far(CALL_FAR, "SELECTOR"), "push SELECTOR; push target; call far [esp]"])
def test_a_far_call_and_a_far_return_come_back(source: str, ring: int) -> None:
    bare = BareMachine(source.replace("SELECTOR", str(FREE + ring)) + "; jmp end\ntarget: retf", ring=ring)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS, dpl=ring))
    bare.run(until="target")
    esp = bare.registers.esp
    assert bare.stack(2)[1] & 0xFFFF == CODE_OF[ring]
    bare.run(until="end")
    assert bare.registers.esp == esp + 8
    assert selector_of(bare) == (CODE_OF[ring], DATA_OF[ring], ring)


def test_retf_n_releases_parameters() -> None:
    bare = BareMachine("push 1; push 2; push 3; " + far(CALL_FAR, CODE3) + "\njmp end\ntarget: retf 12", ring=3)
    bare.run(until="end")
    assert bare.registers.esp == USER_STACK


def test_a_far_jump_to_conforming_code_keeps_the_ring() -> None:
    bare = BareMachine(far(JUMP, FREE) + "\ntarget: nop", ring=3)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS | CONFORMING, dpl=0))
    bare.run(until="target")
    assert selector_of(bare) == (FREE | 3, DATA3, 3)


def test_a_far_jump_reaches_a_code_segment_in_the_ldt() -> None:
    bare = BareMachine(far(JUMP, 0xF) + "\ntarget: nop", ring=3)
    bare.set_descriptor(0xC, descriptor(CODE_ACCESS, dpl=3))
    bare.run(until="target")
    assert bare.registers.cs == 0xF


def test_16_bit_code_runs_and_comes_back() -> None:
    """mov ax, 0x1234; inc ax; then a far jump with a 32-bit offset out of it."""
    source = f"{far(JUMP, FREE + 3, 'target - 0x10000')}; hlt; target: .byte 0xb8; .word 0x1234; .byte 0x40, 0x66"
    bare = BareMachine(f"{source}; {far(JUMP, CODE3, 'back')}; back: nop", ring=3, eax=0xAAAA0000)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS, base=0x10000, limit=0xFFFF, dpl=3, wide=False))
    bare.run(until="end")
    assert (bare.registers.eax, bare.registers.cs) == (0xAAAA1235, CODE3)


REFUSED = [         # ring, selector, access, DPL -> vector, error
    (3, 0, 0, 0, Vector.GP, 0), (3, 3, 0, 0, Vector.GP, 0), (3, CODE0, 0, 0, Vector.GP, CODE0),
    (3, CODE0 | 3, 0, 0, Vector.GP, CODE0), (3, CODE2, 0, 0, Vector.GP, CODE2 & ~3),
    (0, CODE3, 0, 0, Vector.GP, CODE3 & ~3),
    (3, DATA3, 0, 0, Vector.GP, DATA3 & ~3), (3, GDT_LIMIT + 1, 0, 0, Vector.GP, GDT_LIMIT + 1),
    (3, LDT, 0, 0, Vector.GP, LDT), (0, 0x44, 0, 0, Vector.GP, 0x44),
    (3, FREE + 3, CODE_ACCESS & ~PRESENT, 3, Vector.NP, FREE),
    (0, FREE, CODE_ACCESS | CONFORMING, 3, Vector.GP, FREE),
]


@pytest.mark.parametrize("opcode", [JUMP, CALL_FAR])
@pytest.mark.parametrize(("ring", "selector", "access", "dpl", "vector", "error"), REFUSED)
def test_a_far_transfer_to_what_may_not_be_entered_is_refused(opcode: int, ring: int, selector: int, access: int,
                                                              dpl: int, vector: Vector, error: int) -> None:
    bare = BareMachine("nop; here: " + far(opcode, selector) + "\ntarget: nop", ring=ring)
    bare.set_descriptor(FREE, descriptor(access, dpl=dpl))
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (vector, error, bare.address("here"))
    assert trap.esp in (None, USER_STACK)


def test_a_far_jump_beyond_the_limit_is_refused() -> None:
    bare = BareMachine("target: " + far(JUMP, FREE + 3), ring=3)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS, limit=0xFFFF, dpl=3))
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0, CODE)


# Call gates


def through_gate(ring: int = 3, to: int = 0, parameters: int = 0, kind: int = CALL, dpl: int = 3, present: bool = True,
                 before: str = "", kernel: str = "retf", rpl: int | None = None,
                 code: int | None = None) -> BareMachine:
    """A program that calls through a gate at FREE into ring `to`."""
    rpl = ring if rpl is None else rpl
    call = far(CALL_FAR, FREE + rpl, 0xDEAD)
    bare = BareMachine(f"{before}\nhere: {call}; back: nop; jmp end\ntarget: {kernel}", ring=ring)
    bare.set_descriptor(FREE, gate(CODE_OF[to] if code is None else code, bare.address("target"), kind, dpl=dpl,
                                   present=present, parameters=parameters))
    bare.write(TSS_BASE + TSS_ESP0 + 8 * to, RING0_STACK)
    bare.write(TSS_BASE + TSS_ESP0 + 8 * to + 4, DATA_OF[to])
    return bare


@pytest.mark.parametrize(("ring", "to"), [(3, 0), (3, 1), (3, 2), (2, 0), (1, 0)])
def test_a_call_gate_switches_ring_and_stack(ring: int, to: int) -> None:
    bare = through_gate(ring, to)
    bare.run(until="target")
    assert selector_of(bare) == (CODE_OF[to], DATA_OF[to], to)
    assert bare.registers.esp == RING0_STACK - 16
    assert bare.stack(4) == [bare.address("back"), CODE_OF[ring], USER_STACK, DATA_OF[ring]]
    bare.run(until="end")
    assert selector_of(bare) == (CODE_OF[ring], DATA_OF[ring], ring)
    assert bare.registers.esp == USER_STACK


@pytest.mark.parametrize("count", [1, 3, 31])
def test_a_call_gate_copies_parameters(count: int) -> None:
    pushes = "; ".join(f"push {100 + i}" for i in range(count))
    bare = through_gate(parameters=count, before=pushes, kernel=f"retf {4 * count}")
    bare.run(until="target")
    values = [100 + i for i in reversed(range(count))]
    assert bare.stack(count + 4) == [bare.address("back"), CODE3, *values, USER_STACK - 4 * count, DATA3]
    bare.run(until="end")
    assert bare.registers.esp == USER_STACK


def test_a_call_gate_within_the_ring_keeps_the_stack() -> None:
    bare = through_gate(3, 3, parameters=4)
    bare.run(until="target")
    assert selector_of(bare) == (CODE3, DATA3, 3)
    assert (bare.registers.esp, bare.stack(2)) == (USER_STACK - 8, [bare.address("back"), CODE3])


def test_a_16_bit_call_gate_pushes_words() -> None:
    bare = through_gate(kind=CALL16, parameters=2, before="push 0x11112222")
    bare.set_descriptor(FREE, gate(CODE0, 0x7000, CALL16, parameters=2))
    bare.run(until=0x7000)
    assert bare.registers.esp == RING0_STACK - 12
    assert bare.stack(6, 2) == [bare.address("back") & 0xFFFF, CODE3, 0x2222, 0x1111, USER_STACK - 4 & 0xFFFF, DATA3]


@pytest.mark.parametrize(("options", "vector", "error"), [
    ({"dpl": 2}, Vector.GP, FREE), ({"dpl": 0}, Vector.GP, FREE), ({"ring": 0, "dpl": 2, "rpl": 3}, Vector.GP, FREE),
    ({"present": False}, Vector.NP, FREE), ({"code": 0}, Vector.GP, 0), ({"code": DATA0}, Vector.GP, DATA0),
    ({"code": TSS}, Vector.GP, TSS), ({"code": GDT_LIMIT + 1}, Vector.GP, GDT_LIMIT + 1),
    ({"ring": 0, "code": CODE3}, Vector.GP, CODE3 & ~3), ({"code": FREE + 8}, Vector.NP, FREE + 8),
])
def test_a_call_gate_that_may_not_be_used_is_refused(options: dict[str, int], vector: Vector, error: int) -> None:
    bare = through_gate(**options)  # type: ignore[arg-type]
    bare.set_descriptor(FREE + 8, descriptor(CODE_ACCESS & ~PRESENT))
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (vector, error, bare.address("here"))


@pytest.mark.parametrize(("stack", "vector", "error"), [
    (0, Vector.TS, 0), (DATA3, Vector.TS, DATA3 & ~3), (CODE1, Vector.TS, CODE1 & ~3),
    (GDT_LIMIT + 2, Vector.TS, GDT_LIMIT + 1),
])
def test_a_call_gate_checks_the_inner_stack(stack: int, vector: Vector, error: int) -> None:
    bare = through_gate(to=1)
    bare.write(TSS_BASE + TSS_ESP0 + 8, 0x7000)
    bare.write(TSS_BASE + TSS_ESP0 + 12, stack, 2)
    bare.write(TSS_BASE + TSS_ESP0, RING0_STACK)
    bare.write(TSS_BASE + TSS_ESP0 + 4, DATA0)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (vector, error, bare.address("here"))


def test_a_jump_through_a_call_gate_cannot_go_inwards() -> None:
    bare = BareMachine("here: " + far(JUMP, FREE + 3, 0), ring=3)
    bare.set_descriptor(FREE, gate(CODE0, CODE, CALL))
    trap = bare.trap()
    assert (trap.vector, trap.error) == (Vector.GP, CODE0)


def test_a_jump_through_a_call_gate_within_the_ring_goes_to_its_offset() -> None:
    bare = BareMachine(far(JUMP, FREE + 3, 0) + "\nhlt\ntarget: nop", ring=3)
    bare.set_descriptor(FREE, gate(CODE3, bare.address("target"), CALL))
    bare.run(until="target")
    assert (bare.registers.cs, bare.registers.esp) == (CODE3, USER_STACK)


@pytest.mark.parametrize("paging", [False, True])
def test_a_call_gate_in_a_kernel_page_works_in_ring_3(paging: bool) -> None:
    bare = BareMachine(far(CALL_FAR, FREE + 3, 0) + "\nback: jmp end\ntarget: mov ax, cs; retf", ring=3, paging=paging)
    bare.set_descriptor(FREE, gate(CODE0, bare.address("target"), CALL))
    bare.run(until="end")
    assert (bare.registers.eax, bare.registers.cpl) == (CODE0, 3)


# Outwards: far return and IRET


OUTWARDS = {"iretd": "push {ss}; push {esp}; push {flags}; push {cs}; push target; here: iretd",
            "retf": "push {ss}; push {esp}; push {cs}; push target; here: retf"}


def outwards(how: str, ss: int = DATA3, esp: int = USER_STACK, flags: int = 2, cs: int = CODE3,
             ring: int = 0) -> BareMachine:
    """A program that builds a frame and returns to `target`."""
    source = OUTWARDS[how].format(ss=ss, esp=esp, flags=flags, cs=cs)
    return BareMachine(source + "\nnop\ntarget: nop", ring=ring)


@pytest.mark.parametrize("how", OUTWARDS)
@pytest.mark.parametrize(("ring", "to"), [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])
def test_a_return_to_an_outer_ring_takes_its_stack(how: str, ring: int, to: int) -> None:
    bare = outwards(how, ss=DATA_OF[to], cs=CODE_OF[to], ring=ring)
    bare.run(until="target")
    assert selector_of(bare) == (CODE_OF[to], DATA_OF[to], to)
    assert bare.registers.esp == USER_STACK


@pytest.mark.parametrize("how", OUTWARDS)
@pytest.mark.parametrize(("options", "vector", "error"), [
    ({"cs": 0}, Vector.GP, 0), ({"cs": DATA3}, Vector.GP, DATA3 & ~3), ({"cs": TSS | 3}, Vector.GP, TSS),
    ({"cs": GDT_LIMIT + 4}, Vector.GP, GDT_LIMIT + 1),
    ({"cs": CODE0 | 3}, Vector.GP, CODE0), ({"cs": CODE3 & ~3}, Vector.GP, CODE3 & ~3),
    ({"cs": FREE + 3}, Vector.NP, FREE), ({"ring": 3, "cs": CODE0}, Vector.GP, CODE0),
    ({"ring": 3, "cs": CODE1}, Vector.GP, CODE1 & ~3), ({"ss": 0}, Vector.GP, 0), ({"ss": DATA0}, Vector.GP, DATA0),
    ({"ss": DATA1}, Vector.GP, DATA1 & ~3), ({"ss": CODE3}, Vector.GP, CODE3 & ~3),
    ({"ss": GDT_LIMIT + 4}, Vector.GP, GDT_LIMIT + 1),
])
def test_a_return_to_what_may_not_be_entered_is_refused(how: str, options: dict[str, int], vector: Vector,
                                                        error: int) -> None:
    bare = outwards(how, **options)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS & ~PRESENT, dpl=3))
    bare.set_descriptor(FREE + 8, descriptor(DATA_ACCESS & ~PRESENT, dpl=3))
    bare.run(until="here")
    before = bare.registers.esp
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (vector, error, bare.address("here"))
    ring = options.get("ring", 0)
    assert (trap.cs, trap.esp) == (CODE_OF[ring], before if ring else None)


def test_retf_n_to_an_outer_ring_releases_parameters_on_both_stacks() -> None:
    frame = f"push {DATA3}; push {USER_STACK - 8}; push 1; push 2; push {CODE3}; push target"
    bare = BareMachine(f"{frame}; retf 8; target: nop")
    bare.run(until="target")
    assert bare.registers.esp == USER_STACK


def test_iret_within_the_ring_leaves_the_stack_segment_alone() -> None:
    bare = BareMachine(f"push {IF | 2}; push cs; push target; iretd\nnop\ntarget: nop")
    bare.run(until="target")
    assert (bare.registers.esp, bare.registers.eflags) == (KERNEL_STACK, IF | 2)


@pytest.mark.parametrize("iopl", range(4))
def test_iret_to_ring_3_sets_iopl_and_if(iopl: int) -> None:
    bare = outwards("iretd", flags=iopl << IOPL_SHIFT | IF | 2)
    bare.run(until="target")
    assert bare.registers.eflags == iopl << IOPL_SHIFT | IF | 2


def test_a_16_bit_iret_pops_words() -> None:
    """Within a ring: IP, CS and FLAGS of 16 bits each."""
    words = "; ".join(f".byte 0x66, 0x68; .word {word:#x}" for word in (0x47, CODE0, 0x7000))     # push imm16
    bare = BareMachine(f"{words}; .byte 0x66, 0xcf")
    bare.run(until=0x7000)
    assert bare.registers.eflags & 0xFF == 0x47
    assert bare.registers.esp == KERNEL_STACK


@pytest.mark.parametrize("how", OUTWARDS)
def test_a_return_changes_nothing_before_everything_is_checked(how: str) -> None:
    bare = outwards(how, ss=CODE3)
    bare.run(until="here")
    before = bare.registers.snapshot()
    assert bare.trap().vector == Vector.GP
    after = bare.registers.snapshot()
    assert {name for name in before if before[name] != after[name]} <= {"esp", "eip", "eflags"}


# Tasks


def test_iret_with_nt_and_a_bad_back_link_is_an_invalid_tss() -> None:
    bare = BareMachine("here: iretd", flags=NT)
    bare.write(TSS_BASE, DATA0, 2)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.TS, DATA0, CODE)


def test_a_far_jump_to_a_tss_switches_tasks() -> None:
    new = DATA + 0x100
    bare = BareMachine(far(JUMP, FREE, 0) + "\nnop\ntarget: nop", eax=5)
    bare.set_descriptor(FREE, descriptor(0x89, base=new, limit=0x67))
    data_segments = {0x48: DATA0, 0x50: DATA0, 0x54: DATA0, 0x58: DATA0, 0x5C: DATA0}
    state = {0x1C: PAGE_DIRECTORY, 0x20: bare.address("target"), 0x24: 2, 0x28: 77, 0x38: 0x9000, 0x4C: CODE0,
             0x60: LDT}
    for offset, value in (state | data_segments).items():
        bare.write(new + offset, value)
    bare.run(until="target")
    registers = bare.registers
    assert (registers.tr, registers.eax, registers.esp) == (FREE, 77, 0x9000)
    assert bare.read(TSS_BASE + 0x28) == 5
    assert (bare.read(GDT + TSS + 5, 1), bare.read(GDT + FREE + 5, 1)) == (0x89, 0x8B)


@pytest.mark.parametrize(("kind", "vector"), [(0x8B, Vector.GP), (0x09, Vector.NP)])
def test_a_far_jump_to_a_busy_or_absent_tss_is_refused(kind: int, vector: Vector) -> None:
    bare = BareMachine(far(JUMP, FREE, 0))
    bare.set_descriptor(FREE, descriptor(kind, base=DATA, limit=0x67))
    trap = bare.trap()
    assert (trap.vector, trap.error) == (vector, FREE)


@pytest.mark.parametrize(("source", "kind", "vector"), [
    ("ltr", 0x8B, Vector.GP), ("ltr", 0x09, Vector.NP), ("ltr", 0x82, Vector.GP), ("ltr", DATA_ACCESS, Vector.GP),
    ("lldt", 0x02, Vector.NP), ("lldt", 0x89, Vector.GP), ("lldt", DATA_ACCESS, Vector.GP),
])
def test_ltr_and_lldt_refuse_what_is_none_of_theirs(source: str, kind: int, vector: Vector) -> None:
    bare = BareMachine(f"mov eax, {FREE}; here: {source} ax")
    bare.set_descriptor(FREE, descriptor(kind, base=DATA, limit=0x67))
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (vector, FREE, bare.address("here"))


def test_lldt_with_null_leaves_no_ldt() -> None:
    bare = BareMachine("xor eax, eax; lldt ax; mov eax, 0xc; here: mov ds, ax")
    bare.set_descriptor(0xC, descriptor(DATA_ACCESS))
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0xC, bare.address("here"))


def test_a_run_ends_cleanly_where_a_far_jump_leads_nowhere() -> None:
    bare = BareMachine(far(JUMP, CODE0, 0xFFFFFFF0))
    assert bare.run().reason in (Reason.UNSUPPORTED, Reason.TRIPLE_FAULT)
