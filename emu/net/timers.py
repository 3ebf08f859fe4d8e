"""Timers: any number of alarms that come and go, on one event of the clock.

An alarm is known by a number. One that is put off, which is what most are before they ring, costs no more than a note:
its place in the queue stays until it comes up.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from emu.clock import Clock
from emu.kept import Kept

SLACK = 64                      # places in the queue that may be out of date before it is looked through


class Timers(Kept):
    """Calls `ring` with the number of each alarm whose cycle has come."""

    def __init__(self, clock: Clock, name: str, ring: Callable[[int], None]) -> None:
        """Raises ValueError if the clock already has an event called `name`."""
        self._clock = clock
        self._ring = ring
        self._event = clock.event(name, self._due)
        self._alarms: dict[int, int] = {}               # the cycle of each alarm that is set
        self._places: dict[int, int] = {}               # the cycle of its first place in the queue: not after that one
        self._queue: list[tuple[int, int, int]] = []    # (cycle, serial, number), a heap
        self._serial = 0                                # counts places: the order within a cycle

    def __contains__(self, number: int) -> bool:
        return number in self._alarms

    def __len__(self) -> int:
        return len(self._alarms)

    def set(self, number: int, cycle: int) -> None:
        """Ring at `cycle`, and not when it was set to before."""
        self._alarms[number] = cycle
        place = self._places.get(number)
        if place is None or cycle < place:
            self._enqueue(number, cycle)
            if self._queue[0][0] < self._event.cycle:
                self._event.schedule(self._queue[0][0])

    def clear(self, number: int) -> None:
        """Do not ring; clearing what is not set is allowed."""
        self._alarms.pop(number, None)

    def _enqueue(self, number: int, cycle: int) -> None:
        self._places[number] = cycle
        self._serial += 1
        heapq.heappush(self._queue, (cycle, self._serial, number))
        if len(self._queue) > 2 * len(self._alarms) + SLACK:
            self._tidy()

    def _tidy(self) -> None:
        """Drop the places that are out of date."""
        self._places = {number: self._places[number] for number in self._alarms}
        self._queue = sorted({number: (cycle, serial, number) for cycle, serial, number in sorted(self._queue)
                              if self._places.get(number) == cycle}.values())

    def _due(self) -> None:
        moment = self._clock.moment
        while self._queue and self._queue[0][0] <= moment:
            cycle, _, number = heapq.heappop(self._queue)
            if self._places.get(number) != cycle:
                continue
            del self._places[number]
            alarm = self._alarms.get(number)
            if alarm is None:
                continue
            if alarm > moment:
                self._enqueue(number, alarm)
            else:
                del self._alarms[number]
                self._ring(number)
        if self._queue:
            self._event.schedule(self._queue[0][0])

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON."""
        return {"alarms": [[number, cycle] for number, cycle in self._alarms.items()],
                "places": [[number, cycle] for number, cycle in self._places.items()],
                "queue": [[cycle, number] for cycle, _, number in sorted(self._queue)]}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned; when the event is due is the clock's to know."""
        self._alarms = {number: cycle for number, cycle in saved["alarms"]}
        self._places = {number: cycle for number, cycle in saved["places"]}
        self._queue = [(cycle, serial, number) for serial, (cycle, number) in enumerate(saved["queue"])]
        self._serial = len(self._queue)
