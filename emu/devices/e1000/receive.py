"""The way in: filters, receive FIFO, receive descriptors (Intel 317453, section 3.2).

A frame that has passed the filters waits in the FIFO. For each buffer that it fills there is one event, at which
descriptor and data have crossed the bus: memory, head and interrupts change then.
"""

from __future__ import annotations

import zlib
from enum import IntEnum

from emu.clock import NEVER, Clock
from emu.devices.e1000.dma import Dma
from emu.devices.e1000.fifo import Fifo, space
from emu.devices.e1000.filters import Passed, passes, tag_of
from emu.devices.e1000.interrupts import Delay, Interrupts
from emu.devices.e1000.offload import check, total
from emu.devices.e1000.registers import Cause, Ctrl, Rctl, Register, RegisterFile, Rxcsum
from emu.devices.e1000.ring import DESCRIPTOR, Ring
from emu.devices.e1000.statistics import CRC, SMALLEST, Statistic, Statistics
from emu.kept import Kept

LARGEST = 1522                  # bytes of a packet with its CRC, unless long ones are enabled
LARGEST_LONG = 16384            # and if they are


class Rdesc(IntEnum):
    """Status in the lower byte, errors in the upper one."""

    DD = 1 << 0                 # descriptor done
    EOP = 1 << 1                # end of packet
    IXSM = 1 << 2               # ignore the checksum indications: nothing was checked
    VP = 1 << 3                 # a VLAN tag was taken off
    TCPCS = 1 << 5              # TCP or UDP checksum was checked
    IPCS = 1 << 6               # IP checksum was checked
    PIF = 1 << 7                # passed an inexact filter
    TCPE = 1 << 13              # TCP or UDP checksum is wrong
    IPE = 1 << 14               # IP checksum is wrong


class Receiver(Kept):
    """FIFO, ring, and the packet on its way into memory."""

    KEPT = ("fifo", "ring", "packet", "position", "status", "checksum", "tag")

    def __init__(self, clock: Clock, registers: RegisterFile, dma: Dma, interrupts: Interrupts,
                 statistics: Statistics, name: str) -> None:
        self._registers = registers
        self._dma = dma
        self._interrupts = interrupts
        self._statistics = statistics
        self._stored = clock.event(f"{name}.receive", self._store)         # a buffer is full
        self.delay = Delay(clock, f"{name}.receive", lambda: interrupts.set(Cause.RXT0))
        self.fifo = Fifo()
        self.ring = Ring(registers, Register.RDBAL, dma)
        self.packet = bytearray()       # as software is to see it; empty between packets
        self.position = 0               # bytes of it that are in memory
        self.status = 0                 # for its last descriptor, with errors
        self.checksum = 0               # packet checksum, likewise
        self.tag = 0                    # VLAN tag, likewise

    def reset(self) -> None:
        """Device reset: what is in the FIFO is lost."""
        self._stored.cancel()
        self.delay.cancel()
        self.fifo.clear()
        self.ring.stopped = False
        self.packet.clear()
        self.position = self.status = self.checksum = self.tag = 0

    # From the wire

    def arrive(self, frame: bytes) -> None:
        """A frame without its CRC, which was right."""
        control = self._registers[Register.RCTL]
        if not control & Rctl.EN or not frame:
            return
        size = len(frame) + CRC
        self._statistics.count(Statistic.TPR)
        self._statistics.count(Statistic.TORL, size)
        passed = passes(self._registers, frame)
        if not passed:
            return
        good = SMALLEST <= size <= (LARGEST_LONG if control & Rctl.LPE else LARGEST)
        if not good:
            self._statistics.count(Statistic.RUC if size < SMALLEST else Statistic.ROC)
            if not control & Rctl.SBP:
                return
        if self.fifo.used + space(size) > self._registers[Register.PBA] << 10:
            self._statistics.count(Statistic.MPC)
            self._interrupts.set(Cause.RXO)
            return
        if good:
            self._statistics.received(frame)
        if not self.ring.available:
            self._statistics.count(Statistic.RNBC)
        self.fifo.put(frame, passed)
        self.work()

    # Into memory

    def work(self) -> None:
        """Begin to fill the next buffer, if there is a frame and a buffer and none is being filled."""
        if self._stored.cycle != NEVER or not self.fifo or not self.ring.ready:
            return
        if not self.packet:
            self._prepare()
        self._stored.schedule(self._dma.reserve(reads=(DESCRIPTOR,), writes=(self._piece(), DESCRIPTOR)))

    def _piece(self) -> int:
        """Bytes that go into the next buffer."""
        control = self._registers[Register.RCTL]
        size = 2048 >> (control >> Rctl.BSIZE & 3)
        if control & Rctl.BSEX and size < 2048:         # 2048 with BSEX is reserved
            size *= 16
        return min(size, len(self.packet) - self.position)

    def _prepare(self) -> None:
        """Make the first frame of the FIFO what software is to see: tag, CRC, checksums."""
        registers = self._registers
        frame = self.fifo.first()
        self.status = Rdesc.DD | Rdesc.EOP
        if self.fifo.marks[0] == Passed.INEXACTLY:
            self.status |= Rdesc.PIF
        self.status |= self._checked(frame)
        self.packet[:] = frame
        self.tag = 0
        tag = tag_of(registers, frame) if registers[Register.CTRL] & Ctrl.VME else None
        if tag is not None:
            self.tag = tag
            self.status |= Rdesc.VP
            del self.packet[12:16]
        if not registers[Register.RCTL] & Rctl.SECRC:
            self.packet += zlib.crc32(frame).to_bytes(CRC, "little")
        start = registers[Register.RXCSUM] & Rxcsum.PCSS
        self.checksum = ~total(self.packet[start:]) & 0xFFFF
        self.position = 0

    def _checked(self, frame: bytes) -> int:
        """Status and error bits of checksum offload."""
        control = self._registers[Register.RXCSUM]
        if not control & (Rxcsum.IPOFL | Rxcsum.TUOFL):
            return Rdesc.IXSM
        ip, transport = check(frame, self._registers[Register.VET])
        status = 0
        if control & Rxcsum.IPOFL and ip is not None:
            status |= Rdesc.IPCS if ip else Rdesc.IPCS | Rdesc.IPE
        if control & Rxcsum.TUOFL and transport is not None:
            status |= Rdesc.TCPCS if transport else Rdesc.TCPCS | Rdesc.TCPE
        return status or Rdesc.IXSM

    def _store(self) -> None:
        """A buffer and its descriptor have crossed the bus."""
        ring = self.ring
        if not ring.ready:                              # software has taken the descriptor away
            return
        descriptor = ring.read(ring.address, DESCRIPTOR)
        if descriptor is None:
            return
        size = self._piece()
        end = self.position + size == len(self.packet)
        buffer = int.from_bytes(descriptor[:8], "little")
        if not ring.write(buffer, bytes(self.packet[self.position:self.position + size])):
            return
        written = (size.to_bytes(2, "little") + self.checksum.to_bytes(2, "little")
                   + (self.status if end else Rdesc.DD).to_bytes(2, "little") + self.tag.to_bytes(2, "little"))
        if not ring.write(ring.address + 8, written):
            return
        self.position += size
        ring.advance()
        if ring.available == ring.size >> 1 + min(self._registers[Register.RCTL] >> Rctl.RDMTS & 3, 2):
            self._interrupts.set(Cause.RXDMT0)
        if end:
            self._finish(len(self.packet))
        self.work()

    def _finish(self, size: int) -> None:
        """A packet is in memory: say so, now or later."""
        self.fifo.drop()
        self.packet.clear()
        registers = self._registers
        if size <= registers[Register.RSRPD]:
            self.delay.cancel()
            self._interrupts.set(Cause.SRPD)
        else:
            self.delay.start(registers[Register.RDTR], registers[Register.RADV])
