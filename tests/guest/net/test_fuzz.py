"""Bad frames: none stops the stack, none makes it lose a good one, none writes where it should not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain, pairwise
from types import SimpleNamespace

import net_frames as net
import pytest
from net_line import ACK, FIN, MSS_OPTION, RST, SYN, Line
from net_stack import BASE, STACK, TOP, Stack, program

from guest.abi.net import CONN, HALF, LISTENER, PEER, Count, NetError, NetSize, TcpFinding, TcpSize, TcpState

BATCH = 200
LISTS = ("conns_free", "conns_used", "conns_turn", "conns_late", "conns_open",
         "halves_free", "halves_used", "halves_turn")


class Hostile:
    """Makes bad frames out of good ones."""

    def __init__(self, seed: int, first: int, their_first: int) -> None:
        """`first` and `their_first`: numbers of a connection that there is, from port 4000 to port 80."""
        self.chance = random.Random(seed)
        self.first, self.their_first = first, their_first
        self.opening = [(443, 0xC001, 0)]           # ports and first number of those that the stack begins

    def frame(self) -> bytes:
        """The next one."""
        chance = self.chance
        if chance.random() < 0.05:
            return chance.randbytes(chance.randrange(1600))
        frame = bytearray(self._good())
        for _ in range(chance.randrange(4)):
            getattr(self, f"_{chance.choice(('flip', 'set', 'cut', 'grow', 'swap'))}")(frame)
        if chance.random() < 0.8:
            mend(frame)
        return bytes(frame)

    def _good(self) -> bytes:
        chance = self.chance
        data = chance.randbytes(chance.choice((0, 1, 8, 64, 1000, 1400)))
        peer = bytes((*net.PEER[:3], chance.randrange(256)))
        return chance.choice((self._arp, self._icmp, self._udp, self._tcp, self._tcp, self._tcp))(data, peer)

    def _arp(self, data: bytes, peer: bytes) -> bytes:
        mac = net.PEER_MAC[:5] + peer[3:]
        return net.arp(self.chance.choice((1, 2)), peer, mac, self.chance.choice((net.OURS, net.OTHER))) + data[:18]

    def _icmp(self, data: bytes, peer: bytes) -> bytes:
        return net.ethernet(net.ipv4(net.ICMP, net.echo(data), source=peer))

    def _udp(self, data: bytes, peer: bytes) -> bytes:
        options = self.chance.randbytes(self.chance.choice((0, 0, 4, 40)))
        return net.ethernet(net.ipv4(net.UDP, net.udp((9, 7), data, source=peer), source=peer, options=options))

    def _tcp(self, data: bytes, peer: bytes) -> bytes:
        chance = self.chance
        near = chance.choice((0, 0, 1, 2, 1000, 8191, 8192, 65535, 1 << 31, -1, -2, -1000))
        options = chance.choice((b"", MSS_OPTION, chance.randbytes(4), chance.randbytes(20), b"\1" * 37 + b"\2\4\0"))
        port = chance.choice((4000, 4000, 4000, 4001, chance.randrange(1 << 16)))
        flags = chance.choice((SYN, ACK, ACK, ACK | FIN, chance.randrange(64)))
        ports, first = (port, 80), self.their_first
        if chance.random() < 0.3:
            theirs, ours, first = chance.choice(self.opening)
            ports, flags = (theirs, ours), chance.choice((SYN | ACK, SYN, RST | ACK, RST, flags))
        segment = net.tcp(ports, self.first + 1 + near, first + 1 + chance.choice((0, 0, 1, -1, 5000)),
                          flags, data, options=options, window=chance.choice((0, 1, 500, 8192, 65535)))
        return net.ethernet(net.ipv4(net.TCP, segment))

    def _flip(self, frame: bytearray) -> None:
        at = self.chance.randrange(min(len(frame), 80))
        frame[at] ^= 1 << self.chance.randrange(8)

    def _set(self, frame: bytearray) -> None:
        at = self.chance.randrange(min(len(frame), 80))
        frame[at] = self.chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x45, 0x4F, 0xF0))

    def _cut(self, frame: bytearray) -> None:
        del frame[self.chance.randrange(1, len(frame) + 1):]

    def _grow(self, frame: bytearray) -> None:
        frame += self.chance.randbytes(self.chance.choice((1, 20, 1500)))

    def _swap(self, frame: bytearray) -> None:
        at = self.chance.randrange(min(len(frame), 64))
        frame[at:at + 2] = frame[at:at + 2][::-1]


def mend(frame: bytearray) -> None:
    """Makes the checksums of a packet right, as far as one can tell where they are."""
    header = (frame[14] & 15) * 4 if len(frame) > 14 else 0
    if header < 20 or len(frame) < 14 + header or frame[12:14] != b"\x08\0":
        return
    frame[24:26] = bytes(2)
    frame[24:26] = net.checksum(bytes(frame[14:14 + header])).to_bytes(2, "big")
    end = 14 + int.from_bytes(frame[16:18], "big")
    start, protocol = 14 + header, frame[23]
    at = start + {net.ICMP: 2, net.TCP: 16, net.UDP: 6}.get(protocol, 1 << 16)
    if at + 2 <= end <= len(frame):
        frame[at:at + 2] = bytes(2)
        data, addresses = bytes(frame[start:end]), (bytes(frame[26:30]), bytes(frame[30:34]))
        total = net.checksum(data if protocol == net.ICMP else net.pseudo(protocol, *addresses, data))
        frame[at:at + 2] = total.to_bytes(2, "big")


def attacked(seed: int) -> tuple[Stack, Hostile]:
    """A stack with users, a connection among them, and who attacks it."""
    stack = Stack()
    stack.bind(7, "echo")
    stack.listen(81)
    listener = stack.listen(80, half=20, waiting=5)
    line = Line(stack).connect()
    conn = stack.accept(listener)
    assert conn
    stack.tcp_write(conn, bytes(5000))
    stack.forget()
    return stack, Hostile(seed, line.first, line.their_first)


def good_ones_arrive(stack: Stack, number: int) -> None:
    """A datagram, an echo request and a connection are answered as ever."""
    stack.input(net.arp(1, net.PEER, net.PEER_MAC, net.OURS))
    stack.forget()
    data = number.to_bytes(4, "big")
    answer = stack.ask(net.udp_frame((1, 7), data))
    assert answer and answer.data == data
    answer = stack.ask(net.ethernet(net.ipv4(net.ICMP, net.echo(data))))
    assert answer and answer.payload == net.echo(data, kind=0)
    line = Line(stack, port=81, source=1 + number % 60_000, first=number * 7919).connect()
    assert [segment.flags for segment in line.say(ACK | FIN, data)] == [ACK]


def in_order(stack: Stack) -> None:
    """What always holds of the tables, and of all memory that is not the stack's."""
    fates = sum(stack.count(which) for which in Count if Count.COUNT_ETHER_LENGTH <= which < Count.COUNTS)
    assert fates == stack.count(Count.COUNT_IN) + stack.count(Count.COUNT_LOOP)
    listeners = [LISTENER.decode(stack.read("listeners", LISTENER.size, at * LISTENER.size))
                 for at in range(TcpSize.TCP_LISTENERS)]
    halves = [HALF.decode(stack.read("halves", HALF.size, at * HALF.size)) for at in range(TcpSize.TCP_HALVES)]
    for at, listener in enumerate(listeners):
        address = stack.symbols["listeners"] + at * LISTENER.size
        assert listener.half_count == sum(half.owner == address for half in halves) <= listener.half_limit
        assert listener.count <= listener.limit
        waiting, link = 0, listener.head
        while link:
            waiting, link = waiting + 1, stack.conn(link).link if link != listener.tail else 0
        assert waiting == listener.count
    for at in range(TcpSize.TCP_CONNECTIONS):
        conn = CONN.decode(stack.read("connections", CONN.size, at * CONN.size))
        assert conn.send == stack.symbols["rings"] + at * 2 * TcpSize.TCP_BUFFER
        assert conn.receive == conn.send + TcpSize.TCP_BUFFER
        if conn.state == TcpState.TCP_SYN_SENT:
            assert conn.address and conn.timer and not conn.closed
        elif conn.state not in (TcpState.TCP_FREE, TcpState.TCP_ENDED):
            assert conn.end + 1 - conn.una & 0xFFFF_FFFF <= TcpSize.TCP_BUFFER + 1      # FIN may be acknowledged
            assert conn.got - conn.read - conn.fin & 0xFFFF_FFFF <= TcpSize.TCP_BUFFER
            assert conn.max - conn.nxt & 0xFFFF_FFFF <= TcpSize.TCP_BUFFER + 1
            assert TcpSize.TCP_MSS_MIN <= conn.mss <= TcpSize.TCP_MSS and conn.cwnd >= conn.mss
    _found_and_listed(stack)
    assert len(list(stack.neighbours())) <= NetSize.NEIGHBOURS
    ram, end = stack.machine.ram, 0
    for segment in program().segments:
        end = segment.physical + segment.memory_size
        if "w" not in segment.flags:
            assert bytes(ram.read(segment.physical, len(segment.data))) == segment.data
    assert not any(ram.read(0, STACK)) and not any(ram.read(TOP, BASE - TOP)) and not any(ram.read(end, 1 << 20))


def _found_and_listed(stack: Stack) -> None:
    """Whoever has an address is in the chain of its bucket, once; everybody is on one list, by what became of it."""
    connections, halves = stack.symbols["connections"], stack.symbols["halves"]
    peers = {connections + at * CONN.size: stack.conn(connections + at * CONN.size)
             for at in range(TcpSize.TCP_CONNECTIONS)}
    peers |= {halves + at * HALF.size: HALF.decode(bytes(stack.machine.ram.read(halves + at * HALF.size, HALF.size)))
              for at in range(TcpSize.TCP_HALVES)}
    found = []
    for bucket in range(1 << TcpFinding.TCP_BUCKET_BITS):
        at = stack.word("buckets", bucket * 4)
        while at:
            hashed = (peers[at].address + peers[at].ports) * 0x9E3779B1 & 0xFFFF_FFFF
            assert hashed >> 32 - TcpFinding.TCP_BUCKET_BITS == bucket
            found.append(at)
            at = peers[at].chain
    assert sorted(found) == [at for at, peer in sorted(peers.items()) if peer.address]
    assert len({(peers[at].address, peers[at].ports) for at in found}) == len(found)
    listed = {name: list(_list(stack, name, peers)) for name in LISTS}
    assert sorted(chain.from_iterable(listed.values())) == sorted(peers)
    assert not listed["conns_turn"] and not listed["halves_turn"]
    for name, members in listed.items():
        for peer in (peers[at] for at in members):
            assert (peer.state == TcpState.TCP_FREE if name == "conns_free" else
                    not peer.owner if name == "halves_free" else
                    peer.state == TcpState.TCP_SYN_RECEIVED if name == "halves_used" else
                    peer.closed and peer.state == TcpState.TCP_TIME_WAIT if name == "conns_late" else
                    peer.closed and peer.state == TcpState.TCP_FIN_WAIT_2 if name == "conns_open" else
                    peer.state != TcpState.TCP_FREE)
    for name in ("conns_late", "conns_open"):
        dues = [peers[at].due for at in listed[name]]
        assert all((later - sooner) & 0xFFFF_FFFF < 1 << 31 for sooner, later in pairwise(dues))


def _list(stack: Stack, name: str, peers: dict[int, SimpleNamespace]) -> Iterator[int]:
    """The peers of a list, from the first to the last; the way back is the same."""
    head = stack.symbols[name] - PEER.offsets["after"]
    before, at = head, stack.word(name)
    while at != head:
        assert peers[at].before == before
        yield at
        before, at = at, peers[at].after
    assert stack.word(name, 4) == before


def attack(seed: int, batches: int) -> Iterator[Stack]:
    """Attacks a stack, and gives it after each batch."""
    stack, hostile = attacked(seed)
    begun: list[int] = []
    for number in range(batches):
        hostile.opening = _begin(stack, begun)
        stack.input(*(hostile.frame() for _ in range(BATCH)))
        stack.wait(100)
        stack.forget()
        good_ones_arrive(stack, number)
        _serve(stack)
        yield stack


def _begin(stack: Stack, begun: list[int]) -> list[tuple[int, int, int]]:
    """Closes what was begun and has been answered, and begins as much again; gives ports and first numbers of all."""
    for conn in [conn for conn in begun if stack.conn(conn).state != TcpState.TCP_SYN_SENT]:
        begun.remove(conn)
        stack.call("tcp_close", eax=conn)
    while len(begun) < 8 and not isinstance(conn := stack.connect(port=443), NetError):
        begun.append(conn)
    if not isinstance(conn := stack.connect(net.OURS, 81), NetError):
        stack.call("tcp_close", eax=conn)
    stack.forget()
    return [(*stack.ports(conn), stack.conn(conn).una) for conn in begun]


def _serve(stack: Stack) -> None:
    """Takes what waits to be accepted at both ports, and closes it; who is attacked has not stopped working."""
    for at in range(2):
        listener = stack.symbols["listeners"] + at * LISTENER.size
        while (conn := stack.accept(listener)) is not None:
            stack.tcp_read(conn)
            stack.call("tcp_close", eax=conn)
    stack.forget()


def test_bad_frames_do_no_harm() -> None:
    for stack in attack(seed=1, batches=10):
        in_order(stack)
    reasons = {which for which in stack.counts() if which >= Count.COUNT_TCP_REFUSED}
    assert reasons >= {which for which in Count if which >= Count.COUNT_ETHER_LENGTH} - {
        Count.COUNTS, Count.COUNT_ARP_CONFLICT, Count.COUNT_UDP_PORT, Count.COUNT_ARP_OTHER}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_bad_frames_do_no_harm(seed: int) -> None:
    for number, stack in enumerate(attack(seed=100 + seed, batches=10_000 // BATCH)):
        if number % 10 == 0:
            in_order(stack)


@pytest.mark.parametrize("seed", range(3))
def test_what_stands_behind_a_frame_does_not_matter(seed: int) -> None:
    one, hostile = attacked(seed)
    other, _ = attacked(seed)
    for _ in range(150):
        frame = hostile.frame()
        for stack, junk in ((one, b"\0"), (other, b"\xA5")):
            stack.write("room", junk * 4096)
            stack.input(frame)
        assert one.sent() == other.sent()
    assert one.counts() == other.counts()
