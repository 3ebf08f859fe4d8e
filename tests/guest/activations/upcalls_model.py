"""A model of the activations of one process: who runs, who waits, and what each upcall tells, as the rules say.

What an activation does in the kernel is a generator, which yields while another one has the processor. Pipes hold
bytes, of which only the number counts. No tick comes, and there is memory for everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field

from guest.abi.activations import ActError, SaLimit, UpcallKind
from tests.guest.activations.stage import Upcall

Steps = Generator[None, None, None]          # what one does in the kernel
Call = Generator[None, None, int]            # a system call


@dataclass
class Processor:
    """A virtual processor."""

    number: int
    lock: int = 0
    pending: int = 0
    current: Act | None = None
    blocked: Act | None = None               # of which `current` has to tell
    alone: bool = False
    untold: deque[Act] = field(default_factory=deque)
    told: deque[Act] = field(default_factory=deque)
    revoked: deque[Act] = field(default_factory=deque)


@dataclass(eq=False)
class Act:
    """An activation."""

    vp: Processor
    place: str = "returned"                  # where it is in the program, or will be
    eax: int = 0                             # what it has there
    id: int = 0                              # the kernel's; 0 until it has been seen
    steps: Steps | None = None               # what it does in the kernel; None: it is in the program
    upcalls: list[Told] = field(default_factory=list)      # in which it is, the innermost last
    blocked: bool = False                    # the program was told so, in the call that it is in
    known: bool = False                      # and that it has unblocked
    waits: bool = False
    unblocked: bool = False

    def __repr__(self) -> str:
        return f"<{self.id}>"


@dataclass(frozen=True)
class Told:
    """What an upcall tells."""

    vp: int
    current: Act
    kind: UpcallKind
    blocked: Act | None
    unblocked: tuple[Act, ...]
    place: str                               # where it goes back to; "": nowhere

    def upcall(self, esp: int, eip: int) -> Upcall:
        """The frame that the kernel should have written, with these for UPCALL_ESP and the previous EIP."""
        return Upcall(self.vp, self.current.id, self.kind, self.blocked.id if self.blocked else 0,
                      tuple(act.id for act in self.unblocked), esp, eip)


@dataclass
class Pipe:
    """A pipe, or the console's input."""

    bytes: int = 0
    readers: deque[Act] = field(default_factory=deque)


class Model:
    """A process whose first thread has called SYS_SA_INIT."""

    def __init__(self, processors: int, pipes: int, first: int) -> None:
        """`pipes` besides the console's input, which is number 0; `first` is the number of the first thread."""
        self.processors = [Processor(number) for number in range(processors)]
        self.pipes = [Pipe() for _ in range(pipes + 1)]
        self.queue: deque[Act] = deque()                   # who can run
        act = Act(self.processors[0], id=first)
        act.vp.current = act
        self.running: Act | None = act                     # who has the processor; None: nobody can run
        self.acts = [act]

    # What the running activation, or the device, does

    def call(self, call: Call) -> None:
        """The running activation makes a system call."""
        act = self._current()

        def steps() -> Steps:
            act.eax = yield from call
            act.place = "returned"
            self._back(act)
            return

        act.steps = steps()
        self._run()

    def arrive(self) -> None:
        """A byte comes to the UART."""
        self._bytes(0)
        if self.running:
            self._back(self.running)
        else:
            self.running = self.queue.popleft() if self.queue else None
            self._run()

    def go_back(self) -> None:
        """The running activation goes back from its upcall."""
        act = self._current()
        act.place = act.upcalls.pop().place

    # System calls

    def read(self, pipe: int) -> Call:
        """SYS_READ of a byte."""
        source = self.pipes[pipe]
        while not source.bytes:
            yield from self._block(source.readers)
        source.bytes -= 1
        if source.bytes:
            self._wake(source.readers)
        return 1

    def write(self, pipe: int) -> Call:
        """SYS_WRITE_PIPE of a byte."""
        self._bytes(pipe)
        return 1
        yield

    def deliver(self) -> Call:
        """SA_DELIVER."""
        return 0
        yield

    def yields(self) -> Call:
        """SYS_YIELD."""
        self.queue.append(self._current())
        yield from self._leave()
        return 0

    def restart(self, act: Act) -> Call:
        """SA_RESTART_UNBLOCKED."""
        gone = self._current()
        if act.waits and act.known and act.vp.current is not act:
            act.known = False
            act.vp, gone.vp.blocked = gone.vp, act
            self.acts.remove(gone)
            yield from self._leave(self._next(gone.vp))
            raise AssertionError("it is gone")
        if not act.unblocked:
            return ActError.ERR_ACTIVATION
        for vp in self.processors:
            for ring in (vp.told, vp.untold):
                if act in ring:
                    ring.remove(act)
        self._gets(gone.vp, act)
        self.acts.remove(gone)
        yield from self._leave(act)
        raise AssertionError("it is gone")

    def exits(self) -> Call:
        """SYS_THREAD_EXIT, not of the process's last."""
        gone = self._current()
        self.acts.remove(gone)
        gone.vp.current = None
        following = self._unblocked(gone.vp)
        if following:
            self._gets(gone.vp, following)
            gone.vp.alone = True
        yield from self._leave(following)
        raise AssertionError("it is gone")

    def revoke(self) -> Call:
        """SYS_SA_REVOKE."""
        act = self._current()
        if not act.vp.untold:
            act.waits = True
            act.vp.revoked.append(act)
            yield from self._leave()
        return 0

    def request(self, number: int) -> Call:
        """SYS_SA_REQUEST."""
        vp = self.processors[number]
        if vp.current:
            self._wake(vp.revoked)
        else:
            self.queue.append(self._new(vp))
        return 0
        yield

    # The rules

    def _block(self, ring: deque[Act]) -> Steps:
        act = self._current()
        vp = act.vp
        following: Act | None = None
        if vp.blocked or act.blocked or not vp.lock:
            if not vp.blocked:
                vp.blocked, act.known = act, False
            act.blocked = True
            following = self._next(vp)
        act.waits = True
        ring.append(act)
        yield from self._leave(following)

    def _wake(self, ring: deque[Act]) -> None:
        if not ring:
            return
        act = ring.popleft()
        act.waits = False
        vp = act.vp
        if vp.current is act:
            self.queue.append(act)
        elif vp.current is None:
            vp.current, vp.alone = act, True
            self.queue.append(act)
        else:
            act.unblocked = True
            if act.known:
                vp.told.append(act)
            else:
                vp.untold.append(act)
                self._wake(vp.revoked)

    def _next(self, vp: Processor) -> Act:
        following = self._unblocked(vp)
        if following is None:
            return self._new(vp)
        self._gets(vp, following)
        return following

    def _unblocked(self, vp: Processor) -> Act | None:
        for each in (vp, *self.processors):
            for ring in (each.told, each.untold):
                if ring:
                    return ring.popleft()
        return None

    def _gets(self, vp: Processor, act: Act) -> None:
        act.unblocked = False
        act.vp, vp.current, vp.alone = vp, act, False

    def _new(self, vp: Processor) -> Act:
        act = Act(vp, "")
        self.acts.append(act)
        self._gets(vp, act)
        self._upcall(act, UpcallKind.UPCALL_NEW if vp.blocked else UpcallKind.UPCALL_START)
        act.steps = self._begins(act)
        return act

    def _begins(self, act: Act) -> Steps:
        self._back(act)
        return
        yield

    def _back(self, act: Act) -> None:
        vp = act.vp
        act.blocked = False
        if vp.blocked:
            self._upcall(act, UpcallKind.UPCALL_RESTARTED)
        while vp.alone or vp.untold:
            if vp.lock:
                vp.pending = 1
                return
            self._upcall(act, UpcallKind.UPCALL_UNBLOCK)

    def _upcall(self, act: Act, kind: UpcallKind) -> None:
        vp = act.vp
        unblocked = [act] * vp.alone
        while vp.untold and len(unblocked) < SaLimit.SA_EVENTS:
            unblocked.append(vp.untold.popleft())
            unblocked[-1].known = True
            vp.told.append(unblocked[-1])
        act.upcalls.append(Told(vp.number, act, kind, vp.blocked, tuple(unblocked), act.place))
        act.place = "unblock_entry" if kind == UpcallKind.UPCALL_UNBLOCK else "block_entry"
        vp.alone, vp.blocked, vp.lock = False, None, 1

    def _bytes(self, pipe: int) -> None:
        self.pipes[pipe].bytes += 1
        self._wake(self.pipes[pipe].readers)

    def _current(self) -> Act:
        assert self.running
        return self.running

    def _leave(self, following: Act | None = None) -> Steps:
        self.running = following or (self.queue.popleft() if self.queue else None)
        yield

    def _run(self) -> None:
        while self.running and self.running.steps:
            act, steps = self.running, self.running.steps
            if next(steps, self) is self:                  # it is in the program
                act.steps = None
