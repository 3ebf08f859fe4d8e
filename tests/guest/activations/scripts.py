"""Scripts of system calls for several threads, and a model of what the kernel does with them.

The kernel's threads run one after the other until they wait or yield, as long as no tick comes: so the model knows
every result, and in which order they come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from emu.machine import Machine
from guest.abi.activations import ActCall, ActError, ActSize, ThreadNumber
from guest.abi.kernel import Syscall

CALL_SIZE = 24                # bytes of a call in script.asm
NOTE_SIZE = 16                # bytes of a note
NOBODY, HANDLER = 0xFF, 0x100   # threads in notes: one that has not begun; added, its handler
STACK = 512                   # bytes of a thread's stack
SCRIPT_CALLS = 16             # calls of a script at most, with the last
BUFFER = 512                  # bytes of a thread's buffer


@dataclass(frozen=True)
class Call:
    """A system call: what is left out the script's thread fills in."""

    number: int
    a: int = 0
    length: int = 0           # for those that have a buffer
    start: int = 0            # of what is written, in the pattern; or the script that a new thread runs


Note = tuple[int, int, int, int]          # thread, EAX, EBX, sum of the bytes read


@dataclass
class Places:
    """Where things are in script.asm."""

    interpret: int
    scripts: int
    pattern: int
    buffers: int
    stacks: int
    notes: int

    @classmethod
    def of(cls, machine: Machine) -> Places:
        """Those of the machine's program `script`."""
        assert machine.image is not None
        symbols = machine.image.programs["script"]
        return cls(*(symbols.address(name) for name in cls.__dataclass_fields__))

    def arguments(self, call: Call, thread: int) -> tuple[int, int, int]:
        """EBX, ESI, EDI."""
        if call.number == ActCall.SYS_THREAD_CREATE:
            script = self.scripts + call.start * SCRIPT_CALLS * CALL_SIZE
            return self.interpret, self.stacks + (call.start + 1) * STACK, script
        if call.number == ActCall.SYS_READ:
            return call.a, self.buffers + thread * BUFFER, call.length
        if call.number == ActCall.SYS_WRITE_PIPE:
            return call.a, self.pattern + call.start, call.length
        return call.a, call.length, 0


def write(machine: Machine, linear: int, data: bytes) -> None:
    """Bytes into the running program's memory, in one page."""
    physical = machine.cpu.translate(linear)
    assert physical is not None
    machine.ram.write(physical, data)


def load(machine: Machine, scripts: Sequence[Sequence[Call]], pattern: bytes) -> None:
    """Scripts into the program's memory, before its first instruction."""
    places = Places.of(machine)
    write(machine, places.pattern, pattern)
    for thread, script in enumerate(scripts):
        for at, call in enumerate(script):
            words = (call.number, *places.arguments(call, thread), thread, int(call.number == ActCall.SYS_READ))
            data = b"".join((word & 0xFFFF_FFFF).to_bytes(4, "little") for word in words)
            where = places.scripts + (thread * SCRIPT_CALLS + at) * CALL_SIZE
            for offset in range(0, CALL_SIZE, 4):
                write(machine, where + offset, data[offset:offset + 4])


def notes(machine: Machine, physical: int, count: int) -> list[Note]:
    """The first notes of the program, in the frame at `physical`."""
    words = memoryview(bytes(machine.ram.read(physical + NOTE_SIZE, count * NOTE_SIZE))).cast("I")
    return [(words[at], words[at + 1], words[at + 2], words[at + 3]) for at in range(0, 4 * count, 4)]


@dataclass
class Thread:
    """A thread of the model."""

    script: int
    number: int
    begun: bool = False
    pending: bool = False                 # a signal
    queue: deque[Thread] | None = None    # that it waits in
    interrupted: bool = False             # how its wait has ended
    value: int | None = None              # it has ended
    joiners: deque[Thread] = field(default_factory=deque)


@dataclass
class Pipe:
    """A pipe of the model."""

    data: bytearray = field(default_factory=bytearray)
    readers: deque[Thread] = field(default_factory=deque)
    writers: deque[Thread] = field(default_factory=deque)


Result = tuple[int, int | None, int]      # EAX; EBX, if it is not the argument's; sum of the bytes read
Steps = Generator[None, None, Result]     # a call: yields when another thread runs


class Model:
    """What the kernel does with scripts."""

    def __init__(self, scripts: Sequence[Sequence[Call]], pattern: bytes, places: Places) -> None:
        """Nothing has run yet."""
        self.scripts, self.pattern, self.places = scripts, pattern, places
        self.notes: list[Note] = []
        self.pipes: list[Pipe] = []
        self.ready: deque[Generator[None, None, None]] = deque()
        self.running: dict[int, Generator[None, None, None]] = {}
        self.threads: dict[int, Thread] = {}              # by number; with those that have ended
        self.free: list[int] = []                         # numbers for the next ones
        self.next = 1
        self.ended = False
        self._create(0)

    def run(self) -> bool:
        """True if the process has ended, False if all its threads wait."""
        while self.ready and not self.ended:
            next(self.ready.popleft(), None)
        return self.ended

    def _create(self, script: int) -> Thread:
        if self.free:
            number = self.free.pop()
        else:
            number, self.next = self.next, self.next + 1
        thread = self.threads[number] = Thread(script, number)
        self.running[number] = self._thread(thread)
        self._wake(thread)
        return thread

    def _forget(self, thread: Thread) -> None:
        del self.threads[thread.number]
        self.free.append((thread.number + ThreadNumber.NUMBER_NEXT) & 0x7FFF_FFFF)

    def _wake(self, thread: Thread) -> None:
        self.ready.append(self.running[thread.number])

    def _thread(self, thread: Thread) -> Generator[None, None, None]:
        self._handle(thread)
        thread.begun = True
        for call in self.scripts[thread.script]:
            if call.number == ActCall.SYS_THREAD_EXIT:
                self._exit(thread, call.a)
                return
            result, ebx, total = yield from self._call(thread, call)
            if ebx is None:
                ebx = self.places.arguments(call, thread.script)[0]
            self._handle(thread)
            self.notes.append((thread.script, result & 0xFFFF_FFFF, ebx & 0xFFFF_FFFF, total))

    def _handle(self, thread: Thread) -> None:
        if thread.pending:
            thread.pending = False
            self.notes.append((HANDLER + (thread.script if thread.begun else NOBODY), 0, 0, 0))

    def _exit(self, thread: Thread, value: int) -> None:
        if all(other.value is not None for other in self.threads.values() if other is not thread):
            self.ended = True
            return
        thread.value = value
        if thread.joiners:
            self._go_on(thread.joiners, interrupted=False)

    def _go_on(self, queue: deque[Thread], interrupted: bool, thread: Thread | None = None) -> None:
        woken = thread or queue[0]
        queue.remove(woken)
        woken.queue, woken.interrupted = None, interrupted
        self._wake(woken)

    def _wait(self, thread: Thread, queue: deque[Thread]) -> Generator[None, None, bool]:
        if thread.pending:
            return False
        thread.queue = queue
        queue.append(thread)
        yield
        return not thread.interrupted

    def _call(self, thread: Thread, call: Call) -> Steps:
        if call.number == Syscall.SYS_YIELD:
            self._wake(thread)
            yield
            return 0, None, 0
        if call.number == ActCall.SYS_PIPE:
            self.pipes.append(Pipe())
            return len(self.pipes), None, 0
        if call.number == ActCall.SYS_THREAD_CREATE:
            return self._create(call.start).number, None, 0
        if call.number == ActCall.SYS_SIGNAL_SEND:
            return self._send(call), None, 0
        if call.number == ActCall.SYS_THREAD_JOIN:
            return (yield from self._join(thread, call))
        return (yield from self._transfer(thread, call))

    def _send(self, call: Call) -> int:
        thread = self.threads.get(call.a)
        if thread is None or thread.value is not None:
            return ActError.ERR_THREAD
        thread.pending = True
        if thread.queue is not None:
            self._go_on(thread.queue, True, thread)
        return 0

    def _join(self, thread: Thread, call: Call) -> Steps:
        while True:
            other = self.threads.get(call.a)
            if other is None or other is thread:
                return ActError.ERR_THREAD, None, 0
            if other.value is not None:
                self._forget(other)
                return 0, other.value, 0
            if other.joiners:
                return ActError.ERR_THREAD, None, 0
            if not (yield from self._wait(thread, other.joiners)):
                return ActError.ERR_INTERRUPTED, None, 0

    def _transfer(self, thread: Thread, call: Call) -> Steps:
        if not 1 <= call.a <= len(self.pipes):
            return ActError.ERR_PIPE, None, 0
        pipe, reads = self.pipes[call.a - 1], call.number == ActCall.SYS_READ
        length, total = min(call.length, ActSize.PIPE_BYTES), 0
        if not length:
            return 0, None, 0
        while not (len(pipe.data) if reads else ActSize.PIPE_BYTES - len(pipe.data)):
            if not (yield from self._wait(thread, pipe.readers if reads else pipe.writers)):
                return ActError.ERR_INTERRUPTED, None, 0
        if reads:
            taken = pipe.data[:length]
            del pipe.data[:length]
            length = len(taken)
            for byte in taken:
                total = total * 33 + byte & 0xFFFF_FFFF
        else:
            length = min(length, ActSize.PIPE_BYTES - len(pipe.data))
            pipe.data += self.pattern[call.start:call.start + length]
        if pipe.data and pipe.readers:
            self._go_on(pipe.readers, interrupted=False)
        if len(pipe.data) < ActSize.PIPE_BYTES and pipe.writers:
            self._go_on(pipe.writers, interrupted=False)
        return length, None, total
