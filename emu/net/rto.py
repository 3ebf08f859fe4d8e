"""The time after which TCP sends again what nobody has acknowledged (RFC 6298), in cycles.

It follows the round trips that are measured, and doubles whenever it has passed in vain. The least is not the RFC's
second but 200 ms, as Linux has it (TCP_RTO_MIN).
"""

from __future__ import annotations

from emu.kept import Kept

LEAST, FIRST, AFTER_LOST_SYN, MOST = 200, 1000, 3000, 60_000        # ms


class Timeout(Kept):
    """The timeout of one connection: `cycles`."""

    KEPT = ("cycles", "expiries", "_smoothed", "_variation")

    def __init__(self, frequency: int) -> None:
        self._frequency = frequency
        self.cycles = self._after(FIRST)
        self.expiries = 0               # times that it has passed since anything was acknowledged
        self._smoothed = 0              # SRTT, in eighths of a cycle; 0: nothing has been measured
        self._variation = 0             # RTTVAR, in quarters

    def _after(self, milliseconds: int) -> int:
        return milliseconds * self._frequency // 1000

    def measured(self, cycles: int) -> None:
        """A round trip has taken so long."""
        if self._smoothed:
            error = cycles - self._smoothed // 8
            self._variation += abs(error) - self._variation // 4
            self._smoothed += error
        else:
            self._smoothed = max(cycles, 1) * 8
            self._variation = cycles * 2
        timeout = self._smoothed // 8 + max(self._variation, 1)
        self.cycles = min(max(timeout, self._after(LEAST)), self._after(MOST))

    def passed(self) -> None:
        """It has passed in vain."""
        self.expiries += 1
        self.cycles = min(2 * self.cycles, self._after(MOST))

    def acknowledged(self) -> None:
        """Something new has been acknowledged."""
        self.expiries = 0

    def connected(self) -> None:
        """The handshake is over: what it has lost makes the first timeout longer (section 5.7)."""
        if self.expiries:
            self.cycles = self._after(AFTER_LOST_SYN)
        self.expiries = 0
