"""PCI configuration space by mechanism 1 (ports CF8h-CFFh), and the header of an ordinary PCI function.

Source: PCI Local Bus Specification 2.2, section 3.2.2.3.2 (the two ports) and 6.1, 6.2 (the header). There is one bus,
number 0, and no bridge. Claimed four bytes wide: which bytes of the window an access covers matters, and only an access
of the whole CF8h is one to the address register.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from emu.bus import Registers, Space
from emu.kept import Kept


class Address:
    """Fields of the register at CF8h (CONFIG_ADDRESS)."""

    ENABLE = 0x8000_0000      # the data window reaches configuration space
    WRITABLE = 0x80FF_FFFC    # everything but the reserved bits 30-24 and 1-0
    SLOT = 8                  # lowest bit of function (3 bits), device (5 bits) and bus (8 bits)
    REGISTER = 0xFC           # offset of the doubleword in the function's 256 bytes


class Header:
    """Offsets in a type 0 configuration header."""

    VENDOR = 0x00             # vendor ID, 2 bytes
    DEVICE = 0x02             # device ID, 2 bytes
    COMMAND = 0x04            # what the function may do, 2 bytes
    STATUS = 0x06             # what it can do and what went wrong, 2 bytes
    REVISION = 0x08           # revision ID; the class code follows, 3 bytes
    CACHE_LINE = 0x0C         # cache line size, doublewords
    LATENCY = 0x0D            # latency timer, bus clocks
    TYPE = 0x0E               # header type; bit 7: the device has several functions
    BARS = 0x10               # six base address registers, 4 bytes each
    SUBSYSTEM_VENDOR = 0x2C   # vendor ID of the board, 2 bytes
    SUBSYSTEM = 0x2E          # device ID of the board, 2 bytes
    INTERRUPT_LINE = 0x3C     # where software notes the IRQ
    INTERRUPT_PIN = 0x3D      # 1-4: INTA#-INTD#, 0: none


class Command:
    """Bits of the command register."""

    IO = 0x0001               # responds to I/O space
    MEMORY = 0x0002           # responds to memory space
    MASTER = 0x0004           # may read and write memory itself
    PARITY = 0x0040           # answers parity errors
    SERR = 0x0100             # may drive SERR#


STATUS_ERRORS = 0xF900        # status bits 15-11 and 8: set by hardware, cleared by writing ones
MULTIFUNCTION = 0x80          # header type
BAR_IO = 0x1                  # this base address register is one of I/O space


class ConfigSpace(Protocol):
    """A function's 256 bytes; accesses never cross a doubleword."""

    def read(self, offset: int, size: int) -> int:
        """The value of `size` (1, 2 or 4) bytes at `offset` (0-255)."""
        ...

    def write(self, offset: int, value: int, size: int) -> None:
        """Store `size` (1, 2 or 4) bytes at `offset` (0-255)."""
        ...


class PciBus(Kept):
    """The host bridge's ports: the address register at offsets 0-3, the data window at 4-7."""

    KEPT = ("address",)       # a function belongs to its device

    def __init__(self) -> None:
        self.address = 0      # CONFIG_ADDRESS
        self._functions: dict[int, ConfigSpace] = {}         # by bits 23-8 of the address: bus, device, function

    def reset(self) -> None:
        """Close the data window; what is attached stays."""
        self.address = 0

    def attach(self, device: int, function: int, config: ConfigSpace) -> None:
        """Put a function on the bus. Raises ValueError for a place that does not exist or is taken."""
        if not (0 <= device < 32 and 0 <= function < 8):
            raise ValueError(f"PCI device {device} function {function} does not exist: devices 0-31, functions 0-7")
        slot = device << 3 | function
        if slot in self._functions:
            raise ValueError(f"PCI device {device} function {function} is taken")
        self._functions[slot] = config

    def read(self, offset: int, size: int) -> int:
        """The address register, or what the function it names holds; all ones from anything else."""
        if (offset & 3) + size > 4:                          # the processor splits it where the doubleword ends
            return sum(self.read(offset + i, 1) << 8 * i for i in range(size))
        if offset >= 4:
            function = self._selected()
            if function is not None:
                return function.read(self.address & Address.REGISTER | offset & 3, size)
        elif size == 4:
            return self.address
        return (1 << 8 * size) - 1

    def write(self, offset: int, value: int, size: int) -> None:
        """Set the address register, or write to the function it names; anything else vanishes."""
        if (offset & 3) + size > 4:
            for i in range(size):
                self.write(offset + i, value >> 8 * i & 0xFF, 1)
        elif offset >= 4:
            function = self._selected()
            if function is not None:
                function.write(self.address & Address.REGISTER | offset & 3, value, size)
        elif size == 4:
            self.address = value & Address.WRITABLE

    def _selected(self) -> ConfigSpace | None:
        if not self.address & Address.ENABLE:
            return None
        return self._functions.get((self.address & ~Address.ENABLE) >> Address.SLOT)

    def describe(self) -> dict[str, int | str]:
        """CONFIG_ADDRESS, and what is on the bus: vendor and device ID by device and function; for people."""
        found: dict[str, int | str] = {"CONFIG_ADDRESS": self.address}
        for slot, function in sorted(self._functions.items()):
            ids = f"{function.read(Header.VENDOR, 2):04x}:{function.read(Header.DEVICE, 2):04x}"
            found[f"{slot >> 3:02x}.{slot & 7}"] = ids
        return found


@dataclass(frozen=True)
class Bar:
    """What a function wants mapped: `size` bytes of memory, or of I/O space."""

    size: int                 # bytes, a power of two, at least 16 (memory) or 4 (I/O, at most 256)
    io: bool = False          # in I/O space

    def __post_init__(self) -> None:
        smallest, largest = (4, 256) if self.io else (16, 1 << 31)
        if self.size & self.size - 1 or not smallest <= self.size <= largest:
            raise ValueError(f"a base address register of {self.size} bytes: must be a power of two "
                             f"from {smallest} to {largest}")


class PciFunction(Kept):
    """A function's configuration space: 256 bytes of which some bits can be written (type 0 header).

    The sizes of base address registers are found as always: write all ones, and the bits below the size read back 0.
    """

    KEPT = ("config",)

    def __init__(self, vendor: int, device: int, class_code: int, bars: Sequence[Bar] = (), *, revision: int = 0,
                 subsystem: tuple[int, int] = (0, 0), interrupt_pin: int = 0, multifunction: bool = False,
                 changed: Callable[[], None] | None = None) -> None:
        """`class_code`: base class, subclass, interface (24 bits). `subsystem`: (vendor ID, device ID) of the board.

        `changed` is called after each write that changes the command register or a base address. Raises ValueError for
        more than six `bars` and for numbers that do not fit.
        """
        if len(bars) > 6:
            raise ValueError(f"a PCI function has at most 6 base address registers, not {len(bars)}")
        self.bars = tuple(bars)
        self.changed = changed
        self.config = bytearray(256)                         # the registers
        self._writable = bytearray(256)                      # bits that a write changes
        self._clearable = bytearray(256)                     # bits that writing a one clears
        command = Command.MASTER | Command.PARITY | Command.SERR
        for index, bar in enumerate(self.bars):
            command |= Command.IO if bar.io else Command.MEMORY
            self._define(Header.BARS + 4 * index, 4, BAR_IO if bar.io else 0, writable=-bar.size & 0xFFFF_FFFF)
        self._define(Header.VENDOR, 2, vendor)
        self._define(Header.DEVICE, 2, device)
        self._define(Header.COMMAND, 2, 0, writable=command)
        self._define(Header.STATUS, 2, 0, clearable=STATUS_ERRORS)
        self._define(Header.REVISION, 4, class_code << 8 | revision)
        self._define(Header.CACHE_LINE, 1, 0, writable=0xFF)
        self._define(Header.LATENCY, 1, 0, writable=0xFF)
        self._define(Header.TYPE, 1, MULTIFUNCTION if multifunction else 0)
        self._define(Header.SUBSYSTEM_VENDOR, 2, subsystem[0])
        self._define(Header.SUBSYSTEM, 2, subsystem[1])
        self._define(Header.INTERRUPT_LINE, 1, 0, writable=0xFF)
        self._define(Header.INTERRUPT_PIN, 1, interrupt_pin)

    def reset(self) -> None:
        """As after RST#: everything that software can write is 0; nothing is mapped any more."""
        self.config[:] = bytes(byte & ~(writable | clearable) for byte, writable, clearable
                               in zip(self.config, self._writable, self._clearable, strict=True))
        if self.changed:
            self.changed()

    def load(self, saved: dict[str, Any]) -> None:
        """See Kept; what is mapped is mapped again."""
        super().load(saved)
        if self.changed:
            self.changed()

    def read(self, offset: int, size: int) -> int:
        """`size` bytes at `offset`, little-endian."""
        return int.from_bytes(self.config[offset:offset + size], "little")

    def write(self, offset: int, value: int, size: int) -> None:
        """Change the writable bits among `size` bytes at `offset`."""
        before = self._mapping()
        for i in range(offset, offset + size):
            byte = value >> 8 * (i - offset) & 0xFF
            keep = ~self._writable[i] & ~(self._clearable[i] & byte)
            self.config[i] = self.config[i] & keep | byte & self._writable[i]
        if self.changed and self._mapping() != before:
            self.changed()

    def base(self, index: int) -> int | None:
        """The address that base address register `index` maps its range to, None while the command register says no."""
        bar = self.bars[index]
        if not self.read(Header.COMMAND, 2) & (Command.IO if bar.io else Command.MEMORY):
            return None
        return self.read(Header.BARS + 4 * index, 4) & -bar.size

    @property
    def may_master(self) -> bool:
        """Whether the command register lets the function read and write memory itself."""
        return bool(self.config[Header.COMMAND] & Command.MASTER)

    def _mapping(self) -> bytes:
        return bytes(self.config[Header.COMMAND:Header.STATUS] + self.config[Header.BARS:Header.BARS + 24])

    def _define(self, offset: int, size: int, value: int, writable: int = 0, clearable: int = 0) -> None:
        if not 0 <= value < 1 << 8 * size:
            raise ValueError(f"PCI header: {value:#x} does not fit in the {size} bytes at {offset:#04x}")
        for table, bits in ((self.config, value), (self._writable, writable), (self._clearable, clearable)):
            table[offset:offset + size] = bits.to_bytes(size, "little")


class Windows:
    """Keeps a function's ranges on the bus where its base address registers say.

    Where something else is already, the function does not answer: on a real bus both would.
    """

    def __init__(self, function: PciFunction, ranges: Mapping[int, tuple[Space, Registers, str, int]]) -> None:
        """`ranges`, by number of the base address register: the space that it maps, who answers there, a name, and the
        widest access in bytes. Takes the function's `changed`.
        """
        self._function = function
        self._ranges = ranges
        self._bases: dict[int, int] = {}                     # where each range is claimed now
        function.changed = self._map
        self._map()

    def _map(self) -> None:
        wanted = {index: self._function.base(index) for index in self._ranges}
        for index, (space, _, _, _) in self._ranges.items():
            if index in self._bases and self._bases[index] != wanted[index]:
                space.release(self._bases.pop(index))
        for index, (space, device, name, width) in self._ranges.items():
            base = wanted[index]
            if base is None or index in self._bases:
                continue
            try:
                space.claim(base, self._function.bars[index].size, device, name, width)
            except ValueError:
                continue
            self._bases[index] = base
