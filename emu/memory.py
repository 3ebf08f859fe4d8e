"""RAM: one NumPy array, seen by Unicorn through several mappings of the same memory.

And what becomes of it: a machine is a circle of objects, which Python's collector finds in its own time. That counts
objects, not bytes, and a machine is few of them with many bytes; so RAM counts its bytes and calls the collector.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import tempfile
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

PAGE = 4096
LARGEST = 1 << 30           # bytes: page-frame numbers have 18 bits in the block table
AROUND = 16 << 20           # bytes that a machine takes besides its RAM, about: Unicorn's, tables, translated code
LARGE = 1 << 20             # bytes of a block that malloc had better map
_M_MMAP_THRESHOLD = -3      # malloc.h
GARBAGE = 512 << 20         # bytes of machines since the last collection, from which on the next one collects first


class Ram:
    """Physical memory from address 0 on.

    `bytes` is the memory itself. Loaders, snapshots and, by SnoopedRam, devices write through `write`, which tells
    `on_write` (the processor) afterwards, because code may have been translated from there.
    """

    def __init__(self, size: int) -> None:
        """`size` in bytes. Raises ValueError unless it is a multiple of 4 KiB from 64 KiB to 1 GiB."""
        self._file = -1
        if size % PAGE or not 1 << 16 <= size <= LARGEST:
            raise ValueError(f"memory of {size} bytes: must be a multiple of 4 KiB, from 64 KiB to 1 GiB")
        self.size = size
        _collect_before(size + AROUND)
        self._file = _anonymous_file()
        os.ftruncate(self._file, size)
        self._maps: list[mmap.mmap] = []
        self.bytes: NDArray[np.uint8] = self.alias()
        self.on_write: Callable[[int, int], None] | None = None

    def alias(self) -> NDArray[np.uint8]:
        """The same memory once more, at another address of this process."""
        self._maps.append(mmap.mmap(self._file, self.size))
        return np.frombuffer(self._maps[-1], np.uint8)

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at a physical address. Raises ValueError outside RAM."""
        self._check(address, size)
        return self.bytes[address:address + size].tobytes()

    def write(self, address: int, data: bytes) -> None:
        """Store bytes at a physical address. Raises ValueError outside RAM."""
        self._check(address, len(data))
        self.bytes[address:address + len(data)] = np.frombuffer(data, np.uint8)
        if self.on_write and data:
            self.on_write(address, len(data))

    def close(self) -> None:
        """Give the file back; the arrays keep the memory alive while they exist."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()

    def _check(self, address: int, size: int) -> None:
        if address < 0 or size < 0 or address + size > self.size:
            raise ValueError(f"physical memory {address:#x} to {address + size:#x}: RAM ends at {self.size:#x}")


class SnoopedRam:
    """RAM as devices have it that are masters of the bus: `snoop` hears of what they have written."""

    def __init__(self, ram: Ram, snoop: Callable[[int, int], None]) -> None:
        """`snoop` gets physical address and bytes."""
        self._ram = ram
        self._snoop = snoop
        self.read = ram.read

    def write(self, address: int, data: bytes) -> None:
        """Store bytes at a physical address. Raises ValueError outside RAM."""
        self._ram.write(address, data)
        self._snoop(address, len(data))


_since_collected = 0


def _collect_before(size: int) -> None:
    """Free machines that nobody has any more, if so much has been made that there may be many."""
    global _since_collected
    _since_collected += size
    if _since_collected > GARBAGE:
        _since_collected = size
        gc.collect()


def _map_large_blocks() -> None:
    """Have glibc give every large block of malloc a mapping of its own, always.

    Unicorn asks for megabytes of zeros that it hardly touches. When glibc has seen the first of them freed, it takes
    such blocks from its heap instead, and clears them: 15 MiB more and ten times the time for each further machine.
    Elsewhere there is nothing to do.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, LARGE)


_map_large_blocks()


def _anonymous_file() -> int:
    """A file descriptor without a name, in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("ram")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
