"""What the policy of `l4` does for programs: each case is a root task of a few lines, and the line that it leaves.

The letters of that line are what its threads have noted, in order; one that works notes a letter at every tick. The
question that a program asks is the first line of its file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.result import Reason, Result
from guest.abi.cpu import Vector
from guest.abi.kernel import ExitCode
from guest.abi.micro import MicroMemory
from loader.build import build
from loader.manifest import GUEST

STAGE = Path(__file__).with_name("l4")
PROGRAMS = STAGE / "programs"
LIBRARY = ("start_root", "ipc", "calls", "own_threads", "write_direct")
ENOUGH = 100_000_000          # cycles; the longest program takes a tenth

CASES = {                     # program: a pattern for the whole line
    "priorities": r"-hml",
    "slices": r"aaabbbbbc(aaabbbbbc)+a*b*",
    "new_slices": r"a{10}b{10}a{10}b*",
    "endless": r"a{25,}",
    "donation": r"s{4}ss(ooo|ss)+[os]?",               # what the client leaves of its slice, and then its own
    "donation_down": r"s{6}o{10,}",
    "sending": r"1h23g45el",                           # the choice is free between equals, not against priority
    "wakeup": r"wwwwAwwwwAB(wwwwA)+w*",                # the worker has a slice of 8 ticks
    "yield": r"abcabcabcl",
    "switch_to": r"llllss(ffffffss)+f*",
    "quantum": r"aabbaabba-bbaabba-bbaa-bbab{5,}",
    "orphan": r"aaa-a{5,}",
    "schedule": r"55aeeeeaabbb 327",                   # states as digits, errors as letters
    "timeouts": r"6d6d6c6d4a6d2d0d",                   # see the program
    "clock": r"yy",
    "deleting": r"\.ssrrro*-[os]*ooossooos*",
    "halting": r"(aabb)+a*-a+-[ab]*bbaabb[ab]*",
    "last_words": r"hml",
    "tick_line": r"001",
}


def run(directory: Path, program: str, *, parameters: str = "", exit_code: int = 0) -> tuple[str, Result]:
    """Boot a program as root task and run it to its end: the line that it leaves, and the result."""
    sources = [PROGRAMS / f"{program}.asm", STAGE / "stage.asm",
               *(GUEST / "lib" / "micro" / f"{name}.asm" for name in LIBRARY)]
    manifest = directory / f"{program}.toml"
    manifest.write_text("[image]\ndescription = 'a test'\n[kernel]\nvariant = 'l4'\n"
                        f"parameters = {{ {parameters} }}\n[[program]]\nname = '{program}'\n"
                        f"base = {MicroMemory.ROOT_BASE:#x}\nsources = {[str(source) for source in sources]}\n")
    machine = Machine.boot(build(manifest))
    result = machine.run(max_cycles=ENOUGH)
    console = machine.console.decode("ascii", "replace")
    assert (result.reason, result.exit_code) == (Reason.EXIT, exit_code), f"{result}\n{console}"
    banner, line = console.splitlines()
    assert banner.startswith("trapline: l4, ")
    return line, result


@pytest.mark.parametrize("program", CASES)
def test_a_program_leaves_the_line_of_its_row(program: str, tmp_path: Path) -> None:
    line, _ = run(tmp_path, program)
    assert re.fullmatch(CASES[program], line), f"{line} is not {CASES[program]}"


def test_every_program_file_is_in_a_test() -> None:
    assert {path.stem for path in PROGRAMS.glob("*.asm")} == {*CASES, "halt"}


def test_the_processor_halts_while_all_wait_for_their_timeouts(tmp_path: Path) -> None:
    _, result = run(tmp_path, "timeouts")
    assert result.idle_cycles > result.cycles / 2


def test_nobody_may_halt_the_processor(tmp_path: Path) -> None:
    line, _ = run(tmp_path, "halt", exit_code=ExitCode.EXIT_FAULT + Vector.EXC_GP)
    assert line.startswith("thread 32.1: general protection (#GP), error code 0x0, at ")


def test_a_new_slice_is_the_same_time_at_another_tick(tmp_path: Path) -> None:
    line, _ = run(tmp_path, "new_slices", parameters="TICK_HZ = 500")
    assert re.fullmatch(r"a{5}b{5}a{5}b*", line)


def test_nothing_of_this_policy_is_in_the_other_kernel(tmp_path: Path) -> None:
    symbols = {}
    for variant in ("l4", "uls"):
        manifest = tmp_path / f"{variant}.toml"
        manifest.write_text(f"[image]\ndescription = 'a test'\nkernel = '{variant}'\n")
        symbols[variant] = {name for name, _ in build(manifest).symbols.items()}
    policy = {name for name in symbols["l4"] if re.match("ready_|sched_owner|sched_charge|timeout_tick|clock_ns", name)}
    assert len(policy) > 8
    assert not policy & symbols["uls"]
