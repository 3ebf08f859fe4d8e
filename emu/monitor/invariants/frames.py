"""What holds of the kernel's memory: every frame that was handed out is somebody's, and none is free besides.

This takes walks through lists of what is free, so it is looked at now and then, and not at every crossing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emu.monitor.invariants.mappings import FIRST_UTCB, Mappings
from emu.monitor.invariants.state import FRAME, KERNEL_BASE, PAGE, PRESENT, State, Words
from guest.abi.micro import KTCB

MOST = 1 << 18              # of a list: more than RAM has frames, or the kernel nodes and KTCBs


class Ledger:
    """The frames of the pool from check to check."""

    def __init__(self) -> None:
        self._file: int | None = None       # frames of the root task's file, found at the first check

    def broken(self, state: State, mappings: Mappings) -> Iterator[str]:
        """What does not hold."""
        lists = {name: _list(state, state.variable(name), at)
                 for name, at in (("frames_list", 0), ("nodes_list", 0), ("ktcb_list", KTCB.offsets["next"]))}
        for name, found in lists.items():
            if found is None:
                yield f"{name} does not end"
        free, nodes, blocks = (np.array(found or [], np.uint32) for found in lists.values())
        if np.intersect1d(blocks, state.at).size:
            yield "ktcb_list: a thread's KTCB is on it"
        if np.intersect1d(nodes, mappings.node).size:
            yield "nodes_list: the node of a page is on it"
        used = [mappings.directories[mappings.directories != state.symbols["root_directory"]], mappings.tables,
                mappings.shadows, *_utcbs(state, mappings.directories), _frames(mappings.node, nodes),
                _frames(state.at[state.are_programs], blocks)]
        owned: Words = np.concatenate(used)
        if len(np.unique(owned)) < len(owned):
            yield "a frame of the pool is used twice"
        if np.intersect1d(free, owned).size:
            yield f"frames_list: frame {np.intersect1d(free, owned)[0]:#x} is on it, and in use"
        rest = state.variable("frames_used") - len(owned)
        if self._file is None:
            self._file = rest
        elif rest != self._file:
            what = f"{rest - self._file} frames of the pool are nobody's" if rest > self._file else (
                f"{self._file - rest} frames of the pool are in use that were never handed out")
            yield f"frames_used is {state.variable('frames_used')}: {what}"


def _list(state: State, first: int, link: int) -> list[int] | None:
    """The addresses in a list that ends with 0, None if it does not."""
    found: list[int] = []
    at = first
    while at and len(found) < MOST:
        found.append(at)
        at = state.word(at + link)
    return None if at else found


def _frames(*addresses: Words) -> Words:
    """The frames that these lie in."""
    found: Words = np.unique(np.concatenate(addresses) & FRAME)
    return found


def _utcbs(state: State, directories: Words) -> tuple[Words, Words]:
    """The tables of UTCBs, and the frames that they show."""
    entries = state.gather(directories + np.uint32(4 * FIRST_UTCB))
    tables = (entries[entries & np.uint32(PRESENT) != 0] & FRAME) + np.uint32(KERNEL_BASE)
    words = np.concatenate([state.words(int(table), PAGE // 4) for table in tables])
    return tables, (words[words & np.uint32(PRESENT) != 0] & FRAME) + np.uint32(KERNEL_BASE)
