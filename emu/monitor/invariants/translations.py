"""What holds of the TLB: it allows a program nothing that the page tables do not allow any more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emu.monitor.inspect.pages import held
from emu.monitor.invariants.state import FRAME, USER, WRITABLE, State, Words


def broken(state: State, pages: Words) -> Iterator[str]:
    """What does not hold, of `pages`: linear addresses at which there is or has been something."""
    if not len(pages):
        return
    entries = held(state.machine, pages)
    space = np.full(len(pages), state.machine.cpu.registers.cr3, np.uint32)
    now = state.entries(space, pages)
    less = ((entries ^ now) & FRAME != 0) | (entries & ~now & np.uint32(USER | WRITABLE) != 0)
    for at in np.nonzero((entries != 0) & less)[0].tolist():
        yield f"the TLB still holds page {pages[at]:#x} as {entries[at]:#x}; in the page tables it is {now[at]:#x}"
