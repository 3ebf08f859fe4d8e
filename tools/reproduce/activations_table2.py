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
from tools.reproduce.table import Findings, Plan, Row, Table

NAME = "activations.table2"
BAR = 0.25                      # of a system call that does nothing
LABELS = {"int": "INT 80h", "sysenter": "SYSENTER"}
NO_UPCALL = ("Ours makes no upcall on the way, so there is none to subtract: this is the restart less the system call. "
             "The paper subtracts an upcall as well, which its restart has in it.")
FINISHES = "The restarted activation finishes its blocking call on the way: here a sleep that is over."


def measure(plan: Plan) -> Findings:
    """The upcall of a tick; and calls by all ways into the kernel that the processor has."""
    cpu, theirs = plan.cpu.name if plan.cpu else CPU, figures(NAME)
    plan.tell("upcalls", 0)
    overhead = upcalled(plan, "tick")[0].median - interrupted(plan, "tick", "regular").median
    rows = [Row("upcall", "overhead", "us", cpu, theirs["upcall_overhead"], overhead)]
    ways = [call for call in LABELS if call == "int" or "SEP" in profile_of(plan).features]
    for at, call in enumerate(ways):
        plan.tell(f"system calls by {LABELS[call]}", (1 + at) / (1 + len(ways)))
        run = calls(plan, call)
        null, restart, block = (path_times(run, name).median for name in ("null-call", "restart", "block"))
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


TABLE = Table(NAME, "the overhead of an upcall, a system call, and the restart of an unblocked activation",
              (INTERRUPTED, UPCALLS), (CPU,), measure)
