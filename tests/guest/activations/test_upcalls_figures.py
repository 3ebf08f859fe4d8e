"""The paper's figures 1 to 3, step for step, as golden traces: figures/ has a program for each, and its trace.

A trace calls an activation by its control block: in figure 1, C goes on with B's. The programs see to the ids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("figure", ["figure1", "figure2_signal", "figure2_upcall", "figure3"])
def test_a_figure_happens_as_it_is_drawn(figure: str, machine: Callable[..., Any],
                                         assert_trace: Callable[..., None]) -> None:
    guest = machine(f"figures/{figure}.toml", until=f"{figure}:_start")
    guest.run()
    assert guest.exit_code == 0, guest.console
    assert_trace(None, f"figures/{figure}.trace.txt")
