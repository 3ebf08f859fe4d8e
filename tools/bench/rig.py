"""What the benchmarks share: guest code for the machine and for bare Unicorn, and the stopwatch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import unicorn
from unicorn import unicorn_const as uc_const
from unicorn import x86_const as uc_x86

from emu.machine import Machine
from emu.result import Reason
from emu.timing.profile import load_profile
from loader.assembler import assemble
from loader.boot import recognise
from loader.elf_writer import write_elf
from loader.image import Image
from loader.linker import link

PROFILE = "unit"                # the benchmarks' processor: one cycle an instruction
BASE = 0x100000                 # where their code lies, physical and linear
MEMORY = 16 << 20               # their RAM, bytes
RESULTS = {"eax": uc_x86.UC_X86_REG_EAX, "ebx": uc_x86.UC_X86_REG_EBX}     # registers in which a race's results end up
SECONDS = 1.0                   # of CPU time that a measurement is repeated for
QUICK_SECONDS = 0.1             # the same in a hurry
LEAST_TURNS = 5                 # repetitions at least, however long they take


@dataclass(frozen=True)
class Figure:
    """One number that there is a goal for."""

    name: str                   # within its group
    value: float                # what was measured
    goal: float                 # what is wanted
    at_most: bool = False       # the goal is a limit from above, not from below

    @property
    def is_met(self) -> bool:
        """Whether the value is as good as wanted."""
        return self.value <= self.goal if self.at_most else self.value >= self.goal


@dataclass(frozen=True)
class Group:
    """What one module measured."""

    name: str                                               # first part of its figures' names
    what: str                                               # one line: what was run
    figures: list[Figure]
    more: dict[str, object] = field(default_factory=dict)   # what explains the figures, by name


def image(source: str) -> Image:
    """The image of one source text that begins at `_start`, linked for and loaded at BASE, with its symbols."""
    program = link([assemble(source, name="benchmark")], base=BASE, entry="_start", name="benchmark")
    return recognise(write_elf(program), "benchmark")


class Race:
    """The same machine code on the machine and on bare Unicorn, from symbol `start` to symbol `stop`.

    Bare Unicorn is what a Python program gets that maps memory and calls `emu_start`: its own MMU and not one hook.
    """

    def __init__(self, source: str, instructions: int) -> None:
        """`instructions`: how many run between `start` and `stop`."""
        code = image(source)
        self.instructions = instructions
        self.start, self.stop = code.symbols.address("start"), code.symbols.address("stop")
        self.machine = Machine.boot(code, memory=MEMORY, cpu=PROFILE)
        self.bare = unicorn.Uc(uc_const.UC_ARCH_X86, uc_const.UC_MODE_32)
        self.bare.ctl_set_cpu_model(load_profile(PROFILE).engine)
        self.bare.mem_map(0, MEMORY)
        for segment in code.segments:
            self.bare.mem_write(segment.physical, segment.data)

    def run(self, quick: bool) -> dict[str, float]:
        """The ratio, and the speed of both. Raises RuntimeError if the machine and Unicorn compute different things."""
        machine, bare = best([self._run_machine, self._run_bare], quick)
        for name, number in RESULTS.items():
            if getattr(self.machine.cpu.registers, name) != self.bare.reg_read(number):
                raise RuntimeError(f"the machine and Unicorn end with different values in {name}")
        return {"ratio_to_unicorn": bare / machine, "mips": self.instructions / machine / 1e6,
                "unicorn_mips": self.instructions / bare / 1e6}

    def _run_machine(self) -> None:
        before = self.machine.cpu.state.instructions
        self.machine.cpu.registers.eip = self.start
        result = self.machine.run(until=self.stop)
        if result.reason != Reason.UNTIL or result.instructions - before != self.instructions:
            raise RuntimeError(f"the benchmark ended otherwise: {result}")

    def _run_bare(self) -> None:
        self.bare.emu_start(self.start, self.stop)


def best(runs: Sequence[Callable[[], None]], quick: bool) -> list[float]:
    """The least CPU seconds of each of `runs`, which last some milliseconds.

    CPU time, because what else the computer does takes none of it; and many turns, which alternate, because it still
    slows all of them down, but none at its best turn. The first turn is a warm-up.
    """
    least = [float("inf")] * len(runs)
    for run in runs:
        run()
    end = time.process_time() + (QUICK_SECONDS if quick else SECONDS) * len(runs)
    turns = 0
    while turns < LEAST_TURNS or time.process_time() < end:
        turns += 1
        for index, run in enumerate(runs):
            started = time.process_time()
            run()
            least[index] = min(least[index], time.process_time() - started)
    return least
