"""What a mispredicted branch costs: one that goes the same way each time, against one that a random number decides.

Both are the same code, and both ways of the branch are as long. Nothing can predict a random number, so half of its
branches are mispredicted. Branches lie 32 bytes apart: predictors hold few of those that are close to each other.
"""

from __future__ import annotations

from emu.timing.figures import Certainty
from emu.timing.profile import Profile
from tools.validate.checks import Check, Published
from tools.validate.rig import Rig

BODY = ("mov edx, eax", "shl edx, 13", "xor eax, edx", "mov edx, eax", "shr edx, 17", "xor eax, edx",      # xorshift32
        "mov edx, eax", "shl edx, 5", "xor eax, edx", "test eax, ebx", "jz short . + 32",
        "nop", "jmp short . + 61", *["nop"] * 27,           # one way, and NOPs that are jumped over
        "nop", "jmp short . + 31", *["nop"] * 29)           # the other
ONE_WAY = 13                    # instructions that run
SEED = 2463534242
DECIDING = 0x10000              # the bit that decides
BRANCHES = 4000
TOLERANCE = 0.10

PENALTIES = {
    "p5-166": Published(3, 5, "Intel Pentium manual: 3 in the U pipe, 4 in V; Agner Fog: to 5", Certainty.UNVERIFIED),
    "p2-450": Published(10, 26, "GCC ppro.md: 15, 26 at worst; 10 to 15 commonly", Certainty.MANUAL),
    "p3-500": Published(10, 26, "GCC ppro.md: 15, 26 at worst; 10 to 15 commonly", Certainty.MANUAL),
    "k7-550": Published(10, 13, "commonly", Certainty.UNVERIFIED),
    "p4-1800": Published(20, 30, "commonly", Certainty.UNVERIFIED),
    "pd-3000": Published(31, 50, "commonly", Certainty.UNVERIFIED),
}


def check_branches(profile: Profile) -> list[Check]:
    """The penalty, where one is published."""
    if profile.name not in PENALTIES:
        return []
    rig = Rig(profile)
    steady, uncertain = (_cycles(rig, mask) for mask in (0, DECIDING))
    return [Check(profile.name, "a branch mispredicted", 2 * (uncertain - steady), PENALTIES[profile.name], TOLERANCE)]


def _cycles(rig: Rig, mask: int) -> float:
    """Cycles of an iteration, after as many that nothing was measured of."""
    head = rig.place(BODY)
    length = ONE_WAY + 1
    rig.enter(head, {"eax": SEED, "ebx": mask})
    rig.run(length * BRANCHES, head)
    return rig.run(length * BRANCHES, head) / BRANCHES
