"""What TCP has under way at a time for the network's sake: slow start, congestion avoidance, recovery (RFC 5681).

Recovery is NewReno's (RFC 6582), without its inflation of the window: while it lasts, the window stays at half of what
was under way.
"""

from __future__ import annotations

from emu.kept import Kept

DUPLICATES = 3                  # acknowledgements of the same byte that mean a loss


class Congestion(Kept):
    """The congestion window of one connection, in bytes. Positions are bytes since its beginning."""

    KEPT = ("window", "recovering", "_mss", "_threshold", "_duplicates", "_recover")

    def __init__(self) -> None:
        self.window = 0
        self.recovering = False         # since three duplicates, until all that was under way then is acknowledged
        self._mss = 0
        self._threshold = 1 << 30       # of the window, between slow start and congestion avoidance
        self._duplicates = 0            # acknowledgements of the same byte
        self._recover = 0               # what had been sent when a loss was last found: one reaction to it is enough

    def connected(self, mss: int, lost: bool) -> None:
        """The handshake is over; `lost`: after a loss."""
        self._mss = mss
        self.window = mss if lost else min(4 * mss, max(2 * mss, 4380))

    def acknowledged(self, position: int, count: int) -> bool:
        """`count` new bytes, up to `position`; True: what follows them is lost, too."""
        self._duplicates = 0
        if self.recovering:
            self.recovering = position < self._recover
            return self.recovering
        if self.window < self._threshold:
            self.window += min(count, self._mss)
        else:
            self.window += max(self._mss * self._mss // self.window, 1)
        return False

    def duplicate(self, position: int, under_way: int) -> bool:
        """`position` is acknowledged once more; True: what follows it is lost."""
        self._duplicates += 1
        if self._duplicates != DUPLICATES or self.recovering or position < self._recover:
            return False
        self.recovering = True
        self._lost(position, under_way)
        self.window = self._threshold
        return True

    def timed_out(self, position: int, under_way: int) -> None:
        """Nothing has been acknowledged for too long: all that follows `position` is lost."""
        self.recovering = False
        self._duplicates = 0
        self._lost(position, under_way)
        self.window = self._mss

    def _lost(self, position: int, under_way: int) -> None:
        self._recover = position + under_way
        self._threshold = max(under_way // 2, 2 * self._mss)
