"""Packets to ourselves: both ends of everything in one stack, and nothing of it on the wire."""

from __future__ import annotations

import struct

import net_frames as net
import pytest
from net_line import ACK, RST
from net_stack import STACK, TOP, Stack

from guest.abi.net import Count, NetError, NetSize, TcpEndTime, TcpState

SELF = net.address("127.0.0.1")
TARGETS = {"127.0.0.1": SELF, "127.9.8.7": net.address("127.9.8.7"), "our own": net.OURS}
TURN, FLOOD = 32, 100       # as in loop.asm, double.asm
DEEP = 0x400                # bytes of the stack that are enough for everything


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> bytes:
    """An address of ours."""
    return TARGETS[request.param]


def connected(stack: Stack, target: bytes, port: int = 80) -> tuple[int, int, int]:
    """A connection, from both ends, and its listener."""
    listener = stack.listen(port)
    client = stack.begin(target, port)
    server = stack.accept(listener)
    assert server
    return client, server, listener


def in_order(stack: Stack) -> None:
    """Nothing went onto the wire, nothing waits, every packet has had its fate, and the stack was not deep."""
    assert not stack.sent() and not stack.word("net_loop_waits") and not stack.word("loop_busy")
    fates = sum(number for which, number in stack.counts().items() if which >= Count.COUNT_ETHER_LENGTH)
    assert fates == stack.count(Count.COUNT_IN) + stack.count(Count.COUNT_LOOP)
    assert not any(stack.machine.ram.read(STACK, TOP - DEEP - STACK))


def test_a_connection_to_ourselves_is_established_at_once(stack: Stack, target: bytes) -> None:
    client, server, listener = connected(stack, target)
    assert stack.conn(client).state == stack.conn(server).state == TcpState.TCP_ESTABLISHED
    assert stack.woken() == [client, listener]
    for conn in (client, server):
        assert stack.conn(conn).address.to_bytes(4, "little") == target
    assert stack.ports(client) == stack.ports(server)[::-1]
    in_order(stack)


def test_streams_go_both_ways(stack: Stack, target: bytes) -> None:
    client, server, _ = connected(stack, target)
    data = {client: bytes(n % 251 for n in range(100_000)), server: bytes(n % 241 for n in range(100_000))}
    sent, got = dict.fromkeys(data, 0), dict.fromkeys(data, b"")
    while any(len(got[conn]) < 100_000 for conn in data):
        for conn in data:
            taken = stack.tcp_write(conn, data[conn][sent[conn]:sent[conn] + 5000] or b"x") \
                if sent[conn] < 100_000 else 0
            if not isinstance(taken, NetError):
                sent[conn] += taken
            read = stack.tcp_read(conn)
            if isinstance(read, bytes):
                got[conn] += read
    assert got[client] == data[server] and got[server] == data[client]
    assert not stack.count(Count.COUNT_TCP_AGAIN) and not stack.count(Count.COUNT_LOOP_FULL)
    stack.call("tcp_close", eax=client)
    assert stack.tcp_read(server) == b"" and stack.conn(server).state == TcpState.TCP_CLOSE_WAIT
    stack.call("tcp_close", eax=server)
    assert [conn.state for conn in stack.conns()] == [TcpState.TCP_TIME_WAIT]
    stack.wait(TcpEndTime.TIME_WAIT_TIME)
    assert not stack.conns()
    in_order(stack)


def test_a_server_that_works_while_it_is_woken_is_no_deeper(stack: Stack) -> None:
    listener = stack.listen(80)
    stack.machine.ram.write(listener, struct.pack("<I", stack.symbols["host"]))
    client = stack.begin(SELF)
    data, got, sent = bytes(n % 251 for n in range(100_000)), b"", 0
    while len(got) < len(data):
        taken = stack.tcp_write(client, data[sent:sent + 8192]) if sent < len(data) else 0
        sent += 0 if isinstance(taken, NetError) else taken
        read = stack.tcp_read(client)
        got += read if isinstance(read, bytes) else b""
        if stack.word("net_loop_waits"):
            stack.wait(10, step=10)
    assert got == data and not stack.count(Count.COUNT_TCP_AGAIN)
    stack.call("tcp_finish", eax=client)
    assert stack.tcp_read(client) == b""
    stack.call("tcp_close", eax=client)
    stack.wait(TcpEndTime.TIME_WAIT_TIME)
    assert not stack.conns()
    in_order(stack)


def test_a_port_of_ours_that_nobody_listens_at_refuses_at_once(stack: Stack, target: bytes) -> None:
    conn = stack.begin(target, 81)
    assert stack.conn(conn).state == TcpState.TCP_ENDED and stack.woken() == [conn]
    assert stack.tcp_write(conn, b"x") == NetError.NET_RESET
    stack.call("tcp_close", eax=conn)
    assert not stack.conns()
    in_order(stack)


def test_no_connection_has_both_ends_in_one(stack: Stack) -> None:
    conn = stack.begin(SELF, 0xC001)
    assert stack.ports(conn)[1] != 0xC001 and stack.conn(conn).state == TcpState.TCP_ENDED
    in_order(stack)


def test_who_waits_at_a_port_that_is_given_up_is_reset(stack: Stack) -> None:
    listener = stack.listen(80)
    clients = [stack.begin(SELF) for _ in range(3)]
    stack.call("tcp_ignore", eax=listener)
    assert [stack.conn(conn).state for conn in clients] == [TcpState.TCP_ENDED] * 3
    assert len(stack.conns()) == 3
    in_order(stack)


@pytest.mark.parametrize("end", ["tcp_abort", "tcp_close"])
def test_who_does_not_read_on_resets(stack: Stack, end: str) -> None:
    client, server, _ = connected(stack, SELF)
    assert stack.tcp_write(client, b"unread") == 6
    stack.call(end, eax=server)
    assert stack.tcp_read(client) == NetError.NET_RESET
    stack.call("tcp_close", eax=client)
    assert not stack.conns()
    in_order(stack)


@pytest.mark.parametrize("inside", ["net_tick", "net_input", "loop_drain"])
def test_nothing_comes_in_inside_of_another_entry(stack: Stack, inside: str) -> None:
    conn = stack.begin(SELF if inside == "loop_drain" else net.PEER, owner=stack.symbols["restless"])
    if inside == "net_tick":
        stack.wait(31_000, step=500)
    elif inside == "net_input":
        stack.input(net.tcp_frame(stack.ports(conn), 0, stack.conn(conn).una + 1, RST | ACK))
    assert stack.conn(conn).state == TcpState.TCP_ENDED
    assert stack.word("left") == (2 if inside == "loop_drain" else 1)       # with the one that is being looked at
    assert stack.count(Count.COUNT_UDP_PORT) == 1                           # afterwards, it has come
    stack.forget()
    in_order(stack)


def test_datagrams_come_back(stack: Stack, target: bytes) -> None:
    stack.bind(7, "echo")
    stack.bind(9, "note", 5)
    assert stack.udp_send((9, 7), b"hello", target)
    assert stack.read("noted", 21) == target + struct.pack("<III", 7 << 16 | 9, 5, 5) + b"hello"
    assert stack.count(Count.COUNT_UDP_IN) == stack.count(Count.COUNT_LOOP) == 2
    assert stack.udp_send((9, 7), bytes(1472), target) and stack.count(Count.COUNT_UDP_IN) == 4
    in_order(stack)


def test_pings_are_answered(stack: Stack, target: bytes) -> None:
    question = net.echo(b"are we there?")
    stack.call("ip_begin", eax=int.from_bytes(target, "little"), edx=net.ICMP, ecx=len(question))
    packet = stack.symbols["net_frame"] + 14
    assert bytes(stack.machine.ram.read(packet + 12, 8)) == target * 2
    stack.machine.ram.write(packet + 20, question)
    assert not stack.call("ip_send").carry and stack.word("net_loop_waits") == 1
    stack.wait(50)
    assert stack.count(Count.COUNT_ICMP_ECHO) == stack.count(Count.COUNT_ICMP_TYPE) == 1     # the answer is nobody's
    in_order(stack)


def test_what_never_ends_leaves_time_for_others(stack: Stack) -> None:
    stack.bind(7, "echo")
    stack.bind(8, "echo")
    assert stack.udp_send((7, 8), b"ball", SELF)
    assert stack.count(Count.COUNT_LOOP) == TURN and stack.word("net_loop_waits") == 1
    stack.wait(50)
    assert stack.count(Count.COUNT_LOOP) == 2 * TURN
    answer = stack.ask(net.udp_frame((1, 7), b"x"))
    assert answer and answer.data == b"x" and stack.count(Count.COUNT_LOOP) == 3 * TURN
    stack.call("udp_unbind", eax=7)
    stack.wait(50)
    in_order(stack)


def test_what_the_queue_has_no_room_for_is_dropped(stack: Stack) -> None:
    stack.bind(7, "flood")
    stack.bind(9, "note")
    assert stack.udp_send((9, 7), b"drop", SELF)
    dropped = 1 + FLOOD - NetSize.LOOP_PACKETS              # the one that is being answered has a place
    assert stack.count(Count.COUNT_LOOP_FULL) == dropped
    assert stack.count(Count.COUNT_LOOP) == TURN and stack.word("net_loop_waits") == NetSize.LOOP_PACKETS - TURN
    stack.wait(100)
    assert stack.count(Count.COUNT_UDP_IN) == stack.count(Count.COUNT_LOOP) == 1 + FLOOD - dropped
    in_order(stack)


def test_what_the_queue_has_dropped_goes_again(stack: Stack) -> None:
    listener = stack.listen(80, waiting=30)
    pairs = [(stack.begin(SELF), stack.accept(listener)) for _ in range(30)]
    stack.write("loop_busy", struct.pack("<I", 1))          # as if inside another entry
    for number, (client, _) in enumerate(pairs):
        assert stack.tcp_write(client, bytes([number]) * 8000) == 8000
    assert stack.count(Count.COUNT_LOOP_FULL) == 3 * 30 - NetSize.LOOP_PACKETS
    stack.write("loop_busy", bytes(4))
    stack.wait(2000)
    assert stack.count(Count.COUNT_TCP_AGAIN)
    for number, (_, server) in enumerate(pairs):
        assert server and stack.tcp_read(server) == bytes([number]) * 8000
    stack.wait(200)
    in_order(stack)
