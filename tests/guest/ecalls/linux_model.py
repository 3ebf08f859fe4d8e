"""A model of the Linux-like scheduler: who runs, as its rules say."""

from __future__ import annotations

from dataclasses import dataclass

from guest.abi.scheduling import Policy
from tests.guest.ecalls.stage import DEF_PRIORITY, RR_TICKS

OTHER, FIFO, RR = Policy.SCHED_OTHER, Policy.SCHED_FIFO, Policy.SCHED_RR


@dataclass(eq=False)
class Process:
    """A process."""

    number: int
    counter: int
    policy: int = OTHER
    urgent: int = 0                      # real-time priority
    slice: int = DEF_PRIORITY
    wakes: int | None = None             # the tick that ends its sleep
    events: int = 0                      # not heard

    @property
    def goodness(self) -> int:
        """How much it should run."""
        if self.urgent:
            return 1000 + self.urgent
        return self.counter + self.slice if self.counter else 0


@dataclass
class Entry:
    """In the event queue."""

    key: int
    process: Process


class Linux:
    """Processes that can run, or sleep."""

    def __init__(self, counters: dict[int, int]) -> None:
        """Processes by number, in the order of the run queue, with the ticks that they have left; the first runs."""
        self.processes = {number: Process(number, counter) for number, counter in counters.items()}
        self.queue = list(self.processes.values())         # the running one is its first
        self.current: Process | None = self.queue[0]
        self.sleepers: list[Process] = []
        self.events: list[Entry] = []
        self.time = 0
        self.keys = 0
        self.due = False

    @property
    def running(self) -> int:
        """Its number, 0 if there is none."""
        return self.current.number if self.current else 0

    # What happens

    def tick(self) -> None:
        """A tick."""
        self.time += 1
        while self.sleepers and self.sleepers[0].wakes == self.time:
            self._wake(self.sleepers.pop(0))
        process = self.current
        if process and process.policy != FIFO:
            if process.counter:
                process.counter -= 1
            if not process.counter:
                self.due = True
                if process.policy == RR:
                    process.counter = RR_TICKS
                    self._last(process)
        if self.due or not process:
            self._pick()

    def sleep(self, ticks: int) -> None:
        """The running process waits."""
        process = self._current()
        process.wakes = self.time + ticks
        at = sum(each.wakes <= process.wakes for each in self.sleepers if each.wakes)
        self.sleepers.insert(at, process)
        self.queue.remove(process)
        self._pick()

    def yields(self) -> None:
        """The running process lets others run."""
        process = self._current()
        self._last(process)
        had = process.counter
        if process.policy == OTHER:
            process.counter = 0
        self._pick()
        if process.policy == OTHER and not process.counter:
            process.counter = had

    def set(self, number: int, policy: int, value: int) -> None:
        """SYS_SCHED_SET."""
        process = self.processes[number]
        process.policy = policy
        process.urgent = 0 if policy == OTHER else value
        if policy == OTHER:
            process.slice = max(1, DEF_PRIORITY * (20 - value) // 20)
        process.counter = process.slice if policy == OTHER else RR_TICKS
        if process in self.queue:
            self._last(process)
            self._pick()

    def raises(self, number: int) -> None:
        """An event for a process."""
        process = self.processes[number]
        process.events += 1
        entry = next((entry for entry in self.events if entry.process is process), None)
        if entry is None or process.events == 1:
            if entry:
                self.events.remove(entry)
            self.events.append(Entry(self.keys, process))              # keys grow
        self.keys += 1
        if process in self.queue and process is not self.current and (entry is None or process.events == 1):
            self.due = True
        if self.due:
            self._pick()

    def hears(self, number: int) -> None:
        """A process has heard all its events."""
        self.processes[number].events = 0

    # How it is decided

    def _pick(self) -> None:
        self.due = False
        if not self.queue:
            self.current = None
            return
        if not max(process.goodness for process in self.queue):
            for process in self.processes.values():
                process.counter = process.counter // 2 + process.slice
        best = max(self.queue, key=lambda process: process.goodness)
        for entry in list(self.events):
            if not entry.process.events:
                self.events.remove(entry)
            elif entry.process in self.queue and entry.process.urgent >= best.urgent:
                best = entry.process
                break
        self.queue.remove(best)
        self.queue.insert(0, best)
        self.current = best

    def _wake(self, process: Process) -> None:
        process.wakes = None
        self.queue.append(process)
        if self.events or process.goodness > (self.current.goodness if self.current else 0):
            self.due = True

    def _last(self, process: Process) -> None:
        self.queue.remove(process)
        self.queue.append(process)

    def _current(self) -> Process:
        assert self.current
        return self.current
