"""Threads without a will of their own: a test says what each of them does, and sees what comes of it.

The machine runs programs/puppet.asm in all its threads. They come to `puppet_stands` whenever they have the processor;
there the machine stops, the test sets the registers of the one that has it (`Stage.current`) and says where it goes on.
So a test is the programs of all threads at once, and everything goes through the kernel as with real programs:

    a, b = stage.thread(), stage.thread()
    stage.let(b).receive(a)                 # b has the processor and waits
    stage.let(a).call(b, 1, 2, label=7)     # b has it again, and the message
    assert b.got == Message(a, 7, (1, 2))

`Stage.root`, the root task's first thread, is the director: it makes threads, and `let` gives the processor to one that
can run. In `l4` it can always run itself, and is above all others. In `uls` it is the root scheduler: it waits for
anybody, so every preemption and every idle processor ends with it, and `let` is its reply. Tests of what happens in
between make schedulers of their own. Now and then the kernel's invariants are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from emu.machine import Machine
from emu.monitor.invariants.checking import Invariants
from emu.result import Reason
from guest.abi.cpu import Page
from guest.abi.memory import Memory
from guest.abi.micro import (
    KTCB,
    UTCB,
    CallError,
    Exreg,
    Flexpage,
    IpcError,
    Item,
    ItemShift,
    Kind,
    Label,
    MicroCall,
    MicroSize,
    MicroState,
    Right,
    Tag,
    ThreadId,
    Timeout,
)

if TYPE_CHECKING:
    from emu.snapshot import Snapshot

ANY = 0xFFFF_FFFF
NIL = int(ThreadId.NIL_THREAD)
ZERO = int(Timeout.TIMEOUT_ZERO)
KERNEL_BASE = int(Memory.KERNEL_BASE)
GENERAL = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
PROGRAM = "puppet"
STACK = 64                      # bytes of a thread's
ENOUGH = 10_000_000             # instructions between two stands
PREFERRED = 200                 # a priority above those of new threads
UART_DRAINS = 1_000_000         # cycles in which it has sent a FIFO
CHECKED = 4                     # at one in so many stands the kernel's invariants are checked
ONE_PAGE = 12                   # log2 of its size
ALL = int(Right.FPAGE_RIGHTS)


def identifier(thread: Puppet | int) -> int:
    """A thread's identifier; a number stands for itself."""
    return thread.id if isinstance(thread, Puppet) else thread


def fpage(base: int, size: int = ONE_PAGE, rights: int = ALL) -> int:
    """A flexpage of 2^size bytes."""
    return base | size << 4 | rights


def string(address: int, length: int, more: bool = False) -> tuple[int, int]:
    """A string item, or a buffer."""
    return length << ItemShift.ITEM_SHIFT | Item.ITEM_STRING | more, address


def map_item(page: int, base: int | None = None, *, grant: bool = False) -> tuple[int, int]:
    """A map or grant item. `base` is the send base: if None, the flexpage's own."""
    base = page & Flexpage.FPAGE_BASE & ~0xFFF if base is None else base
    return base | (Item.ITEM_GRANT if grant else Item.ITEM_MAP), page


@dataclass(frozen=True)
class Message:
    """What a thread has received."""

    sender: Puppet | int
    label: int = 0
    words: tuple[int, ...] = ()
    typed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Failed:
    """An IPC that failed."""

    code: int

    def __repr__(self) -> str:
        return f"Failed({IpcError(self.code & ~1).name}{' | IPC_RECEIVE_PHASE' if self.code & 1 else ''})"


@dataclass(eq=False)
class Puppet:
    """A thread."""

    stage: Stage
    id: int

    def __repr__(self) -> str:
        return f"<{self.number}.{self.id & ThreadId.ID_VERSION}>"

    # What the kernel knows of it

    @property
    def number(self) -> int:
        """Its number."""
        return self.id >> ThreadId.ID_SHIFT

    @property
    def ktcb(self) -> int:
        """The address of its control block."""
        return self.stage.word(self.stage.machine.address("thread_table") + 4 * self.number)

    def field(self, name: str) -> int:
        """A field of its control block."""
        return self.stage.word(self.ktcb + KTCB.offsets[name])

    @property
    def state(self) -> MicroState:
        """What it is doing."""
        return MicroState(self.field("state"))

    @property
    def is_current(self) -> bool:
        """Does it have the processor?"""
        return self.stage.current is self

    @property
    def can_run(self) -> bool:
        """Could it, if it were given the processor?"""
        preempted = self.field("kind") == Kind.KIND_PREEMPTION
        return self.state == MicroState.IS_RUNNING or (self.stage.is_uls and preempted)

    @property
    def pending(self) -> list[Puppet]:
        """Who waits to send to it, in order."""
        found: list[Puppet] = []
        at = first = self.field("senders")
        while at:
            sender = self.stage.named(self.stage.word(at + KTCB.offsets["id"]))
            assert isinstance(sender, Puppet), sender
            found.append(sender)
            at = self.stage.word(at + KTCB.offsets["next"])
            at = 0 if at == first else at
        return found

    # What it has in its registers and memory

    def register(self, name: str) -> int:
        """A register of its program."""
        if self.is_current:
            return getattr(self.stage.machine.cpu.registers, name)
        return self.field(name)

    def set_register(self, name: str, value: int) -> None:
        """Likewise."""
        if self.is_current:
            setattr(self.stage.machine.cpu.registers, name, value)
        else:
            at = self.ktcb + KTCB.offsets[name] - KERNEL_BASE
            self.stage.machine.ram.write(at, value.to_bytes(4, "little"))

    def utcb(self, name: str, index: int = 0) -> int:
        """A word of its UTCB: a field, or the one `index` words behind it."""
        return self.stage.word(self.field("utcb") + UTCB.offsets[name] + 4 * index)

    def set_utcb(self, name: str, *values: int) -> None:
        """Words of its UTCB, from a field on."""
        at = self.field("utcb") + UTCB.offsets[name] - KERNEL_BASE
        for index, value in enumerate(values):
            self.stage.machine.ram.write(at + 4 * index, (value & 0xFFFF_FFFF).to_bytes(4, "little"))

    def accept(self, window: int = 0, *buffers: tuple[int, int]) -> None:
        """What it takes besides words: maps into `window`, strings into `buffers` (BR0 and further)."""
        words = [word for length, address in buffers for word in (length, address)]
        self.set_utcb("br0", window | (1 if buffers else 0), *words)

    @property
    def error(self) -> int:
        """Why its last call failed."""
        return self.utcb("error")

    @property
    def got(self) -> Message | Failed:
        """How its IPC ended. Of one without a receive phase: Message(0)."""
        tag = self.register("esi")
        if tag & Tag.TAG_ERROR:
            assert self.register("eax") == NIL
            return Failed(self.error)
        untyped, typed = tag & Tag.TAG_UNTYPED, (tag & Tag.TAG_TYPED) >> Tag.TAG_TYPED_SHIFT
        words = [self.utcb("mr0", index) for index in range(1, 1 + untyped + typed)]
        words[0:2] = [self.register("ebx"), self.register("edi")][:len(words)]
        sender = self.register("eax")
        return Message(self.stage.named(sender), tag >> Tag.LABEL_SHIFT, tuple(words[:untyped]),
                       tuple(words[untyped:]))

    def physical(self, address: int) -> int:
        """Where a byte of its space is in RAM."""
        stage = self.stage
        table = stage.word(KERNEL_BASE + self.field("space") + (address >> 22) * 4)
        assert table & 1, f"no page table at {address:#x}"
        page = stage.word(KERNEL_BASE + (table & ~0xFFF) + (address >> 12 & 1023) * 4)
        assert page & 1, f"no page at {address:#x}"
        return page & ~0xFFF | address & 0xFFF

    def has_page(self, address: int) -> bool:
        """Is there a page at that address of its space?"""
        try:
            self.physical(address)
        except AssertionError:
            return False
        return True

    def read(self, address: int, length: int) -> bytes:
        """Memory of its space."""
        found = b""
        while length:
            piece = min(length, 0x1000 - (address & 0xFFF))
            found += bytes(self.stage.machine.ram.read(self.physical(address), piece))
            address, length = address + piece, length - piece
        return found

    def write(self, address: int, data: bytes) -> None:
        """Memory of its space."""
        while data:
            piece = min(len(data), 0x1000 - (address & 0xFFF))
            self.stage.machine.ram.write(self.physical(address), data[:piece])
            address, data = address + piece, data[piece:]

    # What it does. It must have the processor; what comes back is who has it then

    def goes_on(self, place: str = "puppet_stands", **registers: int) -> Puppet | None:
        """With these registers, at a place of the program."""
        assert self.is_current, f"{self} has not the processor, but {self.stage.current}"
        cpu = self.stage.machine.cpu.registers
        for name, value in registers.items():
            setattr(cpu, name, value & 0xFFFF_FFFF)
        cpu.eip = self.stage.place(place)
        return self.stage.run()

    def ipc(self, to: Puppet | int = NIL, source: Puppet | int = NIL, *words: int, label: int = 0,
            typed: Sequence[int] | Sequence[tuple[int, int]] = (), grant: bool = False, send: int = 0, receive: int = 0,
            tag: int | None = None, gate: str | None = None) -> Puppet | None:
        """An IPC. `typed` are words or items of two; `send` and `receive` are timeouts; `tag` replaces what is true."""
        flat = [word for item in typed for word in (item if isinstance(item, tuple) else (item,))]
        honest = label << Tag.LABEL_SHIFT | len(flat) << Tag.TAG_TYPED_SHIFT | len(words)
        every = [*words, *flat]
        self.set_utcb("mr3", *every[2:])
        mr1, mr2 = (*every, 0, 0)[:2]
        place = {"int": "puppet_ipc", "stub": "puppet_stub"}[gate or self.stage.gate]
        return self.goes_on(place, eax=identifier(to), edx=identifier(source), ebx=mr1, edi=mr2,
                            ecx=send << Timeout.TIMEOUT_SEND_SHIFT | receive,
                            esi=(honest if tag is None else tag) | (Tag.TAG_GRANT if grant else 0))

    def send(self, to: Puppet | int, *words: int, **more: object) -> Puppet | None:
        """Send."""
        return self.ipc(to, NIL, *words, **more)  # type: ignore[arg-type]

    def receive(self, source: Puppet | int = ANY, **more: object) -> Puppet | None:
        """Receive."""
        return self.ipc(NIL, source, **more)  # type: ignore[arg-type]

    def call(self, to: Puppet | int, *words: int, **more: object) -> Puppet | None:
        """Send to a thread and receive from it."""
        return self.ipc(to, to, *words, **more)  # type: ignore[arg-type]

    def reply_and_wait(self, to: Puppet | int, *words: int, **more: object) -> Puppet | None:
        """Send to a thread if it waits, and receive from any."""
        return self.ipc(to, ANY, *words, send=ZERO, **more)  # type: ignore[arg-type]

    def system(self, number: MicroCall, **registers: int) -> Puppet | None:
        """Another system call."""
        return self.goes_on("puppet_call", eax=number, **registers)

    def control(self, thread: Puppet | int, space: Puppet | int, scheduler: Puppet | int = NIL,
                pager: Puppet | int = NIL) -> Puppet | None:
        """ThreadControl."""
        return self.system(MicroCall.L4_THREAD_CONTROL, ebx=identifier(thread), ecx=identifier(space),
                           edx=identifier(scheduler), esi=identifier(pager))

    def delete(self, thread: Puppet) -> Puppet | None:
        """ThreadControl to end a thread."""
        return self.control(thread, NIL)

    def exchange(self, thread: Puppet | int, control: int = 0, *, sp: int = 0, ip: int = 0, flags: int = 0
                 ) -> Puppet | None:
        """ExchangeRegisters."""
        return self.system(MicroCall.L4_EXCHANGE_REGISTERS, ebx=identifier(thread), ecx=control, edx=sp, esi=ip,
                           edi=flags)

    def halt(self, thread: Puppet) -> Puppet | None:
        """ExchangeRegisters to stop a thread."""
        return self.exchange(thread, Exreg.EXREG_SET_HALT | Exreg.EXREG_HALT)

    def unhalt(self, thread: Puppet, grant: bool = False) -> Puppet | None:
        """ExchangeRegisters to set it going."""
        return self.exchange(thread, Exreg.EXREG_SET_HALT | (Exreg.EXREG_GRANT if grant else 0))

    def cancel(self, thread: Puppet, control: int = Exreg.EXREG_CANCEL_SEND | Exreg.EXREG_CANCEL_RECEIVE, *,
               grant: bool = False, token: int | None = None) -> Puppet | None:
        """ExchangeRegisters to end its IPC."""
        control |= (Exreg.EXREG_GRANT if grant else 0) | (0 if token is None else Exreg.EXREG_TOKEN)
        return self.exchange(thread, control, sp=token or 0)

    def switch(self, thread: Puppet | int = NIL) -> Puppet | None:
        """ThreadSwitch."""
        return self.system(MicroCall.L4_THREAD_SWITCH, ebx=identifier(thread))

    def reads(self, address: int) -> Puppet | None:
        """A word of memory."""
        return self.goes_on("puppet_read", ebx=address)

    def writes(self, address: int, value: int) -> Puppet | None:
        """A word of memory."""
        return self.goes_on("puppet_write", ebx=address, eax=value)

    @property
    def was(self) -> int:
        """What ExchangeRegisters has said of a thread."""
        return self.register("ecx")

    @property
    def refused(self) -> CallError | None:
        """Why its last call but IPC failed; None: it did not."""
        return None if self.register("eax") else CallError(self.error)


@dataclass(eq=False)
class Stage:
    """A machine whose threads are puppets."""

    machine: Machine
    is_uls: bool
    gate: str = "int"                                       # "int" or "stub": how puppets make their IPC
    threads: dict[int, Puppet] = field(default_factory=dict)                    # by number
    free: int = int(ThreadId.FIRST_THREAD)                                      # the next number
    patient: bool = False                                   # time passes while nobody can run
    amid: tuple[str, int, int] | None = None                # this line fires when a symbol has come so often

    def __post_init__(self) -> None:
        assert self.machine.image is not None
        self._symbols = self.machine.image.programs[PROGRAM]
        self._idle = self.machine.address("idle_resume" if self.is_uls else "sched_wait")
        self._runs = 0
        self.invariants = Invariants(self.machine)
        self.root = self.new()

    @classmethod
    def boot(cls, machine: Machine, is_uls: bool) -> Snapshot:
        """A machine to the moment at which the root task begins."""
        stage = cls(machine, is_uls)
        assert stage.run() is stage.root
        stage.root.set_register("esp", stage.stack(stage.root))
        return machine.snapshot()

    # Looking

    def word(self, address: int) -> int:
        """A doubleword of the kernel's memory."""
        return int.from_bytes(self.machine.ram.read(address - KERNEL_BASE, 4), "little")

    def symbol(self, name: str) -> int:
        """A doubleword of the kernel's data."""
        return self.word(self.machine.address(name))

    def place(self, name: str) -> int:
        """An address in the puppets' program."""
        return self._symbols.address(name)

    def page(self, number: int) -> int:
        """The address of one of the pages that the root task has for tests."""
        assert number < 16
        return self.place("puppet_pages") + number * 0x1000

    def memory(self, number: int) -> int:
        """The address of a page of the root task's one-to-one memory."""
        return self.symbol("memory_start") + number * 0x1000

    def named(self, thread: int) -> Puppet | int:
        """The puppet with an identifier, if there is one."""
        found = self.threads.get(thread >> ThreadId.ID_SHIFT)
        return found if found and found.id == thread else thread

    @property
    def console(self) -> list[str]:
        """What the kernel has said since its banner, when the UART has sent it."""
        self.machine.run(max_cycles=UART_DRAINS)
        return self.machine.console.decode().splitlines()[1:]

    @property
    def microseconds(self) -> float:
        """The time since the machine was switched on."""
        return self.machine.cpu.state.cycles * 1_000_000 / self.machine.clock.frequency

    @property
    def current(self) -> Puppet | None:
        """Who has the processor; None: nobody."""
        ktcb = self.word(self.machine.address("tss") + 4) - MicroSize.KTCB_TOP
        if ktcb == self.machine.address("idle_ktcb"):
            return None
        found = self.named(self.word(ktcb + KTCB.offsets["id"]))
        assert isinstance(found, Puppet), found
        return found

    # Running

    def run(self) -> Puppet | None:
        """Until a puppet stands, or, unless the stage is patient, the processor has nothing to do."""
        ends = [self.place("puppet_stands"), *(() if self.patient else (self._idle,))]
        while True:
            amid = [self.machine.address(self.amid[0])] if self.amid else []
            result = self.machine.run(until=ends + amid, max_instructions=ENOUGH)
            if not self.amid or self.machine.cpu.linear_eip not in amid:
                break
            symbol, times, line = self.amid
            self.amid = (symbol, times - 1, line) if times > 1 else None
            if not self.amid:
                self.machine.pic.irq[line].pulse()
        console = self.machine.console.decode()
        assert result.reason == Reason.UNTIL, f"{result.reason} at {self.machine.where()}\n{console}"
        self._runs += 1
        if self._runs % CHECKED == 0:
            self.invariants.check(memory=False)
        return self.current

    def interrupt(self, line: int, **registers: int) -> Puppet | None:
        """A line fires, while who has the processor has these registers. Who has it then?"""
        for name, value in registers.items():
            setattr(self.machine.cpu.registers, name, value)
        self.machine.pic.irq[line].pulse()
        return self.run()

    def direct(self) -> Puppet:
        """The root task's first thread gets the processor, and has heard everything."""
        if not self.is_uls and self.current is not self.root:
            self._yield(self.root)
        while (loser := self.current) is not self.root:
            self._yield(NIL)                                # to the scheduler, and to that one's ...
            assert self.current is not loser, f"{loser} cannot lose the processor"
        if self.is_uls:
            self.drain(self.root)
        return self.root

    def drain(self, scheduler: Puppet) -> list[Puppet]:
        """A scheduler, which has the processor, takes in all that waits for it: from whom, in this order."""
        heard = []
        while True:
            scheduler.receive(ANY, receive=ZERO, gate="int")
            got = scheduler.got
            if isinstance(got, Failed):
                return heard
            if isinstance(got.sender, Puppet):
                heard.append(got.sender)

    def _yield(self, to: Puppet | int) -> None:
        """Who has the processor calls ThreadSwitch, and does not notice."""
        current = self.current
        assert current is not None, "nobody can run"
        before = {name: current.register(name) for name in ("eax", "ebx")}
        current.switch(to)
        for name, value in before.items():
            current.set_register(name, value)

    def schedulers(self, thread: Puppet) -> list[Puppet]:
        """In `uls`, all above a thread, the root scheduler first."""
        found: list[Puppet] = []
        while thread.field("scheduler"):
            above = self.named(self.word(thread.field("scheduler") + KTCB.offsets["id"]))
            assert isinstance(above, Puppet)
            thread = above
            found.insert(0, thread)
        return found

    def give(self, thread: Puppet) -> Puppet | None:
        """A thread that can run gets the processor. If it is amid an IPC, it may not have it any more then."""
        if self.current is thread:
            return thread
        if not self.is_uls:
            self._yield(thread)
            return self.current
        self.direct()
        path = [*self.schedulers(thread), thread]
        for upper, lower in pairwise(path):
            self.drain(upper)
            upper.reply_and_wait(lower, gate="int")
            assert lower is thread or lower.is_current, f"{lower} does not get the processor from {upper}"
        return self.current

    def let(self, thread: Puppet) -> Puppet:
        """A thread that can run gets the processor, and stands."""
        self.give(thread)
        assert self.current is thread, f"{self.current} has the processor, not {thread}"
        return thread

    def attach(self, line: int, handler: Puppet | int) -> None:
        """An interrupt line gets a handler; the director has the processor then."""
        interrupt_thread = line << ThreadId.ID_SHIFT | 1
        self.direct().control(interrupt_thread, interrupt_thread, NIL, handler)
        assert self.root.refused is None

    def prefer(self, thread: Puppet) -> None:
        """In `l4`, a thread gets a higher priority than others have."""
        if not self.is_uls:
            self.direct().system(MicroCall.L4_SCHEDULE, ebx=thread.id, ecx=-1, edx=-1, esi=PREFERRED)

    # Making threads

    def new(self, version: int = 1) -> Puppet:
        """A puppet with the next number; there is no thread yet."""
        puppet = Puppet(self, self.free << ThreadId.ID_SHIFT | version)
        self.threads[self.free] = puppet
        self.free += 1
        return puppet

    def stack(self, thread: Puppet) -> int:
        """The top of its stack."""
        return self.place("puppet_stacks") + (thread.number - ThreadId.FIRST_THREAD + 1) * STACK

    def thread(self, *, space: Puppet | bool = False, scheduler: Puppet | None = None, pager: Puppet | None = None
               ) -> Puppet:
        """A new thread that can run: in the root task's space, in that of another one, or (True) in a new one, where it
        has the pages of the program. The director has the processor then.
        """
        root, thread = self.direct(), self.new()
        where = thread if space is True else space or root
        root.control(thread, where, scheduler or root, root)
        assert root.refused is None
        if space is True:
            self._start_in_space(thread)
        else:
            root.send(thread, self.place("puppet_stands"), self.stack(thread), send=ZERO, gate="int")
            assert root.got == Message(0)
        if pager:
            thread.set_utcb("pager", pager.id)
        return thread

    def _start_in_space(self, thread: Puppet) -> None:
        """A new thread in a new space: the director brings the pages of the program, and has the processor then."""
        root = self.root
        root.call(thread, self.place("puppet_stands"), self.stack(thread), gate="int")
        fault = Label.LABEL_PAGE_FAULT | 1
        assert root.got == Message(thread, fault, (self.place("puppet_stands"), self.place("puppet_stands")))
        pages = [fpage(self.place("_start")), fpage(self.place("puppet_stacks"))]
        root.call(thread, typed=[map_item(page) for page in pages], gate="int")
        assert self.current is thread
        thread.send(root, gate="int")
        self.direct()

    def pages(self, thread: Puppet, items: Iterable[tuple[int, int]]) -> None:
        """Map items of the root task's pages to a thread in another space, which can run; the director has the
        processor then.
        """
        self.let(thread).accept(int(Flexpage.FPAGE_COMPLETE) | ALL)
        thread.receive(self.root)
        root = self.direct()
        root.send(thread, typed=list(items), gate="int")
        assert root.got == Message(0)


PAGE_SIZE = int(Page.PAGE_SIZE)
