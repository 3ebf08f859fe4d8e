"""Breakpoints and watchpoints beside what stepping finds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.monitor.inspect import threads
from emu.monitor.stops.breakpoints import Access, BreakpointError, Breakpoints, Kind
from emu.monitor.stops.expressions import ExpressionError
from emu.monitor.travel.timeline import Timeline
from emu.result import Reason

sys.path.insert(0, str(Path(__file__).parent.parent / "cpu"))

from cutting import difference, state

CYCLES = 6_000_000          # far into `preempt`, with some ticks and switches
ENDS = {"unit": 2_100_000, "p3-500": CYCLES}            # behind some ticks, and not behind many


@pytest.fixture(params=["unit", "p3-500"])
def machine(request: pytest.FixtureRequest) -> Machine:
    """`preempt` at its first instruction."""
    return Machine.boot("preempt", cpu=request.param)


@pytest.fixture
def points(machine: Machine) -> Breakpoints:
    """Its breakpoints."""
    return Breakpoints(Timeline(machine))


def numbers(stop: object) -> list[int]:
    """Which breakpoints a run has stopped at."""
    return [point.number for point in stop.breakpoints]     # type: ignore[attr-defined]


# Places

@pytest.mark.parametrize(("place", "kind", "count"), [
    ("vector 0x20", Kind.VECTOR, 32), ("#pf", Kind.VECTOR, 14), ("cycle 1_000", Kind.CYCLE, 1000),
    ("instruction 5", Kind.INSTRUCTION, 5), ("0x1000", Kind.ADDRESS, 0)])
def test_places_that_are_no_symbols(points: Breakpoints, place: str, kind: Kind, count: int) -> None:
    point = points.add(place)
    assert (point.kind, point.count) == (kind, count)


def test_a_place_may_be_a_source_line(points: Breakpoints, machine: Machine) -> None:
    line = machine.image.lines.find(machine.address("sched_tick"))[1]      # type: ignore[union-attr,index]
    assert points.add(f"sched.asm:{line}").addresses == (machine.address("sched_tick"),)


@pytest.mark.parametrize(("place", "words"), [
    ("nowhere", "'nowhere' is neither a register nor a symbol"), ("vector 256", "vectors are 0 to 255"),
    ("cycle many", "'many' is not a number"), ("sched.asm:9999", "no code comes from sched.asm:9999"),
    ("", "not a place"), ("ping:nowhere", "'ping:nowhere'"), ("__import__('os')", "not a place")])
def test_a_wrong_place_is_one_line(points: Breakpoints, place: str, words: str) -> None:
    with pytest.raises(BreakpointError, match=words.replace("(", r"\(")) as error:
        points.add(place)
    assert "\n" not in str(error.value)
    assert len(points) == 0


# Stopping

def test_a_run_stops_where_a_breakpoint_is_and_goes_on(points: Breakpoints, machine: Machine) -> None:
    point = points.add("timer_interrupt")
    ticks = []
    for _ in range(3):
        assert numbers(points.run()) == [point.number]
        assert machine.cpu.linear_eip == machine.address("timer_interrupt")
        ticks.append(machine.irqs[0])
    assert ticks == [1, 2, 3]
    assert point.hits == 3


def test_a_condition_and_an_ignore_count_pass_over_stops(points: Breakpoints, machine: Machine) -> None:
    points.add("timer_interrupt", condition="[clock_ticks] >= 2", ignore=1)
    points.run()
    assert machine.irqs[0] == 4


def test_a_breakpoint_of_a_program_stops_in_that_program(points: Breakpoints, machine: Machine) -> None:
    points.add("pong:main")
    points.run()
    assert threads.current(machine).name == "pong"          # type: ignore[union-attr]
    assert machine.console.count(b"pong") == 0


def test_a_breakpoint_of_a_program_costs_nothing_while_another_runs_the_same_code(points: Breakpoints,
                                                                                  machine: Machine) -> None:
    points.timeline.run(until="timer_interrupt")
    points.add("pong:main+0xf")                             # in the loop that ping runs, too
    stops = []
    run = machine.run
    machine.run = lambda **limits: stops.append(1) or run(**limits)     # type: ignore
    points.run()
    assert threads.current(machine).name == "pong" and len(stops) < 20  # type: ignore[union-attr]


def test_a_temporary_breakpoint_stops_once(points: Breakpoints) -> None:
    points.add("timer_interrupt", temporary=True)
    assert len(points.run().breakpoints) == 1
    assert points.run(max_cycles=CYCLES).result.reason == Reason.CYCLES
    assert len(points) == 0


def test_a_breakpoint_where_a_run_ends_otherwise_is_met_there_and_not_again(points: Breakpoints) -> None:
    points.timeline.run(until="sched_tick")
    point = points.add("sched_tick + 7")                    # behind the next instruction
    assert numbers(points.run(max_instructions=1)) == [point.number]
    assert points.run(max_instructions=50).breakpoints == ()
    assert point.hits == 1


def test_a_disabled_or_deleted_breakpoint_does_not_stop(points: Breakpoints) -> None:
    points.add("timer_interrupt").enabled = False
    points.delete(points.add("vector 0x20").number)
    assert points.run(max_cycles=CYCLES).result.reason == Reason.CYCLES
    with pytest.raises(KeyError, match="no breakpoint 2: there are 1"):
        points.delete(2)


def test_cycle_and_instruction_are_the_first_boundary_at_or_behind(points: Breakpoints, machine: Machine) -> None:
    points.add("cycle 10000")
    points.add("instruction 20000")
    assert numbers(points.run()) == [1]
    assert 10_000 <= machine.cpu.state.cycles < 10_400
    assert numbers(points.run()) == [2]
    assert machine.cpu.state.instructions == 20_000


def test_a_vector_stops_in_front_of_the_handler(points: Breakpoints, machine: Machine) -> None:
    points.add("#PF")
    stop = points.run()
    assert numbers(stop) == [1] and stop.result.reason == Reason.VECTOR
    assert machine.cpu.linear_eip == machine.address("vector_stubs") + 14 * 16


def test_limits_end_a_run_that_breakpoints_do_not_stop(points: Breakpoints, machine: Machine) -> None:
    points.add("timer_interrupt", condition="0")
    assert points.run(max_instructions=3_000_000).result.reason == Reason.INSTRUCTIONS
    assert machine.cpu.state.instructions == 3_000_000


def test_a_condition_without_a_value_is_one_line(points: Breakpoints) -> None:
    points.add("start", condition="[0xF0000000] == 1")
    with pytest.raises(ExpressionError, match="no memory at 0xf0000000"):
        points.run()
    with pytest.raises(ExpressionError, match="'nonsense' is neither"):
        points.add("start", condition="nonsense")
    assert len(points) == 1


# Backward

def test_backward_is_what_forward_passed_last(points: Breakpoints, machine: Machine) -> None:
    points.add("timer_interrupt")
    points.add("vector 0x20", condition="[clock_ticks] == 1")
    points.add("cycle 2000000")
    passed, end = [], ENDS[machine.profile.name]
    while points.timeline.position.cycles < end:
        stop = points.run(max_cycles=end - points.timeline.position.cycles)
        passed.append((points.timeline.position, numbers(stop)))
    assert passed.pop()[1] == []
    assert len(passed) > 3
    for position, met in reversed(passed):
        assert numbers(points.reverse()) == met
        assert points.timeline.position == position
    assert points.reverse().result.detail == "the beginning"
    assert points.timeline.position == points.timeline.start


# Watching

def test_writes_are_those_that_stepping_sees(machine: Machine, points: Breakpoints) -> None:
    points.timeline.run(until="space_create")
    begin = points.timeline.position
    at, changes = machine.address("frames_used"), []
    value = machine.cpu.read_linear(at, 4)
    while len(changes) < 6:
        before = points.timeline.position
        points.timeline.step()
        now = machine.cpu.read_linear(at, 4)
        if now != value:
            changes.append((before, points.timeline.position))
        value = now
    points.timeline.goto(begin)
    points.watch("frames_used")
    for _, after in changes:
        while True:
            stop = points.run()
            if any(hit.before != hit.after for hit in stop.hits):
                break
        assert points.timeline.position == after
        assert int.from_bytes(machine.cpu.read_linear(at, 4), "little") == stop.hits[-1].after
    for before, _ in reversed(changes):
        while True:
            stop = points.reverse()
            if any(hit.before != hit.after for hit in stop.hits):
                break
        assert points.timeline.position == before


def test_reads_and_writes_are_told_apart(machine: Machine, points: Breakpoints) -> None:
    points.timeline.run(until="timer_interrupt")
    points.watch("clock_ticks", access=Access.READ)
    stop = points.run()
    assert [hit.is_write for hit in stop.hits] == [False]
    points.delete(1)
    points.watch("clock_ticks + 1", size=1, access=Access.ANY)
    stop = points.run()
    assert {hit.linear for hit in stop.hits} == {machine.address("clock_ticks")}
    assert machine.where().startswith(("timer_interrupt", "sleep_tick", "sys_sleep"))


def test_the_kernels_memory_can_be_watched_before_paging_is_on(machine: Machine, points: Breakpoints) -> None:
    points.watch("clock_ticks")
    assert [hit.after for hit in points.run().hits] == [1]
    assert machine.where() == "timer_interrupt+0x1d"


def test_a_watch_with_a_condition_passes_over_accesses(machine: Machine, points: Breakpoints) -> None:
    points.timeline.run(until="timer_init")
    points.watch("clock_ticks", condition="[clock_ticks] == 3")
    assert [hit.after for hit in points.run().hits] == [3]


def test_what_is_not_there_cannot_be_watched(points: Breakpoints) -> None:
    with pytest.raises(BreakpointError, match="nothing to watch at 0x10000000: no RAM is there"):
        points.watch("0x10000000")
    points.timeline.run(until="sched_tick")
    with pytest.raises(BreakpointError, match="nothing to watch at 0x0: no page is there"):
        points.watch("0")
    with pytest.raises(BreakpointError, match="watchpoint of 0 bytes"):
        points.watch("clock_ticks", size=0)


def test_stopping_and_watching_change_nothing(machine: Machine, points: Breakpoints) -> None:
    other = Machine.boot("preempt", cpu=machine.profile)
    other.run(max_cycles=CYCLES)
    points.add("timer_interrupt", condition="eax == 1")
    points.add("vector 0x80")
    points.timeline.run(until="timer_init")
    points.watch("clock_ticks", access=Access.ANY)
    points.watch("sched_head", condition="0")
    while points.timeline.position.cycles < CYCLES:
        points.run(max_cycles=CYCLES - points.timeline.position.cycles)
    assert not difference(state(machine), state(other))
