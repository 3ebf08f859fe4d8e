"""UART: the National PC16550D (16550A), the PC's serial port, and the line to whoever is at the other end.

Ports   offsets 0 to 7; COM1 is at 3F8h.
Lines   irq: the INTR pin behind the gate that OUT2 opens on a PC (COM1: IRQ 4).
Sheet   National Semiconductor PC16550D, section 8 (registers, FIFO operation) and section 2 (master reset).

Not modelled: DMA signalling (RXRDY, TXRDY; FCR bit 3 is accepted), writes to LSR and MSR (factory test).
Choices where the data sheet is silent or the board decides:
  1. A divisor of 0 counts like 65,536. Power-on sets 12, 9600 baud; the chip itself leaves the divisor undefined.
  2. The start bit follows the write of an idle transmitter at once; the chip takes 8 to 24 baud clocks.
  3. The far end talks at the rate and format that this end has set, over three wires: RTS and DTR stop nothing, and
     what arrives while nobody reads overruns. It is not heard in loopback.
  4. In loopback the OUT2 gate is open: the data sheet calls interrupts "fully operational" there (8.8), and OUT2 has
     become the source of DCD. LCR's break bit acts on SOUT alone (8.1), so in loopback it does nothing.
  5. A byte written to a full transmitter FIFO is lost; an empty receiver reads the last byte again.
  6. Resetting the receiver FIFO also forgets PE, FE and BI of the byte at its top.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import BinaryIO

from emu.bus import Line
from emu.clock import NEVER, Clock
from emu.kept import Kept

CRYSTAL = 1_843_200                # Hz, into the baud generator
BAUD_CLOCKS = 16                   # baud clocks per bit (8.3)
FIFO_SIZE = 16                     # characters in either FIFO
TRIGGER_LEVELS = (1, 4, 8, 14)     # received characters that interrupt, by FCR bits 6-7 (8.5)
TIMEOUT_CHARACTERS = 4             # silence, in character times, before the timeout interrupt (8.11)


class Register(IntEnum):
    """Offsets; the same three mean other registers while LCR.DLAB is 1, or when written."""

    RBR = 0     # receiver buffer, read
    THR = 0     # transmitter holding register, written
    DLL = 0     # divisor latch, low byte, with DLAB
    IER = 1     # interrupt enable
    DLM = 1     # divisor latch, high byte, with DLAB
    IIR = 2     # interrupt identification, read
    FCR = 2     # FIFO control, written
    LCR = 3     # line control
    MCR = 4     # modem control
    LSR = 5     # line status
    MSR = 6     # modem status
    SCR = 7     # scratch


class IER(IntEnum):
    """Interrupt enable register (8.7)."""

    ERBFI = 0x01    # received data available, and character timeout
    ETBEI = 0x02    # transmitter holding register empty
    ELSI = 0x04     # receiver line status
    EDSSI = 0x08    # modem status
    ALL = 0x0F      # the bits that exist


class IIR(IntEnum):
    """Interrupt identification register (8.6); the codes from the highest priority to the lowest."""

    LINE_STATUS = 0x06      # an error or a break: read LSR
    TIMEOUT = 0x0C          # characters wait below the trigger level: read RBR
    DATA = 0x04             # received data at the trigger level: read RBR
    THRE = 0x02             # transmitter holding register empty: read IIR or write THR
    MODEM_STATUS = 0x00     # a modem input has changed: read MSR
    NONE = 0x01             # no interrupt pending
    FIFOS = 0xC0            # set while the FIFOs are enabled


class FCR(IntEnum):
    """FIFO control register (8.5)."""

    ENABLE = 0x01       # both FIFOs; while 0, the other bits cannot be written
    RX_RESET = 0x02     # empty the receiver FIFO; clears itself
    TX_RESET = 0x04     # empty the transmitter FIFO; clears itself
    TRIGGER = 0xC0      # index into TRIGGER_LEVELS


class LCR(IntEnum):
    """Line control register (8.1)."""

    WORD = 0x03     # data bits less five
    STB = 0x04      # two stop bits; one and a half with five data bits
    PEN = 0x08      # a parity bit
    EPS = 0x10      # even parity
    STICK = 0x20    # the parity bit is constant, the opposite of EPS
    BREAK = 0x40    # hold SOUT at space
    DLAB = 0x80     # offsets 0 and 1 are the divisor


class MCR(IntEnum):
    """Modem control register (8.8)."""

    DTR = 0x01      # data terminal ready
    RTS = 0x02      # request to send
    OUT1 = 0x04     # spare output
    OUT2 = 0x08     # on a PC: lets the interrupt reach the interrupt controller
    LOOP = 0x10     # loopback
    ALL = 0x1F      # the bits that exist


class LSR(IntEnum):
    """Line status register (8.4)."""

    DR = 0x01       # data ready
    OE = 0x02       # overrun: a received character is lost
    PE = 0x04       # parity error
    FE = 0x08       # framing error: no stop bit
    BI = 0x10       # break: the line was at space for a whole character
    THRE = 0x20     # transmitter holding register, or FIFO, empty
    TEMT = 0x40     # and nothing in the shift register either
    FIFO = 0x80     # FIFO mode: a PE, FE or BI among the characters waiting
    BAD = 0x1C      # PE, FE and BI: the errors that belong to one character


class MSR(IntEnum):
    """Modem status register (8.9)."""

    DCTS = 0x01     # CTS has changed since MSR was read
    DDSR = 0x02     # DSR has changed
    TERI = 0x04     # RI has ended
    DDCD = 0x08     # DCD has changed
    DELTAS = 0x0F   # the four above
    CTS = 0x10      # clear to send
    DSR = 0x20      # data set ready
    RI = 0x40       # ring
    DCD = 0x80      # carrier
    INPUTS = 0xF0   # the four above


LOOPED = ((MCR.RTS, MSR.CTS), (MCR.DTR, MSR.DSR), (MCR.OUT1, MSR.RI), (MCR.OUT2, MSR.DCD))    # wired so in loopback


class Uart(Kept):
    """One serial port: `read` and `write` are the processor's, `receive` and `set_modem` the far end's."""

    KEPT = ("line", "modem", "divisor", "ier", "fcr", "lcr", "mcr", "scr", "msr", "errors", "rbr", "rx", "timed_out",
            "tx", "tsr", "thre_at", "thre_pending", "burst")

    def __init__(self, clock: Clock, irq: Line, transmit: Callable[[int], None], name: str = "com1") -> None:
        """`transmit` gets each byte when its last bit has left: `to_file(file)`, a bytearray's `append`, any callable.

        Raises ValueError if the clock already has a port called `name`.
        """
        self.clock = clock
        self.irq = irq
        self.transmit = transmit
        self._crystal = clock.ticks(CRYSTAL)
        self._tx = clock.event(f"{name}.tx", self._transmitted)            # the shift register is empty
        self._thre = clock.event(f"{name}.thre", self._thre_rises)         # a delayed THRE is due
        self._rx = clock.event(f"{name}.rx", self._received)               # a character from the far end is complete
        self._timeout = clock.event(f"{name}.timeout", self._times_out)    # received characters have waited
        self.line: deque[int] = deque()     # what the far end has still to send: a byte, its LSR errors << 8
        self.modem = MSR.CTS | MSR.DSR | MSR.DCD    # inputs as the far end drives them, MSR's bits: it is on and ready
        self.reset()

    def reset(self) -> None:
        """Master reset (section 2), and the registers that it leaves alone as power-on sets them here."""
        self.divisor = 12                   # DLM and DLL: crystal / 16 / divisor is the baud rate
        self.ier = 0                        # interrupt enable register
        self.fcr = 0                        # FIFO control register, without the bits that clear themselves
        self.lcr = 0                        # line control register
        self.mcr = 0                        # modem control register
        self.scr = 0                        # scratch register
        self.msr = self.modem               # modem inputs as last sensed, and what has changed
        self.errors = 0                     # OE, PE, FE and BI of LSR, until LSR is read
        self.rbr = 0                        # the byte last read from the receiver
        self.rx: deque[int] = deque()       # received: a byte, its LSR errors << 8; one of them without FIFO
        self.timed_out = False              # the timeout interrupt is pending
        self.tx: deque[int] = deque()       # THR, or the transmitter FIFO
        self.tsr = 0                        # transmitter shift register, while the tx event is scheduled
        self.thre_at = self.clock.now       # the cycle from which LSR.THRE is 1; NEVER while THR is full
        self.thre_pending = False           # the THRE interrupt is pending; has a meaning while ETBEI is set
        self.burst = False                  # two bytes have been in the transmitter FIFO since THRE was last 1
        for event in (self._tx, self._thre, self._timeout):
            event.cancel()
        self._update()

    # The far end

    def receive(self, data: bytes, errors: int = 0) -> None:
        """Bytes from the far end: they wait there, and arrive one character time apart.

        `errors`: PE, FE and BI of LSR that each of them arrives with.
        """
        self.line.extend(byte | (errors & LSR.BAD) << 8 for byte in data)
        if self.line and self._rx.cycle == NEVER:
            self._rx.schedule(self._after(self._character()))

    def receive_break(self) -> None:
        """The far end holds the line at space for a character: a zero that breaks every rule that a zero can break."""
        self.receive(b"\0", LSR.BI | LSR.FE)

    def set_modem(self, pin: MSR, asserted: bool) -> None:
        """The far end asserts or drops one modem input: `MSR.CTS`, `MSR.DSR`, `MSR.RI` or `MSR.DCD`."""
        pins = pin & MSR.INPUTS
        self.modem = self.modem | pins if asserted else self.modem & ~pins
        self._sense_modem()

    def unsent(self) -> bytes:
        """What software has written and the far end has not yet got: the end of a message when the machine stops."""
        return bytes([self.tsr] if self._sending else []) + bytes(self.tx)

    # Registers

    def read(self, offset: int, size: int) -> int:
        """What the processor reads at `offset`, and what reading clears."""
        match offset:
            case Register.RBR:
                return self.divisor & 0xFF if self.lcr & LCR.DLAB else self._read_rbr()
            case Register.IER:
                return self.divisor >> 8 if self.lcr & LCR.DLAB else self.ier
            case Register.IIR:
                return self._read_iir()
            case Register.LCR:
                return self.lcr
            case Register.MCR:
                return self.mcr
            case Register.LSR:
                return self._read_lsr()
            case Register.MSR:
                return self._read_msr()
            case _:
                return self.scr

    def write(self, offset: int, value: int, size: int) -> None:
        """What the processor writes at `offset`; LSR and MSR take no notice."""
        match offset:
            case Register.THR if self.lcr & LCR.DLAB:
                self.divisor = self.divisor & 0xFF00 | value
            case Register.THR:
                self._write_thr(value)
            case Register.IER if self.lcr & LCR.DLAB:
                self.divisor = self.divisor & 0x00FF | value << 8
            case Register.IER:
                self._write_ier(value & IER.ALL)
            case Register.FCR:
                self._write_fcr(value)
            case Register.LCR:
                self.lcr = value
            case Register.MCR:
                self.mcr = value & MCR.ALL
                self._sense_modem()
            case Register.SCR:
                self.scr = value

    def _read_rbr(self) -> int:
        if self.rx:
            self.rbr = self.rx.popleft() & 0xFF
            self._reveal()
        self.timed_out = False
        self._await_timeout()
        self._update()
        return self.rbr

    def _write_thr(self, value: int) -> None:
        if not self.fcr & FCR.ENABLE:
            self.tx.clear()                 # a second byte replaces the one that waits
        if len(self.tx) < FIFO_SIZE:
            self.tx.append(value)
        self.burst = self.burst or len(self.tx) > 1
        self.thre_at = NEVER
        self.thre_pending = False
        self._thre.cancel()
        self._update()                      # the interrupt ends here: when it is back at once, that is a new edge
        if not self._sending:
            self._shift()

    def _write_ier(self, value: int) -> None:
        enabled = value & ~self.ier
        self.ier = value
        if enabled & IER.ETBEI:
            self._thre_rises()
        self._update()

    def _read_iir(self) -> int:
        source = self._source()
        if source == IIR.THRE:
            self.thre_pending = False
            self._update()
        return source | (IIR.FIFOS if self.fcr & FCR.ENABLE else 0)

    def _write_fcr(self, value: int) -> None:
        if (value ^ self.fcr) & FCR.ENABLE:
            resets = FCR.RX_RESET | FCR.TX_RESET
            self.burst = True               # the first THRE after a change of mode is not delayed (8.11)
        else:
            resets = value if value & FCR.ENABLE else 0
        self.fcr = value & (FCR.ENABLE | FCR.TRIGGER) if value & FCR.ENABLE else 0
        if resets & FCR.RX_RESET:
            self.rx.clear()
            self.errors &= ~LSR.BAD
            self.timed_out = False
            self._await_timeout()
        if resets & FCR.TX_RESET and self.clock.now < self.thre_at:
            self.tx.clear()
            self.thre_at = self.clock.now
            self._thre.cancel()
            self._thre_rises()
        self._update()

    def _read_lsr(self) -> int:
        value = self._line_status()
        if self.errors:
            self.errors = 0
            self._update()
        return value

    def _line_status(self) -> int:
        value = self.errors
        if self.rx:
            value |= LSR.DR
        if self.clock.now >= self.thre_at:
            value |= LSR.THRE
        if not self._sending:
            value |= LSR.TEMT
        if self.fcr & FCR.ENABLE and (self.errors & LSR.BAD or any(entry >> 8 for entry in self.rx)):
            value |= LSR.FIFO
        return value

    def _read_msr(self) -> int:
        value = self.msr
        self.msr &= MSR.INPUTS
        self._update()
        return value

    # Interrupts

    def _source(self) -> int:
        """IIR's code of the pending and enabled interrupt of the highest priority (8.6)."""
        if self.ier & IER.ELSI and self.errors:
            return IIR.LINE_STATUS.value
        if self.ier & IER.ERBFI and self.timed_out:
            return IIR.TIMEOUT.value
        if self.ier & IER.ERBFI and len(self.rx) >= self._trigger:
            return IIR.DATA.value
        if self.ier & IER.ETBEI and self.thre_pending:
            return IIR.THRE.value
        if self.ier & IER.EDSSI and self.msr & MSR.DELTAS:
            return IIR.MODEM_STATUS.value
        return IIR.NONE.value

    @property
    def _trigger(self) -> int:
        return TRIGGER_LEVELS[self.fcr >> 6] if self.fcr & FCR.ENABLE else 1

    def _update(self) -> None:
        """Drive the interrupt line from the state; whoever changes an interrupt's cause calls this."""
        self.irq.set(self.mcr & (MCR.OUT2 | MCR.LOOP) and self._source() != IIR.NONE)

    def _sense_modem(self) -> None:
        """Take over the modem inputs, from the pins or from MCR in loopback, and note what has changed (8.9)."""
        inputs = self.modem
        if self.mcr & MCR.LOOP:
            inputs = sum(bit.value for output, bit in LOOPED if self.mcr & output)
        changed = (self.msr ^ inputs) & MSR.INPUTS
        if inputs & MSR.RI:
            changed &= ~MSR.RI              # only the end of a ring counts
        self.msr = inputs | self.msr & MSR.DELTAS | changed >> 4
        self._update()

    # Time

    def _bits(self, half_bits: int) -> int:
        """Crystal ticks that so many half bits take."""
        return half_bits * (BAUD_CLOCKS // 2) * (self.divisor or 0x10000)

    def _character(self) -> int:
        """Crystal ticks of one character: start bit, data, parity, stop bits."""
        data = 5 + (self.lcr & LCR.WORD)
        parity = 1 if self.lcr & LCR.PEN else 0
        half_stop_bits = 2 if not self.lcr & LCR.STB else 3 if data == 5 else 4
        return self._bits(2 * (1 + data + parity) + half_stop_bits)

    def _after(self, ticks: int) -> int:
        """The cycle that is so many crystal ticks away."""
        return self._crystal.cycle(self._crystal.now + ticks)

    @property
    def _sending(self) -> bool:
        return self._tx.cycle != NEVER

    def _shift(self) -> None:
        """Move the next byte into the transmitter shift register.

        THRE follows when that was the last one: at once, but a byte that was alone in the FIFO delays it until its
        stop bit (8.11), so that a driver is not interrupted for every byte that passes straight through.
        """
        self.tsr = self.tx.popleft() & self._data_mask
        character = self._character()
        self._tx.schedule(self._after(character))
        if not self.tx:
            delayed = self.fcr & FCR.ENABLE and not self.burst
            self.thre_at = self._after(character - self._bits(2)) if delayed else self.clock.now
            self.burst = False
            self._thre_rises()

    def _thre_rises(self) -> None:
        """Raise the THRE interrupt if it is enabled, now or when THRE is due."""
        if not self.ier & IER.ETBEI:
            return
        if self.clock.now >= self.thre_at:
            self.thre_pending = True
            self._update()
        elif self.thre_at != NEVER:
            self._thre.schedule(self.thre_at)

    def _transmitted(self) -> None:
        """The shift register's last bit has left."""
        byte = self.tsr
        if self.tx:
            self._shift()
        if self.mcr & MCR.LOOP:
            self._arrives(byte)
        elif not self.lcr & LCR.BREAK:      # a break drowns what is sent
            self.transmit(byte)

    def _received(self) -> None:
        """The far end's last bit is here: in loopback nobody hears it."""
        entry = self.line.popleft()
        if self.line:
            self._rx.schedule(self._after(self._character()))
        if not self.mcr & MCR.LOOP:
            self._arrives(entry)

    def _arrives(self, entry: int) -> None:
        """A character is complete in the receiver shift register; it may find no room (8.4, OE)."""
        errors = entry >> 8
        if errors & LSR.BI and self.lcr & (LCR.PEN | LCR.EPS) == LCR.PEN:
            errors |= LSR.PE                # a zero with a parity bit of zero: right for even parity alone
        entry = entry & self._data_mask | errors << 8
        fifo = self.fcr & FCR.ENABLE
        if len(self.rx) == (FIFO_SIZE if fifo else 1):
            self.errors |= LSR.OE
            if fifo:
                entry = self.rx.pop()       # the newcomer is lost; without FIFO, the one that waited
            else:
                self.rx.clear()
        self.rx.append(entry)
        if len(self.rx) == 1:
            self._reveal()
        self._await_timeout()
        self._update()

    @property
    def _data_mask(self) -> int:
        return (1 << 5 + (self.lcr & LCR.WORD)) - 1

    def _reveal(self) -> None:
        """LSR shows the errors of the character that is now at the top."""
        if self.rx and self.rx[0] >> 8:
            self.errors |= self.rx[0] >> 8
            self.rx[0] &= 0xFF

    def _await_timeout(self) -> None:
        """A character has come or gone: FIFO mode begins to count the silence anew (8.11)."""
        if self.fcr & FCR.ENABLE and self.rx:
            self._timeout.schedule(self._after(TIMEOUT_CHARACTERS * self._character()))
        else:
            self._timeout.cancel()

    def _times_out(self) -> None:
        self.timed_out = True
        self._update()

    def describe(self) -> dict[str, int]:
        """The registers by their data-sheet names as they would read now, for people; nothing changes."""
        return {"IER": self.ier, "IIR": self._source() | (IIR.FIFOS if self.fcr & FCR.ENABLE else 0), "FCR": self.fcr,
                "LCR": self.lcr, "MCR": self.mcr, "LSR": self._line_status(), "MSR": self.msr, "SCR": self.scr,
                "DL": self.divisor, "RBR": self.rx[0] & 0xFF if self.rx else self.rbr, "TSR": self.tsr,
                "characters received": len(self.rx), "characters to send": len(self.tx), "INTR": self.irq.level}


def to_file(file: BinaryIO) -> Callable[[int], None]:
    """A `transmit` that writes each byte to `file`; flushing and closing are the caller's. Errors are the file's."""
    def transmit(byte: int) -> None:
        file.write(bytes((byte,)))

    return transmit
