"""Processes of several threads, and their memory: each case is a program and the console it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emu.machine import Machine
from guest.abi.cpu import Vector
from guest.abi.kernel import ExitCode
from loader.image import Image
from tests.guest.activations.conftest import PROGRAMS, ActRun, finish
from tests.guest.test_programs import FORBIDDEN, WITNESS

ImageMaker = Callable[..., Image]      # the fixture `act_image`
Boot = Callable[..., Any]              # the fixture `act`


@dataclass(frozen=True)
class Case:
    """A program, what it leaves on the console in order, and the exit code."""

    program: str                     # its file's name
    says: tuple[str, ...]            # whole lines
    exit_code: int = 0               # of the program and so of the machine


def fault(program: str, vector: Vector, report: str, *says: str) -> Case:
    """A program that a fault ends, after what it says."""
    return Case(program, (*says, f"{program}: {vector.phrase}{report}"), ExitCode.EXIT_FAULT + vector)


CASES = (
    Case("unknown_act_call", ("next number", "a number whose fourfold is 0", "-1")),
    Case("who_am_i", ("process 1", "thread 1", "made thread 2", "which is thread 2",
                      "the next one has the next generation")),
    Case("thread_start", ("its argument", "its flags", "its stack", "zero everywhere else", "joined", "its value")),
    Case("join_refused", ("0", "-1", "an index that nobody has had", "another process's thread", "itself", "once",
                          "and not again", "nor the next thread by that number",
                          "one that another thread joins already")),
    Case("last_thread", ("joined the first", "its value")),
    Case("exit_all", ("one pipe is full", "exit_all: exit code 3"), 3),
    Case("crowd", ("all of them, twice",)),
    fault("thread_fault", Vector.EXC_UD, ", at faults+0x0"),
    fault("heap", Vector.EXC_PF, ", error code 0x4, address 0x8050000, at one_page_too_far+0x0", "zeros",
          "the next one follows", "on a page boundary", "no page at all", "more than there are addresses",
          "so many that the length is short again", "more than there is memory", "and nothing has changed"),
)
FAST = 5000                          # ticks a second
ALONE = ("who_am_i",)                # its numbers are the first


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.program)
def test_a_program_leaves_what_its_row_says_and_the_witness_goes_on(case: Case, act_image: ImageMaker,
                                                                    act: Boot) -> None:
    done = act(act_image([case.program] if case.program in ALONE else [case.program, "witness"]))
    assert [line for line in done.lines if line != WITNESS] == list(case.says), done.console
    assert case.program in ALONE or WITNESS in done.lines, done.console
    assert not [word for word in FORBIDDEN if word in done.console], done.console
    assert done.result.exit_code == case.exit_code, done.console


def test_thousands_of_threads_wait_and_end_with_their_process(act_image: ImageMaker, act: Boot) -> None:
    assert act(act_image(["many"], parameters={"COUNT": 3000})).lines == ["made", "all of them wait"]


@pytest.mark.long
def test_100_000_threads_fit_into_512_mib(act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image(["many"], parameters={"COUNT": 100_000}), memory=512 << 20)
    assert finish(machine, max_cycles=10_000_000_000).lines == ["made", "all of them wait"]


def test_a_call_that_takes_long_loses_no_tick_and_then_lets_others_run(act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image(["big_heap", "exit_code"], kernel=f"parameters = {{ TICK_HZ = {FAST} }}"))
    begin = machine.run(until="timer_init").cycles
    cycles = machine.run(until="program_exit").cycles - begin            # of the other program, which has had its turn
    done = ActRun(machine, machine.run(max_cycles=0))
    ticks = cycles * FAST // machine.clock.frequency
    assert ticks > 50 and ticks - 1 <= done.word("clock_ticks") <= ticks
    assert finish(machine).lines == ["exit_code: exit code 3", "memory"]


def test_every_program_file_is_in_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    assert [path.stem for path in PROGRAMS.glob("*.asm") if f'"{path.stem}"' not in tests] == []
