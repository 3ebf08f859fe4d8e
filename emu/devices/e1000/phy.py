"""The PHY inside the controller, a Marvell 88E1011, as MDIC reaches it.

Sheet: Intel 317453, the PHY registers of section 13.4.7, after IEEE 802.3, clauses 22, 28 and 40.
Not modelled: the time that autonegotiation takes (a second or two) and what it decides: the speed is that of the wire,
always full duplex. A restart loses the link and has it back at once.
"""

from __future__ import annotations

from enum import IntEnum

from emu.kept import Kept

ADDRESS = 1                     # of the PHY on the management bus


class PhyRegister(IntEnum):
    """Addresses; the others read what was written."""

    PCTRL = 0                   # control
    PSTATUS = 1                 # status
    ID_1 = 2                    # who made it
    ID_2 = 3                    # what it is
    ANA = 4                     # what we advertise
    LPA = 5                     # what the link partner does
    ANE = 6                     # autonegotiation expansion
    GCON = 9                    # 1000BASE-T control
    GSTATUS = 10                # 1000BASE-T status
    ESTATUS = 15                # extended status
    PSCON = 16                  # PHY specific control
    PSSTAT = 17                 # PHY specific status


class Pctrl(IntEnum):
    """PCTRL."""

    RESTART = 1 << 9            # restart autonegotiation; reads 0
    POWER_DOWN = 1 << 11
    LOOPBACK = 1 << 14          # what is sent comes back
    RESET = 1 << 15             # reads 0


LINK = 1 << 2                   # PSTATUS: link; reads 0 once after it was lost
NEGOTIATED = 1 << 5             # PSTATUS: autonegotiation is complete
_RESET: dict[int, int] = {
    PhyRegister.PCTRL: 0x1140,      # autonegotiates; 1000 Mb/s, full duplex
    PhyRegister.PSTATUS: 0x7949,    # able to do 10 and 100 Mb/s, autonegotiation, extended status
    PhyRegister.ID_1: 0x0141,       # Marvell
    PhyRegister.ID_2: 0x0C20,       # 88E1011
    PhyRegister.ANA: 0x0DE1,        # 10 and 100 Mb/s, PAUSE, IEEE 802.3
    PhyRegister.ANE: 0x0001,        # the partner autonegotiates
    PhyRegister.GCON: 0x0300,       # 1000 Mb/s
    PhyRegister.ESTATUS: 0x3000,    # 1000BASE-T
    PhyRegister.PSCON: 0x0068,
}
_READ_ONLY = (PhyRegister.PSTATUS, PhyRegister.ID_1, PhyRegister.ID_2, PhyRegister.LPA, PhyRegister.ANE,
              PhyRegister.GSTATUS, PhyRegister.ESTATUS, PhyRegister.PSSTAT)


class Phy(Kept):
    """Its registers; `plugged` is the wire's side of the link."""

    KEPT = ("values", "plugged", "held", "lost")

    def __init__(self, speed: int) -> None:
        """`speed`: 0, 1, 2 for 10, 100, 1000 Mb/s."""
        self.speed = speed
        self.plugged = True                     # there is a partner
        self.held = False                       # in reset, by CTRL.PHY_RST
        self.reset()

    def reset(self) -> None:
        """As after its reset pin."""
        self.values = [_RESET.get(register, 0) for register in range(32)]
        self.lost = False                       # the link was, since PSTATUS was read

    @property
    def link(self) -> bool:
        """Whether there is a link with the partner."""
        return self.plugged and not self.held and not self.values[PhyRegister.PCTRL] & Pctrl.POWER_DOWN

    @property
    def loopback(self) -> bool:
        """Whether it returns what is sent."""
        return bool(self.values[PhyRegister.PCTRL] & Pctrl.LOOPBACK)

    def read(self, register: int) -> int:
        """A register, 0-31; PSTATUS notices that the link was lost."""
        value = self.peek(register)
        if register == PhyRegister.PSTATUS:
            self.lost = False
        return value

    def peek(self, register: int) -> int:
        """The same, and nothing changes."""
        value = self.values[register]
        if not self.link:
            return value
        match register:
            case PhyRegister.PSTATUS:
                return value | NEGOTIATED | (0 if self.lost else LINK)
            case PhyRegister.LPA:
                return (0x4061, 0x41E1, 0x41E1)[self.speed]     # acknowledges; 10 Mb/s, or 100 too
            case PhyRegister.GSTATUS:
                return 0x3C00 if self.speed == 2 else 0         # receivers well; the partner does 1000 Mb/s
            case PhyRegister.PSSTAT:
                return self.speed << 14 | 0x2C00                # full duplex, resolved, link
        return value

    def write(self, register: int, value: int) -> bool:
        """Write a register; True if that has interrupted the link."""
        if register in _READ_ONLY:
            return False
        before = self.link
        self.values[register] = value & ~(Pctrl.RESTART | Pctrl.RESET) if register == PhyRegister.PCTRL else value
        if register != PhyRegister.PCTRL:
            return False
        if value & Pctrl.RESET:
            self.reset()
        interrupted = before and (bool(value & (Pctrl.RESTART | Pctrl.RESET)) or not self.link)
        self.lost |= interrupted
        return interrupted

    def connect(self, plugged: bool) -> None:
        """The wire is plugged in, or pulled out."""
        self.lost |= self.link and not plugged
        self.plugged = plugged

    def hold(self, held: bool) -> None:
        """CTRL.PHY_RST: its reset pin."""
        if held:
            self.reset()
            self.lost = True
        self.held = held
