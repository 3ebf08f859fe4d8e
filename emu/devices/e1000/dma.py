"""How the controller reads and writes memory: one PCI bus of 32 bits and 33 MHz, which its queues share.

A transaction takes a fixed time and then 30 ns for every doubleword (PCI Local Bus Specification 2.2, 3.3). The fixed
times are estimated from its rules: arbitration 2 clocks and address phase 1; then, reading, 1 to turn the bus around
and 12 of the 16 clocks that a target may take to its first data (3.5.1.1); writing, 2, because host bridges post
writes; and 1 clock idle. Nobody else uses the bus, and a transaction is never cut short.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from emu.clock import Clock
from emu.devices.pci import Header, PciFunction
from emu.kept import Kept

PCI_CLOCK = Fraction(100_000_000, 3)    # Hz
READ_OVERHEAD = 17                      # clocks, estimated
WRITE_OVERHEAD = 6                      # clocks, estimated
RECEIVED_MASTER_ABORT = 0x20            # upper byte of the PCI status register: nobody has answered


class Memory(Protocol):
    """What is at the other end of the bus; both raise ValueError where there is nothing."""

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at a physical address."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Store bytes at a physical address."""
        ...


class Dma(Kept):
    """The bus: `reserve` says when transactions will be done, then `read` and `write` carry them out."""

    KEPT = ("free_at",)

    def __init__(self, clock: Clock, memory: Memory, config: PciFunction) -> None:
        self.clock = clock
        self._clocks = clock.ticks(PCI_CLOCK)
        self._per_cycle = PCI_CLOCK / clock.frequency
        self._memory = memory
        self._config = config
        self.free_at = 0                # PCI clock from which on the bus is free

    def reserve(self, reads: tuple[int, ...] = (), writes: tuple[int, ...] = ()) -> int:
        """The cycle at which transactions of these sizes in bytes are over, behind those reserved before."""
        clocks = sum(READ_OVERHEAD + (size + 3) // 4 for size in reads)
        clocks += sum(WRITE_OVERHEAD + (size + 3) // 4 for size in writes)
        now = self.clock.moment * self._per_cycle.numerator // self._per_cycle.denominator
        self.free_at = max(self.free_at, now) + clocks
        return self._clocks.cycle(self.free_at)

    @property
    def allowed(self) -> bool:
        """Whether the controller may be master of the bus."""
        return self._config.may_master

    def read(self, address: int, size: int) -> bytes | None:
        """`size` bytes, or None after a master abort."""
        try:
            return self._memory.read(address, size)
        except ValueError:
            self._abort()
            return None

    def write(self, address: int, data: bytes) -> bool:
        """Store bytes; False after a master abort."""
        try:
            self._memory.write(address, data)
        except ValueError:
            self._abort()
            return False
        return True

    def _abort(self) -> None:
        self._config.config[Header.STATUS + 1] |= RECEIVED_MASTER_ABORT
