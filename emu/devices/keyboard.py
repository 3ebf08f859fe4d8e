"""Keyboard: the 8042 controller of the AT with a keyboard on it; reset and the A20 gate hang on it too.

Ports   `data` is port 60h, `command` port 64h: two ranges of one port each.
Lines   irq: high while the output buffer is full and its interrupt enabled (IRQ 1). a20: the output port's bit 1.
Sheet   IBM Personal Computer AT Technical Reference (1984), section 1 "Keyboard controller", section 4 "Keyboard";
        A7h to A9h, D3h and D4h: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and auxiliary device".

Not modelled: an auxiliary device (what is sent to one vanishes), the controller's memory beyond the command byte, its
input port and test inputs, typematic repeat, and scan code sets: `press` takes the bytes that software is to see.
Choices where the manuals are silent:
  1. The controller takes a byte at once (the input buffer never reads full), its answer comes 20 us later, a byte
     over the keyboard's wire 1 ms after the output buffer was read: eleven bits at 11 kHz, the middle of its range.
  2. Power-on is as a BIOS leaves it: tested, translating, interrupt on, A20 open, keyboard scanning.
  3. An answer not yet collected is replaced by that to the next command; keys pressed wait without limit. A full
     output buffer is never overwritten.
  4. FEh and F0h to FFh reset; the 6 us for which they can pull A20 low go unnoticed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum

from emu.bus import Line
from emu.clock import Clock
from emu.kept import Kept

CONTROLLER_DELAY = 20           # us from a command to the controller's answer in the output buffer
KEYBOARD_DELAY = 1000           # us that a byte takes from the keyboard to the output buffer


class Status(IntEnum):
    """Status register, port 64h read."""

    OBF = 0x01                  # output buffer full: read port 60h
    SYS = 0x04                  # system flag of the command byte: the self test has passed
    COMMAND = 0x08              # the last byte written went to port 64h
    UNLOCKED = 0x10             # the keyboard lock is open


class CommandByte(IntEnum):
    """The controller's command byte, written with 60h and read with 20h."""

    INT = 0x01                  # output buffer full interrupts
    SYS = 0x04                  # system flag, shown in the status register
    DISABLE = 0x10              # keyboard interface off: its clock is held low and the keyboard keeps its bytes
    DISABLE_AUX = 0x20          # auxiliary interface off
    XLAT = 0x40                 # translate the keyboard's scan codes to set 1


class Command(IntEnum):
    """What the controller understands at port 64h; anything else it ignores."""

    READ_COMMAND_BYTE = 0x20    # answer: the command byte
    WRITE_COMMAND_BYTE = 0x60   # data: the command byte
    DISABLE_AUX = 0xA7          # auxiliary interface off
    ENABLE_AUX = 0xA8           # auxiliary interface on
    TEST_AUX = 0xA9             # answer: 00h, its lines are well (nobody pulls them)
    SELF_TEST = 0xAA            # answer: 55h, the controller is well
    TEST_KEYBOARD = 0xAB        # answer: 00h, the keyboard's lines are well
    DISABLE_KEYBOARD = 0xAD     # keyboard interface off
    ENABLE_KEYBOARD = 0xAE      # keyboard interface on
    READ_OUTPUT_PORT = 0xD0     # answer: the output port
    WRITE_OUTPUT_PORT = 0xD1    # data: the output port
    WRITE_OUTPUT_BUFFER = 0xD2  # data: comes back as if the keyboard had sent it
    WRITE_AUX_BUFFER = 0xD3     # data: would come back as if the auxiliary device had sent it
    WRITE_AUX = 0xD4            # data: for the auxiliary device
    PULSE = 0xF0                # to FFh: pull low those of output port bits 0-3 that are 0 here; FEh resets


class OutputPort(IntEnum):
    """The controller's output pins."""

    RUN = 0x01                  # 0 resets the processor
    A20 = 0x02                  # address line 20 passes
    OBF = 0x10                  # output buffer full: the interrupt
    LINES = 0xC0                # the keyboard's clock and data, high when idle


class KeyboardCommand(IntEnum):
    """What the keyboard understands at port 60h; to anything else it answers RESEND."""

    SET_LEDS = 0xED             # data: bit 0 scroll lock, bit 1 num lock, bit 2 caps lock
    ECHO = 0xEE                 # answers the same
    IDENTIFY = 0xF2             # answers ACK, ABh, 83h
    SET_RATE = 0xF3             # data: typematic rate and delay
    ENABLE = 0xF4               # forget keys, scan
    DISABLE = 0xF5              # forget keys, do not scan
    RESEND = 0xFE               # the last byte once more
    RESET = 0xFF                # ACK, then test itself; scans


class Reply(IntEnum):
    """What the keyboard and the controller answer."""

    TESTED = 0x55               # the controller's self test has passed
    LINES_WELL = 0x00           # an interface test has passed
    PASSED = 0xAA               # the keyboard's self test has passed
    ID_1 = 0xAB                 # an MF2 keyboard, first byte
    ID_2 = 0x83                 # second byte
    ID_2_TRANSLATED = 0x41      # second byte as translation delivers it
    ACK = 0xFA                  # understood
    RESEND = 0xFE               # not understood


WITH_DATA = (Command.WRITE_COMMAND_BYTE, Command.WRITE_OUTPUT_PORT, Command.WRITE_OUTPUT_BUFFER,
             Command.WRITE_AUX_BUFFER, Command.WRITE_AUX)      # the next byte to port 60h belongs to the command
DEFAULT_RATE = 0x2B             # typematic: 10.9 characters a second after half a second
NOTHING = -1                    # no byte where one could be


class Port:
    """One port of the controller, for the bus."""

    def __init__(self, read: Callable[[], int], write: Callable[[int], None],
                 describe: Callable[[], dict[str, int | str]] = dict) -> None:
        self._read = read
        self._write = write
        self.describe = describe            # what to show to people

    def read(self, offset: int, size: int) -> int:
        """The port's byte, whatever the offset."""
        return self._read()

    def write(self, offset: int, value: int, size: int) -> None:
        """Write the port's byte, whatever the offset."""
        self._write(value)


class Keyboard(Kept):
    """Controller and keyboard: attach `data` at 60h and `command` at 64h."""

    KEPT = ("a20", "command_byte", "pending_command", "last_was_command", "output_buffer", "full", "a20_open", "answer",
            "scanning", "leds", "rate", "pending_keyboard", "last_sent", "replies", "keys")

    def __init__(self, clock: Clock, irq: Line, reset: Callable[[], None], a20: Line) -> None:
        """`reset` resets the processor; it is called in the middle of a port write, as the pin would be pulled."""
        self.clock = clock
        self.irq = irq
        self.a20 = a20
        self._reset_processor = reset
        self.data = Port(self._read_data, self._write_data, self.describe)
        self.command = Port(self._read_status, self._write_command)
        self._refill = clock.event("keyboard.refill", self._deliver)      # the next byte reaches the output buffer
        self.reset()

    def reset(self) -> None:
        """Power-on, after the tests that a BIOS would make; keys not yet delivered are forgotten."""
        self.command_byte = CommandByte.INT | CommandByte.SYS | CommandByte.DISABLE_AUX | CommandByte.XLAT
        self.pending_command = NOTHING      # the controller command that waits for its data byte
        self.last_was_command = False       # status bit 3
        self.output_buffer = 0              # what port 60h reads, full or not
        self.full = False                   # the output buffer has a byte that nobody has read
        self.a20_open = True                # output port bit 1
        self.answer = NOTHING               # the controller's answer, on its way to the output buffer
        self.scanning = True                # the keyboard reports keys
        self.leds = 0                       # as set by EDh
        self.rate = DEFAULT_RATE            # as set by F3h
        self.pending_keyboard = NOTHING     # the keyboard command that waits for its data byte
        self.last_sent = 0                  # the keyboard's last byte, for RESEND
        self.replies: deque[int] = deque()  # what the keyboard answers, ahead of the keys
        self.keys: deque[int] = deque()     # scan codes of keys pressed
        self._refill.cancel()
        self.a20.set(self.a20_open)
        self._update()

    def press(self, scancodes: bytes) -> None:
        """Keys pressed and released: bytes of set 1, sent one by one; a keyboard that does not scan drops them."""
        if self.scanning:
            self.keys.extend(scancodes)
            self._update()

    # Port 60h

    def _read_data(self) -> int:
        self.full = False
        self._update()
        return self.output_buffer

    def _write_data(self, value: int) -> None:
        self.last_was_command = False
        command, self.pending_command = self.pending_command, NOTHING
        match command:
            case Command.WRITE_COMMAND_BYTE:
                self.command_byte = value
            case Command.WRITE_OUTPUT_PORT:
                self._write_output_port(value)
            case Command.WRITE_OUTPUT_BUFFER:
                self.answer = value
            case Command.WRITE_AUX_BUFFER | Command.WRITE_AUX:
                pass                        # nobody there
            case _:
                self.command_byte &= ~CommandByte.DISABLE       # to send is to enable the interface
                self._keyboard_receives(value)
        self._update()

    # Port 64h

    def _read_status(self) -> int:
        status = Status.UNLOCKED | (self.command_byte & CommandByte.SYS)
        if self.full:
            status |= Status.OBF
        if self.last_was_command:
            status |= Status.COMMAND
        return status

    def _write_command(self, value: int) -> None:
        self.last_was_command = True
        self.pending_command = value if value in WITH_DATA else NOTHING
        match value:
            case Command.READ_COMMAND_BYTE:
                self.answer = self.command_byte
            case Command.DISABLE_AUX:
                self.command_byte |= CommandByte.DISABLE_AUX
            case Command.ENABLE_AUX:
                self.command_byte &= ~CommandByte.DISABLE_AUX
            case Command.TEST_AUX | Command.TEST_KEYBOARD:
                self.answer = Reply.LINES_WELL.value
            case Command.SELF_TEST:
                self.command_byte |= CommandByte.SYS
                self.answer = Reply.TESTED.value
            case Command.DISABLE_KEYBOARD:
                self.command_byte |= CommandByte.DISABLE
            case Command.ENABLE_KEYBOARD:
                self.command_byte &= ~CommandByte.DISABLE
            case Command.READ_OUTPUT_PORT:
                self.answer = self._output_port()
            case _ if value >= Command.PULSE and not value & OutputPort.RUN:
                self._reset_processor()
        self._update()

    def _output_port(self) -> int:
        port = OutputPort.LINES | OutputPort.RUN
        if self.a20_open:
            port |= OutputPort.A20
        if self.irq.level:
            port |= OutputPort.OBF
        return port

    def _write_output_port(self, value: int) -> None:
        self.a20_open = bool(value & OutputPort.A20)
        self.a20.set(self.a20_open)
        if not value & OutputPort.RUN:
            self._reset_processor()

    # The keyboard

    def _keyboard_receives(self, value: int) -> None:
        """A byte for the keyboard: data of the command before, unless bit 7 says that it is a new command."""
        command, self.pending_keyboard = self.pending_keyboard, NOTHING
        self.replies.clear()                # who is spoken to stops speaking
        if self.answer == NOTHING:
            self._refill.cancel()
        if command != NOTHING and value < 0x80:
            if command == KeyboardCommand.SET_LEDS:
                self.leds = value & 0x07
            else:
                self.rate = value
            self._reply(Reply.ACK)
            return
        match value:
            case KeyboardCommand.SET_LEDS | KeyboardCommand.SET_RATE:
                self.pending_keyboard = value
                self._reply(Reply.ACK)
            case KeyboardCommand.ECHO:
                self._reply(value)
            case KeyboardCommand.IDENTIFY:
                translated = self.command_byte & CommandByte.XLAT
                self._reply(Reply.ACK, Reply.ID_1, Reply.ID_2_TRANSLATED if translated else Reply.ID_2)
            case KeyboardCommand.ENABLE:
                self._start_over(scanning=True)
            case KeyboardCommand.DISABLE:
                self._start_over(scanning=False)
            case KeyboardCommand.RESEND:
                self._reply(self.last_sent)
            case KeyboardCommand.RESET:
                self._start_over(scanning=True)
                self.leds = 0
                self._reply(Reply.PASSED)
            case _:
                self._reply(Reply.RESEND)

    def _start_over(self, scanning: bool) -> None:
        self.scanning = scanning
        self.rate = DEFAULT_RATE
        self.keys.clear()
        self._reply(Reply.ACK)

    def _reply(self, *values: int) -> None:
        self.replies.extend(int(value) for value in values)

    # Time

    def _update(self) -> None:
        """Drive the interrupt line, and see to it that an empty output buffer is filled if there is a byte for it."""
        self.irq.set(self.full and self.command_byte & CommandByte.INT)
        delay = self._delay()
        if delay is None:
            self._refill.cancel()
        else:
            due = self.clock.now + max(self.clock.frequency * delay // 1_000_000, 1)
            if due < self._refill.cycle:    # a byte under way stays under way
                self._refill.schedule(due)

    def _delay(self) -> int | None:
        """Microseconds that the next byte for the output buffer takes; None if there is no byte or no room."""
        if self.full:
            return None
        if self.answer != NOTHING:
            return CONTROLLER_DELAY
        if (self.replies or self.keys) and not self.command_byte & CommandByte.DISABLE:
            return KEYBOARD_DELAY
        return None

    def _deliver(self) -> None:
        """A byte arrives in the output buffer: the controller's first, the keyboard's replies, then its keys."""
        if self.answer != NOTHING:
            self.output_buffer, self.answer = self.answer, NOTHING
        else:
            self.last_sent = (self.replies or self.keys).popleft()
            self.output_buffer = self.last_sent
        self.full = True
        self._update()

    def describe(self) -> dict[str, int | str]:
        """The controller's registers and the keyboard's state, for people; nothing changes."""
        return {"status": self._read_status(), "command byte": self.command_byte, "output buffer": self.output_buffer,
                "output port": self._output_port(), "A20": self.a20_open, "keyboard scans": self.scanning,
                "LEDs": self.leds, "typematic": self.rate, "replies waiting": len(self.replies),
                "keys waiting": len(self.keys)}
