"""ecalls.fig9_10: a web server with a page that takes its time, and overload control by ECalls.

Without control, more connections are accepted than the server can answer within the clients' patience, and what it does
for those who have given up is lost. With it, the kernel closes the door, by the length of the SYN queue, while both the
connections that the server says it has and those that wait to be accepted are more than their thresholds.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.reproduce.ecalls_web import CPU, IMAGES, LARGER, Load, Served, Thresholds, choices, response, serve
from tools.reproduce.papers import figures
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Chart, Findings, Line, Row, Table

NAME = "ecalls.fig9_10"
WORK = 12_000                                   # of a page, as the server counts: 3 million cycles
THRESHOLDS: Thresholds = (32, 64)
RATES, QUICK_RATES = (50, 100, 125, 150, 175, 200, 250, 300, 400, 500), (100, 300)      # requests a second
THEIRS = 300                                    # the rate for which the paper prints figures
WARM_MS, WINDOW_MS, QUICK_WARM_MS, QUICK_WINDOW_MS = 2000, 4000, 2000, 1000
SEED = 1                                        # of arrivals at random
RATIO = 1.75                                    # replies with control, over those without, at least: 140 / 80


class Variant(NamedTuple):
    """How the server is run."""

    label: str
    server: str = "ecalls"
    thresholds: Thresholds = (0, 0)
    least: int | None = None
    seed: int | None = None


PLAIN = Variant("plain")
CONTROLLED = Variant("controlled", thresholds=THRESHOLDS, least=0)
LINES = (PLAIN, CONTROLLED)                     # at all rates
OTHERS = (                                      # at THEIRS
    Variant("select()", "select"), Variant("controlled, SYN queue of 8 at least", thresholds=THRESHOLDS, least=8),
    PLAIN._replace(label="plain, at random", seed=SEED), CONTROLLED._replace(label="controlled, at random", seed=SEED))


class Point(NamedTuple):
    """What is measured."""

    variant: Variant
    rate: int


def measure(plan: Plan) -> Findings:
    """Both at every rate, and others at the paper's."""
    cpu = plan.cpu.name if plan.cpu else CPU
    points = [Point(variant, rate) for rate in (QUICK_RATES if plan.quick else RATES) for variant in LINES]
    points += [Point(variant, THEIRS) for variant in (() if plan.quick else OTHERS)]
    found = measure_points({point: f"{point.variant.label}, {point.rate}/s, on {cpu}" for point in points}, _served,
                           plan)
    rows = [row for point, served in found.items() for row in _rows(point, served, cpu)]
    warm, window = _times(plan)
    return Findings([*rows, *_bars(found, cpu)], _charts(found, cpu), choices(
        "Page of 4 KiB, for which a loop of 3 million cycles runs: 7 ms, so that about as many as the paper's 140 a "
        "second can be made.",
        f"Control: thresholds of {THRESHOLDS[0]} connections and of {THRESHOLDS[1]} that wait, half of the 128. Both "
        "were set once, for all rates. Above both, the SYN queue is halved at every event of the listener and every "
        "tick of 10 ms; else 8 come back every 10 ms.",
        "The SYN queue goes down to nothing; the paper mentions no least length. With 8 at least, control would do "
        "nothing here, as a row shows: clients answer at once, so that hardly two connections are ever half open.",
        f"Measured for {window / 1000:g} s behind {warm / 1000:g} s of the same load. At random: a Poisson process."))


def _times(plan: Plan) -> tuple[int, int]:
    return (QUICK_WARM_MS, QUICK_WINDOW_MS) if plan.quick else (WARM_MS, WINDOW_MS)


def _served(plan: Plan, point: Point) -> Served:
    variant = point.variant
    return serve(plan, Load(variant.server, point.rate, *_times(plan), page=LARGER, work=WORK,
                            thresholds=variant.thresholds, least=variant.least, seed=variant.seed))


def _rows(point: Point, served: Served, cpu: str) -> list[Row]:
    row = f"{point.rate}/s: {point.variant.label}"
    theirs = figures(NAME)["replies_per_s_at_300_per_s"] if point.rate == THEIRS else {}
    printed = {PLAIN: theirs.get("plain"), CONTROLLED: theirs.get("ecalls")}.get(point.variant)
    return [Row(row, "replies", "1/s", cpu, printed, served.replies),
            Row(row, "connections that fail", "1/s", cpu, ours=served.failed),
            response(row, "response, mean", cpu, served),
            Row(row, "response, median", "ms", cpu, ours=served.response_50, is_detail=True),
            Row(row, "response, 99 %", "ms", cpu, ours=served.response_99, is_detail=True)]


def _bars(found: dict[Point, Served], cpu: str) -> list[Row]:
    """What the claim is about."""
    printed = figures(NAME)
    theirs = printed["replies_per_s_at_300_per_s"]
    plain, controlled = found[Point(PLAIN, THEIRS)], found[Point(CONTROLLED, THEIRS)]
    row = f"{THEIRS}/s"
    return [Row(row, "replies, plain / controlled", "1", cpu, theirs["plain"] / theirs["ecalls"],
                plain.replies / controlled.replies, at_most=1 / RATIO),
            Row(row, "response, controlled / plain", "1", cpu, 100 / printed["response_time_better_percent"],
                controlled.response / plain.response, at_most=1,
                notes=("Theirs is 250 % better, read as 2.5 times as good. Ours without control are replies that "
                       "came in time, and no reply can take longer than that.",))]


def _charts(found: dict[Point, Served], cpu: str) -> list[Chart]:
    """Figures 9 and 10."""
    return [
        Chart(f"{what}, page of 7 ms, {cpu}", "requests/s", unit, tuple(
            Line(variant.label, tuple((point.rate, getattr(served, field)) for point, served in found.items()
                                      if point.variant == variant), colour)
            for colour, variant in enumerate(LINES)))
        for what, unit, field in (("reply rate", "replies/s", "replies"), ("mean response time", "ms", "response"))]


TABLE = Table(NAME, "web server, page that takes its time: overload control by the length of the SYN queue",
              (IMAGES["ecalls"], IMAGES["select"]), (CPU,), measure)
