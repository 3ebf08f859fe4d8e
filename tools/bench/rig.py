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
from tools.bench.makeup import Makeup, blocks, makeup

PROFILE = "unit"                # the benchmarks' processor: one cycle an instruction
BASE = 0x100000                 # where their code lies, physical and linear
MEMORY = 16 << 20               # their RAM, bytes
RESULTS = {"eax": uc_x86.UC_X86_REG_EAX, "ebx": uc_x86.UC_X86_REG_EBX}     # registers in which a race's results end up
SECONDS = 1.0                   # of CPU time that a measurement is repeated for
QUICK_SECONDS = 0.1             # the same in a hurry
LEAST_TURNS = 5                 # repetitions at least, however long they take


@dataclass(frozen=True)
class Figure:
    """One number of a report."""

    name: str                   # within its group
    value: float | None         # what was measured, if it could be
    goal: float | None = None   # what is wanted, if anything is
    at_most: bool = False       # the goal is a limit from above, not from below
    missing: str = ""           # why there is no value

    @property
    def is_met(self) -> bool | None:
        """Whether the value is as good as wanted; None without a value or a goal."""
        if self.value is None or self.goal is None:
            return None
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
    What lies before `start` runs once, on both.
    """

    def __init__(self, source: str, instructions: int | None = None, profile: str = PROFILE,
                 for_bare: str | None = None) -> None:
        """`instructions`: how many run between `start` and `stop`, counted if None; `profile`: the processor's name;
        `for_bare`: what runs on bare Unicorn, if it cannot run `source`: as many instructions.
        """
        code = image(source)
        self.start, self.stop = code.symbols.address("start"), code.symbols.address("stop")
        self.machine = Machine.boot(code, memory=MEMORY, cpu=profile)
        if self.start != code.entry:
            self.machine.run(until=self.start)
        self.bare = Bare(image(for_bare) if for_bare else code, profile)
        self.instructions = self.bare.makeup().instructions if instructions is None else instructions

    def run(self, quick: bool) -> dict[str, float]:
        """The ratio, and the speed of both. Raises RuntimeError if the machine and Unicorn compute different things."""
        machine, bare = best([self._run_machine, self.bare.run], quick)
        for name, number in RESULTS.items():
            if getattr(self.machine.cpu.registers, name) != self.bare.unicorn.reg_read(number):
                raise RuntimeError(f"the machine and Unicorn end with different values in {name}")
        return {"ratio_to_unicorn": bare / machine, "mips": self.instructions / machine / 1e6,
                "unicorn_mips": self.instructions / bare / 1e6}

    def _run_machine(self) -> None:
        before = self.machine.cpu.state.instructions
        self.machine.cpu.registers.eip = self.start
        result = self.machine.run(until=self.stop)
        if result.reason != Reason.UNTIL or result.instructions - before != self.instructions:
            raise RuntimeError(f"the benchmark ended otherwise: {result}")


class Bare:
    """Unicorn alone, with a benchmark's code at `start`."""

    def __init__(self, code: Image, profile: str) -> None:
        """`profile`: the name of the processor whose instructions it knows."""
        self._code, self._profile = code, profile
        self._start, self._stop = code.symbols.address("start"), code.symbols.address("stop")
        self.unicorn = unicorn.Uc(uc_const.UC_ARCH_X86, uc_const.UC_MODE_32)
        self.unicorn.ctl_set_cpu_model(load_profile(profile).engine)
        self.unicorn.mem_map(0, MEMORY)
        for segment in code.segments:
            self.unicorn.mem_write(segment.physical, segment.data)
        if self._start != code.entry:
            self.unicorn.emu_start(code.entry, self._start)

    def run(self) -> None:
        """From `start` to `stop`."""
        self.unicorn.emu_start(self._start, self._stop)

    def makeup(self) -> Makeup:
        """What runs from `start` to `stop`, counted on another one: hooks would slow this one down."""
        return makeup(Bare(self._code, self._profile).unicorn, self._start, self._stop)

    def blocks(self) -> dict[int, bytes]:
        """The blocks that run there: their code, by address."""
        other = Bare(self._code, self._profile).unicorn
        return {address: bytes(other.mem_read(address, size))
                for address, size in blocks(other, self._start, self._stop)}


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
