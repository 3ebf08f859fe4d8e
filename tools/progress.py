"""How far long work is: a line on a terminal that the next one replaces, and nothing anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tools.messages import is_terminal, write

if TYPE_CHECKING:
    from emu.machine import Machine

WIDTH = 24                  # characters of a bar
OFTEN = 0.1                 # seconds between two lines at least


def progress(text: str, share: float | None = None) -> None:
    """Say what is being done; "" removes the line. With a bar, if it is known which share of it is done, 0 to 1."""
    if is_terminal(sys.stderr):
        write(f"\r\x1b[K{text}" if share is None else f"\r\x1b[K{text} {bar(share)}")


def bar(share: float) -> str:
    """How much is done: [########                ]  33 %"""
    share = min(max(share, 0.0), 1.0)
    return f"[{'#' * int(share * WIDTH):<{WIDTH}}] {share:4.0%}"


@contextmanager
def run_shown(machine: Machine, what: str, max_cycles: int | None = None) -> Iterator[None]:
    """Say how far a machine is that runs meanwhile; with a bar if it is known how far it will go at most."""
    others, shown, start = machine.on_turn, time.monotonic(), machine.cpu.state.cycles

    def turn() -> None:
        nonlocal shown
        if others:
            others()
        if time.monotonic() - shown > OFTEN:
            shown, now = time.monotonic(), machine.cpu.state.cycles
            progress(f"{what}: cycle {now:,}", (now - start) / max_cycles if max_cycles else None)

    machine.on_turn = turn
    try:
        yield
    finally:
        machine.on_turn = others
        progress("")
