"""TCP for a host: it opens connections, accepts them at the ports where somebody listens, and refuses all others.

The ports that connections come from go round, and one is in use with its peer until that connection is over, TIME_WAIT
included. The first sequence number of a connection is RFC 6528's: a clock of 4 µs, and a number that is made of
addresses and ports; so it is the same in every run, and grows with each connection between the same ports. SYNs beyond
what a listener may have are dropped, as if they were lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

from emu.kept import Kept
from emu.net.connection import ACK, FIN, RST, SYN, Connection, State, connection_key
from emu.net.host import Host
from emu.net.incoming import SEQUENCES
from emu.net.packets import IPv4, Protocol, Tcp
from emu.net.timers import Timers

PORTS = range(49_152, 65_536)   # that connections come from (RFC 6335)
MOST = 1024                     # connections that a listener has at a time,
MOST_HALF_OPEN = 128            # ... and those among them whose peer has not answered our SYN
TICKS = 250_000                 # a second of the clock of first sequence numbers


class Stack(Kept):
    """The TCP of a host, and its connections."""

    COUNTERS = ("opened", "accepted", "received", "sent", "retransmitted", "early", "rejected", "overflowed")
    KEPT = (*COUNTERS, "_port", "resend", "late")

    def __init__(self, host: Host) -> None:
        """Raises ValueError if the host has TCP already."""
        if Protocol.TCP in host.protocols:
            raise ValueError("the host has TCP already")
        self.host = host
        self.clock = host.clock
        self.connections: dict[int, Connection] = {}                    # by key
        self._listeners: dict[int, Callable[[Connection], None]] = {}   # by port
        self.opened = 0                 # connections, or tried to
        self.accepted = 0               # connections
        self.received = 0               # segments
        self.sent = 0                   # segments,
        self.retransmitted = 0          # ... that had been sent before
        self.early = 0                  # segments received behind a gap
        self.rejected = 0               # ... that belong to no connection, most of which are answered by RST
        self.overflowed = 0             # SYNs dropped because a listener has as many connections as it may
        self._port = PORTS[0]           # the next one to be tried
        self.resend = Timers(self.clock, f"{host.end.name}.tcp resend", self._resend)       # by key of the connection
        self.late = Timers(self.clock, f"{host.end.name}.tcp late", self._late)             # acknowledgements
        host.protocols[Protocol.TCP] = self._receive

    def listen(self, port: int, accept: Callable[[Connection], None]) -> None:
        """Give `accept` each connection that a peer opens to a port, to enter its user. Raises ValueError if taken."""
        if not 0 < port < 1 << 16:
            raise ValueError(f"there is no TCP port {port}")
        if port in self._listeners or self.at(port):
            raise ValueError(f"TCP port {port} of the host is taken")
        self._listeners[port] = accept

    def at(self, port: int) -> list[Connection]:
        """The connections of a port here."""
        return [connection for connection in self.connections.values() if connection.port == port]

    def connect(self, peer: bytes, port: int) -> Connection | None:
        """Open a connection, whose user is to be entered now; None: every port of ours is in use."""
        for _ in PORTS:
            ours, self._port = self._port, self._port + 1 if self._port < PORTS[-1] else PORTS[0]
            key = connection_key(ours, peer, port)
            if key not in self.connections and ours not in self._listeners:
                break
        else:
            return None
        self.opened += 1
        connection = self.connections[key] = Connection(self, ours, peer, port, self._first(key))
        connection.open()
        return connection

    def _first(self, key: int) -> int:
        number = crc32(self.host.ip + key.to_bytes(8))
        return (self.clock.moment * TICKS // self.clock.frequency + number) % SEQUENCES

    def _answer(self, peer: bytes, segment: Tcp) -> None:
        """A SYN for a port where somebody listens."""
        port = segment.destination
        states = [connection.state for connection in self.at(port)]
        if len(states) == MOST or states.count(State.SYN_RECEIVED) == MOST_HALF_OPEN:
            self.overflowed += 1
            return
        key = connection_key(port, peer, segment.source)
        connection = Connection(self, port, peer, segment.source, self._first(key))
        connection.answer(segment)
        self.connections[key] = connection

    def accept(self, connection: Connection) -> None:
        """A connection that has come to a port is open."""
        self.accepted += 1
        self._listeners[connection.port](connection)

    def send(self, peer: bytes, segment: Tcp) -> None:
        """Send a segment; the wire may drop it."""
        self.sent += 1
        self.host.send(peer, Protocol.TCP, segment.build(self.host.ip, peer))

    def remove(self, connection: Connection) -> None:
        """A connection is over."""
        del self.connections[connection.key]
        self.resend.clear(connection.key)
        self.late.clear(connection.key)

    def _resend(self, key: int) -> None:
        self.connections[key].resend()

    def _late(self, key: int) -> None:
        self.connections[key].acknowledge_late()

    def _receive(self, packet: IPv4) -> None:
        segment = Tcp.parse(packet.payload, packet.source, packet.destination)
        self.received += 1
        connection = self.connections.get(connection_key(segment.destination, packet.source, segment.source))
        if packet.destination != self.host.ip:
            self.rejected += 1          # TCP knows no broadcasts
        elif connection:
            connection.receive(segment)
        elif segment.flags & (SYN | ACK | RST) == SYN and segment.destination in self._listeners:
            self._answer(packet.source, segment)
        else:
            self.rejected += 1
            self.reject(packet.source, segment)

    def reject(self, peer: bytes, segment: Tcp) -> None:
        """Answer a segment that makes no sense with RST, unless it is one itself (RFC 9293, 3.10.7.1)."""
        if segment.flags & RST:
            return
        if segment.flags & ACK:
            sequence, acknowledgement, flags = segment.acknowledgement, 0, RST
        else:
            length = len(segment.payload) + sum(segment.flags & flag != 0 for flag in (SYN, FIN))
            sequence, acknowledgement, flags = 0, (segment.sequence + length) % SEQUENCES, RST | ACK
        self.send(peer, Tcp(segment.destination, segment.source, sequence, acknowledgement, flags, 0))

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON."""
        return super().save() | {"connections": [
            [each.port, each.peer.hex(), each.peer_port, each.save()] for each in self.connections.values()]}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned; connections have no user until somebody claims them."""
        super().load(saved)
        self.connections = {}
        for port, peer, peer_port, state in saved["connections"]:
            connection = Connection(self, port, bytes.fromhex(peer), peer_port, 0)
            connection.load(state)
            self.connections[connection.key] = connection

    def describe(self) -> dict[str, int]:
        """The counters, for people."""
        return {"connections": len(self.connections)} | {
            name: getattr(self, name) for name in self.COUNTERS}
