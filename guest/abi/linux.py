"""The Linux-like scheduler of the kernel `ecalls`: FIFO, RR, OTHER, with and without awareness of events."""

from __future__ import annotations

from guest.abi.layout import Layout, u32
from guest.abi.scheduling import Policy
from guest.abi.words import Word


class Goodness(Word):
    """How much a process should run"""

    GOODNESS_REAL_TIME = 1000, "a real-time process: this and its priority, more than any SCHED_OTHER can have"


LINUX = Layout(
    "LINUX", "How a process is scheduled; all zero to begin with",
    u32("next", "in the run queue: the one behind it; 0: it is not there"),
    u32("previous", "and before it"),
    u32("all", "the one that was there before it, or 0"),
    u32("policy", "its policy", Policy),
    u32("real_time", "GOODNESS_REAL_TIME + real-time priority; 0: SCHED_OTHER"),
    u32("nice", "SCHED_OTHER: what it has asked for"),
    u32("priority", "ticks that it gets at a time; 0: it has just begun"),
    u32("counter", "ticks that it has left"),
)
