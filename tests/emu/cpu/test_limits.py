"""Where the machine is not exact, and knows it: each test is what the processor does, and fails here.

Every entry is explained in docs/cpu-limits.md. A test that begins to pass is an error: take it out of both.
"""

from __future__ import annotations

import pytest
from machine_code import (
    CALL,
    CODE1,
    CODE3,
    CODE_ACCESS,
    CONFORMING,
    DATA,
    DATA_ACCESS,
    FREE,
    GDT,
    PRESENT,
    RING0_STACK,
    TSS_BASE,
    USER_STACK,
    BareMachine,
    descriptor,
    gate,
)

from emu.cpu.x86 import IF, RF, TF, TSS_ESP0, Vector

pytestmark = pytest.mark.xfail(strict=True, raises=AssertionError, reason="see docs/cpu-limits.md")

AC, CR0_AM, CR4_OSFXSR, CR4_OSXMMEXCPT = 1 << 18, 1 << 18, 1 << 9, 1 << 10
FAR_CALL, FAR_JUMP = ".byte 0x9a; .long {}; .word {}", ".byte 0xea; .long {}; .word {}"


# Segments


@pytest.mark.parametrize("source", [
    "mov cs:[0x30000], eax",                                                # a code segment cannot be written
    "xor eax, eax; mov ds, ax; mov eax, [0x30000]",                         # no segment
    f"mov eax, {FREE + 3}; mov ds, ax; mov eax, [0x1000]",                  # beyond the limit
    f"mov eax, {FREE + 3}; mov ds, ax; mov eax, [0xffd]",                   # the last byte beyond the limit
    f"mov eax, {FREE + 11}; mov ds, ax; mov [0x30000], eax",                # read-only
    f"mov eax, {FREE + 11}; mov es, ax; mov edi, 0x30000; stosd",           # read-only
])
def test_a_data_access_that_its_segment_forbids_is_a_general_protection_fault(source: str) -> None:
    bare = BareMachine(source, ring=3)
    bare.set_descriptor(FREE, descriptor(DATA_ACCESS, limit=0xFFF, dpl=3))
    bare.set_descriptor(FREE + 8, descriptor(DATA_ACCESS & ~2, dpl=3))
    trap = bare.trap()
    assert (trap.vector, trap.eip < bare.address("end")) == (Vector.GP, True)       # HLT at the end is another #GP


def test_a_push_beyond_the_limit_of_the_stack_is_a_stack_fault() -> None:
    bare = BareMachine(f"mov eax, {FREE + 3}; mov ss, ax; push eax", ring=3)
    bare.set_descriptor(FREE, descriptor(DATA_ACCESS, limit=0xFFF, dpl=3))
    assert bare.trap().vector == Vector.SS


def test_a_near_jump_beyond_the_limit_of_the_code_is_a_general_protection_fault() -> None:
    bare = BareMachine(FAR_JUMP.format("there", FREE + 3) + "\nthere: nop; here: jmp end", ring=3)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS, limit=bare.address("end") - 1, dpl=3))
    trap = bare.trap()
    assert (trap.vector, trap.eip) == (Vector.GP, bare.address("here"))


def test_the_frame_of_an_interrupt_must_fit_into_its_stack_segment() -> None:
    bare = BareMachine("int 0x80", ring=3)
    bare.set_descriptor(FREE, descriptor(DATA_ACCESS, limit=0xFFF))
    bare.write(TSS_BASE + TSS_ESP0 + 4, FREE)
    bare.set_gate(Vector.SS, gate(CODE3, bare.handler(Vector.SS)))
    assert bare.trap().vector == Vector.SS


# Far transfers


@pytest.mark.parametrize("form", [FAR_CALL, FAR_JUMP])
def test_loading_cs_marks_its_descriptor_accessed(form: str) -> None:
    bare = BareMachine(form.format("there", FREE) + "\nthere: nop")
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS & ~1))
    bare.run(until="there")
    assert bare.read(GDT + FREE + 5, 1) == CODE_ACCESS


def test_a_far_call_beyond_the_limit_has_error_code_0() -> None:
    bare = BareMachine(FAR_CALL.format(0x10000, FREE + 3), ring=3)
    bare.set_descriptor(FREE, descriptor(CODE_ACCESS, limit=0xFFFF, dpl=3))
    assert bare.trap().error == 0


def test_conforming_code_behind_a_call_gate_gets_the_rpl_of_its_caller() -> None:
    bare = BareMachine(FAR_CALL.format(0, FREE + 3) + "\nthere: nop", ring=3)
    bare.set_descriptor(FREE, gate(FREE + 8, bare.address("there"), CALL))
    bare.set_descriptor(FREE + 8, descriptor(CODE_ACCESS | CONFORMING))
    bare.run(until="there")
    assert bare.registers.cs == FREE + 8 | 3


def test_a_call_gate_to_a_stack_that_is_not_present_is_a_stack_fault() -> None:
    bare = BareMachine(FAR_CALL.format(0, FREE + 3), ring=3)
    bare.set_descriptor(FREE, gate(CODE1, 0, CALL))
    bare.set_descriptor(FREE + 8, descriptor(DATA_ACCESS & ~PRESENT, dpl=1))
    bare.write(TSS_BASE + TSS_ESP0 + 8, RING0_STACK)
    bare.write(TSS_BASE + TSS_ESP0 + 12, FREE + 8 | 1)
    assert bare.trap().vector == Vector.SS


@pytest.mark.parametrize("frame", ["push 2; push {}; push 0x10000; iretd", "push {}; push 0x10000; retf"])
def test_a_return_to_a_stack_that_is_not_present_is_a_stack_fault(frame: str) -> None:
    bare = BareMachine(f"push {FREE + 3}; push {USER_STACK}; {frame.format(CODE3)}")
    bare.set_descriptor(FREE, descriptor(DATA_ACCESS & ~PRESENT, dpl=3))
    assert bare.trap().vector == Vector.SS


# Exceptions that never come


def test_a_misaligned_access_in_ring_3_is_an_alignment_check() -> None:
    assert BareMachine(f"mov eax, [{DATA + 1}]", ring=3, flags=AC, cr0=CR0_AM).trap().vector == Vector.AC


def test_an_unmasked_sse_exception_is_a_simd_exception() -> None:
    source = f"ldmxcsr [{DATA}]; mov eax, 1; cvtsi2ss xmm0, eax; xorps xmm1, xmm1; divss xmm0, xmm1; hlt"
    bare = BareMachine(source, ring=3, cr4=CR4_OSFXSR | CR4_OSXMMEXCPT)
    assert bare.trap().vector == Vector.XM


def test_an_x87_error_with_ne_clear_raises_irq_13() -> None:
    source = "fninit; push 0x33b; fldcw [esp]; fld1; fldz; fdivp st(1), st; fwait; nop"
    bare = BareMachine(source, flags=IF)
    bare.run(until="end")
    assert bare.machine.pic.irq[13].level == 1


@pytest.mark.parametrize("source", [
    "mov eax, 0x20000011; mov cr0, eax",        # NW without CD
    "mov eax, 0x80000000; mov cr4, eax",        # a reserved bit
])
def test_a_wrong_value_for_a_control_register_is_a_general_protection_fault(source: str) -> None:
    bare = BareMachine(source + "; nop")
    assert bare.machine.run().traps.get(Vector.GP) == 1


def test_rdpmc_in_ring_3_is_a_general_protection_fault() -> None:
    assert BareMachine("rdpmc", ring=3).trap().vector == Vector.GP


# Page faults


@pytest.mark.parametrize("instruction", ["inc dword ptr [{}]", "xchg [{}], eax", "add [{}], eax", "bts [{}], eax"])
def test_a_read_modify_write_of_a_missing_page_is_a_write(instruction: str) -> None:
    bare = BareMachine(instruction.format(0x40000000), ring=3, paging=True)
    assert bare.trap().error == 6


# Debugging


def test_a_data_breakpoint_is_a_debug_exception() -> None:
    bare = BareMachine(f"mov eax, {DATA}; mov dr0, eax; mov eax, 0xd0402; mov dr7, eax; mov [{DATA}], eax; nop; nop")
    assert bare.machine.run().traps.get(Vector.DB) == 1


def test_rf_lasts_for_one_instruction() -> None:
    """A breakpoint in a loop, and a handler that returns with RF set as it must: three visits, three reports."""
    bare = BareMachine(f"""
        mov eax, there; mov dr0, eax; mov eax, 0x402; mov dr7, eax; mov ecx, 3
    there:
        nop; dec ecx; jnz there; jmp end
    debug:
        inc ebx; or dword ptr [esp + 8], {RF}; iretd
    """, handlers={Vector.DB: "debug"})
    bare.run(until="end")
    assert bare.registers.ebx == 3


def test_general_detect_reports_a_move_to_a_debug_register() -> None:
    bare = BareMachine("mov eax, 0x2400; mov dr7, eax; mov eax, dr0; nop")
    assert bare.machine.run().traps.get(Vector.DB) == 1


def test_a_single_step_over_hlt_does_not_halt() -> None:
    bare = BareMachine("hlt; nop", flags=TF)
    assert bare.trap().eip == bare.address("end") - 1


def test_an_interrupt_between_two_iterations_pushes_rf_set() -> None:
    bare = BareMachine(f"mov edi, {DATA}; mov ecx, 9; cld; rep stosb", flags=IF)
    bare.start_pic()
    bare.machine.clock.event("rise", lambda: bare.machine.pic.irq[3].set(1)).schedule(bare.machine.cpu.state.cycles + 6)
    assert bare.trap().eflags & RF
