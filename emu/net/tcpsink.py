"""A TCP sink, as netperf's: it accepts connections, throws away what comes (RFC 863), and measures it.

A peer that ends its stream has ours ended, too: it knows then that everything has arrived.
"""

from __future__ import annotations

from typing import Any

from emu.kept import Kept
from emu.net.connection import Connection, Failure, State
from emu.net.meter import Meter
from emu.net.tcp import Stack
from emu.net.udp import DISCARD


class Stream:
    """The user of one connection."""

    def __init__(self, sink: Sink, connection: Connection) -> None:
        self._sink = sink
        self._connection = connection
        connection.user = self

    def opened(self) -> None:
        """It is open from the beginning."""

    def received(self, data: bytes) -> None:
        """The next bytes have come."""
        self._sink.meter.count(len(data))

    def ended(self) -> None:
        """The peer has no more to send."""
        self._sink.finished += 1
        self._connection.close()

    def failed(self, failure: Failure) -> None:
        """The connection is no more, before its stream has ended."""
        self._sink.failed += 1


class Sink(Kept):
    """The sink at a port."""

    KEPT = ("connections", "finished", "failed", "meter")

    def __init__(self, stack: Stack, port: int = DISCARD) -> None:
        """Raises ValueError if the port is taken."""
        self._stack, self._port = stack, port
        self.connections = 0            # accepted,
        self.finished = 0               # ... whose stream has ended,
        self.failed = 0                 # ... that were reset before
        self.meter = Meter(stack.clock)
        stack.listen(port, self._accept)

    def _accept(self, connection: Connection) -> None:
        self.connections += 1
        Stream(self, connection)

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned; the stack's connections have gone back before."""
        super().load(saved)
        for connection in self._stack.at(self._port):
            if connection.state == State.ESTABLISHED:
                Stream(self, connection)

    def describe(self) -> dict[str, int]:
        """What was counted and measured, for people; goodput in bits/s."""
        return {"connections": self.connections, "finished": self.finished, "failed": self.failed} | (
            self.meter.describe())
