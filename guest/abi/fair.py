"""Fair queueing of the processor: what guest/lib/fair.asm keeps of each that wants it."""

from __future__ import annotations

from guest.abi.layout import Layout, u32
from guest.abi.words import Word


class FairTime(Word):
    """Fair queueing, in cycles"""

    # Chosen, not taken from the literature. Two that compute change places once in a FAIR_GRAIN at most: with the cache
    # misses behind it a switch takes some thousand cycles, about a hundredth. Who has waited interrupts whoever runs,
    # since its credit is more than a grain, and then runs for both together at most before others have their turn: with
    # a credit of four grains 0.4 ms at 3 GHz, a fifth of a tick of 2 ms.
    FAIR_CREDIT = 1 << 20, "who has waited is that much ahead of all others, at most; more than FAIR_GRAIN"
    FAIR_GRAIN = 1 << 18, "who is not that much ahead of the running one does not interrupt it"


FAIR = Layout(
    "FAIR", "Somebody who wants the processor; all zero to begin with",
    u32("next", "in the queue: the one behind it, or 0"),
    u32("virtual", "cycles that it has had, or has let pass while it waited: the least gets the processor"),
    u32("virtual_high", "their upper half"),
    u32("since", "while it runs: RDTSC since when"),
    u32("since_high", "its upper half"),
)
