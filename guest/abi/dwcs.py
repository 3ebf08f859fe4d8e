"""DWCS, the Dynamic Window-Constrained Scheduler of the kernel `ecalls-dwcs`."""

from __future__ import annotations

from guest.abi.layout import Layout, u32
from guest.abi.scheduling import WindowFlag
from guest.abi.words import Word


class Share(Word):
    """Shares of the processor"""

    SHARE_ALL = 3_491_888_400, (
        "all of it: 2^4 3^3 5^2 7 11 13 17 19 parts; the share C/T is exact if T divides that, as 1 to 20 and 100 do, "
        "else rounded up")


DWCS = Layout(
    "DWCS", "How DWCS schedules a process; all zero to begin with: SCHED_OTHER, best effort",
    u32("next", "in its queue, of those that can run: the one behind it; 0: it is not there"),
    u32("previous", "and before it"),
    u32("period", "T, in ticks; 0: best effort"),
    u32("runtime", "C, in ticks"),
    u32("numerator", "x"),
    u32("denominator", "y"),
    u32("flags", "WINDOW_ bits", WindowFlag),
    u32("deadline", "the slot with which the next period begins"),
    u32("left", "slots that it has still to get in this period"),
    u32("x", "x'"),
    u32("y", "y'"),
    u32("tagged", "not 0: its window has been violated"),
    u32("met", "periods in which it got C slots, or gave up the rest"),
    u32("missed", "periods in which it did not"),
    u32("violations", "those of them with x' = 0"),
    u32("share", "C/T, or what its window needs at least, in parts of SHARE_ALL"),
)
