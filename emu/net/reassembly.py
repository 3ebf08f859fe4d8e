"""What TCP has received too early: segments behind a gap, kept within bounds until what comes before them is there."""

from __future__ import annotations

from typing import Any

from emu.kept import Kept

MOST = 64                       # segments that are kept


class Reassembly(Kept):
    """Segments by their position in a stream; they may overlap."""

    def __init__(self, room: int) -> None:
        """`room`: bytes in all."""
        self._room = room
        self._segments: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(map(len, self._segments.values()))

    def keep(self, position: int, data: bytes) -> None:
        """Keep a segment if there is room; of two at the same place, the longer one."""
        held = len(self._segments.get(position, b""))
        room = self._room - self.size + held
        if held < len(data) <= room and (held or len(self._segments) < MOST):
            self._segments[position] = data

    def take(self, position: int) -> bytes:
        """Take what follows at `position` without a gap; what is before it is dropped."""
        found = b""
        for start in sorted(self._segments):
            if start > position + len(found):
                break
            found += self._segments.pop(start)[position + len(found) - start:]
        return found

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON; data in hexadecimal."""
        return {"segments": [[position, data.hex()] for position, data in self._segments.items()]}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned."""
        self._segments = {position: bytes.fromhex(data) for position, data in saved["segments"]}
