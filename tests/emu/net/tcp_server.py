"""A server for the tests, and none of ours: TCP's passive side in its simplest form.

It takes data in order alone and acknowledges every segment, sends up to `burst` segments ahead, and goes back to the
first that is not acknowledged every quarter of a second.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emu.net.host import Host
from emu.net.packets import IPv4, Protocol, Tcp, TcpFlag

FIN, SYN, RST, ACK = TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.ACK
MODULUS = 1 << 32
PATIENCE = 1000                     # times that it goes back without being acknowledged anything
SYN_ACK = bytes.fromhex("020405b4")     # MSS 1460


@dataclass
class Peer:
    """One connection. Positions: 0 is the SYN."""

    ip: bytes
    port: int
    first: int                      # the sequence numbers of the peer's SYN,
    ours: int                       # and of ours
    got: int = 1                    # what has come
    received: bytearray = field(default_factory=bytearray)      # ... and has not been answered
    total: bytearray = field(default_factory=bytearray)         # ... ever
    out: bytearray = field(default_factory=bytearray)           # all that there is to send, ever
    sent: int = 0                   # up to here
    most: int = 0                   # ... ever
    acknowledged: int = 0
    window: int = 0
    tries: int = 0
    closing: bool = False           # a FIN comes behind `out`
    ended: bool = False             # the peer's FIN has come


Answer = Callable[[Peer], None]


def answer_with(reply: bytes, close: bool = False) -> Answer:
    """Answers each request so."""
    def answer(peer: Peer) -> None:
        while b"\r\n\r\n" in peer.received:
            del peer.received[:peer.received.index(b"\r\n\r\n") + 4]
            peer.out += reply
            peer.closing |= close
    return answer


class Server:
    """Listens on a port of `host`."""

    def __init__(self, host: Host, answer: Answer, *, port: int = 80, segment: int = 1460, burst: int = 8,
                 first: int = 0xFFFF_FF00) -> None:
        self.host, self.answer, self.port, self.segment, self.burst = host, answer, port, segment, burst
        self.first = first
        self.peers: dict[tuple[bytes, int], Peer] = {}
        self.accepted = self.resets = 0
        self.segments: list[Tcp] = []           # all that have come
        self.ended: list[Peer] = []
        self.tick = host.clock.event("server", self.again)
        host.protocols[Protocol.TCP] = self.receive

    def receive(self, packet: IPv4) -> None:
        segment = Tcp.parse(packet.payload, packet.source, packet.destination)
        self.segments.append(segment)
        key = packet.source, segment.source
        peer = self.peers.get(key)
        if segment.flags & RST:
            self.resets += 1
            self.peers.pop(key, None)
        elif segment.flags & SYN and segment.destination == self.port:
            if not peer or peer.first != segment.sequence:
                self.accepted += 1
                peer = self.peers[key] = Peer(*key, segment.sequence, self.first)
            peer.sent, peer.window = 0, segment.window
            self.flush(peer)
        elif not peer:
            flags, sequence = (RST, segment.acknowledgement) if segment.flags & ACK else (RST | ACK, 0)
            after = (segment.sequence + bool(segment.flags & SYN)) % MODULUS
            self.host.send(packet.source, Protocol.TCP, Tcp(
                segment.destination, segment.source, sequence, after, flags, 0).build(self.host.ip, packet.source))
        else:
            self.take(peer, segment)

    def take(self, peer: Peer, segment: Tcp) -> None:
        acknowledged = (segment.acknowledgement - peer.ours) % MODULUS
        assert acknowledged <= peer.most or acknowledged > MODULUS // 2, "acknowledges what was never sent"
        if peer.acknowledged < acknowledged <= peer.most:
            peer.acknowledged, peer.tries = acknowledged, 0
            peer.sent = max(peer.sent, acknowledged)
        peer.window = segment.window
        start = (segment.sequence - peer.first + MODULUS // 2) % MODULUS - MODULUS // 2
        data = segment.payload[max(peer.got - start, 0):] if start <= peer.got else b""
        if data:
            peer.got += len(data)
            peer.received += data
            peer.total += data
            self.answer(peer)
        if segment.flags & FIN and start + len(segment.payload) == peer.got and not peer.ended:
            peer.got += 1
            peer.ended = peer.closing = True
        if segment.payload or segment.flags & FIN:
            self.send(peer, peer.most, b"", ACK)
        self.flush(peer)
        if peer.ended and peer.acknowledged == len(peer.out) + 2:
            self.ended.append(self.peers.pop((peer.ip, peer.port)))

    def flush(self, peer: Peer) -> None:
        """Send what may be sent."""
        if not peer.acknowledged:
            self.send(peer, 0, b"", SYN | ACK)
            peer.sent = 1
        limit = peer.acknowledged + min(self.burst * self.segment, peer.window)
        while peer.acknowledged and peer.sent <= len(peer.out):
            data = bytes(peer.out[peer.sent - 1:peer.sent - 1 + self.segment])
            if peer.sent + len(data) > limit:
                break
            self.send(peer, peer.sent, data, ACK)
            peer.sent += len(data)
        if peer.acknowledged and peer.closing and peer.sent == len(peer.out) + 1:
            self.send(peer, peer.sent, b"", FIN | ACK)
            peer.sent += 1
        peer.most = max(peer.most, peer.sent)
        if self.tick.cycle > self.host.clock.now + self.host.clock.frequency:
            self.tick.schedule(self.host.clock.now + self.host.clock.frequency // 4)

    def send(self, peer: Peer, position: int, data: bytes, flags: int) -> None:
        self.host.send(peer.ip, Protocol.TCP, Tcp(
            self.port, peer.port, (peer.ours + position) % MODULUS, (peer.first + peer.got) % MODULUS, flags, 8192,
            data, SYN_ACK if flags & SYN else b"").build(self.host.ip, peer.ip))

    def again(self) -> None:
        """Go back to what was lost."""
        for key, peer in list(self.peers.items()):
            peer.tries += 1
            if peer.tries > PATIENCE:
                del self.peers[key]
            elif peer.acknowledged < peer.sent:
                peer.sent = peer.acknowledged
                self.flush(peer)
        if self.peers:
            self.tick.schedule(self.host.clock.now + self.host.clock.frequency // 4)

    def save(self) -> Any:
        return pickle.dumps((self.peers, self.accepted, self.resets)).hex()

    def load(self, saved: Any) -> None:
        self.peers, self.accepted, self.resets = pickle.loads(bytes.fromhex(saved))
