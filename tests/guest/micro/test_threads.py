"""ThreadControl, ExchangeRegisters and the small calls, in both variants of the microkernel.

Each program asks a question, its first line, and checks the answers itself; the machine ends with the number of the
first check that does not hold. Meanwhile the kernel's invariants are checked at each of its exits.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emu.machine import Machine
from emu.monitor.invariants.checking import Invariants
from emu.result import Reason
from guest.abi.micro import KipFeature
from loader.image import Image

ImageMaker = Callable[..., Image]      # the fixture `micro_image`

PROGRAMS = [
    "thread_start", "other_space", "move", "control_refusals", "delete_partners", "rename", "exhaust_memory",
    "end_oneself", "orphan", "exregs_state", "exregs_halt", "exregs_cancel", "exregs_grant", "transfer_ends",
    "small_calls",
]
ENOUGH = 2000                          # exits; the longest program takes half of that
ALL_EXTENSIONS = {"l4": KipFeature.KIP_ACCOUNTING | KipFeature.KIP_BACKLOG,
                  "uls": KipFeature.KIP_ACCOUNTING | KipFeature.KIP_BUDGET | KipFeature.KIP_CEILING
                  | KipFeature.KIP_BACKLOG}


def holds(image: Image) -> None:
    """The program in `image` ends with 0, and nothing in the kernel breaks meanwhile."""
    machine = Machine.boot(image)
    result = Invariants(machine).run(ENOUGH)
    assert (result.reason, result.exit_code) == (Reason.EXIT, 0), f"{result}\n{machine.console.decode()}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_the_program_checks_holds(program: str, micro_image: ImageMaker) -> None:
    holds(micro_image(program))


@pytest.mark.parametrize("program", ["delete_partners", "end_oneself", "exregs_halt", "transfer_ends"])
def test_extensions_change_nothing_in_that(program: str, variant: str, micro_image: ImageMaker) -> None:
    holds(micro_image(program, {"EXTENSIONS": int(ALL_EXTENSIONS[variant])}))
