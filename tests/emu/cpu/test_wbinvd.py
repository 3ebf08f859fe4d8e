"""WBINVD may take longer than anything else, and an event that falls into it still comes right behind it."""

from __future__ import annotations

from machine_code import BareMachine

# All of L2 is dirty: 512 KiB, of which WBINVD writes every line.
PROGRAM = """
    cld; mov edi, 0x100000; mov ecx, 0x20000; xor eax, eax; rep stosd
    jmp empty; empty: wbinvd; behind: inc eax; inc eax; inc eax; nop
"""


def test_a_deadline_in_wbinvd_comes_at_the_instruction_behind_it() -> None:
    bare = BareMachine(PROGRAM, cpu="p3-500")
    bare.machine.run(until=bare.address("empty"))
    before = bare.machine.counters
    bare.machine.run(max_cycles=1_150_000)
    spent = bare.machine.counters - before
    assert spent.transition_cycles > 1_150_000
    assert bare.machine.cpu.linear_eip == bare.address("behind") and spent.instructions == 1
