"""Going back lands where a run from the start would stand, whatever came before; searching back finds what is there."""

from __future__ import annotations

import copy
import random
from functools import cache
from typing import Any

import pytest
from cutting import difference, state
from machine_code import BareMachine

from emu.devices.uart import IER, MCR
from emu.machine import Machine
from emu.monitor.travel.timeline import Position, Timeline
from emu.result import Reason

# Interrupts by the timer, string instructions, exceptions, a store into code, port accesses, RDTSC.
PROGRAM = """
    mov al, 0x11; out 0x20, al; mov al, 0x20; out 0x21, al; mov al, 4; out 0x21, al; mov al, 3; out 0x21, al
    mov al, 0xfe; out 0x21, al; mov al, 0x34; out 0x43, al; mov al, 7; out 0x40, al; mov al, 0; out 0x40, al
    sti; mov ebx, 20
    again: mov byte ptr [changed + 1], bl
    changed: mov al, 0
    mov edx, eax; mov ecx, 40; mov edi, 0x30000; string: rep stosb; mov eax, edx; xor ecx, ecx
    divide: div ecx; ud2; int 0x40; in al, 0x40; mov [0x30100 + ebx * 4], eax
    rdtsc; mov [0x30200 + ebx * 4], eax; push ebx; call spin; pop ebx
    dec ebx; jnz again; hlt; hlt; cli; hlt
    spin: mov ecx, 25; turn: loop turn; ret
    tick: inc dword ptr [0x38000]; iretd
    skip: add dword ptr [esp], 2; iretd
    entry: iretd
"""
HANDLERS = {0: "skip", 6: "skip", 0x20: "tick", 0x40: "entry"}
# What it reads from COM1 by polling, it echoes; how long it has waited, it notes.
ECHO = """
    mov ebx, 0x30000
    wait: mov dx, 0x3fd; in al, dx; inc dword ptr [0x38000]; test al, 1; jz wait
    mov dx, 0x3f8; in al, dx; out dx, al; mov [ebx], al; rdtsc; mov [ebx + 4], eax; add ebx, 8; jmp wait
"""
CPUS = ["unit", "p3-500"]


def bare(cpu: str) -> BareMachine:
    return BareMachine(PROGRAM, handlers=HANDLERS, cpu=cpu)


def look(machine: Machine) -> dict[str, Any]:
    return copy.deepcopy(state(machine))


def position(machine: Machine) -> Position:
    return Position(machine.cpu.state.cycles, machine.cpu.state.instructions)


class Recorded:
    """A run step by step, without snapshots: where it stood, what it looked like, and where it came by."""

    def __init__(self, cpu: str) -> None:
        self.cpu, machine = cpu, bare(cpu).machine
        self.steps, self.ebx = [position(machine)], [machine.cpu.registers.ebx]
        while machine.step().reason == Reason.INSTRUCTIONS:
            self.steps.append(position(machine))
            self.ebx.append(machine.cpu.registers.ebx)

    def at(self, where: Position) -> dict[str, Any]:
        """The state of another machine that has run there."""
        machine = bare(self.cpu).machine
        machine.run(max_instructions=where.instructions - self.steps[0].instructions)
        return look(machine)

    @property
    def end(self) -> dict[str, Any]:
        machine = bare(self.cpu).machine
        machine.run()
        return look(machine)


@cache
def recorded(cpu: str) -> Recorded:
    return Recorded(cpu)


def stops(cpu: str, **wanted: Any) -> list[Position]:
    """Where a run without snapshots stops."""
    machine, found = bare(cpu).machine, []
    while machine.run(**wanted).reason in (Reason.UNTIL, Reason.VECTOR):
        found.append(position(machine))
    return found


def roam(timeline: Timeline, rng: random.Random) -> None:
    """Go somewhere, in any of the ways there are."""
    rng.choice((
        lambda: timeline.step(rng.randint(1, 2000)), lambda: timeline.back(rng.randint(1, 2000)),
        lambda: timeline.run(max_cycles=rng.randint(1, 5000)), timeline.run,
        lambda: timeline.goto(rng.choice(recorded("unit").steps)) if timeline.machine.profile.name == "unit" else None,
    ))()


@pytest.mark.parametrize("interval", [50, 700, 1 << 30])
def test_back_leads_to_where_a_step_ended(interval: int) -> None:
    steps, rng = recorded("unit").steps, random.Random(interval)
    timeline = Timeline(bare("unit").machine, interval=interval, most=5)
    timeline.run()
    for _ in range(12):
        now = timeline.position
        behind = sum(step < now for step in steps)
        count = rng.choice((1, 1, 2, 10, 300, 5000))
        assert timeline.back(count) == steps[max(behind - count, 0)]
        assert not difference(recorded("unit").at(timeline.position), look(timeline.machine))
        roam(timeline, rng)


def test_back_works_under_a_timing_model() -> None:
    steps, rng = recorded("p3-500").steps, random.Random(7)
    timeline = Timeline(bare("p3-500").machine, interval=400)
    timeline.run()
    for _ in range(12):
        now = timeline.position
        behind, count = sum(step < now for step in steps), rng.choice((1, 2, 50, 900))
        assert timeline.back(count) == steps[max(behind - count, 0)]
        assert not difference(recorded("p3-500").at(timeline.position), look(timeline.machine))
        roam(timeline, rng)
    timeline.run()
    assert not difference(recorded("p3-500").end, look(timeline.machine))


def test_a_run_with_snapshots_ends_as_one_without() -> None:
    timeline = Timeline(bare("unit").machine, interval=97)
    timeline.run()
    assert not difference(recorded("unit").end, look(timeline.machine))


def test_back_and_forth_by_single_steps_is_the_way_there() -> None:
    recorded_steps = recorded("unit").steps
    timeline = Timeline(bare("unit").machine, interval=300)
    timeline.step(700)
    there = timeline.position
    back = [timeline.back() for _ in range(80)]
    forth = []
    for _ in range(80):
        timeline.step()
        forth.append(timeline.position)
    at = recorded_steps.index(there)
    assert back == recorded_steps[at - 80:at][::-1] and forth == recorded_steps[at - 79:at + 1]


@pytest.mark.parametrize("vector", [0, 0x20, 0x40])
def test_back_from_behind_a_delivery_leads_to_before_it(vector: int) -> None:
    timeline = Timeline(bare("unit").machine, interval=300)
    for _ in range(3):
        assert timeline.run(vectors=[vector]).reason == Reason.VECTOR
    delivered = timeline.position
    before = timeline.back()
    assert before.cycles < delivered.cycles
    assert before == max(step for step in recorded("unit").steps if step < delivered)
    assert timeline.run(vectors=[vector]).reason == Reason.VECTOR
    assert timeline.position == delivered


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("interval", [130, 1 << 30])
def test_searching_back_finds_the_last_stop_before(cpu: str, interval: int) -> None:
    rng = random.Random(cpu + str(interval))
    symbols = bare(cpu)
    timeline = Timeline(symbols.machine, interval=interval)
    timeline.run()
    for label in ("again", "string", "turn", "tick", "divide", "skip"):
        address = symbols.address(label)
        expected = stops(cpu, until=address)
        for _ in range(3):
            now = timeline.position
            before = [stop for stop in expected if stop < now]
            assert timeline.reverse_continue(until=[address]) is bool(before), label
            assert timeline.position == (before[-1] if before else timeline.start), label
            assert not before or timeline.machine.cpu.linear_eip == address
        roam(timeline, rng)


def test_searching_back_finds_the_last_delivery_before() -> None:
    timeline = Timeline(bare("unit").machine, interval=200)
    timeline.run()
    for vectors in ([0x20], [0], [6, 0x40]):
        expected = stops("unit", vectors=vectors)
        for _ in range(6):
            before = [stop for stop in expected if stop < timeline.position]
            assert timeline.reverse_continue(vectors=vectors) is bool(before)
            assert timeline.position == (before[-1] if before else timeline.start)


def test_searching_back_finds_where_a_condition_held_last() -> None:
    symbols = bare("unit")
    timeline = Timeline(symbols.machine, interval=200)
    timeline.run()
    again = symbols.address("again")
    assert timeline.reverse_continue(until=again, condition=lambda machine: machine.cpu.registers.ebx == 10)
    assert (symbols.registers.ebx, timeline.machine.cpu.linear_eip) == (10, again)
    assert timeline.reverse_continue(condition=lambda machine: machine.cpu.registers.ebx == 12)
    assert symbols.registers.ebx == 12
    here = timeline.position
    timeline.step()
    assert symbols.registers.ebx == 11
    found = [step for step, ebx in zip(recorded("unit").steps, recorded("unit").ebx, strict=True) if ebx == 12]
    assert found[-1] == here
    assert not timeline.reverse_continue(condition=lambda machine: False)
    assert timeline.position == timeline.start


@pytest.mark.parametrize("interval", [3, 50])
def test_a_run_stops_where_one_without_snapshots_stops(interval: int) -> None:
    symbols = bare("unit")
    places = [symbols.address(label) for label in ("again", "tick", "turn")]
    machine = bare("unit").machine
    timeline = Timeline(symbols.machine, interval=interval, most=10)
    for _ in range(12):
        assert machine.run(until=places, vectors=[6]) == timeline.run(until=places, vectors=[6])
    assert machine.run(max_cycles=77) == timeline.run(max_cycles=77)
    assert machine.run(max_instructions=77) == timeline.run(max_instructions=77)


def test_a_run_stops_where_a_condition_holds() -> None:
    symbols = bare("unit")
    timeline = Timeline(symbols.machine, interval=100)
    result = timeline.run(until=symbols.address("again"), condition=lambda machine: machine.cpu.registers.ebx == 15)
    assert (result.reason, symbols.registers.ebx) == (Reason.UNTIL, 15)
    result = timeline.run(condition=lambda machine: machine.cpu.registers.ecx == 7)
    assert (result.reason, symbols.registers.ecx) == (Reason.UNTIL, 7)


@pytest.mark.parametrize("cpu", CPUS)
def test_any_position_of_the_run_can_be_gone_to(cpu: str) -> None:
    rng = random.Random(cpu)
    timeline = Timeline(bare(cpu).machine, interval=500)
    timeline.run()
    for where in [*rng.sample(recorded(cpu).steps, 10), *rng.sample(stops(cpu, vectors=[0, 6, 0x20, 0x40]), 10)]:
        timeline.goto(where)
        assert timeline.position == where
    timeline.goto(recorded(cpu).steps[5])
    assert not difference(recorded(cpu).at(timeline.position), look(timeline.machine))


def test_a_position_within_idle_time_can_be_gone_to() -> None:
    timeline = Timeline(bare("unit").machine)
    timeline.run(until=timeline.machine.cpu.linear_eip + 1)
    while not timeline.machine.halted:
        timeline.run(max_cycles=5)
    asleep, then = timeline.position, look(timeline.machine)
    timeline.run()
    timeline.goto(asleep)
    assert timeline.machine.halted and not difference(then, look(timeline.machine))


def test_a_position_that_there_is_not_is_refused_and_nothing_moves() -> None:
    timeline = Timeline(bare("unit").machine)
    timeline.step(500)
    here = timeline.position
    for wrong in (Position(here.cycles, here.instructions - 3), Position(0, 0), Position(here.cycles + 10, 1 << 40)):
        with pytest.raises(ValueError, match="take a position from the timeline"):
            timeline.goto(wrong)
        assert timeline.position == here
    with pytest.raises(KeyError):
        timeline.goto("nowhere")


def test_bookmarks_are_places_to_go_to() -> None:
    timeline = Timeline(bare("unit").machine)
    timeline.step(100)
    here = timeline.bookmark("here")
    timeline.run()
    assert timeline.goto("here") == here and timeline.bookmarks == {"here": here}


def test_what_the_guest_prints_is_heard_once() -> None:
    heard = bytearray()
    machine = Machine.boot("hello", serial=heard.append)
    timeline = Timeline(machine, interval=10_000)
    timeline.run()
    assert b"hello, world" in heard
    once = bytes(heard)
    for count in (10, 20_000, 1 << 30):
        timeline.back(count)
        timeline.run()
    assert heard == once == machine.console


def echo() -> Timeline:
    machine = BareMachine(ECHO).machine
    machine.uart.write(1, IER.ERBFI, 1)
    machine.uart.write(4, MCR.OUT2, 1)
    machine.uart.write(3, 0x80, 1)
    machine.uart.write(0, 1, 1)                             # divisor: 115,200 baud
    machine.uart.write(1, 0, 1)
    machine.uart.write(3, 3, 1)
    return Timeline(machine, interval=5_000)


def test_what_was_done_is_done_again_when_its_time_comes() -> None:
    timeline, rng = echo(), random.Random(5)
    for byte in b"abcdef":
        timeline.run(max_cycles=rng.randint(1000, 60_000))
        timeline.do(lambda machine, byte=byte: machine.uart.receive(bytes([byte])))
    timeline.run(max_cycles=200_000)
    end = look(timeline.machine)
    assert timeline.machine.console == b"abcdef"
    for count in (10, 3000, 40_000, 1 << 30):
        here = timeline.position
        timeline.back(count)
        timeline.goto(here)
        assert not difference(end, look(timeline.machine))
    timeline.goto(timeline.start)
    assert not timeline.machine.console
    timeline.run(max_cycles=here.cycles - timeline.position.cycles)
    assert not difference(end, look(timeline.machine))


def test_what_is_done_in_the_past_begins_another_run() -> None:
    heard = bytearray()
    timeline = echo()
    timeline.machine.serial = heard.append
    timeline = Timeline(timeline.machine, interval=5_000)
    timeline.run(max_cycles=10_000)
    fork = timeline.bookmark("fork")
    timeline.do(lambda machine: machine.uart.receive(b"old"))
    timeline.run(max_cycles=300_000)
    timeline.bookmark("lost")
    timeline.back(5000)
    assert timeline.replaying
    timeline.run(until=timeline.machine.cpu.linear_eip)
    timeline.goto(fork)
    timeline.back()
    timeline.do(lambda machine: machine.uart.receive(b"new"))
    assert not timeline.replaying and timeline.bookmarks == {}
    timeline.run(max_cycles=300_000)
    assert timeline.machine.console == b"new" and heard == b"oldnew"


def test_answers_from_outside_are_repeated() -> None:
    timeline = echo()
    machine, keys = timeline.machine, iter(b"qwerty")
    asked = []

    def key() -> bytes:
        asked.append(machine.cpu.state.cycles)
        return bytes([next(keys)]) if len(asked) % 3 == 0 else b""

    answer = timeline.repeatable(key)

    def ask() -> None:
        machine.uart.receive(answer())
        poll.schedule(machine.clock.now + 9000)

    poll = machine.clock.event("poll", ask)
    timeline.do(lambda machine: poll.schedule(machine.clock.now))
    timeline.run(max_cycles=120_000)
    end, questions = look(machine), len(asked)
    assert machine.console and questions > 10
    here = timeline.position
    for count in (100, 20_000, 1 << 30):
        timeline.back(count)
        timeline.goto(here)
        assert not difference(end, look(machine)) and len(asked) == questions
