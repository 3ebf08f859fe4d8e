"""Virtual time: a cycle counter and the queue of what happens when.

The only clock of the machine is `Clock.now`, in CPU cycles. Whoever executes moves it (the CPU, or a test with
`advance`); devices read it and schedule `Event`s. A device with a crystal of its own asks for a `Ticks`: an exact
rational conversion, so that nothing drifts and nothing is stepped.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from fractions import Fraction
from typing import Any

NEVER = (1 << 63) - 1     # a cycle that does not come: the deadline of an empty queue


class Event:
    """Something that happens at a cycle: made once by its owner, scheduled and cancelled at will.

    `name` identifies it in snapshots and reports, so it is unique in a machine; `action` takes no argument and runs
    with `clock.now` at or after the cycle asked for.
    """

    __slots__ = ("_clock", "_serial", "action", "cycle", "name")

    def __init__(self, clock: Clock, name: str, action: Callable[[], None]) -> None:
        self._clock = clock
        self._serial = 0          # which entry of the queue is ours; older ones are stale
        self.name = name
        self.action = action
        self.cycle = NEVER        # when it is due; NEVER while it is not scheduled, its own action included

    def schedule(self, cycle: int) -> None:
        """Happen at `cycle` (a cycle already past means: at the next chance); replaces what was scheduled before."""
        self.cycle = cycle
        clock = self._clock
        clock._serial = self._serial = clock._serial + 1
        heapq.heappush(clock._queue, (cycle, self._serial, self))

    def cancel(self) -> None:
        """Do not happen; cancelling what is not scheduled is allowed."""
        self.cycle = NEVER
        self._serial = 0


class Clock:
    """The cycle counter and its events. Events of the same cycle run in the order in which they were scheduled."""

    def __init__(self, frequency: int) -> None:
        """`frequency`: cycles per second of the processor, Hz. Raises ValueError unless positive."""
        if frequency <= 0:
            raise ValueError(f"clock frequency must be positive, not {frequency}")
        self.frequency = frequency
        self.now = 0                                        # cycles since power-on
        self._queue: list[tuple[int, int, Event]] = []      # (cycle, serial, event), a heap
        self._serial = 0                                    # counts schedule calls: the order within a cycle
        self._due = NEVER                                   # when the event that is running was due; else NEVER
        self.events: dict[str, Event] = {}                  # every event ever made, by name

    def event(self, name: str, action: Callable[[], None]) -> Event:
        """A new, unscheduled event. Raises ValueError for a name already in use."""
        if name in self.events:
            raise ValueError(f"two events are called {name!r}")
        self.events[name] = Event(self, name, action)
        return self.events[name]

    def ticks(self, frequency: Fraction | int) -> Ticks:
        """Time as counted by a crystal of `frequency` Hz that started at cycle 0."""
        return Ticks(self, Fraction(frequency))

    @property
    def deadline(self) -> int:
        """The cycle of the next event, NEVER if there is none."""
        queue = self._queue
        while queue and queue[0][2]._serial != queue[0][1]:
            heapq.heappop(queue)
        return queue[0][0] if queue else NEVER

    @property
    def moment(self) -> int:
        """The cycle at which what a device is doing happens: `now`, which an event may run a little later than."""
        return min(self.now, self._due)

    def run_due(self) -> None:
        """Run every event whose cycle is not after `now`, earliest first, those they schedule included."""
        queue = self._queue
        while queue and queue[0][0] <= self.now:
            cycle, serial, event = heapq.heappop(queue)
            if event._serial == serial:                     # else it was cancelled or scheduled anew
                event.cancel()
                self._due = cycle
                event.action()
        self._due = NEVER

    def save(self) -> dict[str, Any]:
        """The cycle, and name and cycle of each event to come, in the order in which they will happen; for JSON."""
        queue = sorted((cycle, serial, event.name) for cycle, serial, event in self._queue if event._serial == serial)
        return {"now": self.now, "events": [[name, cycle] for cycle, _, name in queue]}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned; an event that this clock does not have is left out."""
        self.now = saved["now"]
        for event in self.events.values():
            event.cancel()
        self._queue.clear()
        for name, cycle in saved["events"]:
            if name in self.events:
                self.events[name].schedule(cycle)

    def advance(self, cycles: int) -> None:
        """Move time on by `cycles`, stopping at each event on the way: what a test without a CPU does."""
        end = self.now + cycles
        while self.deadline <= end:
            self.now = max(self.now, self.deadline)
            self.run_due()
        self.now = end


class Ticks:
    """A crystal: converts between CPU cycles and ticks exactly, by a fraction of integers.

    Tick n begins at the first cycle at which n whole periods have passed since cycle 0.
    """

    __slots__ = ("_clock", "_denominator", "_numerator", "frequency")

    def __init__(self, clock: Clock, frequency: Fraction) -> None:
        self._clock = clock
        self.frequency = frequency                          # Hz
        per_cycle = frequency / clock.frequency
        self._numerator, self._denominator = per_cycle.numerator, per_cycle.denominator

    @property
    def now(self) -> int:
        """Ticks begun by `clock.now`."""
        return self._clock.now * self._numerator // self._denominator

    def cycle(self, tick: int) -> int:
        """The first cycle at which `now` is at least `tick`."""
        return -(-tick * self._denominator // self._numerator)
