"""ecalls.breakeven: from how many events on it is cheaper to defer them than to tell the kernel of each at once.

Deferred events cost a library call each, and once what the scheduler does to hear them, however many there are. To look
whether there are any costs a little even if there are none.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.reproduce.ecalls_crossings import IMAGE, cost, crossings, profile, profiles
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Chart, Findings, Line, Row, Table

NAME = "ecalls.breakeven"
COUNTS, QUICK_COUNTS = (1, 2, 3, 4, 6, 8, 16, 32, 64), (1, 2, 8)
WAYS = {"int": ("fast-int", "fast-int", "INT 81h"), "sysenter": ("fast", "syscall-sysenter", "SYSENTER")}
PAPERS = "In the paper it is 3 us and 0.7 us for each deferred event, and 3.1 us for each fast one: from 2 events on."


class Point(NamedTuple):
    """A run: so many events are deferred together; or they are told at once, in a way."""

    cpu: str
    events: int
    way: str = ""


def measure(plan: Plan) -> Findings:
    """Both, for several numbers of events, on both processors."""
    counts = QUICK_COUNTS if plan.quick else COUNTS
    points = {Point(cpu, count): f"{count} deferred on {cpu}" for cpu in profiles(plan) for count in counts}
    points |= {Point(cpu, 1, way): f"fast by {WAYS[way][2]} on {cpu}" for cpu in profiles(plan)
               for way in WAYS if way == "int" or "SEP" in profile(plan, cpu).features}
    found = measure_points(points, _cost, plan)
    rows, charts = [], []
    for cpu in profiles(plan):
        deferred = {count: found[Point(cpu, count)] for count in counts}
        rows += [Row(f"{count} events", "deferred", "us", cpu, ours=deferred[count]) for count in counts]
        lines = [Line("deferred", tuple((float(count), deferred[count]) for count in counts))]
        for colour, way in enumerate((way for way in WAYS if Point(cpu, 1, way) in found), 1):
            label, fast = f"fast, {WAYS[way][2]}", found[Point(cpu, 1, way)]
            rows.append(Row("1 event", label, "us", cpu, ours=fast))
            cheaper = [count for count in counts if deferred[count] < count * fast]
            rows.append(Row("break-even", f"deferred below {label}", "events", cpu,
                            ours=cheaper[0] if cheaper else None,
                            open="" if cheaper else f"not with {counts[-1]} events",
                            notes=(PAPERS,) if way == "int" else ()))
            lines.append(Line(label, tuple((float(count), count * fast) for count in counts), colour))
        charts.append(Chart(f"Deferred and fast events on {cpu}", "events", "us", tuple(lines)))
    return Findings(rows, charts, [
        "Medians, but the mean of library calls, of which the first one finds less in the caches. Deferred: these and "
        "what the scheduler does to hear them, without the scheduler itself, which would have run anyway. The service "
        "takes each event out of the segment."])


def _cost(plan: Plan, point: Point) -> float:
    """Of all the events of a point, us."""
    if point.way:
        kind, path, _ = WAYS[point.way]
        return cost(crossings(plan, point.cpu, kind), path).us
    run = crossings(plan, point.cpu, f"deferred {point.events}")
    return cost(run, "defer").mean_us * point.events + cost(run, "schedule").us


TABLE = Table(NAME, "from how many events on it is cheaper to defer them", (IMAGE,), ("k7-550", "p2-450"), measure)
