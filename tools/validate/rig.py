"""Runs loops on the machine of a profile: in ring 0, flat, everything warm; without paging, or with pages of 4 KiB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from emu.machine import Machine
from emu.result import Reason
from emu.timing.profile import Profile
from loader.assembler import AssemblyError, assemble
from tools.validate.forms import Benchmark, Loop, NotMeasured
from tools.validate.operands import SLOTS

MEMORY = 64 << 20               # RAM, bytes
CODE = 0x100000                 # where the loops begin, one page or more each
DATA = 0x1000000                # where their data begin
PAGE = 4096
EFLAGS = 2                      # interrupts off, direction up
DIRECTORY, TABLES = 0x10000, 0x20000        # the page directory, and the page tables one behind the other
PRESENT_WRITABLE = 3
READ_SLOTS = Loop(tuple(f"mov edx, [eax + {8 * slot}]" for slot in range(SLOTS)), 1, {}, {"eax": 0})


@lru_cache(maxsize=4096)
def machine_code(instructions: tuple[str, ...]) -> bytes:
    """The bytes of instructions that refer to no label but their own. Raises NotMeasured if they do not assemble."""
    try:
        unit = assemble(".text\n" + "\n".join(instructions) + "\n", name="benchmark")
    except AssemblyError as error:
        raise NotMeasured(f"cannot be assembled: {str(error).splitlines()[0].removeprefix('benchmark:')}") from None
    return bytes(unit.sections[".text"].data)


@dataclass
class Rig:
    """The machine of a profile, and where its next loop goes. A loop that ends otherwise costs it its machine."""

    profile: Profile
    pages: bool = False         # pages of 4 KiB, each at its own address

    def __post_init__(self) -> None:
        self._start()

    def measure(self, benchmark: Benchmark) -> float:
        """The figure of a benchmark. Raises NotMeasured if its loops do not run."""
        data = self.allocate(benchmark.space)
        word = {"zero": 0, "ones": 0xFFFFFFFF, "itself": data}[benchmark.word]
        self.machine.ram.write(data, word.to_bytes(4, "little"))
        if benchmark.is_cached:
            self.cycles(READ_SLOTS, data)
        return benchmark.figure(self.cycles(benchmark.short, data), self.cycles(benchmark.long, data))

    def allocate(self, size: int) -> int:
        """The address of that many bytes of RAM that nothing has used, on a page of its own."""
        if self._data + size > MEMORY:
            self._start()
        self._data += -(-size // PAGE) * PAGE
        return self._data - -(-size // PAGE) * PAGE

    def cycles(self, loop: Loop, data: int) -> float:
        """Cycles of an iteration of `loop`, whose data begin at `data`: the mean over a pass, after one to warm up."""
        head = self.place(loop.instructions)
        length = len(loop.instructions) + 1
        values = loop.values | {name: data + offset for name, offset in loop.pointers.items()}
        for _ in ("to warm up", "to measure"):
            self.enter(head, values)
            self.run(length, head)                              # the way in is no part of the pass
            cycles = self.run(length * loop.iterations, head)
        return cycles / loop.iterations

    def place(self, instructions: tuple[str, ...]) -> int:
        """The address of a loop of these instructions and a jump back; the same loop stands in RAM once."""
        if instructions not in self._placed:
            body = machine_code(instructions)
            code = body + b"\xE9" + (-len(body) - 5).to_bytes(4, "little", signed=True)
            self._placed[instructions] = self._code
            self.machine.ram.write(self._code, code)
            self._code += -(-len(code) // PAGE) * PAGE
        return self._placed[instructions]

    def enter(self, head: int, values: dict[str, int]) -> None:
        """Stand at the head of a loop, with these registers."""
        registers = self.machine.cpu.registers
        for name, value in values.items():
            setattr(registers, name, value)
        registers.eflags, registers.eip = EFLAGS, head

    def run(self, instructions: int, head: int) -> int:
        """Cycles of that many instructions, which must end at the loop's head. Raises NotMeasured if they do not."""
        state = self.machine.cpu.state
        before = state.cycles
        result = self.machine.run(max_instructions=instructions)
        if result.reason != Reason.INSTRUCTIONS or result.eip != head:
            self._start()
            if result.reason == Reason.TRIPLE_FAULT:
                raise NotMeasured(f"raises an exception on {self.profile.name}")
            raise NotMeasured(f"does not run on {self.profile.name}: {result.detail or result.reason}")
        return state.cycles - before

    def _start(self) -> None:
        self.machine = Machine(memory=MEMORY, cpu=self.profile)
        self._code, self._data = CODE, DATA
        self._placed: dict[tuple[str, ...], int] = {}
        if self.pages:
            self._turn_pages_on()

    def _turn_pages_on(self) -> None:
        """Identity-map all of RAM, and let the processor itself load CR3 and CR0."""
        ram = self.machine.ram
        tables = range(TABLES, TABLES + MEMORY // 1024, PAGE)       # 4 bytes for each 4 KiB
        for start, frames in ((DIRECTORY, tables), (TABLES, range(0, MEMORY, PAGE))):
            ram.write(start, b"".join((frame | PRESENT_WRITABLE).to_bytes(4, "little") for frame in frames))
        head = self.place(("mov cr3, eax", "mov eax, cr0", "or eax, 0x80000000", "mov cr0, eax"))
        self.enter(head, {"eax": DIRECTORY})
        self.machine.step(4)
