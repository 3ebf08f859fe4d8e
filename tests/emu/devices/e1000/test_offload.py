"""Checksums and segmentation, against sums computed word by word."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.devices.e1000.offload import check, insert, total
from emu.devices.e1000.registers import Ctrl, Register
from tests.emu.devices.e1000.card import (
    DEXT,
    EOP,
    IC,
    IDE,
    IFCS,
    MAC,
    PEER,
    RS,
    TSE,
    Card,
    ethernet,
    frame,
    ipv4,
    pseudo,
    tcp,
    udp,
    words,
)

IXSM, TCPCS, IPCS, TCPE, IPE = 0x04, 0x20, 0x40, 0x2000, 0x4000
IPOFL, TUOFL = 0x100, 0x200
VLAN = 0x8100


@pytest.fixture
def card() -> Card:
    card = Card()
    card.start()
    return card


@given(st.binary(max_size=2000))
def test_the_sum_is_that_of_rfc_1071(data: bytes) -> None:
    assert total(data) == words(data) ^ 0xFFFF


@given(st.binary(max_size=100), st.integers(-1, 130), st.integers(0, 130), st.integers(0, 130), st.booleans())
def test_a_checksum_is_inserted_where_it_fits(data: bytes, field: int, start: int, end: int, is_udp: bool) -> None:
    packet = bytearray(data)
    insert(packet, field, start, end, udp=is_udp)
    assert len(packet) == len(data)
    expected = bytearray(data)
    if start < len(data) and 0 <= field <= len(data) - 2:
        expected[field:field + 2] = (words(data[start:end]) or (0xFFFF if is_udp else 0)).to_bytes(2, "big")
    assert packet == expected


@given(st.binary(max_size=120))
def test_any_frame_can_be_checked(data: bytes) -> None:
    assert check(data, VLAN) in [(ip, transport) for ip in (None, False, True) for transport in (None, False, True)]
    check(ethernet(b"\x45" + data), VLAN)


@pytest.mark.parametrize(("packet", "expected"), [
    (ipv4(17, udp(b"hello")), IPCS | TCPCS),
    (ipv4(17, udp(b"hello!", right=False)), IPCS | TCPCS | TCPE),
    (ipv4(17, udp(b"hello"), right=False), IPCS | IPE | TCPCS),
    (ipv4(17, udp(b"hello", without=True)), IPCS),
    (ipv4(6, tcp(b"x" * 1001)), IPCS | TCPCS),
    (ipv4(6, tcp(b"x" * 1001, right=False)), IPCS | TCPCS | TCPE),
    (ipv4(6, tcp(b""), options=b"\1" * 8), IPCS | TCPCS),
    (ipv4(6, tcp(b""), fragment=0x2000), IPCS),
    (ipv4(6, tcp(b""), fragment=0x0001), IPCS),
    (ipv4(6, tcp(b""), fragment=0x4000), IPCS | TCPCS),         # don't fragment
    (ipv4(6, b"short"), IPCS),
    (ipv4(1, b"ping" * 10), IPCS),
    (b"\x44" + bytes(60), IXSM),
    (b"\x60" + bytes(60), IXSM),
])
def test_received_checksums_are_checked(card: Card, packet: bytes, expected: int) -> None:
    card.put(Register.RXCSUM, IPOFL | TUOFL)
    tagged = MAC + PEER + b"\x81\x00\x00\x01\x08\x00" + packet
    snap = ethernet(b"\xAA\xAA\x03\x00\x00\x00\x08\x00" + packet, 8 + len(packet))
    for sent in (ethernet(packet), tagged, snap):
        (_, status, *_), = card.receive(sent)
        assert status & ~3 == expected
    card.put(Register.RXCSUM, IPOFL)
    (_, status, *_), = card.receive(ethernet(packet))
    assert status & ~3 == (expected & (IPCS | IPE) or IXSM)
    card.put(Register.RXCSUM, 0)
    (_, status, *_), = card.receive(ethernet(packet))
    assert status & ~3 == IXSM


def test_other_packets_are_not_checked(card: Card) -> None:
    card.put(Register.RXCSUM, IPOFL | TUOFL)
    assert card.receive(frame())[0][1] & ~3 == IXSM


@pytest.mark.parametrize("start", [0, 14, 34, 200])
def test_the_packet_checksum_begins_where_software_says(card: Card, start: int) -> None:
    card.put(Register.RXCSUM, start)
    assert card.receive(frame(100))[0][2] == words(frame(100)[start:])


def without(packet: bytes, at: int, value: int = 0) -> bytes:
    """The packet with another checksum in it."""
    return packet[:at] + value.to_bytes(2, "big") + packet[at + 2:]


def partial(protocol: int, length: int) -> int:
    """What a driver leaves in the checksum field: the sum of the pseudo header."""
    return words(pseudo(protocol, length)) ^ 0xFFFF


def prototype(protocol: int, segment: bytes, at: int) -> bytes:
    """The header of segments to come, as a driver leaves it."""
    header = ethernet(ipv4(protocol, segment), to=PEER)
    return without(without(without(header, 16), 24), at, partial(protocol, 0))


def test_a_legacy_descriptor_inserts_a_checksum(card: Card) -> None:
    right = ethernet(ipv4(17, udp(b"payload")), to=PEER)
    card.legacy(without(right, 40, partial(17, 15)), EOP | IFCS | IC | RS, cso=40, css=34)
    card.legacy(without(right, 40), EOP | IFCS | IC | RS, cso=250, css=34)          # beyond the packet
    card.go()
    card.settle()
    assert card.wire.sent[0][:len(right)] == right
    assert card.wire.sent[1][:len(right)] == without(right, 40)


def context(card: Card, protocol: int, *, paylen: int = 0, mss: int = 0, tse: bool = False, ip_end: int = 33,
            hdrlen: int = 0, is_tcp: bool = True) -> None:
    command = DEXT | is_tcp | 2 | (TSE if tse else 0)
    card.describe(14 | 24 << 8 | ip_end << 16 | 34 << 32 | (34 + (16 if is_tcp else 6)) << 40,
                  paylen | command << 24 | hdrlen << 40 | mss << 48)


@pytest.mark.parametrize(("protocol", "segment", "at"), [(6, tcp(b"data" * 100 + b"!"), 50), (17, udp(b"data"), 40)])
def test_data_descriptors_insert_both_checksums(card: Card, protocol: int, segment: bytes, at: int) -> None:
    right = ethernet(ipv4(protocol, segment), to=PEER)
    given = without(without(right, 24), at, partial(protocol, len(segment)))
    context(card, protocol, is_tcp=protocol == 6)
    card.data(given[:54], IFCS, options=3)
    card.data(given[54:], EOP | IFCS | RS)                                          # its options do not count
    card.data(given, options=1)
    card.data(given, options=0)
    card.go()
    card.settle()
    sent = [each[:len(right)] for each in card.wire.sent]
    assert sent == [right, without(right, at, partial(protocol, len(segment))), given]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20_000), st.integers(200, 1460), st.lists(st.integers(1, 8000), max_size=4), st.booleans())
def test_tcp_segmentation(size: int, mss: int, cuts: list[int], header_apart: bool) -> None:
    card = Card()
    card.start(tx=64)
    payload = bytes(i * i & 0xFF for i in range(size))
    header = prototype(6, tcp(b"", flags=0x19), 50)                                 # ACK, PSH, FIN
    context(card, 6, paylen=size, mss=mss, tse=True, hdrlen=54)
    given = header + payload
    edges = sorted({0, len(given), *(54 + cut for cut in cuts if cut < size), *([54] if header_apart else [])})
    edges = sorted({*edges, *range(0, len(given), 16000)})
    for start, end in pairwise(edges):
        last = EOP if end == len(given) else 0
        card.data(given[start:end], last | IFCS | TSE | RS, options=3)
    card.go()
    card.settle(100_000_000)
    pieces = [payload[i:i + mss] for i in range(0, size, mss)]
    assert len(card.wire.sent) == len(pieces)
    for i, (sent, piece) in enumerate(zip(card.wire.sent, pieces, strict=True)):
        flags = 0x19 if i == len(pieces) - 1 else 0x10
        right = bytearray(ipv4(6, tcp(piece, sequence=0x01020304 + i * mss, flags=flags)))
        struct.pack_into(">H", right, 4, 0x1234 + i & 0xFFFF)
        struct.pack_into(">H", right, 10, 0)
        struct.pack_into(">H", right, 10, words(bytes(right[:20])))
        assert sent == ethernet(bytes(right), to=PEER).ljust(60, b"\0")
    card.transmit(frame())                                                          # and a plain one after it
    assert card.wire.sent[-1] == frame()


def test_a_context_in_the_midst_of_a_packet_is_ignored(card: Card) -> None:
    header = prototype(6, tcp(b""), 50)
    context(card, 6, paylen=2000, mss=1000, tse=True, hdrlen=54)
    card.data(header + bytes(500), IFCS | TSE | RS, options=3)
    context(card, 6, paylen=1, mss=0, tse=True, hdrlen=0)
    card.data(bytes(1500), EOP | IFCS | TSE | RS)
    card.go()
    card.settle()
    assert [(len(sent), check(sent, VLAN)) for sent in card.wire.sent] == [(1054, (True, True))] * 2


def test_segmented_datagrams_get_their_length(card: Card) -> None:
    header = prototype(17, udp(b""), 40)
    context(card, 17, paylen=250, mss=100, tse=True, hdrlen=42, is_tcp=False)
    card.data(header + bytes(range(250)), EOP | IFCS | TSE | RS, options=3)
    card.go()
    card.settle()
    assert [check(sent, VLAN) for sent in card.wire.sent] == [(True, True)] * 3
    assert [int.from_bytes(sent[38:40], "big") for sent in card.wire.sent] == [108, 108, 58]


def test_segments_over_ipv6_get_their_payload_length(card: Card) -> None:
    head = ethernet(struct.pack(">IHBB16s16s", 6 << 28, 0, 6, 64, bytes(16), bytes(16)), 0x86DD, PEER) + tcp(b"")[:20]
    card.describe(14 | 54 << 32 | 70 << 40, 1500 | (DEXT | TSE | 1) << 24 | 74 << 40 | 1000 << 48)
    card.data(head + bytes(1500), EOP | IFCS | TSE | RS)
    card.go()
    card.settle()
    assert [int.from_bytes(sent[18:20], "big") for sent in card.wire.sent] == [1020, 520]
    assert [int.from_bytes(sent[58:62], "big") - 0x01020304 for sent in card.wire.sent] == [0, 1000]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.booleans()), min_size=1, max_size=15))
def test_descriptors_of_any_content_hurt_nobody(descriptors: list[tuple[bytes, bool]]) -> None:
    card = Card()
    card.start()
    card.put(Register.CTRL, card.get(Register.CTRL) | Ctrl.VME)
    for contents, sensible in descriptors:
        low, high = struct.unpack("<QQ", contents)
        if sensible:                                            # an address that exists, a length that fits
            low, high = low & 0x7FFFF, high & ~0xFF000 | (EOP | RS) << 24
        card.describe(low, high & ~(IDE << 24))
    card.go()
    card.settle(2_000_000_000)
    assert card.nic.transmitter.ring.stopped or card.get(Register.TDH) == card.get(Register.TDT)
    card.start()
    card.transmit(frame())
    assert card.wire.sent[-1] == frame()
