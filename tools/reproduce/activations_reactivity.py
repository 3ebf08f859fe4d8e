"""activations.reactivity: how soon input reaches the thread that waits for it, while others compute.

The paper claims it and does not measure it. A reader waits for a byte on the UART; 0 to 64 threads are ready and never
let it go first. With upcalls all are user threads, and the policy is fixed priority; with signals, too, but the handler
of SIGIO switches to the reader; the third are kernel threads, round robin at every tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tools.reproduce.activations_busy import CPU, Lost, profile_of
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Chart, Findings, Line, Row, Table

if TYPE_CHECKING:
    from tools.reproduce.runs import Run

NAME = "activations.reactivity"
WAYS = {"upcalls": "upcalls", "signals": "signals", "kernel": "kernel threads"}
READY = (0, 1, 4, 16, 64)
QUICK_READY = (0, 4)
ROUNDS = {"upcalls": 500, "signals": 500, "kernel": 50}
QUICK_ROUNDS = 10
WARM_UP = 2
FIRST, APART = 250_000, 1_370       # when input begins, us; and how far it is apart, for each turn that may pass
SLOW = ("Round robin: a woken kernel thread waits for its turn, a tick for each that is ready. In a kernel that lets "
        "it go first it would take little more than with 0 ready threads.")
BARE = ("The least that a program can do: its handler switches straight to the reader, without a library, a policy, or "
        "a ready queue; any other thread that blocks would block all of them.")
READS = "Of these the reader still has to read, which is in it; upcalls and kernel threads come back with the byte."
IDLE = "With 0 the processor is halted. The kernel thread goes on directly; a user thread has to be told first."


class Point(NamedTuple):
    """A point that is measured."""

    way: str
    ready: int


def measure(plan: Plan) -> Findings:
    """All ways, each with all numbers of ready threads."""
    points = [Point(way, ready) for way in WAYS for ready in (QUICK_READY if plan.quick else READY)]
    found = measure_points({point: f"{WAYS[point.way]}, {point.ready} ready" for point in points}, _latency, plan)
    cpu, rows = plan.cpu.name if plan.cpu else CPU, []
    for point, latency in found.items():
        notes = {"upcalls": (), "signals": (BARE, READS), "kernel": (SLOW,)}[point.way]
        for name, percent in (("median", 50), ("p99", 99), ("longest", 100)):
            rows.append(Row(f"{point.ready} ready", f"{WAYS[point.way]}, {name}", "us", cpu,
                            ours=latency.rank(percent), is_detail=name == "p99",
                            notes=notes if name == "median" else ()))
    return Findings(rows, [_chart(found, cpu)], [
        "From the UART's assertion of its line to the instruction behind the reader's read. Input comes in all phases "
        "of the tick.", IDLE])


def _run(plan: Plan, point: Point) -> tuple[Run, int]:
    from tools.reproduce.runs import run

    rounds = QUICK_ROUNDS if plan.quick else ROUNDS[point.way]
    count, profile = WARM_UP + rounds, profile_of(plan)
    apart = APART * (point.ready + 2 if point.way == "kernel" else 1)
    sent = [(FIRST + at * apart) * profile.clock // 1_000_000 for at in range(count)]
    return run(f"activations-reactive-{point.way}", profile, f"{point.ready} {count}", sent=sent), rounds


def _latency(plan: Plan, point: Point) -> Lost:
    """From the assertion of the line to the reader, each time."""
    import numpy as np

    from emu.crossings import Kind

    run, rounds = _run(plan, point)
    interrupts = run.crossings[(run.crossings["kind"] == Kind.INTERRUPT) & (run.crossings["line"] == 4)]
    waited = dict(zip(interrupts["cycle"].tolist(), interrupts["waited"].tolist(), strict=True))
    reached = run.path("reactive", at_least=WARM_UP + rounds).occurrences[WARM_UP:]
    cycles = reached["cycles"] + [waited[begin] for begin in reached["begin"].tolist()]
    return Lost(np.asarray(cycles) / run.profile.clock * 1e6)


def _chart(found: dict[Point, Lost], cpu: str) -> Chart:
    lines = [Line(WAYS[way], tuple((point.ready, lost.median) for point, lost in found.items() if point.way == way),
                  colour) for colour, way in enumerate(WAYS)]
    return Chart(f"Input to the reader on {cpu}", "ready threads", "us, median", tuple(lines))


TABLE = Table(NAME, "input to the thread that waits for it: upcalls, signals, kernel threads",
              tuple(f"activations-reactive-{way}" for way in WAYS), (CPU,), measure)
