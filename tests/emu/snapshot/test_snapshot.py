"""A machine goes on from a snapshot exactly as it went on from where that was taken, in itself or in another."""

from __future__ import annotations

import copy
import random
from typing import Any

import fuzzing
import pytest
from cutting import difference, state
from machine_code import BareMachine

from emu.devices.uart import IER, MCR
from emu.machine import Machine
from emu.result import Reason
from emu.snapshot import SnapshotError
from emu.timing.profile import profiles

ENOUGH = 100_000_000                # cycles
FUZZED = fuzzing.CYCLES
SELF_MODIFYING = """
    sti; mov ebx, 60; mov edi, 0x30000
    again: mov byte ptr [changed + 1], bl; changed: mov al, 0; add [0x31000], al
    mov ecx, 9; rep stosb; call helper; dec ebx; jnz again; cli; hlt
    helper: mov eax, [esp]; imul eax, ebx; xor edx, edx; mov ecx, 7; div ecx; ret
"""
BREAKPOINT = """
    mov eax, offset_of_here; mov dr0, eax; mov eax, 0x401; mov dr7, eax; mov ecx, 20
    again: nop; here: inc ebx; loop again; hlt
    skip: inc dword ptr [0x38000]; or dword ptr [esp + 8], 0x10000; iretd
"""


def look(machine: Machine) -> dict[str, Any]:
    """What must be the same, out of the machine's reach."""
    return copy.deepcopy(state(machine) | {"clock queue": machine.clock.save()["events"]} | {
        name: part.save() for name, part in machine.parts.items()})


def assert_alike(one: dict[str, Any], other: dict[str, Any], when: str) -> None:
    assert not difference(one, other), when


def go_on(machine: Machine, end: int) -> dict[str, Any]:
    machine.run(max_cycles=max(end - machine.cpu.state.cycles, 0))
    return look(machine)


def check(machine: Machine, others: list[Machine], end: int, whole: dict[str, Any], what: str) -> None:
    """Snapshot `machine`, and reach cycle `end` from there in every way."""
    then = look(machine)
    snapshot = machine.snapshot()
    assert_alike(then, look(machine), f"{what}: taking a snapshot has changed something")
    assert_alike(whole, go_on(machine, end), f"{what}: going on after a snapshot")
    for name, other in (("the same", machine), *((f"another ({n})", other) for n, other in enumerate(others))):
        other.restore(snapshot)
        assert_alike(then, look(other), f"{what}: restored in {name} machine")
        assert_alike(whole, go_on(other, end), f"{what}: going on in {name} machine")


def check_random_code(kind: str, seed: int) -> None:
    rng = random.Random(f"{kind} {seed}")
    machine = fuzzing.make(kind, seed).machine
    end = machine.cpu.state.cycles + FUZZED
    machine.run(max_cycles=FUZZED)
    whole, count = look(machine), machine.cpu.state.instructions
    cut, other = fuzzing.make(kind, seed).machine, fuzzing.make(kind, seed).machine
    limits = rng.choice(({"max_instructions": rng.randint(1, count)}, {"max_instructions": 1 << 40}))
    cut.run(max_cycles=rng.randint(1, FUZZED), **limits)
    other.run(max_cycles=rng.randint(1, FUZZED))
    fresh = Machine(memory=machine.ram.size, cpu=machine.profile)
    check(cut, [other, fresh], end, whole, f"{kind} {seed}")


@pytest.mark.parametrize("kind", ["bytes0", "bytes3", "soup0", "soup3"])
def test_random_code_goes_on_alike_from_a_random_place(kind: str) -> None:
    for seed in range(8):
        check_random_code(kind, seed)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["bytes0", "bytes3", "soup0", "soup3"])
@pytest.mark.parametrize("first", range(1000, 1400, 50))
def test_much_random_code_goes_on_alike_from_a_random_place(kind: str, first: int) -> None:
    for seed in range(first, first + 50):
        check_random_code(kind, seed)


@pytest.mark.parametrize("cpu", profiles())
def test_a_store_into_the_running_block_goes_on_alike_from_every_place(cpu: str) -> None:
    def bare() -> Machine:
        return BareMachine(SELF_MODIFYING, cpu=cpu).machine

    machine = bare()
    machine.run()
    whole, end = look(machine), machine.cpu.state.cycles
    rng = random.Random(cpu)
    for count in rng.sample(range(1, machine.cpu.state.instructions), 6):
        cut = bare()
        cut.run(max_instructions=count, max_cycles=rng.choice((10, 200, ENOUGH)))
        check(cut, [Machine(memory=cut.ram.size, cpu=cpu)], end, whole, f"{cpu} {count}")


@pytest.mark.parametrize("cpu", ["unit", "p5-166", "p4-1800"])
def test_an_image_goes_on_alike_from_random_places(cpu: str) -> None:
    rng = random.Random(cpu)
    machine = Machine.boot("hello", cpu=cpu)
    machine.run()
    whole, end = look(machine), machine.cpu.state.cycles
    for _ in range(3):
        cut = Machine.boot("hello", cpu=cpu)
        cut.run(max_cycles=rng.randrange(end))
        check(cut, [Machine.boot("hello", cpu=cpu)], end, whole, cpu)


def test_an_image_with_interrupts_goes_on_alike_from_random_places() -> None:
    machine, rng = Machine.boot("preempt"), random.Random(3)
    machine.run(max_cycles=3_000_000)
    whole, end = look(machine), machine.cpu.state.cycles
    for _ in range(3):
        cut = Machine.boot("preempt")
        cut.run(max_cycles=rng.randrange(end))
        check(cut, [Machine.boot("preempt")], end, whole, "preempt")


def test_an_instruction_breakpoint_of_the_guest_goes_on_alike() -> None:
    def bare() -> BareMachine:
        return BareMachine(source, handlers={1: "skip"})

    source = BREAKPOINT.replace("offset_of_here", "0")
    source = BREAKPOINT.replace("offset_of_here", hex(bare().address("here")))
    machine = bare()
    machine.machine.run()
    whole, end = look(machine.machine), machine.machine.cpu.state.cycles
    assert machine.read(0x38000) == 20
    for count in (1, 4, 7, 30):
        cut = bare().machine
        cut.run(max_instructions=count)
        check(cut, [Machine(memory=cut.ram.size)], end, whole, f"after {count} instructions")


def test_input_on_its_way_arrives_again() -> None:
    machine = BareMachine("again: jmp again").machine
    machine.uart.write(1, IER.ERBFI, 1)
    machine.uart.write(4, MCR.OUT2, 1)
    machine.uart.receive(b"abc")
    machine.keyboard.press(b"\x1e\x9e")
    snapshot = machine.snapshot()
    machine.run(max_cycles=1_000_000)
    after = look(machine)
    assert machine.uart.rx
    machine.restore(snapshot)
    assert len(machine.uart.line) == 3 and not machine.uart.rx
    machine.run(max_cycles=1_000_000)
    assert_alike(after, look(machine), "once more")


def test_the_end_of_a_run_is_restored_with_it() -> None:
    machine = Machine.boot("hello")
    before = machine.snapshot()
    end = machine.run()
    after = machine.snapshot()
    machine.restore(before)
    assert machine.run(max_instructions=1).reason == Reason.INSTRUCTIONS
    machine.restore(after)
    assert machine.run() == end and end.reason == Reason.EXIT


def test_pages_that_do_not_change_are_shared() -> None:
    machine = Machine.boot("preempt")
    machine.run(max_instructions=200_000)
    first = machine.snapshot()
    machine.ram.write(0x500FFF, b"xy")
    second = machine.snapshot()
    different = [one is not other for one, other in zip(first.pages, second.pages, strict=True)]
    assert [frame for frame, differs in enumerate(different) if differs] == [0x500, 0x501]
    assert b"".join(second.pages) == machine.ram.bytes.tobytes()


def test_code_stays_translated_when_only_data_are_put_back() -> None:
    machine = Machine.boot("preempt")
    machine.run(max_instructions=200_000)
    snapshot, cleared = machine.snapshot(), machine.cpu.state.tables
    machine.run(max_instructions=50_000)
    machine.restore(snapshot)
    assert machine.cpu.state.tables == cleared


def test_code_that_was_written_since_is_forgotten() -> None:
    machine = BareMachine("mov al, 1; mov [0x38000], al; hlt").machine
    snapshot = machine.snapshot()
    machine.run()
    machine.ram.write(0x10001, b"\x02")
    machine.restore(snapshot)
    machine.run()
    assert machine.ram.read(0x38000, 1) == b"\x01"


@pytest.mark.parametrize(("other", "message"), [
    (lambda: Machine.boot("preempt"), "taken of hello, this machine runs preempt"),
    (lambda: Machine(), "this machine runs none"),
    (lambda: Machine.boot("hello", cpu="p3-500"), "taken with --cpu unit, this machine has p3-500"),
    (lambda: Machine.boot("hello", memory=8 << 20), "16384 KiB of memory, this machine 8192"),
])
def test_another_machine_is_refused_and_left_alone(other: Any, message: str) -> None:
    snapshot = Machine.boot("hello").snapshot()
    machine = other()
    before = look(machine)
    with pytest.raises(SnapshotError, match=message) as refused:
        machine.restore(snapshot)
    assert "\n" not in str(refused.value)
    assert_alike(before, look(machine), "refused")
