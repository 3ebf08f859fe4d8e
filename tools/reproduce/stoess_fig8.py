"""stoess.fig8: what applications get, T and R: user-level scheduling, the original, and no virtual machine at all.

The paper's units are unsafe (its T can only be Mbit/s, and R is too much for requests a ms), and its machine does more
for a request than ours. So beside the figures stand what they become of when something else runs, which is the claim:
under NET+AB, user-level scheduling does what the guest's scheduler wants, as without a virtual machine.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from tools.reproduce.papers import figures
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.stoess_loads import CPU, IMAGES, LABELS, choices, load, replies, throughput
from tools.reproduce.table import Findings, Row, Table

NAME = "stoess.fig8"
ROWS = ("net_cpu", "ab", "net_ab")
T, R = "T, stream to the other side", "R, replies of the web server"
LOST = 0.1                                  # under NET+AB, at most, of a stream that is to stay undisturbed
THEIR_T = "Theirs is printed as MB/s, which no Gigabit card carries."
THEIR_R = "Theirs is printed in requests a ms, 20,000 cycles for one natively: only the ratios mean something."


class Point(NamedTuple):
    """What runs, and on which of IMAGES."""

    system: str
    workload: str


def measure(plan: Plan) -> Findings:
    """Every workload on every system."""
    cpu = plan.cpu.name if plan.cpu else CPU
    found = measure_points({Point(*point): f"{LABELS[point[1]]} on {point[0]}" for point in product(IMAGES, ROWS)},
                           _figures, plan)
    ours: dict[str, dict[str, float]] = {row: {} for row in ROWS}
    for point, values in found.items():
        ours[point.workload] |= values
    rows = []
    for row in ROWS:
        theirs = figures(NAME)[row]
        for key, value in ours[row].items():
            system, metric = key.split("_")
            unit, note = ("Mbit/s", THEIR_T) if metric == "T" else ("replies/ms", THEIR_R)
            rows.append(Row(f"{LABELS[row]}, {system}", T if metric == "T" else R, unit, cpu, theirs[key], value,
                            notes=(note,)))
    return Findings([*rows, *_ratios(ours, cpu)], notes=choices(plan))


def _figures(plan: Plan, point: Point) -> dict[str, float]:
    """T and R, as the paper's are called."""
    window = load(point.system, point.workload, plan)
    found = {}
    if "net" in point.workload:
        found[f"{point.system}_T"] = throughput(window)
    if "ab" in point.workload:
        found[f"{point.system}_R"] = replies(window)
    return found


def _ratios(ours: dict[str, dict[str, float]], cpu: str) -> list[Row]:
    """What the claim is about."""
    printed = figures(NAME)
    rows = [_ratio(f"AB, {system} against native", "R", "ab", f"{system}_R", "ab", "native_R", ours, cpu)
            for system in ("uls", "original")]
    rows.append(_ratio("AB, uls against original", "R", "ab", "uls_R", "ab", "original_R", ours, cpu))
    for system in IMAGES:
        alone, both = (printed[row][f"{system}_T"] for row in ("net_cpu", "net_ab"))
        lost = 1 - ours["net_ab"][f"{system}_T"] / ours["net_cpu"][f"{system}_T"]
        rows.append(Row(f"NET+AB, {system}", "T, share that is lost of NET+CPU's", "1", cpu, 1 - both / alone, lost,
                        at_most=None if system == "original" else LOST))
    rows += [_ratio(f"NET+AB, {system}", "R, of AB's", "net_ab", f"{system}_R", "ab", f"{system}_R", ours, cpu)
             for system in IMAGES]
    return rows


def _ratio(row: str, metric: str, one: str, key: str, other: str, base: str, ours: dict[str, dict[str, float]],
           cpu: str) -> Row:
    printed = figures(NAME)
    return Row(row, f"ratio of {metric}" if metric == "R" else metric, "1", cpu,
               printed[one][key] / printed[other][base], ours[one][key] / ours[other][base])


TABLE = Table(NAME, "user-level scheduling: what a stream and a web server get beside each other",
              tuple(IMAGES.values()), (CPU,), measure)
