"""What the controller does to the contents of packets: Internet checksums, and TCP segmentation.

Offsets come from the guest; those that lie beyond the packet change nothing.
"""

from __future__ import annotations

from emu.kept import Kept

TCP, UDP = 6, 17                # IP protocol numbers
IPV4 = 0x0800                   # EtherType
SNAP = b"\xAA\xAA\x03\x00\x00\x00"     # LLC and organization in front of an EtherType
FIN_PSH = 0x09                  # TCP flags that belong to the last segment


def total(data: bytes | bytearray) -> int:
    """One's complement sum of 16-bit words, the first byte the higher; an odd one is followed by 0."""
    number = int.from_bytes(data, "big") << (len(data) % 2 * 8)
    return number % 0xFFFF or (0xFFFF if number else 0)


def insert(packet: bytearray, field: int, start: int, end: int, *, extra: int = 0, udp: bool = False) -> None:
    """Sum the bytes from `start` to before `end` and `extra`, and put the complement at `field`.

    UDP sends all ones in place of 0, which would say that there is no checksum.
    """
    if start >= len(packet):
        return
    number = total(packet[start:end]) + extra
    checksum = ~(number % 0xFFFF or (0xFFFF if number else 0)) & 0xFFFF
    put(packet, field, checksum or (0xFFFF if udp else 0), 2)


def put(packet: bytearray, at: int, value: int, size: int) -> None:
    """Store a number as networks do, if it fits into the packet."""
    if at >= 0 and at + size <= len(packet):
        packet[at:at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "big")


def check(frame: bytes, vlan: int) -> tuple[bool | None, bool | None]:
    """Whether the checksums of IPv4 header and of TCP or UDP are right; None: there is none that could be checked.

    The EtherType stands after the addresses, after a tag of EtherType `vlan`, or after a SNAP header.
    """
    at = 12
    if int.from_bytes(frame[at:at + 2], "big") == vlan:
        at += 4
    if frame[at + 2:at + 8] == SNAP:
        at += 8
    if int.from_bytes(frame[at:at + 2], "big") != IPV4:
        return None, None
    packet = frame[at + 2:]
    header = 4 * (packet[0] & 0xF) if packet else 0
    if header < 20 or packet[0] >> 4 != 4 or len(packet) < header:
        return None, None
    return total(packet[:header]) == 0xFFFF, _check_transport(packet, header)


def _check_transport(packet: bytes, header: int) -> bool | None:
    protocol, end = packet[9], int.from_bytes(packet[2:4], "big")
    fragment = int.from_bytes(packet[6:8], "big") & 0x3FFF           # more fragments, offset
    segment = packet[header:end]
    smallest = {TCP: 20, UDP: 8}.get(protocol)
    if smallest is None or fragment or end > len(packet) or len(segment) < smallest:
        return None
    if protocol == UDP and segment[6:8] == b"\0\0":
        return None
    pseudo = packet[12:20] + bytes((0, protocol)) + len(segment).to_bytes(2, "big")
    return total(pseudo + segment) == 0xFFFF


class Context(Kept):
    """What a context descriptor says of the packets that follow it."""

    KEPT = ("ipcss", "ipcso", "ipcse", "tucss", "tucso", "tucse", "paylen", "tcp", "ip", "hdrlen", "mss")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Before the first one."""
        self.ipcss = self.ipcso = self.ipcse = 0        # IP checksum: start, where it goes, end (0: of the packet)
        self.tucss = self.tucso = self.tucse = 0        # likewise of TCP or UDP
        self.paylen = 0                                 # bytes behind the header, in all segments together
        self.tcp = False                                # TCP, not UDP
        self.ip = False                                 # IPv4, not IPv6
        self.hdrlen = 0                                 # bytes of the header that each segment gets
        self.mss = 0                                    # bytes behind it, in each segment but the last

    def decode(self, descriptor: bytes | bytearray) -> None:
        """Take over a context descriptor of 16 bytes."""
        self.ipcss, self.ipcso, self.tucss, self.tucso = descriptor[0], descriptor[1], descriptor[4], descriptor[5]
        self.ipcse = int.from_bytes(descriptor[2:4], "little")
        self.tucse = int.from_bytes(descriptor[6:8], "little")
        self.paylen = int.from_bytes(descriptor[8:11], "little") & 0xF_FFFF
        self.tcp, self.ip = bool(descriptor[11] & 1), bool(descriptor[11] & 2)
        self.hdrlen = descriptor[13]
        self.mss = int.from_bytes(descriptor[14:16], "little")

    def insert_ip(self, packet: bytearray) -> None:
        """Put the IP checksum in."""
        insert(packet, self.ipcso, self.ipcss, self.ipcse + 1 if self.ipcse else len(packet))

    def insert_transport(self, packet: bytearray, *, extra: int = 0) -> None:
        """Put the TCP or UDP checksum in; its field holds the sum of the pseudo header."""
        end = self.tucse + 1 if self.tucse else len(packet)
        insert(packet, self.tucso, self.tucss, end, extra=extra, udp=not self.tcp)

    def segment(self, packet: bytearray, number: int, offset: int, last: bool) -> None:
        """Make prototype header and payload the segment `number`, whose payload begins at `offset` of the whole.

        As Intel 317453, section 3.5.9 says; the checksums come after it.
        """
        length = len(packet)
        if self.ip:
            identification = int.from_bytes(packet[self.ipcss + 4:self.ipcss + 6], "big")
            put(packet, self.ipcss + 2, length - self.ipcss, 2)
            put(packet, self.ipcss + 4, identification + number, 2)
        else:
            put(packet, self.ipcss + 4, length - self.ipcss - 40, 2)
        if self.tcp:
            sequence = int.from_bytes(packet[self.tucss + 4:self.tucss + 8], "big")
            put(packet, self.tucss + 4, sequence + offset, 4)
            if not last:
                flags = int.from_bytes(packet[self.tucss + 13:self.tucss + 14], "big")
                put(packet, self.tucss + 13, flags & ~FIN_PSH, 1)
        else:
            put(packet, self.tucss + 4, length - self.tucss, 2)
