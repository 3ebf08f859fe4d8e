"""TCP, one rule after the other."""

from __future__ import annotations

from collections.abc import Callable

import net_frames as net
import pytest
from net_line import ACK, FIN, MSS_OPTION, PSH, RST, SYN, Line, Pair, plain
from net_stack import Stack

from guest.abi.net import Count, NetError, TcpEndTime, TcpLimit, TcpSize, TcpState, TcpTime

BUFFER, MSS = int(TcpSize.TCP_BUFFER), int(TcpSize.TCP_MSS)


def connected(stack: Stack, options: bytes = MSS_OPTION, window: int = 8192, source: int = 4000) -> Pair:
    """A connection to a port that is listened at."""
    listener = stack.listen(80)
    line = Line(stack, source=source).connect(options, window)
    conn = stack.accept(listener)
    assert conn
    stack.woken()
    return Pair(stack, line, conn, listener)


@pytest.fixture
def pair(stack: Stack) -> Pair:
    """A connection that has just been accepted."""
    return connected(stack)


# Beginning

def test_a_handshake_makes_a_connection(stack: Stack) -> None:
    listener = stack.listen(80)
    line = Line(stack)
    (answer,) = line.say(SYN, options=MSS_OPTION)
    assert plain([answer]) == [(SYN | ACK, 0, 1)] and answer.options == MSS_OPTION
    assert stack.accept(listener) is None and not stack.woken() and not stack.conns()
    assert not line.say(ACK)
    conn = stack.accept(listener)
    assert conn and stack.conn(conn).state == TcpState.TCP_ESTABLISHED
    assert listener in stack.woken() and stack.accept(listener) is None


def test_the_end_of_a_handshake_may_have_data(stack: Stack) -> None:
    listener = stack.listen(80)
    line = Line(stack)
    line.say(SYN)
    line.say(ACK | PSH | FIN, b"hello")
    conn = stack.accept(listener)
    assert conn and stack.tcp_read(conn) == b"hello" and stack.tcp_read(conn) == b""


def test_a_port_is_listened_at_once(stack: Stack) -> None:
    listeners = [stack.listen(80 + n) for n in range(TcpSize.TCP_LISTENERS)]
    assert stack.call("tcp_listen", eax=80, edx=1, ecx=1).eax == NetError.NET_FULL
    assert stack.call("tcp_listen", eax=99, edx=1, ecx=1).carry
    stack.call("tcp_ignore", eax=listeners[0])
    assert stack.listen(99)


def test_who_is_not_listened_to_is_refused(stack: Stack) -> None:
    line = Line(stack)
    assert plain(line.say(SYN)) == [(RST | ACK, 0, 1)]
    assert plain(line.say(SYN | FIN, b"abc", seq=10)) == [(RST | ACK, 0, 15)]
    assert plain(line.say(ACK, b"abc", ack=77)) == [(RST, 77, (0 - line.first) & 0xFFFF_FFFF)]
    assert not line.say(RST) and not line.say(RST | ACK)
    assert stack.count(Count.COUNT_TCP_REFUSED) == 3
    stack.listen(80)
    assert plain(Line(stack, port=0).say(SYN)) == [(RST | ACK, 0, 1)]
    assert plain(line.say(ACK, ack=5))[0][:2] == (RST, 5)
    assert not line.say(0) and not line.say(SYN | FIN)


def test_a_wrong_end_of_a_handshake_is_refused(stack: Stack) -> None:
    listener = stack.listen(80)
    line = Line(stack)
    line.say(SYN)
    assert plain(line.say(ACK, ack=2))[0][:2] == (RST, 2)
    assert plain(line.say(ACK, ack=0))[0][:2] == (RST, 0)
    assert not line.say(ACK, seq=2)
    assert stack.accept(listener) is None
    assert not line.say(ACK) and stack.accept(listener)


def test_a_syn_that_comes_twice_is_answered_twice(stack: Stack) -> None:
    listener = stack.listen(80, half=1)
    line = Line(stack)
    first = line.say(SYN, options=MSS_OPTION)
    assert line.say(SYN, options=MSS_OPTION, seq=0) == first
    line.say(ACK)
    assert stack.accept(listener) and plain(line.say(SYN, seq=0)) == [(ACK, 1, 1)]


def test_a_peer_may_begin_anew(stack: Stack) -> None:
    stack.listen(80, half=1)
    Line(stack).say(SYN)
    Line(stack, first=5000).connect()
    assert len(stack.conns()) == 1


def test_a_reset_ends_a_half_open_connection(stack: Stack) -> None:
    stack.listen(80, half=1)
    line = Line(stack)
    line.say(SYN)
    assert not line.say(RST, seq=2)
    assert not Line(stack, source=4001).say(SYN)
    assert not line.say(RST, seq=1)
    Line(stack, source=4001).connect()


def test_syn_and_ack_are_repeated_and_given_up(stack: Stack) -> None:
    stack.listen(80, half=1)
    line = Line(stack)
    first = line.say(SYN)
    times = []
    for at in range(0, 40_000, 500):
        stack.wait(500)
        again = line.hear()
        assert again in ([], first)
        times += [at + 500] * len(again)
    assert times == [1000, 3000, 7000, 15000]
    assert stack.count(Count.COUNT_TCP_HALF) == 1
    Line(stack, source=4001).connect()


def test_a_connection_whose_handshake_lost_something_begins_slowly(stack: Stack) -> None:
    listener = stack.listen(80)
    line = Line(stack)
    line.say(SYN, options=MSS_OPTION)
    stack.wait(TcpTime.RTO_FIRST)
    assert plain(line.hear()) == [(SYN | ACK, 0, 1)]
    line.say(ACK)
    conn = stack.accept(listener)
    assert conn and (stack.conn(conn).cwnd, stack.conn(conn).rto) == (MSS, TcpTime.RTO_LOST)


def test_half_open_connections_have_their_limit(stack: Stack) -> None:
    listener = stack.listen(80, half=3)
    lines = [Line(stack, source=4000 + n) for n in range(4)]
    assert [len(line.say(SYN)) for line in lines] == [1, 1, 1, 0]
    assert stack.count(Count.COUNT_TCP_SYN) == 1
    stack.listen(81)
    assert Line(stack, port=81).connect()
    lines[0].say(ACK)
    assert stack.accept(listener) and lines[3].say(SYN, seq=0)


def test_connections_that_wait_have_their_limit(stack: Stack) -> None:
    listener = stack.listen(80, waiting=2)
    lines = [Line(stack, source=4000 + n) for n in range(3)]
    lines[0].connect()
    assert plain(lines[1].say(SYN)) == [(SYN | ACK, 0, 1)]
    assert not lines[2].say(SYN)            # one waits, and one will
    lines[1].say(ACK)
    assert not lines[2].say(SYN, seq=0)
    assert stack.count(Count.COUNT_TCP_SYN) == 2 and len(stack.conns()) == 2
    first = stack.accept(listener)
    assert first and stack.conn(first).ports.to_bytes(4, "little")[:2] == (4000).to_bytes(2, "big")
    assert plain(lines[2].say(SYN, seq=0)) == [(SYN | ACK, 0, 1)]
    lines[2].say(ACK)
    assert stack.accept(listener) and stack.accept(listener) and stack.accept(listener) is None


def test_a_port_that_is_given_up_drops_who_waits(stack: Stack) -> None:
    listener = stack.listen(80)
    waiting, half = Line(stack).connect(), Line(stack, source=4001)
    half.say(SYN)
    stack.call("tcp_ignore", eax=listener)
    assert plain(waiting.hear()) == [(RST | ACK, 1, 1)] and not stack.conns()
    assert half.say(ACK)[0].flags == RST
    stack.wait(2000)
    assert not stack.sent()


@pytest.mark.parametrize(("options", "mss"), [
    (b"", 536), (MSS_OPTION, 1460), (b"\x02\x04\x01\0", 256), (b"\1\1\2\4\1\0", 256), (b"\2\4\0\0", 64),
    (b"\2\4\xff\xff", 1460), (b"\4\2\3\3\7\2\4\2\0", 512), (b"\0\2\4\2\0", 536), (b"\x63\5abc\2\4\2\0", 512),
])
def test_a_segment_is_as_long_as_the_peer_takes(stack: Stack, options: bytes, mss: int) -> None:
    pair = connected(stack, options)
    assert [len(segment.data) for segment in pair.write(bytes(2 * mss))] == [mss, mss]


@pytest.mark.parametrize("options", [b"\2\5\0\0\0", b"\2\3\1", b"\2\2", b"\2\0", b"\2\1", b"\1\1\1\2", b"\7\xff\0\0",
                                     b"\1\1\2\4", b"\x63\x09abc"])
def test_options_that_overlap_are_dropped(stack: Stack, options: bytes) -> None:
    stack.listen(80)
    assert not Line(stack).say(SYN, options=options) and stack.count(Count.COUNT_TCP_OPTIONS) == 1


@pytest.mark.parametrize(("frame", "reason"), [
    (net.tcp_frame((4000, 80), 0, 0, SYN, damage=1), Count.COUNT_TCP_CHECKSUM),
    (net.tcp_frame((4000, 80), 0, 0, SYN, words=4), Count.COUNT_TCP_LENGTH),
    (net.tcp_frame((4000, 80), 0, 0, SYN, words=6), Count.COUNT_TCP_LENGTH),
    (net.ethernet(net.ipv4(net.TCP, bytes(19))), Count.COUNT_TCP_LENGTH),
    (net.ethernet(net.ipv4(net.TCP, net.tcp((4000, 80), 0, 0, SYN, target=net.NETWORK), target=net.NETWORK)),
     Count.COUNT_TCP_LENGTH),
])
def test_what_is_wrong_is_dropped_and_counted(stack: Stack, frame: bytes, reason: Count) -> None:
    stack.listen(80)
    assert stack.ask(frame) is None and stack.count(reason) == 1 and not stack.count(Count.COUNT_TCP_IN)


# Data

def test_data_come_in_order(pair: Pair) -> None:
    assert pair.stack.tcp_read(pair.conn) == NetError.NET_AGAIN
    assert not pair.line.say(ACK | PSH, b"hello, ")
    assert pair.stack.woken() == [pair.conn]
    assert plain(pair.line.say(ACK | PSH, b"world")) == [(ACK, 1, 13)]
    assert pair.stack.tcp_read(pair.conn, 3) == b"hel"
    assert pair.stack.tcp_read(pair.conn) == b"lo, world"
    assert pair.stack.tcp_read(pair.conn) == NetError.NET_AGAIN


def test_a_single_segment_is_acknowledged_at_a_tick(pair: Pair) -> None:
    assert not pair.line.say(ACK | PSH, b"x")
    assert plain(pair.wait(50)) == [(ACK, 1, 2)]
    assert not pair.wait(1000)


def test_an_answer_acknowledges(pair: Pair) -> None:
    pair.line.say(ACK | PSH, b"question")
    assert plain(pair.write(b"answer")) == [(ACK | PSH, 1, 9)]
    assert not pair.line.say(ACK) and not pair.wait(5000)


@pytest.mark.parametrize(("seq", "data", "got"), [
    (1, b"abcdef", b"def"), (3, b"cdef", b"def"), (1, b"abc", b""), (2, b"bc", b""), (1, b"ab", b""), (5, b"ef", b""),
    (8000, b"x", b""),
])
def test_what_has_come_is_not_taken_again_nor_what_is_ahead(pair: Pair, seq: int, data: bytes, got: bytes) -> None:
    pair.line.say(ACK, b"abc")
    assert pair.stack.tcp_read(pair.conn) == b"abc"
    answer = pair.line.say(ACK, data, seq=seq) or pair.wait(50)
    assert plain(answer) == [(ACK, 1, 4 + len(got))]
    assert pair.stack.tcp_read(pair.conn) == (got or NetError.NET_AGAIN)


def test_what_is_far_away_is_answered_and_dropped(pair: Pair) -> None:
    for seq in (BUFFER + 1, 0x7FFF_FFFF, -0x10000, 0x8000_0001):
        assert plain(pair.line.say(ACK | FIN, b"x", seq=seq)) == [(ACK, 1, 1)]
    assert pair.stack.count(Count.COUNT_TCP_WINDOW) == 4


def test_a_question_whether_we_are_there_is_answered(pair: Pair) -> None:
    assert plain(pair.line.say(ACK, seq=0)) == [(ACK, 1, 1)]
    assert plain(pair.line.say(ACK, b"x", seq=0)) == [(ACK, 1, 1)]


def test_the_window_closes_and_opens(pair: Pair) -> None:
    data = bytes(range(256)) * 40
    sent = 0
    window = BUFFER
    while window:
        piece = data[sent:sent + min(window, 1000)]
        (answer,) = pair.line.say(ACK, piece) or pair.wait(50)
        sent += len(piece)
        assert answer.ack == 1 + sent and answer.window == BUFFER - sent
        window = answer.window
    (answer,) = pair.line.say(ACK, b"beyond", seq=1 + sent)
    assert (answer.ack, answer.window) == (1 + sent, 0)
    assert pair.stack.tcp_read(pair.conn, 1000) == data[:1000] and not pair.line.hear()
    assert pair.stack.tcp_read(pair.conn, 2000) == data[1000:3000]
    (answer,) = pair.line.hear()
    assert (answer.ack, answer.window) == (1 + sent, 3000)
    assert pair.stack.tcp_read(pair.conn) == data[3000:sent]


def test_a_segment_that_ends_beyond_the_window_is_taken_in_part(pair: Pair) -> None:
    for _ in range(8):
        pair.line.say(ACK, bytes(1000))
    pair.wait(50)
    (answer,) = pair.line.say(ACK | FIN, b"x" * 192 + b"y" * 10, seq=8001)
    assert (answer.ack, answer.window) == (BUFFER + 1, 0)
    assert pair.stack.tcp_read(pair.conn) == bytes(8000) + b"x" * 192
    assert pair.stack.tcp_read(pair.conn) == NetError.NET_AGAIN


def test_writing_fills_the_buffer_and_goes_on_when_there_is_room(pair: Pair) -> None:
    data = bytes(n % 251 for n in range(10000))
    assert pair.stack.tcp_write(pair.conn, data) == BUFFER
    assert pair.stack.tcp_write(pair.conn, data) == NetError.NET_AGAIN
    pair.stack.woken()
    first = pair.line.hear()
    assert b"".join(segment.data for segment in first) == data[:3 * MSS]
    pair.line.say(ACK)
    assert pair.stack.woken() == [pair.conn]
    assert pair.stack.tcp_write(pair.conn, data[BUFFER:]) == 10000 - BUFFER


def test_slow_start_doubles_and_then_grows_by_a_segment(pair: Pair) -> None:
    assert pair.stack.conn(pair.conn).cwnd == 3 * MSS
    for _ in range(3):
        pair.write(bytes(MSS))
    for ack in (1 + MSS, 1 + 2 * MSS, 1 + 3 * MSS):
        pair.line.say(ACK, ack=ack)
    assert pair.stack.conn(pair.conn).cwnd == 6 * MSS
    pair.write(bytes(10))
    pair.line.say(ACK)
    assert pair.stack.conn(pair.conn).cwnd == 6 * MSS + 10
    pair.write(bytes(100))
    pair.wait(TcpTime.RTO_FIRST)
    state = pair.stack.conn(pair.conn)
    assert (state.cwnd, state.ssthresh) == (MSS, 2 * MSS)
    pair.line.say(ACK)
    for _ in range(6):
        pair.write(bytes(MSS))
        pair.line.say(ACK)
    assert 3 * MSS < pair.stack.conn(pair.conn).cwnd < 6 * MSS


def test_what_is_not_acknowledged_goes_again_ever_more_rarely(pair: Pair) -> None:
    first = pair.write(b"hello")
    times = []
    for at in range(0, 600_000, 200):
        pair.stack.wait(200, step=200)
        again = pair.line.hear()
        assert again in ([], first)
        times += [at + 200] * len(again)
    assert [b - a for a, b in zip([0, *times], times, strict=False)] == [1000, 2000, 4000, 8000, 16000, 32000] \
        + [60000] * (TcpLimit.TCP_RETRIES - 6)
    assert pair.state() == TcpState.TCP_ENDED and pair.stack.count(Count.COUNT_TCP_TIMEOUT) == 1
    assert pair.stack.tcp_read(pair.conn) == NetError.NET_RESET
    assert pair.stack.tcp_write(pair.conn, b"x") == NetError.NET_RESET
    pair.call("tcp_close")
    assert not pair.stack.conns()


@pytest.mark.parametrize("trip", [0, 30, 100, 400, 2000])
def test_the_time_to_wait_follows_the_round_trip(pair: Pair, trip: int) -> None:
    for _ in range(40):
        pair.write(b"x")
        pair.stack.wait(trip, step=10)
        pair.line.hear()
        pair.line.say(ACK)
    state = pair.stack.conn(pair.conn)
    assert abs(state.srtt / 8 - max(trip, 1)) <= 1
    assert state.rto == max(TcpTime.RTO_MIN, (state.srtt >> 3) + state.rttvar)


def test_only_the_answer_to_what_is_measured_is_measured(pair: Pair) -> None:
    pair.write(b"a")
    pair.write(b"b")
    pair.wait(100)
    pair.line.say(ACK, ack=2)
    assert pair.stack.conn(pair.conn).srtt == 100 * 8
    pair.write(b"c")
    pair.wait(50)
    pair.line.say(ACK, ack=3)
    assert pair.stack.conn(pair.conn).srtt == 100 * 8
    pair.wait(50)
    pair.write(b"d")
    pair.line.say(ACK, ack=4)
    assert pair.stack.conn(pair.conn).srtt == 100 * 8 and not pair.stack.conn(pair.conn).timed


def test_three_equal_acknowledgements_send_at_once(pair: Pair) -> None:
    for _ in range(3):
        pair.write(bytes(MSS))
    assert not pair.line.say(ACK, ack=1) and not pair.line.say(ACK, ack=1)
    again = pair.line.say(ACK, ack=1)
    assert [(segment.seq, len(segment.data)) for segment in again] == [(1, MSS)]
    assert not pair.line.say(ACK, ack=1) and not pair.line.say(ACK, ack=1) and not pair.line.say(ACK, ack=1)
    assert not pair.line.say(ACK, ack=1 + 3 * MSS)
    assert pair.stack.count(Count.COUNT_TCP_AGAIN) == 1
    assert pair.write(b"x")[0].seq == 1 + 3 * MSS


def test_acknowledgements_of_what_was_never_sent_are_dropped(pair: Pair) -> None:
    pair.write(b"abc")
    assert plain(pair.line.say(ACK, b"x", ack=5)) == [(ACK, 4, 1)]
    assert pair.stack.tcp_read(pair.conn) == NetError.NET_AGAIN
    assert not pair.line.say(ACK, ack=3) and not pair.line.say(ACK, ack=1)
    assert pair.stack.conn(pair.conn).end - pair.stack.conn(pair.conn).una == 1


def test_a_peer_without_room_is_asked_now_and_then(pair: Pair) -> None:
    pair.line.say(ACK, window=0)
    assert not pair.write(b"hello")
    for _ in range(TcpLimit.TCP_RETRIES * 2):
        probes = []
        while not probes:
            probes = pair.wait(500, step=500)
        assert [(segment.seq, segment.data) for segment in probes] == [(1, b"h")]
        pair.line.theirs = 1
        assert not pair.line.say(ACK)
    assert [segment.data for segment in pair.line.say(ACK, window=1000)] == [b"hello"]


def test_a_peer_with_little_room_gets_little(stack: Stack) -> None:
    pair = connected(stack, window=100)
    pair.write(bytes(250))
    sizes = []
    for _ in range(3):
        pair.line.theirs = min(pair.line.theirs, 251)
        sizes += [len(segment.data) for segment in pair.line.say(ACK)]
    assert sizes == [100, 50]


# End

def test_the_peer_ends_first(pair: Pair) -> None:
    assert plain(pair.line.say(ACK | FIN, b"last")) == [(ACK, 1, 6)]
    assert pair.state() == TcpState.TCP_CLOSE_WAIT
    assert pair.stack.tcp_read(pair.conn) == b"last" and pair.stack.tcp_read(pair.conn) == b""
    assert plain(pair.write(b"bye")) == [(ACK | PSH, 1, 6)]
    assert plain(pair.call("tcp_close")) == [(ACK | FIN, 4, 6)]
    assert pair.state() == TcpState.TCP_LAST_ACK
    assert not pair.line.say(ACK) and not pair.stack.conns()


def test_we_end_first(pair: Pair) -> None:
    assert plain(pair.call("tcp_close")) == [(ACK | FIN, 1, 1)]
    assert pair.state() == TcpState.TCP_FIN_WAIT_1
    assert not pair.line.say(ACK) and pair.state() == TcpState.TCP_FIN_WAIT_2
    assert plain(pair.line.say(ACK | FIN)) == [(ACK, 2, 2)] and pair.state() == TcpState.TCP_TIME_WAIT
    pair.wait(TcpEndTime.TIME_WAIT_TIME - 100)
    assert plain(pair.line.say(ACK | FIN, seq=1)) == [(ACK, 2, 2)]
    assert not pair.line.say(ACK) and not pair.line.say(RST)
    pair.wait(TcpEndTime.TIME_WAIT_TIME - 100)
    assert pair.state() == TcpState.TCP_TIME_WAIT
    pair.wait(200)
    assert not pair.stack.conns()


def test_both_end_at_once(pair: Pair) -> None:
    pair.call("tcp_close")
    assert plain(pair.line.say(ACK | FIN, ack=1)) == [(ACK, 2, 2)] and pair.state() == TcpState.TCP_CLOSING
    assert not pair.line.say(ACK) and pair.state() == TcpState.TCP_TIME_WAIT


def test_the_end_may_acknowledge_the_end(pair: Pair) -> None:
    pair.call("tcp_close")
    assert plain(pair.line.say(ACK | FIN)) == [(ACK, 2, 2)] and pair.state() == TcpState.TCP_TIME_WAIT


def test_who_has_ended_its_stream_reads_on(pair: Pair) -> None:
    assert plain(pair.call("tcp_finish")) == [(ACK | FIN, 1, 1)]
    assert pair.stack.tcp_write(pair.conn, b"x") == NetError.NET_RESET
    pair.line.say(ACK, b"abc")
    assert pair.stack.tcp_read(pair.conn) == b"abc"
    pair.stack.wait(2 * TcpEndTime.FIN_WAIT_TIME, step=1000)
    pair.line.hear()
    pair.line.say(ACK | FIN, b"def")
    pair.wait(2 * TcpEndTime.TIME_WAIT_TIME)
    assert pair.state() == TcpState.TCP_ENDED
    assert pair.stack.tcp_read(pair.conn) == b"def" and pair.stack.tcp_read(pair.conn) == b""
    pair.call("tcp_close")
    assert not pair.stack.conns()


def test_our_end_goes_behind_all_data_and_goes_again(pair: Pair) -> None:
    pair.stack.tcp_write(pair.conn, bytes(BUFFER))
    pair.call("tcp_close")
    pair.line.hear()
    ends = []
    for _ in range(20):
        ends += [segment for segment in pair.line.say(ACK) if segment.flags & FIN]
        if ends:
            break
    assert ends[0].seq + len(ends[0].data) == 1 + BUFFER
    pair.line.say(ACK, ack=1 + BUFFER)
    again = pair.wait(1100)
    assert again[0].flags == ACK | FIN and again[0].seq == 1 + BUFFER and not again[0].data
    assert not pair.line.say(ACK) and pair.state() == TcpState.TCP_FIN_WAIT_2


def test_a_peer_that_never_ends_is_forgotten(pair: Pair) -> None:
    pair.call("tcp_close")
    pair.line.say(ACK)
    pair.stack.wait(TcpEndTime.FIN_WAIT_TIME - 1000, step=1000)
    assert pair.stack.conns()
    pair.stack.wait(2000, step=1000)
    assert not pair.stack.conns()


def test_a_peer_that_opens_its_window_late_is_forgotten_all_the_same(pair: Pair) -> None:
    pair.line.say(ACK, window=0)
    pair.call("tcp_close")
    pair.line.say(ACK)
    pair.line.say(ACK, window=1000)
    pair.stack.wait(TcpEndTime.FIN_WAIT_TIME + 1000, step=1000)
    assert not pair.stack.conns()


def test_who_closes_without_reading_resets(pair: Pair) -> None:
    pair.line.say(ACK, b"unread")
    assert plain(pair.call("tcp_close")) == [(RST | ACK, 1, 7)] and not pair.stack.conns()
    assert pair.line.say(ACK, b"more")[0].flags == RST


def test_data_for_who_has_closed_are_reset(pair: Pair) -> None:
    pair.call("tcp_close")
    pair.line.say(ACK)
    assert plain(pair.line.say(ACK, b"x")) == [(RST | ACK, 2, 1)] and not pair.stack.conns()


def test_an_aborted_connection_is_reset(pair: Pair) -> None:
    assert plain(pair.call("tcp_abort")) == [(RST | ACK, 1, 1)] and not pair.stack.conns()


def test_a_reset_ends_a_connection_if_it_has_the_right_number(pair: Pair) -> None:
    pair.line.say(ACK, b"abc")
    pair.wait(50)
    assert plain(pair.line.say(RST, seq=5)) == [(ACK, 1, 4)]
    assert not pair.line.say(RST, seq=3) and not pair.line.say(RST, seq=4 + BUFFER)
    assert plain(pair.line.say(SYN, seq=4)) == [(ACK, 1, 4)]
    assert pair.state() == TcpState.TCP_ESTABLISHED
    pair.stack.woken()
    assert not pair.line.say(RST, seq=4)
    assert pair.state() == TcpState.TCP_ENDED and pair.stack.woken() == [pair.conn]
    assert pair.stack.tcp_read(pair.conn) == b"abc" and pair.stack.tcp_read(pair.conn) == NetError.NET_RESET
    pair.call("tcp_close")
    assert not pair.stack.conns() and not pair.stack.sent()


def test_a_new_connection_takes_the_place_of_one_that_has_ended(pair: Pair) -> None:
    pair.call("tcp_close")
    pair.line.say(ACK | FIN)
    again = Line(pair.stack, first=pair.line.first + 1000).connect()
    assert pair.stack.accept(pair.listener) and len(pair.stack.conns()) == 1
    assert again.their_first != pair.line.their_first


def test_connections_that_have_ended_make_room_for_new_ones(stack: Stack) -> None:
    listener = stack.listen(80)
    for number in range(TcpSize.TCP_CONNECTIONS + 20):
        line = Line(stack, source=4000 + number).connect()
        conn = stack.accept(listener)
        assert conn
        stack.call("tcp_close", eax=conn)
        line.hear()
        line.say(ACK | FIN)
    assert len(stack.conns()) == TcpSize.TCP_CONNECTIONS


def test_peers_that_never_end_their_streams_make_room_too_the_oldest_first(stack: Stack) -> None:
    listener = stack.listen(80)
    lines = []
    for number in range(TcpSize.TCP_CONNECTIONS):
        lines.append(Line(stack, source=4000 + number).connect())
        conn = stack.accept(listener)
        assert conn
        stack.call("tcp_close", eax=conn)
        lines[-1].hear()
        lines[-1].say(ACK)
        if number == 70:
            lines[-1].say(ACK | FIN)                    # catches late segments, which makes it the first to go
        stack.wait(50)
    for number, gone in ((200, 70), (201, 0), (202, 1)):
        assert Line(stack, source=4000 + number).connect() and stack.accept(listener)
        assert plain(lines[gone].say(ACK, b"x"))[0][0] == RST
        assert not lines[2].say(ACK)


def test_there_are_no_more_connections_than_places(stack: Stack) -> None:
    listener = stack.listen(80)
    conns = []
    for number in range(TcpSize.TCP_CONNECTIONS + 1):
        Line(stack, source=4000 + number).connect()
        conns.append(stack.accept(listener))
    assert None not in conns[:-1] and conns[-1] is None and stack.count(Count.COUNT_TCP_ACCEPT) == 1
    assert len(set(conns)) == len(conns)


def _instructions(stack: Stack, action: Callable[[], object]) -> int:
    """How many an action takes."""
    before = stack.machine.cpu.state.instructions
    action()
    return stack.machine.cpu.state.instructions - before


def test_a_tick_looks_at_those_that_are_in_use_and_at_no_others(stack: Stack) -> None:
    def tick() -> int:
        return _instructions(stack, lambda: stack.call("net_tick"))

    quiet = tick()
    assert quiet < TcpSize.TCP_CONNECTIONS + TcpSize.TCP_HALVES
    listener = stack.listen(80, half=60, waiting=60)
    lines = [Line(stack, source=4000 + n) for n in range(60)]
    for line in lines:
        line.say(SYN)
    for line in lines[:30]:
        line.say(ACK)
    conns = [conn for _ in range(30) if (conn := stack.accept(listener))]
    assert len(conns) == 30 and tick() > quiet + 60 * 4
    for line, conn in zip(lines[1:29], conns[1:29], strict=True):
        stack.call("tcp_close", eax=conn)
        line.hear()
        line.say(ACK | FIN)                                 # late segments of these are caught
    stack.call("tcp_ignore", eax=listener)
    stack.forget()
    busy = tick()
    lines[29].say(ACK | PSH, b"still here")
    assert stack.tcp_read(conns[-1]) == b"still here"
    for conn in (conns[-1], conns[0]):
        stack.call("tcp_abort", eax=conn)
    assert quiet + 2 * 4 < busy < quiet + 2 * 40
    stack.wait(TcpEndTime.TIME_WAIT_TIME + 50)
    assert not stack.conns() and tick() == quiet
    assert stack.begin() == conns[28]                       # was in use last


def test_a_connection_is_found_as_soon_among_many(stack: Stack) -> None:
    listener = stack.listen(80)
    line = Line(stack, source=4000).connect()

    def say() -> int:
        return _instructions(stack, lambda: line.say(ACK | PSH, b"x") + line.say(ACK | PSH, b"x"))   # acknowledged

    assert stack.accept(listener)
    alone = say()
    for number in range(1, 100):
        Line(stack, source=4000 + number).connect()
        assert stack.accept(listener)
    assert say() < alone + 30


def test_who_is_closed_while_late_segments_are_caught_catches_them_from_then_on(stack: Stack) -> None:
    listener = stack.listen(80)
    line = Line(stack).connect()
    conn = stack.accept(listener)
    assert conn
    stack.call("tcp_finish", eax=conn)
    line.hear()
    line.say(ACK | FIN)
    assert stack.conn(conn).state == TcpState.TCP_TIME_WAIT
    stack.wait(TcpEndTime.TIME_WAIT_TIME // 2)
    stack.call("tcp_close", eax=conn)
    stack.wait(TcpEndTime.TIME_WAIT_TIME - 100)
    assert stack.conn(conn).state == TcpState.TCP_TIME_WAIT
    stack.wait(200)
    assert stack.conn(conn).state == TcpState.TCP_FREE


def test_of_the_places_that_nobody_uses_those_that_catch_late_segments_go_first(stack: Stack) -> None:
    listener = stack.listen(80)
    lines, conns = [], []
    for number in range(TcpSize.TCP_CONNECTIONS):
        lines.append(Line(stack, source=4000 + number).connect())
        conns.append(stack.accept(listener))
    for line, conn in zip(lines[:4], conns[:4], strict=True):
        stack.call("tcp_close", eax=conn)
        line.hear()
        line.say(ACK)                                       # it knows, and does not end its stream
        stack.wait(50)
    for at in (3, 2):
        lines[at].say(ACK | FIN)
        stack.wait(50)
    taken = []
    for number in range(5):
        Line(stack, source=5000 + number).connect()
        taken.append(stack.accept(listener))
    assert taken == [conns[3], conns[2], conns[0], conns[1], None]
