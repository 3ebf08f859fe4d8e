"""RAM while an image is being placed in it."""

from __future__ import annotations

from bisect import bisect_right

from loader.image import HOLE, LARGEST_RAM, PAGE, ImageError


class Ram:
    """Who has claimed which bytes."""

    def __init__(self, size: int, image: str) -> None:
        """`size` in bytes; `image` is the name for messages."""
        self.size = size
        self.image = image
        self._taken: list[tuple[int, int, str]] = []       # (first address, one past the last, owner), sorted

    def claim(self, start: int, size: int, owner: str) -> None:
        """Give `size` bytes to `owner`. Raises ImageError if they are taken, in the hole or beyond RAM."""
        if size == 0:
            return
        trouble = self._trouble(start, start + size)
        if trouble:
            raise ImageError(f"{self.image}: {owner} {trouble}")
        self._taken.insert(bisect_right(self._taken, (start,)), (start, start + size, owner))

    def place(self, size: int, owner: str) -> int:
        """Claim `size` bytes on a page boundary above 1 MiB and above everything claimed; the address of the first."""
        top = max((end for _, end, _ in self._taken), default=0)
        start = -(-max(top, HOLE.stop) // PAGE) * PAGE
        self.claim(start, size, owner)
        return start

    def is_free(self, start: int, size: int) -> bool:
        """Whether these bytes could be claimed."""
        return self._trouble(start, start + size) is None

    def _trouble(self, start: int, end: int) -> str | None:
        """Why the bytes from `start` up to `end` cannot be had; None if they can."""
        if end > LARGEST_RAM:
            return f"ends at {end:#x}, where no machine has RAM: link it for a physical address below {LARGEST_RAM:#x}"
        if end > self.size:
            mebibytes = -(-end >> 20)
            return f"ends at {end:#x}, but RAM ends at {self.size:#x}: give the machine {mebibytes} MiB (--mem)"
        if start < HOLE.stop and end > HOLE.start:
            return f"lies in {HOLE.start:#x}-{HOLE.stop - 1:#x}, where no RAM is: link it for 0x100000 or above"
        index = bisect_right(self._taken, (start + 1,))
        for other_start, other_end, other in self._taken[max(index - 1, 0):index + 1]:
            if start < other_end and other_start < end:
                return f"overlaps {other} at {max(start, other_start):#x}: link them apart"
        return None
