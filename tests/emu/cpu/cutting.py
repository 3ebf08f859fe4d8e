"""Runs that are cut into pieces, and what must be the same however a run was cut."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from emu.machine import Machine
from emu.result import Reason, Result

PIECE = (Reason.CYCLES, Reason.INSTRUCTIONS)


def state(machine: Machine) -> dict[str, Any]:
    """All that software can see of a machine, and its counts."""
    counts = machine.cpu.state
    return machine.cpu.registers.snapshot() | {
        "cycles": counts.cycles, "instructions": counts.instructions, "clock": machine.clock.now,
        "idle": machine.idle_cycles, "traps": {vector: count for vector, count in enumerate(counts.traps) if count},
        "irqs": machine.irqs, "io accesses": counts.io_accesses, "console": bytes(machine.console),
        "crossings": list(counts.crossings), "uops": counts.uops,
        "causes": [getattr(counts, f"{cause}_cycles") for cause in ("transition", "cache", "tlb", "branch", "bus")],
        "memory": hashlib.sha256(machine.ram.bytes).hexdigest()} | _timing(machine)


def _timing(machine: Machine) -> dict[str, Any]:
    """What the timing model has counted, and what its caches, TLBs and predictor hold."""
    model = machine.cpu.costs.model
    if model is None:
        return {}
    return {"counters": model.counters(), "timing model": hashlib.sha256(model.save()).hexdigest()}


def difference(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What two states do not share."""
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}


def run_in_pieces(machine: Machine, cycles: int, rng: random.Random, longest: int = 60) -> Result:
    """Run up to a cycle, in pieces limited by cycles, by instructions or by both."""
    while True:
        left = cycles - machine.cpu.state.cycles
        limits = {"max_cycles": min(left, rng.randint(1, longest)), "max_instructions": rng.randint(1, longest)}
        for name in rng.choice(((), ("max_cycles",), ("max_instructions",))):
            limits[name] = left
        result = machine.run(**limits)
        if result.reason not in PIECE or machine.cpu.state.cycles >= cycles:
            return result
