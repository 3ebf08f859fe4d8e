"""No sequence of system calls corrupts the kernel or stops it, and running out of memory is an error to the caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emu.machine import Machine
from guest.abi.cpu import Page
from guest.abi.memory import Memory
from loader.image import Image
from tests.guest.activations.conftest import ActRun, finish
from tests.guest.test_programs import WITNESS

ImageMaker = Callable[..., Image]      # the fixture `act_image`
Boot = Callable[..., Any]              # the fixture `act`


def leave(machine: Machine, frames: int) -> None:
    """Takes all of the kernel's free memory but so many frames."""
    done = ActRun(machine, machine.run(max_cycles=0))
    assert not done.word("frames_list")
    end = done.word("frames_next") + frames * Page.PAGE_SIZE
    machine.ram.write(machine.address("frames_end") - Memory.KERNEL_BASE, end.to_bytes(4, "little"))


@pytest.mark.parametrize("frames", range(6))
def test_a_program_that_runs_out_of_memory_is_told_and_goes_on(frames: int, act_image: ImageMaker) -> None:
    image = act_image(["no_memory", "witness"], parameters={"FRAMES": frames})
    machine = Machine.boot(image)
    machine.run(until=image.programs["no_memory"].address("begin"))
    leave(machine, frames)
    assert sorted(finish(machine).lines) == ["out of memory, five times", WITNESS]


def test_a_process_for_which_memory_is_missing_is_not_started_and_costs_nothing(act_image: ImageMaker) -> None:
    image = act_image(["exit_code"])
    machine = Machine.boot(image)
    machine.run(until="program_start")
    start = machine.snapshot()
    for frames in range(100):
        machine.restore(start)
        leave(machine, frames)
        machine.run(until=("machine_end", image.programs["exit_code"].address("_start")))
        if machine.cpu.cpl:
            break
        assert finish(machine).lines == ["exit_code: not started: out of memory", "no program could be started"]
    assert frames == 11           # directory, two tables, text, stack (4), process, thread, numbers
    assert finish(machine).lines == ["exit_code: exit code 3"]


@pytest.mark.parametrize("seed", range(8))
def test_random_calls_of_several_threads_leave_the_kernel_standing(seed: int, act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["random_threads", "witness"], parameters={"SEED": 1000 * seed}))
    assert WITNESS in done.lines, done.console


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8, 200))
def test_many_random_calls_leave_the_kernel_standing(seed: int, act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["random_threads", "random_threads", "witness"], parameters={"SEED": 1000 * seed}))
    assert WITNESS in done.lines, done.console
