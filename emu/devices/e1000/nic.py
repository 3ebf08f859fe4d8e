"""NIC: the Intel 82540EM as software sees it.

PCI     8086:100E, class 020000h, INTA. Base address register 0: 128 KiB of registers; 1: the flash memory, which is not
        fitted, so nobody answers; 2: 8 ports, through which the registers can be reached as well (`E1000.io`).
Wires   irq: high while INTA# is asserted. The link: frames go to `wire.send`, and come to `receive`.
Sheet   Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453).

Nothing is stepped: each buffer that crosses the bus, each frame on the wire and each delay is one event of the clock.

Not modelled: half duplex, flow control (PAUSE frames are packets like others), wake-up and power management, management
(SMBus), forced speeds (the wire keeps its own), access to the packet buffer, prefetch and write-back thresholds
(descriptors are fetched one by one and written back at once), the flash memory, IPv6 in receive checksum offload.
Choices where the manual is silent or the board decides:
  1. A reset takes no time. CTRL is as this board's EEPROM leaves it: full duplex, 1000 Mb/s, nothing forced, link down.
  2. A frame shorter than 60 bytes has been padded with zeros by whoever sent it: so it comes in. What the guest sends
     without padding and gets back in loopback is too short, and counted as such.
  3. With DMA forbidden (bus master bit of the PCI command register) queues wait; they look again whenever a frame or a
     register write gives them something to do.
  4. Accesses to registers of less than 32 bits read their part of it, and write nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.bus import Line
from emu.clock import Clock
from emu.devices.e1000.dma import Dma, Memory
from emu.devices.e1000.eeprom import WORDS, Eeprom
from emu.devices.e1000.interrupts import Interrupts, after
from emu.devices.e1000.phy import ADDRESS, Phy, PhyRegister
from emu.devices.e1000.receive import Receiver
from emu.devices.e1000.registers import (
    AV,
    FPD,
    PACKET_BUFFER,
    RECEIVE_ADDRESSES,
    SIZE,
    Cause,
    Ctrl,
    CtrlExt,
    Eecd,
    Eerd,
    Mdic,
    Rctl,
    Register,
    RegisterFile,
    Status,
)
from emu.devices.e1000.statistics import CRC, END, FIRST, SMALLEST, Statistic, Statistics
from emu.devices.e1000.transmit import Outside, Transmitter
from emu.devices.pci import Bar, PciFunction
from emu.kept import Kept

VENDOR, DEVICE, REVISION = 0x8086, 0x100E, 2
SUBSYSTEM = 0x001E              # PRO/1000 MT Desktop Adapter
ETHERNET = 0x02_00_00           # PCI class code
FLASH = 0x10000                 # bytes that base address register 1 maps
IO = 8                          # ports
SPEEDS = (10, 100, 1000)        # Mb/s
MDI_TIME = 64_000               # ns: 64 bits of a frame on the management bus, at 1 MHz
EERD_TIME = 26_000              # ns: 9 bits to the EEPROM and 17 back, at 1 MHz


class E1000(Kept):
    """The controller with its EEPROM: `read` and `write` are base address register 0."""

    KEPT = ("config", "registers", "eeprom", "phy", "interrupts", "statistics", "dma", "receiver", "transmitter",
            "link", "word_ready", "io_address")

    def __init__(self, clock: Clock, irq: Line, memory: Memory, wire: Outside, *, mac: bytes,
                 rate: int = 100_000_000, name: str = "e1000") -> None:
        """`rate`: bits per second of the wire; the link has the greatest speed that is not beyond it, at least 10 Mb/s.

        `name` begins the names of its events. Raises ValueError unless `mac` is the address of a station.
        """
        self.clock = clock
        self.config = PciFunction(VENDOR, DEVICE, ETHERNET, [Bar(SIZE), Bar(FLASH), Bar(IO, io=True)],
                                  revision=REVISION, subsystem=(VENDOR, SUBSYSTEM), interrupt_pin=1)
        self.io = IoWindow(self)
        speed = max((i for i, speed in enumerate(SPEEDS) if speed * 1_000_000 <= rate), default=0)
        self.registers = RegisterFile()
        self.eeprom = Eeprom(mac, DEVICE, SUBSYSTEM, VENDOR)
        self.phy = Phy(speed)
        self.interrupts = Interrupts(clock, irq, name)
        self.statistics = Statistics()
        self.dma = Dma(clock, memory, self.config)
        shared = (clock, self.registers, self.dma, self.interrupts, self.statistics)
        self.receiver = Receiver(*shared, name)
        self.transmitter = Transmitter(*shared, wire, SPEEDS[speed], name, link=lambda: self.link,
                                       loops=self._loops, loop=self.receiver.arrive)
        self._mdi = clock.event(f"{name}.mdi", self._mdi_done)     # MDIC has its answer
        self.link = False               # STATUS.LU
        self.word_ready = 0             # cycle at which EERD has its answer
        self.io_address = 0             # IOADDR
        self._readers: dict[int, Callable[[], int]] = {
            Register.STATUS: self._status, Register.EECD: self._read_eecd, Register.EERD: self._read_eerd,
            Register.ICR: self.interrupts.take, Register.ITR: lambda: self.interrupts.interval,
            Register.IMS: lambda: self.interrupts.mask, Register.PBA: self._read_pba}
        self._writers: dict[int, Callable[[int], None]] = {
            Register.CTRL: self._write_ctrl, Register.EECD: self._write_eecd, Register.EERD: self._write_eerd,
            Register.CTRL_EXT: self._write_ctrl_ext, Register.MDIC: self._write_mdic,
            Register.ICR: self.interrupts.clear, Register.ITR: self.interrupts.throttle,
            Register.ICS: self.interrupts.set, Register.IMS: self.interrupts.enable,
            Register.IMC: self.interrupts.disable, Register.RDTR: self._write_rdtr,
            Register.PBA: self._write_pba, Register.RDT: self._write_rdt, Register.TDT: self._write_tdt}
        self._load_address()

    def reset(self) -> None:
        """Power-on; the wire stays plugged in or not."""
        self.config.reset()
        self.phy.reset()
        self.io_address = 0
        self.registers.reset()
        self._reset()

    def _reset(self) -> None:
        """CTRL.RST: everything but PCI configuration, PHY and the division of the packet buffer."""
        self._mdi.cancel()
        packet_buffer = self.registers[Register.PBA]
        self.registers.reset()
        self.registers[Register.PBA] = packet_buffer
        self.phy.hold(False)
        self.eeprom.reset()
        self.interrupts.reset()
        self.statistics.reset()
        self.receiver.reset()
        self.transmitter.reset()
        self.link = False
        self.word_ready = 0
        self._load_address()

    def _load_address(self) -> None:
        """Receive address 0, as the EEPROM says."""
        words = self.eeprom.words
        self.registers[Register.RAL] = words[1] << 16 | words[0]
        self.registers[Register.RAH] = AV | words[2]

    # The link

    def receive(self, frame: bytes) -> None:
        """The last bit of a frame arrives from the wire."""
        if self.link and not self._loops():
            self.receiver.arrive(frame.ljust(SMALLEST - CRC, b"\0"))

    def link_changed(self, up: bool) -> None:
        """The wire is plugged in, or pulled out; to begin with, it is plugged in."""
        self.phy.connect(up)
        self._update_link()

    def _update_link(self, interrupted: bool = False) -> None:
        """STATUS.LU follows the PHY, if CTRL.SLU lets it; `interrupted`: it was down in between."""
        link = self.phy.link and bool(self.registers[Register.CTRL] & Ctrl.SLU)
        if link != self.link or (link and interrupted):
            self.link = link
            self.interrupts.set(Cause.LSC)
        self._work()

    def _loops(self) -> bool:
        """Whether frames that are sent come back."""
        return self.registers[Register.RCTL] & Rctl.LBM == Rctl.LBM_MAC or self.phy.loopback

    def _work(self) -> None:
        """Let both queues look whether there is something to do."""
        self.receiver.work()
        self.transmitter.send()
        self.transmitter.work()

    # Registers

    def read(self, offset: int, size: int) -> int:
        """`size` (1, 2 or 4) bytes at `offset`."""
        return self._read(offset & ~3) >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def _read(self, offset: int) -> int:
        if offset in self._readers:
            return self._readers[offset]()
        if FIRST <= offset < END:
            return self.statistics.read(offset)
        return self.registers.get(offset, 0)

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register, if it is the whole of it."""
        if size != 4 or offset & 3:
            return
        if offset in self._writers:
            self._writers[offset](value)
        elif offset in self.registers:
            self.registers.write(offset, value)
            self._work()

    def _status(self) -> int:
        control = self.registers[Register.CTRL]
        speed = (control & Ctrl.SPEED) >> 8 if control & Ctrl.FRCSPD else self.phy.speed
        return Status.FD | (Status.LU if self.link else 0) | speed * Status.SPEED | self.phy.speed * Status.ASDV

    def _write_ctrl(self, value: int) -> None:
        if value & Ctrl.RST:
            self._reset()
            return
        held = bool(value & Ctrl.PHY_RST)
        if held != self.phy.held:
            self.phy.hold(held)
        self.registers.write(Register.CTRL, value)
        self._update_link()

    def _write_ctrl_ext(self, value: int) -> None:
        self.registers.write(Register.CTRL_EXT, value)
        if value & CtrlExt.EE_RST:
            self._load_address()

    def _read_pba(self) -> int:
        receive = self.registers[Register.PBA]
        return PACKET_BUFFER - receive << 16 | receive

    def _write_pba(self, value: int) -> None:
        self.registers[Register.PBA] = min(value & 0x7F, PACKET_BUFFER)
        self._work()

    def _write_rdt(self, value: int) -> None:
        self.registers.write(Register.RDT, value)
        self.receiver.work()

    def _write_tdt(self, value: int) -> None:
        self.registers.write(Register.TDT, value)
        self.transmitter.work()

    def _write_rdtr(self, value: int) -> None:
        self.registers.write(Register.RDTR, value)
        if value & FPD:
            self.receiver.delay.expire()

    # EEPROM

    def _read_eecd(self) -> int:
        value = self.registers[Register.EECD]
        value |= Eecd.GNT if value & Eecd.REQ else 0
        return value | Eecd.PRES | (Eecd.DO if self.eeprom.do else 0)

    def _write_eecd(self, value: int) -> None:
        self.registers.write(Register.EECD, value)
        if value & Eecd.REQ:
            self.eeprom.pins(bool(value & Eecd.SK), bool(value & Eecd.CS), bool(value & Eecd.DI))

    def _write_eerd(self, value: int) -> None:
        address = value >> Eerd.ADDR & 0xFF
        if value & Eerd.START:
            self.registers[Register.EERD] = self.eeprom.words[address % WORDS] << Eerd.DATA | address << Eerd.ADDR
            self.word_ready = after(self.clock, EERD_TIME)

    def _read_eerd(self) -> int:
        value = self.registers[Register.EERD]
        if self.clock.now >= self.word_ready:
            return value | Eerd.DONE
        return value & 0xFFFF

    # PHY

    def _write_mdic(self, value: int) -> None:
        self.registers[Register.MDIC] = value & ~(Mdic.R | Mdic.E) & 0x7FFF_FFFF
        self._mdi.schedule(after(self.clock, MDI_TIME))

    def _mdi_done(self) -> None:
        """The PHY that was asked has answered."""
        value = self.registers[Register.MDIC]
        register = value >> Mdic.REGADD & 0x1F
        interrupted = False
        if value >> Mdic.PHYADD & 0x1F != ADDRESS or value & Mdic.OP not in (Mdic.READ, Mdic.WRITE):
            value |= Mdic.E
        elif value & Mdic.OP == Mdic.READ:
            value = value & ~Mdic.DATA | self.phy.read(register)
        else:
            interrupted = self.phy.write(register, value & Mdic.DATA)
        self.registers[Register.MDIC] = value | Mdic.R
        if value & Mdic.I:
            self.interrupts.set(Cause.MDAC)
        self._update_link(interrupted)

    # For people

    def describe(self) -> dict[str, int | str]:
        """Registers by name and what waits where; nothing changes."""
        own: dict[int, int] = {
            Register.STATUS: self._status(), Register.EECD: self._read_eecd(), Register.EERD: self._read_eerd(),
            Register.ICR: self.interrupts.causes, Register.ITR: self.interrupts.interval,
            Register.IMS: self.interrupts.mask, Register.PBA: self._read_pba()}
        found: dict[str, int | str] = {}
        for register in Register:
            if register in own or (register in self.registers and register < Register.MTA):
                found[register.name] = own.get(register, self.registers.get(register, 0))
        for i in range(RECEIVE_ADDRESSES):
            high = self.registers[Register.RAH + 8 * i]
            if high & AV:
                low = self.registers[Register.RAL + 8 * i].to_bytes(4, "little")
                found[f"address {i}"] = (low + (high & 0xFFFF).to_bytes(2, "little")).hex(":")
        found |= {statistic.name: self.statistics.peek(statistic) for statistic in Statistic
                  if self.statistics.peek(statistic)}
        found |= {f"PHY {register.name}": self.phy.peek(register) for register in PhyRegister}
        return found | {"frames in the receive FIFO": len(self.receiver.fifo),
                        "frames in the transmit FIFO": len(self.transmitter.fifo),
                        "receive stopped": self.receiver.ring.stopped,
                        "transmit stopped": self.transmitter.ring.stopped}


class IoWindow:
    """Base address register 2: IOADDR at offset 0 selects a register, IODATA at 4 is it (section 13.2.2)."""

    def __init__(self, nic: E1000) -> None:
        self._nic = nic

    def read(self, offset: int, size: int) -> int:
        """Both are 32 bits wide."""
        if offset < 4:
            return self._nic.io_address >> 8 * offset
        return self._nic.read(self._nic.io_address + (offset & 3), size) if self._nic.io_address < SIZE else 0

    def write(self, offset: int, value: int, size: int) -> None:
        """Only whole; an IOADDR beyond the registers reads 0 and writes nothing."""
        if size != 4:
            return
        if offset == 0:
            self._nic.io_address = value
        elif offset == 4 and self._nic.io_address < SIZE:
            self._nic.write(self._nic.io_address, value, size)
