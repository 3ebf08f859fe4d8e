"""Crossings: ring 3 to ring 0 and back, by INT and IRET and by SYSENTER and SYSEXIT, with paging on."""

from __future__ import annotations

from emu.machine import Machine
from emu.result import Reason
from tools.bench import system
from tools.bench.rig import MEMORY, PROFILE, Figure, Group, best, image

GOAL = 1e6                      # round trips per second
ROUND_TRIPS = 10_000            # of one run: some milliseconds

BY_INT = f"""
    mov ecx, {ROUND_TRIPS}
.Lagain:
    int {system.CALL}
    dec ecx
    jnz .Lagain
stop:
    jmp user
"""
BY_SYSENTER = f"""
    mov esi, {ROUND_TRIPS}
.Lagain:
    mov ecx, esp
    mov edx, .Lback
    sysenter
.Lback:
    dec esi
    jnz .Lagain
stop:
    jmp user
"""


def _per_second(user: str, quick: bool) -> float:
    """Round trips a second of a ring 3 that makes ROUND_TRIPS of them before it comes to `stop`."""
    machine = Machine.boot(image(system.source(user)), memory=MEMORY, cpu=PROFILE)

    def run() -> None:
        result = machine.run(until="stop")
        if result.reason != Reason.UNTIL or machine.cpu.cpl != 3:
            raise RuntimeError(f"the benchmark ended otherwise: {result}")

    return ROUND_TRIPS / best([run], quick)[0]


def measure_int(quick: bool) -> Group:
    """INT and IRET."""
    return Group("int", "ring 3 to ring 0 by INT through an interrupt gate, back by IRET",
                 [Figure("round_trips_per_second", _per_second(BY_INT, quick), GOAL)])


def measure_sysenter(quick: bool) -> Group:
    """SYSENTER and SYSEXIT."""
    return Group("sysenter", "ring 3 to ring 0 by SYSENTER, back by SYSEXIT",
                 [Figure("round_trips_per_second", _per_second(BY_SYSENTER, quick), GOAL)])
