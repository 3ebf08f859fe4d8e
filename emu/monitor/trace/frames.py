"""Parts of a trace: crossings, the blocks that ran meanwhile, and what was written to the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import BLOCK, CROSSING
from emu.monitor.arrays import unwrapped

CONSOLE = np.dtype([
    ("cycle", "<i8"),           # the clock when the byte left the UART
    ("byte", "<u4"),
])


@dataclass(frozen=True)
class Frame:
    """A part of a trace. What is in it comes before what is in the next."""

    crossings: NDArray[Any] = field(default_factory=lambda: np.zeros(0, CROSSING))
    blocks: NDArray[Any] = field(default_factory=lambda: np.zeros(0, BLOCK))
    console: NDArray[Any] = field(default_factory=lambda: np.zeros(0, CONSOLE))
    first_block: int = 0        # how many block records came before

    def place(self, at: int = 0) -> dict[str, int]:
        """Cycle and instructions at which it begins, or with -1 those of its last record; nothing without records."""
        found = [records[at] for records in (self.crossings, self.blocks) if len(records)]
        found.sort(key=lambda record: int(record["instructions"]))
        return {name: int(found[at][name]) for name in ("cycle", "instructions")} if found else {}

    def merged(self) -> NDArray[np.int64]:
        """Crossings and blocks in the order in which they happened: n for crossings[n], ~n for blocks[n]."""
        return merge(self.crossings, self.blocks, self.first_block)

    def parts(self, most: int) -> Iterator[Frame]:
        """The same in frames of at most `most` blocks; if there are none, of so many crossings."""
        leading = self.blocks if len(self.blocks) else self.crossings
        cuts = np.arange(most, len(leading), most)
        in_crossings = cuts if leading is self.crossings else np.searchsorted(
            _places(self.crossings, self.first_block, len(self.blocks)), cuts, "right")
        in_console = np.searchsorted(self.console["cycle"], leading["cycle"][cuts])
        firsts = self.first_block + np.minimum([0, *cuts], len(self.blocks))
        for crossings, blocks, console, first in zip(
                np.split(self.crossings, in_crossings), np.split(self.blocks, cuts),
                np.split(self.console, in_console), firsts.tolist(), strict=True):
            yield Frame(crossings, blocks, console, first)


def merge(crossings: NDArray[Any], blocks: NDArray[Any], first_block: int = 0) -> NDArray[np.int64]:
    """Records in the order in which they happened: n for crossings[n], ~n for blocks[n].

    `first_block` block records came before the first of `blocks`.
    """
    places = _places(crossings, first_block, len(blocks)) + np.arange(len(crossings))
    order = np.empty(len(crossings) + len(blocks), np.int64)
    is_block = np.ones(len(order), bool)
    is_block[places] = False
    order[places] = np.arange(len(crossings))
    order[is_block] = ~np.arange(len(blocks))
    return order


def _places(crossings: NDArray[Any], first_block: int, count: int) -> NDArray[np.int64]:
    """How many of `count` blocks come before each crossing, ascending."""
    before = unwrapped(crossings["blocks"] - np.uint32(first_block & 0xFFFFFFFF))
    if len(before) and before[0] >= 1 << 31:            # it happened before the first of the blocks
        before -= 1 << 32
    return np.maximum.accumulate(np.clip(before, 0, count))
