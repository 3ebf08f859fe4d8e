"""Processes without a will of their own: a test says what each of them does, and sees whom the scheduler lets run.

The machine runs programs/sched_puppet.asm, as many of them as a test wants. Each runs until the next tick, unless the
test lets it make a system call:

    stage = Stage.of(3)
    stage.set(2, Policy.SCHED_RR, 10)                  # by the process that runs
    assert stage.tick() == 2
    stage.call(Syscall.SYS_SLEEP, 2)
    assert stage.running == 1
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING

from emu.machine import Machine
from emu.result import Reason
from guest.abi.cpu import FRAME, TSS, Selector
from guest.abi.ecalls import CHANNEL, ECALL_LIST, PCB, EcallCall, Method
from guest.abi.kernel import TCB, Syscall
from guest.abi.layout import Layout
from guest.abi.memory import Area, Memory
from guest.abi.scheduling import SCHEDULED, WINDOW, Policy
from tests.guest.ecalls.conftest import make_image

if TYPE_CHECKING:
    from emu.snapshot import Snapshot

NAME = "sched_puppet"
RR_TICKS, DEF_PRIORITY = 3, 4    # short slices
ENOUGH = 20_000_000              # cycles to the next place
LEAVE = 5                        # bytes of the call in front of which `idle` is, in start.asm
PATIENCE = 3000                  # ticks until everybody has ended
IDLE = SimpleNamespace(cs=Selector.SEL_KCODE)
AREA = {"name": 0, "structure": 64}
WORD = 0xFFFF_FFFF


class Stage:
    """A machine with the programs, and the process that runs."""

    def __init__(self, machine: Machine) -> None:
        """A machine whose first program has begun."""
        self.ended = False                                   # the machine has
        assert machine.image is not None
        self.machine = machine
        symbols = machine.image.programs[NAME]
        self.address = symbols.address
        self._idle = machine.address("idle") + LEAVE
        self.pcbs: dict[int, int] = {}                       # addresses by number
        at = self.kernel("processes")
        while at:
            self.pcbs[self.word(at + TCB.offsets["number"])] = at
            at = self.word(at + PCB.offsets["next"])

    @classmethod
    def of(cls, count: int, variant: str = "ecalls", **parameters: int) -> Stage:
        """One with `count` processes, 1 and up, that have registered for the service `probe`; the first one runs."""
        machine, snapshot = _booted(count, variant, tuple(parameters.items()))
        machine.restore(snapshot)
        return cls(machine)

    # Memory

    def word(self, linear: int) -> int:
        """A word of the kernel's."""
        return int.from_bytes(bytes(self.machine.ram.read(linear - Memory.KERNEL_BASE, 4)), "little")

    def kernel(self, symbol: str) -> int:
        """The word that a symbol of the kernel names."""
        return self.word(self.machine.address(symbol))

    def decode(self, layout: Layout, linear: int) -> SimpleNamespace:
        """A structure of the kernel's."""
        return layout.decode(bytes(self.machine.ram.read(linear - Memory.KERNEL_BASE, layout.size)))

    def part(self, number: int, name: str, layout: Layout) -> SimpleNamespace:
        """A structure in the PCB of a process."""
        return self.decode(layout, self.pcbs[number] + PCB.offsets[name])

    def physical(self, number: int, linear: int) -> int:
        """Where a byte of a program is in RAM."""
        space = self.word(self.pcbs[number] + TCB.offsets["space"])
        table = self.word(Memory.KERNEL_BASE + space + (linear >> 22) * 4)
        page = self.word(Memory.KERNEL_BASE + (table & ~0xFFF) + (linear >> 12 & 1023) * 4)
        assert table & page & 1, f"nothing at {linear:#x}"
        return page & ~0xFFF | linear & 0xFFF

    def put(self, number: int, part: str, data: bytes) -> int:
        """Bytes into the area of a program; their address there."""
        linear = self.address("area") + AREA[part]
        self.machine.ram.write(self.physical(number, linear), data)
        return linear

    # Running

    @property
    def running(self) -> int:
        """The number of the process that runs; 0: the idle thread."""
        tcb = self.word(self.machine.address("tss") + TSS.offsets["esp0"]) - Area.TCB_AREA
        return self.word(tcb + TCB.offsets["number"])

    def run(self) -> int:
        """On to where a program is about to go on, or nobody can; who that is."""
        while True:
            result = self.machine.run(until=[self.machine.address("trap_leave"), self._idle], max_cycles=ENOUGH)
            if result.reason == Reason.EXIT:
                self.ended = True
                return 0
            assert result.reason == Reason.UNTIL, f"{result}\n{self.machine.console.decode()}"
            if self.machine.cpu.linear_eip == self._idle or self.frame(self.running).cs == Selector.SEL_UCODE:
                return self.running

    def tick(self) -> int:
        """The next tick comes; who runs then."""
        before = self.kernel("clock_ticks")
        self.run()
        assert self.kernel("clock_ticks") == before + 1
        return self.running

    def ticks(self, count: int) -> list[int]:
        """Who runs after each of so many."""
        return [self.tick() for _ in range(count)]

    def order(self, queue: str, part: str) -> list[int]:
        """The processes in a queue of the kernel's: its head, and which structure in a PCB is linked."""
        head = self.machine.address(queue)
        found, at = [], self.word(head)
        while at != head:
            found.append(self.word(at - PCB.offsets[part] + TCB.offsets["number"]))
            at = self.word(at)
        return found

    def frame(self, number: int) -> SimpleNamespace:
        """The registers with which a process will go on."""
        return self.decode(FRAME, self.pcbs[number] + Area.TCB_AREA - FRAME.size) if number else IDLE

    def call(self, number: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        """A system call of the running process: its result, even if another one runs then, unless it waits."""
        caller, before = self.running, self.kernel("clock_ticks")
        at = self.pcbs[caller] + Area.TCB_AREA - FRAME.size - Memory.KERNEL_BASE
        for name, value in {"eax": number, "ebx": a, "esi": b, "edi": c, "eip": self.address("call_int")}.items():
            self.machine.ram.write(at + FRAME.offsets[name], (value & WORD).to_bytes(4, "little"))
        self.run()
        assert number == Syscall.SYS_EXIT or self.kernel("clock_ticks") == before, "a tick has come meanwhile"
        value: int = self.frame(caller).eax
        return value - (1 << 32) if value >> 31 else value

    def sleep(self, ticks: int) -> int:
        """The running process waits; who runs then."""
        self.call(Syscall.SYS_SLEEP, ticks)
        return self.running

    def yields(self) -> int:
        """The running process yields; who runs then."""
        self.call(Syscall.SYS_YIELD)
        return self.running

    def ends(self) -> int:
        """The running process ends; who runs then."""
        self.call(Syscall.SYS_EXIT)
        return self.running

    def finish(self) -> None:
        """All processes end, and the machine; nothing is left behind."""
        for _ in range(PATIENCE):
            if self.ended:
                break
            if self.running:
                self.ends()
            else:
                self.tick()
        console = self.machine.console.decode()
        assert self.ended and self.kernel("frames_used") == 0 and "panic" not in console, console

    # Scheduling

    def set(self, process: int, policy: Policy, value: int = 0) -> int:
        """SYS_SCHED_SET by the running process."""
        return self.call(EcallCall.SYS_SCHED_SET, process, policy, value)

    def window(self, process: int, *values: int) -> int:
        """Likewise for SCHED_DWCS: the values are those of a WINDOW."""
        data = b"".join((value & WORD).to_bytes(4, "little") for value in values).ljust(WINDOW.size, b"\0")
        return self.set(process, Policy.SCHED_DWCS, self.put(self.running, "structure", data))

    def get(self, process: int) -> SimpleNamespace:
        """SYS_SCHED_GET by the running process."""
        by = self.running
        at = self.put(by, "structure", b"\xFF" * SCHEDULED.size)
        policy = self.call(EcallCall.SYS_SCHED_GET, process, at)
        physical = self.physical(by, at)
        values = SCHEDULED.decode(bytes(self.machine.ram.read(physical, SCHEDULED.size)))
        assert values.policy == policy
        return values

    # Events

    def register(self, methods: int = Method.METHOD_QUEUE) -> int:
        """The running process registers for the service `probe`."""
        name = self.put(self.running, "name", b"probe\0")
        registration = self.put(self.running, "structure", methods.to_bytes(4, "little").ljust(64, b"\0"))
        return self.call(EcallCall.SYS_ECALLS_REGISTER, name, registration)

    def raises(self, process: int) -> int:
        """The running process raises an event for another one, which comes behind all that were raised before."""
        return self.call(EcallCall.SYS_ECALL, self.put(self.running, "name", b"probe\0"), process)

    def hears(self, process: int) -> None:
        """A process has heard all its events."""
        channel = self.word(self.pcbs[process] + PCB.offsets["channels"])
        flag = self.decode(CHANNEL, channel).to_user + ECALL_LIST.offsets["flag"]
        self.machine.ram.write(flag - Memory.KERNEL_BASE, bytes(4))

    def queue(self) -> list[int]:
        """The processes in the event queue, in its order, heard or not."""
        found, at = [], self.kernel("event_queue")
        while at:
            channel = self.decode(CHANNEL, at)
            found.append(self.word(channel.owner + TCB.offsets["number"]))
            at = channel.queue_next
        return found


@cache
def _folder() -> TemporaryDirectory[str]:
    """Where manifests are written: in one place, so that each kernel is assembled once."""
    return TemporaryDirectory()


@cache
def _booted(count: int, variant: str, parameters: tuple[tuple[str, int], ...]) -> tuple[Machine, Snapshot]:
    """A machine when its first program runs, all have registered, and its first tick has come."""
    slices = {"RR_TICKS": RR_TICKS, "DEF_PRIORITY": DEF_PRIORITY} if variant == "ecalls" else {}
    kernel = {"TICK_HZ": 2000, **slices, **dict(parameters)}
    image = make_image(Path(_folder().name) / "stage.toml", [NAME] * count, variant=variant, kernel=kernel)
    machine = Machine.boot(image, memory=8 << 20, cpu="unit")
    machine.run(until="trap_leave", max_cycles=10 * ENOUGH)
    stage = Stage(machine)
    for _ in range(count):
        assert stage.register() == 0
        stage.yields()
    while stage.tick() != 1:
        pass
    return machine, machine.snapshot()
