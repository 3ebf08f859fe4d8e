"""Cycles and instructions in the unit profile, exact limits, RDTSC, and time that passes while the processor halts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cutting import difference, state
from machine_code import CODE, BareMachine

from emu.result import Reason

PIC = ("mov al, 0x11; out 0x20, al; mov al, 0x20; out 0x21, al; mov al, 4; out 0x21, al; mov al, 3; out 0x21, al;"
       "mov al, 0xfe; out 0x21, al;")
PROGRAMS = {
    "straight": "mov eax, 1; inc eax; inc ebx; nop; hlt",
    "loop": "mov ecx, 20; again: inc eax; dec ecx; jnz again; hlt",
    "rep": "mov ecx, 5; mov edi, 0x30000; rep stosb; nop; hlt",
    "rep to a device": "mov ecx, 5; mov edi, 0xf0000000; rep stosd; nop; hlt",
    "repe that ends early":
        "mov ecx, 50; mov edi, 0x30000; mov byte ptr [0x30004], 1; xor al, al; repe scasb; nop; hlt",
    "devices": "mov eax, [0xf0000000]; inc eax; add dword ptr [0xf0000004], 5; out 0x80, al; in al, 0x80; hlt",
    "calls": "call f; call f; hlt; f: push ebx; inc ebx; pop eax; ret",
    "flags": "xor eax, eax; bt ecx, 3; pushfd; mov ecx, 3; again: cmp al, 1; loopne again; pushfd; hlt",
    "faults":
        "xor ecx, ecx; div ecx; nop; ud2; nop; int 0x40; nop; hlt; skip: add dword ptr [esp], 2; iretd; back: iretd",
    "self-modifying": "mov ecx, 5; again: mov [there + 1], cl; there: mov al, 0; add ebx, eax; dec ecx; jnz again; hlt",
}
HANDLERS = {0: "skip", 6: "skip", 0x40: "back"}


def machine(name: str) -> BareMachine:
    return BareMachine(PROGRAMS[name], handlers=HANDLERS if name == "faults" else None)


def counts(bare: BareMachine) -> tuple[int, int]:
    return bare.machine.cpu.state.cycles, bare.machine.cpu.state.instructions


def spent(source: str, **options: object) -> tuple[int, int]:
    """(cycles, instructions) of a snippet that ends in HLT, the HLT not counted."""
    bare = BareMachine(source, **options)                    # type: ignore[arg-type]
    before = counts(bare)
    assert bare.run().reason == Reason.HALTED
    return counts(bare)[0] - before[0] - 1, counts(bare)[1] - before[1] - 1


# What things cost

def test_an_instruction_is_a_cycle() -> None:
    assert spent("mov eax, 1; inc eax; push eax; pop ebx; nop; hlt") == (5, 5)


def test_a_loop_costs_what_its_turns_cost() -> None:
    assert spent("mov ecx, 1000; again: inc eax; dec ecx; jnz again; hlt") == (3001, 3001)


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_rep_is_one_instruction_and_a_cycle_an_iteration(count: int) -> None:
    assert spent("rep stosb; hlt", ecx=count, edi=0x30000) == (max(count, 1), 1)
    assert spent("nop; rep movsd; nop; hlt", ecx=count, edi=0x30000, esi=0x31000) == (max(count, 1) + 2, 3)


def test_rep_with_a_short_address_counts_in_cx() -> None:
    assert spent("mov al, 0; .byte 0xf3, 0x67, 0xaa; hlt", ecx=0x50003, edi=0x3000) == (4, 2)


def test_repne_ends_where_it_finds() -> None:
    assert spent("mov byte ptr [0x30004], 1; mov al, 1; repne scasb; hlt", ecx=50, edi=0x30000) == (7, 3)


def test_a_fault_gives_back_what_did_not_run() -> None:
    # Two instructions, the trap, the handler's two, and the two behind UD2.
    assert spent("nop; nop; ud2; nop; nop; hlt; skip: add dword ptr [esp], 2; iretd", handlers={6: "skip"}) == (7, 6)


def test_a_software_interrupt_is_one_instruction() -> None:
    assert spent("nop; int 0x40; nop; hlt; back: iretd", handlers={0x40: "back"}) == (4, 4)


def test_into_that_traps_gives_back_what_follows() -> None:
    assert spent("mov al, 0x7f; inc al; into; nop; nop; hlt; back: iretd", handlers={4: "back"}) == (6, 6)


def test_an_interrupted_rep_counts_once() -> None:
    bare = BareMachine(PIC + "mov al, 0x34; out 0x43, al; mov al, 3; out 0x40, al; mov al, 0; out 0x40, al; sti;"
                       "start: rep stosb; cli; done: hlt; tick: iretd", handlers={0x20: "tick"}, ecx=5000, edi=0x30000)
    bare.run(until="start")
    before = bare.machine.cpu.state.instructions
    result = bare.run(until="done")
    ticks = result.irqs[0]
    assert ticks > 10
    assert result.instructions - before == 1 + 1 + ticks     # REP, CLI, and each handler's IRET


# Limits

@pytest.mark.parametrize("name", PROGRAMS)
def test_every_cycle_limit_is_exact(name: str) -> None:
    whole = machine(name)
    start = counts(whole)[0]
    whole.run()
    total = counts(whole)[0] - start
    bare = machine(name)
    for cycle in range(1, total):
        assert bare.machine.run(max_cycles=1).cycles == start + cycle
        other = machine(name)
        other.machine.run(max_cycles=cycle)
        assert not difference(state(bare.machine), state(other.machine)), f"at cycle {cycle}"
    bare.run()
    assert not difference(state(whole.machine), state(bare.machine))


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_instruction_limit_is_exact(name: str) -> None:
    whole = machine(name)
    first = counts(whole)[1]
    whole.run()
    total = counts(whole)[1] - first
    bare = machine(name)
    for instruction in range(1, total):
        assert bare.machine.step().instructions == first + instruction
        other = machine(name)
        other.machine.run(max_instructions=instruction)
        assert not difference(state(bare.machine), state(other.machine)), f"at instruction {instruction}"
    bare.run()
    assert not difference(state(whole.machine), state(bare.machine))


def test_a_step_takes_rep_as_a_whole() -> None:
    bare = BareMachine("rep stosb; nop; hlt", ecx=100, edi=0x30000)
    assert bare.machine.step().eip == CODE + 2
    assert bare.registers.ecx == 0


# Until

def test_a_run_stops_in_the_middle_of_a_block_and_goes_on() -> None:
    bare = BareMachine("inc eax; inc eax; here: inc eax; inc eax; hlt")
    assert bare.run(until="here").reason == Reason.UNTIL
    assert (bare.registers.eax, bare.registers.eip) == (2, bare.address("here"))
    bare.run()
    assert bare.registers.eax == 4


def turns(bare: BareMachine, label: str) -> Iterator[int]:
    """ECX at each stop at a label."""
    while bare.machine.run(until=bare.address(label), max_cycles=1000).reason == Reason.UNTIL:
        yield bare.registers.ecx


@pytest.mark.parametrize("label", ["again", "middle", "last"])
def test_a_run_stops_at_each_turn_of_a_loop(label: str) -> None:
    bare = BareMachine("mov ecx, 5; again: inc eax; middle: inc ebx; last: loop again; hlt")
    assert list(turns(bare, label)) == [5, 4, 3, 2, 1]


def test_a_run_stops_once_in_front_of_rep() -> None:
    bare = BareMachine("nop; here: rep stosb; hlt", ecx=9, edi=0x30000)
    assert list(turns(bare, "here")) == [9]


def test_a_stop_costs_nothing() -> None:
    stopped, whole = BareMachine(PROGRAMS["loop"]), BareMachine(PROGRAMS["loop"])
    list(turns(stopped, "again"))
    whole.run()
    assert not difference(state(whole.machine), state(stopped.machine))


# Time

def test_rdtsc_reads_the_cycle_at_which_it_begins() -> None:
    bare = BareMachine("nop; nop; rdtsc; mov ebx, eax; nop; rdtsc; hlt")
    start = counts(bare)[0]
    bare.run()
    assert (bare.registers.ebx - start, bare.registers.eax - start) == (2, 5)


def test_time_passes_while_the_processor_halts() -> None:
    bare = BareMachine(PIC + "mov al, 0x30; out 0x43, al; mov al, 100; out 0x40, al; mov al, 0; out 0x40, al; sti; hlt;"
                       "done: hlt; tick: cli; add dword ptr [esp + 8], 0; iretd", handlers={0x20: "tick"})
    result = bare.run(until="done")
    assert result.irqs == {0: 1}
    assert 100 * 100_000_000 // 1_193_182 - 20 < result.idle_cycles < 102 * 100_000_000 // 1_193_182
    assert bare.machine.clock.now == result.cycles


@pytest.mark.parametrize("hertz", [100, 1000])
def test_the_timer_interrupts_as_often_as_it_was_told(hertz: int) -> None:
    divisor = 1_193_182 // hertz
    bare = BareMachine(PIC + f"mov al, 0x34; out 0x43, al; mov al, {divisor & 0xFF}; out 0x40, al; "
                       f"mov al, {divisor >> 8};"
                       "out 0x40, al; sti; again: hlt; jmp again; tick: inc dword ptr [0x38000]; iretd",
                       handlers={0x20: "tick"})
    bare.run(max_cycles=100_000_000)                         # a second
    expected = 14_318_180 / 12 / divisor
    assert abs(bare.read(0x38000) - expected) <= 1
    assert bare.machine.irqs[0] == bare.read(0x38000)
