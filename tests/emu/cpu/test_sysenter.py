"""SYSENTER and SYSEXIT: the crossing through three MSRs.

Source: Intel manual volume 2 (1999), SYSENTER and SYSEXIT; volume 3, section 4.8.7.
"""

from __future__ import annotations

import pytest
from machine_code import CODE, CODE0, CODE3, DATA, DATA0, DATA3, KERNEL_STACK, USER_STACK, BareMachine

from emu.cpu.x86 import DR6_BS, IF, IOPL_SHIFT, NT, TF, Vector
from emu.timing.profile import load_profile, profiles

SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP = 0x174, 0x175, 0x176
PROGRAM = f"push {DATA3}; push {USER_STACK}; push {{flags}}; push {CODE3}; push user; iretd"     # to ring 3


def write_msr(number: int, value: int | str) -> str:
    """Guest code that writes an MSR."""
    return f"mov ecx, {number}; mov eax, {value}; xor edx, edx; wrmsr;"


def entering(kernel: str, user: str = "sysenter; after: nop", *, flags: int = 2, selector: int | str = CODE0,
             stack: int = KERNEL_STACK - 0x100, cpu: str = "unit") -> BareMachine:
    """A machine that sets the MSRs, goes to ring 3 and runs `user`; SYSENTER leads to `kernel`."""
    source = write_msr(SYSENTER_CS, selector) + write_msr(SYSENTER_ESP, stack) + write_msr(SYSENTER_EIP, "kernel")
    return BareMachine(f"{source} {PROGRAM.format(flags=flags)}\nuser: {user}\njmp end\nkernel: {kernel}", cpu=cpu)


def test_sysenter_goes_to_where_the_msrs_say() -> None:
    bare = entering("nop", flags=IF | 2)
    bare.run(until="kernel")
    registers = bare.registers
    assert (registers.cs, registers.ss, registers.esp, registers.cpl) == (CODE0, DATA0, KERNEL_STACK - 0x100, 0)
    assert not registers.eflags & IF


def test_sysenter_loads_flat_segments_whatever_the_gdt_says() -> None:
    bare = entering("nop")
    bare.run(until="user")
    bare.machine.ram.write(0x1008, bytes(16))
    bare.run(until="kernel")
    for name in ("cs", "ss"):
        segment = bare.registers.segment(name)
        assert (segment.base, segment.limit, segment.flags >> 13 & 3) == (0, 0xFFFFFFFF, 0)


def test_sysenter_ignores_the_rpl_in_its_msr() -> None:
    bare = entering("nop", selector=CODE0 | 3)
    bare.run(until="kernel")
    assert (bare.registers.cs, bare.registers.ss) == (CODE0, DATA0)


def test_sysenter_leaves_the_other_registers_and_flags_alone() -> None:
    user = "mov eax, 1; mov ecx, 2; mov edx, 3; mov ebx, 4; mov ebp, 5; mov esi, 6; mov edi, 7; stc; sysenter"
    bare = entering("nop", user, flags=3 << IOPL_SHIFT | NT | 2)
    bare.run(until="kernel")
    registers = bare.registers
    names = ("eax", "ecx", "edx", "ebx", "ebp", "esi", "edi")
    assert [getattr(registers, name) for name in names] == [1, 2, 3, 4, 5, 6, 7]
    assert registers.eflags == 3 << IOPL_SHIFT | NT | 3
    assert (registers.ds, registers.es) == (0, 0)           # emptied by the IRET to ring 3


def test_sysexit_returns_to_edx_with_the_stack_in_ecx() -> None:
    bare = entering(f"mov edx, after; mov ecx, {DATA}; sysexit", "sysenter; nop; after: nop; pop eax; push eax")
    bare.write(DATA, 0x1234)
    bare.run(until="after")
    registers = bare.registers
    assert (registers.cs, registers.ss, registers.esp, registers.cpl) == (CODE3, DATA3, DATA, 3)
    bare.run(until="end")
    assert registers.eax == 0x1234


def test_a_round_trip_many_times() -> None:
    user = "mov ebp, 1000\nagain: mov ecx, esp; mov edx, back; sysenter\nback: dec ebp; jnz again"
    bare = entering("inc esi; sysexit", user)
    bare.run(until="end")
    assert (bare.registers.esi, bare.registers.cpl) == (1000, 3)


def test_sysenter_in_ring_0_works_too() -> None:
    source = write_msr(SYSENTER_CS, CODE0) + write_msr(SYSENTER_ESP, 0x9800) + write_msr(SYSENTER_EIP, "there")
    bare = BareMachine(source + "sysenter; hlt\nthere: nop")
    bare.run(until="end")
    assert bare.registers.esp == 0x9800


@pytest.mark.parametrize("selector", [0, 1, 2, 3, 0xFFFF0000])
def test_sysenter_with_a_null_selector_is_refused(selector: int) -> None:
    bare = entering("nop", selector=selector)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip, trap.cs) == (Vector.GP, 0, bare.address("user"), CODE3)
    assert (trap.esp, trap.ss) == (USER_STACK, DATA3)


def test_sysexit_with_a_null_selector_is_refused() -> None:
    bare = BareMachine("nop; here: sysexit")
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip) == (Vector.GP, 0, bare.address("here"))


def test_sysexit_outside_ring_0_is_refused() -> None:
    bare = entering("nop", "nop; here: sysexit")
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip, trap.cs) == (Vector.GP, 0, bare.address("here"), CODE3)


def test_the_msrs_read_back() -> None:
    values = {SYSENTER_CS: 0x1234, SYSENTER_ESP: 0xC0001000, SYSENTER_EIP: 0xC0100000}
    for number, value in values.items():
        bare = BareMachine("wrmsr; mov eax, 0; mov edx, 7; rdmsr", ecx=number, eax=value)
        bare.run(until="end")
        assert (bare.registers.eax, bare.registers.edx) == (value, 0)


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("name", profiles())
@pytest.mark.parametrize("source", ["sysenter", "sysexit"])
def test_only_processors_with_sep_know_them(source: str, name: str, ring: int) -> None:
    bare = BareMachine(f"nop; here: {source}", ring=ring, cpu=name)
    trap = bare.trap()
    assert trap.vector == (Vector.GP if load_profile(name).has_sep else Vector.UD)
    assert trap.eip == bare.address("here")


def test_sysenter_through_an_unmapped_target_faults_in_ring_0() -> None:
    source = write_msr(SYSENTER_CS, CODE0) + write_msr(SYSENTER_ESP, KERNEL_STACK) + write_msr(SYSENTER_EIP, 0x40000000)
    bare = BareMachine(source + PROGRAM.format(flags=2) + "\nuser: sysenter", paging=True)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip, trap.cs, trap.esp) == (Vector.PF, 0, 0x40000000, CODE0, None)


def test_a_single_step_over_sysenter_is_reported_in_the_kernel() -> None:
    """SYSENTER does not clear TF: the trap comes at its target, with TF still set."""
    bare = entering("nop; nop", f"push {TF | 2}; popfd; sysenter")
    trap = bare.trap()
    assert (trap.vector, trap.eip, trap.cs) == (Vector.DB, bare.address("kernel"), CODE0)
    assert trap.eflags & TF
    assert bare.registers.dr6 & DR6_BS


def test_sysenter_and_sysexit_are_counted_and_timed_like_other_instructions() -> None:
    bare = entering("sysexit", "mov ecx, esp; mov edx, after; sysenter; after: nop")
    bare.run(until="user")
    state = bare.machine.cpu.state
    cycles, instructions = state.cycles, state.instructions
    bare.run(until="after")
    assert (state.cycles - cycles, state.instructions - instructions) == (4, 4)
    assert bare.registers.eip > CODE
