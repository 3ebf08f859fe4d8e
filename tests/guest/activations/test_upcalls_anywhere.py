"""An upcall at every instruction boundary: it changes nothing for the program that it interrupts, and none is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emu.machine import Machine
from emu.monitor.explore.explorer import Explorer
from emu.monitor.explore.scenario import Scenario
from loader.image import Image

ImageMaker = Callable[..., Image]      # the fixture `act_image`
PAIRS = 60                             # of ticks that are tried


def symbol(machine: Machine, name: str) -> int:
    """Where something of the program is."""
    assert machine.image is not None
    return next(iter(machine.image.programs.values())).address(name)


@pytest.fixture
def reference(act_image: ImageMaker) -> Explorer:
    """Ticks in the reference program, each with an upcall; it ends with 0 if its result is right."""
    machine = Machine.boot(act_image(["transparent"], parameters={"RESULT": 0}), memory=4 << 20)
    machine.run(until=symbol(machine, "computed"))
    result = machine.cpu.registers.eax
    machine = Machine.boot(act_image(["transparent"], parameters={"RESULT": result}), memory=4 << 20)
    machine.run(until=symbol(machine, "reference"))
    return Explorer(Scenario(machine, exit_code=0, broken_at=["panic"]), to="transparent:computed")


def test_an_upcall_in_front_of_any_instruction_changes_nothing(reference: Explorer) -> None:
    report = reference.explore()
    assert not report.broken, report.broken[0]
    assert report.tried - report.held > 200
    scenario = reference.scenario                      # and it was an upcall
    scenario.go((report.window.open[50].instructions,), report.window.open[50].instructions)
    assert scenario.machine.run(until=symbol(scenario.machine, "unblock_entry")).reason == "until"


def test_an_upcall_within_an_upcall_changes_nothing(reference: Explorer) -> None:
    report = reference.explore(depth=2, sample=PAIRS, seed=1)
    assert not report.broken, report.broken[0]


def test_no_wake_up_is_lost_between_the_look_and_the_rest(act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image(["restful"]), memory=4 << 20)
    machine.run(until=symbol(machine, "rest"))
    explorer = Explorer(Scenario(machine, exit_code=0, broken_at=["panic"]), to="restful:rested")
    report = explorer.explore()
    assert not report.broken, report.broken[0]
    assert report.tried - report.held > 10
    pairs = explorer.explore(depth=2, sample=PAIRS, seed=1)
    assert not pairs.broken, pairs.broken[0]
