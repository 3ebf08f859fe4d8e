"""What programs of the kernels `ecalls` and `ecalls-dwcs` say and learn of how they are scheduled."""

from __future__ import annotations

from guest.abi.layout import Layout, group, u32
from guest.abi.words import Word


class Policy(Word):
    """Policies. `ecalls` has the first three of them, `ecalls-dwcs` the first and the last"""

    SCHED_OTHER = 0, "what the others leave, by turns; to begin with"
    SCHED_FIFO = 1, "real time: by priority; gives the processor up by itself, or to a higher priority"
    SCHED_RR = 2, "likewise, but by turns among equals"
    SCHED_DWCS = 3, "real time: so and so long in each period of a WINDOW"


class SchedulingParameter(Word):
    """Parameters of schedulers"""

    RR_TICKS = 15, "ticks of a slice of SCHED_RR"
    DEF_PRIORITY = 20, "ticks of a slice of SCHED_OTHER, 1 and up; nice makes it longer or shorter"
    SCHED_EVENTS = 1, "1: processes with events pending are preferred; 0: the schedulers do not know of events"


class SchedulingLimit(Word):
    """What SYS_SCHED_SET takes"""

    RT_PRIORITY_MAX = 99, "real-time priorities are 1 to this, the most urgent"
    NICE_MIN = -20, "nice, from the longest slice"
    NICE_MAX = 19, "to the shortest"
    PERIOD_MAX = 65535, "ticks of a period"
    YMAX = 255, "periods of a window"


class WindowFlag(Word):
    """WINDOW_FLAGS, added up"""

    WINDOW_UNPROMISED = 1, "it is admitted in any case and promised nothing: those who have a promise come first"
    WINDOW_WORK_CONSERVING = 2, "it may run more often than once in a period, when all others have run"


WINDOW = Layout(
    "WINDOW", "SCHED_DWCS: what a process wants, for SYS_SCHED_SET",
    u32("period", "T, in ticks: 1 to PERIOD_MAX"),
    u32("runtime", "C, in ticks: it runs so long in each period; 1 to T"),
    u32("numerator", "x: it may miss so many periods"),
    u32("denominator", "y: of so many, 1 to YMAX and x or more"),
    u32("flags", "WINDOW_ bits", WindowFlag),
)

SCHEDULED = Layout(
    "SCHEDULED", "How a process is scheduled, for SYS_SCHED_GET",
    u32("policy", "its policy", Policy),
    u32("priority", "real-time priority; SCHED_OTHER: nice; SCHED_DWCS: 0"),
    u32("left", "ticks that it has left: of its slice, or in its period"),
    group("SCHED_DWCS; else 0"),
    u32("x", "of the window that has begun: periods that may be missed"),
    u32("y", "of so many"),
    u32("met", "periods in which it has run as long as it wanted"),
    u32("missed", "periods in which it has not"),
    u32("violations", "those of them that it should not have missed: x was 0"),
)
