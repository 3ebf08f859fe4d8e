"""activations.table1: what an application loses when it is interrupted, when it gets an upcall, and when a signal.

The application computes. The timer's tick interrupts it, or input on the UART, which the paper does not say; handlers
do next to nothing. The overhead of an upcall has in it that somebody is woken whom the upcall is about.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from tools.reproduce.activations_busy import CPU, EVENTS, INTERRUPTED, UPCALLS, Lost, interrupted, rounds_of, upcalled
from tools.reproduce.papers import figures
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

NAME = "activations.table1"
LABELS = {"regular": "regular path", "upcall": "upcall", "signal": "signal handler"}
BAR = 0.3                       # of the signal's overhead
BUS = "Accesses to the interrupt controllers, and to the UART, are by the ISA bus, about 1 us each: most of this."


class Point(NamedTuple):
    """What interrupts, and what comes of it."""

    event: str
    way: str


def measure(plan: Plan) -> Findings:
    """Both events, each with the three ways."""
    found = measure_points({Point(*point): f"{point[0]}, {LABELS[point[1]]}" for point in product(EVENTS, LABELS)},
                           _lost, plan)
    rows = []
    for event in EVENTS:
        rows += _rows(event, {way: found[Point(event, way)] for way in LABELS}, plan.cpu.name if plan.cpu else CPU)
    return Findings(rows, notes=[
        f"Medians of {rounds_of(plan, 'tick'):,} ticks of 1 ms and of {rounds_of(plan, 'input'):,} bytes of input, "
        "behind the first few. "
        "The paper does not say what interrupts, nor how often it measured.",
        "Time is lost from the interrupted instruction until that instruction goes on: exact, from the run itself."])


def _lost(plan: Plan, point: Point) -> Lost:
    return upcalled(plan, point.event) if point.way == "upcall" else interrupted(plan, point.event, point.way)


def _rows(event: str, lost: dict[str, Lost], cpu: str) -> list[Row]:
    theirs = figures(NAME) if event == "tick" else {"overhead": {}}
    rows = []
    for way, label in LABELS.items():
        times = lost[way]
        rows.append(Row(event, label, "us", cpu, theirs.get(way), times.median,
                        notes=(BUS,) if way == "regular" else ()))
        rows += [Row(event, f"{label}, {name}", "us", cpu, ours=times.rank(percent), is_detail=name == "p99")
                 for name, percent in (("p99", 99), ("longest", 100))]
    over = {way: lost[way].median - lost["regular"].median for way in ("upcall", "signal")}
    rows += [Row(event, f"{LABELS[way]}, overhead", "us", cpu, theirs["overhead"].get(way), ours)
             for way, ours in over.items()]
    printed = theirs["overhead"]
    rows.append(Row(event, "overhead, upcall / signal", "times", cpu,
                    printed["upcall"] / printed["signal"] if printed else None, over["upcall"] / over["signal"], BAR))
    return rows


TABLE = Table(NAME, "time lost when interrupted: with nothing more, with an upcall, with a signal handler",
              (INTERRUPTED, UPCALLS), (CPU,), measure)
