"""Crossings made by hand, one line each, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import CROSSING, NO_LINE, Bits, Kind

U, K = 3, 0                     # rings
GROWING = ("transition", "cache", "tlb", "branch", "bus")


def row(kind: Kind, cycle: int, before: int = K, behind: int = K, *, thread: int = 1, space: int = 0x1000,
        flag: tuple[bool, bool] = (True, True), **fields: Any) -> dict[str, Any]:
    """A crossing from ring `before` to ring `behind`; `flag` is IF before and behind."""
    bits = behind | before << 2 | (Bits.IF_FROM if flag[0] else 0) | (Bits.IF_TO if flag[1] else 0)
    return {"kind": kind, "cycle": cycle, "instructions": cycle // 2, "thread": thread, "space": space | bits,
            "line": NO_LINE} | fields


def rows(*given: dict[str, Any]) -> NDArray[Any]:
    """Crossings; fields that are not given are 0."""
    made = np.zeros(len(given), CROSSING)
    for number, fields in enumerate(given):
        for name, value in fields.items():
            made[name][number] = value
    return made
