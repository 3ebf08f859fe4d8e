"""Flat images: bytes that go to an address and start there, in 32-bit protected mode with paging off."""

from __future__ import annotations

from loader.image import Image, ImageError, Segment
from loader.symbols import LineMap, SymbolTable


def read(data: bytes, name: str, address: int) -> Image:
    """The image of a flat file: all of `data` at the physical `address`, which is also its entry.

    Raises ImageError for an address that does not leave room for it below 4 GiB.
    """
    if not 0 <= address <= (1 << 32) - len(data):
        raise ImageError(f"{name}: {len(data)} bytes at {address:#x} do not fit below 4 GiB: give another --address")
    return Image(name, "flat", address, [Segment(address, data, len(data))], SymbolTable([]), LineMap([]))
