"""A ring of descriptors in the guest's memory: five registers, and what may be wrong with them.

Hardware owns the descriptors from the head to before the tail. A tail or head beyond the ring, and a ring of length 0,
leave it none. After a master abort the queue stands still until the device is reset.
"""

from __future__ import annotations

from emu.devices.e1000.dma import Dma
from emu.devices.e1000.registers import RegisterFile
from emu.kept import Kept

DESCRIPTOR = 16                 # bytes
LOW, HIGH, LENGTH, HEAD, TAIL = 0, 4, 8, 16, 24     # registers, from the first on


class Ring(Kept):
    """One queue's descriptors."""

    KEPT = ("stopped",)

    def __init__(self, registers: RegisterFile, base: int, dma: Dma) -> None:
        """`base`: offset of the first of its registers."""
        self._registers = registers
        self._base = base
        self._dma = dma
        self.stopped = False            # by a master abort

    @property
    def size(self) -> int:
        """Descriptors in the ring."""
        return self._registers[self._base + LENGTH] // DESCRIPTOR

    @property
    def available(self) -> int:
        """Descriptors that hardware owns."""
        head, tail, size = self._registers[self._base + HEAD], self._registers[self._base + TAIL], self.size
        return (tail - head) % size if head < size and tail < size else 0

    @property
    def ready(self) -> bool:
        """Whether hardware may go on to the next descriptor."""
        return not self.stopped and self._dma.allowed and self.available > 0

    @property
    def address(self) -> int:
        """Of the descriptor at the head."""
        registers, base = self._registers, self._base
        return (registers[base + HIGH] << 32 | registers[base + LOW]) + registers[base + HEAD] * DESCRIPTOR

    def advance(self) -> None:
        """The descriptor at the head is software's again."""
        self._registers[self._base + HEAD] = (self._registers[self._base + HEAD] + 1) % self.size

    def read(self, address: int, size: int) -> bytes | None:
        """Read memory; None and the queue stops if there is none."""
        data = self._dma.read(address, size)
        self.stopped |= data is None
        return data

    def write(self, address: int, data: bytes) -> bool:
        """Write memory; False and the queue stops if there is none."""
        written = self._dma.write(address, data)
        self.stopped |= not written
        return written
