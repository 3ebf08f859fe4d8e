"""A meter of what arrives somewhere: how much, when, and how fast."""

from __future__ import annotations

from fractions import Fraction

from emu.clock import Clock
from emu.kept import Kept


class Meter(Kept):
    """Bytes by the machine's time."""

    KEPT = ("bytes", "first", "last", "_first_bytes")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.bytes = 0                  # that have arrived
        self.first = 0                  # cycle at which the first ones did, once some have,
        self.last = 0                   # and the last ones
        self._first_bytes = 0           # how many the first ones were

    def count(self, size: int) -> None:
        """So many bytes have arrived."""
        self.last = self._clock.moment
        if not self.first:
            self.first, self._first_bytes = self.last, size
        self.bytes += size

    @property
    def goodput(self) -> Fraction:
        """Bits a second: what came after the first arrival, over the time from that one to the last."""
        elapsed = self.last - self.first
        bits = (self.bytes - self._first_bytes) * 8
        return Fraction(bits * self._clock.frequency, elapsed) if elapsed else Fraction(0)

    def describe(self) -> dict[str, int]:
        """What was measured, for people; goodput in bits/s."""
        return {"bytes": self.bytes, "first": self.first, "last": self.last, "goodput": round(self.goodput)}
