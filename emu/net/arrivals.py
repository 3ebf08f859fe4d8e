"""Arrivals: something that a host does at a rate, evenly spaced or at random, whatever becomes of it (open loop)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random

from emu.kept import Kept
from emu.net.host import Host
from emu.net.wire import SECOND

LOOKS = 1000                        # times a second that it looks whether the destination has been found


class Arrivals(Kept):
    """Calls `arrive` n intervals after the first time, to the cycle, for each n; first when ARP has found somebody.

    With a seed, intervals are drawn: exponentially distributed, so that arrivals are a Poisson process.
    """

    KEPT = ("number", "first")

    def __init__(self, host: Host, name: str, destination: bytes, rate: Fraction, arrive: Callable[[], None], *,
                 start: int = 0, stop: int | None = None, count: int | None = None, seed: int | None = None) -> None:
        """`rate`: a second. `start`, `stop`: ns since cycle 0. Raises ValueError if the clock has an event `name`."""
        self._host = host
        self._clock = host.clock
        self._destination = destination
        self._arrive = arrive
        self._interval = self._clock.frequency / rate           # cycles
        self._stop = None if stop is None else self._cycle(stop)
        self._count = count
        self._seed = seed
        self._event = self._clock.event(name, self._due)
        self.number = 0                 # of the next one: how many there were
        self.first = -1                 # the cycle of the first one, once it was
        if count != 0:
            self._event.schedule(max(self._cycle(start), self._clock.moment))

    def _cycle(self, time: int) -> int:
        return -(-time * self._clock.frequency // SECOND)

    def _due(self) -> None:
        moment = self._clock.moment
        if self._stop is not None and moment >= self._stop:
            return
        if self._destination not in self._host.addresses:
            self._host.find(self._destination)
            self._event.schedule(moment + self._clock.frequency // LOOKS)
            return
        if self.first < 0:
            self.first = moment
        self._arrive()
        self.number += 1
        if self.number != self._count:
            self._event.schedule(self._next(moment))

    def _next(self, moment: int) -> int:
        """The cycle of the next one."""
        if self._seed is None:
            due = self.number * self._interval
            return self.first - (-due.numerator // due.denominator)
        drawn = Random(f"{self._seed} {self.number}").expovariate(1)
        return moment + round(drawn * float(self._interval))
