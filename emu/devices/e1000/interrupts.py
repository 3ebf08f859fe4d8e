"""Interrupts: causes, mask, throttling, and the delays that gather several packets into one."""

from __future__ import annotations

from collections.abc import Callable

from emu.bus import Line
from emu.clock import NEVER, Clock
from emu.devices.e1000.registers import CAUSES
from emu.kept import Kept

ITR_UNIT = 256                  # ns
DELAY_UNIT = 1024               # ns


def after(clock: Clock, nanoseconds: int) -> int:
    """The first cycle that is so much later than now."""
    return clock.moment - -nanoseconds * clock.frequency // 1_000_000_000


class Interrupts(Kept):
    """ICR, IMS and ITR; drives INTA.

    ITR is a least distance between one assertion of the line and the next: who comes too early, waits. A new interval
    counts from the last assertion, too.
    """

    KEPT = ("irq", "causes", "mask", "interval", "asserted")

    def __init__(self, clock: Clock, irq: Line, name: str) -> None:
        self.clock = clock
        self.irq = irq
        self._throttle = clock.event(f"{name}.throttle", self._update)     # the line may be asserted again
        self.reset()

    def reset(self) -> None:
        """No causes, all masked, no throttling."""
        self.causes = 0                 # ICR
        self.mask = 0                   # IMS
        self.interval = 0               # ITR, 256 ns
        self.asserted = -1              # cycle of the last assertion; -1: none
        self._update()

    def set(self, causes: int) -> None:
        """Something has happened; or software says so in ICS."""
        self.causes |= causes & CAUSES
        self._update()

    def take(self) -> int:
        """Read ICR, which clears it."""
        causes = self.causes
        self.clear(CAUSES)
        return causes

    def clear(self, causes: int) -> None:
        """Write ICR."""
        self.causes &= ~causes
        self._update()

    def enable(self, causes: int) -> None:
        """Write IMS."""
        self.mask |= causes & CAUSES
        self._update()

    def disable(self, causes: int) -> None:
        """Write IMC."""
        self.mask &= ~causes
        self._update()

    def throttle(self, interval: int) -> None:
        """Write ITR."""
        self.interval = interval & 0xFFFF
        self._update()

    def _update(self) -> None:
        pending = self.causes & self.mask
        if pending and not self.irq.level:
            free = self._free_at()
            if free > self.clock.moment:
                self._throttle.schedule(free)
                return
            self.asserted = self.clock.moment
        self._throttle.cancel()
        self.irq.set(bool(pending))

    def _free_at(self) -> int:
        """The first cycle at which the line may be asserted."""
        if self.asserted < 0 or not self.interval:
            return 0
        return self.asserted - -self.interval * ITR_UNIT * self.clock.frequency // 1_000_000_000


class Delay:
    """A packet timer, which every packet starts anew, and an absolute timer, which the first one starts.

    Whichever ends first ends both. Its state is that of its two events.
    """

    def __init__(self, clock: Clock, name: str, expired: Callable[[], None]) -> None:
        self.clock = clock
        self._expired = expired
        self._packet = clock.event(f"{name}.packet timer", self.expire)
        self._absolute = clock.event(f"{name}.absolute timer", self.expire)

    def start(self, packet: int, absolute: int) -> None:
        """A packet has come; delays in units of 1.024 us. Without a packet delay it ends now."""
        if not packet:
            self.expire()
            return
        self._packet.schedule(after(self.clock, packet * DELAY_UNIT))
        if absolute and self._absolute.cycle == NEVER:
            self._absolute.schedule(after(self.clock, absolute * DELAY_UNIT))

    def cancel(self) -> None:
        """Nothing is delayed any more."""
        self._packet.cancel()
        self._absolute.cancel()

    def expire(self) -> None:
        """The delay is over."""
        self.cancel()
        self._expired()
