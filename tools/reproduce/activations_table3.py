"""activations.table3: a switch between threads, and a program that makes, joins and ends many: kernel threads, user
threads with a POSIX-like and with a PM2-like face.

The same program, yield or sumtime, is linked with one of three implementations of the same routines.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tools.reproduce.papers import figures
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

if TYPE_CHECKING:
    from tools.reproduce.runs import Run

NAME = "activations.table3"
CPU = "p4-1800"
YIELDS = {"kernel": "kernel", "posix": "posix-system", "pm2": "pm2", "posix, own": "posix"}
SUMS = ("kernel", "posix", "pm2")
LABELS = {"kernel": "kernel threads", "posix": "POSIX-like", "pm2": "PM2-like",
          "posix, own": "POSIX-like, yield to own threads"}
ROUNDS, QUICK_ROUNDS = 50_000, 500          # yields of each of two threads
FEW, QUICK_FEW, MANY, QUICK_MANY = 2_000, 200, 100_000, 2_000
MEMORY, MUCH_MEMORY = 64 << 20, 512 << 20
YIELD_BAR = 0.35                # PM2-like, of kernel threads
SUM_BAR = 0.01                  # user threads, of kernel threads
OWN = ("The paper: yield of its POSIX library is sched_yield, a system call; as an alias of thread_yield it would cost "
       "as PM2's.")
LINUX = ("The paper's 7215 ms are 3.6 ms a thread, which is what Linux 2.4 and its library made of it: each creation "
         "went to a manager thread by a pipe, and came back by signals, and the scheduler looked at every thread each "
         "time. Our kernel does nothing of that, and nothing is slowed to imitate it: no factor of 600 comes of it.")

FIRST = "The kernel makes pages of zeros for stacks, and lines come from memory. The paper does not time the first run."
MANY_THREADS = "The paper: more than 100,000 threads are no problem for its user threads."


class Point(NamedTuple):
    """A program, with which threads, its argument, and bytes of memory for it."""

    program: str
    which: str
    argument: int
    memory: int = MEMORY


def measure(plan: Plan) -> Findings:
    """All yields, all sums, and the sum with very many threads."""
    cpu, theirs = plan.cpu.name if plan.cpu else CPU, figures(NAME)
    rounds, few, many = ((QUICK_ROUNDS, QUICK_FEW, QUICK_MANY) if plan.quick else (ROUNDS, FEW, MANY))
    points = [*(Point("yield", which, rounds) for which in YIELDS), *(Point("sumtime", which, few) for which in SUMS),
              Point("sumtime", "pm2", many, MUCH_MEMORY)]
    found = measure_points({point: f"{point.program}({point.argument:,}), {LABELS[point.which]}" for point in points},
                           _times, plan)
    rows, yields, sums = [], {}, {}
    for which in YIELDS:
        yields[which] = found[Point("yield", which, rounds)][0]
        rows.append(Row("yield()", LABELS[which], "us", cpu, theirs["yield_us"].get(which), yields[which],
                        notes=(OWN,) if which.startswith("posix") else ()))
    printed = theirs["yield_us"]
    rows.append(Row("yield()", "PM2-like / kernel threads", "times", cpu, printed["pm2"] / printed["kernel"],
                    yields["pm2"] / yields["kernel"], YIELD_BAR))
    printed = {} if plan.quick else theirs["sumtime_2000_ms"]
    for which in SUMS:
        first, sums[which] = found[Point("sumtime", which, few)]
        rows += [Row(f"sumtime({few})", LABELS[which], "ms", cpu, printed.get(which), sums[which]),
                 Row(f"sumtime({few})", f"{LABELS[which]}, the first time", "ms", cpu, ours=first, notes=(FIRST,))]
    for which in SUMS[1:]:
        rows.append(Row(f"sumtime({few})", f"{LABELS[which]} / kernel threads", "times", cpu,
                        printed.get(which, 0) / printed["kernel"] if printed else None, sums[which] / sums["kernel"],
                        SUM_BAR, notes=(LINUX,)))
    first, again = found[points[-1]]
    rows += [Row(f"sumtime({many})", LABELS["pm2"], "ms", cpu, ours=again, notes=(MANY_THREADS,)),
             Row(f"sumtime({many})", f"{LABELS['pm2']}, the first time", "ms", cpu, ours=first, notes=(FIRST,))]
    return Findings(rows, notes=[
        f"yield: two threads, median of {2 * rounds:,} behind the first few, with the loop around it. sumtime: the "
        "second of two in a run; a thread's stack is 4 KiB, and it has one integer in the end. The paper leaves these "
        "open."])


def _times(plan: Plan, point: Point) -> tuple[float, ...]:
    return _yield(plan, point) if point.program == "yield" else _sum(plan, point)


def _yield(plan: Plan, point: Point) -> tuple[float]:
    """Between one yield and the next, us."""
    from tools.reproduce.runs import run

    found = run(f"threads-yield-{YIELDS[point.which]}", plan.cpu or CPU, str(point.argument),
                places=["yield:thread_yield"])
    times = sorted(behind - before for before, behind in pairwise(found.arrivals["yield:thread_yield"].tolist()))
    return (_us(found, times[(len(times) - 1) // 2]),)


def _sum(plan: Plan, point: Point) -> tuple[float, float]:
    """From the first call of sum to what is behind it, ms: the first time in a run, and the second."""
    from tools.reproduce.runs import run

    begin, end = "sumtime:sum", "sumtime:print_decimal"
    found = run(f"activations-sumtime-{point.which}", plan.cpu or CPU, str(point.argument), [begin, end],
                memory=point.memory)
    calls, ends = found.arrivals[begin], found.arrivals[end]
    begins = [calls[0], calls[len(calls) // 2]]         # as many calls each time
    first, second = (_us(found, int(after - before)) / 1000 for before, after in zip(begins, ends, strict=True))
    return first, second


def _us(run: Run, cycles: int) -> float:
    return cycles / run.profile.clock * 1e6


TABLE = Table(NAME, "yield and sumtime: kernel threads, user threads with two faces",
              (*(f"threads-yield-{image}" for image in YIELDS.values()),
               *(f"activations-sumtime-{which}" for which in SUMS)), (CPU,), measure)
