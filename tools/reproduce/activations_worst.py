"""activations.worst: the longest that an event takes to its handler, by trying every instruction boundary.

The event is a tick. It is placed in front of each instruction of a window: from where an application's part in the
kernel begins after which ticks are events for it, to where it computes, which is a steady state. Where the processor
accepts no interrupts the tick waits, as the upcall does while the lock is held.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.reproduce.activations_busy import CPU, INTERRUPTED, UPCALLS, WARM_UP, fast_call, profile_of
from tools.reproduce.plan import Plan
from tools.reproduce.points import measure_points
from tools.reproduce.table import Findings, Row, Table

NAME = "activations.worst"
QUICK_STRIDE = 40               # boundaries


class Window(NamedTuple):
    """Where ticks are placed, and what they are to reach."""

    image: str
    arguments: str              # of its program
    begin: str
    end: str
    handler: str


class Delay(NamedTuple):
    """From a tick to the handler."""

    cycles: int
    instructions: int           # retired in front of the tick
    where: str


WINDOWS = {
    "unblock upcall": Window(UPCALLS, "tick {} {} plain", "sys_sleep", "upcalls:busy", "upcalls:unblock"),
    "signal handler": Window(INTERRUPTED, "tick signal {}", "sys_signal_return", "interrupted:busy",
                             "interrupted:handler"),
}


def measure(plan: Plan) -> Findings:
    """All boundaries of both windows."""
    cpu, clock, rows = plan.cpu.name if plan.cpu else CPU, profile_of(plan).clock, []
    found = measure_points({window: label for label, window in WINDOWS.items()}, _tried, plan)
    for label, window in WINDOWS.items():
        last, worst, count = found[window]
        witness = f"In front of {worst.where}, behind instruction {worst.instructions:,} of a run of {window.image}."
        rows += [Row(label, "from a tick while it computes", "us", cpu, ours=last.cycles / clock * 1e6),
                 Row(label, "from a tick anywhere, the longest", "us", cpu, ours=worst.cycles / clock * 1e6,
                     notes=(witness,)),
                 Row(label, "boundaries tried", "1", cpu, ours=count)]
    return Findings(rows, notes=[
        "From the assertion of the timer's line to the handler's first instruction; every boundary from where the "
        "thread waits, or the handler before has returned to the kernel, until the application computes."])


def _tried(plan: Plan, window: Window) -> tuple[Delay, Delay, int]:
    """At the last boundary, and at the one with the longest; and how many there are."""
    delays = _delays(plan, window)
    return delays[-1], max(delays, key=lambda delay: delay.cycles), len(delays)


def _delays(plan: Plan, window: Window) -> list[Delay]:
    """For each boundary, in order."""
    from emu.machine import Machine
    from emu.monitor.explore.scenario import Scenario
    from loader.boot import load
    from tools.reproduce.runs import with_arguments

    image, profile = load(window.image), profile_of(plan)
    image.modules[0] = with_arguments(image.modules[0], window.arguments.format(4 * WARM_UP, fast_call(profile)))
    machine = Machine.boot(image, cpu=profile)
    for _ in range(WARM_UP):
        machine.run(until=window.begin)
        machine.step()
    machine.run(until=window.begin)
    scenario = Scenario(machine, until=window.handler)
    scenario.go((), scenario.start)
    machine.run(until=scenario.place(window.end))
    last, state, handler = machine.cpu.state.instructions, machine.cpu.state, scenario.place(window.handler)
    boundaries = [*range(scenario.start, last, QUICK_STRIDE if plan.quick else 1), last]
    delays = []
    for boundary in boundaries:
        if scenario.go((boundary,), boundary):
            begin, where = state.cycles, machine.where()
            machine.run(until=handler)
            delays.append(Delay(state.cycles - begin, boundary, where))
    return delays


TABLE = Table(NAME, "the longest from an event to its handler, by every instruction boundary", (UPCALLS, INTERRUPTED),
              (CPU,), measure)
