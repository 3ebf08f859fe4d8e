"""stoess.extensions: what the kernel does beyond the paper, and what each of these costs who does not use it.

The ping-pong of stoess.fig6 without a word and the busy hierarchy of stoess.fig7, on `uls` as the paper has it, and
with one extension after the other.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from guest.abi.micro import KipFeature
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

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

PATHS = {"intra": "one way", "inter": "one way", "tick": "preempted for"}


class Point(NamedTuple):
    """Which path, on which kernel."""

    cpu: str
    path: str               # of PATHS
    extensions: int         # its EXTENSIONS


def measure(plan: Plan) -> Findings:
    """Every path on each kernel."""
    cpus = (plan.cpu.name,) if plan.cpu else CPUS
    kernels = {0: "as in the paper", **{int(flags): extension for extension, (flags, _) in NOT_USED.items()}}
    found = measure_points({Point(*point): f"{point[1]}, {kernels[point[2]]}, on {point[0]}"
                            for point in product(cpus, PATHS, kernels)}, _cycles, plan)
    rows = []
    for cpu, (path, metric) in product(cpus, PATHS.items()):
        base = found[Point(cpu, path, 0)]
        rows.append(Row(f"{path}, as in the paper", metric, "cycles", cpu, ours=base))
        rows += [Row(f"{path}, {extension}", f"{metric}, more than that", "cycles", cpu,
                     ours=found[Point(cpu, path, int(flags))] - base, notes=(why,) if path != "tick" else ())
                 for extension, (flags, why) in NOT_USED.items()]
    return Findings(rows, notes=[
        f"Medians of {_rounds(plan):,} rounds with 0 registers, and of {_ticks(plan):,} ticks below three levels of "
        "schedulers, nobody using the extension."])


def _rounds(plan: Plan) -> int:
    return QUICK_ROUNDS if plan.quick else ROUNDS


def _ticks(plan: Plan) -> int:
    return QUICK_TICKS if plan.quick else TICKS


def _cycles(plan: Plan, point: Point) -> int:
    """An IPC, the kernel's part; or a tick that goes up to the root scheduler and down again, by three preemptions and
    three replies.
    """
    from tools.reproduce.runs import median, run

    if point.path == "tick":
        image, arguments, path, count = "stoess-fig7", f"cpu 3 {WARM_UP + _ticks(plan)}", "tick", _ticks(plan)
    else:
        image, arguments, path, count = "pingpong-uls", f"{point.path} 0 {_rounds(plan) + 1}", "one-way", _rounds(plan)
    found = run(image, plan.cpu or point.cpu, arguments, parameters={"EXTENSIONS": point.extensions})
    return int(median(found.path(path, at_least=count).occurrences[-count:])["cycles"])


TABLE = Table(NAME, "what the kernel does beyond the paper, and what it costs who does not use it",
              ("pingpong-uls", "stoess-fig7"), CPUS, measure)
