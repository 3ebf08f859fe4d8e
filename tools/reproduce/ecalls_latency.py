"""ecalls.latency: how soon a program hears of a datagram, by each way there is, beside others that compute.

From the handler of the card's interrupt to the first instruction of the program that knows. The program
is one of SCHED_OTHER as those that compute are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tools.reproduce.ecalls_crossings import CPUS, profile
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

NAME = "ecalls.latency"
IMAGE = "ecalls-latency"
WAYS = {                        # programs of the image
    "user": "user handler", "queue": "flag, with the event queue", "flag": "flag, without it",
    "signal": "real-time signal", "receive": "blocking receive, without ECalls"}
COMPUTING, QUICK_COMPUTING = (0, 1, 4), (0, 1)
BEGIN, SECONDS, QUICK_SECONDS = 0.1, 1.0, 0.1       # of the machine's time
RANKS = (("least", 0), ("median", 50), ("p99", 99), ("longest", 100))


class Point(NamedTuple):
    """A way, and how many others compute."""

    cpu: str
    way: str
    computing: int


def measure(plan: Plan) -> Findings:
    """Every way, beside none, one and several."""
    computing = QUICK_COMPUTING if plan.quick else COMPUTING
    points = {Point(cpu, way, count): f"{label} beside {count} on {cpu}"
              for cpu in ([plan.cpu.name] if plan.cpu else CPUS) for count in computing for way, label in WAYS.items()}
    found = measure_points(points, _latencies, plan)
    rows = [Row(f"{WAYS[point.way]}, beside {point.computing}", name, "us", point.cpu, ours=ours,
                is_detail=name in ("least", "p99"))
            for point, ranks in found.items() for (name, _), ours in zip(RANKS, ranks, strict=True)]
    return Findings(rows, notes=[
        f"Of the datagrams that come in {QUICK_SECONDS if plan.quick else SECONDS:g} s, 997 a second, so that they "
        "come in all phases of the tick of 10 ms. The paper has no such figure.",
        "What computes is of SCHED_OTHER, as the program is: by Linux's goodness, who waits has more ticks left than "
        "who computes, and so is preferred anyway, but for a while after all have been given new ones."])


def _latencies(plan: Plan, point: Point) -> list[float]:
    """RANKS of them, us."""
    from tools.reproduce.runs import RunError, watch

    seconds = QUICK_SECONDS if plan.quick else SECONDS
    programs = (point.way, *(f"cpu{number}" for number in range(1, point.computing + 1)))
    window = watch(IMAGE, profile(plan, point.cpu), BEGIN, BEGIN + seconds, ("line_interrupt", f"{point.way}:heard"),
                   programs=programs)
    came, heard = window.arrivals.values()
    latencies = sorted(between(came.tolist(), heard.tolist()))
    if len(latencies) < seconds * 500:
        raise RunError(f"{window.title}: {len(latencies)} datagrams were heard of; the table needs {seconds * 500:.0f}")
    return [latencies[max(0, -(-len(latencies) * percent // 100) - 1)] / window.profile.clock * 1e6
            for _, percent in RANKS]


def between(came: Iterable[int], heard: Iterable[int]) -> list[int]:
    """Cycles from what has come until it is heard of; of what comes before the last was heard of, from the first on."""
    events = sorted([(at, False) for at in came] + [(at, True) for at in heard])
    found, since = [], None
    for at, is_heard in events:
        if not is_heard:
            since = at if since is None else since
        elif since is not None:
            found.append(at - since)
            since = None
    return found


TABLE = Table(NAME, "how soon a program hears of a datagram, beside others that compute", (IMAGE,), CPUS, measure)
