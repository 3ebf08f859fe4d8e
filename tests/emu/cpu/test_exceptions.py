"""Every exception of the processor, from ring 0 and from ring 3: vector, error code, saved EIP, CS, EFLAGS, stack.

Source: Intel manual volume 3 (1999), section 5.12 and tables 5-1 and 5-2; volume 2 for the instructions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from machine_code import (
    ABSENT,
    CODE,
    CODE0,
    CODE_OF,
    DATA,
    DATA_ACCESS,
    DATA_OF,
    FREE,
    GDT_LIMIT,
    INTERRUPT,
    KERNEL_DATA,
    PRESENT,
    TO_RING_3,
    TRAP,
    USER_STACK,
    BareMachine,
    descriptor,
    gate,
)

from emu.cpu.x86 import CF, DF, DR6_BS, EFLAGS_FIXED, IF, IOPL_SHIFT, NT, RF, TF, Vector

CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_AM = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 18
CR4_TSD, CR4_DE, CR4_OSFXSR, CR4_OSXMMEXCPT = 1 << 2, 1 << 3, 1 << 9, 1 << 10
ZF, SF, OF, AC = 1 << 6, 1 << 7, 1 << 11, 1 << 18
MISSING = DATA + 0x5000             # a user page that the tests take away


class Case(NamedTuple):
    """One way to raise an exception: the label "here" is at the instruction, "after" behind it."""

    name: str
    source: str
    vector: int
    error: int | None = None        # error code
    options: dict[str, Any] = {}    # noqa: RUF012  for BareMachine


FAULTS = [
    Case("div by zero", "xor ecx, ecx; here: div ecx", Vector.DE),
    Case("div overflow", "mov edx, 1; mov ecx, 1; here: div ecx", Vector.DE),
    Case("byte div overflow", "mov eax, 0x1000; mov ecx, 1; here: div cl", Vector.DE),
    Case("idiv overflow", "mov eax, 0x80000000; xor edx, edx; mov ecx, 1; here: idiv ecx", Vector.DE),
    Case("idiv by zero", "xor ecx, ecx; here: idiv ecx", Vector.DE),
    Case("aam by zero", "here: .byte 0xd4, 0", Vector.DE),
    Case("bound below", f"mov dword ptr [{DATA}], 5; mov dword ptr [{DATA + 4}], 9; mov eax, 4; "
         f"here: bound eax, [{DATA}]", Vector.BR),
    Case("bound above", f"mov dword ptr [{DATA}], 5; mov dword ptr [{DATA + 4}], 9; mov eax, 10; "
         f"here: bound eax, [{DATA}]", Vector.BR),
    Case("ud2", "here: ud2", Vector.UD),
    Case("an unassigned opcode", "here: .byte 0x0f, 0x04", Vector.UD),
    Case("lock on mov", f"mov ebx, {DATA}; here: .byte 0xf0, 0x89, 0x03", Vector.UD),
    Case("lock on a register", "here: .byte 0xf0, 0x01, 0xc0", Vector.UD),
    Case("lea of a register", "here: .byte 0x8d, 0xc0", Vector.UD),
    Case("mov to cs", "here: .byte 0x8e, 0xc8", Vector.UD),
    Case("les of a register", "here: .byte 0xc4, 0xc0", Vector.UD),
    Case("cmpxchg8b of a register", "here: .byte 0x0f, 0xc7, 0xc8", Vector.UD),
    Case("jmp far register", "here: .byte 0xff, 0xe8", Vector.UD),
    Case("ff /7", "here: .byte 0xff, 0xf8", Vector.UD),
    Case("bound of a register", "here: .byte 0x62, 0xc0", Vector.UD),
    Case("sse without CR4.OSFXSR", "here: movaps xmm0, xmm1", Vector.UD),
    Case("sse with CR0.EM", "here: movaps xmm0, xmm1", Vector.UD, None, {"cr0": CR0_EM, "cr4": CR4_OSFXSR}),
    Case("mmx with CR0.EM", "here: movq mm0, mm1", Vector.UD, None, {"cr0": CR0_EM}),
    Case("x87 with CR0.EM", "here: fninit", Vector.NM, None, {"cr0": CR0_EM}),
    Case("x87 with CR0.TS", "here: fld1", Vector.NM, None, {"cr0": CR0_TS}),
    Case("wait with CR0.TS and CR0.MP", "here: fwait", Vector.NM, None, {"cr0": CR0_TS | CR0_MP}),
    Case("mmx with CR0.TS", "here: movq mm0, mm1", Vector.NM, None, {"cr0": CR0_TS}),
    Case("sse with CR0.TS", "here: movaps xmm0, xmm1", Vector.NM, None, {"cr0": CR0_TS, "cr4": CR4_OSFXSR}),
    Case("iret with NT and no task to return to", "here: iretd", Vector.TS, 0, {"flags": NT}),
    Case("load of a segment that is not present", f"mov eax, {FREE + 3}; here: mov ds, ax", Vector.NP, FREE),
    Case("load of a selector beyond the GDT", f"mov eax, {GDT_LIMIT + 1}; here: mov es, ax", Vector.GP, GDT_LIMIT + 1),
    Case("load of a selector beyond the LDT", "mov eax, 0x47; here: mov fs, ax", Vector.GP, 0x44),
    Case("load of a system segment", "mov eax, 0x28; here: mov gs, ax", Vector.GP, 0x28),
    Case("null in ss", "xor eax, eax; here: mov ss, ax", Vector.GP, 0),
    Case("far jump to data", "here: .byte 0xea; .long 0x10000; .word 0x23", Vector.GP, 0x20),
    Case("far jump to null", "here: .byte 0xea; .long 0x10000; .word 0", Vector.GP, 0),
    Case("a read of a page that is not present", f"here: mov eax, [{MISSING}]", Vector.PF, None, {"paging": True}),
    Case("x87 error pending", "fninit; push 0x33b; fldcw [esp]; fld1; fldz; fdivp st(1), st; here: fwait", Vector.MF,
         None, {"cr0": CR0_NE}),
]

TRAPS = [
    Case("icebp", "here: .byte 0xf1; after: nop", Vector.DB),
    Case("int3", "here: int3; after: nop", Vector.BP),
    Case("int 3", "here: .byte 0xcd, 3; after: nop", Vector.BP),
    Case("into", "mov al, 0x7f; inc al; here: into; after: nop", Vector.OF),
    Case("int 4", "here: int 4; after: nop", Vector.OF),
    Case("int 0x80", "here: int 0x80; after: nop", 0x80),
]


def made(case: Case, ring: int, **more: Any) -> BareMachine:
    """The machine of a case, with a segment that is not present at FREE and without the page MISSING."""
    bare = BareMachine(case.source, ring=ring, **(case.options | more))
    bare.set_descriptor(FREE, descriptor(DATA_ACCESS & ~PRESENT, dpl=3))
    bare.set_page(MISSING, ABSENT)
    return bare


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
def test_a_fault_is_reported_at_the_instruction(case: Case, ring: int) -> None:
    bare = made(case, ring)
    trap = bare.trap()
    error = (4 if ring else 0) if case.vector == Vector.PF else case.error
    assert (trap.vector, trap.error, trap.eip) == (case.vector, error, bare.address("here"))


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("case", TRAPS, ids=lambda case: case.name)
def test_a_trap_is_reported_behind_the_instruction(case: Case, ring: int) -> None:
    bare = made(case, ring)
    trap = bare.trap()
    assert (trap.vector, trap.eip) == (case.vector, bare.address("after"))


@pytest.mark.parametrize("ring", [0, 1, 2, 3])
@pytest.mark.parametrize("source", ["here: ud2", "here: int 0x80"])
def test_the_frame_tells_where_the_processor_was(source: str, ring: int) -> None:
    trap = BareMachine(source, ring=ring).trap()
    assert trap.cs == CODE_OF[ring]
    assert (trap.esp, trap.ss) == ((USER_STACK, DATA_OF[ring]) if ring else (None, None))


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
def test_a_fault_pushes_eflags_with_rf_set(case: Case, ring: int) -> None:
    assert made(case, ring).trap().eflags & RF


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("case", TRAPS, ids=lambda case: case.name)
def test_a_trap_pushes_eflags_with_rf_clear(case: Case, ring: int) -> None:
    assert not made(case, ring).trap().eflags & RF


@pytest.mark.parametrize("ring", [0, 3])
def test_a_trap_after_a_return_with_rf_set_pushes_rf_clear(ring: int) -> None:
    assert not BareMachine("nop; int 0x80", ring=ring, flags=RF).trap().eflags & RF


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("source", ["here: ud2", "here: int 0x80"])
@pytest.mark.parametrize("kind", [INTERRUPT, TRAP])
def test_only_an_interrupt_gate_clears_if(source: str, ring: int, kind: int) -> None:
    bare = BareMachine(source, ring=ring, flags=IF)
    for vector in (Vector.UD, 0x80):
        bare.set_gate(vector, gate(CODE0, bare.handler(vector), kind))
    trap = bare.trap()
    assert trap.eflags & IF
    assert bool(bare.registers.eflags & IF) == (kind == TRAP)


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("kind", [INTERRUPT, TRAP])
def test_a_gate_clears_nt_rf_and_keeps_the_other_flags(ring: int, kind: int) -> None:
    kept = CF | ZF | SF | OF | DF | AC | 3 << IOPL_SHIFT
    bare = BareMachine("int 0x80", ring=ring, flags=kept | NT | RF)
    bare.set_gate(0x80, gate(CODE0, bare.handler(0x80), kind))
    trap = bare.trap()
    assert trap.eflags == kept | NT | EFLAGS_FIXED
    assert bare.registers.eflags == kept | EFLAGS_FIXED


# Page faults


@pytest.mark.parametrize(("ring", "source", "address", "error"), [
    (0, "here: mov eax, [{}]", MISSING, 0),
    (0, "here: mov [{}], eax", MISSING, 2),
    (3, "here: mov eax, [{}]", MISSING, 4),
    (3, "here: mov [{}], eax", MISSING, 6),
    (3, "here: mov eax, [{}]", KERNEL_DATA, 5),
    (3, "here: mov [{}], eax", KERNEL_DATA, 7),
    (3, "here: mov eax, [{}]", MISSING - 2, 4),
])
def test_a_page_fault_says_what_was_refused_and_where(ring: int, source: str, address: int, error: int) -> None:
    bare = BareMachine(source.format(address), ring=ring, paging=True)
    bare.set_page(MISSING, ABSENT)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.PF, error, CODE)
    assert bare.registers.cr2 == (MISSING if address == MISSING - 2 else address)


@pytest.mark.parametrize("ring", [0, 3])
def test_a_fetch_from_a_missing_page_faults_at_the_target(ring: int) -> None:
    bare = BareMachine(f"mov eax, {MISSING}; jmp eax", ring=ring, paging=True)
    bare.set_page(MISSING, ABSENT)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.PF, 4 if ring else 0, MISSING)
    assert bare.registers.cr2 == MISSING


def test_a_call_to_a_missing_page_has_pushed_its_return_address() -> None:
    bare = BareMachine(f"mov eax, {MISSING}; call eax; after: nop", ring=3, paging=True)
    bare.set_page(MISSING, ABSENT)
    trap = bare.trap()
    assert (trap.eip, trap.esp) == (MISSING, USER_STACK - 4)
    assert bare.read(USER_STACK - 4) == bare.address("after")


@pytest.mark.parametrize("source", [
    "nop; here: push dword ptr [{missing}]", "nop; here: pop dword ptr [{missing}]",
    "nop; here: xchg [{missing}], eax", "nop; here: cmpxchg [{missing}], ecx",
    "nop; here: inc dword ptr [{missing}]", "nop; here: xadd [{missing}], eax",
    "mov esi, {missing}; mov edi, esp; here: movsd", "mov edi, {missing}; here: stosd",
    "mov esp, {missing}; here: ret 8",
    "mov esp, {missing} + 8; here: push eax", "mov esp, {missing} + 0x20; here: pusha",
    "mov esp, {missing} + 0x1000; here: call after; after: nop", "mov ebp, {missing}; here: leave",
    "mov esp, {missing} + 4; here: enter 8, 0", "mov esp, {missing} - 4; here: popa",
])
def test_an_instruction_that_faults_has_changed_no_register(source: str) -> None:
    bare = BareMachine(source.format(missing=MISSING), ring=3, paging=True)
    bare.set_page(MISSING, ABSENT)
    bare.run(until="here")
    names = ("eax", "ecx", "edx", "ebx", "ebp", "esi", "edi")
    before = [getattr(bare.registers, name) for name in names]
    esp = bare.registers.esp
    trap = bare.trap()
    assert [getattr(bare.registers, name) for name in names] == before
    assert trap.eip == bare.address("here")
    assert trap.esp == esp


def test_a_string_instruction_keeps_what_it_has_done_before_the_fault() -> None:
    source = f"mov esi, {DATA}; mov edi, {MISSING - 12}; mov ecx, 10; cld; here: rep movsd"
    bare = BareMachine(source, ring=3, paging=True)
    bare.set_page(MISSING, ABSENT)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.PF, 6, bare.address("here"))
    registers = bare.registers
    assert (registers.ecx, registers.esi, registers.edi, registers.cr2) == (7, DATA + 12, MISSING, MISSING)


# Single step


LOG_STEPS = """
step: push eax; push edx; mov edx, [log]; mov eax, [esp + 8]; mov [edx], eax; add dword ptr [log], 4; pop edx; pop eax
      iretd
      .align 4
log:  .long {log}
"""


def stepped(source: str, ring: int, **options: Any) -> list[str | int]:
    """Run `source` to `end` with TF set; where each #DB was reported, as labels of the snippet."""
    log = DATA + 0x1000
    bare = BareMachine(f"{source}\njmp end\n" + LOG_STEPS.format(log=log), ring=ring, flags=TF,
                       handlers={Vector.DB: "step"}, **options)
    bare.run(until="end")
    count = (bare.read(bare.address("log")) - log) // 4
    labels = {address: name for name, address in bare.program.symbols.items()}
    places = [bare.read(log + 4 * i) for i in range(count)]
    return [labels.get(place, place) for place in places]


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize(("source", "places"), [
    ("inc eax; a: inc ecx; b: call c; d: jmp e; c: ret; e: nop; f:", "a b c d e f"),
    ("cmp eax, 1; a: jne b; nop; b: jne c; c: nop; d:", "a b c d"),
    (f"mov edi, {DATA}; a: mov ecx, 3; b: rep stosb; c:", "a b b b c"),
    (f"mov edi, {DATA}; a: mov ecx, 0; b: rep stosb; c:", "a b c"),
    ("cpuid; a: rdtsc; b: pushfd; c: popfd; d: mov ds, dx; e:", "a b c d e"),
    ("push ss; a: pop ss; nop; b: mov eax, ss; c: mov ss, ax; nop; d:", "a b c d"),
    ("sgdt [esp - 8]; a: str ax; b: lsl eax, ecx; c: verr ax; d:", "a b c d"),
])
def test_single_steps_visit_every_instruction(source: str, places: str, ring: int) -> None:
    expected = places.split()
    assert stepped(source, ring)[:len(expected)] == expected


def test_single_steps_visit_privileged_instructions() -> None:
    source = "mov eax, cr3; a: mov cr3, eax; b: sti; c: cli; d: in al, 0x80; e: out 0x80, al; f: invlpg [0]; g:"
    assert stepped(source, 0)[:7] == ["a", "b", "c", "d", "e", "f", "g"]


@pytest.mark.parametrize("ring", [0, 3])
def test_tf_traps_behind_every_instruction(ring: int) -> None:
    bare = BareMachine("inc eax; b: inc eax", ring=ring, flags=TF)
    trap = bare.trap()
    assert (trap.vector, trap.eip, bare.registers.eax) == (Vector.DB, bare.address("b"), 1)
    assert trap.eflags & TF and not trap.eflags & RF
    assert not bare.registers.eflags & TF
    assert bare.registers.dr6 & DR6_BS


@pytest.mark.parametrize("ring", [0, 3])
def test_popf_with_tf_traps_behind_the_next_instruction(ring: int) -> None:
    bare = BareMachine(f"push {TF}; popfd; nop; here: nop", ring=ring)
    assert bare.trap().eip == bare.address("here")


@pytest.mark.parametrize("ring", [0, 3])
def test_int_clears_tf_before_the_handler_begins(ring: int) -> None:
    bare = BareMachine("int 0x80; here: nop", ring=ring, flags=TF)
    trap = bare.trap()
    assert (trap.vector, trap.eip) == (0x80, bare.address("here"))
    assert trap.eflags & TF


@pytest.mark.parametrize("ring", [0, 3])
def test_a_fault_comes_before_the_single_step_trap(ring: int) -> None:
    trap = BareMachine("ud2", ring=ring, flags=TF).trap()
    assert (trap.vector, trap.eip) == (Vector.UD, CODE)
    assert trap.eflags & TF


@pytest.mark.parametrize("ring", [0, 3])
def test_icebp_leaves_dr6_bs_alone(ring: int) -> None:
    bare = BareMachine(".byte 0xf1", ring=ring)
    bare.trap()
    assert not bare.registers.dr6 & DR6_BS


# Instruction breakpoints


@pytest.mark.parametrize("enter", ["jmp start", TO_RING_3.format("start")])
def test_an_instruction_breakpoint_is_reported_before_the_instruction(enter: str) -> None:
    """As a fault, but with RF clear: the handler sets it to get past (section 15.3.1.1)."""
    bare = BareMachine(f"mov eax, here; mov dr0, eax; mov eax, 0x402; mov dr7, eax; {enter}; start: nop; here: inc ebx")
    bare.run(until="start")
    before = bare.machine.cpu.state.instructions
    result = bare.run(until=bare.handler(Vector.DB))
    assert result.instructions - before == 1
    trap = bare.trap()
    assert (trap.vector, trap.eip, bare.registers.ebx, trap.eflags & RF) == (Vector.DB, bare.address("here"), 0, 0)
    assert bare.registers.dr6 & (DR6_BS | 0xF) == 1


def test_a_handler_that_sets_rf_gets_past_an_instruction_breakpoint() -> None:
    bare = BareMachine(f"""
        mov eax, there; mov dr0, eax; mov eax, 0x402; mov dr7, eax
    there:
        inc ecx; jmp end
    debug:
        inc ebx; or dword ptr [esp + 8], {RF}; iretd
    """, handlers={Vector.DB: "debug"})
    bare.run(until="end")
    assert (bare.registers.ebx, bare.registers.ecx) == (1, 1)


# Division


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("source", [
    "mov edx, 0x80000000; xor eax, eax; mov ecx, -1; here: idiv ecx",
    "mov edx, 0x80000000; xor eax, eax; push -1; here: idiv dword ptr [esp]",
    "mov edx, 0x80000000; xor eax, eax; push -1; mov esi, esp; xor ebx, ebx; here: idiv dword ptr [esi + ebx * 4]",
    "mov dx, 0x8000; xor eax, eax; mov cx, -1; here: idiv cx",
    "mov dx, 0x8000; xor eax, eax; push -1; here: idiv word ptr [esp]",
    "mov ax, 0x8000; mov cl, -1; here: idiv cl",
    "mov ax, 0x8000; push -1; here: idiv byte ptr [esp]",
    "mov edx, 0x80000000; xor eax, eax; mov edi, -1; jmp here; here: idiv edi",
])
def test_the_most_negative_dividend_by_minus_one_is_a_divide_error(source: str, ring: int) -> None:
    bare = BareMachine(source, ring=ring)
    trap = bare.trap()
    assert (trap.vector, trap.eip) == (Vector.DE, bare.address("here"))


@pytest.mark.parametrize(("edx", "eax", "ecx", "quotient", "remainder"), [
    (0x80000000, 0, 0xFFFFFFFF, None, None),
    (0x80000000, 0, 0x80000000, None, None),
    (0xC0000000, 0, 0x80000000, None, None),
    (0xC0000000, 1, 0x80000000, 0x7FFFFFFF, 0x80000001),
    (0xFFFFFFFF, 0x80000000, 1, 0x80000000, 0),
    (0xFFFFFFFF, 0x80000001, 0xFFFFFFFF, 0x7FFFFFFF, 0),
    (0xFFFFFFFF, 0x80000000, 0xFFFFFFFF, None, None),
])
def test_idiv_near_its_limits(edx: int, eax: int, ecx: int, quotient: int | None, remainder: int | None) -> None:
    bare = BareMachine("idiv ecx", edx=edx, eax=eax, ecx=ecx)
    if quotient is None:
        assert bare.trap().vector == Vector.DE
    else:
        bare.run(until="end")
        assert (bare.registers.eax, bare.registers.edx) == (quotient, remainder)
