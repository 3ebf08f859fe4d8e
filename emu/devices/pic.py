"""The pair of 8259A interrupt controllers of a PC: ports 20h/21h (master), A0h/A1h (slave) and 4D0h/4D1h (ELCR).

Wires: sixteen request inputs `irq`, and the processor's INTR pin, which the master drives as a level. The slave's INT
is `irq[2]`. Source: Intel 8259A data sheet (231468), by the titles of its sections; the ELCR is that of the
Intel 82371 (PIIX) data sheet, "Edge/Level Control Registers".

Not modelled: the buffer enable output SP/EN (the buffered-mode bits of ICW4 are accepted and change nothing).

Doubts:
 1. The data sheet does not say that ICW1 clears the in-service register and rotation in AEOI mode; here it does, as
    software has always assumed.
 2. In MCS-80/85 mode (no ICW4, or its bit 0 clear) the chip expects three INTA pulses and an IA-32 processor gives two.
    It gets what the second one drives, the low byte of the call address, and the third is taken as given.
 3. A poll without a request reads 0; the data sheet defines only bit 7 of that word.
 4. The PIIX ignores LTIM (the ELCR replaces it); here LTIM makes all eight inputs level-triggered, as on the chip.
"""

from __future__ import annotations

from enum import IntEnum
from functools import partial

from emu.bus import Line
from emu.kept import Kept

NONE = -1                     # no IR, no poll word
CASCADE = 2                   # the master's IR that the slave's INT is wired to
SPURIOUS = 7                  # the IR whose vector answers an INTA without a request
FLOATING = 0xFF               # the data bus when nobody drives it


class ICW1:
    """Initialization command word 1 (A0 = 0, D4 = 1)."""

    IC4 = 0x01                # ICW4 follows
    SNGL = 0x02               # single: no cascade, no ICW3
    ADI = 0x04                # MCS-80/85 call address interval: 4 bytes rather than 8
    LTIM = 0x08               # every input is level-triggered
    SELECT = 0x10             # tells ICW1 from OCW2 and OCW3


class ICW4:
    """Initialization command word 4."""

    UPM = 0x01                # 8086 mode: INTA reads a vector, not a CALL instruction
    AEOI = 0x02               # automatic end of interrupt
    MS = 0x04                 # buffered mode: this is the master
    BUF = 0x08                # buffered mode
    SFNM = 0x10               # special fully nested mode


class OCW2(IntEnum):
    """Operation command word 2: the command in bits 7-5 (R, SL, EOI); bits 2-0 are the level it names."""

    CLEAR_ROTATE_IN_AEOI = 0  # stop rotating at automatic EOI
    EOI = 1                   # non-specific: ends the in-service level of highest priority
    NO_OPERATION = 2          # does nothing
    SPECIFIC_EOI = 3          # ends the level named
    SET_ROTATE_IN_AEOI = 4    # each automatic EOI makes its level the lowest
    ROTATE_ON_EOI = 5         # non-specific EOI, then that level is the lowest
    SET_PRIORITY = 6          # the level named becomes the lowest
    ROTATE_ON_SPECIFIC_EOI = 7  # ends the level named and makes it the lowest


COMMANDS = tuple(OCW2)      # by number: making a member from its number would cost more than what it does


class OCW3:
    """Operation command word 3."""

    RIS = 0x01                # with RR: read ISR, else IRR
    RR = 0x02                 # RIS counts
    P = 0x04                  # poll: the next read acknowledges
    SELECT = 0x08             # tells OCW3 from OCW2
    SMM = 0x20                # with ESMM: special mask mode on, else off
    ESMM = 0x40               # SMM counts


POLLED = 0x80                 # poll word: there is a request, its level is in bits 2-0


class Pic(Kept):
    """One 8259A: its registers at offset 0 (A0 = 0) and 1 (A0 = 1), its inputs through `input`, its INT pin `output`.

    A request is a level seen through a latch: an edge-triggered input counts while it is high and has been low since
    it was last acknowledged (`armed`), a level-triggered one while it is high.
    """

    KEPT = ("output", "lines", "expects", "elcr", "icw1", "icw2", "icw3", "icw4", "armed", "imr", "isr", "lowest",
            "rotates", "special_mask", "reads_isr", "poll_word")

    def __init__(self, output: Line) -> None:
        self.output = output  # the INT pin
        self.lines = 0        # levels of IR7-IR0
        self.reset()

    def reset(self) -> None:
        """As after power-on (the chip has no RESET pin): silent until it has been initialized."""
        self.expects = 1      # initialization command word awaited, 0 once they have all come
        self.elcr = 0         # inputs made level-triggered by the ELCR
        self._initialize(0)
        self.output.set(0)

    def _initialize(self, icw1: int) -> None:
        self.icw1 = icw1      # ICW1 as written
        self.icw2 = 0         # vector base, or high byte of the call address
        self.icw3 = 7         # master: inputs with a slave; slave: its identity, 7 until it is told
        self.icw4 = 0         # ICW4 as written, 0 without one
        self.armed = ~self.lines & 0xFF  # inputs that have been low since they were last acknowledged
        self.imr = 0          # interrupt mask register
        self.isr = 0          # in-service register
        self.lowest = 7       # the IR of lowest priority; the next one up, modulo 8, has the highest
        self.rotates = False  # rotate in AEOI mode
        self.special_mask = False  # special mask mode
        self.reads_isr = False  # a read at A0 = 0 gives ISR, not IRR
        self.poll_word = NONE  # what the next read gives, if OCW3 asked for a poll

    # Registers

    def read(self, offset: int, size: int = 1) -> int:
        """IRR or ISR at offset 0, IMR at 1; after a poll command, either reads the poll word and acknowledges."""
        if self.poll_word != NONE:
            return self._poll()
        if offset:
            return self.imr
        return self.isr if self.reads_isr else self.irr

    def write(self, offset: int, value: int, size: int = 1) -> None:
        """ICW1, OCW2 or OCW3 at offset 0; ICW2-ICW4 in their turn, else OCW1, at 1."""
        value &= 0xFF
        if offset:
            self._write_icw2_to_ocw1(value)
        elif value & ICW1.SELECT:
            self._initialize(value)
            self.expects = 2
        elif value & OCW3.SELECT:
            self._write_ocw3(value)
        else:
            self._write_ocw2(COMMANDS[value >> 5], value & 7)
        self.update()

    def _write_icw2_to_ocw1(self, value: int) -> None:
        after_icw3 = 4 if self.icw1 & ICW1.IC4 else 0
        if self.expects == 2:
            self.icw2 = value
            self.expects = after_icw3 if self.icw1 & ICW1.SNGL else 3
        elif self.expects == 3:
            self.icw3 = value
            self.expects = after_icw3
        elif self.expects == 4:
            self.icw4 = value
            self.expects = 0
        else:
            self.imr = value

    def _write_ocw2(self, command: OCW2, level: int) -> None:
        match command:
            case OCW2.EOI | OCW2.ROTATE_ON_EOI:
                level = self._highest(self._in_service())
                if level != NONE:
                    self._end(level, rotate=command == OCW2.ROTATE_ON_EOI)
            case OCW2.SPECIFIC_EOI | OCW2.ROTATE_ON_SPECIFIC_EOI:
                self._end(level, rotate=command == OCW2.ROTATE_ON_SPECIFIC_EOI)
            case OCW2.SET_PRIORITY:
                self.lowest = level
            case OCW2.SET_ROTATE_IN_AEOI | OCW2.CLEAR_ROTATE_IN_AEOI:
                self.rotates = command == OCW2.SET_ROTATE_IN_AEOI

    def _write_ocw3(self, value: int) -> None:
        if value & OCW3.ESMM:
            self.special_mask = bool(value & OCW3.SMM)
        self.poll_word = NONE
        if value & OCW3.P:    # overrides RR; "interrupt is frozen from WR to RD": what is read is decided now
            level = self._winner()
            self.poll_word = 0 if level == NONE else POLLED | level
        elif value & OCW3.RR:
            self.reads_isr = bool(value & OCW3.RIS)

    def _poll(self) -> int:
        word, self.poll_word = self.poll_word, NONE
        if word & POLLED:
            self.begin(word & 7)
            self.finish(word & 7)
        return word

    # Inputs, priority, INT

    @property
    def irr(self) -> int:
        """Interrupt request register: the inputs that ask for service, masked ones included."""
        level = 0xFF if self.icw1 & ICW1.LTIM else self.elcr
        return self.lines & (self.armed | level)

    def input(self, bit: int, level: int) -> None:
        """The input whose bit (1 << IR) is given changes to `level`."""
        if level:
            self.lines |= bit
        else:
            self.lines &= ~bit
            self.armed |= bit
        self.update()

    def update(self) -> None:
        """Drive INT as the requests, the mask and what is in service demand."""
        self.output.set(self._winner() != NONE)

    def _highest(self, bits: int) -> int:
        """The IR of highest priority among `bits`, NONE of none."""
        if not bits:
            return NONE
        first = self.lowest + 1
        turned = (bits | bits << 8) >> first       # bit 0 is now the IR of highest priority
        return first + (turned & -turned).bit_length() - 1 & 7

    def _rank(self, level: int) -> int:
        """0 for the IR of highest priority, 7 for the lowest."""
        return level - self.lowest - 1 & 7

    def _in_service(self) -> int:
        """What is in service and holds others back: in special mask mode, only what is not masked."""
        return self.isr & ~self.imr if self.special_mask else self.isr

    def _winner(self) -> int:
        """The IR that INT asks service for, NONE if there is none."""
        requests = self.lines & ~self.imr and self.irr & ~self.imr
        if not requests or self.expects:
            return NONE
        winner = self._highest(requests)
        in_service = self._in_service()
        if not in_service:
            return winner
        served = self._highest(in_service)
        if self._rank(winner) < self._rank(served):
            return winner
        nests = winner == served and self.icw4 & ICW4.SFNM and self.has_slave(winner)
        return winner if nests else NONE

    # Acknowledge and end of interrupt

    def acknowledge(self) -> int:
        """The first INTA pulse: the IR it takes into service, NONE if the request has gone (a spurious interrupt)."""
        winner = self._winner()
        self.begin(winner)
        return winner

    def begin(self, level: int) -> None:
        """Take `level` (NONE: nothing) into service; INT goes low and stays so until `finish`, or a new request."""
        self.output.set(0)
        if level != NONE:
            self.isr |= 1 << level
            self.armed &= ~(1 << level)

    def finish(self, level: int) -> None:
        """The end of the last INTA pulse for `level` (or NONE): automatic EOI, and INT for whoever is next."""
        if level != NONE and self.icw4 & ICW4.AEOI:
            self._end(level, self.rotates)
        self.update()

    def vector(self, level: int) -> int:
        """The byte that the second INTA pulse reads for `level` ("Interrupt Sequence")."""
        if self.icw4 & ICW4.UPM:
            return self.icw2 & 0xF8 | level
        if self.icw1 & ICW1.ADI:
            return self.icw1 & 0xE0 | level << 2
        return self.icw1 & 0xC0 | level << 3

    def has_slave(self, level: int) -> bool:
        """Whether ICW3 says that a slave is wired to this input."""
        return not self.icw1 & ICW1.SNGL and bool(self.icw3 >> level & 1)

    def _end(self, level: int, rotate: bool) -> None:
        self.isr &= ~(1 << level)
        if rotate:
            self.lowest = level

    def describe(self) -> dict[str, int]:
        """The registers by their data-sheet names, for people; nothing changes."""
        return {"ICW1": self.icw1, "ICW2": self.icw2, "ICW3": self.icw3, "ICW4": self.icw4, "IMR": self.imr,
                "IRR": self.irr, "ISR": self.isr, "IR inputs": self.lines, "INT": self.output.level,
                "lowest priority": self.lowest, "initialization words awaited": bool(self.expects),
                "rotate in AEOI": self.rotates, "special mask": self.special_mask, "reads ISR": self.reads_isr}


class Elcr:
    """Edge/level control registers: offset 0 for IRQ 7-0, offset 1 for IRQ 15-8; a bit set means level-triggered."""

    SETTABLE = (0xF8, 0xDE)   # not IRQ 0 (timer), 1 (keyboard), 2 (cascade), 8 (clock), 13 (coprocessor)

    def __init__(self, master: Pic, slave: Pic) -> None:
        self._pics = (master, slave)

    def read(self, offset: int, size: int = 1) -> int:
        """The register as last written."""
        return self._pics[offset & 1].elcr

    def write(self, offset: int, value: int, size: int = 1) -> None:
        """Choose the triggering of eight inputs; bits that cannot be set stay clear."""
        pic = self._pics[offset & 1]
        pic.elcr = value & self.SETTABLE[offset & 1]
        pic.update()

    def describe(self) -> dict[str, int]:
        """Both registers by name, for people."""
        return {"ELCR1": self._pics[0].elcr, "ELCR2": self._pics[1].elcr}


class PicPair(Kept):
    """The PC's two controllers, cascaded, with the INTA cycles that the processor runs."""

    KEPT = ("irq", "master", "slave")

    def __init__(self, intr: Line) -> None:
        """`intr`: the processor's INTR pin, driven by the master."""
        self.irq = [Line(f"irq{n}") for n in range(16)]    # request inputs; irq[2] is the cascade, driven by the slave
        self.master = Pic(intr)
        self.slave = Pic(self.irq[CASCADE])
        self.elcr = Elcr(self.master, self.slave)
        for n, line in enumerate(self.irq):
            pic = self.slave if n & 8 else self.master
            line.listeners.append(partial(pic.input, 1 << (n & 7)))

    def reset(self) -> None:
        """Both chips as after power-on; the request lines keep their levels."""
        self.slave.reset()
        self.master.reset()

    def acknowledge(self) -> tuple[int, int]:
        """Run the two INTA cycles; returns (vector 0-255, IRQ line 0-15).

        A request that has gone by now gives the vector of line 7, or of 15 if only the slave has lost it; nothing is
        in service then but the master's IR 2 in the latter case. Where ICW3 names a slave that is not there, nobody
        drives the bus and the vector is FFh.
        """
        master, slave = self.master, self.slave
        level = master.acknowledge()
        if level == NONE:
            vector, line = master.vector(SPURIOUS), SPURIOUS
        elif not master.has_slave(level):
            vector, line = master.vector(level), level
        elif level == CASCADE == slave.icw3 & 7:
            taken = slave.acknowledge()
            line = SPURIOUS if taken == NONE else taken
            vector, line = slave.vector(line), line + 8
            slave.finish(taken)
        else:
            vector, line = FLOATING, level
        master.finish(level)
        return vector, line
