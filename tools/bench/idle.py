"""What a simulated second costs: in proportion to the instructions that run in it, not to the time that passes."""

from __future__ import annotations

from typing import Any

from emu.machine import Machine
from tools.bench import kernel
from tools.bench.rig import best

SECONDS = 1, 4              # simulated, of a kernel that idles
INSTRUCTIONS = 250_000, 1_000_000           # of a kernel that is busy


def idle(profile: str, quick: bool) -> dict[str, float]:
    """CPU seconds that a second takes in which the kernel idles, by the simulated seconds of one run.

    The timer interrupts a thousand times a second; how many instructions that makes stands at "instructions".
    """
    machine = kernel.booted(kernel.sleeping(), profile)
    before = machine.cpu.state.instructions
    machine.run(max_cycles=machine.profile.clock)
    instructions = machine.cpu.state.instructions - before
    lasts = [_cpu_seconds(machine, quick, max_cycles=seconds * machine.profile.clock) / seconds for seconds in SECONDS]
    return dict(zip(map(str, SECONDS), lasts, strict=True)) | {"instructions": float(instructions)}


def busy(profile: str, quick: bool) -> dict[str, float]:
    """CPU seconds that a million instructions take of a kernel that is busy, by the instructions of one run."""
    machine = kernel.booted(kernel.calling(), profile)
    lasts = [_cpu_seconds(machine, quick, max_instructions=count) / count * 1e6 for count in INSTRUCTIONS]
    return dict(zip(map(str, INSTRUCTIONS), lasts, strict=True))


def _cpu_seconds(machine: Machine, quick: bool, **limit: Any) -> float:
    """CPU seconds of a run to a limit."""
    def run() -> None:
        machine.run(**limit)

    return best([run], quick)[0]
