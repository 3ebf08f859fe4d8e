"""The host on the wire: ARP, ping, UDP ports, what it drops, and its state."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.clock import NEVER
from emu.net.packets import (
    ANY_MAC,
    BROADCAST,
    Arp,
    Ethernet,
    EtherType,
    Icmp,
    IcmpType,
    IPv4,
    Operation,
    Protocol,
    Udp,
    ip,
    mac,
)
from tests.emu.net.pair import FREQUENCY, GUEST, GUEST_MAC, HOST, HOST_MAC, Pair, catch

OTHER, OTHER_MAC = ip("10.0.0.9"), mac("02:00:00:00:00:09")


@pytest.fixture
def pair() -> Pair:
    return Pair()


def request(target: bytes, sender: bytes = GUEST, sender_mac: bytes = GUEST_MAC) -> bytes:
    arp = Arp(Operation.REQUEST, sender_mac, sender, ANY_MAC, target)
    return Ethernet(BROADCAST, sender_mac, EtherType.ARP, arp.build()).build()


def packet(protocol: int, payload: bytes, **fields: Any) -> bytes:
    """A frame with an IPv4 packet for the host."""
    carried = IPv4(GUEST, HOST, protocol, payload)._replace(**fields)
    return Ethernet(HOST_MAC, GUEST_MAC, EtherType.IPV4, carried.build()).build()


def datagram(payload: bytes, port: int = 9) -> bytes:
    return Udp(1000, port, payload).build(GUEST, HOST)


# ARP

def test_it_answers_arp_for_its_own_address(pair: Pair) -> None:
    pair.inject(request(HOST))
    answer = Ethernet.parse(pair.frames[-1])
    assert answer[:3] == (GUEST_MAC, HOST_MAC, EtherType.ARP)
    assert Arp.parse(answer.payload) == Arp(Operation.REPLY, HOST_MAC, HOST, GUEST_MAC, GUEST)
    assert pair.host.arps == 1
    assert pair.host.addresses == {GUEST: GUEST_MAC}


def test_it_does_not_answer_for_others_nor_learns_from_them(pair: Pair) -> None:
    pair.inject(request(OTHER))
    assert len(pair.frames) == 1
    assert pair.host.addresses == {}


def test_whom_it_knows_may_move(pair: Pair) -> None:
    pair.inject(request(HOST))
    pair.inject(request(GUEST, sender_mac=OTHER_MAC))               # to itself: an announcement
    assert pair.host.addresses == {GUEST: OTHER_MAC}


def test_who_asks_whether_an_address_is_free_is_answered_and_not_learnt(pair: Pair) -> None:
    pair.inject(request(HOST, sender=bytes(4)))
    assert (pair.host.arps, pair.host.addresses) == (1, {})


def test_nobody_takes_its_own_address_from_it(pair: Pair) -> None:
    pair.inject(request(HOST, sender=HOST))
    assert pair.host.addresses == {}


def test_it_remembers_a_limited_number_of_addresses(pair: Pair) -> None:
    for number in range(2000):
        pair.inject(request(HOST, sender=bytes((10, 1, number >> 8, number & 0xFF))))
    assert len(pair.host.addresses) == 1024
    assert bytes((10, 1, 0, 0)) not in pair.host.addresses


def test_what_it_sends_waits_until_the_address_is_found(pair: Pair) -> None:
    payloads = catch(pair.guest, 9)
    assert pair.host.send_udp(5, GUEST, 9, b"one")
    assert pair.host.send_udp(5, GUEST, 9, b"two")
    pair.settle()
    assert payloads == [b"one", b"two"]
    assert [Ethernet.parse(frame).type for frame in pair.frames] == [
        EtherType.ARP, EtherType.ARP, EtherType.IPV4, EtherType.IPV4]


def test_it_asks_ten_times_and_gives_up(pair: Pair) -> None:
    assert pair.host.send_udp(5, OTHER, 9, b"nobody")
    pair.settle()
    assert pair.frames == [request(OTHER, HOST, HOST_MAC)] * 10
    assert pair.clock.now == FREQUENCY // 10
    assert pair.host.unreachable == 1
    assert pair.host.send_udp(5, OTHER, 9, b"nobody")               # and asks anew
    pair.settle()
    assert len(pair.frames) == 20


def test_not_too_many_packets_wait_and_not_for_too_many_addresses(pair: Pair) -> None:
    assert [pair.host.send_udp(5, OTHER, 9, b"") for _ in range(65)] == [True] * 64 + [False]
    assert [pair.host.send_udp(5, bytes((10, 0, 1, number)), 9, b"") for number in range(64)] == [True] * 63 + [False]
    pair.settle()
    assert pair.host.unreachable == 1 + 1 + 64 + 63


def test_a_broadcast_needs_no_address(pair: Pair) -> None:
    payloads = catch(pair.guest, 9)
    assert pair.host.send_udp(5, ip("255.255.255.255"), 9, b"all")
    pair.settle()
    assert payloads == [b"all"]
    assert pair.frames[0][:6] == BROADCAST


# Ping

def test_it_answers_ping(pair: Pair) -> None:
    pair.inject(request(HOST))
    message = Icmp(IcmpType.ECHO_REQUEST, 0, 0x1234, 7, bytes(range(56)))
    pair.inject(packet(Protocol.ICMP, message.build()))
    answer = IPv4.parse(Ethernet.parse(pair.frames[-1]).payload)
    assert (answer.source, answer.destination) == (HOST, GUEST)
    assert Icmp.parse(answer.payload) == message._replace(type=IcmpType.ECHO_REPLY)
    assert pair.host.pings == 1


def test_who_pings_without_having_asked_for_the_address_is_looked_for(pair: Pair) -> None:
    pair.inject(packet(Protocol.ICMP, Icmp(IcmpType.ECHO_REQUEST, 0, 1, 1, b"").build()))
    assert Ethernet.parse(pair.frames[-1]).type == EtherType.IPV4
    assert pair.guest.ignored == 1                                  # the answer: no one waits for it there


# UDP

def test_a_port_gets_its_datagrams(pair: Pair) -> None:
    payloads = catch(pair.host, 9)
    pair.inject(packet(Protocol.UDP, datagram(b"for it")))
    pair.inject(packet(Protocol.UDP, datagram(b"not for it", port=10)))
    assert payloads == [b"for it"]
    assert pair.host.unclaimed == 1


@pytest.mark.parametrize(("port", "message"), [
    (9, "UDP port 9 of the host is taken"), (65_536, "there is no UDP port 65536"), (-1, "there is no UDP port -1")])
def test_a_port_that_cannot_be_had_is_refused(pair: Pair, port: int, message: str) -> None:
    catch(pair.host, 9)
    with pytest.raises(ValueError, match=message):
        catch(pair.host, port)


# What it drops

@pytest.mark.parametrize(("frame", "counter"), [
    (b"short", "malformed"),
    (Ethernet(HOST_MAC, GUEST_MAC, EtherType.IPV4, b"no packet").build(), "malformed"),
    (Ethernet(HOST_MAC, GUEST_MAC, EtherType.ARP, b"no packet").build(), "malformed"),
    (packet(Protocol.ICMP, b"no message"), "malformed"),
    (packet(Protocol.UDP, datagram(b"x")[:-1] + b"y"), "malformed"),
    (Ethernet(OTHER_MAC, GUEST_MAC, EtherType.IPV4, b"").build(), "ignored"),
    (Ethernet(HOST_MAC, GUEST_MAC, 0x86DD, b"IPv6").build(), "ignored"),
    (packet(Protocol.TCP, bytes(20)), "ignored"),
    (packet(Protocol.ICMP, Icmp(IcmpType.UNREACHABLE, 3, 0, 0, b"").build()), "ignored"),
    (packet(Protocol.UDP, datagram(b"part"), fragment=0x2000), "fragments"),
    (packet(Protocol.UDP, datagram(b"x")), "unclaimed"),
])
def test_what_is_of_no_use_is_dropped_and_counted(pair: Pair, frame: bytes, counter: str) -> None:
    expected = dict.fromkeys(pair.host.describe(), 0) | {"received": 1, counter: 1}
    pair.inject(frame)
    assert pair.host.describe() == expected
    assert len(pair.frames) == 1


def test_a_protocol_of_ones_own_gets_its_packets(pair: Pair) -> None:
    packets: list[IPv4] = []
    pair.host.protocols[Protocol.TCP] = packets.append
    pair.inject(packet(Protocol.TCP, b"a segment"))
    assert packets == [IPv4(GUEST, HOST, Protocol.TCP, b"a segment")]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_noise_does_not_keep_a_good_datagram_away(seed: int) -> None:
    pair, noise = Pair(), random.Random(seed)
    payloads = catch(pair.host, 9)
    good = packet(Protocol.UDP, datagram(b"good"))
    for _ in range(20):
        bad = bytearray(good if noise.random() < 0.7 else request(HOST))
        for _ in range(noise.randrange(1, 4)):
            bad[noise.randrange(6, len(bad))] = noise.randrange(256)
        pair.inject(bytes(bad[:noise.randrange(len(bad) + 1)]))
    before = len(payloads)
    pair.inject(good)
    assert payloads[before:] == [b"good"]


# State

def test_a_host_goes_on_from_where_it_was_saved(pair: Pair) -> None:
    payloads = catch(pair.guest, 9)
    pair.guest.addresses[HOST] = HOST_MAC
    pair.host.send_udp(5, GUEST, 9, b"waits")
    pair.host.send_udp(5, OTHER, 9, b"in vain")
    pair.clock.advance(100)
    text = json.dumps([part.save() for part in pair.parts])
    pair.settle()
    assert payloads == [b"waits"]
    other = Pair()
    payloads = catch(other.guest, 9)
    for each, saved in zip(other.parts, json.loads(text), strict=True):
        each.load(saved)
    assert other.clock.deadline != NEVER
    other.settle()
    assert payloads == [b"waits"]
    assert other.clock.now == pair.clock.now
    assert [part.save() for part in other.parts] == [part.save() for part in pair.parts]


def test_there_is_one_host_at_an_end(pair: Pair) -> None:
    from emu.net.host import Host

    with pytest.raises(ValueError, match=r"two events are called 'wire\.1\.arp'"):
        Host(pair.clock, pair.wire.ends[1])
