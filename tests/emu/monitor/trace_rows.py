"""Traces made by hand: a line for each record, as tests like to read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from emu.crossings import BLOCK, CROSSING, NO_LINE, Kind
from emu.monitor.names import Names
from emu.monitor.trace.file import Trace, TraceEnd, TraceHead
from loader.symbols import LineMap, SymbolTable

CALL, RETURN, JUMP, PLAIN = 4, 6, 2, 0          # how blocks end: emu.timing.branches
SPACE, THREAD = 0x5000, 0xC0108000
NAMES = Names(SymbolTable([("f", 0x1000, 0x100), ("g", 0x1100, 0x100), ("h", 0x1200, 0x100), ("entry", 0x2000, 0x100)]),
              LineMap([(0x1000, "a.asm", 1), (0x1004, "a.asm", 2), (0x1100, "a.asm", 5)]),
              {"prog": SymbolTable([("main", 0x8000, 0x100), ("leaf", 0x8100, 0x100)])}, {})


class Rows:
    """Records in the order in which they happen. Every block takes ten cycles and two instructions."""

    def __init__(self) -> None:
        self.cycle, self.instructions = 0, 0
        self.ring, self.thread, self.space = 0, THREAD, SPACE
        self._blocks: list[tuple[Any, ...]] = []
        self._crossings: list[Any] = []

    def block(self, pc: int, ends: int = PLAIN, size: int = 4, ran: int = 2) -> Rows:
        """A block that ran so many instructions."""
        self._blocks.append((self.cycle, self.instructions, pc, self.space | self.ring, self.thread, size, ends))
        self.cycle, self.instructions = self.cycle + 10, self.instructions + ran
        return self

    def crossing(self, kind: Kind, origin: int, to: int, ring: int = 0, **fields: int) -> Rows:
        """A crossing to a ring."""
        record = np.zeros((), CROSSING)
        record["line"] = NO_LINE
        values = {"cycle": self.cycle, "instructions": self.instructions, "from": origin, "to": to, "kind": int(kind),
                  "space": self.space | ring | self.ring << 2, "thread": self.thread, "blocks": len(self._blocks)}
        for name, value in (values | fields).items():
            record[name] = value
        self.ring = ring
        self.cycle += int(record["cost"])
        self._crossings.append(record)
        return self

    def trace(self, names: Names = NAMES, **end: Any) -> Trace:
        """All of them."""
        crossings = np.array(self._crossings, CROSSING) if self._crossings else np.zeros(0, CROSSING)
        known = {"threads": {THREAD: "prog (1)"}, "spaces": {SPACE: "prog"}}
        return Trace.from_arrays(TraceHead("unit", 1_000_000, 1 << 20, "made"), crossings,
                                 np.array(self._blocks, BLOCK), names=names, end=TraceEnd(**known | end))
