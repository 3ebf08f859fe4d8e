"""stoess.extensions: what the kernel does beyond the paper, and what each of these costs who does not use it.

The ping-pong of stoess.fig6 without a word and the busy hierarchy of stoess.fig7, on `uls` as the paper has it, and
with one extension after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from guest.abi.micro import KipFeature
from tools.reproduce.table import Findings, Plan, Row, Table

if TYPE_CHECKING:
    from emu.timing.profile import Profile

NAME = "stoess.extensions"
NOT_USED = {                                # by extension: (EXTENSIONS of the kernel, what it does to an IPC)
    "accounting": (KipFeature.KIP_ACCOUNTING, "An RDTSC each way, and sums of 64 bits."),
    "budgets": (KipFeature.KIP_ACCOUNTING | KipFeature.KIP_BUDGET,
                "Needs accounting. Calls with a budget, or by a thread that runs on one, go the long way."),
    "ceilings": (KipFeature.KIP_CEILING, "One compare, and three loads to find what with."),
    "backlog": (KipFeature.KIP_BACKLOG,
                "Counted where a thread begins to wait and ends, which the fast path never does.")}
CPUS = ("p5-166", "pd-3000")
ROUNDS, QUICK_ROUNDS = 1000, 100            # of the ping-pong
TICKS, QUICK_TICKS = 100, 10                # of the hierarchy
WARM_UP = 10                                # ticks before those

Cost = Callable[["str | Profile", int], int]        # the cycles of a path, on a processor and with these EXTENSIONS


def measure(plan: Plan) -> Findings:
    """Every path on each kernel."""
    cpus: tuple[str | Profile, ...] = (plan.cpu,) if plan.cpu else CPUS
    rounds, ticks = (QUICK_ROUNDS, QUICK_TICKS) if plan.quick else (ROUNDS, TICKS)
    paths: list[tuple[str, str, Cost]] = [
        ("intra", "one way", partial(_one_way, "intra", rounds)),
        ("inter", "one way", partial(_one_way, "inter", rounds)),
        ("tick", "preempted for", partial(_tick, ticks))]
    wanted = list(product(cpus, paths))
    rows = []
    for at, (cpu, (row, metric, cost)) in enumerate(wanted):
        name = cpu if isinstance(cpu, str) else cpu.name
        plan.tell(f"{row} on {name}", at / len(wanted))
        base = cost(cpu, 0)
        rows.append(Row(f"{row}, as in the paper", metric, "cycles", name, ours=base))
        for extension, (flags, why) in NOT_USED.items():
            rows.append(Row(f"{row}, {extension}", f"{metric}, more than that", "cycles", name,
                            ours=cost(cpu, int(flags)) - base, notes=(why,) if row != "tick" else ()))
    return Findings(rows, notes=[
        f"Medians of {rounds:,} rounds with 0 registers, and of {ticks:,} ticks below three levels of schedulers, "
        "nobody using the extension."])


def _one_way(space: str, rounds: int, cpu: str | Profile, extensions: int) -> int:
    """An IPC, the kernel's part."""
    from tools.reproduce.runs import median, run

    found = run("pingpong-uls", cpu, f"{space} 0 {rounds + 1}", parameters={"EXTENSIONS": extensions})
    return int(median(found.path("one-way", at_least=rounds).occurrences[-rounds:])["cycles"])


def _tick(ticks: int, cpu: str | Profile, extensions: int) -> int:
    """A tick that goes up to the root scheduler and down again, by three preemptions and three replies."""
    from tools.reproduce.runs import median, run

    found = run("stoess-fig7", cpu, f"cpu 3 {WARM_UP + ticks}", parameters={"EXTENSIONS": extensions})
    return int(median(found.path("tick", at_least=ticks).occurrences[-ticks:])["cycles"])


TABLE = Table(NAME, "what the kernel does beyond the paper, and what it costs who does not use it",
              ("pingpong-uls", "stoess-fig7"), CPUS, measure)
