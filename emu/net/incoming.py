"""What a TCP connection receives: how far the peer's stream has come, what is early, what is to be acknowledged.

Positions are counted from the peer's SYN, which is 0.
"""

from __future__ import annotations

from emu.kept import Kept
from emu.net.reassembly import Reassembly

WINDOW = 65_535                 # bytes that we take at a time
SEQUENCES = 1 << 32


class Incoming(Kept):
    """The peer's stream. What of it is in order goes straight to the user, so the window stays open."""

    KEPT = ("got", "owed", "early", "_first", "_end")

    def __init__(self) -> None:
        self.got = 0                        # all before it has come
        self.owed = 0                       # segments to be acknowledged; 2 and more: now
        self.early = Reassembly(WINDOW)     # what has come behind a gap
        self._first = 0                     # the sequence number of the peer's SYN
        self._end = 0                       # the position of the peer's FIN, once it is known

    def begin(self, sequence: int) -> None:
        """The peer's SYN has come."""
        self._first, self.got = sequence, 1

    @property
    def sequence(self) -> int:
        """The sequence number that is to come next."""
        return (self._first + self.got) % SEQUENCES

    def position(self, sequence: int) -> int:
        """Where a sequence number is, which is less than half of all from what is to come next."""
        return self.got + difference(sequence, self.sequence)

    def wants(self, start: int, length: int) -> bool:
        """Whether a segment is, at least in part, in the window."""
        return self.got <= start + max(length - 1, 0) and start < self.got + WINDOW

    def take(self, start: int, payload: bytes, fin: bool) -> tuple[bytes, bool]:
        """Take a segment that it wants: the bytes that are in order now, and whether the stream ends behind them."""
        room = self.got + WINDOW - start
        if len(payload) > room:
            payload, fin = payload[:room], False
        if fin:
            self._end = start + len(payload)
        if start > self.got:
            self.early.keep(start, payload)
            self.owed += 2
            return b"", False
        gap = len(self.early) > 0
        data = payload[self.got - start:] + self.early.take(start + len(payload))
        self.got += len(data)
        ended = 0 < self._end <= self.got
        self.got += ended
        self.owed += 2 if gap or ended else 1
        return data, ended


def difference(sequence: int, other: int) -> int:
    """How far `sequence` is behind `other`, which is less than half of all sequence numbers either way."""
    return (sequence - other + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
