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


@pytest.fixture
def transparent(act_image: ImageMaker) -> Machine:
    """The reference program where it begins, with the result that it has to have."""
    machine = Machine.boot(act_image(["transparent"]), memory=4 << 20)
    program = machine.image.programs["transparent"] if machine.image else None
    assert program
    machine.run(until=program.address("computed"))
    result = machine.cpu.registers.eax
    machine = Machine.boot(act_image(["transparent"], parameters={"RESULT": result}), memory=4 << 20)
    machine.run(until=program.address("reference"))
    return machine
