"""Two hosts on a wire: the near one stands for a guest."""

from __future__ import annotations

from typing import Any

from emu.clock import NEVER, Clock
from emu.net.host import Host
from emu.net.packets import IPv4, Udp, ip, mac
from emu.net.wire import Wire

FREQUENCY = 100_000_000         # Hz: at 100 Mbit/s, a bit is a cycle
GUEST, HOST = ip("10.0.0.2"), ip("10.0.0.1")
GUEST_MAC, HOST_MAC = mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01")


class Pair:
    """A wire with a host at either end, and all that has passed over it."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock(FREQUENCY)
        self.wire = Wire(self.clock, **options)
        self.frames: list[bytes] = []
        self.wire.listeners.append(lambda end, frame: self.frames.append(frame))
        self.guest = Host(self.clock, self.wire.ends[0], GUEST_MAC, GUEST)
        self.host = Host(self.clock, self.wire.ends[1], HOST_MAC, HOST)
        self.parts: list[Any] = [self.clock, self.wire, self.guest, self.host]

    def settle(self) -> None:
        while self.clock.deadline != NEVER:
            self.clock.advance(self.clock.deadline - self.clock.now)

    def inject(self, frame: bytes) -> None:
        """A frame for the host."""
        assert self.wire.ends[0].send(frame)
        self.settle()


def catch(host: Host, port: int) -> list[bytes]:
    """What comes to a UDP port."""
    payloads: list[bytes] = []

    def receive(packet: IPv4, datagram: Udp) -> None:
        payloads.append(datagram.payload)

    host.listen(port, receive)
    return payloads
