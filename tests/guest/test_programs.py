"""What the kernel does for programs, and to them: each case is a program of a few lines and the console it leaves.

Every program runs beside a witness, which must be able to go on whatever the other one does. The question that a
program asks is the first line of its file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emu.machine import Machine
from guest.abi.cpu import Vector
from guest.abi.kernel import ExitCode
from guest.abi.memory import Parameter
from loader.image import Image

ImageMaker = Callable[..., Image]      # the fixture `image`
Boot = Callable[..., Any]              # the fixture `run`

PROGRAMS = Path(__file__).with_name("programs")
WITNESS = "witness: still here"
FORBIDDEN = ("went on", "wrong: ", "panic")       # what no program may leave on the console


@dataclass(frozen=True)
class Case:
    """A program, what it leaves on the console in order, and the exit code."""

    program: str                     # its file's name
    says: tuple[str, ...]            # whole lines, or the rest of the line that begins with the program's name
    exit_code: int = 0               # of the program and so of the machine


def fault(program: str, vector: Vector, report: str) -> Case:
    """A program that a fault ends."""
    return Case(program, (f"{program}: {vector.phrase}{report}",), ExitCode.EXIT_FAULT + vector)


def privileged(program: str, offset: int) -> Case:
    """A program that executes a privileged instruction, at an offset from its start."""
    return fault(program, Vector.EXC_GP, f", error code 0x0, at _start+{offset:#x}")


CASES = (
    fault("divide", Vector.EXC_DE, ", at _start+0x2"),
    fault("single_step", Vector.EXC_DB, ", at _start+0x7"),
    fault("breakpoint", Vector.EXC_BP, ", at _start+0x1"),
    fault("overflow", Vector.EXC_OF, ", at _start+0x5"),
    fault("bound", Vector.EXC_BR, ", at _start+0x5"),
    fault("invalid_opcode", Vector.EXC_UD, ", at _start+0x0"),
    fault("floating_point", Vector.EXC_NM, ", at _start+0x0"),
    fault("task_return", Vector.EXC_TS, ", error code 0x0, at _start+0x6"),
    fault("read_null", Vector.EXC_PF, ", error code 0x4, address 0x0, at _start+0x2"),
    fault("read_kernel", Vector.EXC_PF, ", error code 0x5, address 0xc0100000, at _start+0x0"),
    fault("write_kernel", Vector.EXC_PF, ", error code 0x7, address 0xc0100000, at _start+0x0"),
    fault("write_text", Vector.EXC_PF, ", error code 0x7, address 0x8048000, at _start+0x0"),
    fault("jump_kernel", Vector.EXC_PF, ", error code 0x5, address 0xc0100000, at 0xc0100000"),
    fault("jump_nowhere", Vector.EXC_PF, ", error code 0x4, address 0x12345678, at 0x12345678"),
    fault("stack_overflow", Vector.EXC_PF, ", error code 0x6, address 0xbfffaffc, at _start+0x0"),
    fault("sysenter_nowhere", Vector.EXC_PF, ", error code 0x5, address 0xc0100000, at 0xc0100000"),
    fault("data_segment", Vector.EXC_GP, ", error code 0x10, at _start+0x5"),
    fault("fake_tick", Vector.EXC_GP, ", error code 0x102, at _start+0x0"),
    fault("fake_fault", Vector.EXC_GP, ", error code 0x72, at _start+0x0"),
    fault("wrong_interrupt", Vector.EXC_GP, ", error code 0x40a, at _start+0x0"),
    fault("guest_interrupt", Vector.EXC_GP, ", error code 0x412, at _start+0x0"),
    privileged("disable_interrupts", 0),
    privileged("halt", 0),
    privileged("read_port", 0),
    privileged("write_port", 5),
    privileged("write_cr3", 2),
    privileged("load_idt", 0),
    Case("exit_code", ("exit_code: exit code 3",), 3),
    Case("unknown_call", ("next number", "a number whose fourfold is 0", "-1")),
    Case("bad_pointer", ("kernel", "into the kernel", "null", "around the end", "first byte unmapped",
                         "last byte unmapped", "nothing at all")),
    Case("long_write", ("as many as fit",)),
    Case("across_pages", ("from one page to the next", "one page and the next")),
    Case("sysenter_write", ("by SYSENTER", "came back")),
    Case("sysenter_flags", ("flags clear, interrupts on",)),
    Case("int_flags", ("flags kept",)),
    Case("null_segments", ("segments kept",)),
    Case("registers", ("registers kept",)),
    Case("start_state", ("registers as documented", "stack as documented", "bss is zero")),
    Case("arguments", ("arguments one two",)),
    Case("myself", ("I am the first",)),
    Case("random_calls", ("survived",)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.program)
def test_a_program_leaves_what_its_row_says_and_the_witness_goes_on(case: Case, image: ImageMaker, run: Boot) -> None:
    done = run(image([case.program, "witness"], arguments="one two" if case.program == "arguments" else ""))
    console = "\n".join(done.lines)
    assert [line for line in done.lines if line in case.says] == list(case.says), console
    assert any(line.endswith(WITNESS) for line in done.lines), console
    assert not [word for word in FORBIDDEN if word in console], console
    assert done.result.exit_code == case.exit_code, console


def test_every_program_file_is_in_a_test() -> None:
    rest = {"witness", "time", "turns", "naps", "hog", "chatter", "large", "long_nap"}       # those below
    assert {path.stem for path in PROGRAMS.glob("*.asm")} == {case.program for case in CASES} | rest


def test_a_single_step_into_the_sysenter_entry_is_taken_and_forgotten(image: ImageMaker, run: Boot) -> None:
    assert run(image(["sysenter_flags"])).result.traps[Vector.EXC_DB] == 1


def test_time_advances_by_a_tick_at_a_tick(image: ImageMaker, run: Boot) -> None:
    assert run(image(["time"])).lines == ["three ticks"]


@pytest.mark.parametrize("programs", [1, 2, 3, 5])
def test_yield_makes_programs_take_turns(programs: int, image: ImageMaker, run: Boot) -> None:
    slow = "parameters = { TICK_HZ = 19 }"      # no tick, which would add a turn, comes before the end
    done = run(image(["turns"] * programs, kernel=slow))
    assert done.lines == [str(n + 1) for n in range(programs)] * 3
    assert Vector.VECTOR_IRQ0 not in done.result.traps


def test_sleepers_wake_in_the_order_of_their_ticks_while_the_processor_halts(image: ImageMaker, run: Boot) -> None:
    done = run(image(["naps", "naps", "naps"]))
    assert done.lines == ["3", "2", "1"]
    tick = done.machine.clock.frequency // Parameter.TICK_HZ
    assert done.result.idle_cycles > 5 * tick             # the longest sleep is six


def test_the_longest_sleep_does_not_end_at_once(image: ImageMaker) -> None:
    machine = Machine.boot(image(["long_nap", "witness"]))
    machine.run(max_cycles=5_000_000)
    assert WITNESS in machine.console.decode() and "went on" not in machine.console.decode()


@pytest.mark.parametrize("selfish", ["hog", "chatter"])
def test_a_program_that_never_yields_cannot_keep_the_processor(selfish: str, image: ImageMaker) -> None:
    machine = Machine.boot(image([selfish, "witness"]))
    machine.run(max_cycles=5_000_000)
    assert WITNESS in machine.console.decode()


def test_a_program_too_large_for_memory_is_not_started_and_costs_nothing(image: ImageMaker, run: Boot) -> None:
    done = run(image(["large", "witness"]))
    assert done.lines == ["large: not started: out of memory", WITNESS]
    assert done.result.exit_code == ExitCode.EXIT_NOT_STARTED
