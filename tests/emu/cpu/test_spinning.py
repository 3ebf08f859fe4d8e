"""Fast-forward: loops that change nothing before the next event are skipped, and nothing shows it."""

from __future__ import annotations

import random

import pytest
from cutting import difference, run_in_pieces, state
from machine_code import BareMachine

from emu.cpu.blocks import NO_SPIN
from emu.cpu.spinning import PLAIN_SPIN, STEP_SHIFT, spin_of
from emu.cpu.x86 import Register
from emu.decoding import decode
from emu.machine import Machine
from emu.timing.profile import profiles
from loader.assembler import assemble
from loader.linker import link

CYCLES = 400_000
# The timer interrupts every 20,000 clocks of its own or so; the handler counts, and ends the loop after five.
TIMER = """
    mov al, 0x11; out 0x20, al; mov al, 0x20; out 0x21, al; mov al, 4; out 0x21, al; mov al, 3; out 0x21, al
    mov al, 0xfe; out 0x21, al; mov al, 0x34; out 0x43, al; mov al, {low}; out 0x40, al; mov al, 0; out 0x40, al
    mov ebx, 0x38000; mov dword ptr [ebx], 0; mov eax, 0; sti
    {loop}
    cli; hlt
    tick: push eax; mov al, 0x20; out 0x20, al; pop eax; inc dword ptr [0x38000]; iretd
"""
LOOPS = {
    "jmp $": "spin: jmp spin",
    "poll": "poll: cmp dword ptr [ebx], 5; jb poll",
    "poll with a register": "poll: mov ecx, [ebx]; test ecx, 0x40; jz poll",
    "poll with PAUSE": "poll: pause; cmp byte ptr [ebx], 7; jne poll",
    "poll between two PAUSEs": "poll: pause; mov ecx, [ebx]; pause; cmp ecx, 6; jne poll",
    "poll through a pointer": "mov [ebx + 8], ebx; poll: mov edx, [ebx + 8]; cmp dword ptr [edx], 9; jb poll",
    "LOOP": "mov ecx, 100000; spin: loop spin; mov edx, ecx; mov ecx, 7; more: loop more",
    "LOOP by CX": "mov ecx, 0x50007; spin: .byte 0x67, 0xe2, 0xfd; mov edx, ecx; mov ecx, 40000; more: loop more",
    "DEC": "mov edx, 123457; spin: dec edx; jnz spin",
    "DEC and NOP": "mov edx, 54321; spin: nop; pause; dec edx; jnz spin; mov esi, edx",
    "SUB": "mov edx, 300000; spin: sub edx, 3; jnz spin",
    "INC": "mov edx, -70000; spin: inc edx; jnz spin",
    "ADD that passes zero": "mov edx, -70001; mov ecx, 3; spin: add edx, 2; jnz spin",
    "HLT": "wait: hlt; cmp dword ptr [ebx], 4; jb wait",
    "nested": "mov esi, 9; outer: mov ecx, 9000; spin: loop spin; dec esi; jnz outer",
}


def run(loop: str, profile: str, fast: int, low: int = 200) -> Machine:
    bare = BareMachine(TIMER.format(loop=LOOPS[loop], low=low), handlers={0x20: "tick"}, cpu=profile, paging=True)
    bare.machine.cpu.state.fast_forward = fast
    bare.machine.run(max_cycles=CYCLES)
    return bare.machine


@pytest.mark.parametrize("profile", profiles())
@pytest.mark.parametrize("loop", LOOPS)
def test_a_run_with_fast_forward_ends_as_one_without(loop: str, profile: str) -> None:
    fast, slow = run(loop, profile, 1), run(loop, profile, 0)
    assert not difference(state(fast), state(slow))
    assert slow.cpu.state.skipped == 0
    assert loop == "HLT" or fast.cpu.state.skipped > 10_000


@pytest.mark.parametrize("loop", LOOPS)
def test_a_run_in_pieces_is_skipped_alike(loop: str) -> None:
    whole = run(loop, "p3-500", 1)
    pieces = BareMachine(TIMER.format(loop=LOOPS[loop], low=200), handlers={0x20: "tick"}, cpu="p3-500",
                         paging=True).machine
    run_in_pieces(pieces, pieces.cpu.state.cycles + CYCLES, random.Random(loop), longest=3000)
    assert not difference(state(whole), state(pieces))


@pytest.mark.parametrize("low", [17, 40, 99])
def test_it_makes_no_difference_when_events_come(low: int) -> None:
    for loop in ("poll", "DEC"):
        assert not difference(state(run(loop, "unit", 1, low)), state(run(loop, "unit", 0, low)))


def kind(source: str) -> int:
    program = link([assemble(f"# A loop.\n.global _start\n_start:\n{source.replace(';', chr(10))}", name="loop")],
                   base=0x1000, entry="_start", name="loop")
    code = bytes(program.segments[0].data)
    return spin_of(decode(code, 0x1000), 32, lambda address, size: code[address - 0x1000:address - 0x1000 + size])


@pytest.mark.parametrize("source", [
    "_a: jmp _a", "_a: cmp dword ptr [ebx], 5; jb _a", "_a: mov eax, [ebx]; and eax, 3; cmp eax, ecx; jne _a"])
def test_a_loop_that_computes_the_same_at_each_turn_is_a_spin(source: str) -> None:
    assert kind(source) == PLAIN_SPIN


def test_a_counter_is_a_register_and_a_step() -> None:
    assert kind("_a: nop; sub edi, 3; jnz _a") == Register.EDI + 1 | (-3 & 0xFFF) << STEP_SHIFT


@pytest.mark.parametrize("source", [
    "_a: inc eax; jmp _a",                              # counts for ever
    "_a: mov [ebx], eax; jmp _a",                       # stores
    "_a: add eax, [ebx]; dec ecx; jnz _a",              # a sum
    "_a: mov eax, [eax]; test eax, eax; jnz _a",        # walks a list
    "_a: dec ecx; cmp ecx, 5; jne _a",                  # counts to something else
    "_a: mov al, [ebx]; dec eax; jnz _a",               # counts with what it has loaded
    "_a: rdtsc; cmp eax, ebx; jb _a",                   # waits for the clock
    "_a: in al, 0x61; test al, 16; jz _a",              # asks a device
    "_a: push eax; pop eax; jmp _a", "_a: call _a", "_a: xchg eax, [ebx]; test eax, eax; jnz _a",
    "_a: .byte 0x67, 0xe2, 0xfd",                       # LOOP by CX
    "_a: lodsb; test al, al; jnz _a", "_a: adc eax, 0; jnz _a", "_a: lock dec dword ptr [ebx]; jnz _a"])
def test_any_other_loop_is_none(source: str) -> None:
    assert kind(source) == NO_SPIN


def test_a_poll_sees_what_a_device_has_written() -> None:
    bare = BareMachine("mov ebx, 0x38000; mov dword ptr [ebx], 0; poll: cmp dword ptr [ebx], 1; jne poll", cpu="unit")
    machine = bare.machine
    machine.clock.event("device", lambda: machine.ram.write(0x38000, b"\1")).schedule(50_000)
    machine.run(until=bare.address("end"), max_cycles=1_000_000)
    assert 50_000 <= machine.cpu.state.cycles < 60_000 and machine.cpu.state.skipped > 40_000


@pytest.mark.parametrize("place", ["again", "spin"])
def test_a_breakpoint_in_a_spin_stops_at_every_turn(place: str) -> None:
    bare = BareMachine("mov ecx, 50; again: pause; spin: dec ecx; jnz again", cpu="unit")
    for turn in range(5):
        bare.machine.run(until=bare.address(place))
        assert bare.machine.cpu.registers.ecx == 50 - turn


def test_a_run_to_an_address_behind_a_spin_is_skipped_too() -> None:
    bare = BareMachine("mov ecx, 5000000; spin: dec ecx; jnz spin; nop; nop; jmp end", cpu="unit")
    bare.machine.run(until=bare.address("end"))
    assert bare.machine.cpu.state.skipped > 9_000_000
