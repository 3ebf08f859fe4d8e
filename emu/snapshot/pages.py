"""RAM as immutable pages, which snapshots share as long as they do not change.

Which pages have changed is found by comparing RAM with how it was last seen: that is exact whoever wrote, and takes
about a millisecond for 16 MiB. It costs a second copy of RAM, from the first snapshot on.
"""

from __future__ import annotations

import numpy as np

from emu.memory import PAGE, Ram

ZERO = bytes(PAGE)              # the page that is in most machines most often
_WORDS = PAGE // 8              # of a page, as they are compared


class Pages:
    """The pages of one RAM as they were last seen."""

    def __init__(self, ram: Ram) -> None:
        self._ram = ram
        self._pages = [ZERO] * (ram.size // PAGE)
        self._seen = np.zeros(ram.size, np.uint8)           # what they hold, in one piece
        self._differ = np.zeros(ram.size // 8, np.bool_)    # by word: differs from RAM

    def take(self) -> tuple[bytes, ...]:
        """RAM as it is now, PAGE bytes each from address 0 on; what did not change is the same object as before."""
        ram = self._ram
        for frame in self._changed():
            start = frame * PAGE
            self._pages[frame] = ram.read(start, PAGE)
            self._seen[start:start + PAGE] = ram.bytes[start:start + PAGE]
        return tuple(self._pages)

    def put(self, pages: tuple[bytes, ...]) -> None:
        """Make RAM what `take` returned. Only pages that differ are written, so that only their code is forgotten."""
        self.take()
        for frame, (now, wanted) in enumerate(zip(self._pages, pages, strict=True)):
            if now is not wanted and now != wanted:
                start = frame * PAGE
                self._ram.write(start, wanted)
                self._seen[start:start + PAGE] = self._ram.bytes[start:start + PAGE]
            self._pages[frame] = wanted

    def _changed(self) -> list[int]:
        """The numbers of the pages that are not as they were last seen."""
        np.not_equal(self._ram.bytes.view(np.uint64), self._seen.view(np.uint64), out=self._differ)
        frames: list[int] = np.flatnonzero(self._differ.reshape(-1, _WORDS).any(axis=1)).tolist()
        return frames
