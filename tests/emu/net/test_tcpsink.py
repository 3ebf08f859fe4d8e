"""TCP's passive side, by its sink: segment by segment, and streams of the active side in bad weather."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.net.connection import MSS, TRIES, Connection, Failure, State
from emu.net.incoming import WINDOW
from emu.net.packets import Protocol, Tcp, TcpFlag, mss_option
from emu.net.plug import connect
from emu.net.tcp import MOST, MOST_HALF_OPEN, Stack
from emu.net.tcpsink import Sink
from emu.net.wire import Wire
from tests.emu.net.pair import FREQUENCY, GUEST, GUEST_MAC, HOST, HOST_MAC, Pair

FIN, SYN, RST, PSH, ACK = (int(flag) for flag in (TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.PSH, TcpFlag.ACK))
MS = FREQUENCY // 1000
THEIRS = 0xFFFF_FF00            # the sequence number of the tests' SYN: wraps soon
OURS = (1 << 32) - 1            # ... and of the sink's


class Line(Pair):
    """A peer that says what it is told to. Positions: 0 is the SYN; of the sink's, too."""

    def __init__(self, opened: bool = True) -> None:
        super().__init__(rate=10**9, delay=0)
        self.host.addresses[GUEST], self.guest.addresses[HOST] = GUEST_MAC, HOST_MAC
        self.stack = Stack(self.host)
        self.stack._first = lambda key: OURS                        # type: ignore[method-assign]
        self.sink = Sink(self.stack)
        self.heard: list[Tcp] = []
        self.guest.protocols[Protocol.TCP] = lambda packet: self.heard.append(
            Tcp.parse(packet.payload, packet.source, packet.destination))
        if opened:
            self.say(SYN, at=0)
            self.say(ACK)

    def say(self, flags: int, data: bytes = b"", *, at: int = 1, ack: int = 1, port: int = 5000, wait: float = 1,
            to: int = 9, options: bytes = b"") -> list[tuple[int, int, int]]:
        """The peer says something; return what it hears within `wait` ms: position, position acknowledged, flags."""
        self.heard.clear()
        segment = Tcp(port, to, (THEIRS + at) % (1 << 32), (OURS + ack) % (1 << 32) if flags & ACK else 0, flags, 8192,
                      data, options)
        self.guest.send(HOST, Protocol.TCP, segment.build(GUEST, HOST))
        return self.hear(wait)

    def hear(self, wait: float) -> list[tuple[int, int, int]]:
        """What comes within `wait` ms, and has come before."""
        self.clock.advance(round(wait * MS))
        assert all(heard.window == WINDOW and not heard.payload for heard in self.heard if not heard.flags & RST)
        return [((heard.sequence - OURS) % (1 << 32), (heard.acknowledgement - THEIRS) % (1 << 32), heard.flags)
                for heard in self.heard]

    @property
    def state(self) -> State | None:
        """Of the one connection."""
        return next((connection.state for connection in self.stack.connections.values()), None)


NOTHING = -THEIRS % (1 << 32)       # 0, as a position


# Opening

def test_a_syn_is_answered_with_our_mss_and_the_answer_to_that_opens_the_connection() -> None:
    line = Line(opened=False)
    assert line.say(SYN, at=0) == [(0, 1, SYN | ACK)] and line.heard[0].options == mss_option(MSS)
    assert line.state == State.SYN_RECEIVED and line.sink.connections == 0
    assert line.say(ACK) == [] and line.state == State.ESTABLISHED and line.sink.connections == 1
    line.heard.clear()
    assert line.hear(300_000) == []


def test_an_answer_is_sent_again_ever_more_rarely_and_then_no_more() -> None:
    line = Line(opened=False)
    line.say(SYN, at=0)
    line.heard.clear()
    found: list[int] = []
    line.wire.listeners.append(lambda end, frame: found.append(round(line.clock.now / MS)))
    assert line.hear(300_000) == [(0, 1, SYN | ACK)] * (TRIES - 1)
    assert found == [1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000]
    assert line.state is None and line.sink.describe()["failed"] == 0


def test_a_syn_that_comes_again_is_answered_again_and_keeps_nothing_alive() -> None:
    line = Line(opened=False)
    line.say(SYN, at=0)
    (first,) = line.stack.connections.values()
    for _ in range(1000):
        assert (0, 1, SYN | ACK) in line.say(SYN, at=0)
        line.hear(299)
    (second,) = line.stack.connections.values()
    assert first.state == State.CLOSED and second is not first and line.stack.accepted == 0
    line.hear(300_000)
    assert line.state is None


def test_the_first_timeout_after_a_lost_answer_is_three_seconds() -> None:
    line = Line(opened=False)
    line.say(SYN, at=0)
    line.hear(1500)
    line.say(ACK)
    (connection,) = line.stack.connections.values()
    assert connection._timeout.cycles == 3000 * MS and connection._congestion.window == connection.mss


@pytest.mark.parametrize(("flags", "at", "ack", "answer", "state"), [
    (RST, 1, 0, None, None),                                        # the peer wants it no more
    (RST, 0, 0, None, State.SYN_RECEIVED),                          # somebody else
    (RST, 2, 0, (1, 1, ACK), State.SYN_RECEIVED),                   # RFC 5961
    (ACK, 1, 0, (0, NOTHING, RST), State.SYN_RECEIVED),             # of an older connection
    (ACK, 1, 2, (2, NOTHING, RST), State.SYN_RECEIVED),
    (ACK, 0, 1, (1, 1, ACK), State.SYN_RECEIVED),                   # is out of the window
    (SYN, 7, 0, (1, 1, ACK), State.SYN_RECEIVED),                   # of another connection: RST will follow
    (SYN, 1 << 20, 0, (1, 1, ACK), State.SYN_RECEIVED),
    (FIN, 1, 0, None, State.SYN_RECEIVED),                          # without ACK
    (FIN | ACK, 1, 1, (1, 2, FIN | ACK), State.LAST_ACK),
])
def test_what_may_follow_our_answer(flags: int, at: int, ack: int, answer: tuple[int, int, int] | None,
                                    state: State | None) -> None:
    line = Line(opened=False)
    line.say(SYN, at=0)
    assert line.say(flags, at=at, ack=ack) == ([answer] if answer else [])
    assert line.state == state


def test_a_peer_that_has_begun_anew_resets_the_half_open_connection_and_gets_one() -> None:
    line = Line(opened=False)
    line.say(SYN, at=0)
    assert line.say(SYN, at=500) == [(1, 1, ACK)]
    assert line.say(RST, at=1) == [] and line.state is None
    assert line.say(SYN, at=500) == [(0, 501, SYN | ACK)]


def test_data_may_come_with_the_answer_or_instead_of_it() -> None:
    line = Line(opened=False)
    line.say(SYN, at=0)
    assert line.say(ACK, bytes(10), at=11) == [(1, 1, ACK)] and line.state == State.ESTABLISHED     # early
    assert line.say(ACK, bytes(10)) == [(1, 21, ACK)]
    assert line.sink.meter.bytes == 20


def test_who_listens_may_refuse_by_aborting() -> None:
    line = Line(opened=False)
    line.stack.listen(10, Connection.abort)
    line.say(SYN, at=0, to=10)
    assert line.say(ACK, b"hello", to=10) == [(1, 1, RST | ACK)] and line.state is None
    assert line.stack.accepted == 1


def test_data_with_a_syn_is_not_taken() -> None:
    line = Line(opened=False)
    assert line.say(SYN, b"hello", at=0) == [(0, 1, SYN | ACK)]
    line.say(ACK, b"hello")
    assert line.sink.meter.bytes == 5


def test_a_syn_with_bad_options_is_dropped() -> None:
    line = Line(opened=False)
    assert line.say(SYN, at=0, options=bytes.fromhex("02000000")) == []
    assert line.host.malformed == 1 and line.state is None and not line.stack.resend


@pytest.mark.parametrize(("mss", "size"), [(1000, 1000), (None, 536), (9000, 1460), (0, 536), (10, 64)])
def test_the_peer_says_how_long_our_segments_may_be(mss: int | None, size: int) -> None:
    line = Line(opened=False)
    line.say(SYN, at=0, options=b"" if mss is None else mss_option(mss))
    (connection,) = line.stack.connections.values()
    assert connection.mss == size


# Refusing

def test_what_belongs_to_no_connection_is_refused() -> None:
    line = Line(opened=False)
    assert line.say(ACK, b"x", ack=76) == [(76, NOTHING, RST)]
    assert line.say(SYN | ACK, at=0, ack=76) == [(76, NOTHING, RST)]
    assert line.say(RST) == line.say(SYN | RST, at=0) == []
    assert line.say(SYN, at=0, to=10) == [(-OURS % (1 << 32), 1, RST | ACK)]        # nobody listens
    assert line.stack.rejected == 5 and line.state is None


def test_half_open_connections_are_bounded_and_make_room_when_they_are_given_up() -> None:
    line = Line(opened=False)
    for port in range(1, 1001):
        line.say(SYN, at=0, port=port, wait=0.01)
    assert len(line.stack.connections) == MOST_HALF_OPEN and line.stack.overflowed == 1000 - MOST_HALF_OPEN
    assert line.say(ACK, port=7) == [] and line.stack.accepted == 1                 # one of them is real
    assert line.say(SYN, at=0, port=2000)[-1] == (0, 1, SYN | ACK)
    line.hear(300_000)
    assert len(line.stack.connections) == 1
    assert line.say(SYN, at=0, port=3000) == [(0, 1, SYN | ACK)]


def test_connections_are_bounded() -> None:
    line = Line(opened=False)
    for port in range(1, MOST + 2):
        line.say(SYN, at=0, port=port, wait=0.01)
        line.say(ACK, port=port, wait=0.01)
    assert line.sink.connections == MOST and line.stack.overflowed == 1
    line.say(FIN | ACK, port=7)
    line.say(ACK, at=2, ack=2, port=7)
    assert line.say(SYN, at=0, port=6000) == [(0, 1, SYN | ACK)]


def test_a_port_has_one_listener_and_is_none_that_connections_come_from() -> None:
    line = Line()
    with pytest.raises(ValueError, match="TCP port 9 of the host is taken"):
        Sink(line.stack)
    for port in (0, 65_536):
        with pytest.raises(ValueError, match=f"there is no TCP port {port}"):
            Sink(line.stack, port)
    Sink(line.stack, 49_152)
    connection = line.stack.connect(GUEST, 80)
    assert connection and connection.port == 49_153
    with pytest.raises(ValueError, match="TCP port 49153 of the host is taken"):
        Sink(line.stack, 49_153)


# Receiving

def test_every_second_segment_is_acknowledged_and_the_last_one_late() -> None:
    line = Line()
    assert line.say(ACK, bytes(100)) == []
    assert line.say(ACK, bytes(100), at=101) == [(1, 201, ACK)]
    assert line.say(ACK, bytes(100), at=201, wait=37) == []
    assert line.hear(3) == [(1, 301, ACK)]
    assert line.hear(1000) == [(1, 301, ACK)]
    assert line.sink.meter.bytes == 300


def test_what_is_early_fills_a_gap_or_has_come_before_is_acknowledged_at_once() -> None:
    line = Line()
    assert line.say(ACK, bytes(100), at=201) == [(1, 1, ACK)]
    assert line.say(ACK, bytes(100), at=101) == [(1, 1, ACK)]
    assert line.say(ACK, bytes(100)) == [(1, 301, ACK)]
    assert line.say(ACK, bytes(100)) == [(1, 301, ACK)]
    assert line.say(ACK, bytes(150), at=201) == []                          # half of it is new
    assert line.sink.meter.bytes == 350


def test_what_makes_no_sense_is_answered_with_where_we_are() -> None:
    line = Line()
    assert line.say(ACK, bytes(10), at=1 + WINDOW) == [(1, 1, ACK)]
    assert line.say(ACK, bytes(10), ack=7) == [(1, 1, ACK)]
    assert line.say(SYN, at=99) == line.say(SYN, at=0) == [(1, 1, ACK)]
    assert line.say(ACK, at=0) == [(1, 1, ACK)]                             # are you there?
    assert line.say(PSH, bytes(10)) == []
    assert line.sink.meter.bytes == 0


def test_what_is_beyond_the_window_is_cut_off() -> None:
    line = Line()
    assert line.say(ACK | FIN, bytes(100), at=WINDOW - 49) == [(1, 1, ACK)]
    for at in range(1, WINDOW - 50, 1000):
        line.say(ACK, bytes(min(1000, WINDOW - 50 - at)), at=at)
    line.say(ACK, bytes(1), at=WINDOW - 50)
    assert line.sink.meter.bytes == WINDOW and line.sink.finished == 0


# Closing

def test_a_stream_ends_in_both_directions_and_fins_may_be_lost() -> None:
    line = Line()
    assert line.say(ACK | FIN, bytes(10), at=11) == [(1, 1, ACK)]           # early
    assert line.say(ACK, bytes(10)) == [(1, 22, ACK | FIN)]
    assert line.say(ACK | FIN, at=21) == [(2, 22, ACK)]
    line.heard.clear()
    assert line.hear(250) == [(1, 22, ACK | FIN)]
    assert line.state == State.LAST_ACK
    assert line.say(ACK, at=22, ack=2) == [] and line.state is None
    said = line.sink.describe()
    assert (said["connections"], said["finished"], said["failed"], said["bytes"]) == (1, 1, 0, 20)


@pytest.mark.parametrize(("prepare", "at", "failed"), [
    (lambda line: None, 1, 1),                                              # ESTABLISHED
    (lambda line: line.say(ACK, bytes(10)), 11, 1),
    (lambda line: line.say(FIN | ACK), 2, 0)])                              # LAST_ACK
def test_a_reset_ends_it_if_it_is_in_its_place(prepare: Callable[[Line], object], at: int, failed: int) -> None:
    line = Line()
    prepare(line)
    line.say(RST, at=at - 1)
    line.say(RST, at=at + 1)
    assert line.state is not None
    assert line.say(RST, at=at) == [] and line.state is None
    assert line.hear(1000) == [] and line.sink.failed == failed


def test_a_peer_that_is_gone_is_given_up_when_its_stream_has_ended() -> None:
    line = Line()
    line.say(FIN | ACK)
    line.hear(200_000)
    assert line.state is None and (line.sink.finished, line.sink.failed) == (1, 0)


def test_a_port_may_be_used_again_when_its_connection_is_over() -> None:
    line = Line()
    line.say(FIN | ACK)
    assert line.say(SYN, at=1000) == [(2, 2, ACK)]
    assert line.say(RST, at=2) == []
    assert line.say(SYN, at=1000) == [(0, 1001, SYN | ACK)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_noise_breaks_nothing(seed: int) -> None:
    choice = random.Random(seed)
    line = Line(opened=choice.random() < 0.5)
    for _ in range(60):
        line.say(choice.choice([SYN, ACK, ACK, ACK | FIN, SYN | ACK, choice.randrange(64)]),
                 bytes(choice.choice([0, 1, 100, 1460])), at=choice.choice([0, 1, 101, choice.randrange(70_000)]),
                 ack=choice.choice([0, 1, 2, choice.randrange(9000)]), port=choice.choice([5000, 5001]),
                 options=choice.randbytes(4 * choice.randrange(3)))
        assert len(line.stack.connections) <= 2
    for connection in list(line.stack.connections.values()):
        connection.close()
    line.hear(400_000)
    assert not line.stack.connections and not line.stack.resend and not line.stack.late


# Whole streams

class Sender:
    """Closes a connection when it is open, behind all that there is to send."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        connection.user = self

    def opened(self) -> None:
        """The sink has accepted it."""
        self.connection.close()

    def received(self, data: bytes) -> None:
        """It says nothing."""
        raise AssertionError(data)

    def ended(self) -> None:
        """It never does so first."""
        raise AssertionError

    def failed(self, failure: Failure) -> None:
        """It should not."""
        raise AssertionError(failure)


class Weather(Pair):
    """A sink, and the active side at the near end."""

    def __init__(self, **options: float) -> None:
        super().__init__(**options)
        self.near, self.far = Stack(self.guest), Stack(self.host)
        self.sink = Sink(self.far)
        self.parts += [self.near, self.far, self.sink]

    def send(self, size: int) -> None:
        connection = self.near.connect(HOST, 9)
        assert connection
        Sender(connection)
        connection.send(bytes(size))

    def settle(self) -> None:
        while self.near.connections or self.far.connections:
            self.clock.advance(FREQUENCY)
            assert self.clock.now < 3000 * FREQUENCY

    def save(self) -> str:
        return json.dumps([part.save() for part in self.parts])

    def load(self, text: str) -> None:
        for part, saved in zip(self.parts, json.loads(text), strict=True):
            part.load(saved)
        for connection in self.near.connections.values():
            if connection.state == State.SYN_SENT:
                Sender(connection)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from([0, 0.02, 0.1]), st.sampled_from([0, 0.1]),
       st.sampled_from([0, 0.1, 0.3]))
def test_all_of_every_stream_arrives_in_any_weather(seed: int, loss: float, duplicate: float, reorder: float) -> None:
    pair = Weather(rate=10**8, loss=loss, duplicate=duplicate, reorder=reorder, seed=seed)
    sizes = [random.Random(seed + number).randrange(40_000) for number in range(3)]
    for size in sizes:
        pair.send(size)
    pair.settle()
    said = pair.sink.describe()
    assert (said["bytes"], said["finished"], said["connections"], said["failed"]) == (sum(sizes), 3, 3, 0)


def test_goodput_is_what_the_wire_can_carry() -> None:
    pair = Weather(rate=10**8)
    pair.send(1_000_000)
    pair.settle()
    assert pair.sink.meter.bytes == 1_000_000 and pair.near.retransmitted == pair.far.early == 0
    assert 0.93e8 < pair.sink.meter.goodput < 1460 / 1538 * 1e8
    segments = 1_000_000 // MSS + 1
    assert pair.far.sent == pytest.approx(segments / 2, abs=6)


@pytest.mark.parametrize("milliseconds", [0.1, 5, 20, 60, 300])
def test_load_goes_on_from_where_it_was_saved(milliseconds: float) -> None:
    def make() -> Weather:
        return Weather(rate=10**7, loss=0.05, duplicate=0.05, reorder=0.2, seed=4)

    pair, other = make(), make()
    for size in (20_000, 40_000):
        pair.send(size)
    pair.clock.advance(round(milliseconds * MS))
    text = pair.save()
    other.load(text)
    assert other.save() == text
    pair.settle()
    other.settle()
    assert other.save() == pair.save() and other.sink.meter.bytes == 60_000


def test_a_half_open_connection_is_kept() -> None:
    line, other = Line(opened=False), Line(opened=False)
    line.say(SYN, at=0)
    for mine, theirs in zip([*line.parts, line.stack, line.sink], [*other.parts, other.stack, other.sink], strict=True):
        theirs.load(json.loads(json.dumps(mine.save())))
    for each in (line, other):
        each.hear(1100)
        assert each.say(ACK, bytes(5)) == [] and each.sink.connections == 1 and each.sink.meter.bytes == 5
    assert other.stack.save() == line.stack.save()


# The plug

def test_a_plug_has_it_beside_the_clients_of_http() -> None:
    pair = Pair()
    plug = connect("tcpsink:port=99+http:dst=10.0.0.2,rate=1+tcpsink+sink", Wire(pair.clock, "other"))
    assert {"tcp", "tcpsink", "tcpsink 2", "http", "sink"} <= plug.parts.keys()
    said = plug.describe()
    assert {name: value for name, value in said.items() if name.startswith("tcpsink ") and "2" not in name} == {
        "tcpsink connections": 0, "tcpsink finished": 0, "tcpsink failed": 0, "tcpsink bytes": 0, "tcpsink first": 0,
        "tcpsink last": 0, "tcpsink goodput": 0}


@pytest.mark.parametrize(("text", "message"), [
    ("tcpsink:port=0", "tcpsink:port=0: there is no TCP port 0"),
    ("tcpsink+tcpsink:port=9", "tcpsink:port=9: TCP port 9 of the host is taken")])
def test_a_plug_refuses_a_port(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        connect(text, Wire(Pair().clock, "other"))
