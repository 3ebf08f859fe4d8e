"""External interrupts: taken at exact instruction boundaries, held back by IF and by shadows, never lost.

Source: Intel manual volume 3 (1999), sections 5.6 and 5.7; volume 2, STI, MOV, POP, HLT, REP.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from machine_code import (
    CODE,
    CODE0,
    CODE3,
    DATA,
    DATA3,
    RING0_STACK,
    TRAP,
    USER_STACK,
    BareMachine,
    gate,
)

from emu.cpu.x86 import IF, RF, TF, Vector
from emu.result import Reason

LINE = 3                    # IRQ line that the tests drive
VECTOR = 0x20 + LINE
GENERAL = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")

# Logs the EIP that was interrupted at [log], counts at [count], ends the interrupt. Ends behind the snippet.
NOTE_WHERE = """
    jmp end
irq:
    push eax; push edx
    mov edx, [log]; mov eax, [esp + 8]; mov [edx], eax; add dword ptr [log], 4
    mov al, 0x20; out 0x20, al
    pop edx; pop eax; iretd
    .align 4
log: .long 0x38000
"""


def raise_at(bare: BareMachine, cycle: int, line: int = LINE) -> None:
    """Let an IRQ line rise at `cycle`, counted from here; it stays high."""
    event = bare.machine.clock.event(f"irq {line} at {cycle}", bare.machine.pic.irq[line].pulse)
    event.schedule(bare.machine.cpu.state.cycles + cycle)


def interrupted(source: str, *, ring: int = 0, flags: int = IF, **options: Any) -> BareMachine:
    """A machine with the PIC initialised, in front of `source`; interrupts are noted by NOTE_WHERE."""
    handlers = {VECTOR: "irq"} | options.pop("handlers", {})
    bare = BareMachine(source + NOTE_WHERE, ring=ring, flags=flags, handlers=handlers, **options)
    bare.start_pic()
    return bare


def noted(bare: BareMachine) -> list[int]:
    """Where the interrupts came."""
    count = (bare.read(bare.address("log")) - 0x38000) // 4
    return [bare.read(0x38000 + 4 * i) for i in range(count)]


def outcome(bare: BareMachine) -> tuple[Any, ...]:
    """What a program has computed: registers, data and stack, not what interrupts left below it."""
    registers = [getattr(bare.registers, name) for name in GENERAL]
    return registers, bare.registers.eflags, bare.machine.ram.read(DATA, 0x1000)


# At every boundary


SNIPPETS = {
    "straight code": "mov eax, 1; add eax, 2; push eax; pop ecx; imul ecx, eax; mov [0x30000], ecx; neg eax; bswap eax",
    "a loop": "mov ecx, 4; xor eax, eax\nagain: add eax, ecx; dec ecx; jnz again; mov [0x30004], eax",
    "calls": "call sub; call sub; jmp over\nsub: inc eax; push eax; pop edx; ret\nover: nop",
    "string copy": "mov esi, 0x10000; mov edi, 0x30010; mov ecx, 6; cld; rep movsb; mov eax, ecx",
    "string compare": "mov esi, 0x10000; mov edi, 0x10000; mov ecx, 5; cld; repe cmpsb; setz al",
    "backwards": "mov edi, 0x30020; mov ecx, 5; mov al, 7; std; rep stosb; cld",
    "flags": "stc; adc eax, eax; cmc; rcl eax, 3; sahf; lahf; setc bl; pushfd; pop edx; and edx, 0xad5",
    "division": "mov eax, 100; cdq; mov ecx, 7; idiv ecx; mov edx, 0x80000000; xor eax, eax; mov ecx, 0x7fffffff; nop",
    "segments": "mov eax, ds; mov ds, eax; push es; pop es; mov fs, ax; lar ebx, eax",
    "x87": "fninit; fld1; fldpi; faddp st(1), st; fistp dword ptr [0x30030]; fnstsw ax",
    "ports": "mov al, 0x42; out 0x80, al; in al, 0x80; mov bl, al; out 0xe9, al; nop",
    "read-modify-write": "mov ebx, 0x30040; lock inc dword ptr [ebx]; xchg eax, [ebx]; xadd [ebx], eax; nop",
    "self-modifying": "mov byte ptr [patch + 1], 9; nop\npatch: mov al, 1; mov [0x30050], al; nop",
}


def cycles_of(source: str, **options: Any) -> int:
    """How many cycles the snippet takes when nothing interrupts it."""
    bare = interrupted(source, **options)
    before = bare.machine.cpu.state.cycles
    bare.run(until="end")
    return bare.machine.cpu.state.cycles - before


def places_by_cycle(source: str, **options: Any) -> list[int]:
    """EIP after each cycle of an uninterrupted run, found by running it cycle by cycle."""
    places = []
    bare = interrupted(source, **options)
    for _ in range(cycles_of(source, **options)):
        places.append(bare.registers.eip)
        bare.run(max_cycles=1)
    return places


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("name", SNIPPETS)
def test_an_interrupt_at_any_cycle_comes_there_and_changes_nothing(name: str, ring: int) -> None:
    flags = IF | 3 << 12 if name == "ports" else IF
    plain = interrupted(SNIPPETS[name], ring=ring, flags=flags)
    plain.run(until="end")
    for cycle, place in enumerate(places_by_cycle(SNIPPETS[name], ring=ring, flags=flags)):
        bare = interrupted(SNIPPETS[name], ring=ring, flags=flags)
        raise_at(bare, cycle)
        bare.run(until="end")
        assert noted(bare) == [place], f"at cycle {cycle}"
        assert outcome(bare) == outcome(plain), f"at cycle {cycle}"


@pytest.mark.parametrize("done", range(7))
def test_an_interrupt_within_a_string_instruction_comes_between_iterations(done: int) -> None:
    bare = BareMachine(f"mov edi, {DATA}; mov ecx, 5; cld; here: rep stosb; after: nop; nop", ring=3, flags=IF)
    bare.start_pic()
    raise_at(bare, 3 + done)
    trap = bare.trap()
    place = bare.address("here") if done < 5 else bare.address("after") + done - 5
    assert (trap.vector, trap.eip) == (VECTOR, place)
    assert (bare.registers.ecx, bare.registers.edi) == (max(5 - done, 0), DATA + min(done, 5))


def test_two_interrupts_at_any_two_cycles_change_nothing() -> None:
    source = SNIPPETS["a loop"]
    plain = interrupted(source)
    plain.run(until="end")
    length = cycles_of(source)
    for first in range(0, length, 3):
        for second in range(first, length + 12, 4):
            bare = interrupted(source)
            raise_at(bare, first)
            raise_at(bare, second + 1)
            bare.run(until="end")
            assert outcome(bare) == outcome(plain)


CROSSING = """
    mov ecx, 3
again:
    int 0x80; mov eax, [0x40000000]; ud2; loop again; jmp end
syscall: inc ebx; iretd
missing: add esp, 4; add dword ptr [esp], 5; inc esi; iretd
invalid: add dword ptr [esp], 2; inc edi; iretd
"""
CROSSINGS: dict[str, Any] = {"paging": True, "handlers": {0x80: "syscall", Vector.PF: "missing", Vector.UD: "invalid"}}


@pytest.mark.parametrize("ring", [0, 3])
def test_an_interrupt_around_a_crossing_changes_nothing(ring: int) -> None:
    options = CROSSINGS | {"ring": ring}
    plain = interrupted(CROSSING, **options)
    plain.run(until="end")
    assert (plain.registers.ebx, plain.registers.esi, plain.registers.edi) == (3, 3, 3)
    for cycle in range(cycles_of(CROSSING, **options)):
        bare = interrupted(CROSSING, **options)
        raise_at(bare, cycle)
        bare.run(until="end")
        assert len(noted(bare)) == 1
        assert outcome(bare) == outcome(plain), f"at cycle {cycle}"


def test_an_interrupt_pending_from_the_start_comes_before_a_fault() -> None:
    bare = interrupted("here: ud2")
    raise_at(bare, 0)
    trap = bare.trap()
    assert noted(bare) == [CODE]
    assert (trap.vector, trap.eip) == (Vector.UD, CODE)


# The frame


@pytest.mark.parametrize("ring", [0, 3])
def test_the_frame_of_an_interrupt(ring: int) -> None:
    bare = BareMachine("nop; nop; here: nop", ring=ring, flags=IF)
    bare.start_pic()
    raise_at(bare, 2)
    trap = bare.trap()
    assert (trap.vector, trap.error, trap.eip, trap.eflags) == (VECTOR, None, bare.address("here"), IF | 2)
    assert (trap.cs, trap.esp, trap.ss) == ((CODE3, USER_STACK, DATA3) if ring else (CODE0, None, None))
    assert not bare.registers.eflags & IF


def test_a_trap_gate_leaves_interrupts_on() -> None:
    bare = BareMachine("nop", ring=3, flags=IF)
    bare.set_gate(VECTOR, gate(CODE0, bare.handler(VECTOR), TRAP))
    bare.start_pic()
    raise_at(bare, 0)
    bare.trap()
    assert bare.registers.eflags & IF


def test_an_interrupt_pushes_rf_clear() -> None:
    bare = BareMachine("nop; nop; nop; nop", ring=3, flags=IF | RF)
    bare.start_pic()
    raise_at(bare, 2)
    assert not bare.trap().eflags & RF


# IF and shadows


def test_with_if_clear_an_interrupt_waits() -> None:
    bare = interrupted("nop; nop; nop; nop; nop", flags=0)
    raise_at(bare, 1)
    bare.run(until="end")
    assert noted(bare) == []
    assert bare.machine.cpu.state.intr == 1


@pytest.mark.parametrize(("source", "flags"), [
    ("nop; sti; nop; o1: nop; o2: nop; o3:", 0),
    ("nop; sti; sti; o1: nop; o2:", 0),
    ("nop; push 0x202; popfd; o1: nop; o2:", 0),
    ("nop; push 0x202; push cs; push o1; iretd; o1: nop; o2:", 0),
    ("o1: nop; o2: cli; nop; sti; cli; nop; sti; nop; o3: nop; o4:", IF),
    ("o1: mov eax, ss; o2: mov ss, eax; nop; o3: nop; o4:", IF),
    ("o1: push ss; o2: pop ss; nop; o3: nop; o4:", IF),
    ("o1: push ss; o2: push esp; o3: lss esp, [esp]; o4: nop; o5:", IF),
    ("o1: mov eax, ds; o2: mov ds, eax; o3: nop; o4:", IF),
])
def test_interrupts_come_at_the_open_boundaries_and_at_no_others(source: str, flags: int) -> None:
    """The boundaries with a label o1, o2, ... are open; an interrupt rises at every cycle."""
    seen = set()
    for cycle in range(cycles_of(source, flags=flags)):
        bare = interrupted(source, flags=flags)
        raise_at(bare, cycle)
        bare.run(until="end")
        seen |= set(noted(bare))
    labels = BareMachine(source + NOTE_WHERE).program.symbols
    assert seen == {address for name, address in labels.items() if name[0] == "o" and name[1:].isdigit()}


@pytest.mark.parametrize(("source", "count"), [("sti; cli; nop; nop", 0), ("push 0x202; popfd; cli; nop; nop", 1)])
def test_cli_behind_sti_closes_the_window_before_it_opens(source: str, count: int) -> None:
    bare = interrupted(source, flags=0)
    raise_at(bare, 0)
    bare.run(until="end")
    assert len(noted(bare)) == count


def test_two_stack_loads_in_a_row_shadow_only_the_first() -> None:
    """Section 5.7.3: in a sequence of loads of SS only the first is guaranteed to delay interrupts."""
    source = "nop; mov eax, ss; mov ss, eax; mov ss, eax; mov ss, eax; mov ss, eax; nop"
    for cycle in range(cycles_of(source)):
        bare = interrupted(source)
        raise_at(bare, cycle)
        bare.run(until="end")
        assert len(noted(bare)) == 1


# HLT


def test_hlt_ends_with_an_interrupt_behind_it() -> None:
    bare = interrupted("inc eax; hlt; here: inc eax")
    raise_at(bare, 1000)
    result = bare.run(until="end")
    assert noted(bare) == [bare.address("here")]
    assert bare.registers.eax == 2
    assert 990 < result.idle_cycles < 1000


@pytest.mark.parametrize("cycle", range(8))
def test_sti_hlt_loses_no_wake_up(cycle: int) -> None:
    bare = interrupted("cli; nop; nop; sti; hlt; here: inc eax; nop; nop", flags=0)
    raise_at(bare, cycle)
    result = bare.machine.run(until=bare.address("end"), max_cycles=10_000)
    assert result.reason == Reason.UNTIL
    assert noted(bare) == [bare.address("here")]


def test_hlt_with_a_masked_line_waits_on() -> None:
    bare = interrupted("hlt")
    bare.start_pic(mask=1 << LINE)
    raise_at(bare, 10)
    result = bare.run(max_cycles=500)
    assert (result.reason, noted(bare)) == (Reason.CYCLES, [])


def test_hlt_with_if_clear_ends_the_run() -> None:
    bare = interrupted("nop; hlt", flags=0)
    raise_at(bare, 100)
    result = bare.run()
    assert result.reason == Reason.HALTED
    assert "interrupts disabled" in result.detail


def test_hlt_with_nothing_to_come_ends_the_run() -> None:
    bare = BareMachine("hlt", flags=IF)
    bare.start_pic(mask=0xFF)
    assert bare.machine.run().reason in (Reason.IDLE, Reason.HALTED)


def test_the_timer_wakes_an_idle_loop_every_period() -> None:
    """8254 channel 0, mode 2, 100 ticks: 8381 cycles of 10 ns."""
    source = """
        mov al, 0x34; out 0x43, al; mov al, 100; out 0x40, al; mov al, 0; out 0x40, al
    idle: sti; hlt; cmp ebx, 20; jne idle; jmp end
    tick: inc ebx; rdtsc; mov [0x30000 + ebx * 4], eax; mov al, 0x20; out 0x20, al; iretd
    """
    bare = BareMachine(source, handlers={0x20: "tick"})
    bare.start_pic(mask=0xFE)
    bare.run(until="end")
    times = [bare.read(DATA + 4 * i) for i in range(1, 21)]
    periods = {later - earlier for earlier, later in pairwise(times)}
    exact = 100 * 100_000_000 * 12 / 14_318_180
    assert all(abs(period - exact) < 2 for period in periods)
    assert abs((times[-1] - times[0]) - 19 * exact) < 2


# Priorities, and other events at the same boundary


def test_of_two_interrupts_the_lower_line_comes_first() -> None:
    bare = BareMachine("nop; nop", ring=3, flags=IF)
    bare.start_pic()
    raise_at(bare, 1, 5)
    raise_at(bare, 1, LINE)
    assert bare.trap().vector == VECTOR


def test_a_handler_is_interrupted_only_by_a_lower_line() -> None:
    source = """
        nop; nop; nop; nop; nop; nop; jmp end
    low: inc ebx; sti; nop; nop; nop; nop; mov edi, ebx; cli; mov al, 0x20; out 0x20, al; iretd
    high: shl ebx, 4; mov al, 0x20; out 0x20, al; iretd
    """
    for line, inside in ((1, 0x10), (6, 1)):
        bare = BareMachine(source, flags=IF, handlers={VECTOR: "low", 0x20 + line: "high"})
        bare.start_pic()
        raise_at(bare, 1)
        raise_at(bare, 5, line)
        bare.run(until="end")
        assert (bare.registers.edi, bare.registers.ebx) == (inside, 0x10)


def test_a_line_that_drops_while_it_waits_raises_nothing() -> None:
    """The 8259A takes its request back: the line must stay high until the acknowledge."""
    bare = interrupted("nop; nop; nop; sti; nop; nop", flags=0)
    bare.machine.pic.irq[LINE].set(1)
    bare.run(max_cycles=1)
    bare.machine.pic.irq[LINE].set(0)
    bare.run(until="end")
    assert noted(bare) == []


@pytest.mark.parametrize("ring", [0, 3])
def test_the_trap_of_a_single_step_comes_before_an_interrupt(ring: int) -> None:
    """The handler's first instruction is interrupted if its gate leaves interrupts on."""
    bare = BareMachine("nop; here: nop; nop", ring=ring, flags=IF | TF)
    bare.set_gate(Vector.DB, gate(CODE0, bare.handler(Vector.DB), TRAP))
    bare.start_pic()
    raise_at(bare, 1)
    trap = bare.trap()
    assert (trap.vector, trap.eip, trap.cs) == (VECTOR, bare.handler(Vector.DB), CODE0)
    frame = bare.stack(6)
    assert frame[4] == bare.address("here")


def test_interrupts_are_counted_by_vector_and_line() -> None:
    bare = interrupted("nop; nop; nop; nop; nop; nop")
    raise_at(bare, 1)
    raise_at(bare, 3)
    result = bare.run(until="end")
    assert (result.traps[VECTOR], result.irqs[LINE]) == (2, 2)


def test_an_interrupt_in_ring_3_takes_the_stack_of_the_tss_afresh_each_time() -> None:
    bare = interrupted("nop; nop; nop; nop; nop; nop; nop; nop", ring=3)
    raise_at(bare, 1)
    raise_at(bare, 30)
    bare.run(until="irq")
    assert bare.registers.esp == RING0_STACK - 20
