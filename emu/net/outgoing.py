"""What a TCP connection sends: what is acknowledged, what is under way, what waits, and how much the peer takes.

Positions are counted from our SYN, which is 0; a FIN is behind the data.
"""

from __future__ import annotations

from typing import Any

from emu.kept import Kept
from emu.net.incoming import SEQUENCES, difference


class Outgoing(Kept):
    """Our stream."""

    KEPT = ("first", "una", "next", "most", "window", "_base", "_window_seq", "_window_ack")

    def __init__(self, first: int) -> None:
        self.first = first                  # the sequence number of our SYN
        self.una = 0                        # all before it is acknowledged
        self.next = 0                       # what is sent next
        self.most = 0                       # all that has been sent is before it
        self.window = 0                     # bytes behind `una` that the peer takes,
        self._window_seq = 0                # and where the segment that said so was,
        self._window_ack = 0                # ... and what it acknowledged
        self._base = 1                      # the position of `_data`
        self._data = bytearray()            # what is not acknowledged, sent or not

    @property
    def last(self) -> int:
        """The position behind the data that there is to send: that of the FIN, if one is."""
        return self._base + len(self._data)

    @property
    def under_way(self) -> int:
        """How much has been sent, and is not acknowledged."""
        return self.most - self.una

    def sequence(self, position: int) -> int:
        """The sequence number of a position."""
        return (self.first + position) % SEQUENCES

    def position(self, acknowledgement: int) -> int:
        """What an acknowledgement is of, which is less than half of all numbers from what is acknowledged."""
        return self.una + difference(acknowledgement, self.sequence(self.una))

    def add(self, data: bytes) -> None:
        """There is more to send."""
        self._data += data

    def data(self, position: int, size: int) -> bytes:
        """The bytes there."""
        return bytes(self._data[position - self._base:position - self._base + size])

    def begin(self, window: int) -> None:
        """Our SYN is acknowledged, for the first time."""
        self.window = window
        self.una = self.next = 1

    def set_window(self, window: int, start: int, position: int) -> None:
        """A segment that was at `start` and acknowledges `position` tells the window; an older one is not believed."""
        if (self._window_seq, self._window_ack) <= (start, position):
            self.window, self._window_seq, self._window_ack = window, start, position

    def acknowledge(self, position: int) -> int:
        """All before `position` is acknowledged, and more than before: so much."""
        taken = min(position, self.last) - self._base
        del self._data[:taken]
        self._base += taken
        count = position - self.una
        self.una = position
        self.next = max(self.next, position)
        return count

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON; data in hexadecimal."""
        return super().save() | {"data": self._data.hex()}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned."""
        super().load(saved)
        self._data = bytearray.fromhex(saved["data"])
