"""Numbers of any size in bytes of seven bits (DWARF 3, section 7.6)."""

from __future__ import annotations


def unsigned(value: int) -> bytes:
    """Unsigned LEB128."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*data, value))


def signed(value: int) -> bytes:
    """Signed LEB128."""
    data = bytearray()
    while not -0x40 <= value < 0x40:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*data, value & 0x7F))
