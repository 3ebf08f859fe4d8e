"""Hub: several computers at one end of a wire. What comes reaches all of them; each drops what is for others."""

from __future__ import annotations

from collections.abc import Callable

from emu.net.wire import End


class Port:
    """A computer's place at a hub: to the computer, it is as an end of the wire."""

    def __init__(self, end: End, name: str) -> None:
        self.name = name
        self.receive: Callable[[bytes], None] | None = None     # gets each frame that comes
        self.send = end.send


class Hub:
    """Everybody at `end`."""

    def __init__(self, end: End) -> None:
        self.name = end.name
        self._end = end
        self._ports: list[Port] = []
        end.receive = self._receive

    def port(self, name: str = "") -> Port:
        """A new place; names tell clock events of its computer from others', and the first may do without."""
        port = Port(self._end, f"{self.name}.{name}" if name else self.name)
        self._ports.append(port)
        return port

    def _receive(self, frame: bytes) -> None:
        for port in self._ports:
            if port.receive:
                port.receive(frame)
