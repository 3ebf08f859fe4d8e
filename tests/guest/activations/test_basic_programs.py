"""What the first kernel does for programs this one does, too, and leaves the same on the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emu.machine import Machine
from guest.abi.kernel import ExitCode
from loader.image import Image
from tests.guest.activations.conftest import SELDOM
from tests.guest.test_programs import CASES, FORBIDDEN, WITNESS, Case

ImageMaker = Callable[..., Image]      # the fixture `act_image`
Boot = Callable[..., Any]              # the fixture `act`

OWN = "unknown_call"                   # asks for a number that is a call here


@pytest.mark.parametrize("case", [case for case in CASES if case.program != OWN], ids=lambda case: case.program)
def test_a_program_leaves_what_its_row_says_and_the_witness_goes_on(case: Case, act_image: ImageMaker,
                                                                    act: Boot) -> None:
    done = act(act_image([case.program, "witness"], arguments="one two" if case.program == "arguments" else ""))
    assert [line for line in done.lines if line in case.says] == list(case.says), done.console
    assert any(line.endswith(WITNESS) for line in done.lines), done.console
    assert not [word for word in FORBIDDEN if word in done.console], done.console
    assert done.result.exit_code == case.exit_code, done.console


@pytest.mark.parametrize("image", ["hello", "preempt"])
def test_an_image_of_the_first_kernel_leaves_the_same_lines(image: str, act: Boot, basic_images: Boot) -> None:
    first = Machine.boot(image)
    first.run(max_cycles=100_000_000)
    done = act(basic_images(image))
    assert sorted(done.lines) == sorted(first.console.decode().splitlines()[1:])
    assert done.result.exit_code == 0


@pytest.mark.parametrize("programs", [1, 2, 3, 5])
def test_yield_makes_programs_take_turns(programs: int, act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["turns"] * programs, kernel=SELDOM))
    assert done.lines == [str(n + 1) for n in range(programs)] * 3


def test_sleepers_wake_in_the_order_of_their_ticks(act_image: ImageMaker, act: Boot) -> None:
    assert act(act_image(["naps", "naps", "naps"])).lines == ["3", "2", "1"]


def test_time_advances_by_a_tick_at_a_tick(act_image: ImageMaker, act: Boot) -> None:
    assert act(act_image(["time"])).lines == ["three ticks"]


@pytest.mark.parametrize("selfish", ["hog", "chatter"])
def test_a_program_that_never_yields_cannot_keep_the_processor(selfish: str, act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image([selfish, "witness"]))
    machine.run(max_cycles=5_000_000)
    assert WITNESS in machine.console.decode()


def test_a_program_too_large_for_memory_is_not_started_and_costs_nothing(act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["large", "witness"]))
    assert done.lines == ["large: not started: out of memory", WITNESS]
    assert done.result.exit_code == ExitCode.EXIT_NOT_STARTED
