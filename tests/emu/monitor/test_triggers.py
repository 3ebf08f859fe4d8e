"""Triggers and recording: what is recorded is a part of what a whole recording has, and the run stays the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.crossings import Bits, Kind
from emu.machine import Machine
from emu.monitor.names import Names
from emu.monitor.paths.paths import path
from emu.monitor.trace.file import Trace, TraceWriter
from emu.monitor.trace.tracing import Tracing, head_of, record
from emu.monitor.trace.triggers import Run, TriggerError, trigger
from emu.result import Reason
from loader.boot import load
from loader.image import Image
from tests.emu.cpu.cutting import difference, state

CYCLES = 9_000_000


@pytest.fixture(scope="module")
def preempt() -> Image:
    return load("preempt")


@pytest.fixture(scope="module")
def names(preempt: Image) -> Names:
    return Names.of(preempt)


@pytest.fixture(scope="module")
def whole(preempt: Image) -> tuple[Trace, Any]:
    """Everything, and the state of the machine behind it."""
    machine = Machine.boot(preempt)
    trace, _ = record(machine, blocks=True, max_cycles=CYCLES)
    assert trace is not None
    return trace, state(machine)


def part(image: Image, names: Names, **options: Any) -> tuple[Trace, Machine]:
    machine = Machine.boot(image)
    for name in ("start", "stop", "before"):
        if name in options:
            options[name] = trigger(options[name], names)
    trace, _ = record(machine, blocks=True, max_cycles=CYCLES, **options)
    assert trace is not None
    return trace, machine


def rows(records: Any, *, but: tuple[str, ...] = ("blocks",)) -> list[Any]:
    """Records without those that say where recording began and ended."""
    fields = [name for name in records.dtype.names if name not in but]
    if "kind" in fields:
        records = records[~np.isin(records["kind"], (Kind.BEGIN, Kind.END))]
    return [tuple(row) for row in records[fields].tolist()]


@pytest.mark.parametrize("options", [
    {"start": "sys_write"}, {"start": "sys_write", "stop": "vector 0x20"}, {"start": "#PF", "stop": "cycle 4_000_000"},
    {"start": "cycle 1_000_000", "stop": "instruction 3_000_000"}, {"stop": "ping:main"}, {"start": "irq 0", "times": 3,
                                                                                           "stop": "trap_exit"}])
def test_what_is_recorded_is_a_part_of_the_whole_and_the_run_is_the_same(
        preempt: Image, names: Names, whole: tuple[Trace, Any], options: dict[str, Any]) -> None:
    trace, machine = part(preempt, names, **options)
    assert difference(whole[1], state(machine)) == {}
    everything = set(rows(whole[0].crossings))
    assert set(rows(trace.crossings)) <= everything
    # A block that recording begins within is seen from there on, and near its ends fewer turns of a loop are skipped;
    # the others are those of the whole.
    starts = set(whole[0].crossings["instructions"].tolist()) | set(
        trace.crossings["instructions"][trace.crossings["kind"] == Kind.BEGIN].tolist())
    strange = set(rows(trace.blocks)) - set(rows(whole[0].blocks))
    again = whole[0].blocks["pc"][1:][whole[0].blocks["pc"][1:] == whole[0].blocks["pc"][:-1]]
    assert {row[1] for row in strange if row[2] not in set(again.tolist())} <= starts
    assert len(trace.blocks) > 0


def test_recording_begins_and_ends_in_front_of_the_instruction_that_was_named(preempt: Image, names: Names) -> None:
    trace, _ = part(preempt, names, start="sys_write", stop="console_write")
    begin, end = (trace.crossings[trace.crossings["kind"] == kind] for kind in (Kind.BEGIN, Kind.END))
    assert len(begin) == len(end) > 1
    assert set(begin["to"]) == {names.symbols.address("sys_write")}
    assert set(end["to"]) == {names.symbols.address("console_write")}


def test_segments_are_told_apart_in_the_order_of_blocks_and_crossings(preempt: Image, names: Names) -> None:
    trace, _ = part(preempt, names, start="sys_write", stop="console_write")
    order = trace.merged()
    cycles = [int(trace.crossings["cycle"][at] if at >= 0 else trace.blocks["cycle"][~at]) for at in order.tolist()]
    assert cycles == sorted(cycles)
    kinds = [Kind(trace.crossings["kind"][at]) if at >= 0 else None for at in order.tolist()]
    assert kinds[0] == Kind.BEGIN and kinds[-1] == Kind.END
    inside = False
    for kind in kinds:
        if kind in (Kind.BEGIN, Kind.END):
            assert inside == (kind == Kind.END)
            inside = not inside
        assert inside or kind == Kind.END


def test_recording_at_most_so_many_times_ends_there(preempt: Image, names: Names) -> None:
    trace, machine = part(preempt, names, start="sys_write", stop="console_write", times=1)
    assert int((trace.crossings["kind"] == Kind.BEGIN).sum()) == 1
    assert machine.cpu.state.cycles >= CYCLES


def test_the_last_before_an_event_are_the_last(preempt: Image, names: Names, whole: tuple[Trace, Any]) -> None:
    trace, machine = part(preempt, names, before="#PF", last=5)
    everything = whole[0].crossings
    fault = np.flatnonzero(everything["kind"] == Kind.EXCEPTION)[0]
    assert rows(trace.crossings) == rows(everything[:fault + 1])[-4:]       # the fifth is the END
    assert len(trace.blocks) == 5
    assert machine.cpu.linear_eip == everything["to"][fault]
    assert trace.end.ended.startswith("reached vector_stubs")


def test_a_run_that_does_not_get_there_has_its_own_end(preempt: Image, names: Names) -> None:
    trace, _ = part(preempt, names, before="machine_end", last=7)
    assert trace.end.ended == f"cycle limit: {CYCLES} cycles have passed, cycle {CYCLES}"
    assert len(trace.crossings) == 7


def test_a_program_that_is_named_is_the_one_that_runs_there(preempt: Image, names: Names) -> None:
    machine = Machine.boot(preempt)
    run = Run(machine, None, None, None)
    assert run.to(trigger("pong:main", names))
    trace, _ = part(preempt, names, before="pong:main", last=1)
    assert machine.cpu.state.cycles == trace.crossings["cycle"][-1]
    assert machine.where().startswith("ping:main or pong:main")
    assert record(machine, max_cycles=1)[0].end.threads.popitem()[1] == "pong (2)"      # type: ignore[union-attr]


def test_only_the_address_space_of_a_program_is_recorded(preempt: Image, names: Names) -> None:
    trace, _ = part(preempt, names, space="pong")
    spaces = {int(space) & 0xFFFFF000 for space in trace.blocks["space"]}
    assert [trace.end.spaces[space] for space in spaces] == ["pong"]


def test_only_a_ring_is_recorded(preempt: Image, names: Names, whole: tuple[Trace, Any]) -> None:
    trace, _ = part(preempt, names, levels=[3])
    assert rows(trace.blocks) == [row for row in rows(whole[0].blocks) if row[3] & Bits.TO == 3]


def test_a_path_alone_is_cut_out(preempt: Image, names: Names, whole: tuple[Trace, Any]) -> None:
    wanted = path("write", {"from": "sysenter", "to": "return"})
    trace, _ = part(preempt, names, along=wanted)
    pairs = wanted.occurrences(whole[0].crossings, names, whole[0].end.spaces)
    enters = trace.crossings[trace.crossings["kind"] == Kind.SYSENTER]
    assert enters["cycle"].tolist() == whole[0].crossings["cycle"][pairs[:, 0]].tolist()
    ranges = [tuple(whole[0].crossings["cycle"][pair].tolist()) for pair in pairs]
    wanted_blocks = [row for row in rows(whole[0].blocks) if any(a <= row[0] < b for a, b in ranges)]
    assert rows(trace.blocks) == wanted_blocks
    assert (np.diff(trace.merged()[:3]) != 0).all()


@pytest.mark.parametrize(("text", "words"), [
    ("sys_writ", "did you mean sys_write?"), ("vector 256", "a number from 0 to 255"), ("irq x", "give irq a number"),
    ("cycle -1", "cycle"), ("#XX", "no symbol")])
def test_a_trigger_that_makes_no_sense_is_one_line(names: Names, text: str, words: str) -> None:
    with pytest.raises(TriggerError) as caught:
        trigger(text, names)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"last": 3, "times": 1}, {"before": "sys_write"}, {"space": "nosuch"}])
def test_options_that_contradict_are_refused(preempt: Image, names: Names, options: dict[str, Any]) -> None:
    with pytest.raises(TriggerError):
        part(preempt, names, **options)


def test_a_trace_that_is_written_as_it_comes_is_the_one_in_memory(preempt: Image, names: Names, tmp_path: Any,
                                                                  whole: tuple[Trace, Any]) -> None:
    machine = Machine.boot(preempt)
    with TraceWriter(tmp_path / "a.trace", head_of(machine), names) as writer:
        assert record(machine, blocks=True, writer=writer, max_cycles=CYCLES)[0] is None
    other = Machine.boot(preempt)
    with Tracing(other, tmp_path / "b.trace", blocks=True) as tracing:
        tracing.result = other.run(max_cycles=CYCLES)
        assert tracing.result.reason == Reason.CYCLES
    for name in ("a", "b"):
        trace = Trace.open(tmp_path / f"{name}.trace")
        assert np.array_equal(trace.crossings, whole[0].crossings)
        assert np.array_equal(trace.blocks, whole[0].blocks)
        assert np.array_equal(trace.console, whole[0].console)
        assert (trace.end.threads, trace.end.spaces) == (whole[0].end.threads, whole[0].end.spaces)
    assert bytes(whole[0].console["byte"].astype(np.uint8)) == bytes(machine.console)
