"""What the first kernel does for programs this one does, too, and leaves the same on the console."""

from __future__ import annotations

from collections.abc import Callable

from tests.guest.network.conftest import MS, Guest
from tests.guest.test_programs import CASES, FORBIDDEN, WITNESS

Boot = Callable[..., Guest]             # the fixture `guest`

TOGETHER = ("divide", "stack_overflow", "write_kernel", "wrong_interrupt", "bad_pointer", "sysenter_write",
            "sysenter_flags", "int_flags", "null_segments", "registers", "start_state", "exit_code")


def test_programs_leave_what_their_rows_say_and_the_witness_goes_on(guest: Boot) -> None:
    booted = guest(*TOGETHER, "witness", plug=None)
    booted.run(400 * MS)
    cases = {case.program: case for case in CASES}
    for name in TOGETHER:
        says = cases[name].says
        assert [line for line in booted.lines if line in says] == list(says), booted.lines
    console = "\n".join(booted.lines)
    assert WITNESS in console and not [word for word in FORBIDDEN if word in console]


def test_yield_makes_programs_take_turns(guest: Boot) -> None:
    booted = guest("turns", "turns", "turns", plug=None, parameters={"TICK_HZ": 19})
    assert booted.lines == ["1", "2", "3"] * 3


def test_sleepers_wake_in_the_order_of_their_ticks(guest: Boot) -> None:
    assert guest("naps", "naps", "naps", plug=None).lines == ["3", "2", "1"]


def test_a_program_that_only_writes_cannot_keep_the_processor(guest: Boot) -> None:
    booted = guest("chatter", "witness", plug=None)
    booted.run(30 * MS)
    assert WITNESS in booted.lines
