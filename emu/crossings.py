"""The records of a run: what native code writes into its rings, as NumPy sees it.

A crossing is a change of privilege level, or an event delivered within a ring; a block is a run of instructions that
Unicorn translated as one. Both carry the clock and the number of instructions retired before them. Within one run they
are ordered by `blocks`: a crossing stands behind that many block records.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np


class Kind(IntEnum):
    """What a record of CROSSING is."""

    BEGIN = 0               # recording begins here: `to` is where, `from` the same
    END = 1                 # recording ends here
    EXCEPTION = 2           # a fault or trap of the processor, `vector` and `error`
    SOFTWARE = 3            # INT n, INT3, INTO: `from` is the instruction
    INTERRUPT = 4           # an external interrupt, `line` of the PIC
    SYSENTER = 5
    SYSEXIT = 6
    IRET = 7                # to an outer ring or within one
    RETF = 8                # to an outer ring
    CALL_GATE = 9           # to an inner ring
    OTHER = 10              # the level changed in another way
    MARK = 11               # execution arrived at an address that somebody named: `to`
    IDLE = 12               # the processor was halted: from `cycle` on for `cost` cycles
    LOST = 13               # records before this one are not there: the ring was too small, or recording was off


class Bits(IntFlag):
    """The low twelve bits of `space`; the others are those of CR3."""

    TO = 3                  # CPL behind it
    FROM = 3 << 2           # CPL before it
    IF_TO = 1 << 4          # interrupts are enabled behind it
    IF_FROM = 1 << 5        # ... were before it


NO_LINE = 0xFF

CROSSING = np.dtype([
    ("cycle", "<i8"),           # the clock when it began
    ("instructions", "<i8"),    # retired before it; SYSENTER itself is not among them, INT n is
    ("from", "<u4"),            # linear address of the instruction that crossed, or in front of which it happened
    ("to", "<u4"),              # linear address of the first instruction behind it
    ("space", "<u4"),           # CR3 behind it, and Bits
    ("thread", "<u4"),          # ESP0 in the TSS behind it: tells threads apart; 0 without a TSS
    ("kind", "u1"),             # Kind
    ("vector", "u1"),
    ("line", "u1"),             # IRQ line of an INTERRUPT, else NO_LINE
    ("reserved", "u1"),
    ("error", "<u4"),           # error code of an EXCEPTION, 0 if it has none
    ("cost", "<u4"),            # cycles that it took; 0 where it is part of what its instruction costs
    ("waited", "<u4"),          # INTERRUPT: cycles since the device asserted the line
    ("blocks", "<u4"),          # block records before it, modulo 2^32
    ("transition", "<u4"),      # cycles by cause since power-on when it began, modulo 2^32; the pipeline has the rest
    ("cache", "<u4"),
    ("tlb", "<u4"),
    ("branch", "<u4"),
    ("bus", "<u4"),
])

BLOCK = np.dtype([
    ("cycle", "<i8"),           # the clock when it began
    ("instructions", "<i8"),    # retired before it: the next record tells how many of it ran
    ("pc", "<u4"),              # linear address of its first instruction
    ("space", "<u4"),           # CR3, and Bits: TO and IF_TO
    ("thread", "<u4"),          # as in CROSSING
    ("size", "<u2"),            # bytes
    ("ends", "<u2"),            # how it ends: a branch kind of emu.timing.branches, 0 for anything else
])


def offsets(dtype: np.dtype[Any]) -> list[int]:
    """Where the fields of a record begin, bytes, in order."""
    return [dtype.fields[name][1] for name in dtype.names] if dtype.names and dtype.fields else []
