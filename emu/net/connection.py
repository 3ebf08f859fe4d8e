"""A TCP connection (RFC 9293): states, sending, receiving, and when what is sent again.

Positions are counted from the SYN of either side, which is 0, without end; sequence numbers are only on the wire.
Every second segment of data is acknowledged, the last one after 40 ms at the latest; what is early, fills a gap or ends
the connection, at once. A segment is sent when it is full or has all that there is (no Nagle). There are no window
scaling, SACK, time stamps, urgent data nor keep-alive probes. A SYN that meets ours is not answered; data that comes
with a SYN is not taken.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from emu.clock import Clock
from emu.kept import Kept
from emu.net.congestion import Congestion
from emu.net.incoming import WINDOW, Incoming
from emu.net.outgoing import Outgoing
from emu.net.packets import Tcp, TcpFlag, mss_option
from emu.net.rto import Timeout
from emu.net.timers import Timers

MSS = 1460                      # bytes of data that fit into one Ethernet frame,
MSS_DEFAULT = 536               # ... that a peer takes who does not say,
MSS_LEAST = 64                  # and what one says who is not believed
TRIES = 9                       # times that something is sent in all; with timeouts of 200 ms and on, that is 100 s
ACK_DELAY = 40                  # ms
LINGER = 60_000                 # ms that the peer of a connection that we have closed may take to close it, too
TIME_WAIT = 1000                # ms; ports come round slowly and sequence numbers grow, so old segments do no harm

FIN, SYN, RST, PSH, ACK = (
    int(flag) for flag in (TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.PSH, TcpFlag.ACK))


class State(IntEnum):
    """The states of RFC 9293, figure 5; who listens has no connection yet."""

    CLOSED = 0
    SYN_SENT = 1
    SYN_RECEIVED = 2            # we have answered the peer's SYN
    ESTABLISHED = 3
    CLOSE_WAIT = 4              # the peer has no more to send
    FIN_WAIT_1 = 5              # we have no more to send, which the peer has not acknowledged
    CLOSING = 6                 # ... and neither has the peer
    LAST_ACK = 7                # ... we, after the peer
    FIN_WAIT_2 = 8              # ... it has; it may send more
    TIME_WAIT = 9               # both have ended


class Failure(IntEnum):
    """Why a connection is no more, though nobody has closed it."""

    REFUSED = 0                 # RST for our SYN
    RESET = 1                   # RST later
    UNANSWERED = 2              # we have tried for long enough


class User(Protocol):
    """Who has made or accepted a connection, and hears of it until it closes it or it fails."""

    def opened(self) -> None:
        """The peer has accepted it; who has accepted it is not told."""

    def received(self, data: bytes) -> None:
        """The next bytes have come."""

    def ended(self) -> None:
        """No more will come."""

    def failed(self, failure: Failure) -> None:
        """The connection is no more."""


class Carrier(Protocol):
    """Whose connection it is: the TCP of a host."""

    clock: Clock
    resend: Timers              # by key of the connection: when it sends again,
    late: Timers                # ... and when it acknowledges
    retransmitted: int          # segments sent that had been sent before
    early: int                  # segments received behind a gap

    def accept(self, connection: Connection) -> None:
        """One that has come to a port is open."""

    def send(self, peer: bytes, segment: Tcp) -> None:
        """Send a segment."""

    def reject(self, peer: bytes, segment: Tcp) -> None:
        """Answer a segment that makes no sense."""

    def remove(self, connection: Connection) -> None:
        """A connection is over."""


class Connection(Kept):
    """A connection. `user` hears of it; without one, it only comes to its end."""

    KEPT = ("state", "mss", "outgoing", "incoming", "_closing", "_timed", "_timed_at", "_timeout", "_congestion")

    def __init__(self, carrier: Carrier, port: int, peer: bytes, peer_port: int, first: int) -> None:
        """`first`: the sequence number of our SYN."""
        self._carrier = carrier
        self._clock = carrier.clock
        self.user: User | None = None
        self.port, self.peer, self.peer_port = port, peer, peer_port
        self.key = connection_key(port, peer, peer_port)
        self.state = State.SYN_SENT
        self.mss = MSS_DEFAULT              # bytes of data that we send in a segment
        self.outgoing = Outgoing(first)
        self.incoming = Incoming()
        self._closing = False               # a FIN comes behind the data
        self._timed = 0                     # the position whose acknowledgement ends the measurement of a round trip,
        self._timed_at = 0                  # and when that began; position 0: none
        self._timeout = Timeout(self._clock.frequency)
        self._congestion = Congestion()

    # Opening

    def open(self) -> None:
        """Send the SYN, or, once the peer's has come, the one that answers it."""
        self._transmit(0, 0, SYN if self.state == State.SYN_SENT else SYN | ACK)
        self.outgoing.next = 1
        self._arm()

    def answer(self, segment: Tcp) -> None:
        """A SYN has come, and nothing before it. Raises PacketError for a malformed option."""
        self._began(segment)
        self.state = State.SYN_RECEIVED
        self.open()

    def _began(self, segment: Tcp) -> None:
        """The peer's SYN."""
        self.mss = min(max(segment.mss or MSS_DEFAULT, MSS_LEAST), MSS)
        self.incoming.begin(segment.sequence)

    def _answered(self, segment: Tcp) -> None:
        """An answer to our SYN, which was the first (section 3.10.7.3)."""
        flags = segment.flags
        if flags & ACK and self.outgoing.position(segment.acknowledgement) != 1:
            self._carrier.reject(self.peer, segment)
        elif flags & RST:
            if flags & ACK:
                self._fail(Failure.REFUSED)
        elif flags & SYN and flags & ACK:
            self._began(segment)
            self._connected(segment)
            self._acknowledge()
            if self.user:
                self.user.opened()
            if self.state == State.ESTABLISHED:
                self._output()                                  # what the user had sent before

    def _confirmed(self, segment: Tcp) -> bool:
        """What follows our answer to the peer's SYN; False: it is to be dropped."""
        if self.outgoing.position(segment.acknowledgement) != 1:
            self._carrier.reject(self.peer, segment)
            return False
        self._connected(segment)
        self._carrier.accept(self)
        return True

    def _connected(self, segment: Tcp) -> None:
        """Both SYNs are acknowledged."""
        self.state = State.ESTABLISHED
        self._congestion.connected(self.mss, lost=self._timeout.expiries > 0)
        self._measure(1)
        self._timeout.connected()
        self.outgoing.begin(segment.window)
        self._carrier.resend.clear(self.key)

    # What the user does

    def send(self, data: bytes) -> None:
        """Send data, now or when it is possible; nothing of it is refused. Raises ValueError after `close`."""
        if self._closing or self.state not in (State.SYN_SENT, State.ESTABLISHED, State.CLOSE_WAIT):
            raise ValueError("data for a connection that is closed")
        self.outgoing.add(data)
        if self.state != State.SYN_SENT:
            self._output()

    def close(self) -> None:
        """There is nothing more to send, and what still comes is not wanted; `user` hears nothing more."""
        self.user = None
        if self._closing or self.state == State.CLOSED:
            return
        if self.state == State.SYN_SENT:
            self._remove()
            return
        self._closing = True
        self.state = State.LAST_ACK if self.state == State.CLOSE_WAIT else State.FIN_WAIT_1
        self._output()

    def abort(self) -> None:
        """End it at once, both ways."""
        self.user = None
        if self.state not in (State.CLOSED, State.SYN_SENT):
            self._send(self.outgoing.most, RST | ACK)
        if self.state != State.CLOSED:
            self._remove()

    # Sending

    def _send(self, position: int, flags: int, data: bytes = b"", options: bytes = b"") -> None:
        """Send a segment that begins at a position."""
        got = self.incoming.sequence if flags & ACK else 0
        self._carrier.send(self.peer, Tcp(self.port, self.peer_port, self.outgoing.sequence(position), got, flags,
                                          WINDOW, data, options))

    def _transmit(self, position: int, size: int, flags: int) -> None:
        """Send a SYN, or data with an acknowledgement, and maybe a FIN behind it."""
        out = self.outgoing
        end = position + size + (flags & (SYN | FIN) != 0)
        if position < out.most:
            self._carrier.retransmitted += 1
            self._timed = 0                                     # Karn: whose acknowledgement comes, nobody knows
        elif not self._timed:
            self._timed, self._timed_at = end, self._clock.moment
        out.most = max(out.most, end)
        if flags & SYN:
            self._send(0, flags, options=mss_option(MSS))
        else:
            self.incoming.owed = 0
            self._send(position, flags | ACK, out.data(position, size))

    def _acknowledge(self, position: int | None = None) -> None:
        """Send an acknowledgement alone, from where we are or another position."""
        self.incoming.owed = 0
        self._send(self.outgoing.most if position is None else position, ACK)

    def _segment(self, position: int, size: int) -> int:
        """Send a segment of data, with a FIN if the data ends there; return the position behind it."""
        ends = position + size == self.outgoing.last
        fin = ends and self._closing
        self._transmit(position, size, (PSH if ends and size else 0) | (FIN if fin else 0))
        return position + size + fin

    def _output(self) -> None:
        """Send what both windows allow."""
        out = self.outgoing
        last, limit = out.last, out.una + min(out.window, self._congestion.window)
        while out.next < last:
            size = min(last - out.next, self.mss, limit - out.next)
            if size <= 0 or (size < min(last - out.next, self.mss) and out.next > out.una):
                break                                           # a small window that grows is better used later
            out.next = self._segment(out.next, size)
        if out.next == last and self._closing:
            out.next = self._segment(last, 0)
        if (out.under_way or out.next < last) and self.key not in self._carrier.resend:
            self._arm()

    def _again(self) -> None:
        """Send the first segment that is not acknowledged once more."""
        out = self.outgoing
        self._segment(out.una, min(out.last - out.una, self.mss))

    def _arm(self) -> None:
        self._carrier.resend.set(self.key, self._clock.moment + self._timeout.cycles)

    def resend(self) -> None:
        """The time is over: of waiting for an acknowledgement or a window, or for the end of it all."""
        if self.state in (State.FIN_WAIT_2, State.TIME_WAIT):
            self._remove()
        elif self._timeout.expiries + 1 == TRIES:
            self._fail(Failure.UNANSWERED)
        else:
            out = self.outgoing
            self._timeout.passed()
            if out.under_way:
                self._congestion.timed_out(out.una, out.under_way)
            out.next = out.una
            if self.state in (State.SYN_SENT, State.SYN_RECEIVED):
                self.open()
                return
            if out.window or out.una == out.last:
                self._output()
            else:
                self._acknowledge(out.una - 1)                  # it is not wanted, so the answer tells the window
            self._arm()

    def acknowledge_late(self) -> None:
        """The time is over for an acknowledgement that might have gone with data."""
        if self.incoming.owed:
            self._acknowledge()

    # Receiving

    def receive(self, segment: Tcp) -> None:
        """A segment from the peer. Raises PacketError for a malformed option, which matters in a SYN alone."""
        if self.state == State.SYN_SENT:
            self._answered(segment)
            return
        flags = segment.flags
        start = self.incoming.position(segment.sequence)
        length = len(segment.payload) + (flags & FIN)
        if not self.incoming.wants(start, length):
            if self.state == State.SYN_RECEIVED and flags & SYN and start == 0:
                self._transmit(0, 0, SYN | ACK)                 # our answer was lost
            elif not flags & RST:
                self._acknowledge()
        elif flags & RST and start == self.incoming.got:
            self._fail(Failure.RESET)
        elif flags & (RST | SYN):                               # RFC 5961: a peer who means it, answers
            self._acknowledge()
        elif flags & ACK and (self.state != State.SYN_RECEIVED or self._confirmed(segment)) and (
                self._take_acknowledgement(segment, start)) and length:
            self._take_data(start, segment.payload, flags & FIN != 0)

    def _take_acknowledgement(self, segment: Tcp, start: int) -> bool:
        """What a segment says of what we have sent; False: it is to be dropped, or the connection is no more."""
        out = self.outgoing
        position = out.position(segment.acknowledgement)
        if position > out.most:
            self._acknowledge()
            return False
        if position < out.una:
            return True                                         # an old one
        same_window = segment.window == out.window != 0
        out.set_window(segment.window, start, position)
        if not out.window:
            self._timeout.acknowledged()                        # a peer who has no room is there nevertheless
        if position > out.una:
            self._acknowledged(position)
        elif out.under_way and same_window and not segment.payload and not segment.flags & FIN and (
                self._congestion.duplicate(position, out.under_way)):
            self._again()
        if self.state == State.CLOSED:
            return False
        self._output()
        return True

    def _acknowledged(self, position: int) -> None:
        """All before `position` is acknowledged, and more than before."""
        count = self.outgoing.acknowledge(position)
        self._measure(position)
        self._timeout.acknowledged()
        if self.outgoing.under_way:
            self._arm()
        else:
            self._carrier.resend.clear(self.key)
        if self._congestion.acknowledged(position, count):
            self._again()
        if position > self.outgoing.last:                            # our FIN, too
            self._fin_acknowledged()

    def _measure(self, position: int) -> None:
        if 0 < self._timed <= position:
            self._timeout.measured(self._clock.moment - self._timed_at)
            self._timed = 0

    def _fin_acknowledged(self) -> None:
        if self.state == State.FIN_WAIT_1:
            self.state = State.FIN_WAIT_2
            self._rest(LINGER)
        elif self.state == State.CLOSING:
            self.state = State.TIME_WAIT
            self._rest(TIME_WAIT)
        elif self.state == State.LAST_ACK:
            self._remove()

    def _take_data(self, start: int, payload: bytes, fin: bool) -> None:
        """Data and a FIN that are, at least in part, in the window."""
        if self.state in (State.CLOSE_WAIT, State.CLOSING, State.LAST_ACK, State.TIME_WAIT):
            return                                              # behind the FIN
        if payload and self.user is None:                       # nobody will ever read it: RFC 1122, 4.2.2.13
            self.abort()
            return
        self._carrier.early += start > self.incoming.got
        data, ended = self.incoming.take(start, payload, fin)
        if ended:
            self._ended()
        if data and self.user:
            self.user.received(data)
        if ended and self.user:
            self.user.ended()
        if self.state == State.CLOSED:
            return                                              # by the user
        if self.incoming.owed > 1:
            self._acknowledge()
        elif self.incoming.owed and self.key not in self._carrier.late:
            self._carrier.late.set(self.key, self._clock.moment + self._cycles(ACK_DELAY))

    def _ended(self) -> None:
        """All of the peer's data has come, and its FIN."""
        if self.state == State.ESTABLISHED:
            self.state = State.CLOSE_WAIT
        elif self.state == State.FIN_WAIT_1:
            self.state = State.CLOSING
        else:
            self.state = State.TIME_WAIT
            self._rest(TIME_WAIT)

    # The end

    def _cycles(self, milliseconds: int) -> int:
        return milliseconds * self._clock.frequency // 1000

    def _rest(self, milliseconds: int) -> None:
        self._carrier.resend.set(self.key, self._clock.moment + self._cycles(milliseconds))

    def _fail(self, failure: Failure) -> None:
        user, self.user = self.user, None
        self._remove()
        if user:
            user.failed(failure)

    def _remove(self) -> None:
        self.state = State.CLOSED
        self._carrier.remove(self)


def connection_key(port: int, peer: bytes, peer_port: int) -> int:
    """A connection of one host, as one number."""
    return int.from_bytes(peer) << 32 | peer_port << 16 | port
