"""A TCP peer in Python, written to be plainly right, and a network between it and the stack that loses frames."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from itertools import count

import net_frames as net
from net_line import ACK, FIN, MSS_OPTION, QUESTION, RST, SYN
from net_stack import Stack

from guest.abi.net import NetError, TcpState

STEP = 10                   # milliseconds between looks at everything
RETRY = 300                 # after which the peer sends again


@dataclass
class Weather:
    """What happens to frames: probabilities, and milliseconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: int = 10


class Peer:
    """Connects, or waits for it, sends a stream and its end, and collects the other one. Numbers are relative to both
    beginnings.
    """

    def __init__(self, data: bytes, *, mss: int, window: int, keep: bool, first: int, source: int, waits: bool) -> None:
        """`keep`: data that come before their turn are kept; `window`: bytes that it takes ahead of its reading;
        `waits`: the stack connects.
        """
        self.data, self.mss, self.window, self.keep, self.waits = data, mss, window, keep, waits
        self.first, self.their_first, self.ports = first, 0, (source, 80)
        self.una = self.nxt = 0
        self.room = 0                       # what the stack takes from `una` on
        self.got = bytearray()
        self.ahead: dict[int, bytes] = {}   # by number of the first byte
        self.asked = self.fin = self.connected = self.reset = False
        self.heard = 0                      # when something was acknowledged last, or sent again

    @property
    def done(self) -> bool:
        """Both streams have ended, and both know."""
        return self.fin and self.una == len(self.data) + 2

    def _frame(self, seq: int, flags: int, data: bytes = b"") -> bytes:
        ack = self.their_first + 1 + len(self.got) + self.fin if flags & ACK else 0
        options = b"\x02\x04" + self.mss.to_bytes(2, "big") if flags & SYN else b""
        return net.tcp_frame(self.ports, self.first + seq, ack, flags, data, window=self.window, options=options)

    def send(self, now: int) -> list[bytes]:
        """What may be sent now; everything again if nothing was acknowledged for long."""
        if now - self.heard >= RETRY and self.nxt != self.una:
            self.nxt, self.heard = self.una, now
        frames = []
        if not self.connected:
            if self.nxt == 0 and (self.asked or not self.waits):
                self.nxt = 1
                frames.append(self._frame(0, SYN | ACK if self.waits else SYN))
            return frames
        end = len(self.data) + 1
        while self.nxt < end and self.nxt < self.una + max(self.room, 1):
            size = min(self.mss, end - self.nxt, self.una + max(self.room, 1) - self.nxt)
            frames.append(self._frame(self.nxt, ACK, self.data[self.nxt - 1:self.nxt - 1 + size]))
            self.nxt += size
        if self.nxt == end:
            frames.append(self._frame(end, ACK | FIN))
            self.nxt += 1
        return frames

    def take(self, frame: bytes, now: int) -> list[bytes]:
        """A frame comes; what is sent for it."""
        segment = net.parse_tcp(frame)
        if segment.flags & RST:
            self.reset |= not self.done     # a late segment finds nobody there
            return []
        if segment.flags & SYN and self.waits:
            assert segment.options == MSS_OPTION and not segment.flags & ACK
            if self.connected:
                return []                   # it is late
            self.asked, self.their_first, self.ports = True, segment.seq, segment.ports[::-1]
            self.nxt, self.heard = 1, now
            return [self._frame(0, SYN | ACK)]
        if segment.flags & SYN:
            if not self.connected:
                assert segment.ack == (self.first + 1) & 0xFFFF_FFFF
                assert segment.options == MSS_OPTION
                self.connected, self.their_first, self.una, self.nxt = True, segment.seq, 1, 1
                self.room, self.heard = segment.window, now
            return [self._frame(self.nxt, ACK)]
        assert segment.flags & ACK and len(segment.data) <= self.mss
        ack = (segment.ack - self.first) & 0xFFFF_FFFF
        assert ack <= len(self.data) + 2
        self.connected |= ack > 0
        if ack >= self.una:
            if ack > self.una:
                self.heard = now
            self.una, self.nxt, self.room = ack, max(ack, self.nxt), segment.window
        if not segment.data and not segment.flags & FIN:
            return []
        seq = (segment.seq - self.their_first - 1) & 0xFFFF_FFFF
        assert seq + len(segment.data) <= len(self.got) + self.window + 1 or seq > 1 << 31
        self._collect(seq, segment.data, bool(segment.flags & FIN))
        return [self._frame(self.nxt, ACK)]

    def _collect(self, seq: int, data: bytes, fin: bool) -> None:
        if seq > len(self.got):
            if self.keep and not fin:
                self.ahead[seq] = data
            return
        old = len(self.got) - seq
        assert data[:old] == self.got[seq:seq + len(data)][:old], "sent again, but otherwise"
        self.got += data[old:]
        if fin:
            assert len(self.got) == seq + len(data), "data behind the end"
            self.fin = True
        for at in sorted(self.ahead):
            if at <= len(self.got):
                more = self.ahead.pop(at)
                self.got += more[len(self.got) - at:]


def converse(stack: Stack, listener: int, peers: list[Peer], weather: Weather, seed: int, limit: int = 900_000) -> None:
    """The stack connects to the peers that wait for it, and echoes what all send, until all streams have ended. Fails
    if that takes `limit` milliseconds.
    """
    chance, number = random.Random(seed), count()
    wire: list[tuple[int, int, bool, bytes]] = []        # when, how many before, to the stack?, frame
    conns: dict[int, bytes] = {}                         # of the stack, with what is still to be echoed

    def put(now: int, to_stack: bool, frames: list[bytes]) -> None:
        for frame in frames:
            copies = 0 if chance.random() < weather.loss else 2 if chance.random() < weather.duplicate else 1
            for _ in range(copies):
                late = chance.randrange(200) if chance.random() < weather.reorder else 0
                heapq.heappush(wire, (now + weather.delay + late, next(number), to_stack, frame))

    conns.update((stack.begin(port=peer.ports[0]), b"") for peer in peers if peer.waits)
    for now in range(0, limit, STEP):
        arrived = []
        while wire and wire[0][0] <= now:
            _, _, to_stack, frame = heapq.heappop(wire)
            if to_stack:
                arrived.append(frame)
                continue
            peer = next(peer for peer in peers if peer.ports[0] == int.from_bytes(frame[36:38], "big"))
            put(now, True, peer.take(frame, now))
        if arrived:
            stack.input(*arrived)
        while (conn := stack.accept(listener)) is not None:
            conns[conn] = b""
        for conn in list(conns):
            _echo(stack, conns, conn)
        stack.wait(STEP, step=STEP)
        sent = stack.sent()
        if QUESTION in sent:
            stack.input(net.arp(2, net.PEER, net.PEER_MAC, net.OURS))
            sent += stack.sent()
        put(now, False, [frame for frame in sent if frame != QUESTION])
        for peer in peers:
            put(now, True, peer.send(now))
        assert not any(peer.reset for peer in peers)
        if all(peer.done for peer in peers) and not conns and not wire \
                and all(conn.state == TcpState.TCP_TIME_WAIT for conn in stack.conns()):
            return
    raise AssertionError(f"no end: {[(peer.una, len(peer.data), len(peer.got), peer.fin) for peer in peers]}")


def _echo(stack: Stack, conns: dict[int, bytes], conn: int) -> None:
    """One look at a connection: reads if all is echoed, writes what is not, closes at the end."""
    if not conns[conn]:
        data = stack.tcp_read(conn, 3000)
        if data == NetError.NET_AGAIN:
            return
        assert isinstance(data, bytes), data
        if not data:
            stack.call("tcp_close", eax=conn)
            del conns[conn]
            return
        conns[conn] = data
    taken = stack.tcp_write(conn, conns[conn])
    if isinstance(taken, NetError):
        assert taken == NetError.NET_AGAIN
    else:
        conns[conn] = conns[conn][taken:]
