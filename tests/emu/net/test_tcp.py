"""TCP's active side: segment by segment against a peer that says what it is told to, and streams in bad weather."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.net.connection import MSS, TRIES, WINDOW, Connection, Failure, State
from emu.net.packets import IPv4, Protocol, Tcp, TcpFlag, mss_option
from emu.net.reassembly import MOST
from emu.net.tcp import PORTS, Stack
from tests.emu.net.pair import FREQUENCY, GUEST, GUEST_MAC, HOST, HOST_MAC, Pair
from tests.emu.net.tcp_server import Peer, Server

FIN, SYN, RST, PSH, ACK = TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.PSH, TcpFlag.ACK
MILLISECOND = FREQUENCY // 1000
THEIRS = 0xFFFF_FFF0                # the sequence number of the peer's SYN: wraps soon
EARLY = (1 << 32) - 3               # ... and of ours, when it does


class Heard:
    """A user that remembers."""

    def __init__(self) -> None:
        self.data = b""
        self.events: list[str] = []

    def opened(self) -> None:
        self.events.append("opened")

    def received(self, data: bytes) -> None:
        assert data
        self.data += data

    def ended(self) -> None:
        self.events.append("ended")

    def failed(self, failure: Failure) -> None:
        self.events.append(failure.name)


class Script(Pair):
    """A connection, and a peer that is told what to say. Positions: 0 is the SYN."""

    def __init__(self, connect: bool = True, mss: int | None = MSS, window: int = 65_535, **options: Any) -> None:
        super().__init__(**({"rate": 10**9, "delay": 0} | options))
        self.host.addresses[GUEST], self.guest.addresses[HOST] = GUEST_MAC, HOST_MAC
        self.stack = Stack(self.host)
        self.stack._first = lambda *ports: EARLY                # type: ignore[method-assign]
        self.heard: list[Tcp] = []
        self.guest.protocols[Protocol.TCP] = lambda packet: self.heard.append(
            Tcp.parse(packet.payload, packet.source, packet.destination))
        self.user = Heard()
        connection = self.stack.connect(GUEST, 80)
        assert connection
        self.connection: Connection = connection
        connection.user = self.user
        self.wait(1)
        if connect:
            self.say(SYN | ACK, at=0, ack=1, window=window, options=mss_option(mss) if mss is not None else b"")
            self.heard.clear()

    def wait(self, milliseconds: float) -> None:
        self.clock.advance(round(milliseconds * MILLISECOND))

    def say(self, flags: int, payload: bytes = b"", at: int = 1, ack: int = 1, window: int = 65_535,
            options: bytes = b"") -> list[tuple[int, int, int, int]]:
        """The peer sends a segment; return what it hears within a millisecond, as `told`."""
        count = len(self.heard)
        segment = Tcp(80, self.connection.port, (THEIRS + at) % (1 << 32), (EARLY + ack) % (1 << 32), flags, window,
                      payload, options)
        self.guest.send(HOST, Protocol.TCP, segment.build(GUEST, HOST))
        self.wait(1)
        return self.told[count:]

    @property
    def told(self) -> list[tuple[int, int, int, int]]:
        """What the peer has heard: flags, position, length, position acknowledged."""
        return [(each.flags, (each.sequence - EARLY) % (1 << 32), len(each.payload),
                 (each.acknowledgement - THEIRS) % (1 << 32)) for each in self.heard]


# Opening

def test_the_first_segment_is_a_syn_that_tells_the_mss() -> None:
    script = Script(connect=False)
    (syn,) = script.heard
    assert (syn.flags, syn.source, syn.destination, syn.window, syn.mss) == (SYN, PORTS[0], 80, WINDOW, 1460)
    assert syn.options == bytes.fromhex("020405b4")


def test_an_answer_is_acknowledged_and_the_user_hears_of_it() -> None:
    script = Script(connect=False)
    assert script.say(SYN | ACK, at=0, ack=1) == [(ACK, 1, 0, 1)]
    assert script.user.events == ["opened"]
    assert script.connection.state == State.ESTABLISHED
    script.wait(100_000)
    assert len(script.heard) == 2


def times(script: Script, seconds: int) -> list[float]:
    """The milliseconds at which the peer hears something."""
    found: list[float] = []
    script.guest.protocols[Protocol.TCP] = lambda packet: found.append(round(script.clock.now / MILLISECOND, 1))
    script.clock.advance(seconds * FREQUENCY)
    return found


def test_a_syn_is_sent_again_ever_more_rarely_and_then_no_more() -> None:
    script = Script(connect=False)
    assert times(script, 300) == [1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000]
    assert script.user.events == ["UNANSWERED"]
    assert not script.stack.connections and script.stack.retransmitted == TRIES - 1


@pytest.mark.parametrize(("flags", "ack", "answer", "events"), [
    (SYN | ACK, 2, [(RST, 2, 0, -THEIRS % (1 << 32))], []),            # of an older connection
    (ACK, 2, [(RST, 2, 0, -THEIRS % (1 << 32))], []),
    (ACK, 1, [], []),
    (RST | ACK, 1, [], ["REFUSED"]),
    (RST | ACK, 2, [], []),                                 # not for us
    (RST, 1, [], []),
    (SYN, 0, [], []),
])
def test_other_answers_to_a_syn(flags: int, ack: int, answer: list[tuple[int, int, int, int]],
                                events: list[str]) -> None:
    script = Script(connect=False)
    assert script.say(flags, at=0, ack=ack) == answer
    assert script.user.events == events
    assert (script.connection.state == State.CLOSED) is bool(events)


@pytest.mark.parametrize("options", ["02", "0204", "0200 0000", "0201 0000", "0205 0500", "0101 0308"])
def test_an_answer_with_bad_options_is_dropped(options: str) -> None:
    script = Script(connect=False)
    built = bytes.fromhex(options)
    assert script.say(SYN | ACK, at=0, options=built.ljust(-(-len(built) // 4) * 4, b"\1")) in ([], [(ACK, 1, 0, 1)])
    if len(built) == 4:
        assert script.host.malformed == 1 and script.connection.state == State.SYN_SENT


@pytest.mark.parametrize(("mss", "size"), [(1000, 1000), (None, 536), (9000, 1460), (0, 536), (10, 64)])
def test_segments_are_as_long_as_the_peer_says(mss: int | None, size: int) -> None:
    script = Script(mss=mss)
    script.connection.send(bytes(3 * size))
    script.wait(1)
    assert [length for _, _, length, _ in script.told][:2] == [size, size]


def test_what_is_sent_before_the_connection_is_open_is_kept() -> None:
    script = Script(connect=False)
    script.connection.send(b"early")
    assert script.say(SYN | ACK, at=0) == [(ACK, 1, 0, 1), (PSH | ACK, 1, 5, 1)]


# Sending

def test_data_is_sent_and_acknowledged() -> None:
    script = Script()
    script.connection.send(b"hello")
    script.wait(1)
    assert script.told == [(PSH | ACK, 1, 5, 1)]
    assert script.say(ACK, ack=6) == []
    script.wait(100_000)
    assert len(script.heard) == 1


def test_data_is_sent_again_after_200_ms_doubled() -> None:
    script = Script()
    script.connection.send(b"hello")
    found = times(script, 200)
    assert [round(later - earlier) for earlier, later in pairwise(found)] == [
        200 << at for at in range(TRIES - 1)]
    assert script.user.events == ["opened", "UNANSWERED"]


def test_after_a_lost_syn_the_first_timeout_is_three_seconds() -> None:
    script = Script(connect=False)
    script.wait(1500)
    script.say(SYN | ACK, at=0)
    script.connection.send(bytes(5000))
    found = times(script, 5)
    assert found[1] - found[0] == 3000                      # and the first flight is one segment


def test_the_timeout_follows_the_round_trip_but_not_that_of_what_was_sent_twice() -> None:
    script = Script()
    timeout = script.connection._timeout
    script.connection.send(b"a")
    script.wait(190)
    script.say(ACK, ack=2)
    measured = timeout.cycles
    assert 210 * MILLISECOND < measured < 220 * MILLISECOND             # 7/8 of nothing and 1/8 of it, and 4/4 of it
    script.connection.send(b"b")
    script.wait(500)
    assert script.say(ACK, ack=3) == []
    assert timeout.cycles == 2 * measured and timeout.expiries == 0


def test_the_first_flight_is_three_segments_and_each_acknowledgement_lets_two_more_go() -> None:
    script = Script()
    script.connection.send(bytes(20 * MSS))
    script.wait(1)
    assert [position for _, position, _, _ in script.told] == [1, 1 + MSS, 1 + 2 * MSS]
    assert [position for _, position, _, _ in script.say(ACK, ack=1 + MSS)] == [1 + 3 * MSS, 1 + 4 * MSS]
    assert len(script.say(ACK, ack=1 + 5 * MSS)) == 5                   # one acknowledgement, one more


def test_the_peers_window_is_never_overrun() -> None:
    script = Script(window=2000)
    script.connection.send(bytes(5000))
    script.wait(1)
    assert script.told == [(ACK, 1, MSS, 1)]                # the rest of the window is too small for a segment
    assert script.say(ACK, ack=1 + MSS, window=1000) == [(ACK, 1 + MSS, 1000, 1)]
    assert script.say(ACK, ack=2461, window=0) == []


def test_a_closed_window_is_probed_as_long_as_it_takes() -> None:
    script = Script(window=0)
    script.connection.send(b"hello")
    script.wait(150)
    assert script.told == []
    for _ in range(20):
        script.heard.clear()
        while not script.heard:
            script.wait(100)
        assert script.told == [(ACK, 0, 0, 1)]
        script.say(ACK, window=0)
    assert script.say(ACK, window=100) == [(PSH | ACK, 1, 5, 1)]
    script.say(ACK, ack=6)
    script.wait(100_000)
    assert script.connection.state == State.ESTABLISHED


def test_a_peer_without_a_window_that_falls_silent_is_given_up() -> None:
    script = Script(window=0)
    script.connection.send(b"hello")
    script.wait(200_000)
    assert script.user.events == ["opened", "UNANSWERED"]


def test_an_old_segment_does_not_change_the_window() -> None:
    script = Script()
    script.say(ACK, b"later", at=6, window=5000)
    script.say(ACK, b"first", at=1, window=1)
    assert script.connection.outgoing.window == 5000 and script.user.data == b"firstlater"


def flight(count: int = 8) -> Script:
    """So many segments are under way."""
    script = Script()
    script.connection.send(bytes(40 * MSS))
    script.wait(1)
    script.say(ACK, ack=1 + 2 * MSS)
    position = 1 + 2 * MSS
    while script.connection.outgoing.most - script.connection.outgoing.una < count * MSS:
        position += MSS
        script.say(ACK, ack=position)
    script.heard.clear()
    return script


def test_three_duplicates_bring_the_lost_segment_once() -> None:
    script = flight()
    first = script.connection.outgoing.una
    assert script.say(ACK, ack=first) == script.say(ACK, ack=first) == []
    assert script.say(ACK, ack=first) == [(ACK, first, MSS, 1)]
    for _ in range(10):
        assert script.say(ACK, ack=first) == []
    assert script.connection._congestion.window == 4 * MSS


def test_a_second_loss_in_the_flight_is_repaired_without_more_duplicates() -> None:
    script = flight()
    first, end = script.connection.outgoing.una, script.connection.outgoing.most
    for _ in range(3):
        script.say(ACK, ack=first)
    assert script.say(ACK, ack=first + 3 * MSS)[0] == (ACK, first + 3 * MSS, MSS, 1)
    script.say(ACK, ack=end)
    assert not script.connection._congestion.recovering


@pytest.mark.parametrize("change", [{"payload": b"x"}, {"window": 60_000}])
def test_what_says_something_else_is_no_duplicate(change: dict[str, Any]) -> None:
    script = flight()
    first = script.connection.outgoing.una
    for number in range(6):
        extra = {"at": 1 + number} if "payload" in change else {"window": 60_000 - number}
        told = script.say(ACK, ack=first, **(change | extra))
        assert all(length == 0 for _, _, length, _ in told)


def test_after_a_timeout_one_segment_is_sent_and_slow_start_begins_again() -> None:
    script = flight()
    first = script.connection.outgoing.una
    script.wait(250)
    assert script.told == [(ACK, first, MSS, 1)]
    assert len(script.say(ACK, ack=first + MSS)) == 2


def test_what_is_acknowledged_after_a_timeout_is_not_sent_again() -> None:
    script = flight()
    end = script.connection.outgoing.most
    script.wait(250)
    assert script.say(ACK, ack=end)[0][1] == end


def test_an_acknowledgement_of_what_was_never_sent_is_answered_and_dropped() -> None:
    script = Script()
    assert script.say(ACK, b"data", ack=2) == [(ACK, 1, 0, 1)]
    assert script.user.data == b""


# Receiving

def test_every_second_segment_is_acknowledged() -> None:
    script = Script()
    assert script.say(ACK, b"ab") == []
    assert script.say(ACK, b"cd", at=3) == [(ACK, 1, 0, 5)]
    assert script.user.data == b"abcd"


def test_a_single_segment_is_acknowledged_after_40_ms() -> None:
    script = Script()
    script.say(ACK, b"ab")
    script.wait(38)
    assert script.told == []
    script.wait(2)
    assert script.told == [(ACK, 1, 0, 3)]


def test_data_takes_the_acknowledgement_along() -> None:
    script = Script()
    script.say(ACK, b"ab")
    script.connection.send(b"x")
    script.wait(100)
    assert script.told == [(PSH | ACK, 1, 1, 3)]


def test_what_comes_early_waits_and_is_told_at_once() -> None:
    script = Script()
    assert script.say(ACK, b"cd", at=3) == [(ACK, 1, 0, 1)]
    assert script.say(ACK, b"gh", at=7) == [(ACK, 1, 0, 1)]
    assert script.user.data == b""
    assert script.say(ACK, b"ab") == [(ACK, 1, 0, 5)]
    assert script.say(FIN | ACK, at=9) == [(ACK, 1, 0, 5)]
    assert script.say(ACK, b"ef", at=5) == [(ACK, 1, 0, 10)]
    assert (script.user.data, script.user.events) == (b"abcdefgh", ["opened", "ended"])
    assert script.stack.early == 3


def test_what_has_come_before_is_acknowledged_and_dropped() -> None:
    script = Script()
    script.say(ACK, b"abcd")
    assert script.say(ACK, b"ab") == [(ACK, 1, 0, 5)]
    script.say(ACK, b"cdef", at=3)
    assert script.user.data == b"abcdef"


@pytest.mark.parametrize(("at", "taken"), [(1 + WINDOW, False), (WINDOW, True), (-5, False)])
def test_what_is_outside_the_window_is_answered_and_dropped(at: int, taken: bool) -> None:
    script = Script()
    assert script.say(ACK, b"abc", at=at) == [(ACK, 1, 0, 1)]
    assert script.connection.incoming.early.size == taken


def test_early_data_is_bounded() -> None:
    script = Script()
    for at in range(3, 1000, 3):
        script.say(ACK, b"x", at=at)
    assert len(script.connection.incoming.early) == MOST
    other = Script()
    for at in range(2, 60):
        other.say(ACK, bytes(1400), at=at)
    assert 0 < other.connection.incoming.early.size <= WINDOW


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20)), max_size=30))
@settings(max_examples=50, deadline=None)
def test_the_stream_is_whole_however_it_is_cut(pieces: list[tuple[int, int]]) -> None:
    script = Script()
    stream = bytes(range(100))
    have: set[int] = set()
    for at, length in pieces:
        script.say(ACK, stream[at - 1:at - 1 + length], at=at)
        have |= set(range(at - 1, at - 1 + length))
    whole = next(number for number in range(101) if number not in have)
    assert script.user.data == stream[:whole]


# RST and SYN out of place

@pytest.mark.parametrize(("at", "events", "answers"), [(1, ["RESET"], 0), (2, [], 1), (0, [], 0), (1 << 20, [], 0)])
def test_only_the_very_rst_resets(at: int, events: list[str], answers: int) -> None:
    script = Script()
    assert len(script.say(RST, at=at)) == answers
    assert script.user.events[1:] == events
    assert bool(script.stack.connections) is not bool(events)


def test_a_syn_in_the_middle_is_challenged() -> None:
    script = Script()
    assert script.say(SYN, at=1) == script.say(SYN | ACK, at=0) == [(ACK, 1, 0, 1)]
    assert script.connection.state == State.ESTABLISHED


def test_a_segment_without_ack_is_dropped() -> None:
    script = Script()
    assert script.say(0, b"x") == []
    assert script.user.data == b""


@pytest.mark.parametrize(("flags", "payload", "answer"), [
    (ACK, b"", (RST, 5, 0, 0)), (SYN | ACK, b"", (RST, 5, 0, 0)),
    (SYN, b"", (RST | ACK, 0, 0, 8)), (FIN, b"ab", (RST | ACK, 0, 0, 10)), (RST, b"", None), (RST | ACK, b"", None)])
def test_what_belongs_to_no_connection_is_refused(flags: int, payload: bytes,
                                                  answer: tuple[int, int, int, int] | None) -> None:
    script = Script()
    segment = Tcp(80, 1234, 7, 5, flags, 100, payload)
    script.guest.send(HOST, Protocol.TCP, segment.build(GUEST, HOST))
    script.wait(1)
    assert [(each.flags, each.sequence, len(each.payload), each.acknowledgement) for each in script.heard] == (
        [answer] if answer else [])
    assert script.stack.rejected == 1


def test_another_port_of_the_same_peer_is_not_the_connection() -> None:
    script = Script()
    segment = Tcp(81, script.connection.port, THEIRS + 1, 5, ACK, 100, b"x")
    script.guest.send(HOST, Protocol.TCP, segment.build(GUEST, HOST))
    script.wait(1)
    assert [each.flags for each in script.heard] == [RST]
    assert script.user.data == b""


def test_a_broadcast_is_not_answered() -> None:
    script = Script()
    segment = Tcp(80, 1234, 7, 5, ACK, 100)
    script.guest.send(b"\xFF" * 4, Protocol.TCP, segment.build(GUEST, b"\xFF" * 4))
    script.wait(1)
    assert script.heard == [] and script.stack.rejected == 1


# Closing

def test_we_close_first() -> None:
    script = Script()
    script.connection.close()
    script.wait(1)
    assert script.told == [(FIN | ACK, 1, 0, 1)]
    script.say(ACK, ack=2)
    assert script.connection.state == State.FIN_WAIT_2
    assert script.say(FIN | ACK, ack=2) == [(ACK, 2, 0, 2)]
    assert script.connection.state == State.TIME_WAIT
    assert script.say(FIN | ACK, ack=2) == [(ACK, 2, 0, 2)]             # it was lost
    script.wait(1000)
    assert not script.stack.connections
    assert script.say(FIN | ACK, ack=2) == [(RST, 2, 0, -THEIRS % (1 << 32))]
    assert script.user.events == ["opened"]


def test_the_peer_closes_first() -> None:
    script = Script()
    assert script.say(FIN | ACK, b"bye") == [(ACK, 1, 0, 5)]
    assert (script.user.data, script.user.events) == (b"bye", ["opened", "ended"])
    script.connection.send(b"you too")
    script.connection.close()
    script.wait(1)
    assert script.told[-2:] == [(PSH | ACK, 1, 7, 5), (FIN | ACK, 8, 0, 5)]
    script.say(ACK, at=5, ack=9)
    assert not script.stack.connections


def test_both_close_at_once() -> None:
    script = Script()
    script.connection.close()
    assert (ACK, 2, 0, 2) in script.say(FIN | ACK, ack=1)
    assert script.connection.state == State.CLOSING
    script.say(ACK, at=2, ack=2)
    assert script.connection.state == State.TIME_WAIT
    script.wait(1001)
    assert not script.stack.connections


def test_a_fin_waits_for_the_data_before_it_and_is_sent_again() -> None:
    script = Script(window=10)
    script.connection.send(b"0123456789abc")
    script.connection.close()
    script.wait(1)
    assert script.told == [(ACK, 1, 10, 1)]
    assert script.say(ACK, ack=11) == [(PSH | FIN | ACK, 11, 3, 1)]
    script.wait(250)
    assert script.told[-1] == (PSH | FIN | ACK, 11, 3, 1)
    assert script.say(ACK, ack=14) == []
    script.wait(500)
    assert script.told[-1] == (FIN | ACK, 14, 0, 1)


def test_data_that_nobody_will_read_is_answered_by_rst() -> None:
    script = Script()
    script.connection.close()
    script.wait(1)
    assert script.say(ACK, b"more", ack=2) == [(RST | ACK, 2, 0, 1)]
    assert not script.stack.connections


def test_a_peer_that_never_closes_is_left_after_a_minute() -> None:
    script = Script()
    script.connection.close()
    script.say(ACK, ack=2)
    script.wait(59_000)
    assert script.stack.connections
    script.wait(1100)
    assert not script.stack.connections


def test_closing_before_it_is_open_or_after_it_failed_says_nothing() -> None:
    script = Script(connect=False)
    script.connection.close()
    script.connection.close()
    assert not script.stack.connections
    script.wait(100_000)
    assert len(script.heard) == 1


def test_an_aborted_connection_is_reset() -> None:
    script = Script()
    script.connection.send(b"abc")
    script.connection.abort()
    script.connection.abort()
    script.wait(1)
    assert script.told == [(PSH | ACK, 1, 3, 1), (RST | ACK, 4, 0, 1)]
    assert not script.stack.connections and script.user.events == ["opened"]


def test_nothing_can_be_sent_after_closing() -> None:
    script = Script()
    script.connection.close()
    with pytest.raises(ValueError, match="data for a connection that is closed"):
        script.connection.send(b"x")


def test_a_user_may_close_in_the_middle_of_hearing() -> None:
    script = Script()
    script.user.received = lambda data: script.connection.close()       # type: ignore[method-assign]
    assert script.say(FIN | ACK, b"bye") == [(FIN | ACK, 1, 0, 5)]
    assert script.user.events == ["opened"]
    script.say(ACK, ack=2, at=5)
    assert not script.stack.connections


@pytest.mark.parametrize("flags", [ACK, FIN | ACK])
def test_a_user_may_abort_in_the_middle_of_hearing(flags: int) -> None:
    script = Script()
    script.user.received = lambda data: script.connection.abort()       # type: ignore[method-assign]
    assert [told[0] for told in script.say(flags, b"bye")] == [RST | ACK]
    script.wait(1000)
    assert not script.stack.connections and len(script.heard) == 1


# Ports and sequence numbers

def test_ports_come_round_and_sequence_numbers_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emu.net.tcp.PORTS", range(PORTS[0], PORTS[0] + 3))
    pair = Pair()
    stack = Stack(pair.host)
    seen: list[tuple[int, int]] = []
    for _ in range(6):
        connection = stack.connect(GUEST, 80)
        assert connection
        seen.append((connection.port - PORTS[0], connection.outgoing.first))
        connection.close()
        pair.clock.advance(FREQUENCY // 1000)
    assert [port for port, _ in seen] == [0, 1, 2, 0, 1, 2]
    assert [(seen[at + 3][1] - seen[at][1]) % (1 << 32) for at in range(3)] == [750] * 3
    assert len({first for _, first in seen}) == 6


def test_a_host_has_tcp_once() -> None:
    pair = Pair()
    Stack(pair.host)
    with pytest.raises(ValueError, match="the host has TCP already"):
        Stack(pair.host)


# Whole streams

class Talk(Pair):
    """A stream to a server that sends it all back, and closes when we do."""

    def __init__(self, stream: bytes, burst: int = 8, segment: int = 1460, **options: Any) -> None:
        super().__init__(**options)
        self.host.addresses[GUEST], self.guest.addresses[HOST] = GUEST_MAC, HOST_MAC
        self.stream = stream

        def echo(peer: Peer) -> None:
            peer.out += peer.received
            peer.received.clear()

        self.server = Server(self.guest, echo, burst=burst, segment=segment)
        self.stack = Stack(self.host)
        self.user = Heard()
        connection = self.stack.connect(GUEST, 80)
        assert connection
        connection.user = self.user
        connection.send(stream)
        self.parts += [self.server, self.stack]

    def settle(self) -> None:
        """Until all has come back, and the connection is over."""
        while self.stack.connections:
            self.clock.advance(FREQUENCY // 10)
            assert self.clock.now < 3000 * FREQUENCY
            for connection in list(self.stack.connections.values()):
                if connection.user and len(self.user.data) == len(self.stream):
                    connection.close()

    def save(self) -> str:
        return json.dumps([*(part.save() for part in self.parts), self.user.data.hex(), self.user.events])

    def load(self, text: str) -> None:
        *states, data, self.user.events = json.loads(text)
        self.user.data = bytes.fromhex(data)
        for part, saved in zip(self.parts, states, strict=True):
            part.load(saved)
        for connection in self.stack.connections.values():
            connection.user = self.user


STREAM = random.Random(1).randbytes(60_000)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), loss=st.sampled_from([0, 0.02, 0.1]), duplicate=st.sampled_from([0, 0.1]),
       reorder=st.sampled_from([0, 0.1, 0.3]), segment=st.sampled_from([200, 1460]), burst=st.sampled_from([1, 4, 30]))
def test_streams_come_whole_both_ways_in_any_weather(seed: int, loss: float, duplicate: float, reorder: float,
                                                     segment: int, burst: int) -> None:
    talk = Talk(STREAM[:15_000], burst, segment, seed=seed, loss=loss, duplicate=duplicate, reorder=reorder)
    talk.settle()
    assert talk.user.data == talk.stream
    assert [event for event in talk.user.events if event != "opened"] == []


def test_a_good_wire_carries_a_stream_without_sending_anything_twice() -> None:
    talk = Talk(STREAM)
    talk.settle()
    assert talk.user.data == STREAM and talk.stack.retransmitted == talk.stack.early == 0


def test_a_queue_that_is_too_short_is_shared_by_congestion_control() -> None:
    talk = Talk(STREAM * 3, rate=10_000_000, queue=6)
    talk.settle()
    assert talk.user.data == talk.stream
    assert 0 < talk.wire.ends[1].dropped <= talk.stack.retransmitted < 10


@pytest.mark.parametrize("milliseconds", [1, 5, 20, 60, 300])
def test_load_goes_on_from_where_it_was_saved(milliseconds: int) -> None:
    def make() -> Talk:
        return Talk(STREAM, loss=0.05, reorder=0.2, duplicate=0.05, seed=2)

    talk, other = make(), make()
    talk.clock.advance(milliseconds * MILLISECOND)
    text = talk.save()
    other.load(text)
    assert other.save() == text
    talk.settle()
    other.settle()
    assert other.save() == talk.save() and other.user.data == STREAM


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_noise_breaks_nothing(seed: int) -> None:
    choice = random.Random(seed)
    script = Script(connect=choice.random() < 0.9)
    script.connection.send(bytes(5000))
    if choice.random() < 0.5:
        script.connection.close()
    for _ in range(60):
        flags = choice.choice([ACK, ACK, ACK | FIN, SYN, SYN | ACK, choice.randrange(64) & ~RST])
        script.say(flags, bytes(choice.choice([0, 1, 100, 1460])),
                   at=choice.choice([1, 101, choice.randrange(-9, 70_000)]),
                   ack=choice.choice([1, 2, choice.randrange(-9, 9000)]), window=choice.choice([0, 100, 65_535]),
                   options=choice.randbytes(4 * choice.randrange(3)))
        assert len(script.connection.incoming.early) <= MOST
    script.wait(400_000)
    assert len(script.stack.connections) <= 1


def test_the_counters_are_described() -> None:
    talk = Talk(STREAM[:1000])
    talk.settle()
    values = talk.stack.describe()
    assert values == {"connections": 0, "opened": 1, "accepted": 0, "received": values["received"],
                      "sent": values["sent"], "retransmitted": 0, "early": 0, "rejected": 0, "overflowed": 0}
    assert IPv4.parse(talk.frames[0][14:]).protocol == Protocol.TCP
