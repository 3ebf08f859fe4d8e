"""Packets: bytes from the RFCs and from captures, building and parsing as inverses, and everything malformed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
    PacketError,
    Protocol,
    Tcp,
    TcpFlag,
    Udp,
    checksum,
    ip,
    ip_text,
    mac,
    mac_text,
    mss_option,
)

A, B = ip("10.0.0.1"), ip("10.0.0.2")
MAC_A, MAC_B = mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")
macs = st.binary(min_size=6, max_size=6)
ips = st.binary(min_size=4, max_size=4)
words = st.integers(0, 0xFFFF)
octets = st.integers(0, 0xFF)


def slow_checksum(data: bytes) -> int:
    """RFC 1071, as its C."""
    total = sum(word for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) & 1)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def test_the_checksum_of_the_rfc() -> None:
    assert checksum(bytes.fromhex("0001 f203 f4f5 f6f7")) == 0xFFFF - 0xDDF2          # RFC 1071, section 3


@given(st.binary(max_size=100))
@example(b"")
@example(b"\0\0")
@example(b"\xFF\xFF")
@example(b"\xFF\xFE\0\1")
def test_the_checksum_is_that_of_word_by_word(data: bytes) -> None:
    assert checksum(data) == slow_checksum(data)


@pytest.mark.parametrize("text", ["10.0.0", "10.0.0.256", "10.0.0.1.2", "10.0.0.x", "", "010.0.0.1"])
def test_what_is_no_ip_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no IPv4 address; one is 10\.0\.0\.1"):
        ip(text)


@pytest.mark.parametrize("text", ["02:00:00:00:00", "02:00:00:00:00:0g", "2:0:0:0:0:1", "", "020000000001"])
def test_what_is_no_ethernet_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no Ethernet address; one is 02:00:00:00:00:01"):
        mac(text)


def test_addresses_as_text() -> None:
    assert ip_text(ip("192.168.0.255")) == "192.168.0.255"
    assert mac_text(mac("02:AB:00:00:00:ff")) == "02:ab:00:00:00:ff"


# Ethernet

def test_a_frame_is_padded_to_the_shortest() -> None:
    built = Ethernet(MAC_B, MAC_A, EtherType.IPV4, b"payload").build()
    assert built == MAC_B + MAC_A + b"\x08\x00payload" + b"\0" * 39
    assert len(built) == 60


@given(macs, macs, words, st.binary(min_size=46, max_size=100))
def test_a_frame_is_what_was_built(destination: bytes, source: bytes, type: int, payload: bytes) -> None:
    frame = Ethernet(destination, source, type, payload)
    assert Ethernet.parse(frame.build()) == frame


def test_a_frame_without_a_header_is_refused() -> None:
    with pytest.raises(PacketError, match="a frame of 13 bytes has no room for an Ethernet header"):
        Ethernet.parse(bytes(13))


# ARP

def test_an_arp_request() -> None:
    request = Arp(Operation.REQUEST, MAC_A, A, ANY_MAC, B)
    assert request.build().hex() == "0001080006040001" "020000000001" "0a000001" "000000000000" "0a000002"
    frame = Ethernet(BROADCAST, MAC_A, EtherType.ARP, request.build()).build()
    assert Arp.parse(Ethernet.parse(frame).payload) == request


@pytest.mark.parametrize(("data", "message"), [
    (bytes(27), "an ARP packet has 28 bytes, not 27"),
    (bytes(28), "an ARP packet for something else than IPv4 over Ethernet"),
])
def test_an_arp_packet_that_is_none_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(PacketError, match=message):
        Arp.parse(data)


# IPv4

KNOWN = bytes.fromhex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7")     # a header from a capture, often quoted


def test_a_header_from_a_capture() -> None:
    packet = IPv4.parse(KNOWN + bytes(95))
    assert (ip_text(packet.source), ip_text(packet.destination)) == ("192.168.0.1", "192.168.0.199")
    assert (packet.protocol, packet.ttl, len(packet.payload), packet.fragmented) == (Protocol.UDP, 64, 95, False)
    assert packet.build() == KNOWN + bytes(95)


@given(ips, ips, octets, st.binary(max_size=50), octets, words, words, st.integers(0, 10), octets)
def test_a_packet_is_what_was_built(source: bytes, destination: bytes, protocol: int, payload: bytes, ttl: int,
                                    identification: int, fragment: int, options: int, service: int) -> None:
    packet = IPv4(source, destination, protocol, payload, ttl, identification, fragment, b"\1" * 4 * options, service)
    assert IPv4.parse(packet.build()) == packet
    assert IPv4.parse(packet.build() + b"padding") == packet


@pytest.mark.parametrize(("fragment", "is_one"), [(0x4000, False), (0, False), (0x2000, True), (1, True)])
def test_what_a_fragment_is(fragment: int, is_one: bool) -> None:
    assert IPv4(A, B, Protocol.UDP, b"", fragment=fragment).fragmented is is_one


@pytest.mark.parametrize("data", [
    b"", KNOWN[:19],
    KNOWN + bytes(94),                                      # cut
    b"\x65" + KNOWN[1:] + bytes(95),                        # version 6
    b"\x44" + KNOWN[1:] + bytes(95),                        # a header of 16 bytes
    b"\x4F" + KNOWN[1:] + bytes(95),                        # a header of 60 bytes: another checksum
    KNOWN[:8] + b"\x3F" + KNOWN[9:] + bytes(95),            # another TTL: another checksum
    KNOWN[:2] + b"\0\x13" + KNOWN[4:] + bytes(95),          # shorter than its header
])
def test_a_malformed_packet_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        IPv4.parse(data)


def test_a_packet_that_is_too_long_is_refused() -> None:
    with pytest.raises(PacketError, match="an IPv4 packet has at most 65535 bytes, not 65536"):
        IPv4(A, B, Protocol.UDP, bytes(65_516)).build()


# ICMP

def test_an_echo_request() -> None:
    message = Icmp(IcmpType.ECHO_REQUEST, 0, 0x1234, 1, b"abcd")
    assert message.build() == bytes.fromhex("0800 2104 1234 0001 6162 6364")
    assert Icmp.parse(message.build()) == message


@pytest.mark.parametrize("data", [bytes(7), Icmp(8, 0, 1, 1, b"abcd").build()[:-1] + b"x"])
def test_a_malformed_message_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        Icmp.parse(data)


# UDP

@given(words, words, st.binary(max_size=100), ips, ips)
def test_a_datagram_is_what_was_built(source: int, destination: int, payload: bytes, sender: bytes,
                                      receiver: bytes) -> None:
    datagram = Udp(source, destination, payload)
    built = datagram.build(sender, receiver)
    assert built[6:8] != b"\0\0"
    assert slow_checksum(sender + receiver + struct.pack("!HH", 17, len(built)) + built) == 0
    assert Udp.parse(built, sender, receiver) == datagram
    assert Udp.parse(built + b"behind it", sender, receiver) == datagram


def test_a_checksum_that_comes_out_as_zero_is_sent_as_ones() -> None:
    rest = slow_checksum(A + B + struct.pack("!HHHHH", 17, 10, 1, 2, 10))
    built = Udp(1, 2, rest.to_bytes(2)).build(A, B)
    assert built[6:8] == b"\xFF\xFF"
    assert Udp.parse(built, A, B).payload == rest.to_bytes(2)


def test_a_datagram_without_checksum_is_taken() -> None:
    assert Udp.parse(bytes.fromhex("0001 0002 000a 0000 6162"), A, B) == Udp(1, 2, b"ab")


@pytest.mark.parametrize("data", [
    b"", bytes(7),
    bytes.fromhex("0001 0002 0007 0000"),                   # shorter than its header
    bytes.fromhex("0001 0002 000b 0000 6162"),              # longer than what is there
    bytes.fromhex("0001 0002 000a 1234 6162"),              # a wrong checksum
])
def test_a_malformed_datagram_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        Udp.parse(data, A, B)


# TCP

def test_a_syn_by_hand() -> None:
    syn = Tcp(0x9C40, 80, 1, 0, TcpFlag.SYN, 0xFFFF, options=mss_option(1460))
    built = syn.build(A, B)
    rest = slow_checksum(A + B + bytes.fromhex("0006 0018 9c40 0050 0000 0001 0000 0000 6002 ffff 0000 0000 0204 05b4"))
    assert built == bytes.fromhex("9c40 0050 0000 0001 0000 0000 6002 ffff") + rest.to_bytes(2) + bytes.fromhex(
        "0000 0204 05b4")
    assert Tcp.parse(built, A, B) == syn and syn.mss == 1460


@given(words, words, st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1), st.integers(0, 0x3F), words,
       st.binary(max_size=100), st.integers(0, 10), words, ips, ips)
def test_a_segment_is_what_was_built(source: int, destination: int, sequence: int, acknowledgement: int, flags: int,
                                     window: int, payload: bytes, options: int, urgent: int, sender: bytes,
                                     receiver: bytes) -> None:
    segment = Tcp(source, destination, sequence, acknowledgement, flags, window, payload, b"\1" * 4 * options, urgent)
    built = segment.build(sender, receiver)
    assert slow_checksum(sender + receiver + struct.pack("!HH", 6, len(built)) + built) == 0
    assert Tcp.parse(built, sender, receiver) == segment


@pytest.mark.parametrize(("options", "mss"), [
    ("", None), ("020405b4", 1460), ("0101 0204 0218 0101", 536), ("0303 0701 0204 05b4", 1460), ("0000 0000", None),
    ("0001 0204 05b4 0000", None), ("0203 0500", None)])
def test_the_mss_among_the_options(options: str, mss: int | None) -> None:
    assert Tcp(1, 2, 3, 4, TcpFlag.SYN, 5, options=bytes.fromhex(options)).mss == mss


@pytest.mark.parametrize("options", ["0101 0102", "0204 05", "0200 0000", "0301 0000", "05ff 0000"])
def test_options_that_overlap_or_are_cut_are_refused(options: str) -> None:
    with pytest.raises(PacketError, match="a TCP segment whose options have no sense"):
        _ = Tcp(1, 2, 3, 4, TcpFlag.SYN, 5, options=bytes.fromhex(options)).mss


GOOD = Tcp(1, 2, 3, 4, TcpFlag.ACK, 5, b"data").build(A, B)


@pytest.mark.parametrize("data", [
    b"", GOOD[:19], GOOD[:-1], GOOD + b"x",
    GOOD[:12] + b"\x40" + GOOD[13:],                        # a header of 16 bytes
    GOOD[:12] + b"\x70" + GOOD[13:],                        # a header of 28 bytes
    GOOD[:7] + b"\0" + GOOD[8:],                            # another sequence number: another checksum
])
def test_a_malformed_segment_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        Tcp.parse(data, A, B)


def test_a_segment_for_somebody_else_has_a_wrong_checksum() -> None:
    with pytest.raises(PacketError, match="a TCP segment with a wrong checksum"):
        Tcp.parse(GOOD, A, A)


@given(st.binary(max_size=80))
def test_noise_is_parsed_or_refused_and_nothing_else(data: bytes) -> None:
    for parse in (Ethernet.parse, Arp.parse, IPv4.parse, Icmp.parse, lambda data: Udp.parse(data, A, B),
                  lambda data: Tcp.parse(data, A, B)):
        try:
            parse(data)
        except PacketError as error:
            assert "\n" not in str(error)
