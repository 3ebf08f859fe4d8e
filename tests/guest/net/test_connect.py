"""TCP connections that the stack begins, one rule after the other."""

from __future__ import annotations

import net_frames as net
import pytest
from net_line import ACK, FIN, MSS_OPTION, PSH, RST, SYN, Line, Pair, plain
from net_stack import Stack

from guest.abi.net import Count, NetError, TcpEndTime, TcpSize, TcpState, TcpTime

BUFFER, MSS, RETRIES = int(TcpSize.TCP_BUFFER), int(TcpSize.TCP_MSS), [1000, 3000, 7000, 15000]
CHOSEN = 0xC000             # ports from there on are the stack's


def begun(stack: Stack) -> Pair:
    """A connection whose SYN has come, and waits for its answer."""
    conn = stack.begin()
    line = Line.awaiting(stack, conn)
    (first,) = line.hear()
    assert plain([first])[0][:2] == (SYN, 0) and first.options == MSS_OPTION and first.window == BUFFER
    return Pair(stack, line, conn)


@pytest.fixture
def opening(stack: Stack) -> Pair:
    """One that has begun."""
    return begun(stack)


@pytest.fixture
def pair(opening: Pair) -> Pair:
    """One that is established."""
    assert plain(opening.line.say(SYN | ACK, options=MSS_OPTION)) == [(ACK, 1, 1)]
    opening.stack.woken()
    return opening


# The beginning

def test_a_connection_is_established_when_the_peer_answers(opening: Pair) -> None:
    stack, conn = opening.stack, opening.conn
    assert opening.state() == TcpState.TCP_SYN_SENT and not stack.woken()
    assert stack.tcp_read(conn) == NetError.NET_AGAIN and stack.tcp_write(conn, b"x") == NetError.NET_AGAIN
    (answer,) = opening.line.say(SYN | ACK, options=MSS_OPTION)
    assert plain([answer]) == [(ACK, 1, 1)] and not answer.options
    assert opening.state() == TcpState.TCP_ESTABLISHED and stack.woken() == [conn]
    assert stack.tcp_read(conn) == NetError.NET_AGAIN and not opening.wait(70_000, step=1000)
    assert not stack.count(Count.COUNT_TCP_AGAIN)


def test_its_owner_is_known_from_the_beginning(stack: Stack) -> None:
    conn = stack.begin(owner=stack.symbols["reply"])
    line = Line.awaiting(stack, conn)
    line.hear()
    line.say(SYN | ACK)
    assert plain(line.say(ACK | PSH, b"hello")) == [(ACK | PSH, 1, 6)]


def test_a_syn_has_no_acknowledgement(stack: Stack) -> None:
    Line(stack).say(SYN)                                    # what was sent last has one
    stack.begin()
    (frame,) = stack.sent()
    assert net.parse_tcp(frame).ack == 0


def test_a_syn_that_is_lost_goes_again(opening: Pair) -> None:
    times = []
    for at in range(0, 15_000, 500):
        again = opening.wait(500)
        assert plain(again) in ([], [(SYN, 0, 0x10)])       # no number is acknowledged: 0, less the first
        times += [at + 500] * len(again)
    assert times == RETRIES and opening.stack.count(Count.COUNT_TCP_AGAIN) == 4
    assert plain(opening.line.say(SYN | ACK, options=MSS_OPTION)) == [(ACK, 1, 1)]
    state = opening.stack.conn(opening.conn)
    assert (state.cwnd, state.rto, state.retries) == (MSS, TcpTime.RTO_LOST, 0)
    assert not opening.wait(70_000, step=1000)


def test_what_is_never_answered_is_given_up(opening: Pair) -> None:
    opening.stack.wait(30_500, step=500)
    assert opening.state() == TcpState.TCP_SYN_SENT and not opening.stack.woken()
    opening.stack.wait(500, step=500)
    assert opening.state() == TcpState.TCP_ENDED and opening.stack.woken() == [opening.conn]
    assert opening.stack.count(Count.COUNT_TCP_TIMEOUT) == 1
    assert opening.stack.tcp_read(opening.conn) == NetError.NET_RESET
    assert opening.stack.tcp_write(opening.conn, b"x") == NetError.NET_RESET
    opening.stack.forget()
    assert not opening.call("tcp_close") and not opening.stack.conns()


def test_an_answer_that_is_lost_comes_again(opening: Pair) -> None:
    (again,) = opening.wait(1000)
    assert again.flags == SYN
    assert plain(opening.line.say(SYN | ACK)) == [(ACK, 1, 1)]
    assert plain(opening.line.say(SYN | ACK, seq=0)) == [(ACK, 1, 1)]
    assert opening.state() == TcpState.TCP_ESTABLISHED and len(opening.stack.woken()) == 1


def test_a_peer_that_does_not_listen_refuses(opening: Pair) -> None:
    assert not opening.line.say(RST | ACK)
    assert opening.state() == TcpState.TCP_ENDED and opening.stack.woken() == [opening.conn]
    assert opening.stack.count(Count.COUNT_TCP_RESET) == 1
    assert opening.stack.tcp_read(opening.conn) == NetError.NET_RESET
    assert opening.stack.tcp_write(opening.conn, b"x") == NetError.NET_RESET
    assert not opening.call("tcp_close") and not opening.stack.conns()


@pytest.mark.parametrize(("flags", "ack"), [(RST, 1), (RST | ACK, 0), (RST | ACK, 2), (ACK, 1), (0, 1), (FIN, 1)])
def test_what_cannot_be_an_answer_is_dropped(opening: Pair, flags: int, ack: int) -> None:
    assert not opening.line.say(flags, seq=0, ack=ack) and opening.state() == TcpState.TCP_SYN_SENT
    assert opening.stack.count(Count.COUNT_TCP_WINDOW) == 1
    assert plain(opening.line.say(SYN | ACK)) == [(ACK, 1, 1)]


@pytest.mark.parametrize("flags", [SYN | ACK, ACK, ACK | FIN])
@pytest.mark.parametrize("ack", [0, 2, 0x8000_0000, -1])
def test_an_answer_to_another_connection_is_reset(opening: Pair, flags: int, ack: int) -> None:
    assert plain(opening.line.say(flags, seq=0, ack=ack))[0][:2] == (RST, ack & 0xFFFF_FFFF)
    assert opening.state() == TcpState.TCP_SYN_SENT and not opening.stack.woken()
    assert plain(opening.line.say(SYN | ACK)) == [(ACK, 1, 1)]


def test_a_peer_that_begins_at_the_same_moment_is_refused(opening: Pair) -> None:
    assert plain(opening.line.say(SYN, seq=0)) == [(RST | ACK, 0, 1)] and opening.state() == TcpState.TCP_SYN_SENT


def test_an_answer_may_have_data_and_an_end(opening: Pair) -> None:
    assert plain(opening.line.say(SYN | ACK | PSH | FIN, b"hello")) == [(ACK, 1, 7)]
    assert opening.stack.tcp_read(opening.conn) == b"hello" and opening.stack.tcp_read(opening.conn) == b""
    assert plain(opening.write(b"answer")) == [(ACK | PSH, 1, 7)]


@pytest.mark.parametrize(("options", "mss"), [(b"", 536), (MSS_OPTION, 1460), (b"\2\4\1\0", 256)])
def test_a_segment_is_as_long_as_the_peer_takes(opening: Pair, options: bytes, mss: int) -> None:
    opening.line.say(SYN | ACK, options=options)
    assert [len(segment.data) for segment in opening.write(bytes(2 * mss))] == [mss, mss]
    assert opening.stack.conn(opening.conn).cwnd == 3 * mss


def test_a_peer_that_has_no_room_at_first_is_not_bothered(opening: Pair) -> None:
    opening.line.say(SYN | ACK, window=0)
    assert not opening.wait(10_000, step=500) and not opening.stack.count(Count.COUNT_TCP_AGAIN)
    assert not opening.write(b"hello") and [segment.data for segment in opening.wait(1000)] == [b"h"]


def test_syn_waits_for_the_peers_mac() -> None:
    stack = Stack(neighbour=False)
    stack.forget()
    assert begun(stack)


# Data, and the end

def test_data_go_both_ways(pair: Pair) -> None:
    data = bytes(n % 251 for n in range(40_000))
    got = sent = b""
    while len(got) < len(data) or len(sent) < len(data):
        taken = pair.stack.tcp_write(pair.conn, data[len(got):len(got) + 3000]) if len(got) < len(data) else 0
        assert not isinstance(taken, NetError)
        got += b"".join(segment.data for segment in pair.line.hear())
        pair.line.say(ACK, data[len(sent):len(sent) + 1000])
        sent += data[len(sent):len(sent) + 1000]
        read = pair.stack.tcp_read(pair.conn)
        assert read == sent[-1000:] or read == NetError.NET_AGAIN
        pair.line.hear()
    assert got == sent == data and not pair.stack.count(Count.COUNT_TCP_AGAIN)


def test_we_close_first(pair: Pair) -> None:
    assert plain(pair.call("tcp_close")) == [(ACK | FIN, 1, 1)]
    pair.line.say(ACK)
    assert pair.state() == TcpState.TCP_FIN_WAIT_2
    assert plain(pair.line.say(ACK | FIN)) == [(ACK, 2, 2)] and pair.state() == TcpState.TCP_TIME_WAIT
    pair.stack.wait(TcpEndTime.TIME_WAIT_TIME)
    assert not pair.stack.conns()


def test_the_peer_closes_first(pair: Pair) -> None:
    assert plain(pair.line.say(ACK | FIN)) == [(ACK, 1, 2)] and pair.stack.tcp_read(pair.conn) == b""
    assert plain(pair.call("tcp_close")) == [(ACK | FIN, 1, 2)]
    pair.line.say(ACK)
    assert not pair.stack.conns()


def test_a_stream_may_end_before_the_peer_has_answered(opening: Pair) -> None:
    assert not opening.call("tcp_finish") and opening.state() == TcpState.TCP_SYN_SENT
    assert plain(opening.line.say(SYN | ACK)) == [(ACK | FIN, 1, 1)]
    assert opening.state() == TcpState.TCP_FIN_WAIT_1
    opening.line.say(ACK, b"hello")
    assert opening.state() == TcpState.TCP_FIN_WAIT_2 and opening.stack.tcp_read(opening.conn) == b"hello"


@pytest.mark.parametrize("end", ["tcp_close", "tcp_abort"])
def test_what_is_closed_before_the_peer_has_answered_is_gone(opening: Pair, end: str) -> None:
    assert not opening.call(end) and not opening.stack.conns() and not opening.stack.woken()
    assert plain(opening.line.say(SYN | ACK))[0][:2] == (RST, 1)
    opening.stack.wait(5000, step=500)
    assert not opening.stack.sent()


# Addresses, ports, places

def test_no_two_connections_have_the_same_port(stack: Stack) -> None:
    taken = [stack.ports(stack.begin(port=80 + n % 3))[1] for n in range(40)]
    assert len(set(taken)) == 40 and all(CHOSEN <= port < 1 << 16 for port in taken)


def test_ports_that_are_in_use_are_passed_over(stack: Stack) -> None:
    stack.write("port_last", (0x4000 * 7 - 2).to_bytes(4, "little"))        # the last one but one is next
    first = [stack.ports(stack.begin())[1] for _ in range(3)]
    stack.listen(CHOSEN + 3)
    assert [*first, stack.ports(stack.begin())[1]] == [0xFFFF, CHOSEN, CHOSEN + 1, CHOSEN + 2]
    stack.write("port_last", (0x4000 - 2).to_bytes(4, "little"))
    assert stack.ports(stack.begin())[1] == CHOSEN + 4
    stack.write("port_last", (0x4000 - 2).to_bytes(4, "little"))
    assert stack.ports(stack.begin(port=81))[1] == 0xFFFF                   # to another port, it is another connection


def test_a_connection_that_catches_late_segments_keeps_its_port(pair: Pair) -> None:
    pair.call("tcp_close")
    pair.line.say(ACK | FIN)
    pair.stack.write("port_last", bytes(4))
    assert pair.stack.ports(pair.conn)[1] == CHOSEN + 1
    assert pair.stack.ports(pair.stack.begin())[1] == CHOSEN + 2


def test_there_are_no_more_connections_than_places(stack: Stack) -> None:
    conns = [stack.begin() for _ in range(TcpSize.TCP_CONNECTIONS)]
    assert stack.connect() == NetError.NET_FULL
    stack.call("tcp_close", eax=conns[5])
    assert stack.begin() == conns[5]


@pytest.mark.parametrize("target", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "10.0.0.255"])
def test_what_is_no_hosts_address_is_refused_at_once(stack: Stack, target: str) -> None:
    assert stack.connect(net.address(target)) == NetError.NET_RESET
    assert not stack.conns() and not stack.sent()


def test_without_a_gateway_there_is_no_way_out() -> None:
    stack = Stack(gateway=bytes(4))
    assert stack.connect(net.FAR) == NetError.NET_RESET
    assert not stack.conns() and not stack.woken() and stack.count(Count.COUNT_IP_ROUTE) == 1
    stack.forget()
    stack.wait(5000, step=500)
    assert not stack.sent()
