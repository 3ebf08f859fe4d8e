"""Packets of the gdb remote protocol: framing, checksums, escapes (Debugging with GDB, appendix E, "Overview").

A packet is `$data#cs`, where cs is the sum of the data's bytes modulo 256 in two hexadecimal digits. Between packets
stand `+` and `-`, which acknowledge one, and the byte 03h, by which gdb interrupts a running guest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 0x4000            # bytes of data in a packet that we take, and of a reply
ESCAPED = b"#$}*"           # what must not stand in the data of a reply
ESCAPE, FLIP = 0x7D, 0x20   # an escaped byte follows }, with one bit flipped
START, END = b"$", b"#"
CHECKSUM = 2                # digits
INTERRUPT = b"\x03"


@dataclass(frozen=True)
class Packet:
    """What gdb asks for, unescaped."""

    data: bytes


@dataclass(frozen=True)
class Damaged:
    """A packet with a wrong checksum, or one that is too long: gdb is to send it again."""


@dataclass(frozen=True)
class Refused:
    """gdb could not read our last reply, and wants it once more."""


@dataclass(frozen=True)
class Interrupt:
    """Ctrl-C."""


Item = Packet | Damaged | Refused | Interrupt


def frame(data: bytes) -> bytes:
    """A reply as it is sent; `data` is escaped already where it has to be."""
    return START + data + END + checksum(data)


def checksum(data: bytes) -> bytes:
    """The two digits behind a packet with that data."""
    return b"%02x" % (sum(data) & 0xFF)


def escape(data: bytes) -> bytes:
    """Binary data, so that it can stand in a reply."""
    return b"".join(bytes((ESCAPE, byte ^ FLIP)) if byte in ESCAPED else bytes((byte,)) for byte in data)


def unescape(data: bytes) -> bytes:
    """The data of a packet as it was meant."""
    return re.sub(rb"}(.)", lambda match: bytes((match[1][0] ^ FLIP,)), data, flags=re.DOTALL)


class Reader:
    """Takes the bytes of a connection in pieces of any size, and gives the packets in them."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Item]:
        """What is complete now that `data` has come."""
        self._bytes += data
        while self._bytes:
            first = bytes(self._bytes[:1])
            if first != START:
                self._drop(1)
                if first == INTERRUPT:
                    yield Interrupt()
                elif first == b"-":
                    yield Refused()
                continue
            end = self._bytes.find(END, 0, LONGEST + 1)
            if (end < 0 and len(self._bytes) <= LONGEST) or len(self._bytes) < end + CHECKSUM + 1:
                return
            if end < 0:
                self._bytes.clear()
                yield Damaged()
            else:
                yield self._packet(end)

    def _packet(self, end: int) -> Packet | Damaged:
        """Take the packet off whose data ends there. Data holds no bare $: one begins the packet anew."""
        begin = self._bytes.rfind(START, 0, end) + 1
        data, digits = bytes(self._bytes[begin:end]), bytes(self._bytes[end + 1:end + 1 + CHECKSUM])
        self._drop(end + 1 + CHECKSUM)
        return Packet(unescape(data)) if digits.lower() == checksum(data) else Damaged()

    def _drop(self, count: int) -> None:
        del self._bytes[:count]
