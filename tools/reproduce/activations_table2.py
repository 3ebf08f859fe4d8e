"""activations.table2: what a system call costs, and to restart an unblocked activation.

The restart goes from the call of act_cntl, here SYS_SA_CONTROL, to the instruction behind the call in which the
activation had blocked. The paper's includes an upcall; ours makes none, since the caller knows what it has asked for.
"""

from __future__ import annotations

from tools.reproduce.activations_busy import (
    CPU,
    INTERRUPTED,
    UPCALLS,
    calls,
    interrupted,
    path_times,
    profile_of,
    upcalled,
)
from tools.reproduce.papers import figures
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

NAME = "activations.table2"
BAR = 0.25                      # of a system call that does nothing
LABELS = {"int": "INT 80h", "sysenter": "SYSENTER"}
CALLS = ("null-call", "restart", "block")       # paths
NO_UPCALL = ("Ours makes no upcall on the way, so there is none to subtract: this is the restart less the system call. "
             "The paper subtracts an upcall as well, which its restart has in it.")
FINISHES = "The restarted activation finishes its blocking call on the way: here a sleep that is over."


def measure(plan: Plan) -> Findings:
    """The upcall of a tick; and calls by all ways into the kernel that the processor has."""
    cpu, theirs = plan.cpu.name if plan.cpu else CPU, figures(NAME)
    ways = [call for call in LABELS if call == "int" or "SEP" in profile_of(plan).features]
    found = measure_points({"regular": "ticks", "upcall": "upcalls"} | {
        call: f"system calls by {LABELS[call]}" for call in ways}, _medians, plan)
    overhead = found["upcall"][0] - found["regular"][0]
    rows = [Row("upcall", "overhead", "us", cpu, theirs["upcall_overhead"], overhead)]
    for call in ways:
        null, restart, block = found[call]
        printed = theirs if call == "int" else {}
        beyond = restart - null
        rows += [
            Row(LABELS[call], "getpid()", "us", cpu, printed.get("getpid"), null),
            Row(LABELS[call], "restart of an unblocked activation", "us", cpu, printed.get("restart_unblocked"),
                restart, notes=(FINISHES,)),
            Row(LABELS[call], "restart beyond system call and upcall", "us", cpu,
                printed.get("restart_beyond_syscall_and_upcall"), beyond, notes=(NO_UPCALL,)),
            Row(LABELS[call], "that, of a system call", "times", cpu,
                printed["restart_beyond_syscall_and_upcall"] / printed["getpid"] if printed else None, beyond / null,
                BAR),
            Row(LABELS[call], "block, to the block upcall", "us", cpu, ours=block)]
    return Findings(rows, notes=[
        "Medians. The paper's kernel, Linux 2.4, is called by INT 80h; our library calls by SYSENTER where it can."])


def _medians(plan: Plan, point: str) -> list[float]:
    """The time lost by a tick, with an upcall or without; or what CALLS by one way cost."""
    if point in LABELS:
        run = calls(plan, point)
        return [path_times(run, name).median for name in CALLS]
    return [(upcalled(plan, "tick") if point == "upcall" else interrupted(plan, "tick", point)).median]


TABLE = Table(NAME, "the overhead of an upcall, a system call, and the restart of an unblocked activation",
              (INTERRUPTED, UPCALLS), (CPU,), measure)
