"""What a device writes, the caches have no more."""

from __future__ import annotations

import pytest
from machine_code import BareMachine

BUFFER = 0x200000
READS = """
    cld; mov esi, 0x200000; mov ecx, 64; rep lodsd; jmp again
again: mov esi, 0x200000; mov ecx, 64; rep lodsd; nop
"""


@pytest.mark.parametrize("cpu", ["p5-166", "p2-450", "k7-550", "pd-3000"])
def test_what_a_device_has_written_is_fetched_from_memory(cpu: str) -> None:
    def misses(written: int, at: int = BUFFER) -> int:
        bare = BareMachine(READS, cpu=cpu)
        bare.run(until="again")
        if written:
            bare.machine.dma.write(at, bytes(written))
        before = bare.machine.counters
        bare.run(until="end")
        return (bare.machine.counters - before).l1d_misses

    assert misses(0) == 0 and misses(256, BUFFER + 0x10000) == 0
    assert misses(256) >= 256 // 64 and misses(1) == 1
