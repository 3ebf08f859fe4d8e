"""Statistics: counters that stop at their greatest value and are cleared by reading (Intel 317453, section 13.7).

Octets count from the destination address through the CRC. What cannot happen here (collisions, bad CRCs, flow control,
management) has no counter: those registers read 0.
"""

from __future__ import annotations

from enum import IntEnum

from emu.kept import Kept

FIRST, END = 0x4000, 0x4100     # offsets
CRC = 4                         # bytes
SMALLEST = 64                   # bytes of a legal packet


class Statistic(IntEnum):
    """Offsets of those that count."""

    MPC = 0x4010                # missed: the receive FIFO was full
    PRC64 = 0x405C              # good packets received, 64 bytes; five more up to PRC1522
    GPRC = 0x4074               # good packets received
    BPRC = 0x4078               # among them, broadcasts
    MPRC = 0x407C               # and multicasts
    GPTC = 0x4080               # good packets transmitted
    GORCL = 0x4088              # good octets received, low; high follows
    GOTCL = 0x4090              # good octets transmitted
    RNBC = 0x40A0               # received while no descriptor was free
    RUC = 0x40A4                # received undersize
    ROC = 0x40AC                # received oversize
    TORL = 0x40C0               # all octets received
    TOTL = 0x40C8               # all octets transmitted
    TPR = 0x40D0                # all packets received
    TPT = 0x40D4                # all packets transmitted
    PTC64 = 0x40D8              # packets transmitted, 64 bytes; five more up to PTC1522
    MPTC = 0x40F0               # multicasts transmitted
    BPTC = 0x40F4               # broadcasts transmitted
    TSCTC = 0x40F8              # TCP segmentation contexts transmitted


WIDE = (Statistic.GORCL, Statistic.GOTCL, Statistic.TORL, Statistic.TOTL)     # 64 bits: reading high clears both


class Statistics(Kept):
    """The counters."""

    KEPT = ("counts",)

    def __init__(self) -> None:
        self.counts = [0] * ((END - FIRST) // 4)        # by offset

    def reset(self) -> None:
        """All 0."""
        self.counts[:] = [0] * len(self.counts)

    def peek(self, offset: int) -> int:
        """A counter, unchanged."""
        return self.counts[offset - FIRST >> 2]

    def read(self, offset: int) -> int:
        """A counter, which is then 0; the low half of a wide one stays until its high half is read."""
        value = self.peek(offset)
        if offset - 4 in WIDE:
            self.counts[offset - FIRST - 4 >> 2] = 0
        if offset not in WIDE:
            self.counts[offset - FIRST >> 2] = 0
        return value

    def count(self, statistic: int, amount: int = 1) -> None:
        """Add to a counter."""
        low = statistic - FIRST >> 2
        if statistic in WIDE:
            total = min((self.counts[low + 1] << 32 | self.counts[low]) + amount, (1 << 64) - 1)
            self.counts[low + 1] = total >> 32
            self.counts[low] = total & 0xFFFF_FFFF
        else:
            self.counts[low] = min(self.counts[low] + amount, 0xFFFF_FFFF)

    def received(self, frame: bytes) -> None:
        """A good packet has passed the filters."""
        size = len(frame) + CRC
        self.count(Statistic.PRC64 + _size_class(size))
        self.count(Statistic.GPRC)
        self.count(Statistic.GORCL, size)
        if frame[0] & 1:
            self.count(Statistic.BPRC if is_broadcast(frame) else Statistic.MPRC)

    def transmitted(self, frame: bytes) -> None:
        """A packet leaves; one that is too short is not good."""
        size = len(frame) + CRC
        self.count(Statistic.TPT)
        self.count(Statistic.TOTL, size)
        if size < SMALLEST:
            return
        self.count(Statistic.PTC64 + _size_class(size))
        self.count(Statistic.GPTC)
        self.count(Statistic.GOTCL, size)
        if frame[0] & 1:
            self.count(Statistic.BPTC if is_broadcast(frame) else Statistic.MPTC)


def is_broadcast(frame: bytes) -> bool:
    """Whether a frame is addressed to all stations."""
    return frame[:6] == b"\xFF" * 6


def _size_class(size: int) -> int:
    """Distance in bytes to the register that counts packets of this size."""
    return 4 * sum(size >= limit for limit in (65, 128, 256, 512, 1024))
