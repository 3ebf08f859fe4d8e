"""A controller with memory and a wire, and what a driver does with it by Intel's manual."""

from __future__ import annotations

import struct
from itertools import pairwise

from emu.bus import Line
from emu.clock import NEVER, Clock
from emu.devices.e1000 import E1000
from emu.devices.e1000.registers import Cause, Ctrl, Rctl, Register, Tctl

FREQUENCY = 500_000_000         # Hz: 2 ns
MAC = bytes.fromhex("001b21a1b2c3")
PEER = bytes.fromhex("02000000beef")
RX_RING, TX_RING = 0x1000, 0x2000
RX_BUFFERS, TX_BUFFERS = 0x20000, 0x80000       # 16 KiB apart
STRIDE = 0x4000
MEMORY = 0x100000
EOP, IFCS, IC, RS, DEXT, VLE, IDE = 0x01, 0x02, 0x04, 0x08, 0x20, 0x40, 0x80
TSE = IC


class Memory:
    """RAM as devices see it."""

    def __init__(self, size: int = MEMORY) -> None:
        self.bytes = bytearray(size)

    def read(self, address: int, size: int) -> bytes:
        self._check(address, size)
        return bytes(self.bytes[address:address + size])

    def write(self, address: int, data: bytes) -> None:
        self._check(address, len(data))
        self.bytes[address:address + len(data)] = data

    def _check(self, address: int, size: int) -> None:
        if address < 0 or address + size > len(self.bytes):
            raise ValueError(f"no memory at {address:#x}")


class Wire:
    """The near end of a wire: keeps what was sent, and when."""

    def __init__(self, clock: Clock, rate: int) -> None:
        self.clock, self.rate = clock, rate
        self.free_at = 0
        self.sent: list[bytes] = []
        self.times: list[int] = []

    def send(self, frame: bytes) -> bool:
        start = max(self.free_at, self.clock.moment)
        self.free_at = start + -(-(max(len(frame), 60) + 24) * 8 * self.clock.frequency // self.rate)
        self.sent.append(frame)
        self.times.append(start)
        return True


class Card:
    """The controller on a board."""

    def __init__(self, rate: int = 1_000_000_000, frequency: int = FREQUENCY, memory: Memory | None = None) -> None:
        self.clock = Clock(frequency)
        self.irq = Line("irq")
        self.memory = memory or Memory()
        self.wire = Wire(self.clock, rate)
        self.nic = E1000(self.clock, self.irq, self.memory, self.wire, mac=MAC, rate=rate)
        self.nic.config.write(0x04, 0x7, 2)             # I/O, memory, bus master
        self.rx_size = self.tx_size = 0
        self.taken = self.given = 0                     # descriptors: next to look at, next to use

    def get(self, register: int) -> int:
        return self.nic.read(register, 4)

    def put(self, register: int, value: int) -> None:
        self.nic.write(register, value, 4)

    def settle(self, limit: int = 10_000_000) -> None:
        """Let everything happen that is going to."""
        end = self.clock.now + limit
        while self.clock.deadline != NEVER and self.clock.deadline <= end:
            self.clock.advance(self.clock.deadline - self.clock.now)

    def microseconds(self, number: float) -> int:
        """In cycles."""
        return round(number * self.clock.frequency / 1_000_000)

    # Section 14: initialization

    def start(self, *, rx: int = 16, tx: int = 16, rctl: int = Rctl.BAM | Rctl.SECRC, tctl: int = Tctl.PSP,
              causes: int = Cause.RXT0 | Cause.TXDW | Cause.LSC) -> None:
        """Reset, link, rings, enable; nothing pending."""
        self.put(Register.IMC, 0xFFFF_FFFF)
        self.put(Register.CTRL, self.get(Register.CTRL) | Ctrl.RST)
        self.put(Register.CTRL, self.get(Register.CTRL) | Ctrl.SLU)
        self.start_receive(rx, rctl)
        self.start_transmit(tx, tctl)
        self.get(Register.ICR)
        self.put(Register.IMS, causes)

    def start_receive(self, size: int, rctl: int) -> None:
        self.rx_size, self.taken = size, 0
        for i in range(size):
            self.memory.write(RX_RING + 16 * i, struct.pack("<QQ", RX_BUFFERS + i % 16 * STRIDE, 0))
        self.put(Register.RDBAL, RX_RING); self.put(Register.RDBAH, 0)
        self.put(Register.RDLEN, 16 * size)
        self.put(Register.RDH, 0); self.put(Register.RDT, size - 1)
        self.put(Register.RCTL, rctl | Rctl.EN)

    def start_transmit(self, size: int, tctl: int) -> None:
        self.tx_size, self.given = size, 0
        self.put(Register.TDBAL, TX_RING); self.put(Register.TDBAH, 0)
        self.put(Register.TDLEN, 16 * size)
        self.put(Register.TDH, 0); self.put(Register.TDT, 0)
        self.put(Register.TCTL, tctl | Tctl.EN)

    # Descriptors

    def describe(self, low: int, high: int) -> None:
        """The next transmit descriptor, as two quadwords; hardware does not get it yet."""
        self.memory.write(TX_RING + 16 * self.given, struct.pack("<QQ", low, high))
        self.given = (self.given + 1) % self.tx_size

    def legacy(self, data: bytes, command: int = EOP | IFCS | RS, *, cso: int = 0, css: int = 0, tag: int = 0) -> None:
        """A legacy descriptor, and its data in a buffer of its own."""
        buffer = TX_BUFFERS + self.given % 16 * STRIDE
        self.memory.write(buffer, data)
        self.describe(buffer, len(data) | cso << 16 | command << 24 | css << 40 | tag << 48)

    def data(self, data: bytes, command: int = EOP | IFCS | RS, *, options: int = 0) -> None:
        """A data descriptor."""
        buffer = TX_BUFFERS + self.given % 16 * STRIDE
        self.memory.write(buffer, data)
        self.describe(buffer, len(data) | 1 << 20 | (command | DEXT) << 24 | options << 40)

    def go(self) -> None:
        """Give hardware what was described."""
        self.put(Register.TDT, self.given)

    def transmit(self, *frames: bytes) -> None:
        """Send frames and wait until they are gone."""
        for frame in frames:
            self.legacy(frame)
        self.go()
        self.settle()

    def received(self) -> list[tuple[bytes, int, int, int]]:
        """Packets that are complete in memory, each with status and errors, checksum and tag; buffers go back."""
        found: list[tuple[bytes, int, int, int]] = []
        packet = b""
        while True:
            address, length, checksum, status, tag = struct.unpack(
                "<QHHHH", self.memory.read(RX_RING + 16 * self.taken, 16))
            if not status & 1:
                return found
            packet += self.memory.read(address, length)
            self.memory.write(RX_RING + 16 * self.taken + 8, bytes(8))
            if status & 2:
                found.append((packet, status, checksum, tag))
                packet = b""
            self.put(Register.RDT, self.taken)
            self.taken = (self.taken + 1) % self.rx_size

    def receive(self, *frames: bytes) -> list[tuple[bytes, int, int, int]]:
        """Frames come from the wire; what of them comes into memory."""
        for frame in frames:
            self.nic.receive(frame)
            self.settle()
        return self.received()


def frame(size: int = 60, to: bytes = MAC, seed: int = 0) -> bytes:
    """An Ethernet frame of `size` bytes."""
    return to + PEER + b"\x88\xb5" + bytes((seed + 7 * i) & 0xFF for i in range(size - 14))


def words(data: bytes) -> int:
    """The Internet checksum as RFC 1071 computes it, word by word."""
    number = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while number >> 16:
        number = (number & 0xFFFF) + (number >> 16)
    return number ^ 0xFFFF


def ipv4(protocol: int, segment: bytes, *, options: bytes = b"", fragment: int = 0, right: bool = True) -> bytes:
    """An IPv4 packet; the segment's checksum must be there."""
    length = 20 + len(options) + len(segment)
    header = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, length, 0x1234, fragment, 64, protocol,
                                   0, bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))) + options)
    struct.pack_into(">H", header, 10, words(bytes(header)) ^ (not right))
    return bytes(header) + segment


def pseudo(protocol: int, length: int) -> bytes:
    """The pseudo header of such a packet."""
    return bytes((10, 0, 0, 1, 10, 0, 0, 2, 0, protocol)) + struct.pack(">H", length)


def udp(payload: bytes, *, right: bool = True, without: bool = False) -> bytes:
    """A UDP datagram."""
    head = struct.pack(">HHH", 1000, 2000, 8 + len(payload))
    checksum = words(pseudo(17, 8 + len(payload)) + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack(">H", 0 if without else checksum ^ (not right)) + payload


def tcp(payload: bytes, *, sequence: int = 0x01020304, flags: int = 0x18, right: bool = True) -> bytes:
    """A TCP segment."""
    head = struct.pack(">HHIIBBH", 80, 4321, sequence, 0x0A0B0C0D, 0x50, flags, 8192)
    checksum = words(pseudo(6, 20 + len(payload)) + head + b"\0\0\0\0" + payload)
    return head + struct.pack(">HH", checksum ^ (not right), 0) + payload


def ethernet(packet: bytes, kind: int = 0x0800, to: bytes = MAC) -> bytes:
    """A frame around it."""
    return to + PEER + struct.pack(">H", kind) + packet


def gaps(times: list[int]) -> list[int]:
    """Distances between moments."""
    return [later - earlier for earlier, later in pairwise(times)]
