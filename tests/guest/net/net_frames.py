"""Frames, built and taken apart in Python: the other side of the guest's network stack."""

from __future__ import annotations

import struct
from dataclasses import dataclass

EVERYBODY = b"\xff" * 6
OUR_MAC, PEER_MAC, OTHER_MAC = (bytes.fromhex(text) for text in ("525400123456", "02000000000a", "02000000000b"))
IP_TYPE, ARP_TYPE = 0x0800, 0x0806
ICMP, TCP, UDP = 1, 6, 17


def address(text: str) -> bytes:
    """An IPv4 address from a.b.c.d."""
    return bytes(map(int, text.split(".")))


OURS, PEER, OTHER, GATEWAY = map(address, ("10.0.0.2", "10.0.0.1", "10.0.0.7", "10.0.0.254"))
MASK, FAR, NETWORK = map(address, ("255.255.255.0", "192.0.2.9", "10.0.0.255"))


def checksum(data: bytes) -> int:
    """RFC 1071, written as plainly as can be."""
    data += bytes(len(data) % 2)
    total = sum(data[i] << 8 | data[i + 1] for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(payload: bytes, kind: int = IP_TYPE, *, to: bytes = OUR_MAC, source: bytes = PEER_MAC) -> bytes:
    """A frame, not padded."""
    return to + source + struct.pack(">H", kind) + payload


def arp(operation: int, sender: bytes, mac: bytes, target: bytes, target_mac: bytes = bytes(6), *,
        to: bytes = EVERYBODY) -> bytes:
    """A frame with an ARP packet: 1 a question, 2 an answer."""
    packet = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + mac + sender + target_mac + target
    return ethernet(packet, ARP_TYPE, to=to, source=mac)


def ipv4(protocol: int, payload: bytes, *, source: bytes = PEER, target: bytes = OURS, options: bytes = b"",
         fragment: int = 0, version: int = 4, words: int | None = None, length: int | None = None, ttl: int = 64,
         damage: int = 0) -> bytes:
    """A packet; `damage` is XORed into its checksum."""
    words = 5 + len(options) // 4 if words is None else words
    length = 20 + len(options) + len(payload) if length is None else length
    start = struct.pack(">BBHHHBB", version << 4 | words, 0, length, 7, fragment, ttl, protocol)
    rest = source + target + options
    return start + struct.pack(">H", checksum(start + bytes(2) + rest) ^ damage) + rest + payload


def pseudo(protocol: int, source: bytes, target: bytes, segment: bytes) -> bytes:
    """What the checksums of UDP and TCP go over."""
    return source + target + struct.pack(">BBH", 0, protocol, len(segment)) + segment


def udp(ports: tuple[int, int], data: bytes, *, source: bytes = PEER, target: bytes = OURS, length: int | None = None,
        damage: int = 0, summed: bool = True) -> bytes:
    """A datagram."""
    start = struct.pack(">HHH", *ports, 8 + len(data) if length is None else length)
    total = checksum(pseudo(UDP, source, target, start + bytes(2) + data)) or 0xFFFF
    return start + struct.pack(">H", total ^ damage if summed else 0) + data


def udp_frame(ports: tuple[int, int], data: bytes, **more: int) -> bytes:
    """A frame with a datagram for us."""
    return ethernet(ipv4(UDP, udp(ports, data, **more)))


def tcp(ports: tuple[int, int], seq: int, ack: int, flags: int, data: bytes = b"", *, window: int = 8192,
        options: bytes = b"", words: int | None = None, damage: int = 0, source: bytes = PEER,
        target: bytes = OURS) -> bytes:
    """A segment; options are padded."""
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4 if words is None else words
    start = struct.pack(">HHIIBBH", *ports, seq & 0xFFFF_FFFF, ack & 0xFFFF_FFFF, words << 4, flags, window)
    rest = bytes(2) + options + data
    total = checksum(pseudo(TCP, source, target, start + bytes(2) + rest))
    return start + struct.pack(">H", total ^ damage) + rest


def tcp_frame(ports: tuple[int, int], seq: int, ack: int, flags: int, data: bytes = b"", *, window: int = 8192,
              options: bytes = b"", words: int | None = None, damage: int = 0) -> bytes:
    """A frame with a segment for us."""
    segment = tcp(ports, seq, ack, flags, data, window=window, options=options, words=words, damage=damage)
    return ethernet(ipv4(TCP, segment))


def echo(data: bytes, kind: int = 8, damage: int = 0) -> bytes:
    """An ICMP message: an echo request."""
    start, rest = struct.pack(">BB", kind, 0), struct.pack(">HH", 77, 1) + data
    return start + struct.pack(">H", checksum(start + bytes(2) + rest) ^ damage) + rest


@dataclass
class Packet:
    """An IPv4 packet that we have got, checked."""

    source: bytes
    target: bytes
    protocol: int
    payload: bytes

    @property
    def ports(self) -> tuple[int, int]:
        """Of UDP or TCP."""
        source, target = struct.unpack_from(">HH", self.payload)
        return source, target

    @property
    def data(self) -> bytes:
        """Of UDP."""
        return self.payload[8:]


@dataclass
class Segment:
    """A TCP segment that we have got."""

    ports: tuple[int, int]
    seq: int
    ack: int
    flags: int
    window: int
    options: bytes
    data: bytes


def parse_tcp(frame: bytes) -> Segment:
    """The segment in a frame; everything in it must be right."""
    packet = parse(frame)
    assert packet.protocol == TCP
    source, target, seq, ack, offset, flags, window, _, urgent = struct.unpack_from(">HHIIBBHHH", packet.payload)
    assert urgent == 0 and offset & 15 == 0
    length = offset >> 4 << 2
    return Segment((source, target), seq, ack, flags, window, packet.payload[20:length], packet.payload[length:])


def parse(frame: bytes) -> Packet:
    """The packet in a frame; everything in it must be right."""
    assert frame[12:14] == b"\x08\x00" and len(frame) <= 1514
    packet = frame[14:]
    assert packet[0] == 0x45 and checksum(packet[:20]) == 0
    length, protocol = int.from_bytes(packet[2:4], "big"), packet[9]
    assert length == len(packet) and packet[8] == 64 and packet[6:8] == b"\x40\x00"
    source, target, payload = packet[12:16], packet[16:20], packet[20:]
    if protocol == ICMP:
        assert checksum(payload) == 0
    else:
        assert checksum(pseudo(protocol, source, target, payload)) == 0
    if protocol == UDP:
        assert int.from_bytes(payload[4:6], "big") == len(payload) and payload[6:8] != b"\0\0"
    return Packet(source, target, protocol, payload)
