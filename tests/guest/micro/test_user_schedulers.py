"""Schedulers at user level (`uls`): the root scheduler's policies, a lower scheduler, and what happens when it fails.

The programs are in user/ and guest/user; what a test has to know of them stands at their top.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("user")))

from rooted import ENOUGH, Program, Run, image, run

from emu.machine import Machine
from emu.monitor.explore.explorer import Explorer
from emu.monitor.explore.scenario import Scenario
from emu.monitor.inspect.pages import AddressSpace
from emu.result import Reason
from guest.abi.cpu import Vector
from guest.abi.hardware import Pit
from guest.abi.root import WATCH, Watchdog

TICK_HZ = 1000
LATENCY = 0.03          # ticks from the interrupt until the root scheduler knows what it has interrupted
WORKERS = [f"lower: worker {worker}, {turn} of 3" for worker in (1, 2, 3) for turn in (1, 2, 3)]
TAKEN_OVER = "lower: its scheduler dispatches nobody: the root scheduler takes over"


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where manifests go: one place, so that the root task is assembled once."""
    return tmp_path_factory.mktemp("images")


def counts(name: str) -> list[str]:
    """The lines of guest/user/count.asm."""
    return [f"{name}: {turn} of 5" for turn in range(1, 6)]


def before(done: Run, first: str, then: str) -> bool:
    """Did one line come before another?"""
    return done.lines.index(first) < done.lines.index(then)


def tick(machine: Machine) -> float:
    """Cycles of a tick."""
    return machine.clock.frequency * round(Pit.PIT_HZ / TICK_HZ) / Pit.PIT_HZ


def test_programs_that_never_yield_advance_alike_under_round_robin(directory: Path) -> None:
    names = ["one", "two", "three"]
    done = run(image(directory, "uls", *(Program(name, "count") for name in names)))
    assert sorted(done.lines) == sorted(line for name in names for line in counts(name))
    for turn in range(1, 5):
        for name in names:
            for other in names:
                assert before(done, f"{name}: {turn} of 5", f"{other}: {turn + 1} of 5")


def test_the_kernels_own_scheduler_lets_programs_advance_alike(directory: Path) -> None:
    names = ["one", "two"]
    done = run(image(directory, "l4", *(Program(name, "count") for name in names)))
    assert all(before(done, f"{name}: {turn} of 5", f"{other}: {turn + 1} of 5")
               for turn in range(1, 5) for name in names for other in names)


def test_a_higher_priority_runs_first_and_to_its_end(directory: Path) -> None:
    programs = [Program(name, "count", str(priority)) for name, priority in (("low", 5), ("high", 20), ("middle", 10))]
    done = run(image(directory, "uls", *programs, policy="sched_fixed_priority"))
    assert done.lines == counts("high") + counts("middle") + counts("low")


def test_equal_priorities_take_turns(directory: Path) -> None:
    done = run(image(directory, "uls", Program("one", "count", "7"), Program("two", "count", "7 and more"),
                     policy="sched_fixed_priority"))
    assert all(before(done, f"{name}: {turn} of 5", f"{other}: {turn + 1} of 5")
               for turn in range(1, 5) for name in ("one", "two") for other in ("one", "two"))


def test_a_sleeper_of_high_priority_takes_the_processor_at_its_tick(directory: Path) -> None:
    done = run(image(directory, "uls", Program("sleeper", arguments="20"), Program("hog", "count", "3"),
                     policy="sched_fixed_priority"))
    assert done.lines == ["sleeper: the ticks that were asked for"] * 2 + counts("hog")


def test_a_lower_scheduler_gets_slices_and_shares_them_out(directory: Path) -> None:
    done = run(image(directory, "uls", Program("lower", more=("fail_never",)), Program("ping", "count"),
                     Program("pong", "count")))
    assert sorted(done.lines) == sorted(WORKERS + counts("ping") + counts("pong"))
    for turn in (1, 2):                        # its three workers advance alike
        for worker in (1, 2, 3):
            for other in (1, 2, 3):
                assert before(done, f"lower: worker {worker}, {turn} of 3", f"lower: worker {other}, {turn + 1} of 3")
    last = max(done.lines.index(line) for line in WORKERS)      # 2.7 million turns of work, theirs are 5 million each
    for name in "ping", "pong":
        assert done.lines.index(f"{name}: 2 of 5") < last < done.lines.index(f"{name}: 4 of 5")


def test_two_lower_schedulers_share_alike_whatever_they_have_below(directory: Path) -> None:
    done = run(image(directory, "uls", Program("left", "lower", more=("fail_never",)),
                     Program("right", "lower", more=("fail_never",))))
    for turn in (1, 2):
        assert before(done, f"left: worker 1, {turn} of 3", f"right: worker 1, {turn + 1} of 3")
        assert before(done, f"right: worker 1, {turn} of 3", f"left: worker 1, {turn + 1} of 3")


def test_a_lower_scheduler_that_page_faults_at_every_dispatch_goes_on(directory: Path) -> None:
    done = run(image(directory, "uls", Program("lower", more=("fresh_pages",))))
    assert sorted(done.lines) == sorted(WORKERS)


def test_the_threads_of_a_scheduler_that_faults_go_on(directory: Path) -> None:
    done = run(image(directory, "uls", Program("lower", more=("fail_fault",)), Program("ping", "count")))
    assert done.lines[0].startswith("lower: page fault, write to 0x0, at 0x")
    assert sorted(done.lines[1:]) == sorted(WORKERS + counts("ping"))
    assert done.result.exit_code == 0


def test_the_threads_of_a_scheduler_that_ends_go_on(directory: Path) -> None:
    done = run(image(directory, "uls", Program("lower", more=("fail_end",)), Program("ping", "count")))
    assert sorted(done.lines) == sorted(WORKERS + counts("ping"))


def test_threads_whose_scheduler_was_of_a_program_that_has_ended_go_on(directory: Path) -> None:
    done = run(image(directory, "uls", "lender", "borrower"))
    assert done.lines == ["the lender goes", "done: worker 1", "done: worker 2", "both have gone on"]


def test_the_threads_of_a_scheduler_that_gets_stuck_go_on(directory: Path) -> None:
    done = run(image(directory, "uls", Program("lower", more=("fail_stuck",)), Program("ping", "count")))
    assert done.lines[0] == TAKEN_OVER
    assert sorted(done.lines[1:]) == sorted(WORKERS + counts("ping"))


def stuck(directory: Path, dispatches: int, *, since: float | None) -> float:
    """Ticks from when a lower scheduler gets stuck, after some dispatches, the last of them so far into this tick,
    until the root scheduler takes over. If `since` is None, it does not say that it is thinking.
    """
    booted = image(directory, "uls", Program("lower", more=("fail_stuck",)))
    machine, lower = Machine.boot(booted), booted.programs["lower"]
    for _ in range(dispatches + 1):
        assert machine.run(until=lower.address("fail"), max_cycles=ENOUGH).reason == Reason.UNTIL
    machine.cpu.registers.eip = lower.address("fail_stuck")
    watch = AddressSpace(machine).walk(lower.address("watch")).physical
    assert watch is not None
    machine.run(max_cycles=int((since or 0) * tick(machine)))
    begin = machine.clock.now
    for field, value in (("dispatches", dispatches + 1), ("since", 0 if since is None else begin & 0xFFFF_FFFF | 1)):
        machine.ram.write(watch + WATCH.offsets[field], value.to_bytes(4, "little"))
    place = booted.programs["root"].address("watchdog_adopt")
    assert machine.run(until=place, max_cycles=ENOUGH).reason == Reason.UNTIL
    taken = machine.clock.now
    assert machine.run(max_cycles=ENOUGH).exit_code == 0
    return (taken - begin) / tick(machine)


@pytest.mark.parametrize("since", [0, 0.3, 0.6, 0.8, 0.9])
@pytest.mark.parametrize("dispatches", [1, 4])
def test_a_stuck_scheduler_is_replaced_within_a_tick_of_overrunning_its_share(dispatches: int, since: float,
                                                                              directory: Path) -> None:
    assert stuck(directory, dispatches, since=since) < 1 + 1 / Watchdog.WATCH_SHARE + LATENCY


@pytest.mark.parametrize("dispatches", [0, 4])
def test_one_that_does_not_say_that_it_is_thinking_is_replaced_within_two(dispatches: int, directory: Path) -> None:
    assert stuck(directory, dispatches, since=None) < 2 + LATENCY


def test_a_sound_scheduler_is_never_taken_for_stuck(directory: Path) -> None:
    """Ticks so close together that many hit the lower scheduler itself, and some come late."""
    done = run(image(directory, "uls", Program("lower", more=("fail_never",)), parameters="TICK_HZ = 20000"))
    assert sorted(done.lines) == sorted(WORKERS)
    assert done.result.counters.traps[Vector.VECTOR_IRQ0] > 500


def test_the_root_scheduler_sleeps_when_nobody_runs(directory: Path) -> None:
    done = run(image(directory, "uls", "sleeper"))
    assert done.lines == ["sleeper: the ticks that were asked for"] * 2
    assert done.result.counters.idle_cycles > 15 * tick(done.machine)


def test_no_tick_is_lost_on_the_way_to_sleep(directory: Path) -> None:
    """Between the root scheduler's last look for messages and its HLT, at every instruction."""
    booted = image(directory, "uls", "sleeper")
    machine = Machine.boot(booted)
    for place in "ticks_sleep", "sched_next":
        machine.run(until=booted.programs["root"].address(place), max_cycles=ENOUGH)
    awake = Scenario(machine, until=booted.programs["sleeper"].address("nap"))
    report = Explorer(awake, to="protection").explore()
    assert report.tried > 5 and not report.broken
