"""The way out: transmit descriptors, transmit FIFO, the wire (Intel 317453, sections 3.3 to 3.5).

For each buffer (with segmentation, for what completes a segment) there is one event, at which descriptor and data have
crossed the bus, the status that software has asked for included. Frames wait in the FIFO for the wire; while there is
no room for the next piece, nothing is fetched.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from emu.clock import NEVER, Clock
from emu.devices.e1000.dma import Dma
from emu.devices.e1000.fifo import Fifo, space
from emu.devices.e1000.interrupts import Delay, Interrupts, after
from emu.devices.e1000.offload import Context, insert
from emu.devices.e1000.registers import LWTHRESH, PACKET_BUFFER, Cause, Ctrl, Register, RegisterFile, Tctl
from emu.devices.e1000.ring import DESCRIPTOR, Ring
from emu.devices.e1000.statistics import CRC, SMALLEST, Statistic, Statistics
from emu.kept import Kept

LARGEST = 16288                 # bytes of a packet (section 3.3.3, "Length")
ON_WIRE = 24                    # bytes that a frame takes on the wire beside its own: preamble, CRC, gap


class Outside(Protocol):
    """What the controller is plugged into."""

    free_at: int                # cycle from which on it is idle

    def send(self, frame: bytes) -> bool:
        """Transmit a frame behind those already taken; False: it was lost."""
        ...


class Command(IntEnum):
    """The command byte of a descriptor."""

    EOP = 0x01                  # end of packet
    IFCS = 0x02                 # insert the CRC
    IC = 0x04                   # legacy: insert a checksum
    TSE = 0x04                  # extended: TCP segmentation
    RS = 0x08                   # report status
    DEXT = 0x20                 # extended
    VLE = 0x40                  # insert a VLAN tag
    IDE = 0x80                  # delay the interrupt


class Options(IntEnum):
    """POPTS of a packet's first data descriptor."""

    IXSM = 1                    # insert the IP checksum
    TXSM = 2                    # insert the TCP or UDP checksum


DATA = 1                        # DTYP of an extended data descriptor; anything else is taken for a context
DD = 1                          # status: descriptor done


class Transmitter(Kept):
    """Ring, the packet in the making, FIFO."""

    KEPT = ("ring", "descriptor", "fetched", "context", "packet", "header", "begun", "options", "segmenting", "lost",
            "segments", "offset", "fifo", "looping")

    def __init__(self, clock: Clock, registers: RegisterFile, dma: Dma, interrupts: Interrupts,
                 statistics: Statistics, wire: Outside, speed: int, name: str,
                 link: Callable[[], bool], loops: Callable[[], bool], loop: Callable[[bytes], None]) -> None:
        """`speed`: Mb/s in loopback. `link`, `loops`: whether frames can leave, or come back; `loop` takes those."""
        self.clock = clock
        self._registers = registers
        self._dma = dma
        self._interrupts = interrupts
        self._statistics = statistics
        self._wire = wire
        self._speed = speed
        self._link, self._loops, self._loop = link, loops, loop
        self._fetch = clock.event(f"{name}.transmit", self._fetched)        # a piece has come over the bus
        self._next = clock.event(f"{name}.wire", self._wire_is_free)       # the next frame may leave
        self.delay = Delay(clock, f"{name}.transmit", lambda: interrupts.set(Cause.TXDW))
        self.fifo = Fifo()
        self.context = Context()
        self.ring = Ring(registers, Register.TDBAL, dma)
        self.descriptor = bytearray()   # the one at the head, empty until it has been read
        self.fetched = 0                # bytes of its buffer that have been fetched
        self.packet = bytearray()       # what has been gathered of the packet, or of the segment with its header
        self.header = bytearray()       # segmentation: the header of all segments
        self.begun = False              # a packet is in the making
        self.options = 0                # its POPTS
        self.segmenting = False         # it is to be segmented
        self.lost = False               # it is too long, and will not leave
        self.segments = 0               # how many segments of it have left
        self.offset = 0                 # bytes of payload in them
        self.looping = False            # the frame under way comes back

    def reset(self) -> None:
        """Device reset: what is in the FIFO is lost."""
        self._fetch.cancel()
        self._next.cancel()
        self.delay.cancel()
        self.fifo.clear()
        self.context.reset()
        self.ring.stopped = False
        self.descriptor.clear()
        self.fetched = 0
        self.looping = False
        self._forget()

    def _forget(self) -> None:
        """No packet is in the making."""
        self.packet.clear()
        self.header.clear()
        self.begun = self.segmenting = self.lost = False
        self.options = self.segments = self.offset = 0

    # Out of memory

    def work(self) -> None:
        """Begin to fetch the next piece, if there is one and room for it and none is being fetched."""
        ring = self.ring
        if self._fetch.cycle != NEVER or not self._registers[Register.TCTL] & Tctl.EN or not ring.ready:
            return
        reads: tuple[int, ...] = ()
        if not self.descriptor:
            descriptor = ring.read(ring.address, DESCRIPTOR)
            if descriptor is None:
                return
            self.descriptor[:] = descriptor
            self._begin()
            reads = (DESCRIPTOR,)
        piece = self._piece()
        if not self._has_room(piece):
            if not self.fetched:
                self.descriptor.clear()                     # it will be fetched again
            return
        if piece:
            reads += (piece,)
        done = self.fetched + piece == self._length()
        report = done and self._command() & Command.RS
        self._fetch.schedule(self._dma.reserve(reads, (DESCRIPTOR,) if report else ()))

    def _command(self) -> int:
        return self.descriptor[11]

    def _is_context(self) -> bool:
        return bool(self._command() & Command.DEXT) and self.descriptor[10] >> 4 != DATA

    def _length(self) -> int:
        """Bytes in the buffer of the descriptor."""
        if self._is_context():
            return 0
        mask = 0xF_FFFF if self._command() & Command.DEXT else 0xFFFF
        return int.from_bytes(self.descriptor[8:11], "little") & mask

    def _begin(self) -> None:
        """A packet begins with its first data descriptor."""
        if self._is_context() or self.begun:
            return
        extended = bool(self._command() & Command.DEXT)
        self.options = self.descriptor[13] if extended else 0
        self.segmenting = extended and bool(self._command() & Command.TSE)

    def _limit(self) -> int:
        """How long the packet, or the segment, may become; an MSS of 0 counts as 1."""
        return self.context.hdrlen + max(self.context.mss, 1) if self.segmenting else LARGEST

    def _piece(self) -> int:
        """Bytes to fetch next: the rest of the buffer, or of the segment."""
        rest = self._length() - self.fetched
        return min(rest, self._limit() - len(self.packet)) if self.segmenting else rest

    def _has_room(self, piece: int) -> bool:
        """Whether the FIFO has room for the packet with its next piece; what can never have, is lost."""
        size = len(self.packet) + piece
        capacity = PACKET_BUFFER - self._registers[Register.PBA] << 10
        if size > LARGEST or space(size) > capacity:
            self.lost = True
        return self.lost or self.fifo.used + space(size) <= capacity

    def _fetched(self) -> None:
        """A piece has come over the bus."""
        ring = self.ring
        if not ring.ready or not self.descriptor:           # software has taken the descriptor away
            self.descriptor.clear()
            self.fetched = 0
            return
        piece = self._piece()
        data = ring.read(int.from_bytes(self.descriptor[:8], "little") + self.fetched, piece) if piece else b""
        if data is None:
            return
        self.fetched += piece
        end = self.fetched >= self._length()
        if self._is_context():
            self._take_context()
        else:
            self._take_data(data, last=end and bool(self._command() & Command.EOP))
        if end:
            self._descriptor_done()
        self.send()
        self.work()

    def _take_context(self) -> None:
        """A context counts from the next packet on; in the midst of one there must be none, and it is ignored."""
        if self.begun:
            return
        self.context.decode(self.descriptor)
        if self._command() & Command.TSE:
            self._statistics.count(Statistic.TSCTC)

    def _take_data(self, data: bytes, last: bool) -> None:
        """Add a piece to the packet; the last one, or a full segment, completes it."""
        self.begun = True
        if self.lost:
            self.packet.clear()
        else:
            self.packet += data
        if self.segmenting:
            if not self.header and len(self.packet) >= self.context.hdrlen:
                self.header[:] = self.packet[:self.context.hdrlen]
            if len(self.packet) >= self._limit() or (last and len(self.packet) > self.context.hdrlen):
                self._segment(last)
        elif last and not self.lost:
            self._complete(self.packet)
        if last:
            self._forget()

    def _segment(self, last: bool) -> None:
        """What has been gathered is a segment."""
        payload = len(self.packet) - self.context.hdrlen
        last = last or self.offset + payload >= self.context.paylen
        self.context.segment(self.packet, self.segments, self.offset, last)
        self._complete(self.packet, extra=len(self.packet) - self.context.tucss)
        self.segments += 1
        self.offset += payload
        self.packet[:] = self.header

    def _complete(self, packet: bytearray, extra: int = 0) -> None:
        """Checksums, CRC, tag, padding; then into the FIFO. `extra`: the length that the TCP checksum still lacks."""
        command = self._command()
        if self.options & Options.IXSM:
            self.context.insert_ip(packet)
        if self.options & Options.TXSM:
            self.context.insert_transport(packet, extra=extra)
        if not command & Command.DEXT and command & Command.IC:
            insert(packet, self.descriptor[10], self.descriptor[13], len(packet))
        if not command & Command.IFCS:              # software has put the CRC in; a wrong one, and nobody listens
            packet, crc = packet[:-CRC], packet[-CRC:]
            if zlib.crc32(packet).to_bytes(CRC, "little") != crc:
                return
        if command & Command.VLE and self._registers[Register.CTRL] & Ctrl.VME and len(packet) >= 12:
            tag = self._registers[Register.VET].to_bytes(2, "big") + self.descriptor[15:13:-1]
            packet = packet[:12] + tag + packet[12:]
        if packet:
            padded = self._registers[Register.TCTL] & Tctl.PSP
            self.fifo.put(packet.ljust(SMALLEST - CRC, b"\0") if padded else packet)

    def _descriptor_done(self) -> None:
        """The descriptor is software's again."""
        ring, command = self.ring, self._command()
        if command & Command.RS and not ring.write(ring.address + 12, bytes((self.descriptor[12] | DD,))):
            return
        self.descriptor.clear()
        self.fetched = 0
        ring.advance()
        left = ring.available
        low = self._registers[Register.TXDCTL] >> LWTHRESH << 3
        if low and left == low:
            self._interrupts.set(Cause.TXD_LOW)
        if not left:
            self._interrupts.set(Cause.TXQE)
        if command & Command.RS:
            if command & Command.IDE:
                self.delay.start(self._registers[Register.TIDV], self._registers[Register.TADV])
            else:
                self.delay.expire()

    # Onto the wire

    def send(self) -> None:
        """Let frames go, as far as the wire is free."""
        while self.fifo and self._next.cycle == NEVER and self._registers[Register.TCTL] & Tctl.EN:
            if self._loops():
                size = len(self.fifo.first()) + ON_WIRE
                self.looping = True
                self._next.schedule(after(self.clock, -(-size * 8000 // self._speed)))
            elif not self._link():
                return
            elif self._wire.free_at > self.clock.moment:
                self._next.schedule(self._wire.free_at)
            else:
                self._wire.send(self._take())

    def _take(self) -> bytes:
        """The first frame of the FIFO, which leaves."""
        frame = self.fifo.first()
        self.fifo.drop()
        self._statistics.transmitted(frame)
        return frame

    def _wire_is_free(self) -> None:
        if self.looping:
            self.looping = False
            self._loop(self._take())
        self.send()
        self.work()
