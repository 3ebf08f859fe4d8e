"""UDP, ICMP and what they stand on: packets in, packets out."""

from __future__ import annotations

import struct

import net_frames as net
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_stack import GUEST, PARTS, Stack

from guest.abi.net import Count, NetSize


def test_the_list_of_sources_has_them_all() -> None:
    assert sorted(PARTS) == sorted(path.name for path in (GUEST / "net").glob("*.asm"))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 95, 1471, 1472])
def test_a_datagram_comes_back(stack: Stack, length: int) -> None:
    stack.bind(7, "echo")
    data = bytes(n * 7 & 0xFF for n in range(length))
    answer = stack.ask(net.udp_frame((4000, 7), data))
    assert answer == net.Packet(net.OURS, net.PEER, net.UDP, answer.payload)
    assert answer.ports == (7, 4000) and answer.data == data
    assert stack.count(Count.COUNT_UDP_IN) == 1


def test_a_handler_gets_sender_ports_argument_and_data(stack: Stack) -> None:
    stack.bind(0xFFFF, "note", 0xABCD)
    stack.input(net.udp_frame((0x1234, 0xFFFF), b"hello"))
    assert stack.read("noted", 21) == net.PEER + struct.pack("<III", 0x1234FFFF, 0xABCD, 5) + b"hello"


@given(st.binary(max_size=200), st.integers(0, 0xFFFF_FFFF))
@settings(max_examples=60, deadline=None)
def test_a_checksum_is_what_the_rfc_says(data: bytes, start: int) -> None:
    stack = shared_stack()
    stack.write("room", data)
    total = stack.call("checksum_add", eax=start, esi=stack.symbols["room"], ecx=len(data)).eax
    folded = stack.call("checksum_fold", eax=total).eax
    assert folded.to_bytes(2, "little") == net.checksum(start.to_bytes(4, "little") + data).to_bytes(2, "big")


_shared: list[Stack] = []


def shared_stack() -> Stack:
    """One for all examples of a property that leaves no state behind."""
    _shared[:] = _shared or [Stack()]
    return _shared[0]


def test_a_checksum_of_zero_is_sent_as_ones(stack: Stack) -> None:
    """The data is chosen such that the sum is all ones."""
    start = struct.pack(">HHHH", 1, 2, 10, 0)
    stack.udp_send((1, 2), struct.pack(">H", net.checksum(net.pseudo(net.UDP, net.OURS, net.PEER, start + bytes(2)))))
    (packet,) = stack.packets()
    assert packet.payload[6:8] == b"\xff\xff"


def test_a_datagram_without_checksum_is_taken(stack: Stack) -> None:
    stack.bind(7, "echo")
    answer = stack.ask(net.udp_frame((1, 7), b"x", summed=False))
    assert answer and answer.data == b"x"


def test_options_of_ip_are_skipped_and_padding_is_cut_off(stack: Stack) -> None:
    stack.bind(7, "echo")
    packet = net.ipv4(net.UDP, net.udp((1, 7), b"xyz"), options=b"\x94\x04\0\0" + b"\xff" * 36)
    answer = stack.ask(net.ethernet(packet + bytes(30)))
    assert answer and answer.data == b"xyz"


@pytest.mark.parametrize(("frame", "reason"), [
    (b"", Count.COUNT_ETHER_LENGTH),
    (net.udp_frame((1, 7), b"")[:13], Count.COUNT_ETHER_LENGTH),
    (net.udp_frame((1, 7), bytes(1473)), Count.COUNT_ETHER_LENGTH),
    (net.ethernet(b"x", to=net.OTHER_MAC), Count.COUNT_ETHER_ADDRESS),
    (net.ethernet(b"x", to=net.OUR_MAC[:5] + b"\xff"), Count.COUNT_ETHER_ADDRESS),
    (net.ethernet(b"x", to=net.EVERYBODY[:5] + b"\xfe"), Count.COUNT_ETHER_ADDRESS),
    (net.ethernet(b"x", source=net.EVERYBODY), Count.COUNT_ETHER_ADDRESS),
    (net.ethernet(b"x", 0x86DD), Count.COUNT_ETHER_TYPE),
    (net.ethernet(net.ipv4(net.UDP, b"")[:19]), Count.COUNT_IP_HEADER),
    (net.ethernet(net.ipv4(net.UDP, b"", version=6)), Count.COUNT_IP_HEADER),
    (net.ethernet(net.ipv4(net.UDP, b"", words=4)), Count.COUNT_IP_HEADER),
    (net.ethernet(net.ipv4(net.UDP, b"", words=6)), Count.COUNT_IP_HEADER),
    (net.ethernet(net.ipv4(net.UDP, b"", length=21)), Count.COUNT_IP_HEADER),
    (net.ethernet(net.ipv4(net.UDP, b"", length=19)), Count.COUNT_IP_HEADER),
    (net.ethernet(net.ipv4(net.UDP, b"", damage=1)), Count.COUNT_IP_CHECKSUM),
    (net.ethernet(net.ipv4(net.UDP, b"", fragment=0x2000)), Count.COUNT_IP_FRAGMENT),
    (net.ethernet(net.ipv4(net.UDP, b"", fragment=1)), Count.COUNT_IP_FRAGMENT),
    (net.ethernet(net.ipv4(net.UDP, b"", source=bytes(4))), Count.COUNT_IP_SOURCE),
    (net.ethernet(net.ipv4(net.UDP, b"", source=net.address("127.0.0.1"))), Count.COUNT_IP_SOURCE),
    (net.ethernet(net.ipv4(net.UDP, b"", source=net.address("224.0.0.1"))), Count.COUNT_IP_SOURCE),
    (net.ethernet(net.ipv4(net.UDP, b"", source=net.OURS)), Count.COUNT_IP_SOURCE),
    (net.ethernet(net.ipv4(net.UDP, b"", source=net.NETWORK)), Count.COUNT_IP_SOURCE),
    (net.ethernet(net.ipv4(net.UDP, b"", target=net.OTHER)), Count.COUNT_IP_TARGET),
    (net.ethernet(net.ipv4(net.UDP, b"", target=net.address("127.0.0.1"))), Count.COUNT_IP_TARGET),
    (net.ethernet(net.ipv4(99, b"")), Count.COUNT_IP_PROTOCOL),
    (net.ethernet(net.ipv4(net.ICMP, bytes(7))), Count.COUNT_ICMP_CHECKSUM),
    (net.ethernet(net.ipv4(net.ICMP, net.echo(b"x", damage=1))), Count.COUNT_ICMP_CHECKSUM),
    (net.ethernet(net.ipv4(net.ICMP, net.echo(b"x", kind=0))), Count.COUNT_ICMP_TYPE),
    (net.ethernet(net.ipv4(net.ICMP, net.echo(b"x"), target=net.NETWORK)), Count.COUNT_ICMP_TYPE),
    (net.ethernet(net.ipv4(net.UDP, bytes(7))), Count.COUNT_UDP_LENGTH),
    (net.udp_frame((1, 7), b"x", length=7), Count.COUNT_UDP_LENGTH),
    (net.udp_frame((1, 7), b"x", length=10), Count.COUNT_UDP_LENGTH),
    (net.udp_frame((1, 7), b"x", damage=1), Count.COUNT_UDP_CHECKSUM),
    (net.udp_frame((1, 8), b"x"), Count.COUNT_UDP_PORT),
    (net.udp_frame((1, 0), b"x"), Count.COUNT_UDP_PORT),
])
def test_what_is_wrong_is_dropped_and_counted(stack: Stack, frame: bytes, reason: Count) -> None:
    stack.bind(7, "echo")
    before = stack.count(reason)
    assert stack.ask(frame) is None
    assert stack.count(reason) == before + 1
    assert fates(stack) == stack.count(Count.COUNT_IN)
    assert stack.ask(net.udp_frame((1, 7), b"good"))


def fates(stack: Stack) -> int:
    """How often a frame that came has been counted as something."""
    return sum(number for which, number in stack.counts().items() if which >= Count.COUNT_ETHER_LENGTH)


@pytest.mark.parametrize("size", [0, 1, 56, 1472])
def test_an_echo_request_is_answered(stack: Stack, size: int) -> None:
    data = bytes(n & 0xFF for n in range(size))
    answer = stack.ask(net.ethernet(net.ipv4(net.ICMP, net.echo(data))))
    assert answer and (answer.source, answer.target) == (net.OURS, net.PEER)
    assert answer.payload == net.echo(data, kind=0)


def test_a_datagram_to_all_is_taken_and_can_be_sent(stack: Stack) -> None:
    stack.bind(7, "note", 1)
    for target in (net.NETWORK, b"\xff" * 4):
        packet = net.ipv4(net.UDP, net.udp((1, 7), b"all", target=target), target=target)
        stack.input(net.ethernet(packet, to=net.EVERYBODY))
        assert stack.udp_send((7, 1), b"to all", target)
        (frame,) = stack.sent()
        assert frame[:6] == net.EVERYBODY and net.parse(frame).target == target
    assert stack.count(Count.COUNT_UDP_IN) == 2


def test_too_long_a_datagram_is_refused(stack: Stack) -> None:
    assert not stack.udp_send((1, 2), bytes(1473)) and not stack.sent()
    assert stack.udp_send((1, 2), bytes(1472)) and len(stack.sent()[0]) == 1514


def test_ports_are_bound_once_as_many_as_there_are_and_given_back(stack: Stack) -> None:
    assert stack.bind(7, "echo") and not stack.bind(7, "note")
    assert all(stack.bind(100 + n, "echo") for n in range(NetSize.UDP_PORTS - 1))
    assert not stack.bind(99, "echo")
    stack.call("udp_unbind", eax=7)
    stack.call("udp_unbind", eax=8)
    assert stack.ask(net.udp_frame((1, 7), b"x")) is None
    assert stack.bind(99, "echo") and stack.ask(net.udp_frame((1, 99), b"x"))
