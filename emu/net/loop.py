"""Loop: a plug that sends back whatever comes."""

from __future__ import annotations

from emu.kept import Kept
from emu.net.wire import End


class Loop(Kept):
    """Sends every frame back at once; with `swap`, to its sender, in the name of whom it was for."""

    def __init__(self, end: End, swap: bool = False) -> None:
        self._end = end
        self._swap = swap
        end.receive = self._receive

    def _receive(self, frame: bytes) -> None:
        self._end.send(frame[6:12] + frame[:6] + frame[12:] if self._swap else frame)

    def describe(self) -> dict[str, bool]:
        """What it does, for people."""
        return {"swap": self._swap}
