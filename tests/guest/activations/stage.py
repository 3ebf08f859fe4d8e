"""Activations without a will of their own: a test says what each of them does, and sees what the kernel makes of it.

The machine runs programs/puppet.asm. Where an activation comes to in its program (behind a system call, at an upcall's
entry) the machine stops; the test sets registers and says where it goes on. So a test plays the program and its thread
library, instruction by instruction if it likes, and everything goes through the kernel as with real programs:

    stage = Stage.of(count=1)                          # SYS_SA_INIT is done
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.read(pipe)                                   # blocks
    assert stage.place == "block_entry"                # in a new activation
    upcall = stage.upcall()

`arrive` is the device: bytes at the UART, which interrupt as soon as they are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING

from emu.machine import Machine
from emu.result import Reason, Result
from guest.abi.activations import (
    ACT,
    PROCESS,
    REGS,
    SA_INIT,
    SA_STACK,
    SA_STATE,
    SA_VP,
    UPCALL,
    VP,
    ActCall,
    ActInput,
    ActSize,
    ActState,
    SaControl,
)
from guest.abi.cpu import FRAME, TSS, Vector
from guest.abi.kernel import TCB, Syscall, ThreadState
from guest.abi.layout import Layout
from guest.abi.memory import Area, Memory
from loader.build import build
from tests.guest.activations.conftest import SELDOM, write_manifest

if TYPE_CHECKING:
    from emu.snapshot import Snapshot

GENERAL = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp")
ENTRIES = ("block", "unblock", "timer", "second")
PLACES = ("stands", "returned", *(f"{name}_entry" for name in ENTRIES), "handler_entry")
STATES: dict[int, ThreadState | ActState] = {int(state): state for state in (*ThreadState, *ActState)}
IDLE = "idle"                    # the place of a machine in which nobody can run
BASE = 0x1000_0000               # of the program
STACK = 2048                     # bytes of a stack in puppet.asm
STACKS = 64
UART = int(ActInput.CONSOLE_INPUT)
ENOUGH = 50_000_000              # cycles from one place to the next


@dataclass(frozen=True)
class State:
    """The state of an activation that is gone (original model)."""

    activation: int
    event: int
    regs: SimpleNamespace


@dataclass(frozen=True)
class Upcall:
    """What an upcall finds at ESP."""

    vp: int
    current: int
    kind: int
    blocked: int
    ids: tuple[int, ...]              # that have unblocked
    esp: int                          # UPCALL_ESP
    eip: int                          # the previous one, 0 if there is none
    states: tuple[State, ...] = ()    # in the original model, in place of ids


class Stage:
    """A machine with the program, and the activation that runs."""

    def __init__(self, machine: Machine) -> None:
        """A machine whose program has begun."""
        assert machine.image is not None
        self.machine = machine
        self.result: Result | None = None                 # of the machine, once it has ended
        self.symbols = machine.image.programs["puppet"]
        self._places = {self.symbols.address(name): name for name in PLACES}
        if len(machine.image.programs) == 1:              # others have their own reasons to wait
            self._places[machine.address("idle")] = IDLE
        self.original = False

    @classmethod
    def raw(cls, *, memory: int = 16 << 20, kernel: str = SELDOM, cpu: str = "unit", beside: tuple[str, ...] = ()
            ) -> Stage:
        """One whose program has done nothing; `beside` are programs that run with it."""
        machine, snapshot = _booted(memory, kernel, cpu, beside)
        machine.restore(snapshot)
        return cls(machine)

    @classmethod
    def of(cls, count: int = 1, *, original: int = 0, timer: bool = True, second: bool = False, bound: int = 0,
           memory: int = 16 << 20, kernel: str = SELDOM, cpu: str = "unit", beside: tuple[str, ...] = ()) -> Stage:
        """One with `count` virtual processors; `original`: that many stacks of the original model."""
        stage = cls.raw(memory=memory, kernel=kernel, cpu=cpu, beside=beside)
        stage.settings(count, original=original, timer=timer, second=second, bound=bound)
        assert stage.call(ActCall.SYS_SA_INIT, stage.address("sa_init")) == 0
        return stage

    def settings(self, count: int = 1, *, original: int = 0, timer: bool = True, second: bool = False, bound: int = 0
                 ) -> None:
        """What SYS_SA_INIT will read. The stacks of virtual processor n are 2n + 1 and 2n + 2, those of the original
        model follow.
        """
        self.original = bool(original)
        entries = {name: self.address(f"{name}_entry") for name in ENTRIES}
        entries["timer"] *= timer
        entries["second"] *= second
        values = {"flags": self.original, "count": count, "vps": self.address("sa_vps"), **entries, "bound": bound,
                  "stacks": self.address("sa_stacks"), "stack_count": original}
        for name, value in values.items():
            self.put(self.address("sa_init") + SA_INIT.offsets[name], value)
        for number in range(count):
            self.set_vp(number, stack=self.stack(2 * number + 1), second=self.stack(2 * number + 2) if second else 0)
        for number in range(original):
            self.put(self.address("sa_stacks") + number * SA_STACK.size + SA_STACK.offsets["top"],
                     self.stack(2 * count + 1 + number))

    # The program's memory

    def address(self, symbol: str) -> int:
        """Where something of puppet.asm is."""
        return self.symbols.address(symbol)

    def stack(self, number: int) -> int:
        """The top of a stack; number 0 is not anybody's."""
        assert number < STACKS
        return self.address("stacks") + (number + 1) * STACK

    def physical(self, linear: int) -> int:
        """Where a byte of the program is in RAM, whatever is loaded in CR3."""
        table = self.kernel_word(Memory.KERNEL_BASE + self.process.space + (linear >> 22) * 4)
        page = self.kernel_word(Memory.KERNEL_BASE + (table & ~0xFFF) + (linear >> 12 & 1023) * 4)
        assert table & page & 1, f"nothing at {linear:#x}"
        return page & ~0xFFF | linear & 0xFFF

    def get(self, linear: int) -> int:
        """A word of the program's memory."""
        return int.from_bytes(bytes(self.machine.ram.read(self.physical(linear), 4)), "little")

    def put(self, linear: int, *values: int) -> None:
        """Words into the program's memory."""
        for at, value in enumerate(values):
            self.machine.ram.write(self.physical(linear + 4 * at), (value & 0xFFFF_FFFF).to_bytes(4, "little"))

    def vp_word(self, number: int, name: str) -> int:
        """A field of an SA_VP."""
        return self.get(self.address("sa_vps") + number * SA_VP.size + SA_VP.offsets[name])

    def set_vp(self, number: int = 0, **values: int) -> None:
        """Fields of an SA_VP."""
        for name, value in values.items():
            self.put(self.address("sa_vps") + number * SA_VP.size + SA_VP.offsets[name], value)

    @property
    def lock(self) -> int:
        """The lock of virtual processor 0."""
        return self.vp_word(0, "lock")

    @property
    def pending(self) -> int:
        """The pending word of virtual processor 0."""
        return self.vp_word(0, "pending")

    def unlock(self, number: int = 0) -> None:
        """The program frees a lock."""
        self.set_vp(number, lock=0)

    # The kernel's memory

    def kernel_word(self, linear: int) -> int:
        """A word of the kernel's."""
        return int.from_bytes(bytes(self.machine.ram.read(linear - Memory.KERNEL_BASE, 4)), "little")

    def decode(self, layout: Layout, linear: int) -> SimpleNamespace:
        """A structure of the kernel's."""
        return layout.decode(bytes(self.machine.ram.read(linear - Memory.KERNEL_BASE, layout.size)))

    @property
    def process(self) -> SimpleNamespace:
        """The program's PROCESS: the first in the image is the last in the list."""
        at = self.kernel_word(self.machine.address("processes"))
        while following := self.kernel_word(at + PROCESS.offsets["next"]):
            at = following
        return SimpleNamespace(**vars(self.decode(PROCESS, at)), at=at)

    @property
    def tcb(self) -> int:
        """The TCB of the thread that runs."""
        return self.kernel_word(self.machine.address("tss") + TSS.offsets["esp0"]) - Area.TCB_AREA

    @property
    def current(self) -> int:
        """Its number."""
        return self.kernel_word(self.tcb + TCB.offsets["number"])

    def threads(self) -> dict[int, SimpleNamespace]:
        """The process's threads by their numbers: TCB and ACT in one, and `at`, its address."""
        head = self.process.at + PROCESS.offsets["threads"]
        found, at = {}, self.kernel_word(head)
        while at != head:
            tcb = at - ACT.offsets["sibling"]
            values = vars(self.decode(TCB, tcb)) | vars(self.decode(ACT, tcb))
            found[values["number"]] = SimpleNamespace(**values, at=tcb)
            at = self.kernel_word(at)
        return found

    def state(self, number: int) -> ThreadState | ActState:
        """What a thread does."""
        return STATES[self.threads()[number].state]

    def vp(self, number: int = 0) -> SimpleNamespace:
        """A VP, with the numbers of those in its rings and fields."""
        at = self.process.sa + ActSize.SA_PLACE + SA_INIT.size + number * VP.size
        values = vars(self.decode(VP, at))
        names = {thread.at: each for each, thread in self.threads().items()} | {0: 0}
        for name in ("current", "holder"):
            values[name] = names[values[name]]
        for name in ("untold", "told", "woken", "finishing", "revoked"):
            values[name] = [names[link - ACT.offsets["link"]] for link in self._ring(at + VP.offsets[name])]
        return SimpleNamespace(**values)

    def _ring(self, head: int) -> list[int]:
        links, at = [], self.kernel_word(head)
        while at != head:
            links.append(at)
            at = self.kernel_word(at)
        return links

    @property
    def frames_used(self) -> int:
        """Frames of memory that are out."""
        return self.kernel_word(self.machine.address("frames_used"))

    # Running

    @property
    def place(self) -> str:
        """Where the machine stands."""
        return self._places.get(self.machine.cpu.linear_eip, self.machine.where())

    @property
    def registers(self) -> dict[str, int]:
        """General registers, ESP and flags."""
        return {name: getattr(self.machine.cpu.registers, name) for name in (*GENERAL, "esp", "eflags")}

    def set_registers(self, **values: int) -> None:
        """Of the activation that runs."""
        for name, value in values.items():
            setattr(self.machine.cpu.registers, name, value & 0xFFFF_FFFF)

    def run(self, *, max_cycles: int = ENOUGH, but: Iterable[str] = ()) -> str:
        """On to the next place, but for some; where that is."""
        places = [address for address, name in self._places.items() if name not in but]
        result = self.machine.run(until=places, max_cycles=max_cycles)
        if result.reason == Reason.EXIT:
            self.result = result
            return "end"
        assert result.reason == Reason.UNTIL, f"{result}\n{self.console}"
        return self.place

    def go(self, place: str, **registers: int) -> str:
        """The running activation goes on elsewhere, with these registers; which place comes next."""
        self.set_registers(**registers, eip=self.address(place))
        return self.run()

    def call(self, number: int, a: int = 0, b: int = 0, c: int = 0, *, way: str = "call_int", **registers: int) -> int:
        """A system call; what the place that comes next has in EAX, which is the result if the call returns."""
        self.go(way, eax=number, ebx=a, esi=b, edi=c, **registers)
        return _signed(self.machine.cpu.registers.eax)

    def read(self, pipe: int = UART, *, slot: int = 0, way: str = "call_int", **registers: int) -> str:
        """SYS_READ of a byte; where that leads."""
        self.call(ActCall.SYS_READ, pipe, self.address("buffers") + slot, 1, way=way, **registers)
        return self.place

    def write(self, pipe: int) -> int:
        """SYS_WRITE_PIPE of a byte."""
        return self.call(ActCall.SYS_WRITE_PIPE, pipe, self.address("buffers"), 1)

    def restart(self, activation: int) -> int:
        """SA_RESTART_UNBLOCKED."""
        return self.call(ActCall.SYS_SA_CONTROL, SaControl.SA_RESTART_UNBLOCKED, activation)

    def deliver(self) -> int:
        """SA_DELIVER."""
        return self.call(ActCall.SYS_SA_CONTROL, SaControl.SA_DELIVER)

    def arrive(self, data: bytes = b"x") -> str:
        """A byte arrives at the UART while the running activation spins, or nobody runs; which place comes then."""
        self.machine.uart.receive(data)
        self.machine.run(vectors=[Vector.VECTOR_IRQ0 + 4], max_cycles=ENOUGH)
        return self.run(but=(IDLE,))

    def spin(self, cycles: int) -> str:
        """The running activation spins where it is, for so long; where that ends."""
        here = self.place
        places = [address for address, name in self._places.items() if name != here]
        self.machine.run(until=places, max_cycles=cycles)
        return self.place

    def tick(self) -> str:
        """Likewise until the next tick has come, and the first instruction of a program behind it."""
        here = self.machine.cpu.linear_eip
        self.machine.run(vectors=[Vector.VECTOR_IRQ0], max_cycles=ENOUGH)
        self.machine.run(until=[here, *self._places], max_cycles=ENOUGH)
        return self.place

    def end(self, code: int = 0) -> None:
        """The process ends, and with it the machine: nothing is left behind."""
        if self.result is None:
            self.call(Syscall.SYS_EXIT, code)
        assert self.result is not None and "panic" not in self.console, self.console
        assert self.result.exit_code == code, self.console
        assert self.frames_used == 0, "frames are lost"

    @property
    def console(self) -> str:
        """What the machine has said."""
        return self.machine.console.decode("ascii", "replace")

    # Upcalls

    def upcall(self) -> Upcall:
        """The one at whose entry the machine stands."""
        assert self.place in [f"{name}_entry" for name in ENTRIES], self.place
        return self.frame()

    def frame(self) -> Upcall:
        """The one whose frame is at ESP: what runs may have made calls since its entry."""
        at = self.machine.cpu.registers.esp
        fields = {name: self.get(at + offset) for name, offset in UPCALL.offsets.items()}
        count = fields.pop("count")
        ids: tuple[int, ...] = ()
        states: tuple[State, ...] = ()
        if self.original:
            states = tuple(self._state(at + UPCALL.size + n * SA_STATE.size) for n in range(count))
        else:
            ids = tuple(self.get(at + UPCALL.size + 4 * n) for n in range(count))
        return Upcall(**fields, ids=ids, eip=self.get(fields["esp"]) if fields["esp"] else 0, states=states)

    def _state(self, at: int) -> State:
        data = b"".join(self.get(at + n).to_bytes(4, "little") for n in range(0, SA_STATE.size, 4))
        values = SA_STATE.decode(data)
        return State(values.activation, values.event, REGS.decode(data[SA_STATE.offsets["regs"]:]))

    def go_back(self, upcall: Upcall) -> str:
        """The end of an upcall: what it interrupted goes on, as by a trampoline; the next place, if that is another."""
        self.set_registers(esp=upcall.esp + 4, eip=upcall.eip)
        return self.place if upcall.eip in self._places else self.run()

    def handle(self, number: int = 0) -> Upcall:
        """The simplest handler: frees the lock and goes back, or stands still in a new activation."""
        upcall = self.upcall()
        self.unlock(number)
        if upcall.esp:
            self.go_back(upcall)
        else:
            self.set_registers(eip=self.address("stands"))
        return upcall

    def block(self, slot: int = 0, pipe: int = UART, *, way: str = "call_int", **registers: int) -> int:
        """The running activation blocks in SYS_READ, with the lock free, and a new one stands somewhere on a
        stack of its own, `slot` + 1; the id of the one that has blocked.
        """
        blocked = self.current
        self.set_vp(stack=self.stack(slot + 1))
        assert self.read(pipe, slot=slot, way=way, **registers) == "block_entry"
        upcall = self.handle()
        assert upcall.blocked == blocked and upcall.current == self.current
        return blocked


@cache
def _booted(memory: int, kernel: str, cpu: str, beside: tuple[str, ...]) -> tuple[Machine, Snapshot]:
    """A machine at the program's first instruction."""
    with TemporaryDirectory() as folder:
        manifest = Path(folder) / "puppet.toml"
        write_manifest(manifest, ["puppet", *beside], kernel=kernel)
        # Away from the others, so that its places are nobody else's.
        manifest.write_text(manifest.read_text().replace("name = 'puppet'", f"name = 'puppet'\nbase = {BASE:#x}"))
        machine = Machine.boot(build(manifest), memory=memory, cpu=cpu)
    assert machine.image is not None
    result = machine.run(until=machine.image.programs["puppet"].address("stands"), max_cycles=10 * ENOUGH)
    assert result.reason == Reason.UNTIL, result
    return machine, machine.snapshot()


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def trap_frame(thread: SimpleNamespace, stage: Stage) -> SimpleNamespace:
    """What a thread that is in the kernel goes back to in its program."""
    return stage.decode(FRAME, thread.at + Area.TCB_AREA - FRAME.size)
