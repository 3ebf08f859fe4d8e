"""stoess.fig6: what a call() ping-pong costs by message size, within and between address spaces, `l4` and `uls`.

A round trip is what the caller sees: from its call of the kernel's stub to the instruction behind that, the partner's
reply_and_wait in between. One way is the kernel's part: from the caller's entry to the partner's next instruction. The
curve is on the paper's processor; one way at 0 registers stands beside what was published of L4 on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.reproduce.papers import figures, paper
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Chart, Findings, Line, Row, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.reproduce.runs import Run

NAME = "stoess.fig6"
KERNELS = ("l4", "uls")
SPACES = ("intra", "inter")
REGISTERS, QUICK_REGISTERS = (0, 4, 8, 16, 32, 63), (0, 16, 63)
ROUNDS, QUICK_ROUNDS = 1000, 100            # besides the first
CURVE, PENTIUM = "pd-3000", "p5-166"        # the paper's processor, and the one that L4's best figure is of
ONE_WAY_BAR = 1.2                           # times that figure


class Point(NamedTuple):
    """Which ping-pong."""

    cpu: str
    kernel: str
    space: str
    registers: int


class Cost(NamedTuple):
    """What it cost, in cycles."""

    first: int              # the first round trip, with cold caches
    warm: int               # median of the others
    one_way: int            # likewise, to the partner
    parts: dict[str, int]   # of one way between address spaces on PENTIUM, what it is made of


def measure(plan: Plan) -> Findings:
    """Run the ping-pongs."""
    curve, anchors = (plan.cpu.name, []) if plan.cpu else (CURVE, paper("l4")["ipc"])
    sizes = QUICK_REGISTERS if plan.quick else REGISTERS
    wanted = [Point(curve, *rest) for rest in product(KERNELS, SPACES, sizes)]
    wanted += [Point(cpu, *rest) for cpu in dict.fromkeys(anchor["cpu"] for anchor in anchors)
               for rest in product(KERNELS, SPACES, (0,))]
    found = measure_points({point: f"{point.kernel}, {point.space}, {point.registers} registers on {point.cpu}"
                            for point in wanted}, _cost, plan)
    rows = [*_ratios(found, curve, sizes), *_published(found, anchors), *_parts(found),
            Row("cross processor", "round trip", "cycles", open="one processor"), *_points(found, curve)]
    return Findings(rows, [_chart(found, curve)], [
        f"Medians of {_rounds(plan):,} rounds behind the first, which is the first at all to go this way. The paper "
        "prints its figure without numbers, and does not say how many rounds it made.",
        "l4 and uls have one fast path, from the same source: call() and reply_and_wait ask no policy in either."])


def _rounds(plan: Plan) -> int:
    return QUICK_ROUNDS if plan.quick else ROUNDS


def _cost(plan: Plan, point: Point) -> Cost:
    from tools.reproduce.runs import median, run

    found = run(f"pingpong-{point.kernel}", plan.cpu or point.cpu,
                f"{point.space} {point.registers} {_rounds(plan) + 1}")
    trips, way = found.path("round-trip", at_least=2).occurrences, median(_ways(found))
    parts = _made_of(found, way) if (point.cpu, point.space) == (PENTIUM, "inter") else {}
    return Cost(int(trips["cycles"][0]), int(median(trips[1:])["cycles"]), int(way["cycles"]), parts)


def _ways(run: Run) -> NDArray[Any]:
    """The ways to the partner in all round trips but the first."""
    import numpy as np

    ways, trips = run.path("one-way").occurrences, run.path("round-trip").occurrences
    return ways[np.searchsorted(ways["begin"], trips["begin"][1:])]


def _made_of(run: Run, way: NDArray[Any]) -> dict[str, int]:
    """The share of CR3 and the TLB in a way between address spaces, apart."""
    found = run.ledger(way)
    switch = sum(row.cycles for row in found.rows if row.text.startswith("mov cr3"))
    misses = sum(row.causes["tlb"] for row in found.rows if not row.text.startswith("mov cr3"))
    return {"load of CR3": switch, "TLB misses": misses, "all else": found.cycles - switch - misses}


def _parts(found: dict[Point, Cost]) -> list[Row]:
    return [Row(f"inter, {point.registers} registers", f"one way, {point.kernel}: {name}", "cycles", point.cpu,
                ours=cycles) for point, cost in found.items() for name, cycles in cost.parts.items()]


def _ratios(found: dict[Point, Cost], cpu: str, sizes: Sequence[int]) -> list[Row]:
    """`uls` over `l4` at both ends of the curve."""
    theirs = figures(NAME)["uls_over_l4"]
    rows = []
    for space in SPACES:
        least, most = (found[Point(cpu, "uls", space, size)].warm / found[Point(cpu, "l4", space, size)].warm
                       for size in (sizes[0], sizes[-1]))
        rows += [Row(f"{space}, {sizes[0]} registers", "round trip, uls / l4", "times", cpu, theirs, least, theirs,
                     notes=("The paper: at most about 50 % above the native IPC.",)),
                 Row(f"{space}, {sizes[-1]} registers", "round trip, uls / l4", "times", cpu, theirs, most, least,
                     notes=("The bar is the ratio at the smallest size: it is to fall with size.",))]
    return rows


def _published(found: dict[Point, Cost], anchors: list[dict[str, Any]]) -> list[Row]:
    """One way at 0 registers, beside what was published of L4."""
    rows = []
    for anchor, kernel in product(anchors, KERNELS):
        cpu, cycles = anchor["cpu"], anchor["cycles"]
        intra, inter = (found[Point(cpu, kernel, space, 0)].one_way for space in SPACES)
        ours = {"intra": intra, "inter": inter, "inter less intra": inter - intra}[anchor["row"]]
        unsure = " (unverified)" if anchor["certainty"] == "unverified" else ""
        rows.append(Row(f"{anchor['row']}, 0 registers", f"one way, {kernel}", "cycles", cpu,
                        tuple(cycles) if isinstance(cycles, list) else cycles, ours,
                        ONE_WAY_BAR * cycles if cpu == PENTIUM else None, notes=(f"{anchor['source']}{unsure}.",)))
    return rows


def _points(found: dict[Point, Cost], cpu: str) -> list[Row]:
    """The curve, and the first round trips."""
    return [Row(f"{point.space}, {point.registers} registers", f"round trip, {point.kernel}{which}", "cycles", cpu,
                ours=cycles, is_detail=not which or point.registers > 0)
            for point, cost in found.items() if point.cpu == cpu
            for which, cycles in (("", cost.warm), (", the first", cost.first))]


def _chart(found: dict[Point, Cost], cpu: str) -> Chart:
    lines = [Line(f"{kernel}, {space}", tuple((point.registers, cost.warm) for point, cost in found.items()
                                              if point[:3] == (cpu, kernel, space)),
                  KERNELS.index(kernel), is_dashed=kernel == KERNELS[-1]) for space in SPACES for kernel in KERNELS]
    return Chart(f"call() ping-pong on {cpu}", "message registers", "cycles a round trip", tuple(lines))


TABLE = Table(NAME, "IPC: call() ping-pong against message size, uls beside l4",
              tuple(f"pingpong-{kernel}" for kernel in KERNELS), (CURVE, PENTIUM, "p3-500", "p4-1800"), measure)
