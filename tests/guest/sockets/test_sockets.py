"""Sockets as system calls: who gets what, who waits for what, and what nobody may do."""

from __future__ import annotations

import random

import net_frames as net
import pytest
from net_line import ACK, FIN, RST, SYN
from socket_host import BUFFER, LOOP, READ_ONLY, SIZE, USER, Sockets, Waits

from guest.abi.activations import ActError
from guest.abi.kernel import Error
from guest.abi.net import TcpSize
from guest.abi.sockets import SocketCall, SocketError, SocketFlag, SocketSize

LISTEN, ACCEPT, CONNECT = SocketCall.SYS_SOCKET_LISTEN, SocketCall.SYS_SOCKET_ACCEPT, SocketCall.SYS_SOCKET_CONNECT
READ, WRITE, FINISH, CLOSE = (SocketCall.SYS_SOCKET_READ, SocketCall.SYS_SOCKET_WRITE, SocketCall.SYS_SOCKET_FINISH,
                              SocketCall.SYS_SOCKET_CLOSE)
BIND, RECEIVE, SEND, WAIT = (SocketCall.SYS_SOCKET_BIND, SocketCall.SYS_SOCKET_RECEIVE, SocketCall.SYS_SOCKET_SEND,
                             SocketCall.SYS_SOCKET_WAIT)
NOW = SocketFlag.SOCKET_NOW
ERR_SOCKET, ERR_AGAIN = SocketError.ERR_SOCKET, SocketError.ERR_AGAIN
ERR_RESET, ERR_FULL = SocketError.ERR_RESET, SocketError.ERR_FULL
ERR_ADDRESS, ERR_ARGUMENT, ERR_CALL = Error.ERR_ADDRESS, ActError.ERR_ARGUMENT, Error.ERR_CALL
A, B, C = 0x1000, 0x2000, 0xC000_0000           # programs
PEER = int.from_bytes(net.PEER, "little")


@pytest.fixture
def host() -> Sockets:
    """A machine."""
    return Sockets()


def pair(host: Sockets, server: int = A, client: int = B, port: int = 80) -> tuple[int, int, int]:
    """A connection of two programs: listener, the server's socket, the client's."""
    listener = host.call(server, LISTEN, port, 5)
    theirs = host.call(client, CONNECT, LOOP, port)
    ours = host.call(server, ACCEPT, listener)
    assert isinstance(listener, int) and isinstance(ours, int) and isinstance(theirs, int)
    return listener, ours, theirs


def test_two_programs_talk_to_each_other(host: Sockets) -> None:
    _, ours, theirs = pair(host)
    assert host.send_bytes(B, theirs, b"hello") == 5
    assert host.receive_bytes(A, ours) == b"hello"
    assert host.send_bytes(A, ours, b"and you") == 7
    assert host.receive_bytes(B, theirs, 3) == b"and" and host.receive_bytes(B, theirs) == b" you"
    assert host.call(B, FINISH, theirs) == 0
    assert host.receive_bytes(A, ours) == b"" and host.receive_bytes(A, ours) == b""
    assert host.send_bytes(A, ours, b"more") == 4 and host.receive_bytes(B, theirs) == b"more"
    assert host.send_bytes(B, theirs, b"x") == ERR_RESET
    assert host.call(A, CLOSE, ours) == host.call(B, CLOSE, theirs) == 0
    assert host.call(B, CLOSE, theirs) == ERR_SOCKET


def test_a_call_that_has_to_wait_says_for_what_and_is_woken_for_that(host: Sockets) -> None:
    listener = host.call(A, LISTEN, 80, 5)
    assert host.call(A, ACCEPT, listener) == Waits(listener)
    theirs = host.call(B, CONNECT, LOOP, 80)
    assert set(host.woken()) == {(A, listener), (B, theirs)}
    ours = host.call(A, ACCEPT, listener)
    assert host.receive_bytes(A, ours) == Waits(ours) and host.woken() == []
    host.send_bytes(B, theirs, b"x")
    assert (A, ours) in host.woken()
    assert host.receive_bytes(A, ours) == b"x"
    while not isinstance(host.send_bytes(B, theirs, bytes(5000)), Waits):
        pass
    host.woken()
    host.receive_bytes(A, ours, SIZE - READ_ONLY)
    assert (B, theirs) in host.woken() and isinstance(host.send_bytes(B, theirs, b"x"), int)


def test_nothing_waits_if_it_must_not(host: Sockets) -> None:
    listener, ours, _ = pair(host)
    assert host.call(A, ACCEPT, listener | NOW) == ERR_AGAIN
    assert host.receive_bytes(A, ours, now=True) == ERR_AGAIN
    port = host.call(A, BIND, 7)
    assert host.call(A, RECEIVE, port | NOW, BUFFER, 10) == ERR_AGAIN
    assert host.call(C, WAIT, NOW) == ERR_AGAIN
    while (taken := host.send_bytes(A, ours, bytes(5000), now=True)) != ERR_AGAIN:
        assert isinstance(taken, int) and 0 < taken <= 5000


def test_wait_tells_of_each_socket_once_in_the_order_in_which_it_happened(host: Sockets) -> None:
    listener, ours, theirs = pair(host)
    assert host.call(A, WAIT) == listener and host.call(A, WAIT) == ours        # one is new, the other as well
    assert host.call(A, WAIT) == Waits(0) and host.call(A, WAIT, NOW) == ERR_AGAIN
    port = host.call(A, BIND, 7)
    datagrams = host.call(B, BIND, 8)
    host.send_bytes(B, theirs, b"1")
    host.send_datagram(B, datagrams, net.address("127.0.0.1"), 7, b"2")
    host.send_bytes(B, theirs, b"3")
    assert host.call(A, WAIT) == ours and host.call(A, WAIT) == port and host.call(A, WAIT) == Waits(0)
    assert (A, ours) in host.woken()
    host.send_bytes(B, theirs, b"4")
    assert host.call(A, CLOSE, ours) == 0
    assert host.call(A, WAIT) == Waits(0)
    assert host.call(A, WAIT, 1) == ERR_ARGUMENT


def test_wait_tells_nobody_of_others_sockets(host: Sockets) -> None:
    for port, owner in ((80, A), (81, C)):
        pair(host, owner, B, port)
    of_b = {host.call(B, WAIT), host.call(B, WAIT)}
    of_c = {host.call(C, WAIT), host.call(C, WAIT)}
    of_a = {host.call(A, WAIT), host.call(A, WAIT)}
    assert len(of_a | of_b | of_c) == 6
    assert all(host.call(owner, WAIT) == Waits(0) for owner in (A, B, C))


def test_a_socket_is_its_owners_and_of_its_kind(host: Sockets) -> None:
    listener, ours, _ = pair(host)
    port = host.call(A, BIND, 7)
    for number in (listener, ours, port):
        for call in (ACCEPT, READ, WRITE, FINISH, CLOSE, RECEIVE, SEND):
            assert host.call(B, call, number, BUFFER, 10) == ERR_SOCKET
    for number, calls in ((listener, (READ, WRITE, FINISH, RECEIVE, SEND)), (ours, (ACCEPT, RECEIVE, SEND)),
                          (port, (ACCEPT, READ, WRITE, FINISH))):
        for call in calls:
            assert host.call(A, call, number, BUFFER, 10) == ERR_SOCKET
    for number in (0, SocketSize.SOCKETS, SocketSize.SOCKETS + 1, 0x7FFF_FFFF, 0x800_0000, -1):
        assert host.call(A, READ, number, BUFFER, 10) == ERR_SOCKET
    assert host.call(A, SocketCall(max(SocketCall)) + 1) == ERR_CALL and host.call(A, 0xFFFF_FFFF) == ERR_CALL


def test_memory_that_is_not_the_programs_is_not_touched(host: Sockets) -> None:
    _, ours, theirs = pair(host)
    ports = host.call(A, BIND, 7), host.call(B, BIND, 8)
    host.send_bytes(B, theirs, b"data")
    host.send_datagram(B, ports[1], net.address("127.0.0.1"), 7, b"data")
    before = host.read("room", SIZE)
    for address, length in ((USER - 1, 10), (USER + SIZE - 5, 20), (0, 10), (0xFFFF_FFFC, 16), (USER, 10)):
        assert host.call(A, READ, ours, address, length) == ERR_ADDRESS
        assert host.call(A, RECEIVE, ports[0], address, length) == ERR_ADDRESS
    for address in (USER - 1, USER + SIZE - 5, 0, 0xFFFF_FFFC):
        assert host.call(A, WRITE, ours, address, 20) == ERR_ADDRESS
        assert host.call(A, SEND, ports[0], address, 20) == ERR_ADDRESS
    assert host.read("room", SIZE) == before
    assert host.call(A, WRITE, ours, USER, 10) == 10                    # to read it is enough
    assert host.receive_bytes(A, ours) == b"data"
    datagram = host.receive_datagram(A, ports[0])
    assert datagram == (net.address("127.0.0.1"), 8, 4, b"data")


def test_no_bytes_are_no_end_and_nothing_to_wait_for(host: Sockets) -> None:
    _, ours, _ = pair(host)
    assert host.call(A, READ, ours, 0, 0) == host.call(A, WRITE, ours, 0, 0) == 0
    assert host.receive_bytes(A, ours) == Waits(ours)


def test_a_length_beyond_all_memory_is_what_fits(host: Sockets) -> None:
    _, ours, theirs = pair(host)
    host.send_bytes(B, theirs, bytes(100))
    assert host.call(A, READ, ours, BUFFER, 0xFFFF_FFFF) == 100
    assert host.call(A, WRITE, ours, BUFFER, 0x8000_0000) == TcpSize.TCP_BUFFER


@pytest.mark.parametrize("port", [0, 0x10000, 0xFFFF_FFFF])
def test_what_is_no_port_is_refused(port: int, host: Sockets) -> None:
    assert host.call(A, LISTEN, port, 5) == host.call(A, BIND, port) == ERR_ARGUMENT
    assert host.call(A, CONNECT, LOOP, port) == ERR_ARGUMENT
    socket = host.call(A, BIND, 7)
    assert host.send_datagram(A, socket, net.PEER, port, b"x") == ERR_ARGUMENT


def test_a_port_is_taken_once(host: Sockets) -> None:
    listener, socket = host.call(A, LISTEN, 80, 5), host.call(A, BIND, 80)
    assert host.call(B, LISTEN, 80, 5) == host.call(B, BIND, 80) == ERR_FULL
    host.call(A, CLOSE, listener)
    host.call(A, CLOSE, socket)
    assert isinstance(host.call(B, LISTEN, 80, 5), int) and isinstance(host.call(B, BIND, 80), int)


def test_there_is_no_way_to_some_addresses(host: Sockets) -> None:
    nowhere = int.from_bytes(net.address("255.255.255.255"), "little")
    assert host.call(A, CONNECT, nowhere, 80) == ERR_RESET
    free = [host.call(A, CONNECT, LOOP, 80) for _ in range(3)]
    assert len(set(free)) == 3                                          # it has cost no socket


def test_a_connection_that_is_refused_says_so(host: Sockets) -> None:
    socket = host.call(A, CONNECT, LOOP, 80)
    assert host.woken() == [(A, socket)] and host.call(A, WAIT) == socket
    assert host.receive_bytes(A, socket) == host.send_bytes(A, socket, b"x") == ERR_RESET
    assert host.call(A, CLOSE, socket) == 0


def test_what_is_read_or_written_first_waits_for_the_other_side(host: Sockets) -> None:
    socket = host.call(A, CONNECT, PEER, 80)
    syn = net.parse_tcp(host.sent()[-1])
    assert syn.flags == SYN
    assert host.receive_bytes(A, socket) == host.send_bytes(A, socket, b"x") == Waits(socket)
    host.input(net.tcp_frame(syn.ports[::-1], 99, syn.seq + 1, SYN | ACK))
    assert (A, socket) in host.woken() and host.send_bytes(A, socket, b"x") == 1
    assert net.parse_tcp(host.sent()[-1]).data == b"x"


def test_a_datagram_comes_with_its_sender_and_is_cut_where_there_is_no_room(host: Sockets) -> None:
    socket = host.call(A, BIND, 7)
    assert host.receive_datagram(A, socket) == Waits(socket)
    for data in (b"", b"first", bytes(range(200)) * 7, b"last"):
        host.input(net.udp_frame((4000, 7), data))
    assert host.woken() == [(A, socket)] * 4
    assert host.receive_datagram(A, socket) == (net.PEER, 4000, 0, b"")
    assert host.receive_datagram(A, socket, 3) == (net.PEER, 4000, 5, b"fir")
    assert host.receive_datagram(A, socket) == (net.PEER, 4000, 1400, bytes(range(200)) * 7)
    assert host.receive_datagram(A, socket, 0) == (net.PEER, 4000, 4, b"")
    assert host.receive_datagram(A, socket) == Waits(socket)


def test_a_datagram_goes_to_whom_it_says(host: Sockets) -> None:
    socket = host.call(A, BIND, 7)
    assert host.send_datagram(A, socket, net.PEER, 4000, b"data") == 4
    packet = net.parse(host.sent()[-1])
    assert (packet.target, packet.ports, packet.data) == (net.PEER, (7, 4000), b"data")
    assert host.send_datagram(A, socket, net.PEER, 4000, b"") == 0
    assert host.send_datagram(A, socket, net.PEER, 4000, bytes(1472)) == 1472
    assert host.call(A, SEND, socket, BUFFER, 1473) == ERR_ARGUMENT


def test_datagrams_that_find_no_room_are_lost_and_the_others_are_whole(host: Sockets) -> None:
    socket, chance = host.call(A, BIND, 7), random.Random(1)
    waiting: list[bytes] = []
    used = 0
    for _ in range(400):
        if chance.random() < 0.6:
            data = chance.randbytes(chance.choice((0, 1, 100, 1472)))
            host.input(net.udp_frame((4000, 7), data))
            if used + 12 + len(data) <= TcpSize.TCP_BUFFER:
                waiting.append(data)
                used += 12 + len(data)
        elif waiting:
            data = waiting.pop(0)
            used -= 12 + len(data)
            assert host.receive_datagram(A, socket) == (net.PEER, 4000, len(data), data)
        else:
            assert host.receive_datagram(A, socket) == Waits(socket)


def test_a_program_cannot_have_everything(host: Sockets) -> None:
    listeners = [host.call(A, LISTEN, 100 + n, 1) for n in range(SocketSize.SOCKETS_LISTENING + 1)]
    assert listeners[-1] == ERR_FULL and isinstance(listeners[-2], int)
    bound = [host.call(A, BIND, 100 + n) for n in range(SocketSize.SOCKETS_BOUND + 1)]
    assert bound[-1] == ERR_FULL and isinstance(bound[-2], int)
    connections = 0
    while host.call(A, CONNECT, PEER, 80) != ERR_FULL:
        connections += 1
    assert connections == SocketSize.SOCKETS_OWNED - 2 * SocketSize.SOCKETS_LISTENING - SocketSize.SOCKETS_BOUND
    assert isinstance(host.call(B, CONNECT, PEER, 80), int)
    assert isinstance(host.call(B, LISTEN, 80, 5), int) and isinstance(host.call(B, BIND, 80), int)


def test_connections_that_wait_count_as_sockets_and_are_not_more_than_asked_for(host: Sockets) -> None:
    listener = host.call(A, LISTEN, 80, 1000)
    theirs = [host.call(B, CONNECT, LOOP, 80) for _ in range(SocketSize.SOCKETS_WAITING + 3)]
    host.wait(5000)
    accepted = 0
    while isinstance(host.call(A, ACCEPT, listener), int):
        accepted += 1
    assert accepted >= SocketSize.SOCKETS_WAITING and len(set(theirs)) == len(theirs)
    more = 0
    while host.call(A, CONNECT, PEER, 80) != ERR_FULL:
        more += 1
    assert accepted + more + 1 + SocketSize.SOCKETS_WAITING == SocketSize.SOCKETS_OWNED


def test_a_connection_that_a_full_program_cannot_accept_waits_until_it_can(host: Sockets) -> None:
    listener = host.call(A, LISTEN, 80, 1)
    taken = []
    while (socket := host.call(A, CONNECT, PEER, 80)) != ERR_FULL:
        taken.append(socket)
    theirs = host.call(B, CONNECT, LOOP, 80)
    assert host.call(A, ACCEPT, listener) == ERR_FULL
    host.call(A, CLOSE, taken[0])
    ours = host.call(A, ACCEPT, listener)
    assert host.send_bytes(A, ours, b"x") == 1 and host.receive_bytes(B, theirs) == b"x"


def test_the_sockets_of_a_program_end_with_it(host: Sockets) -> None:
    listener, ours, theirs = pair(host)
    host.call(A, BIND, 7)
    abroad = host.call(A, CONNECT, PEER, 80)
    other = host.call(B, BIND, 8)
    host.send_bytes(A, ours, b"last words")
    waiting = host.call(B, CONNECT, LOOP, 80)
    host.end(A)
    assert host.receive_bytes(B, theirs) == b"last words" and host.receive_bytes(B, theirs) == b""
    assert host.receive_bytes(B, waiting) == ERR_RESET
    for number in (listener, ours, abroad):
        assert host.call(A, CLOSE, number) == ERR_SOCKET
    assert host.call(A, WAIT) == Waits(0)
    assert isinstance(host.call(C, BIND, 7), int) and isinstance(host.call(C, LISTEN, 80, 5), int)
    assert host.send_datagram(B, other, net.address("127.0.0.1"), 7, b"x") == 1


def test_a_program_that_ends_without_reading_resets_its_peer(host: Sockets) -> None:
    listener = host.call(A, LISTEN, 80, 5)
    ports = (4000, 80)
    host.input(net.tcp_frame(ports, 1000, 0, SYN))
    answer = net.parse_tcp(host.sent()[-1])
    host.input(net.tcp_frame(ports, 1001, answer.seq + 1, ACK, b"nobody reads this"))
    assert isinstance(host.call(A, ACCEPT, listener), int)
    host.end(A)
    assert net.parse_tcp(host.sent()[-1]).flags & RST


def test_a_program_that_ends_having_read_everything_ends_its_stream(host: Sockets) -> None:
    listener = host.call(A, LISTEN, 80, 5)
    host.input(net.tcp_frame((4000, 80), 1000, 0, SYN))
    answer = net.parse_tcp(host.sent()[-1])
    host.input(net.tcp_frame((4000, 80), 1001, answer.seq + 1, ACK))
    assert isinstance(host.call(A, ACCEPT, listener), int)
    host.end(A)
    assert net.parse_tcp(host.sent()[-1]).flags & (FIN | RST) == FIN


def test_many_programs_come_and_go_and_leave_nothing_behind(host: Sockets) -> None:
    for owner in range(1, 60):
        _, ours, theirs = pair(host, owner, 1000 + owner, 80)
        host.call(owner, BIND, 7)
        host.send_bytes(owner, ours, b"x" * owner)
        assert host.receive_bytes(1000 + owner, theirs) == b"x" * owner
        host.end(owner)
        host.end(1000 + owner)
    assert not any(host.read("sockets", 32 * SocketSize.SOCKETS)[::32])
    assert host.call(1, WAIT) == Waits(0)
