"""The paper's figures 1 to 4: what the images of guest/user/micro/figure*.asm do, as golden traces that can be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emu.testing.guest import Guest


@pytest.mark.parametrize("figure", ["stoess-fig1", "stoess-fig2", "stoess-fig3", "stoess-fig4"])
def test_the_figure_is_as_in_the_paper(figure: str, machine: Callable[..., Guest], assert_trace: Callable[..., None]
                                       ) -> None:
    guest = machine(figure)
    while guest.machine.cpu.linear_eip != guest.address("machine_end"):
        guest.run(until=["resume_user", "machine_end"])
        guest.roster.look()                                 # names every thread that gets the processor
    guest.run()
    assert guest.exit_code == 0
    assert_trace("figure", f"goldens/{figure}.txt", marks=True)
