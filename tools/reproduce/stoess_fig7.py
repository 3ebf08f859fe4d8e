"""stoess.fig7: how often a hierarchy of schedulers is preempted, and how long an interrupt takes to its root.

The hierarchy is the paper's: the root scheduler, a monitor, main, and a user thread. F is how many preemption messages
the kernel sends in a tick. L goes from the kernel's first instruction in a timer's interrupt to the root scheduler's
first instruction behind its receive.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.reproduce.papers import figures
from tools.reproduce.table import Findings, Plan, Row, Table

NAME = "stoess.fig7"
IMAGE, CPU = "stoess-fig7", "pd-3000"
TICKS, QUICK_TICKS = 100, 10
WARM_UP = 10                        # ticks before those
PREEMPTION = "message_preemption"   # in the kernel: such a message is made
LABELS = {"idle": "IDLE", "cpu": "CPU", "net": "NET", "net_cpu": "NET+CPU", "ab": "AB", "net_ab": "NET+AB"}
LEVELS = 3                          # schedulers above the user thread
NO_NIC, NO_NETWORK = "needs the NIC", "needs a network stack in the guest"


class Load(NamedTuple):
    """What a workload did."""

    preemptions: float      # F, per tick
    latency: float          # L, us: the median
    controllers: float      # of that, for accesses to the interrupt controllers
    delivery: float         # before it: until the processor has delivered the interrupt


def measure(plan: Plan) -> Findings:
    """Run the hierarchy idle, and with the processor kept busy at each of its levels."""
    wanted = [f"idle {LEVELS}", *(f"cpu {level}" for level in range(1, LEVELS + 1))]
    ticks = QUICK_TICKS if plan.quick else TICKS
    cpu = plan.cpu.name if plan.cpu else CPU
    loads = []
    for at, workload in enumerate(wanted):
        plan.tell(f"{workload}, {ticks:,} ticks", at / len(wanted))
        loads.append(_load(workload, plan, ticks))
    rows = [*_workloads({"idle": loads[0], "cpu": loads[-1]}, cpu), *_readings(loads, cpu)]
    return Findings(rows, notes=[
        f"L: median of {ticks:,} ticks of {figures(NAME)['tick_ms']} ms. The paper does not say how long it measured, "
        "or how warm the caches were; here nothing but the workload runs between two ticks."])


def _load(workload: str, plan: Plan, ticks: int) -> Load:
    from tools.reproduce.runs import median, run

    found = run(IMAGE, plan.cpu or CPU, f"{workload} {WARM_UP + ticks + 1}", places=[PREEMPTION])
    interrupts = found.path("latency", at_least=WARM_UP + ticks + 1).occurrences[WARM_UP:]
    first, last = int(interrupts["begin"][0]), int(interrupts["begin"][ticks])
    sent = found.arrivals[PREEMPTION]
    one, delivery = median(interrupts[:ticks]), median(found.path("delivery").occurrences[WARM_UP:])
    us = (int(cycles) / found.profile.clock * 1e6 for cycles in (one["cycles"], one["bus"], delivery["cycles"]))
    return Load(int(((sent >= first) & (sent < last)).sum()) / ticks, *us)


def _workloads(loads: dict[str, Load], cpu: str) -> list[Row]:
    """The figure itself."""
    chips = ("Ours are 8259As, which the processor reaches by the ISA bus. The paper does not say whether its kernel "
             "used these or a local APIC.")
    entry = "The processor asks the 8259As for the vector, and enters the kernel: by its definition no part of L."
    rows = []
    for name, label in LABELS.items():
        theirs, ours, missing = figures(NAME)[name], loads.get(name), NO_NETWORK if name == "ab" else NO_NIC
        rows += [Row(label, "F, preemptions a tick", "1/tick", cpu, theirs["F"], ours and ours.preemptions,
                     open="" if ours else missing),
                 Row(label, "L, interrupt to root scheduler", "us", cpu, theirs["L"], ours and ours.latency,
                     open="" if ours else missing)]
        if ours:
            rows += [Row(label, "of L: interrupt controllers", "us", cpu, ours=ours.controllers, notes=(chips,)),
                     Row(label, "before L: delivery", "us", cpu, ours=ours.delivery, notes=(entry,))]
    return rows


def _readings(loads: list[Load], cpu: str) -> list[Row]:
    """What the paper makes of F and L, and what L means by its definition."""
    printed, idle, busy = figures(NAME), loads[0], loads[-1]
    theirs, net = printed["cpu"], printed["net_cpu"]
    product = "As the paper computes it: L counted for each preemption, though it is the latency of an interrupt."
    actual = "L by its definition: once for each interrupt, of which CPU has 1 a tick and NET+CPU 16."
    half = "As the paper computes it: half of L, its 1.4 us; its 2.1 us is half of AB's."
    third = "By what L is made of: what it grows by from IDLE to CPU, for each of the three levels."
    rows = [
        Row("CPU", "latency in a tick, F x L", "us", cpu, theirs["F"] * theirs["L"], busy.preemptions * busy.latency,
            notes=(product,)),
        Row("CPU", "latency in a tick, interrupts x L", "us", cpu, theirs["L"], busy.latency, notes=(actual,)),
        Row("NET+CPU", "latency in a tick, F x L", "us", cpu, printed["most_us_per_tick"], open=NO_NIC,
            notes=(product,)),
        Row("NET+CPU", "latency in a tick, interrupts x L", "us", cpu, net["F"] / LEVELS * net["L"], open=NO_NIC,
            notes=(actual,)),
        Row("per level", "L of CPU / 2", "us", cpu, theirs["L"] / 2, busy.latency / 2, notes=(half,)),
        Row("per level", "(L of CPU - L of IDLE) / 3", "us", cpu, (theirs["L"] - printed["idle"]["L"]) / LEVELS,
            (busy.latency - idle.latency) / LEVELS, notes=(third,))]
    for level in range(1, LEVELS + 1):
        rows += [Row(f"busy at level {level}", "F, preemptions a tick", "1/tick", cpu, ours=loads[level].preemptions),
                 Row(f"busy at level {level}", "L, interrupt to root scheduler", "us", cpu, ours=loads[level].latency)]
    return rows


TABLE = Table(NAME, "user-level scheduling: preemptions a tick, and interrupt latency to the root scheduler", (IMAGE,),
              (CPU,), measure)
