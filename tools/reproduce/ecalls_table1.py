"""ecalls.table1: what events between programs and the kernel cost, beside system calls and signals.

The cost of a delivery is what a program loses that causes an event, more than by an event that nobody wants to hear of:
so it has in it all that the event brings about, switches to another process and back among it.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.reproduce.ecalls_crossings import IMAGE, OTHER, OURSELVES, Cost, cost, crossings, profile, profiles
from tools.reproduce.papers import figures
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

NAME = "ecalls.table1"
PAPERS = "k7-550"               # the processor that the paper's figures are of
BATCH = 8                       # events that are deferred together
FAST_BAR, HANDLER_BAR, DEFERRED_BAR = 0.63, 0.13, 0.15      # of a system call, of a real-time signal, of a system call
NO_SYSENTER = "this processor has no SYSENTER"
NOT_LINUX = (
    "The paper's times are of another order: 4.9 us are 2,700 cycles, while a whole system call of an Athlon was "
    "measured as 280 elsewhere (the source of int_outer in the profile k7-550). It does not say what they consist of, "
    "so what compares is how its rows stand to each other.")
LEAN = (
    "The bar is the paper's ratio to its real-time signal, which took 14,300 cycles of Linux. Ours has the same steps "
    "- queued, woken, chosen, switched to, handled, back - in a tenth of that, so what a user handler saves is less.")


class Point(NamedTuple):
    """A run: crossings of a kind on a processor; another process may hear of its events."""

    cpu: str
    kind: str
    heard: str = ""


class Kind(NamedTuple):
    """A row of the table."""

    key: str                    # in the paper's figures
    label: str
    path: str                   # of the run
    kind: str
    heard: str = ""
    without: str = ""           # a run whose path is taken off, or none


FAST_INT = Kind("", "Fast User-ECall, by INT 81h", "fast-int", "fast-int")
CALL, GENERIC = (Kind("syscall_linux", "system call", "syscall-int", "call"),
                 Kind("syscall_ecalls", "system call by the name of a service", "syscall-int", "generic"))
CALL_SYSENTER = Kind("", "system call, by SYSENTER", "syscall-sysenter", "call-sysenter")
FAST = Kind("fast_user_ecall", "Fast User-ECall", "syscall-sysenter", "fast")
DEFER = Kind("deferred_library_call", "Deferred User-ECall, library call", "defer", f"deferred {BATCH}")
RAISED = f"nothing {OURSELVES}"                             # an event that nobody wants to hear of
RAISED_OTHER = f"nothing {OTHER}"
SIGNAL = Kind("realtime_signal", "real-time signal", "raise", RAISED_OTHER, "signal", RAISED_OTHER)
HANDLER = Kind("user_handler", "user handler function", "raise", RAISED_OTHER, "user", RAISED_OTHER)
KINDS = (
    CALL, CALL_SYSENTER, GENERIC, FAST, FAST_INT, DEFER,
    Kind("", "the same, alone between two system calls", "defer", "defer"),
    Kind("deferred_without_events", "Deferred User-ECall, scheduler without events", "schedule", "schedule"),
    Kind("deferred_with_events", "Deferred User-ECall, scheduler with an event", "schedule", "deferred 1"),
    Kind("", f"the same with {BATCH} events", "schedule", f"deferred {BATCH}"),
    SIGNAL,
    Kind("", "real-time signal to oneself", "raise", f"signal {OURSELVES}", "", RAISED),
    Kind("kernel_handler", "kernel handler function", "raise", f"kernel {OURSELVES}", "", RAISED),
    HANDLER,
    Kind("", "user handler function of the running program", "raise", f"user {OURSELVES}", "", RAISED),
    Kind("", "kernel handler thread", "raise", RAISED_OTHER, "thread", RAISED_OTHER),
    Kind("event_queue_management", "event queue management", "queue", f"queue {OURSELVES}"),
    Kind("ecalls_cpu_scheduling", "ECalls-based CPU scheduling", "pick", "preferred", "", "schedule"),
)


def measure(plan: Plan) -> Findings:
    """Every kind of crossing on both processors."""
    points: dict[Point, str] = {}
    for cpu in profiles(plan):
        for kind in KINDS:
            if _has(plan, cpu, kind):
                points |= {Point(cpu, kind.kind, kind.heard): f"{kind.label} on {cpu}"}
                if kind.without:
                    points |= {Point(cpu, kind.without): f"an event on {cpu}"}
    found = measure_points(points, _costs, plan)
    rows = [row for cpu in profiles(plan) for row in _rows(plan, cpu, found)]
    return Findings(rows, notes=[
        "Medians, caches warm. A system call and the ways into extensions are called by INT 80h, as Linux 2.2.13 was; "
        "Fast User-ECalls come by the fastest way that the processor has, SYSENTER, and by INT in a row of their own.",
        "Signals and handlers: what the program that causes the event loses, less what it loses by an event that "
        "nobody wants to hear of. Real-time signals and user handlers are another program's, which waits and is "
        "preferred to this one, unless the row says otherwise; the paper does not say whose they were.",
        f"Deferred library calls: of {BATCH} in a row.", NOT_LINUX])


def _has(plan: Plan, cpu: str, kind: Kind) -> bool:
    """Whether the processor has the way into the kernel that the row is about."""
    return kind.path != "syscall-sysenter" or "SEP" in profile(plan, cpu).features


def _costs(plan: Plan, point: Point) -> dict[str, Cost]:
    """What those paths cost that rows want of this run."""
    run = crossings(plan, point.cpu, point.kind, point.heard)
    wanted = {kind.path for kind in KINDS if point.kind in (kind.kind, kind.without)}
    return {path: cost(run, path) for path in sorted(wanted) if run.paths[path].count > 1}


def _rows(plan: Plan, cpu: str, found: dict[Point, dict[str, Cost]]) -> list[Row]:
    theirs = figures(NAME) if cpu == PAPERS else {}
    ours: dict[Kind, float] = {}
    rows = []
    for kind in KINDS:
        if not _has(plan, cpu, kind):
            rows.append(Row(kind.label, "cost", "us", cpu, theirs.get(kind.key), open=NO_SYSENTER))
            continue
        whole = found[Point(cpu, kind.kind, kind.heard)][kind.path]
        less = found[Point(cpu, kind.without)][kind.path] if kind.without else None
        ours[kind] = whole.us - (less.us if less else 0)
        notes = (whole.ledger() + (f"; less {less.cycles:,}" if less else ""),)
        rows.append(Row(kind.label, "cost", "us", cpu, theirs.get(kind.key), ours[kind], notes=notes))
    fast = FAST if FAST in ours else FAST_INT
    rows += [
        _ratio("Fast User-ECall / system call", cpu, ours[fast] / ours[CALL], theirs, FAST, CALL, FAST_BAR),
        Row("Fast User-ECall / system call, both by INT", "ratio", "times", cpu, ours=ours[FAST_INT] / ours[CALL])]
    if FAST in ours:
        rows.append(Row("Fast User-ECall / system call, both by SYSENTER", "ratio", "times", cpu,
                        ours=ours[FAST] / ours[CALL_SYSENTER]))
    rows += [
        _ratio("user handler / real-time signal", cpu, ours[HANDLER] / ours[SIGNAL], theirs, HANDLER, SIGNAL,
               HANDLER_BAR, LEAN),
        _ratio("deferred library call / system call", cpu, ours[DEFER] / ours[CALL], theirs, DEFER, CALL,
               DEFERRED_BAR)]
    return rows


def _ratio(label: str, cpu: str, ours: float, theirs: dict[str, float], over: Kind, under: Kind, bar: float,
           *notes: str) -> Row:
    paper = theirs[over.key] / theirs[under.key] if theirs else None
    return Row(label, "ratio", "times", cpu, paper, ours, bar, notes=notes)


TABLE = Table(NAME, "what events between programs and the kernel cost, beside system calls and signals", (IMAGE,),
              ("k7-550", "p2-450"), measure)
