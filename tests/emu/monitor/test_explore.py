"""The interrupt explorer: it finds what an interrupt breaks, nothing else, and what it says can be made again."""

from __future__ import annotations

import pytest
from cutting import state

from emu.machine import Machine
from emu.monitor.explore.explorer import Explorer
from emu.monitor.explore.scenario import Scenario, ScenarioError
from loader.boot import load
from loader.image import Image

RACE = load("race")


def at_window(image: Image | str = RACE, place: str = "count_up", cpu: str | None = None) -> Machine:
    machine = Machine.boot(image, cpu=cpu)
    assert machine.run(until=place).reason == "until"
    return machine


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    """The race, over the additions of the first thread."""
    return Explorer(Scenario(at_window()), to="race_wait")


def test_the_seeded_race_is_found_between_its_load_and_its_store_and_nowhere_else(explorer: Explorer) -> None:
    report = explorer.explore()
    add_one = RACE.symbols.address("add_one")
    assert {each.where for each in report.broken} == {"add_one+0x5", "add_one+0x8"}
    assert {each.reason for each in report.broken} == {"exit code 1 instead of 0"}
    assert explorer.scenario.machine.where(add_one + 5) == "add_one+0x5"
    assert [each.text for each in report.broken[:1]] == ["add eax, 1"] and report.broken[0].line is not None


def test_each_addition_of_the_first_thread_can_be_hit(explorer: Explorer) -> None:
    add_one = RACE.symbols.address("add_one")
    inside = {(boundary.instructions,) for boundary in explorer.window.open if boundary.address - add_one in (5, 8)}
    assert len(inside) == 16 and {each.ticks for each in explorer.explore().broken} == inside


def test_what_is_broken_breaks_again_and_again(explorer: Explorer) -> None:
    broken = explorer.explore(first=True).broken[0]
    assert explorer.scenario.broken(broken.ticks) == explorer.scenario.broken(broken.ticks) == broken.reason


@pytest.mark.parametrize("cpu", ["unit", "p3-500"])
def test_a_scenario_that_was_gone_through_before_is_the_same_as_one_that_was_not(cpu: str) -> None:
    used = Scenario(at_window(cpu=cpu))
    tick = Explorer(used, to="race_wait").window.open[40].instructions
    used.broken((tick - 3,))
    used.go((tick,), tick)
    fresh = Scenario(at_window(cpu=cpu))
    fresh.go((tick,), tick)
    assert state(used.machine) == state(fresh.machine)
    used.machine.run()
    fresh.machine.run()
    assert state(used.machine) == state(fresh.machine)


def test_the_open_boundaries_are_those_at_which_single_steps_find_interrupts_accepted(explorer: Explorer) -> None:
    scenario, machine = explorer.scenario, explorer.scenario.machine
    scenario.go((), scenario.start)
    counts, stepped, end = machine.cpu.state, [], RACE.symbols.address("race_wait")
    arrived = False
    while not arrived:
        arrived = machine.cpu.linear_eip == end
        if machine.cpu.accepts_interrupts:
            stepped.append((counts.instructions, machine.cpu.linear_eip))
        if not arrived:
            machine.step()
    inside = [tuple(boundary) for boundary in explorer.window.open if boundary.instructions <= counts.instructions]
    assert inside == stepped
    assert len(inside) + explorer.window.closed == counts.instructions - scenario.start + 1


def test_a_tick_at_a_closed_boundary_does_what_one_at_the_next_open_one_does() -> None:
    explorer = Explorer(Scenario(at_window()), to="race_end")
    scenario = explorer.scenario
    pairs = [(first.instructions + 1, second.instructions) for first, second in
             zip(explorer.window.open, explorer.window.open[1:], strict=False)
             if second.instructions > first.instructions + 2]
    assert pairs
    for closed, opened in pairs[:3]:
        ends = []
        for tick in (closed, opened):
            scenario.go((tick,), tick)
            result = scenario.machine.run()
            ends.append((result.exit_code, result.traps))
        assert ends[0] == ends[1]


def test_a_check_says_what_breaks() -> None:
    def everything_was_counted(machine: Machine) -> None:
        counter = machine.cpu.read_linear(machine.address("counter"), 4)
        assert int.from_bytes(counter, "little") == 16, "counts are lost"

    scenario = Scenario(at_window(), until="race_end", check=everything_was_counted)
    report = Explorer(scenario, to="race_wait").explore()
    assert {each.reason for each in report.broken} == {"check: counts are lost"} and len(report.broken) == 16


def test_arriving_at_a_place_can_be_what_breaks() -> None:
    scenario = Scenario(at_window(), broken_at=["race_end+0x46"], exit_code=0)
    with pytest.raises(ScenarioError, match="breaks without a tick"):
        Scenario(at_window(), broken_at=["race_end"])
    assert scenario.start


def test_a_window_without_interrupts_is_refused() -> None:
    with pytest.raises(ScenarioError, match="accepts no interrupt anywhere"):
        Explorer(Scenario(at_window(place="race_end")))


def test_a_window_before_the_timer_runs_is_refused() -> None:
    machine = Machine.boot("hello")
    machine.run(until="start")
    with pytest.raises(ScenarioError, match="the timer does not run"):
        Scenario(machine)


def test_pairs_leave_out_what_one_tick_breaks_alone_and_shrink_to_what_is_needed(explorer: Explorer) -> None:
    report = explorer.explore(depth=2, sample=60, seed=1)
    alone = {each.ticks[0] for each in report.broken if len(each.ticks) == 1}
    pairs = [each for each in report.broken if len(each.ticks) == 2]
    assert report.tried == len(explorer.window.open) + 60
    assert pairs and not {first for (first, _) in (each.ticks for each in pairs)} & alone
    smallest = explorer.shrink(pairs[0])
    assert smallest.ticks[0] == pairs[0].ticks[0] and smallest.ticks[1] <= pairs[0].ticks[1]
    assert not any(explorer.attempt((tick,)) for tick in smallest.ticks)


def test_a_tick_that_is_not_needed_is_dropped(explorer: Explorer) -> None:
    alone = explorer.explore(first=True).broken[0]
    both = explorer.attempt((*alone.ticks, explorer.window_behind(alone.ticks).open[3].instructions))
    assert both and explorer.shrink(both) == alone


def test_samples_are_chosen_by_their_seed(explorer: Explorer) -> None:
    def tried(seed: int) -> list[object]:
        seen: list[object] = []
        explorer.explore(sample=5, seed=seed, told=lambda done, total: seen.append(explorer.scenario.machine.clock.now))
        return seen

    assert tried(1) == tried(1) != tried(2)


def test_our_kernel_bears_a_tick_anywhere_on_the_way_to_a_system_call() -> None:
    machine = Machine.boot("hello", memory=4 << 20)
    machine.run(until=machine.image.programs["hello"].address("main") if machine.image else ())
    report = Explorer(Scenario(machine, broken_at=["panic"]), to="syscall_dispatch").explore(sample=25)
    assert report.tried == 25 and not report.broken
