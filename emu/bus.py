"""What joins processor and devices: I/O ports, memory-mapped regions and wires.

A device never sees the processor or another device. It has `read(offset, size)` and `write(offset, value, size)` for
its ports or its memory region, and `Line`s for its pins; the machine's page of wiring says what is where.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple, Protocol

SMALL = 16                # addresses: a range no longer than this is found without a search


class Line:
    """One wire with a level, 0 or 1. Who drives it calls `set`; who listens is called on every change."""

    __slots__ = ("level", "listeners", "name")

    def __init__(self, name: str = "", listener: Callable[[int], None] | None = None) -> None:
        self.name = name
        self.level = 0
        self.listeners: list[Callable[[int], None]] = [listener] if listener else []

    def set(self, level: int | bool) -> None:
        """Drive the wire; listeners hear of it only if the level changes."""
        level = 1 if level else 0
        if level != self.level:
            self.level = level
            for listener in self.listeners:
                listener(level)

    def pulse(self) -> None:
        """Low, high: an edge, whatever the level was before; the wire stays high."""
        self.set(0)
        self.set(1)


class Registers(Protocol):
    """A device as the bus sees it: registers at offsets from the base at which it was attached."""

    def read(self, offset: int, size: int) -> int:
        """The value of `size` (1, 2 or 4) bytes at `offset`."""
        ...

    def write(self, offset: int, value: int, size: int) -> None:
        """Store `size` (1, 2 or 4) bytes at `offset`."""
        ...


class Range(NamedTuple):
    """What claims a range of ports or of physical addresses."""

    start: int                # first port or physical address
    length: int               # ports, or bytes
    device: Registers         # who answers
    width: int                # widest access it takes, bytes; a wider one is split, lowest address first
    name: str                 # for reports and for messages about overlaps


class Space:
    """An address space of devices: the 65,536 ports, or the physical addresses beyond RAM.

    Nobody at an address: reads give all ones, writes vanish, and `unclaimed` (if set) is called with
    ("read" or "write", address, size).
    """

    def __init__(self, kind: str, size: int) -> None:
        """`kind` is the word for messages ("port", "address"), `size` the number of addresses."""
        self.kind = kind
        self.size = size
        self.ranges: list[Range] = []                        # by start, never overlapping
        self._starts: list[int] = []
        self._small: dict[int, Range] = {}                   # each address of the short ranges, the busy ones
        self.unclaimed: Callable[[str, int, int], None] | None = None

    def claim(self, start: int, length: int, device: Registers, name: str, width: int = 1) -> None:
        """Give `length` addresses from `start` to `device`. Raises ValueError if they are taken or do not exist."""
        if length <= 0 or start < 0 or start + length > self.size:
            raise ValueError(f"{name}: {self.kind}s {start:#x} to {start + length - 1:#x} do not exist")
        for other in self.ranges:
            if start < other.start + other.length and other.start < start + length:
                raise ValueError(f"{name}: {self.kind} {max(start, other.start):#x} belongs to {other.name}")
        index = bisect_right(self._starts, start)
        self.ranges.insert(index, Range(start, length, device, width, name))
        self._starts.insert(index, start)
        if length <= SMALL:
            self._small |= dict.fromkeys(range(start, start + length), self.ranges[index])

    def release(self, start: int) -> None:
        """Free the range that begins at `start`. Raises KeyError if none does."""
        index = bisect_right(self._starts, start) - 1
        if index < 0 or self._starts[index] != start:
            raise KeyError(f"no {self.kind} range begins at {start:#x}")
        for address in range(start, start + min(self.ranges[index].length, SMALL)):
            self._small.pop(address, None)
        del self.ranges[index], self._starts[index]

    def find(self, address: int) -> Range | None:
        """The range that `address` belongs to."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0:
            found = self.ranges[index]
            if address < found.start + found.length:
                return found
        return None

    def read(self, address: int, size: int) -> int:
        """What an access of `size` (1, 2 or 4) bytes reads; addresses wrap at the end of the space."""
        found = self._small.get(address) or self.find(address)
        if found is not None and size <= found.width and address + size <= found.start + found.length:
            return found.device.read(address - found.start, size) & ((1 << 8 * size) - 1)
        if size == 1 or (found is None and not self._any(address, size)):
            if self.unclaimed:
                self.unclaimed("read", address, size)
            return (1 << 8 * size) - 1
        half = size // 2
        low = self.read(address, half)
        return low | self.read((address + half) % self.size, half) << 8 * half

    def write(self, address: int, value: int, size: int) -> None:
        """Write `size` (1, 2 or 4) bytes."""
        found = self._small.get(address) or self.find(address)
        if found is not None and size <= found.width and address + size <= found.start + found.length:
            found.device.write(address - found.start, value & ((1 << 8 * size) - 1), size)
        elif size == 1 or (found is None and not self._any(address, size)):
            if self.unclaimed:
                self.unclaimed("write", address, size)
        else:
            half = size // 2
            self.write(address, value & ((1 << 8 * half) - 1), half)
            self.write((address + half) % self.size, value >> 8 * half, half)

    def _any(self, address: int, size: int) -> bool:
        return any(self.find((address + i) % self.size) for i in range(1, size))


class Bus:
    """The machine's two device spaces."""

    def __init__(self) -> None:
        self.ports = Space("port", 1 << 16)
        self.memory = Space("address", 1 << 32)              # used for physical addresses outside RAM
