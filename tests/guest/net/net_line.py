"""A TCP peer that says what a test tells it to say, in numbers relative to the beginning of both streams."""

from __future__ import annotations

from dataclasses import dataclass

import net_frames as net
from net_stack import Stack

from guest.abi.net import TcpFlag, TcpSize

FIN, SYN, RST, PSH, ACK = (int(TcpFlag[f"TCP_{name}"]) for name in ("FIN", "SYN", "RST", "PSH", "ACK"))
MSS_OPTION = b"\x02\x04\x05\xb4"
QUESTION = net.arp(1, net.OURS, net.OUR_MAC, net.PEER, net.EVERYBODY)


class Line:
    """A connection, seen from the peer. `mine` is what it sends next, `theirs` what it awaits, both from 0 at SYN."""

    def __init__(self, stack: Stack, port: int = 80, source: int = 4000, first: int = 0xFFFF_FFF0) -> None:
        """`first`: the number of its SYN; it soon wraps around."""
        self.stack, self.ports, self.first = stack, (source, port), first
        self.mine = self.theirs = self.their_first = 0
        self.window = 8192

    def say(self, flags: int, data: bytes = b"", *, seq: int | None = None, ack: int | None = None,
            options: bytes = b"", window: int | None = None) -> list[net.Segment]:
        """Sends a segment, and gives what comes for it, in relative numbers; what is not said is as it should be."""
        at = self.mine if seq is None else seq
        ack = self.theirs if ack is None else ack
        if seq is None:
            self.mine += len(data) + bool(flags & SYN) + bool(flags & FIN)
        self.window = self.window if window is None else window
        self.stack.input(net.tcp_frame(self.ports, at + self.first, ack + self.their_first, flags, data,
                                       window=self.window, options=options))
        return self.hear()

    def hear(self) -> list[net.Segment]:
        """What has come, in relative numbers; `theirs` moves on as far as data have come in order."""
        frames = self.stack.sent()
        if QUESTION in frames:                              # asked again who we are
            self.stack.input(net.arp(2, net.PEER, net.PEER_MAC, net.OURS))
            frames += self.stack.sent()
        segments = [net.parse_tcp(frame) for frame in frames if frame != QUESTION]
        for segment in segments:
            assert segment.ports == self.ports[::-1]
            if segment.flags & SYN:
                self.their_first = segment.seq
            segment.seq = (segment.seq - self.their_first) & 0xFFFF_FFFF
            segment.ack = (segment.ack - self.first) & 0xFFFF_FFFF
            if segment.seq == self.theirs:
                self.theirs += len(segment.data) + bool(segment.flags & SYN) + bool(segment.flags & FIN)
        return segments

    @staticmethod
    def awaiting(stack: Stack, conn: int, first: int = 0xFFFF_FFF0) -> Line:
        """The peer's end of a connection that the stack begins."""
        theirs, ours = stack.ports(conn)
        return Line(stack, port=ours, source=theirs, first=first)

    def connect(self, options: bytes = MSS_OPTION, window: int = 8192) -> Line:
        """The handshake."""
        (answer,) = self.say(SYN, options=options, window=window)
        assert (answer.flags, answer.ack, answer.window) == (SYN | ACK, 1, TcpSize.TCP_BUFFER)
        assert not self.say(ACK)
        return self


@dataclass
class Pair:
    """A connection at both ends."""

    stack: Stack
    line: Line
    conn: int
    listener: int = 0           # whose it is, if the peer has begun it

    def state(self) -> int:
        """How it stands in the stack."""
        return self.stack.conn(self.conn).state

    def wait(self, milliseconds: int, *, step: int = 50) -> list[net.Segment]:
        """What is sent meanwhile."""
        self.stack.wait(milliseconds, step=step)
        return self.line.hear()

    def write(self, data: bytes) -> list[net.Segment]:
        """What is sent at once."""
        assert self.stack.tcp_write(self.conn, data) == len(data)
        return self.line.hear()

    def call(self, routine: str) -> list[net.Segment]:
        """The same, of tcp_finish, tcp_close, tcp_abort."""
        self.stack.call(routine, eax=self.conn)
        return self.line.hear()


def plain(segments: list[net.Segment]) -> list[tuple[int, int, int]]:
    """Flags, seq, ack."""
    return [(segment.flags, segment.seq, segment.ack) for segment in segments]
