"""Protocol buffers, as much of them as writing takes (https://protobuf.dev/programming-guides/encoding).

The library would have every project that uses Trapline agree with us on its version; this is what we need of it.
"""

from __future__ import annotations

import struct

VARINT, FIXED64, BYTES = 0, 1, 2        # wire types
_BYTE = [bytes((value,)) for value in range(0x80)]
_DOUBLE, _FIXED64 = struct.Struct("<d"), struct.Struct("<Q")


def varint(value: int) -> bytes:
    """A number from 0 to 2^64 - 1, seven bits a byte."""
    if value < 0x80:
        return _BYTE[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field of an integer, Boolean or enumeration type; negative numbers as int64."""
    return varint(field << 3 | VARINT) + varint(value & 0xFFFFFFFFFFFFFFFF)


def fixed64(field: int, value: int) -> bytes:
    """A field of type fixed64."""
    return varint(field << 3 | FIXED64) + _FIXED64.pack(value)


def double(field: int, value: float) -> bytes:
    """A field of type double."""
    return varint(field << 3 | FIXED64) + _DOUBLE.pack(value)


def text(field: int, value: str) -> bytes:
    """A field of type string."""
    return message(field, value.encode())


def message(field: int, *parts: bytes) -> bytes:
    """A field that is a message of these fields, or a field of type bytes."""
    data = b"".join(parts)
    return varint(field << 3 | BYTES) + varint(len(data)) + data
