"""What the timing model's caches, TLBs and branch target buffer hold."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from emu.machine import Machine
from emu.monitor.inspect.plain import Plain
from emu.timing.associative import LARGE, MARK, NUMBER_SHIFT, VALID

TITLES = {"l1d": "first data cache", "l1i": "first code cache", "l2": "second cache", "trace": "trace cache",
          "data": "data TLB", "data_large": "data TLB, 4 MiB pages", "data_l2": "second data TLB", "code": "code TLB",
          "code_large": "code TLB, 4 MiB pages", "code_l2": "second code TLB", "btb": "branch target buffer"}
TLBS = ("data", "data_large", "data_l2", "code", "code_large", "code_l2")


@dataclass(frozen=True)
class Table(Plain):
    """One of them, and how full it is."""

    name: str               # as in the record of emu.timing.model
    title: str              # for people
    sets: int
    ways: int
    used: int               # words in use
    marked: int             # of these, dirty lines or global pages
    pages: list[int]        # of a TLB: linear addresses of its pages, ascending; else empty


def tables(machine: Machine) -> list[Table]:
    """All that the processor has; none under a `unit` profile."""
    model = machine.cpu.costs.model
    if model is None:
        return []
    found = []
    for name, title in TITLES.items():
        address, mask, ways = (getattr(model.record, name + part) for part in ("", "_mask", "_ways"))
        if not address:
            continue
        words = np.ctypeslib.as_array((ctypes.c_int64 * ((mask + 1) * ways)).from_address(address))
        used = words[words & VALID != 0].tolist()
        pages = [word >> NUMBER_SHIFT << (22 if word & LARGE else 12) for word in used] if name in TLBS else []
        found.append(Table(name, title, mask + 1, ways, len(used), sum(bool(word & MARK) for word in used),
                           sorted(pages)))
    return found
