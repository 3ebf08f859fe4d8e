"""What a monitor writes down is what happened, and writing it down changes nothing."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emu.crossings import BLOCK, CROSSING, NO_LINE, Bits, Kind
from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.result import Reason
from emu.timing.profile import profiles
from loader.boot import load
from loader.image import Image
from tools.bench.kernel import sleeping

sys.path.insert(0, str(Path(__file__).parent.parent / "cpu"))
from cutting import difference, state

CYCLES = 6_000_000       # the first interrupts have come by then, under every profile
MODES: dict[str, dict[str, Any]] = {
    "crossings": {}, "blocks": {"blocks": True}, "the last": {"blocks": True, "keep": 7},
    "user only": {"blocks": True, "levels": [3]}, "a range": {"blocks": True, "within": range(0xC0101000, 0xC0102000)},
}


@pytest.fixture(scope="module")
def preempt() -> Image:
    return load("preempt")


def boot(image: Image, profile: str = "unit") -> Machine:
    return Machine.boot(image, cpu=profile)


def watched(image: Image, profile: str = "unit", **options: Any) -> tuple[Machine, Monitor]:
    machine = boot(image, profile)
    with Monitor(machine, **options) as monitor:
        machine.run(max_cycles=CYCLES)
    return machine, monitor


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("profile", ["unit", "p5-166", "p3-500", "p4-1800"])
def test_a_watched_run_is_the_same_run(preempt: Image, profile: str, mode: str) -> None:
    plain = boot(preempt, profile)
    plain.run(max_cycles=CYCLES)
    marks = [preempt.symbols.address(name) for name in ("sched_pick", "console_wait")]
    machine, _ = watched(preempt, profile, marks=marks, **MODES[mode])
    assert difference(state(plain), state(machine)) == {}


@pytest.mark.parametrize("profile", profiles())
def test_crossings_are_those_that_the_counters_count(preempt: Image, profile: str) -> None:
    machine = boot(preempt, profile)
    with Monitor(machine) as monitor:
        machine.run()
    counters = machine.counters
    kinds = Counter(Kind(kind) for kind in monitor.crossings["kind"])
    outer = (monitor.crossings["kind"] == Kind.IRET) & (levels(monitor.crossings, 0) > levels(monitor.crossings, 1))
    traps = Counter(monitor.crossings["vector"][np.isin(monitor.crossings["kind"], (2, 3, 4))].tolist())
    assert (kinds[Kind.BEGIN], kinds[Kind.END]) == (1, 1)
    assert kinds[Kind.INTERRUPT] == sum(counters.irqs.values()) > 5
    assert traps == counters.traps
    assert (kinds[Kind.SYSENTER], kinds[Kind.SYSEXIT]) == (counters.crossings.get("sysenter", 0),
                                                           counters.crossings.get("sysexit", 0))
    assert int(outer.sum()) == counters.crossings["iret"]


def levels(crossings: Any, before: int) -> Any:
    """CPL behind each crossing, or before it."""
    return crossings["space"] >> 2 * before & 3


def test_every_crossing_begins_at_the_level_where_the_last_one_ended(preempt: Image) -> None:
    _, monitor = watched(preempt, "p3-500")
    crossings = monitor.crossings
    assert len(crossings) > 10
    assert (levels(crossings, 0)[:-1] == levels(crossings, 1)[1:]).all()
    assert (np.diff(crossings["cycle"]) >= 0).all() and (np.diff(crossings["instructions"]) >= 0).all()


def test_a_system_call_by_interrupt_is_written_with_where_it_came_from(preempt: Image) -> None:
    machine = boot(preempt)
    with Monitor(machine) as monitor:
        machine.run()
    enter = monitor.crossings[monitor.crossings["kind"] == Kind.SYSENTER][0]
    handler, syscall = machine.address("sysenter_entry"), preempt.programs["ping"]
    assert int(enter["to"]) == handler
    assert syscall.name(int(enter["from"])).startswith("syscall_by_sysenter+")
    assert enter["space"] & (Bits.TO | Bits.FROM) == Bits.FROM      # from 3 to 0
    assert enter["space"] & Bits.IF_FROM and not enter["space"] & Bits.IF_TO
    assert enter["line"] == NO_LINE


@pytest.mark.parametrize("profile", ["unit", "p3-500", "k7-550", "p4-1800"])
def test_a_sysenter_is_written_as_it_begins(preempt: Image, profile: str) -> None:
    machine = boot(preempt, profile)
    with Monitor(machine) as monitor:
        machine.run()
    enter = monitor.crossings[monitor.crossings["kind"] == Kind.SYSENTER][3]
    stepped = boot(preempt, profile)
    stepped.run(max_instructions=int(enter["instructions"]))
    before, at = stepped.counters, stepped.cpu.linear_eip
    stepped.step()
    spent = stepped.counters - before
    assert (at, before.cycles) == (enter["from"], enter["cycle"]) and spent.cycles == enter["cost"]
    for cause in ("transition", "cache", "tlb", "branch", "bus"):
        assert enter[cause] == getattr(before, f"{cause}_cycles") % (1 << 32), cause


def test_the_rest_of_a_block_is_written_if_listening_begins_there(preempt: Image) -> None:
    machine = boot(preempt)
    machine.run(until="sched_ready")
    machine.step(2)                                     # sched_ready begins with a block of four instructions
    with Monitor(machine, blocks=True) as monitor:
        machine.run(max_instructions=10)
    first = monitor.blocks[0]
    assert (first["pc"], first["size"]) == (machine.address("sched_ready") + 14, 9)


@pytest.mark.parametrize("profile", ["unit", "p3-500"])
def test_an_interrupt_knows_its_line_and_how_long_it_waited(preempt: Image, profile: str) -> None:
    machine, monitor = watched(preempt, profile)
    interrupts = monitor.crossings[monitor.crossings["kind"] == Kind.INTERRUPT]
    assert set(interrupts["line"]) == {0} and set(interrupts["vector"]) == {0x20}
    period = round(machine.profile.clock / 1000)        # the kernel's tick is a millisecond
    asserted = interrupts["cycle"] - interrupts["waited"]
    assert (np.abs(np.diff(asserted) - period) <= period // 100 + 2).all()
    assert (interrupts["cost"] > 0).all()


def test_a_page_fault_has_its_error_code(preempt: Image) -> None:
    machine = boot(preempt)
    with Monitor(machine) as monitor:
        machine.run()
    fault = monitor.crossings[monitor.crossings["kind"] == Kind.EXCEPTION]
    assert fault["vector"].tolist() == [14]
    assert fault["error"].tolist() == [4]               # a read by ring 3, where nothing is


def test_a_block_that_is_left_early_is_written_once(preempt: Image) -> None:
    _, monitor = watched(preempt, "p3-500", blocks=True)
    begun = list(zip(monitor.blocks["instructions"].tolist(), monitor.blocks["pc"].tolist(), strict=True))
    assert len(begun) == len(set(begun)) > 20_000


def test_blocks_cover_every_instruction(preempt: Image) -> None:
    """The instruction counts of records and the blocks' own lengths agree with a run that is stepped."""
    machine = boot(preempt)
    machine.run(max_instructions=20_000)
    with Monitor(machine, blocks=True) as monitor:
        machine.run(max_instructions=3_000)
    stepped = boot(preempt)
    stepped.run(max_instructions=20_000)
    visited = []
    for _ in range(3_000):
        visited.append((stepped.cpu.state.instructions, stepped.cpu.state.cycles, stepped.cpu.linear_eip))
        stepped.step()
    by_count = {count: (cycle, pc) for count, cycle, pc in visited}
    blocks = monitor.blocks
    assert len(blocks) > 200
    for record in blocks:
        assert by_count[int(record["instructions"])] == (int(record["cycle"]), int(record["pc"]))
    starts = [*blocks["instructions"].tolist(), 23_000]
    for record, end in zip(blocks, starts[1:], strict=True):
        for count in range(int(record["instructions"]), end):
            assert record["pc"] <= by_count[count][1] < record["pc"] + record["size"]


def test_a_mark_is_written_wherever_it_lies_in_a_block(preempt: Image) -> None:
    """Each byte of the kernel to which the run comes is marked; the marks are then the trace of a stepped run."""
    stepped = boot(preempt)
    stepped.run(until="sched_pick")
    expected = []
    for _ in range(500):
        if stepped.cpu.linear_eip >= 0xC0100000:
            expected.append((stepped.cpu.state.instructions, stepped.cpu.state.cycles, stepped.cpu.linear_eip))
        stepped.step()
    places = {at for _, _, pc in expected for at in range(pc, pc + 15)}     # what lies within instructions, too
    machine = boot(preempt)
    machine.run(until="sched_pick")
    with Monitor(machine, marks=places) as monitor:
        machine.run(max_instructions=500)
    marks = monitor.crossings[monitor.crossings["kind"] == Kind.MARK]
    assert [(int(each["instructions"]), int(each["cycle"]), int(each["to"])) for each in marks] == expected
    assert len(expected) > 30


def test_the_last_records_are_the_end_of_all_records(preempt: Image) -> None:
    _, everything = watched(preempt, blocks=True)
    _, last = watched(preempt, blocks=True, keep=7)
    assert (last.crossings == everything.crossings[-7:]).all()
    assert (last.blocks == everything.blocks[-7:]).all()
    assert last.first_block == len(everything.blocks) - 7


def test_filters_leave_out_the_rest(preempt: Image) -> None:
    _, everything = watched(preempt, blocks=True)
    _, user = watched(preempt, blocks=True, levels=[3])
    both = everything.crossings, everything.blocks
    assert (user.blocks["pc"] == both[1]["pc"][levels(both[1], 0) == 3]).all()
    space = int(user.blocks["space"][0]) & 0xFFFFF000
    _, one = watched(preempt, blocks=True, space=space)
    assert set(one.blocks["space"] & 0xFFFFF000) == {space}
    assert len(one.blocks) == int((both[1]["space"] & 0xFFFFF000 == space).sum()) > 0
    within = range(0xC0101000, 0xC0102000)
    _, some = watched(preempt, blocks=True, within=within)
    assert len(some.blocks) == sum(int(pc) in within for pc in both[1]["pc"]) > 0
    assert all(int(each["from"]) in within or int(each["to"]) in within for each in some.crossings)


def test_idle_time_is_written_as_long_as_it_is() -> None:
    machine, monitor = watched(sleeping())
    idle = monitor.crossings[monitor.crossings["kind"] == Kind.IDLE]
    assert int(idle["cost"].astype(np.int64).sum()) == machine.idle_cycles > CYCLES // 2
    assert (idle["cycle"][1:] >= idle["cycle"][:-1] + idle["cost"][:-1]).all()


def test_causes_of_the_whole_run_are_those_of_the_counters(preempt: Image) -> None:
    machine, monitor = watched(preempt, "p3-500")
    begin, end = monitor.crossings[0], monitor.crossings[-1]
    counters = machine.counters
    for cause in ("transition", "cache", "tlb", "branch", "bus"):
        assert int(end[cause]) - int(begin[cause]) == getattr(counters, f"{cause}_cycles") % (1 << 32)


def test_a_sink_gets_all_records_in_order(preempt: Image) -> None:
    class Sink:
        def __init__(self) -> None:
            self.parts: dict[str, list[Any]] = {"crossings": [np.zeros(0, CROSSING)], "blocks": [np.zeros(0, BLOCK)]}

        def crossings(self, records: Any) -> None:
            self.parts["crossings"].append(records.copy())

        def blocks(self, records: Any) -> None:
            self.parts["blocks"].append(records.copy())

    sink = Sink()
    _, monitor = watched(preempt, blocks=True, sink=sink)
    _, kept = watched(preempt, blocks=True)
    assert (np.concatenate(sink.parts["crossings"]) == kept.crossings).all()
    assert (np.concatenate(sink.parts["blocks"]) == kept.blocks).all()
    with pytest.raises(ValueError, match="sink"):
        _ = monitor.crossings


def test_what_a_sink_raises_ends_the_run(preempt: Image) -> None:
    class Full:
        def crossings(self, records: Any) -> None:
            raise OSError("no space")

        blocks = crossings

    machine = boot(preempt)
    monitor = Monitor(machine, blocks=True, sink=Full())
    monitor.start()
    with pytest.raises(OSError, match="no space"):
        machine.run(max_cycles=CYCLES)


def test_a_sink_that_fails_leaves_the_machine_free(preempt: Image) -> None:
    class Full:
        def crossings(self, records: Any) -> None:
            raise OSError("no space")

        blocks = crossings

    machine = boot(preempt)
    with pytest.raises(OSError, match="no space"), Monitor(machine, blocks=True, sink=Full()):
        machine.run(max_cycles=1000)
    with Monitor(machine) as again:
        machine.run(max_cycles=1000)
    assert again.crossings["kind"].tolist() == [Kind.BEGIN, Kind.END]


def test_one_machine_has_one_monitor_at_a_time(preempt: Image) -> None:
    machine = boot(preempt)
    with Monitor(machine), pytest.raises(ValueError, match="already"):
        Monitor(machine).start()
    with Monitor(machine) as again:
        machine.run(max_cycles=1000)
    assert again.crossings["kind"].tolist() == [Kind.BEGIN, Kind.END]


@pytest.mark.parametrize("keep", [0, -1, 1 << 40])
def test_a_number_of_records_out_of_range_is_refused(preempt: Image, keep: int) -> None:
    with pytest.raises(ValueError, match=f"keep={keep}"):
        Monitor(boot(preempt), keep=keep)


@pytest.mark.parametrize("profile", ["unit", "p3-500"])
@pytest.mark.parametrize("vector", [0x0E, 0x20])
def test_a_run_stops_behind_the_delivery_of_a_vector(preempt: Image, profile: str, vector: int) -> None:
    plain = boot(preempt, profile)
    plain.run()
    machine = boot(preempt, profile)
    result = machine.run(vectors=[vector])
    assert (result.reason, result.detail) == (Reason.VECTOR, f"vector {vector}")
    assert machine.cpu.cpl == 0 and result.traps[vector] == 1
    assert result.where.startswith("vector_stubs")
    machine.run()
    assert difference(state(plain), state(machine)) == {}


def test_a_run_stops_at_the_first_of_several_places(preempt: Image) -> None:
    machine = boot(preempt)
    places = ["machine_end", "sched_pick", machine.address("sched_tick")]
    assert machine.run(until=places).where in ("sched_pick", "sched_tick")
