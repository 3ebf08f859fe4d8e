"""A model of DWCS: who runs in which slot, as its rules say, and which windows are violated."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from guest.abi.dwcs import Share
from guest.abi.scheduling import SchedulingLimit, WindowFlag

PROMISED, UNPROMISED, EXTRA, NONE = range(4)
ALL = int(Share.SHARE_ALL)


@dataclass(frozen=True)
class Window:
    """What a process asks for."""

    period: int
    runtime: int
    x: int
    y: int
    flags: int = 0

    @property
    def promised(self) -> bool:
        """It wants a promise."""
        return not self.flags & WindowFlag.WINDOW_UNPROMISED

    @property
    def share(self) -> int:
        """Of the processor, in parts: what it takes, or without a promise needs at least."""
        share = -(-ALL * self.runtime // self.period)
        return share if self.promised else -(-share * (self.y - self.x) // self.y)


@dataclass(eq=False)
class Process:
    """A process, or the ECall server."""

    number: int
    window: Window | None = None
    deadline: int = 0
    left: int = 0
    x: int = 0
    y: int = 0
    tagged: bool = False
    met: int = 0
    missed: int = 0
    violations: int = 0
    wakes: int | None = None             # the tick that ends its sleep
    events: int = 0                      # not heard

    def set(self, window: Window | None, start: int = 0) -> None:
        """It begins anew."""
        self.window, self.deadline, self.left, self.tagged = window, start, 0, False
        self.x, self.y = (window.x, window.y) if window else (0, 0)
        self.met = self.missed = self.violations = 0

    @property
    def level(self) -> int:
        """Whether and how it may run."""
        if self.window and self.left:
            return PROMISED if self.window.promised else UNPROMISED
        return EXTRA if self.window and self.window.flags & WindowFlag.WINDOW_WORK_CONSERVING else NONE

    @property
    def order(self) -> tuple[int, int, Fraction, int]:
        """The least is the first."""
        return self.level, self.deadline, Fraction(self.x, self.y), self.x or -self.y

    def use(self) -> None:
        """A slot was its."""
        if self.left:
            self.left -= 1
            if not self.left:
                self.meet()

    def meet(self) -> None:
        """It has run as long as it wanted in this period."""
        self.left = 0
        self.met += 1
        if self.y > self.x:
            self.y -= 1
        else:
            self.x, self.y = self.x - 1, self.y - 1
        if self.tagged or not self.y:
            self._window()
        self.tagged = False

    def next(self) -> None:
        """Its period is over."""
        assert self.window
        if self.left:
            self.missed += 1
            if self.x:
                self.x, self.y = self.x - 1, self.y - 1
                if not self.y:
                    self._window()
            else:
                self.violations += 1
                self.tagged = True
                self.y += 1
        self.left = self.window.runtime
        self.deadline += self.window.period

    def wake(self, slot: int) -> None:
        """It can run again, from `slot` on."""
        if not self.window:
            return
        rate = Fraction(self.window.runtime, self.window.period)
        if self.deadline <= slot or Fraction(self.left, self.deadline - slot) > rate:
            self.left, self.deadline = self.window.runtime, slot + self.window.period

    def _window(self) -> None:
        assert self.window
        self.x, self.y = self.window.x, self.window.y


@dataclass
class Dwcs:
    """Processes that can run, or sleep."""

    numbers: list[int]                   # in the order of the queue of best effort; the first runs
    aware: bool = True                   # of events
    slot: int = 0
    processes: dict[int, Process] = field(init=False)
    current: Process | None = field(init=False)

    def __post_init__(self) -> None:
        """All are best effort, and the slot is used by one of them."""
        self.processes = {number: Process(number) for number in self.numbers}
        self.rest = list(self.processes.values())
        self.windows: list[Process] = []
        self.current = self.rest[0]
        self.sleepers: list[Process] = []
        self.queue: list[Process] = []                     # of events, in the order of their keys, which only grow
        self.server = Process(0)
        self.active = False
        self.free = 0
        self.due = False
        self.open = False
        self.owner: Process | None = None                  # of the slot
        self.account: Process | None = None                # who pays for it

    @property
    def running(self) -> int:
        """Its number, 0 if there is none."""
        return self.current.number if self.current else 0

    @property
    def ready(self) -> list[Process]:
        """Who can run."""
        return self.windows + self.rest

    # What happens

    def tick(self) -> None:
        """A tick."""
        while self.sleepers and self.sleepers[0].wakes == self.slot + 1:
            process = self.sleepers.pop(0)
            process.wakes = None
            process.wake(self.slot + 1)
            (self.windows if process.window else self.rest).append(process)
        if self.account:
            self.account.use()
        if self.current in self.rest:
            self.rest.append(self.rest.pop(self.rest.index(self.current)))
        self.slot += 1
        self.open, self.owner, self.account = True, None, None
        for process in self.windows:
            if process.deadline == self.slot:
                process.next()
        self._pick()

    def sleep(self, ticks: int) -> None:
        """The running process waits."""
        process = self._current()
        process.wakes = self.slot + ticks
        at = sum(each.wakes <= process.wakes for each in self.sleepers if each.wakes)
        self.sleepers.insert(at, process)
        (self.windows if process.window else self.rest).remove(process)
        self._pick()

    def yields(self) -> None:
        """The running process has done its work."""
        process = self._current()
        if process is self.owner:
            self.owner = None
        if not process.window:
            self.rest.remove(process)
            self.rest.append(process)
        elif process.left:
            process.meet()
        self._pick()

    def set(self, number: int, window: Window | None) -> bool:
        """SYS_SCHED_SET; whether it is admitted."""
        process = self.processes[number]
        shares = [each.window.share for each in self.processes.values()
                  if each is not process and each.window and each.window.promised]
        if window and window.promised and sum(shares) + window.share > ALL:
            return False
        ready = process in self.ready
        if ready:
            (self.windows if process.window else self.rest).remove(process)
        if process.window and process.window.promised:
            self.free = max(self.free, process.deadline)
        start = self.slot + 1
        if window and window.promised:
            start = max(start, self.free, self.server.deadline)
        process.set(window, start)
        if ready:
            (self.windows if window else self.rest).append(process)
            self._pick()
        return True

    def raises(self, number: int) -> None:
        """An event for a process."""
        process = self.processes[number]
        process.events += 1
        if process.events == 1 or process not in self.queue:
            if process in self.queue:
                self.queue.remove(process)
            self.queue.append(process)
            if process in self.ready and process is not self.current:
                self._pick()

    def hears(self, number: int) -> None:
        """A process has heard all its events."""
        self.processes[number].events = 0

    # How it is decided

    def _pick(self) -> None:
        if self.owner and self.owner in self.ready:
            self.current = self.owner
            return
        best = min((each for each in self.windows if each.level < NONE), key=lambda each: each.order, default=None)
        level = best.level if best else NONE
        account = best if level < EXTRA else None
        pending = [each for each in self.queue if each.events and each in self.ready] if self.aware else []
        if not pending:
            self.active = False
        if pending and self.open and self._server(pending[0], best):
            best, account = pending[0], self.server
        elif pending and level >= EXTRA:
            best, account = pending[0], None
        elif pending and best:
            equal = [each for each in pending if (each.level, each.deadline) == (level, best.deadline)]
            if equal and equal[0] is not best and self._spare(equal[0]):
                best = account = equal[0]
        self.current = best or next(iter(self.rest), None)
        if self.open:
            self.open = False
            self.account = account
            self.owner = self.current if account else None

    def _server(self, first: Process, best: Process | None) -> bool:
        server = self.server
        over = server.deadline <= self.slot
        if server.window and not over and not self.active:
            over = server.left * server.window.period > (server.deadline - self.slot) * server.window.runtime
        if over:
            server.left = 0
            runtime = first.window.runtime if first.window else 1
            rest = ALL - sum(each.window.share for each in self.processes.values() if each.window)
            period = -(-runtime * ALL // rest) if rest > 0 else 0
            if self.free > self.slot or not 0 < period <= SchedulingLimit.PERIOD_MAX:
                return False
            unpromised = any(each.window and not each.window.promised for each in self.processes.values())
            server.window = Window(period, runtime, 0, SchedulingLimit.YMAX, WindowFlag.WINDOW_UNPROMISED * unpromised)
            server.left, server.deadline, server.y = runtime, self.slot + period, int(SchedulingLimit.YMAX)
        self.active = True
        return bool(server.left) and (best is None or server.order < best.order)

    def _spare(self, process: Process) -> bool:
        others = sum(each.left for each in self.windows if each is not process and not each.x
                     and (each.level, each.deadline) == (process.level, process.deadline))
        return others <= process.deadline - self.slot - 1

    def _current(self) -> Process:
        assert self.current
        return self.current
