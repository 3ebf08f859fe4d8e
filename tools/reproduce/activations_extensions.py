"""activations.extensions: what upcalls cost that the paper does not have: timer upcalls, those on a second stack; and
those of the original model, which hand out registers.

The same busy application as in activations.table1, interrupted by the tick.
"""

from __future__ import annotations

from tools.reproduce.activations_busy import CPU, INTERRUPTED, ORIGINAL, UPCALLS, interrupted, original, upcalled
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

NAME = "activations.extensions"
LABELS = {"plain": "upcall, nothing added", "ready": "upcall, with both prepared",
          "timer": "timer upcall at every tick", "late": "upcall on the second stack, the lock held",
          "original": "upcall of the original model"}
NOTES = {"ready": "What it costs to have them: a second stack, and the entry of timer upcalls.",
         "timer": "A program can preempt a thread that computes for long. Without a budget no tick makes one.",
         "late": "Without a second stack it would wait until the lock is free, however long that takes.",
         "original": "A fresh activation, the registers of two others on its stack, and a system call to go on."}


def measure(plan: Plan) -> Findings:
    """The tick without an upcall, and with each kind."""
    cpu = plan.cpu.name if plan.cpu else CPU
    found = measure_points({"regular": "tick", **LABELS}, _median, plan)
    regular = found["regular"]
    rows = [Row("tick", "regular path", "us", cpu, ours=regular)]
    for what, label in LABELS.items():
        notes = (NOTES[what],) if what in NOTES else ()
        rows += [Row("tick", label, "us", cpu, ours=found[what]),
                 Row("tick", f"{label}: overhead", "us", cpu, ours=found[what] - regular, notes=notes)]
    return Findings(rows, notes=["Time lost from the interrupted instruction until it goes on; medians."])


def _median(plan: Plan, what: str) -> float:
    if what == "regular":
        return interrupted(plan, "tick", what).median
    return (original(plan) if what == "original" else upcalled(plan, "tick", what)).median


TABLE = Table(NAME, "timer upcalls, upcalls while the lock is held, and the original model's",
              (INTERRUPTED, UPCALLS, ORIGINAL), (CPU,), measure)
