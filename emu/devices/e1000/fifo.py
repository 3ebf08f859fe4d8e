"""A part of the packet buffer: frames in the order in which they came."""

from __future__ import annotations

from collections import deque

from emu.kept import Kept

OVERHEAD = 16                   # bytes that a frame takes beside its own; it begins at a multiple of them (estimated)


class Fifo(Kept):
    """Frames, each with a mark for whoever takes it out."""

    KEPT = ("data", "lengths", "marks", "used")

    def __init__(self) -> None:
        self.data = bytearray()                     # all frames, end to end
        self.lengths: deque[int] = deque()          # bytes of each
        self.marks: deque[int] = deque()            # what was noted about each
        self.used = 0                               # bytes of the packet buffer that they take

    def __len__(self) -> int:
        return len(self.lengths)

    def clear(self) -> None:
        """Forget everything."""
        self.data.clear(); self.lengths.clear(); self.marks.clear()
        self.used = 0

    def put(self, frame: bytes | bytearray, mark: int = 0) -> None:
        """Add a frame at the end."""
        self.data += frame
        self.lengths.append(len(frame))
        self.marks.append(mark)
        self.used += space(len(frame))

    def first(self) -> bytes:
        """The frame that has been here longest."""
        return bytes(self.data[:self.lengths[0]])

    def drop(self) -> None:
        """Take it out."""
        length = self.lengths.popleft()
        self.marks.popleft()
        del self.data[:length]
        self.used -= space(length)


def space(length: int) -> int:
    """Bytes of the packet buffer that a frame of `length` bytes takes."""
    return -(-length // OVERHEAD) * OVERHEAD + OVERHEAD
