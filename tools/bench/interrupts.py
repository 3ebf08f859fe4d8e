"""Interrupts: the 8254 interrupts ring 3 as often as it can, the handler acknowledges to the 8259A and returns."""

from __future__ import annotations

from emu.machine import Machine
from emu.result import Reason
from tools.bench import system
from tools.bench.rig import MEMORY, PROFILE, Figure, Group, best, image

GOAL = 50_000               # interrupts per second of CPU time
COUNT = 4                   # periods of the 8254's crystal between two of them: 335 cycles of 10 ns
CYCLES = 250_000            # of one run: some milliseconds

SETUP = f"""
    mov al, 0x11                                ; ICW1 to ICW4
    out 0x20, al
    mov al, {system.IRQ0}
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xFE                                ; OCW1: the timer alone
    out 0x21, al
    mov al, 0x34                                ; channel 0, both bytes, mode 2
    out 0x43, al
    mov al, {COUNT}
    out 0x40, al
    xor eax, eax
    out 0x40, al
"""
USER = """
.Lagain:
    inc ebx
    jmp .Lagain
"""


def measure(quick: bool) -> Group:
    """Count what is delivered."""
    machine = Machine.boot(image(system.source(USER, SETUP)), memory=MEMORY, cpu=PROFILE)
    delivered = 0

    def run() -> None:
        nonlocal delivered
        before = machine.irqs[0]
        result = machine.run(max_cycles=CYCLES)
        delivered = machine.irqs[0] - before
        if result.reason != Reason.CYCLES or not delivered:
            raise RuntimeError(f"the benchmark ended otherwise: {result}")

    run()                                                   # power-on and the set-up: before the clock runs
    seconds = best([run], quick)[0]
    return Group("irq", "timer interrupts of ring 3, each acknowledged with an OUT to the interrupt controller",
                 [Figure("per_second", delivered / seconds, GOAL)])
