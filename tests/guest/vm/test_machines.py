"""Virtual machines on both kernels: programs in them, what these may do, and what they may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from virtual import image, run

from emu.machine import Machine
from emu.result import Reason

VARIANTS = pytest.mark.parametrize("variant", ["uls", "l4"])
HELLO = "hello, world"


@VARIANTS
def test_a_program_runs_as_on_the_first_kernel(variant: str, tmp_path: Path) -> None:
    done = run(image(tmp_path, variant, "hello"))
    assert (done.lines, done.result.exit_code) == ([HELLO], 0)


@VARIANTS
def test_every_call_does_what_it_says(variant: str, tmp_path: Path) -> None:
    done = run(image(tmp_path, variant, "calls"))
    assert done.result.exit_code == 100, done.lines
    assert done.lines[0] == "as it should be" and done.lines[-1] == "calls: exit code 100"


@VARIANTS
@pytest.mark.parametrize(("letter", "said"), [
    ("d", "exception 0, error code 0x0"), ("n", "exception 14, address 0x4"),
    ("t", "exception 14, address 0x8048"), ("k", "exception 14, error code 0x5"),
    ("h", "exception 13, error code 0x0"), ("j", "exception 14, address 0x1234")])
def test_a_fault_ends_its_program_alone(letter: str, said: str, variant: str, tmp_path: Path) -> None:
    done = run(image(tmp_path, variant, f"wrong {letter}", "hello"))
    assert sorted(done.lines)[0] == HELLO
    assert any(line.startswith(f"wrong: {said}") for line in done.lines), done.lines
    assert done.result.exit_code == 128 + int(said.split()[1].rstrip(","))


@VARIANTS
@pytest.mark.parametrize("letter", ["m", "r"])
def test_who_sends_messages_of_his_own_stops_nobody_else(letter: str, variant: str, tmp_path: Path) -> None:
    """Nobody answers it, so it waits for ever, and the virtual machine with it; the others do what they have to."""
    machine = Machine.boot(image(tmp_path, variant, f"wrong {letter}", "count", "hello"))
    result = machine.run(max_cycles=60_000_000)
    lines = machine.console.decode().splitlines()[1:]
    assert result.reason == Reason.CYCLES and HELLO in lines and "count: 5 of 5" in lines, lines


@VARIANTS
def test_who_asks_the_kernel_to_let_others_run_goes_on_later(variant: str, tmp_path: Path) -> None:
    done = run(image(tmp_path, variant, "wrong s", "wrong s", "hello"))
    assert sorted(done.lines) == sorted([*["here"] * 10, HELLO]) and done.result.exit_code == 0
    if variant == "uls":
        assert done.lines[0] == HELLO, done.lines               # both have let it go first


@VARIANTS
def test_two_virtual_machines_keep_their_lines_and_times_apart(variant: str, tmp_path: Path) -> None:
    done = run(image(tmp_path, variant, "count", "crash", arguments="2 5"))
    assert sorted(done.lines) == sorted(2 * (
        [f"count: {at} of 5" for at in range(1, 6)] + ["crash: exception 14, address 0x0, at 0x8048008"]))
    assert done.result.exit_code == 0


def test_virtual_machines_of_uls_take_turns(tmp_path: Path) -> None:
    """A tick each: neither is ahead by more than a line."""
    done = run(image(tmp_path, "uls", "count", arguments="2 5"))
    numbers = [int(line.split()[1]) for line in done.lines]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(("arguments", "programs", "said"), [
    ("", ["hello"], "resource monitor: the arguments are MACHINES MIB, such as 1 12"),
    ("9 1", ["hello"], "resource monitor: the arguments are MACHINES MIB, such as 1 12"),
    ("1 64", ["hello"], "resource monitor: the virtual machines do not fit into memory"),
    ("1 1", ["hello"], "resource monitor: the virtual machines do not fit into memory"),
])
def test_what_cannot_be_made_is_said(arguments: str, programs: list[str], said: str, tmp_path: Path) -> None:
    done = run(image(tmp_path, "uls", *programs, arguments=arguments))
    assert (done.lines, done.result.exit_code) == ([said], 126)


@VARIANTS
def test_a_module_that_is_no_program_leaves_a_line(variant: str, tmp_path: Path) -> None:
    booted = image(tmp_path, variant, "crash", "hello")
    booted.modules[2] = replace(booted.modules[2], data=b"junk")
    done = run(booted)
    assert done.lines == ["crash: not started: not an ELF file", HELLO] and done.result.exit_code == 126, done.lines


def test_without_programs_a_virtual_machine_ends(tmp_path: Path) -> None:
    assert run(image(tmp_path, "uls")).result.exit_code == 126


def test_without_a_guest_operating_system_there_is_none(tmp_path: Path) -> None:
    booted = image(tmp_path, "uls")
    del booted.modules[1:]
    assert run(booted).lines == ["resource monitor: the image has no guest operating system"]
