"""stoess.fig7: how often a hierarchy of schedulers is preempted, and how long an interrupt takes to its root.

The hierarchy is the paper's figure 5: the root scheduler, and in a virtual machine monitor, main and programs. F is
how many preemption messages the kernel sends in a tick. L goes from the kernel's first instruction in an interrupt to
the root scheduler's first instruction that handles it. Beside that, a hierarchy of threads that do nothing else is kept
busy at each of its levels.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.reproduce.papers import figures
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.stoess_loads import CPU, IMAGES, LABELS, TICK_MS, choices, load, window_ms
from tools.reproduce.table import Findings, Row, Table

NAME = "stoess.fig7"
IMAGE = "stoess-fig7"               # the hierarchy of threads that do nothing else
TICKS, QUICK_TICKS = 100, 10
WARM_UP = 10                        # ticks before those
PREEMPTION = "message_preemption"   # in the kernel: such a message is made
LEVELS = 3                          # schedulers above the user thread
BUSY = range(1, LEVELS + 1)         # the levels at which that hierarchy is kept busy
INTERRUPTS = ("timer", "card")      # paths of L


Point = str | int                   # a workload, or a level


class Load(NamedTuple):
    """What a workload did."""

    preemptions: float      # F, per tick
    latency: float          # L, us: the median
    controllers: float      # of that, for accesses to the interrupt controllers
    delivery: float         # before it: until the processor has delivered the interrupt
    interrupts: float       # per tick


def measure(plan: Plan) -> Findings:
    """Run every workload, and the bare hierarchy with the processor kept busy at each of its levels."""
    cpu = plan.cpu.name if plan.cpu else CPU
    found = measure_points(LABELS | {level: f"busy at level {level}" for level in BUSY}, _load, plan)
    return Findings([*_figure(found, cpu), *_readings(found, cpu), *_bare(found, cpu)], notes=[
        *choices(plan), f"L: the median of all interrupts. Busy at a level: of {_ticks(plan):,} ticks."])


def _ticks(plan: Plan) -> int:
    return QUICK_TICKS if plan.quick else TICKS


def _load(plan: Plan, point: Point) -> Load:
    return _level(plan, point) if isinstance(point, int) else _workload(plan, point)


def _workload(plan: Plan, name: str) -> Load:
    """What a workload did."""
    import numpy as np

    from tools.reproduce.runs import median

    window = load("uls", name, plan, [PREEMPTION])
    interrupts = np.concatenate([window.paths[name] for name in INTERRUPTS])
    one, delivery = median(interrupts), median(window.paths["delivery"])
    us, ticks = 1e6 / window.profile.clock, window_ms(plan) / TICK_MS
    return Load(len(window.arrivals[PREEMPTION]) / ticks, int(one["cycles"]) * us, int(one["bus"]) * us,
                int(delivery["cycles"]) * us, len(interrupts) / ticks)


def _level(plan: Plan, level: int) -> Load:
    """What the bare hierarchy did."""
    from tools.reproduce.runs import median, run

    ticks = _ticks(plan)
    found = run(IMAGE, plan.cpu or CPU, f"cpu {level} {WARM_UP + ticks + 1}", places=[PREEMPTION])
    interrupts = found.path("latency", at_least=WARM_UP + ticks + 1).occurrences[WARM_UP:]
    first, last = int(interrupts["begin"][0]), int(interrupts["begin"][ticks])
    sent = found.arrivals[PREEMPTION]
    one, delivery = median(interrupts[:ticks]), median(found.path("delivery").occurrences[WARM_UP:])
    us = 1e6 / found.profile.clock
    return Load(int(((sent >= first) & (sent < last)).sum()) / ticks, int(one["cycles"]) * us, int(one["bus"]) * us,
                int(delivery["cycles"]) * us, 1)


def _figure(loads: dict[Point, Load], cpu: str) -> list[Row]:
    """The figure itself."""
    idle = ("Interrupts that find the processor idle preempt nobody, here with the network as without; the paper "
            "counts one preemption for each of NET's.")
    chips = ("Ours are 8259As, which the processor reaches by the ISA bus. The paper does not say whether its kernel "
             "used these or a local APIC.")
    entry = "The processor asks the 8259As for the vector, and enters the kernel: by its definition no part of L."
    rows = []
    for name, label in LABELS.items():
        theirs, ours = figures(NAME)[name], loads[name]
        rows += [Row(label, "F, preemptions a tick", "1/tick", cpu, theirs["F"], ours.preemptions,
                     notes=(idle,) if name == "net" else ()),
                 Row(label, "interrupts a tick", "1/tick", cpu, ours=ours.interrupts),
                 Row(label, "L, interrupt to root scheduler", "us", cpu, theirs["L"], ours.latency),
                 Row(label, "of L: interrupt controllers", "us", cpu, ours=ours.controllers, notes=(chips,)),
                 Row(label, "before L: delivery", "us", cpu, ours=ours.delivery, notes=(entry,))]
    return rows


def _readings(loads: dict[Point, Load], cpu: str) -> list[Row]:
    """What the paper makes of F and L, and what L means by its definition."""
    printed, idle, busy = figures(NAME), loads["idle"], loads["cpu"]
    theirs = printed["cpu"]
    product = "As the paper computes it: L counted for each preemption, though it is the latency of an interrupt."
    actual = "L by its definition: once for each interrupt, of which theirs are F / 3."
    half = "As the paper computes it: half of L, its 1.4 us; its 2.1 us is half of AB's."
    third = "By what L is made of: what it grows by from IDLE to CPU, for each of the three levels."
    rows = []
    for name in ("cpu", "net_cpu"):
        figure, ours = printed[name], loads[name]
        rows += [Row(LABELS[name], "latency in a tick, F x L", "us", cpu, figure["F"] * figure["L"],
                     ours.preemptions * ours.latency, notes=(product,)),
                 Row(LABELS[name], "latency in a tick, interrupts x L", "us", cpu, figure["F"] / LEVELS * figure["L"],
                     ours.interrupts * ours.latency, notes=(actual,))]
    return [*rows,
            Row("per level", "L of CPU / 2", "us", cpu, theirs["L"] / 2, busy.latency / 2, notes=(half,)),
            Row("per level", "(L of CPU - L of IDLE) / 3", "us", cpu, (theirs["L"] - printed["idle"]["L"]) / LEVELS,
                (busy.latency - idle.latency) / LEVELS, notes=(third,))]


def _bare(loads: dict[Point, Load], cpu: str) -> list[Row]:
    """The hierarchy of threads that do nothing else."""
    rows = []
    for level in BUSY:
        ours = loads[level]
        rows += [Row(f"busy at level {level}", "F, preemptions a tick", "1/tick", cpu, ours=ours.preemptions),
                 Row(f"busy at level {level}", "L, interrupt to root scheduler", "us", cpu, ours=ours.latency)]
    return rows


TABLE = Table(NAME, "user-level scheduling: preemptions a tick, and interrupt latency to the root scheduler",
              (IMAGES["uls"], IMAGE), (CPU,), measure)
