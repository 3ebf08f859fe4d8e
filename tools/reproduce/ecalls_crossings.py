"""Crossings between programs and extensions of the kernel, as the tables of the ECalls paper measure them.

The image `ecalls-crossings` makes crossings of one kind, many times; what they cost is a path through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tools.reproduce.plan import Plan

if TYPE_CHECKING:
    from emu.timing.profile import Profile
    from tools.reproduce.runs import Run

IMAGE = "ecalls-crossings"
CPUS = ("k7-550", "p2-450")     # the paper's microbenchmarks, and its experiments
WARM_UP = 20                    # occurrences before those that count
OURSELVES, OTHER = 1, 2         # processes for which events are raised
METHODS = {"kernel": 1, "user": 2, "signal": 8, "thread": 16, "queue": 32}      # METHOD_ of guest/abi/ecalls.py


class Cost(NamedTuple):
    """What a path cost, in cycles: the median occurrence, behind the first few."""

    cycles: int
    instructions: int
    causes: dict[str, int]      # its cycles
    mean: float                 # cycles of all
    clock: int                  # cycles a second

    @property
    def mean_us(self) -> float:
        """The mean in microseconds."""
        return self.mean / self.clock * 1e6

    @property
    def us(self) -> float:
        """In microseconds."""
        return self.cycles / self.clock * 1e6

    def ledger(self) -> str:
        """What it is made of, for people: a summary of its ledger."""
        parts = [f"{cause} {cycles:,}" for cause, cycles in self.causes.items() if cycles]
        return f"{self.instructions:,} instructions, {self.cycles:,} cycles: {', '.join(parts)}"


def profiles(plan: Plan) -> list[str]:
    """The processors that a table is measured on."""
    return [plan.cpu.name] if plan.cpu else list(CPUS)


def profile(plan: Plan, cpu: str) -> Profile:
    """The one of that name."""
    from emu.timing.profile import load_profile

    return plan.cpu or load_profile(cpu)


def crossings(plan: Plan, cpu: str, kind: str, heard: str = "") -> Run:
    """A run in which crossings of a kind are made; the other process hears of its events by the method `heard`."""
    from tools.reproduce.runs import run

    return run(IMAGE, profile(plan, cpu), (kind, str(METHODS.get(heard, 0))))


def cost(run: Run, path: str) -> Cost:
    """What a path of such a run cost."""
    from emu.monitor.paths.costs import PARTS
    from tools.reproduce.runs import median

    found = run.path(path, at_least=2 * WARM_UP).occurrences[WARM_UP:]
    typical = median(found)
    return Cost(int(typical["cycles"]), int(typical["instructions"]), {part: int(typical[part]) for part in PARTS},
                float(found["cycles"].mean()), run.profile.clock)
