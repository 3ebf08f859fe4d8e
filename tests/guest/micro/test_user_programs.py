"""What the root task does for programs, and about them, in both variants: each case is a program of a few lines.

The question that a program asks is the first line of its file, in user/.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("user")))

from rooted import Program, image, run

from guest.abi.cpu import Vector
from guest.abi.kernel import ExitCode
from loader.image import Module

FAULT = ExitCode.EXIT_FAULT
WITNESS = "witness: still here"


@dataclass(frozen=True)
class Case:
    """A program, what it leaves on the console, and the exit code."""

    program: str
    says: tuple[str, ...]                # whole lines
    exit_code: int = 0


CASES = (
    Case("read_null", ("read_null: page fault, read of 0x0, at 0x8048000",), FAULT + Vector.EXC_PF),
    Case("write_text", ("write_text: page fault, write to 0x8048000, at 0x8048000",), FAULT + Vector.EXC_PF),
    Case("jump_nowhere", ("jump_nowhere: page fault, read of 0x12345000, at 0x12345000",), FAULT + Vector.EXC_PF),
    Case("read_kernel", ("read_kernel: exception 14, error code 0x5, at 0x8048000",), FAULT + Vector.EXC_PF),
    Case("halt", ("halt: exception 13, error code 0x0, at 0x8048000",), FAULT + Vector.EXC_GP),
    Case("invalid_opcode", ("invalid_opcode: exception 6, at 0x8048000",), FAULT + Vector.EXC_UD),
    Case("thread_fault", ("thread_fault: page fault, write to 0x0, at 0x8048025",), FAULT + Vector.EXC_PF),
    Case("greedy", ("greedy: out of memory",), FAULT + Vector.EXC_PF),
    Case("sparse", ("sparse: the kernel's memory is used up",), FAULT + Vector.EXC_PF),
    Case("sent_to", ("sent", "received", "the server says 42")),
    Case("race", ("canceled: error 7", "answered: token 2", "the next one was in a receive: 2", "answered: token 3",
                  "end")),
)

REQUESTS = """\
label 0: 0
label 99: 0
the console thread's own: 0
a line that is too long: 0
a line longer than its message: 0
to end the root task: 0
to end nobody: 0
to end the console thread: 0
to end everybody: 0
to be one's own scheduler: 0
to be nobody's: 0
to be above oneself: 0
to be below: 1
all memory: 0
as much as there are addresses: 0
no sleep: 0
a watch on nothing: 0
a watch between words: 0
memory: 0
more, behind it: 8192
kept: 7
a thread ended: 1
once more: 0
the next one has another version: 1
"""


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where manifests go: one place, so that the root task is assembled once."""
    return tmp_path_factory.mktemp("images")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.program)
def test_a_program_and_what_becomes_of_it(case: Case, variant: str, directory: Path) -> None:
    done = run(image(directory, variant, case.program, "witness"))
    assert WITNESS in done.lines
    assert tuple(line for line in done.lines if line != WITNESS) == case.says
    assert done.result.exit_code == case.exit_code


def test_the_root_task_grants_what_a_program_may_ask_and_refuses_the_rest(variant: str, directory: Path) -> None:
    done = run(image(directory, variant, "requests"))
    assert "\n".join(done.lines) + "\n" == REQUESTS


@pytest.mark.parametrize("arguments", ["", "one two", "x" * 200])
def test_a_program_gets_its_arguments_and_its_exit_code_is_the_machines(arguments: str, variant: str,
                                                                         directory: Path) -> None:
    done = run(image(directory, variant, Program("arguments", arguments=arguments)))
    assert "".join(done.lines) == f"arguments {arguments}".rstrip() + "arguments: exit code 3"
    assert done.result.exit_code == 3


def test_lines_of_many_threads_arrive_whole_and_in_order(variant: str, directory: Path) -> None:
    done = run(image(directory, variant, "chatter", Program("other", "chatter")))
    for program in "chatter", "other":
        for thread in "ab":
            mine = [line for line in done.lines if line.startswith(f"{program} {thread} ")]
            assert mine == [f"{program} {thread} {number} " + "." * 60 for number in range(1, 21)]
    assert len(done.lines) == 4 * 20


def test_memory_of_a_program_that_has_ended_is_there_again_and_clean(directory: Path) -> None:
    done = run(image(directory, "uls", "greedy", "modest"))
    assert done.lines == ["greedy: out of memory", "all zeros"]


@pytest.mark.parametrize(("data", "why"), [
    (b"", "not an ELF file"),
    (bytes(100), "not an ELF file"),
    (b"\x7fELF\x02", "not an ELF file"),
])
def test_a_module_that_is_no_program_leaves_a_line_and_the_others_run(data: bytes, why: str, variant: str,
                                                                       directory: Path) -> None:
    booted = image(directory, variant, "witness")
    booted.modules.insert(1, Module("broken", data))
    done = run(booted)
    assert done.lines == [f"broken: not started: {why}", WITNESS]
    assert done.result.exit_code == ExitCode.EXIT_NOT_STARTED      # the first program's


def damaged(data: bytes, offset: int, value: int) -> bytes:
    """A file with another 32-bit word in it."""
    return data[:offset] + value.to_bytes(4, "little") + data[offset + 4:]


@pytest.mark.parametrize(("offset", "value", "why"), [
    (0x04, 0x0101_0102, "not a 32-bit executable for the 386"),
    (0x10, 0x0003_0001, "not a 32-bit executable for the 386"),
    (0x1C, 0xFFFF_FFF0, "its program headers are damaged"),
    (0x34 + 0x04, 0xFFFF_FFF0, "a segment is damaged or cut off"),
    (0x34 + 0x08, 0x0000_0800, "a segment lies outside the memory of programs"),
    (0x34 + 0x08, 0xC000_0000, "a segment lies outside the memory of programs"),
    (0x34 + 0x14, 0xFFFF_FFFF, "a segment lies outside the memory of programs"),
    (0x34 + 0x14, 0x0000_0000, "a segment is damaged or cut off"),
])
def test_a_damaged_program_is_not_started(offset: int, value: int, why: str, directory: Path) -> None:
    booted = image(directory, "uls", "witness")
    booted.modules[1] = Module("witness", damaged(booted.modules[1].data, offset, value))
    done = run(booted)
    assert done.lines == [f"witness: not started: {why}", "no program could be started"]
    assert done.result.exit_code == ExitCode.EXIT_NOT_STARTED


def test_an_image_with_the_root_task_alone_ends(variant: str, directory: Path) -> None:
    done = run(image(directory, variant))
    assert done.lines == ["no program could be started"]
    assert done.result.exit_code == ExitCode.EXIT_NOT_STARTED


def test_a_program_runs_from_an_entry_outside_its_segments_into_a_fault(directory: Path) -> None:
    booted = image(directory, "uls", "witness")
    booted.modules[1] = Module("witness", damaged(booted.modules[1].data, 0x18, 0x7000_0000))
    done = run(booted)
    assert re.fullmatch(r"witness: page fault, read of 0x70000000, at 0x70000000", done.lines[0])


@pytest.mark.parametrize("cpu", ["p5-166", "p3-500"])      # IPC by INT, and by SYSENTER
def test_programs_run_on_every_way_into_the_kernel(cpu: str, variant: str, directory: Path) -> None:
    done = run(image(directory, variant, "sent_to"), cpu=cpu)
    assert done.lines == ["sent", "received", "the server says 42"]
