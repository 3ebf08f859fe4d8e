"""stoess.extensions: what the kernel does beyond the paper, and what each of these costs an IPC that does not use it.

The ping-pong of stoess.fig6 without a word, in `uls` as the paper has it, and with one extension after the other.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from tools.reproduce.table import Findings, Plan, Row, Table

if TYPE_CHECKING:
    from emu.timing.profile import Profile

NAME = "stoess.extensions"
PAPER = "uls"                               # the kernel without any
EXTENSIONS = {"accounting": "An RDTSC each way, and sums of 64 bits.",
              "budgets": "Needs accounting. Calls with a budget, or by a thread that runs on one, go the long way.",
              "ceilings": "One compare, and three loads to find what with.",
              "backlog": "Counted where a thread begins to wait and ends, which the fast path never does."}
SPACES = ("intra", "inter")
CPUS = ("p5-166", "pd-3000")
ROUNDS, QUICK_ROUNDS = 1000, 100


def measure(plan: Plan) -> Findings:
    """The ping-pong on each kernel."""
    cpus: tuple[str | Profile, ...] = (plan.cpu,) if plan.cpu else CPUS
    rounds = QUICK_ROUNDS if plan.quick else ROUNDS
    wanted = list(product(cpus, SPACES, (PAPER, *EXTENSIONS)))
    rows, base = [], 0
    for at, (cpu, space, kernel) in enumerate(wanted):
        name = cpu if isinstance(cpu, str) else cpu.name
        plan.tell(f"{kernel}, {space} on {name}", at / len(wanted))
        cycles = _one_way(cpu, kernel, space, rounds)
        if kernel == PAPER:
            base = cycles
            rows.append(Row(f"{space}, as in the paper", "one way", "cycles", name, ours=cycles))
        else:
            rows.append(Row(f"{space}, {kernel}", "one way, more than that", "cycles", name, ours=cycles - base,
                            notes=(EXTENSIONS[kernel],)))
    return Findings(rows, notes=[f"Medians of {rounds:,} rounds, 0 registers, nobody using the extension."])


def _one_way(cpu: str | Profile, kernel: str, space: str, rounds: int) -> int:
    from tools.reproduce.runs import median, run

    found = run(f"pingpong-{kernel}", cpu, f"{space} 0 {rounds + 1}")
    return int(median(found.path("one-way", at_least=rounds).occurrences[-rounds:])["cycles"])


TABLE = Table(NAME, "what the kernel does beyond the paper, and what it costs an IPC",
              tuple(f"pingpong-{kernel}" for kernel in (PAPER, *EXTENSIONS)), CPUS, measure)
