"""Looking at the threads of the microkernel, beside its own words and what the processor then does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.monitor.inspect import code, micro, stack, threads
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.tables import thread_key
from emu.monitor.monitor import Monitor
from emu.monitor.roster import Roster
from emu.snapshot import Snapshot
from guest.abi.micro import KTCB, Kind, MicroState
from tests.guest.micro import random_callers

BUSY = 10_000_000       # cycles, after which there is something of everything
MOMENTS = 150           # at which a test looks
APART = 70_001          # cycles, an odd number


class Stand:
    """A machine with random callers, and the way back to where it stood."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.run(max_cycles=BUSY)
        self.snapshot: Snapshot = machine.snapshot()


@pytest.fixture(scope="module", params=["l4", "uls"])
def stand(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Each variant."""
    return Stand(random_callers.boot(tmp_path_factory.mktemp("random"), request.param, 3))


@pytest.fixture
def machine(stand: Stand) -> Machine:
    """The machine, where it stood."""
    stand.machine.restore(stand.snapshot)
    return stand.machine


def named(machine: Machine, number: int) -> threads.Thread:
    """The thread with a number."""
    return next(each for each in threads.threads(machine) if each.number == number)


def test_the_kernel_is_known_by_its_symbols(machine: Machine) -> None:
    assert threads.kind(machine) is micro and threads.is_known(machine)


def test_before_the_kernel_is_up_there_are_no_threads(tmp_path: Path) -> None:
    machine = Machine.boot(random_callers.image(tmp_path, "uls", 1))
    assert threads.threads(machine) == [] and threads.current(machine) is None
    machine.run(until="start")
    assert threads.threads(machine) == [] and threads.current(machine) is None
    machine.run(until="start_root")
    assert [each.name for each in threads.threads(machine)] == ["idle"]


def test_threads_are_those_of_the_table(machine: Machine) -> None:
    table = {number: int(at) for number, at in enumerate(micro.table(machine)) if at != machine.address("nil_ktcb")}
    table[17] = machine.address("idle_ktcb")
    found = threads.threads(machine)
    assert {each.number: each.tcb for each in found if each.number > 15} == \
        {number: at for number, at in table.items() if number > 15}
    assert [each.number for each in found] == sorted(each.number for each in found)


def test_an_interrupt_line_is_listed_if_somebody_listens(machine: Machine) -> None:
    handlers = machine.address("interrupt_handlers") - micro.KERNEL_BASE
    machine.ram.write(handlers, bytes(64))
    assert not [each.name for each in threads.threads(machine) if each.number < 16]
    machine.ram.write(handlers + 4 * 6, (32 << 14 | 1).to_bytes(4, "little"))
    assert [(each.name, each.directory) for each in threads.threads(machine) if each.number < 16] == [("irq6", 0)]
    assert not any("irq6" in name for each in threads.spaces(machine) for name in each.threads)


def test_one_thread_is_current_and_that_is_the_one_at_esp0(machine: Machine) -> None:
    seen = set()
    for _ in range(MOMENTS):
        machine.run(max_cycles=APART)
        current = threads.current(machine)
        assert current and [each for each in threads.threads(machine) if each.current] == [current]
        assert current.key == thread_key(machine) and current.state == "running"
        assert threads.on_stack(machine) == current
        assert threads.thread_name(machine, current.key) == f"{current.name} ({current.number})"
        assert current.stack == (machine.cpu.registers.esp if machine.cpu.cpl == 0 else current.tcb + micro.FRAME_AT)
        seen.add(current.number)
    assert len(seen) > 3


def test_a_thread_is_found_by_number_name_and_key(machine: Machine) -> None:
    witness = named(machine, 33)
    assert threads.find(machine, "33") == threads.find(machine, f"{witness.key:#x}") == witness
    assert threads.find(machine, "idle").number == 17 and threads.find(machine, "random").number == 32
    with pytest.raises(KeyError, match="no thread 'nobody': there are"):
        threads.find(machine, "nobody")


def test_a_thread_bears_the_name_of_the_program_in_its_space(machine: Machine) -> None:
    for each in threads.threads(machine):
        space = AddressSpace(machine, each.directory)
        if each.number >= 32 and space.walk(0x4000_0000).physical is not None:
            assert each.name == "random"
        elif each.number >= 32:
            assert each.name in ("random", "thread")
    assert named(machine, 32).name == "random"


def test_programs_of_the_same_code_are_told_apart_by_their_arguments() -> None:
    machine = Machine.boot("uls-round-robin")
    seen = set()
    for _ in range(MOMENTS):
        machine.run(max_cycles=100_003)
        seen |= {(each.number, each.name) for each in threads.threads(machine) if each.number >= 34}
    assert {(34, "ping"), (35, "pong")} <= seen
    assert {name for _, name in seen} <= {"ping", "pong", "crash", "ping or pong", "thread"}


def test_spaces_are_those_of_the_threads(machine: Machine) -> None:
    spaces = {each.directory: each for each in threads.spaces(machine)}
    root = spaces[machine.address("root_directory") - micro.KERNEL_BASE]
    assert root.threads[:2] == ["random (32)", "random (35)"] or "random (32)" in root.threads
    assert [each.directory for each in spaces.values() if each.current] == [machine.cpu.registers.cr3]


def put(machine: Machine, thread: threads.Thread, **fields: int) -> str:
    """A thread's state if its KTCB had these fields; it has them no longer afterwards."""
    before = machine.ram.read(thread.tcb - micro.KERNEL_BASE, KTCB.size)
    for name, value in fields.items():
        at = thread.tcb - micro.KERNEL_BASE + KTCB.offsets[name]
        machine.ram.write(at, (value & 0xFFFFFFFF).to_bytes(4, "little"))
    found = named(machine, thread.number).state
    machine.ram.write(thread.tcb - micro.KERNEL_BASE, before)
    return found


SENDING, RECEIVING, HALTED = MicroState.IS_SENDING, MicroState.IS_RECEIVING, MicroState.IS_HALTED


@pytest.mark.parametrize(("fields", "said"), [
    ({"state": MicroState.IS_DEAD}, "not started"),
    ({"state": MicroState.IS_RUNNING, "kind": Kind.KIND_USER}, "ready"),
    ({"state": SENDING, "kind": Kind.KIND_USER, "partner": "root"}, "sending to 32.1"),
    ({"state": RECEIVING, "kind": Kind.KIND_USER, "wait": -1, "kwait": 0}, "receiving from any"),
    ({"state": RECEIVING, "kind": Kind.KIND_USER, "wait": 32 << 14 | 1, "kwait": 0}, "receiving from 32.1"),
    ({"state": RECEIVING, "kind": Kind.KIND_USER, "wait": 0, "kwait": 40 << 14 | 7}, "receiving from 40.7"),
    ({"state": SENDING, "kind": Kind.KIND_PAGE_FAULT, "partner": "root", "fault_address": 0x1234},
     "page fault at 0x1234, to 32.1"),
    ({"state": RECEIVING, "kind": Kind.KIND_PAGE_FAULT, "kwait": 32 << 14 | 1, "fault_address": 0x1234},
     "page fault at 0x1234, at 32.1"),
    ({"state": RECEIVING, "kind": Kind.KIND_PREEMPTION, "kwait": 32 << 14 | 1}, "preempted, at 32.1"),
    ({"state": HALTED, "kind": Kind.KIND_PREEMPTION}, "preempted, halted"),
    ({"state": HALTED, "kind": Kind.KIND_USER}, "halted"),
    ({"state": RECEIVING, "kind": Kind.KIND_EXCEPTION, "vector": 13, "kwait": 32 << 14 | 1}, "#GP, at 32.1"),
    ({"state": RECEIVING, "kind": Kind.KIND_START, "kwait": 32 << 14 | 1}, "not started, at 32.1"),
    ({"state": MicroState.IS_TRANSFER, "peer": "root"}, "exchanges a message with 32.1"),
    ({"state": MicroState.IS_TRANSFER, "peer": 0x12345678}, "exchanges a message with 0x12345678")])
def test_states_are_said_in_words(fields: dict[str, int | str], said: str, machine: Machine) -> None:
    current = thread_key(machine)
    thread = next(each for each in threads.threads(machine) if each.number > 34 and each.key != current)
    root = named(machine, 32).tcb
    values = {name: root if value == "root" else int(value) for name, value in fields.items()}
    assert put(machine, thread, **values) == said


def test_rank_is_the_policys_own(machine: Machine) -> None:
    is_uls = machine.image is not None and "ready_rings" not in machine.image.symbols
    assert named(machine, 32).rank == ("level 0" if is_uls else "priority 255")
    assert named(machine, 33).rank == ("level 1" if is_uls else "priority 100")


def test_in_l4_a_timeout_says_when_it_ends(machine: Machine) -> None:
    if "ready_rings" not in (machine.image.symbols if machine.image else ()):
        assert not any(each.wake for each in threads.threads(machine))
        return
    for _ in range(MOMENTS):
        machine.run(max_cycles=APART)
        waits = [each for each in threads.threads(machine) if each.wake]
        assert all(each.state.startswith(("sending", "receiving")) for each in waits)
        if waits:
            return
    pytest.fail("nobody has waited")


def test_the_registers_of_a_thread_are_those_it_goes_on_with(machine: Machine) -> None:
    leaves = next(each.address for each in code.disassemble(machine, machine.address("resume_user"), 4)
                  if each.text == "iretd")
    checked = 0
    for _ in range(MOMENTS * 20):
        waiting = {each.key: threads.saved_registers(machine, each) for each in threads.threads(machine)
                   if not each.current and each.state in ("ready", "preempted, at 32.1")}
        machine.run(until=leaves, max_cycles=1_000_000)
        saved = waiting.get(thread_key(machine))
        machine.step(1)
        registers = machine.cpu.registers
        if saved and machine.cpu.cpl == 3 and registers.eip == saved["eip"]:
            assert {name: getattr(registers, name) for name in saved} == saved
            checked += 1
        if checked == 20:
            return
    pytest.fail(f"only {checked} have gone on")


def test_threads_without_a_program_have_no_registers(machine: Machine) -> None:
    assert threads.saved_registers(machine, named(machine, 17)) == {}


def test_a_trace_leads_from_the_kernel_back_to_the_program(machine: Machine) -> None:
    ways = set()
    rng = random.Random(2)
    tracer = stack.Tracer(machine)
    for _ in range(300):
        machine.run(max_instructions=rng.randrange(1, 4000))
        current = threads.current(machine)
        if machine.cpu.cpl or current is None or current.number == 17:
            continue
        frames = tracer.where()
        outer = [each for each in frames if each.cpl == 3]
        assert outer, [each.name for each in frames]
        kept = threads.saved_registers(machine, current)
        assert outer[0].address == kept["eip"] and outer[0].stack == kept["esp"]
        assert all(each.sure for each in frames[:len(frames) - len(outer) + 1])
        ways.add((outer[0].how, outer[0].vector))
    assert {("trap", 0x80), ("trap", 0x0E), ("sysenter", None)} <= ways, ways


def test_a_trace_of_a_waiting_thread_begins_in_its_program(machine: Machine) -> None:
    waiting = [each for each in threads.threads(machine) if not each.current and each.number >= 32]
    for each in waiting:
        first = stack.where(machine, each)[0]
        assert (first.how, first.cpl) == ("switch", 3)
        assert first.address == threads.saved_registers(machine, each)["eip"]


def test_a_roster_has_a_name_as_soon_as_there_is_one(tmp_path: Path) -> None:
    machine = Machine.boot(random_callers.image(tmp_path, "l4", 1))
    with Monitor(machine, keep=1), Roster(machine) as roster:
        machine.run(max_cycles=BUSY)
        machine.run(max_cycles=BUSY)
    assert {"random (32)", "random (33)"} <= set(roster.threads.values())
    assert "thread (33)" not in roster.threads.values()
    assert set(roster.spaces.values()) <= {"random", "idle"}
