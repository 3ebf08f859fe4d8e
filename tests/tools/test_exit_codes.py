"""Every end of a run has an exit code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emu.counters import Counters
from emu.result import Reason, Result
from tools.exit_codes import OF_REASON, exit_code

RESULT = Result(Reason.EXIT, "", None, 0, "", Counters())


def test_every_reason_but_the_guest_s_own_has_a_code() -> None:
    assert set(OF_REASON) == set(Reason) - {Reason.EXIT}


def test_kinds_of_ends_are_told_apart() -> None:
    same = [{Reason.UNTIL, Reason.VECTOR}, {Reason.CYCLES, Reason.INSTRUCTIONS}, {Reason.HALTED, Reason.IDLE}]
    for code in set(OF_REASON.values()):
        reasons = {reason for reason, its in OF_REASON.items() if its == code}
        assert len(reasons) == 1 or reasons in same


@pytest.mark.parametrize(("value", "code"), [(0, 0), (255, 255), (256, 0), (0x1FF, 255)])
def test_a_guest_s_own_code_is_cut_to_a_byte(value: int, code: int) -> None:
    assert exit_code(replace(RESULT, exit_code=value)) == code
