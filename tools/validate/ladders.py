"""What memory costs as the working set grows: chains of loads, each of which reads the address of the next.

Caches are climbed without paging, TLBs with pages of 4 KiB, one line of each page read. The published ladders are the
InstLatx64 memory dumps and CPUID; a time of RAM is in nanoseconds there, and turned into cycles of the profile's clock.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from emu.timing.figures import Certainty
from emu.timing.profile import Profile
from tools.validate.checks import Check, Published
from tools.validate.forms import Loop
from tools.validate.rig import PAGE, Rig

LOADS = 60                      # of a loop
TOLERANCE = 0.10                # of a step
KIB = 1024
RANDOM_SET = 16 << 10           # KiB: what the dumps chase at random
SEED = 1


class Steps(NamedTuple):
    """The published ladder of a processor: (least, most) of each."""

    l1: tuple[float, float]         # cycles
    l2: tuple[float, float]         # cycles
    linear: tuple[float, float]     # ns
    random: tuple[float, float]     # ns, page walks included
    miss: tuple[float, float]       # cycles that a miss of the data TLB adds
    second: tuple[float, float] | None          # the same where a second TLB hits
    source: str


LADDERS = {
    "p5-166": Steps((2, 2), (12, 15), (126, 142), (218, 582), (16, 24), None,
                    "P54C at 133 and 166 MHz, P55C at 200 MHz (L2)"),
    "p2-450": Steps((3, 3), (21, 28), (216, 216), (303, 330), (4, 8), None, "Deschutes at 333 MHz; L2 of Katmai too"),
    "p3-500": Steps((3, 3), (21, 22), (162, 162), (206, 238), (7, 8), None, "Katmai at 450 and 500 MHz"),
    "k7-550": Steps((3, 3), (21, 25), (184, 184), (255, 295), (4, 55), (4, 8), "Pluto at 750 MHz; L2 by its divisor"),
    "p4-1800": Steps((2, 2), (18, 20), (160, 163), (174, 182), (40, 52), None,
                     "Willamette at 1715 MHz, Northwood at 1607 MHz"),
    "pd-3000": Steps((4, 4), (27, 28), (98, 98), (120, 134), (32, 36), None, "Smithfield at 2800 MHz"),
}
DUMP = "InstLatx64@087af2c, memory dumps: "


def check_caches(profile: Profile) -> list[Check]:
    """The latency of a load as the working set grows, where a ladder is published."""
    steps, timing = LADDERS.get(profile.name), profile.timing
    if not steps or not timing or not timing.caches.l2:
        return []
    l1, l2 = int(timing.caches.l1d.size.typical), int(timing.caches.l2.size.typical)
    unit = timing.caches.l2.sector or timing.caches.l2.line
    line = int(timing.caches.l1d.line.typical)
    rig = Rig(profile)
    found = []
    for size, stride, step, name in ((l1 // 2, line, steps.l1, "L1"), (l1, line, steps.l1, "L1"),
                                     (2 * l1, line, steps.l2, "L2"), (l2 // 2, line, steps.l2, "L2"),
                                     (4 * l2, int(unit.typical), _cycles(steps.linear, profile), "RAM, line by line")):
        ours = _chase(rig, range(0, size * KIB, stride))
        found.append(_check(profile, f"{size:,} KiB: {name}", ours, step, steps))
    lines = list(range(0, RANDOM_SET * KIB, line))
    random.Random(SEED).shuffle(lines)
    ours = _chase(Rig(profile, pages=True), lines)
    found.append(_check(profile, f"{RANDOM_SET:,} KiB: RAM at random, 4 KiB pages", ours,
                        _cycles(steps.random, profile), steps))
    return found


def check_tlbs(profile: Profile) -> list[Check]:
    """The latency of a load that hits the first cache, as the number of pages grows over what the data TLBs hold."""
    steps, timing = LADDERS.get(profile.name), profile.timing
    if not steps or not timing:
        return []
    first, second = timing.tlbs.data, timing.tlbs.data_l2
    cache = timing.caches.l1d
    line, pages_of_way = int(cache.line.typical), max(1, int(cache.size.typical * KIB / cache.ways.typical) // PAGE)
    ladder = [(int(first.entries.typical) // 2, (0.0, 0.0)), (int(first.entries.typical), (0.0, 0.0))]
    if second and steps.second:
        ladder += [(int(first.entries.typical) * 3 // 2, steps.second),
                   (int(second.entries.typical) * 3 // 2, steps.miss)]
    else:
        ladder += [(int(first.entries.typical) * 3 // 2, steps.miss)]
    found = []
    for pages, extra in ladder:
        spread = [page * PAGE + page // pages_of_way * line % PAGE for page in range(pages)]    # over the cache's sets
        ours = _chase(Rig(profile, pages=True), spread)
        step = steps.l1[0] + extra[0], steps.l1[1] + extra[1]
        found.append(_check(profile, f"{pages} pages", ours, step, steps, Certainty.DERIVED))
    return found


def _check(profile: Profile, what: str, ours: float, step: tuple[float, float], steps: Steps,
           certainty: Certainty = Certainty.MEASURED) -> Check:
    return Check(profile.name, what, ours, Published(*step, DUMP + steps.source, certainty), TOLERANCE)


def _cycles(ns: tuple[float, float], profile: Profile) -> tuple[float, float]:
    return ns[0] * profile.clock / 1e9, ns[1] * profile.clock / 1e9


def _chase(rig: Rig, offsets: Sequence[int]) -> float:
    """Cycles of a load in a chain through `offsets` of some memory, round and round."""
    data = rig.allocate(max(offsets) + 4)
    words = rig.machine.ram.bytes[data:data + max(offsets) + 4].view("<u4")
    for at, to in zip(offsets, [*offsets[1:], offsets[0]], strict=True):
        words[at // 4] = data + to
    iterations = max(8, -(-len(offsets) // LOADS))
    return rig.cycles(Loop(("mov edx, [edx]",) * LOADS, iterations, {}, {"edx": offsets[0]}), data) / LOADS
