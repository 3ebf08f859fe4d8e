"""Packets: Ethernet frames and what may be in them, built and parsed: ARP, IPv4, ICMP, UDP and TCP.

A packet is a tuple of its fields; `build` makes bytes of it, with lengths and checksums filled in, and `parse` makes it
of bytes, or raises PacketError. Addresses are bytes as in the packet: 6 for Ethernet, 4 for IPv4.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from enum import IntEnum
from typing import NamedTuple, Self

BROADCAST = b"\xFF" * 6         # everybody's Ethernet address
SHORTEST = 60                   # bytes of a frame without FCS
LONGEST = 65_535                # bytes of an IPv4 packet
ANY_MAC = b"\0" * 6             # an Ethernet address that is not known
ARP_HEAD = bytes.fromhex("0001 0800 06 04")     # Ethernet, IPv4, and the lengths of their addresses


class PacketError(ValueError):
    """A packet that is malformed or not what it should be: one line."""


class EtherType(IntEnum):
    """What a frame carries."""

    IPV4 = 0x0800
    ARP = 0x0806


class Protocol(IntEnum):
    """What an IPv4 packet carries."""

    ICMP = 1
    TCP = 6
    UDP = 17


class Operation(IntEnum):
    """What an ARP packet does."""

    REQUEST = 1
    REPLY = 2


class IcmpType(IntEnum):
    """ICMP messages."""

    ECHO_REPLY = 0
    UNREACHABLE = 3
    ECHO_REQUEST = 8


class TcpFlag(IntEnum):
    """What a TCP segment is, as bits."""

    FIN = 0x01                  # the sender has no more to send
    SYN = 0x02                  # the first segment
    RST = 0x04                  # there is no such connection
    PSH = 0x08                  # hand it over now
    ACK = 0x10                  # the acknowledgement counts
    URG = 0x20                  # the urgent pointer counts


class TcpOption(IntEnum):
    """Options of a TCP segment."""

    END = 0
    NOTHING = 1                 # padding
    MSS = 2                     # the longest data that the sender takes in a segment


def mac(text: str) -> bytes:
    """The Ethernet address that `text`, as 02:00:00:00:00:01, names. Raises ValueError."""
    if not re.fullmatch("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text):
        raise ValueError(f"{text!r} is no Ethernet address; one is 02:00:00:00:00:01")
    return bytes.fromhex(text.replace(":", ""))


def mac_text(address: bytes) -> str:
    """An Ethernet address as people write it."""
    return address.hex(":")


def ip(text: str) -> bytes:
    """The IPv4 address that `text`, as 10.0.0.1, names. Raises ValueError."""
    try:
        return ipaddress.IPv4Address(text).packed
    except ValueError:
        raise ValueError(f"{text!r} is no IPv4 address; one is 10.0.0.1") from None


def ip_text(address: bytes) -> str:
    """An IPv4 address as people write it."""
    return ".".join(map(str, address))


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of `data`; 0 over data that contains its own right checksum.

    Summing 16-bit words with end-around carry is taking the whole number modulo 65,535, where 65,535 stands for 0
    unless all is 0.
    """
    number = int.from_bytes(data + b"\0" if len(data) & 1 else data)
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """What the checksum of a UDP or TCP packet of `length` bytes also covers."""
    return source + destination + struct.pack("!HH", protocol, length)


class Ethernet(NamedTuple):
    """A frame, without FCS."""

    destination: bytes
    source: bytes
    type: int                   # an EtherType
    payload: bytes              # of a short frame: padding included

    def build(self) -> bytes:
        """The frame, padded to the shortest that there is."""
        frame = self.destination + self.source + self.type.to_bytes(2) + self.payload
        return frame.ljust(SHORTEST, b"\0")

    @classmethod
    def parse(cls, frame: bytes) -> Self:
        if len(frame) < 14:
            raise PacketError(f"a frame of {len(frame)} bytes has no room for an Ethernet header")
        return cls(frame[:6], frame[6:12], int.from_bytes(frame[12:14]), frame[14:])


class Arp(NamedTuple):
    """An ARP packet for IPv4 over Ethernet (RFC 826)."""

    operation: int              # an Operation
    sender_mac: bytes
    sender_ip: bytes
    target_mac: bytes           # ANY_MAC in a request
    target_ip: bytes

    def build(self) -> bytes:
        return (ARP_HEAD + self.operation.to_bytes(2) + self.sender_mac + self.sender_ip + self.target_mac
                + self.target_ip)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        if len(data) < 28:
            raise PacketError(f"an ARP packet has 28 bytes, not {len(data)}")
        if data[:6] != ARP_HEAD:
            raise PacketError("an ARP packet for something else than IPv4 over Ethernet")
        return cls(int.from_bytes(data[6:8]), data[8:14], data[14:18], data[18:24], data[24:28])


class IPv4(NamedTuple):
    """An IPv4 packet (RFC 791)."""

    source: bytes
    destination: bytes
    protocol: int               # a Protocol
    payload: bytes
    ttl: int = 64
    identification: int = 0
    fragment: int = 0x4000      # flags and fragment offset, as in the header; 4000h: do not fragment
    options: bytes = b""        # of a length divisible by 4
    service: int = 0            # type of service

    @property
    def fragmented(self) -> bool:
        """It is a part of a larger packet."""
        return self.fragment & 0x3FFF != 0

    def build(self) -> bytes:
        length = 20 + len(self.options) + len(self.payload)
        if length > LONGEST:
            raise PacketError(f"an IPv4 packet has at most {LONGEST} bytes, not {length}")
        head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(self.options) // 4, self.service, length, self.identification,
                           self.fragment, self.ttl, self.protocol, 0, self.source, self.destination) + self.options
        return head[:10] + checksum(head).to_bytes(2) + head[12:] + self.payload

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The packet at the start of `data`; padding behind it is left out."""
        if len(data) < 20 or data[0] >> 4 != 4:
            raise PacketError("no IPv4 header")
        head, length = (data[0] & 0xF) * 4, int.from_bytes(data[2:4])
        if head < 20 or not head <= length <= len(data):
            raise PacketError(f"an IPv4 header of {head} bytes in a packet of {length}, of which {len(data)} are there")
        if checksum(data[:head]):
            raise PacketError("an IPv4 header with a wrong checksum")
        return cls(data[12:16], data[16:20], data[9], data[head:length], data[8], int.from_bytes(data[4:6]),
                   int.from_bytes(data[6:8]), data[20:head], data[1])


class Icmp(NamedTuple):
    """An ICMP message (RFC 792)."""

    type: int                   # an IcmpType
    code: int
    identifier: int             # of an echo; what the type says, otherwise
    sequence: int
    payload: bytes

    def build(self) -> bytes:
        data = struct.pack("!BBHHH", self.type, self.code, 0, self.identifier, self.sequence) + self.payload
        return data[:2] + checksum(data).to_bytes(2) + data[4:]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        if len(data) < 8:
            raise PacketError(f"an ICMP message has at least 8 bytes, not {len(data)}")
        if checksum(data):
            raise PacketError("an ICMP message with a wrong checksum")
        return cls(data[0], data[1], int.from_bytes(data[4:6]), int.from_bytes(data[6:8]), data[8:])


class Udp(NamedTuple):
    """A UDP datagram (RFC 768); its checksum covers the addresses of the packet around it."""

    source: int                 # ports
    destination: int
    payload: bytes

    def build(self, source: bytes, destination: bytes) -> bytes:
        """The datagram, from the IPv4 address `source` to `destination`."""
        length = 8 + len(self.payload)
        data = struct.pack("!HHHH", self.source, self.destination, length, 0) + self.payload
        value = checksum(pseudo_header(source, destination, Protocol.UDP, length) + data) or 0xFFFF
        return data[:6] + value.to_bytes(2) + self.payload

    @classmethod
    def parse(cls, data: bytes, source: bytes, destination: bytes) -> Self:
        """The datagram in the packet from `source` to `destination`."""
        length = int.from_bytes(data[4:6])
        if len(data) < 8 or not 8 <= length <= len(data):
            raise PacketError(f"a UDP datagram of {length} bytes in a packet that carries {len(data)}")
        data = data[:length]
        if data[6:8] != b"\0\0" and checksum(pseudo_header(source, destination, Protocol.UDP, length) + data):
            raise PacketError("a UDP datagram with a wrong checksum")
        return cls(int.from_bytes(data[:2]), int.from_bytes(data[2:4]), data[8:])


class Tcp(NamedTuple):
    """A TCP segment (RFC 9293); its checksum covers the addresses of the packet around it."""

    source: int                 # ports
    destination: int
    sequence: int               # of the first byte of the payload, or of the SYN before it
    acknowledgement: int        # the sequence number that the sender expects next
    flags: int                  # TcpFlag, or'ed
    window: int                 # bytes that the sender takes from there
    payload: bytes = b""
    options: bytes = b""        # of a length divisible by 4
    urgent: int = 0

    @property
    def mss(self) -> int | None:
        """The value of option MSS, if there is one. Raises PacketError for options that overlap or are cut."""
        at, options = 0, self.options
        while at < len(options) and options[at] != TcpOption.END:
            if options[at] == TcpOption.NOTHING:
                at += 1
                continue
            length = options[at + 1] if at + 1 < len(options) else 0
            if not 2 <= length <= len(options) - at:
                raise PacketError("a TCP segment whose options have no sense")
            if options[at] == TcpOption.MSS and length == 4:
                return int.from_bytes(options[at + 2:at + 4])
            at += length
        return None

    def build(self, source: bytes, destination: bytes) -> bytes:
        """The segment, from the IPv4 address `source` to `destination`."""
        head = 20 + len(self.options)
        data = struct.pack("!HHIIBBHHH", self.source, self.destination, self.sequence, self.acknowledgement, head << 2,
                           self.flags, self.window, 0, self.urgent) + self.options + self.payload
        value = checksum(pseudo_header(source, destination, Protocol.TCP, len(data)) + data)
        return data[:16] + value.to_bytes(2) + data[18:]

    @classmethod
    def parse(cls, data: bytes, source: bytes, destination: bytes) -> Self:
        """The segment in the packet from `source` to `destination`."""
        if len(data) < 20:
            raise PacketError(f"a TCP segment has at least 20 bytes, not {len(data)}")
        port, to, sequence, acknowledgement, offset, flags, window, _, urgent = struct.unpack_from("!HHIIBBHHH", data)
        head = (offset >> 4) * 4
        if not 20 <= head <= len(data):
            raise PacketError(f"a TCP header of {head} bytes in a segment of {len(data)}")
        if checksum(pseudo_header(source, destination, Protocol.TCP, len(data)) + data):
            raise PacketError("a TCP segment with a wrong checksum")
        return cls(port, to, sequence, acknowledgement, flags & 0x3F, window, data[head:], data[20:head], urgent)


def mss_option(size: int) -> bytes:
    """The option that says that `size` bytes of data are taken in a segment."""
    return struct.pack("!BBH", TcpOption.MSS, 4, size)
