"""The workloads of stoess.fig7 and stoess.fig8, and what they do on each of the three systems.

The programs are the same files on all three: in a virtual machine on `uls`, in one on `l4`, and on a kernel of their
own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tools.reproduce.plan import Plan

if TYPE_CHECKING:
    from tools.reproduce.runs import Window

CPU = "pd-3000"
IMAGES = {                                          # by the paper's names
    "uls": "stoess-fig8-uls", "original": "stoess-fig8-l4", "native": "stoess-fig8-native"}
SYSTEM = ("resource", "os")                         # modules of a virtual machine's environment
SERVER = ("web", *(f"client{number}" for number in range(1, 17)))
WORKLOADS = {                                       # its programs; a server that nobody asks anything is idle
    "idle": ("web",), "cpu": ("cpu",), "net": ("net",), "net_cpu": ("net", "cpu"), "ab": SERVER,
    "net_ab": ("net", *SERVER)}
LABELS = {"idle": "IDLE", "cpu": "CPU", "net": "NET", "net_cpu": "NET+CPU", "ab": "AB", "net_ab": "NET+AB"}
REPLY = "client1:request_done"                      # all clients are one file, and pass this with each reply
TICK_MS = 2
BEGIN_MS = 40                                       # by then everything has started and TCP is up to speed
WINDOW_MS, QUICK_WINDOW_MS = 100, 6                 # that are measured then
MEMORY = 64 << 20                                   # bytes of the machine
CHOICES = (
    f"Measured for {{ms}} ms of the machine's time, {BEGIN_MS} ms after its start. The paper says neither how long it "
    "measured nor what was asked for: here 16 clients ask for a page of 4 KiB, one request at a time, each with a "
    "connection of its own; netperf sends from a block of 32 KiB. The card interrupts 8,000 times a second at most, as "
    "Linux's driver had it: 16 times a tick.",
    "Our card is on a PCI bus of 33 MHz and 32 bits, which carries less of a TCP stream than a Gigabit wire: beside "
    "its frames go descriptors and acknowledgements. Theirs reached 940 Mbit/s.")


def window_ms(plan: Plan) -> int:
    """How long is measured, in ms."""
    return QUICK_WINDOW_MS if plan.quick else WINDOW_MS


def choices(plan: Plan) -> list[str]:
    """What the paper left open, and what was chosen, for people."""
    return [choice.format(ms=window_ms(plan)) for choice in CHOICES]


def load(system: str, workload: str, plan: Plan, places: Sequence[str] = ()) -> Window:
    """Run a workload on one of IMAGES; arrivals at `places` are noted besides its replies."""
    from tools.reproduce.runs import watch

    programs = WORKLOADS[workload]
    replies = [REPLY] if "client1" in programs else []
    return watch(IMAGES[system], plan.cpu or CPU, BEGIN_MS / 1000, (BEGIN_MS + window_ms(plan)) / 1000,
                 [*replies, *places], programs=(*SYSTEM, *programs), memory=MEMORY)


def throughput(window: Window) -> float:
    """Mbit/s of data that the other side of `net` has got."""
    before, after = (told["tcpsink bytes"] for told in window.told)
    return (after - before) * 8 / window.seconds / 1e6


def replies(window: Window) -> float:
    """Complete replies a ms."""
    return len(window.arrivals[REPLY]) / window.seconds / 1000
