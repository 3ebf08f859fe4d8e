"""ecalls.goodput: replies in time at ten times the load that a server carries; the paper has nothing of this.

Both pages: the small one of ecalls.fig6_7, where all the work of an overload is to drop who knocks, and the one of
ecalls.fig9_10, where a server without control works for clients who have given up.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from tools.reproduce.ecalls_fig9_10 import CONTROLLED, THRESHOLDS, WORK
from tools.reproduce.ecalls_web import CPU, GIGABIT, IMAGES, LARGER, Load, Served, choices, response, serve
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

NAME = "ecalls.goodput"
TIMES = 10
SERVERS = ("select", "ready", "rings", "ecalls")
CARRIED = {"small": 24_000, "complex": 125}     # requests a second that all of these carry, by page
LOST = 0.1                                      # of the replies at that rate, at most, with control
MS = {"small": (80, 150), "complex": (2000, 4000)}          # before what is measured, and that; by page
QUICK_MS = {"small": (10, 20), "complex": (2000, 1000)}


class Point(NamedTuple):
    """What is measured."""

    page: str                   # of CARRIED
    server: str
    is_controlled: bool
    times: int                  # of what is carried


def measure(plan: Plan) -> Findings:
    """Every server with as much as it carries, and with ten times that."""
    cpu = plan.cpu.name if plan.cpu else CPU
    servers = [(page, server, False) for page in CARRIED for server in SERVERS]
    servers += [("complex", "ecalls", True), ("complex", "dwcs", True)]
    found = measure_points({Point(*server, times): f"{_row(*server)}, {times * CARRIED[server[0]]:,}/s"
                            for server, times in product(servers, (1, TIMES))}, _served, plan)
    rows = []
    for server in servers:
        one, more = found[Point(*server, 1)], found[Point(*server, TIMES)]
        row, base = _row(*server), CARRIED[server[0]]
        rows += [Row(row, f"replies at {base:,}/s", "1/s", cpu, ours=one.replies),
                 Row(row, f"replies at {TIMES * base:,}/s", "1/s", cpu, ours=more.replies),
                 Row(row, f"lost at {TIMES} times the load", "1", cpu, ours=1 - more.replies / one.replies,
                     at_most=LOST if server[2] else None),
                 response(row, f"response at {TIMES * base:,}/s, mean", cpu, more)]
    return Findings(rows, notes=choices(
        "Small page: 1 KiB, on a Gigabit wire. Complex page: as in ecalls.fig9_10, on 100 Mbit/s. The load that all "
        "carry is one of those tables at which nothing fails.",
        f"Controlled: thresholds of {THRESHOLDS[0]} connections and {THRESHOLDS[1]} that wait, SYN queue down to "
        "nothing. Under DWCS the server is the only process."))


def _row(page: str, server: str, is_controlled: bool) -> str:
    return f"{page} page: {server}{', controlled' if is_controlled else ''}"


def _served(plan: Plan, point: Point) -> Served:
    rate = point.times * CARRIED[point.page]
    load = Load(point.server, rate, *(QUICK_MS if plan.quick else MS)[point.page])
    if point.page == "small":
        return serve(plan, load._replace(wire=GIGABIT))
    load = load._replace(page=LARGER, work=WORK)
    if point.is_controlled:
        load = load._replace(thresholds=CONTROLLED.thresholds, least=CONTROLLED.least)
    return serve(plan, load)


TABLE = Table(NAME, "web servers: replies in time at ten times the load that they carry",
              tuple(IMAGES.values()), (CPU,), measure)
