"""An event at every instruction boundary of the library's critical sections leaves everything whole.

The event is the timer's tick, which wakes a thread that sleeps in the kernel: where upcalls may come it preempts the
running thread, and where the lock is held it is delayed.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from emu.machine import Machine
from emu.monitor.explore.explorer import Broken, Explorer
from emu.monitor.explore.scenario import Scenario
from emu.result import Reason
from tests.guest.activations.library import ENOUGH, POLICIES, place, threads_image, word

SAMPLE = 20                                          # of the places for an event, or for two
SOON = 800                                           # instructions: from a tick to the end of its upcall, and more
KEPT = 56                                            # what threads/transparent.asm makes of the registers, undisturbed


def all_memory_is_back(machine: Machine) -> None:
    """The program has ended, and the kernel has given everything back."""
    assert word(machine, "frames_used") == 0, "frames are lost"


def explorer(directory: Path, program: str, *, exit_code: int = 0, **how: Any) -> Explorer:
    """For events between `explore_begin` and `explore_end` of a program, which must end with `exit_code`."""
    machine = Machine.boot(threads_image(directory, program, **how), memory=4 << 20)
    assert machine.run(until=place(machine, "explore_begin"), max_cycles=ENOUGH).reason == Reason.UNTIL
    scenario = Scenario(machine, broken_at=[machine.address("panic")], exit_code=exit_code, check=all_memory_is_back)
    return Explorer(scenario, to=place(machine, "explore_end"))


def assert_none(broken: list[Broken]) -> None:
    assert not broken, "\n".join(f"{one.where}: {one.text}: {one.reason}" for one in broken[:9])


@pytest.mark.parametrize("face", ["pm2", "posix"])
@pytest.mark.parametrize("policy", POLICIES)
def test_an_event_in_a_critical_section_breaks_nothing(policy: str, face: str, tmp_path: Path) -> None:
    assert_none(explorer(tmp_path, "critical", policy=policy, face=face).explore(sample=SAMPLE).broken)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_second_event_soon_behind_another_breaks_nothing(policy: str, tmp_path: Path) -> None:
    places, chance = explorer(tmp_path, "critical", policy=policy), random.Random(0)
    firsts = [boundary.instructions for boundary in chance.sample(places.window.open, SAMPLE)]
    tried = [places.attempt((first, first + chance.randrange(1, SOON))) for first in firsts]
    assert_none([broken for broken in tried if broken])


@pytest.mark.long
@pytest.mark.parametrize("policy", POLICIES)
def test_an_event_at_any_boundary_of_the_critical_sections_breaks_nothing(policy: str, tmp_path: Path) -> None:
    report = explorer(tmp_path, "critical", policy=policy).explore()
    assert_none(report.broken)
    assert report.tried > 1000


@pytest.mark.parametrize("policy", ["round_robin", "lifo"])
def test_an_event_between_any_two_instructions_leaves_registers_and_flags(policy: str, tmp_path: Path) -> None:
    assert_none(explorer(tmp_path, "transparent", exit_code=KEPT, policy=policy).explore().broken)
