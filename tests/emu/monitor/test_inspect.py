"""Looking at a machine: registers, tables, pages, threads, code, beside what machine and guest say otherwise."""

from __future__ import annotations

import json
import random
import struct

import pytest

from emu.machine import Machine
from emu.monitor.inspect import caches, code, pages, registers, tables, threads
from emu.monitor.inspect.pages import AddressSpace
from guest.abi.cpu import Selector
from guest.abi.kernel import TCB
from guest.abi.memory import Memory


@pytest.fixture(scope="module")
def machine() -> Machine:
    """`preempt` in its third tick, under a processor with a memory system."""
    machine = Machine.boot("preempt", cpu="p3-500")
    for _ in range(3):
        machine.run(until="timer_interrupt")
    return machine


# Registers and tables

def test_the_registers_are_the_processors(machine: Machine) -> None:
    view, real = registers.view(machine), machine.cpu.registers
    assert view.general == {name: getattr(real, name) for name in view.general}
    assert (view.linear_eip, view.cpl, view.eflags) == (machine.cpu.linear_eip, 0, real.eflags)
    assert {"PE", "PG", "WP"} <= set(view.control_bits["cr0"]) and view.control_bits["cr4"] == ["PSE"]
    assert view.sysenter["eip"] == machine.address("sysenter_entry")
    json.dumps(view.as_dict())


def test_flags_are_called_as_in_the_manual() -> None:
    assert registers.names_of(0x202, registers.FLAGS) == ["IF"]
    assert registers.names_of(0xCD5, registers.FLAGS) == ["CF", "PF", "AF", "ZF", "SF", "DF", "OF"]


def test_segment_registers_hold_what_the_table_says(machine: Machine) -> None:
    slots = {slot.index: slot.entry for slot in tables.gdt(machine)}
    for each in registers.view(machine).segments:
        if each.selector & ~3 and each.name != "tr":
            assert slots[each.selector & ~3] == each.descriptor, each.name


def test_the_tables_of_the_kernel_are_decoded(machine: Machine) -> None:
    names = {slot.index: slot for slot in tables.idt(machine)}
    assert set(names) == {*range(48), 128}
    gate = names[128].entry
    assert isinstance(gate, tables.Gate)
    assert (gate.kind, gate.offset, gate.dpl, gate.selector) == ("interrupt gate", machine.address("syscall_int"), 3, 8)
    assert (names[14].name, names[2].name, names[32].name) == ("#PF", "NMI", "")
    user = {slot.index: slot.entry for slot in tables.gdt(machine)}[Selector.SEL_UCODE & ~3]
    assert isinstance(user, tables.Descriptor)
    assert (user.kind, user.dpl, user.limit, user.bits, user.rights) == ("code", 3, 0xFFFFFFFF, 32, "execute, read")
    task = tables.tss(machine)
    assert task and task.base == machine.address("tss") and task.fields["ss0"] == Selector.SEL_KDATA
    assert task.fields["esp0"] == tables.thread_key(machine) and task.ports == []
    assert tables.ldt(machine) == []


@pytest.mark.parametrize(("low", "high", "kind", "base", "limit", "rights"), [
    (0x5678_FFFF, 0x12CF_9A34, "code", 0x1234_5678, 0xFFFF_FFFF, "execute, read"),
    (0x0000_0010, 0x0040_F600, "data", 0, 0x10, "read, write, expand-down"),
    (0x0000_0067, 0x0000_8B00, "TSS, busy", 0, 0x67, ""), (0, 0, "null", 0, 0, "")])
def test_descriptors_are_decoded(low: int, high: int, kind: str, base: int, limit: int, rights: str) -> None:
    entry = tables.decode(struct.pack("<II", low, high))
    assert isinstance(entry, tables.Descriptor)
    assert (entry.kind, entry.base, entry.limit, entry.rights) == (kind, base, limit, rights)


@pytest.mark.parametrize(("low", "high", "gate"), [
    (0x0008_5678, 0x1234_EC05, tables.Gate("call gate", 8, 0x1234_5678, 3, True, 5)),
    (0x0008_5678, 0x1234_0F00, tables.Gate("trap gate", 8, 0x1234_5678, 0, False, 0)),
    (0x0028_0000, 0x0000_8500, tables.Gate("task gate", 0x28, 0, 0, True, 0))])
def test_gates_are_decoded(low: int, high: int, gate: tables.Gate) -> None:
    assert tables.decode(struct.pack("<II", low, high)) == gate


def test_the_permission_bitmap_is_shown_as_ranges() -> None:
    bitmap = bytearray(b"\xFF" * 33)
    for port in (0x60, 0x61, 0x64, 0xFF):
        bitmap[port // 8] &= ~(1 << port % 8)
    assert tables._open_ports(bytes(104) + bytes(bitmap), 104) == [(0x60, 0x61), (0x64, 0x64), (0xFF, 0xFF)]


# Pages

def test_a_walk_leads_where_the_processor_goes(machine: Machine) -> None:
    space, rng = AddressSpace(machine), random.Random(1)
    for _ in range(3000):
        base = rng.choice((0, 0x0804_8000, 0xBFFF_0000, 0xC000_0000, 0xC010_0000, 0xFBFF_0000, 0xFFFF_0000))
        linear = base + rng.randrange(0x10000)
        assert space.walk(linear).physical == machine.cpu.translate(linear)
    assert space.read(0xC010_0000, 0x5001) == machine.cpu.read_linear(0xC010_0000, 0x5001)


def test_the_map_of_a_space_is_what_its_pages_say(machine: Machine) -> None:
    space = AddressSpace(machine)
    ranges = space.ranges()
    for each in ranges:
        for at in (each.start, each.start + each.size // 2 & ~0xFFF, each.start + each.size - 1):
            walk = space.walk(at)
            assert (walk.writable, walk.user) == (each.writable, each.user)
            if each.physical is not None:
                assert walk.physical == each.physical + at - each.start
        for edge in (each.start - 1, each.start + each.size):
            walk = space.walk(edge)
            assert walk.physical is None or (walk.writable, walk.user) != (each.writable, each.user)
    assert (Memory.USER_STACK_BASE, 0x4000, True, True) in {
        (each.start, each.size, each.writable, each.user) for each in ranges}


def test_another_threads_space_is_read_through_its_own_directory(machine: Machine) -> None:
    for thread in threads.threads(machine):
        if thread.number:
            argument = code.text(AddressSpace(machine, thread.directory), Memory.USER_ARGUMENTS)
            assert argument.split()[0] == thread.name


def test_a_translation_that_the_tables_no_longer_give_is_stale() -> None:
    machine = Machine.boot("preempt")
    machine.run(until="timer_interrupt")
    held = {each.linear: each for each in pages.translations(machine)}
    assert held and not any(each.stale for each in held.values())
    assert machine.cpu.linear_eip & 0xFFFFF000 in held
    walk = AddressSpace(machine).walk(0x0804_8000)
    entry = walk.entries[1]
    machine.ram.write(entry.at, (entry.value & ~1).to_bytes(4, "little"))
    assert [each.linear for each in pages.translations(machine) if each.stale] == [0x0804_8000]


def test_before_paging_there_is_no_map() -> None:
    machine = Machine.boot("preempt")
    assert AddressSpace(machine).ranges() == [] == pages.translations(machine)
    assert AddressSpace(machine).walk(0x1234).physical == 0x1234


def test_the_models_tables_hold_what_is_counted(machine: Machine) -> None:
    found = {each.name: each for each in caches.tables(machine)}
    assert found["code"].pages == sorted(set(found["code"].pages))
    assert machine.cpu.linear_eip & 0xFFFFF000 in found["code"].pages
    assert all(0 < each.used <= each.sets * each.ways for name, each in found.items() if "large" not in name)
    assert caches.tables(Machine()) == []


# Threads

def queue(machine: Machine, head: str) -> list[int]:
    """The numbers of the threads in a queue of the kernel."""
    space, found = AddressSpace(machine), []
    at = space.word(machine.address(head)) or 0
    while at:
        tcb = TCB.decode(space.read(at, TCB.size))
        found.append(tcb.number)
        at = tcb.next
    return found


def test_threads_are_those_of_the_kernels_queues() -> None:
    machine = Machine.boot("preempt")
    seen = set()
    for _ in range(40):
        machine.run(until="sched_yield", max_cycles=2_000_000)
        found = threads.threads(machine)
        if not found:
            continue
        ready = [each.number for each in found if each.state == "ready"]
        assert sorted(queue(machine, "sched_head")) == ready
        assert [each.number for each in found if each.current] == [threads.current(machine).number]  # type: ignore
        for each in found:
            seen.add((each.number, each.name))
            assert threads.thread_name(machine, each.key) == f"{each.name} ({each.number})"
    assert seen == {(0, "idle"), (1, "ping"), (2, "pong"), (3, "crash")}


def test_a_thread_that_is_over_is_not_listed() -> None:
    machine = Machine.boot("preempt")
    machine.run(max_cycles=15_000_000)
    assert "crash" not in [each.name for each in threads.threads(machine)]


def test_the_registers_of_a_waiting_thread_are_those_it_goes_on_with() -> None:
    machine = Machine.boot("preempt")
    for _ in range(6):
        machine.run(until="switch_load")
    target = machine.cpu.registers.eax
    thread = next(each for each in threads.threads(machine) if each.tcb == target)
    saved = threads.saved_registers(machine, thread)
    machine.run(until=saved["eip"])
    assert {name: getattr(machine.cpu.registers, name) for name in saved} == saved


def test_threads_of_another_kernel_are_not_known() -> None:
    machine = Machine()
    assert threads.current(machine) is None
    assert threads.thread_name(machine, 0x1234) == "0x1234"
    with pytest.raises(threads.UnknownKernel, match="no image: threads are known only of kernels built on guest/abi"):
        threads.threads(machine)
    with pytest.raises(KeyError, match="no thread 'nobody': there are 0 idle, 1 ping"):
        threads.find(_running(), "nobody")


def _running() -> Machine:
    machine = Machine.boot("preempt")
    machine.run(until="timer_interrupt")
    return machine


# Code

def test_code_has_names_source_lines_and_prices(machine: Machine) -> None:
    lines = code.disassemble(machine, machine.address("timer_interrupt"), 3)
    assert lines[0].text == "push eax"
    assert lines[1].text.endswith("; pic_done")
    assert (lines[2].name, lines[2].file) == ("timer_interrupt+0x6", "kernel/timer.asm")
    assert all(line.cycles is not None for line in lines)
    assert code.disassemble(machine, 0xF0000000, 3) == []


def test_the_prices_of_a_block_are_what_it_is_charged_in_the_pipeline() -> None:
    machine = Machine.boot("hello", cpu="p5-166")
    machine.run(until="frame_alloc")
    machine.run(until="frame_alloc")
    lines = code.disassemble(machine, machine.cpu.linear_eip, 3)    # mov, test, jz
    before = machine.counters
    machine.step(3)
    assert (machine.counters - before).pipeline_cycles == sum(line.cycles or 0 for line in lines)


def test_an_address_of_several_programs_is_told_apart_by_the_program(machine: Machine) -> None:
    assert code.Names(machine).name(0x0804_8000) == "ping:main or pong:main or crash:main"
    assert code.Names(machine, "pong").name(0x0804_8000) == "pong:main"
    assert code.Names(machine).source(0x0804_8000) is None
    assert code.Names(machine, "pong").source(0x0804_8000) == ("user/count.asm", 13)
