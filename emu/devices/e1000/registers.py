"""The registers of the 82540EM: offsets, bits, what software can write, values after a reset.

Names as in Intel's Software Developer's Manual (317453), section 13. Reserved bits and registers read 0.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from emu.kept import Kept

SIZE = 0x20000                  # bytes that base address register 0 maps


class Register(IntEnum):
    """Offsets."""

    CTRL = 0x0000               # device control
    STATUS = 0x0008             # device status, read only
    EECD = 0x0010               # the EEPROM's pins
    EERD = 0x0014               # a word of the EEPROM
    CTRL_EXT = 0x0018           # extended device control
    MDIC = 0x0020               # a register of the PHY
    FCAL = 0x0028               # flow control address, low; flow control is not modelled
    FCAH = 0x002C               # and high
    FCT = 0x0030                # flow control type
    VET = 0x0038                # VLAN EtherType
    ICR = 0x00C0                # interrupt causes, cleared by reading
    ITR = 0x00C4                # interrupt throttling, 256 ns
    ICS = 0x00C8                # sets causes, written only
    IMS = 0x00D0                # mask: sets bits; reads the mask
    IMC = 0x00D8                # mask: clears bits, written only
    RCTL = 0x0100               # receive control
    FCTTV = 0x0170              # flow control transmit timer value
    TCTL = 0x0400               # transmit control
    TIPG = 0x0410               # inter-packet gap; the wire's is fixed
    AIT = 0x0458                # adaptive interframe spacing throttle, likewise
    LEDCTL = 0x0E00             # what the LEDs show
    PBA = 0x1000                # packet buffer: KiB for reception, the rest is for transmission
    FCRTL = 0x2160              # flow control thresholds
    FCRTH = 0x2168
    RDBAL = 0x2800              # receive descriptors: base, low
    RDBAH = 0x2804              # high
    RDLEN = 0x2808              # bytes in the ring
    RDH = 0x2810                # head: the next that hardware fills
    RDT = 0x2818                # tail: the first that is not hardware's
    RDTR = 0x2820               # receive interrupt delay after each packet, 1.024 us
    RXDCTL = 0x2828             # thresholds of prefetch and write-back; without effect
    RADV = 0x282C               # absolute receive interrupt delay, 1.024 us
    RSRPD = 0x2C00              # a packet no longer than this interrupts at once
    TDBAL = 0x3800              # transmit descriptors, as above
    TDBAH = 0x3804
    TDLEN = 0x3808
    TDH = 0x3810
    TDT = 0x3818
    TIDV = 0x3820               # transmit interrupt delay, 1.024 us
    TXDCTL = 0x3828             # thresholds; LWTHRESH alone has an effect
    TADV = 0x382C               # absolute transmit interrupt delay, 1.024 us
    TSPMT = 0x3830              # TCP segmentation: pad and threshold; without effect
    RXCSUM = 0x5000             # receive checksum control
    MTA = 0x5200                # multicast table, 128 registers
    RAL = 0x5400                # receive address 0, low; 16 pairs
    RAH = 0x5404                # high
    VFTA = 0x5600               # VLAN filter table, 128 registers
    WUC = 0x5800                # wake-up control; waking up is not modelled
    WUFC = 0x5808               # wake-up filters
    MANC = 0x5820               # management control; management is not modelled


class Ctrl(IntEnum):
    """CTRL."""

    FD = 1 << 0                 # full duplex
    SLU = 1 << 6                # set link up: the MAC may see the PHY's link
    SPEED = 3 << 8              # 10, 100, 1000 Mb/s, if forced
    FRCSPD = 1 << 11            # force speed
    RST = 1 << 26               # device reset; reads 0
    VME = 1 << 30               # VLAN mode: tags are taken off and put on
    PHY_RST = 1 << 31           # holds the PHY in reset


class Status(IntEnum):
    """STATUS; function 0 on a 32-bit bus of 33 MHz."""

    FD = 1 << 0                 # full duplex
    LU = 1 << 1                 # link up
    SPEED = 1 << 6              # lowest of two bits: 0, 1, 2 are 10, 100, 1000 Mb/s
    ASDV = 1 << 8               # likewise, as detected


class Eecd(IntEnum):
    """EECD."""

    SK = 1 << 0                 # clock
    CS = 1 << 1                 # chip select
    DI = 1 << 2                 # data in, to the EEPROM
    DO = 1 << 3                 # data out
    FWE = 1 << 4                # "flash writes disabled" in two bits
    REQ = 1 << 6                # software wants the pins
    GNT = 1 << 7                # and has them
    PRES = 1 << 8               # an EEPROM is there; its size bit 9 is 0: 64 words


class Eerd(IntEnum):
    """EERD."""

    START = 1 << 0
    DONE = 1 << 4
    ADDR = 8                    # lowest of 8 bits
    DATA = 16                   # lowest of 16 bits


class CtrlExt(IntEnum):
    """CTRL_EXT."""

    EE_RST = 1 << 13            # read the EEPROM again; reads 0


class Mdic(IntEnum):
    """MDIC."""

    DATA = 0xFFFF
    REGADD = 16                 # lowest of 5 bits
    PHYADD = 21                 # lowest of 5 bits
    OP = 3 << 26
    WRITE = 1 << 26
    READ = 2 << 26
    R = 1 << 28                 # ready
    I = 1 << 29                 # interrupt when ready
    E = 1 << 30                 # nobody has answered


class Cause(IntEnum):
    """ICR, ICS, IMS, IMC."""

    TXDW = 1 << 0               # transmit descriptor written back
    TXQE = 1 << 1               # transmit queue empty
    LSC = 1 << 2                # link status change
    RXDMT0 = 1 << 4             # receive descriptors down to their minimum
    RXO = 1 << 6                # receive FIFO overrun
    RXT0 = 1 << 7               # receive timer: packets are there
    MDAC = 1 << 9               # MDIC is ready
    TXD_LOW = 1 << 15           # transmit descriptors down to LWTHRESH
    SRPD = 1 << 16              # small packet received


CAUSES = 0x0001_F6DF            # bits that exist


class Rctl(IntEnum):
    """RCTL."""

    EN = 1 << 1                 # receive
    SBP = 1 << 2                # store bad packets
    UPE = 1 << 3                # unicast promiscuous
    MPE = 1 << 4                # multicast promiscuous
    LPE = 1 << 5                # long packets
    LBM = 3 << 6                # loopback mode
    LBM_MAC = 1 << 6            # in the MAC
    RDMTS = 8                   # lowest of two bits: minimum is 1/2, 1/4, 1/8 of the ring
    MO = 12                     # lowest of two bits: which bits of a multicast address
    BAM = 1 << 15               # accept broadcasts
    BSIZE = 16                  # lowest of two bits: size of buffers
    VFE = 1 << 18               # filter VLANs
    CFIEN = 1 << 19             # and by CFI
    CFI = 1 << 20               # which it must be
    BSEX = 1 << 25              # buffers are 16 times as long
    SECRC = 1 << 26             # strip the CRC


class Tctl(IntEnum):
    """TCTL."""

    EN = 1 << 1                 # transmit
    PSP = 1 << 3                # pad short packets


class Rxcsum(IntEnum):
    """RXCSUM."""

    PCSS = 0xFF                 # where the packet checksum starts
    IPOFL = 1 << 8              # check IP
    TUOFL = 1 << 9              # check TCP and UDP


FPD = 1 << 31                   # RDTR: the delay is over now
AV = 1 << 31                    # RAH: address valid
LWTHRESH = 25                   # TXDCTL: lowest of 7 bits; units of 8 descriptors
RECEIVE_ADDRESSES = 16          # pairs RAL, RAH
PACKET_BUFFER = 64              # KiB

_WORD = 0xFFFF_FFFF
_TABLE: dict[int, tuple[int, int]] = {      # offset: value after reset, bits that software can write
    Register.CTRL: (Ctrl.FD | 2 << 8, 0xDBFC_1BE9),
    Register.EECD: (Eecd.FWE, 0x77),
    Register.EERD: (0, _WORD),
    Register.CTRL_EXT: (0, 0x00C2_8CCF),
    Register.MDIC: (0, _WORD),
    Register.FCAL: (0, _WORD),
    Register.FCAH: (0, 0xFFFF),
    Register.FCT: (0, 0xFFFF),
    Register.VET: (0x8100, 0xFFFF),
    Register.RCTL: (0, 0x06DF_B3FE),
    Register.FCTTV: (0, 0xFFFF),
    Register.TCTL: (0, 0x017F_FFFA),
    Register.TIPG: (0, 0x3FFF_FFFF),
    Register.AIT: (0, 0xFFFF),
    Register.LEDCTL: (0x0706_8302, 0xCFCF_CFCF),
    Register.PBA: (48, 0x7F),
    Register.FCRTL: (0, 0x8000_FFF8),
    Register.FCRTH: (0, 0x8000_FFF8),
    Register.RXDCTL: (0x0001_0000, 0x013F_3F3F),
    Register.RSRPD: (0, 0x0FFF),
    Register.TXDCTL: (0, 0xFF3F_3F3F),
    Register.TSPMT: (0, _WORD),
    Register.RXCSUM: (0, 0x03FF),
    Register.WUC: (0, 0x0000_000F),
    Register.WUFC: (0, 0x000F_80FF),
    Register.MANC: (0, _WORD),
}
for _base, _timers in ((Register.RDBAL, (Register.RDTR, Register.RADV)),
                       (Register.TDBAL, (Register.TIDV, Register.TADV))):
    _TABLE |= {_base: (0, 0xFFFF_FFF0), _base + 4: (0, _WORD), _base + 8: (0, 0x000F_FF80),
               _base + 16: (0, 0xFFFF), _base + 24: (0, 0xFFFF)}
    _TABLE |= dict.fromkeys(_timers, (0, 0xFFFF))
for _base in (Register.MTA, Register.VFTA):
    _TABLE |= {_base + 4 * _i: (0, _WORD) for _i in range(128)}
for _i in range(RECEIVE_ADDRESSES):
    _TABLE |= {Register.RAL + 8 * _i: (0, _WORD), Register.RAH + 8 * _i: (0, 0x8003_FFFF)}
_RESET = {offset: int(reset) for offset, (reset, _) in _TABLE.items()}


class RegisterFile(dict[int, int], Kept):
    """The registers that remember what was written, by offset; hardware goes by their values."""

    def __init__(self) -> None:
        super().__init__(_RESET)

    def reset(self) -> None:
        """Values after power-on."""
        self.update(_RESET)

    def write(self, offset: int, value: int) -> None:
        """What software writes: the reserved bits stay."""
        writable = _TABLE[offset][1]
        self[offset] = self[offset] & ~writable & _WORD | value & writable

    def save(self) -> dict[str, Any]:
        """See Kept."""
        return {"values": list(self.values())}

    def load(self, saved: dict[str, Any]) -> None:
        """See Kept."""
        self.update(zip(list(self), saved["values"], strict=True))
