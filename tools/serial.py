"""The other end of COM1: where the console's bytes go, and where the bytes come from that the guest receives.

The guest gets input when it listens, and no faster than it takes it, so that nothing is lost however slow it is and
whether or not it looks at RTS. It listens once it has enabled the receive interrupt, read the receiver, or looked at
the line status again and again with nothing left to send. Until then not a byte of standard input is touched.

When a file or pipe is at the other end, each byte arrives at a cycle that only the guest's own doing decides: the same
input gives the same run. If a pipe has nothing to give yet, the machine waits for it, clock and all. Keys come when
they are pressed, so a run with a person at the terminal is not repeatable.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from emu.clock import NEVER
from emu.devices.uart import FIFO_SIZE, IER, LCR, LSR, MCR, Register
from emu.kept import Kept
from emu.machine import Machine

if TYPE_CHECKING:
    from emu.monitor.travel.timeline import Timeline

COM1 = 0x3F8                # first port
PATIENCE = 8                # looks at the line status in a row, with nothing left to send, that mean: listening
POLL = 1_000_000            # cycles between two looks at the keyboard: some milliseconds of the host
PIECE = 4096                # bytes read at once
WAKE = 0.2                  # seconds between two looks at whether to stop, while waiting for input


class Source(Protocol):
    """Where input comes from."""

    has_keys: bool              # a person is there: input comes at any time

    def is_open(self) -> bool:
        """Whether there may be more input some day."""
        ...

    def take(self, most: int) -> bytes:
        """At most `most` bytes; none if there are none now (keys), or if there are no more (anything else)."""
        ...

    def wait(self) -> bool:
        """Wait until there is something to take. False if there will be nothing, or the run is to stop."""
        ...


class Descriptor:
    """A source that is a file descriptor: a file or pipe, or the keyboard of a terminal."""

    def __init__(self, descriptor: int, has_keys: bool, is_stopping: Callable[[], bool]) -> None:
        """`is_stopping` is asked while waiting: true to give up."""
        self.has_keys = has_keys
        self._descriptor = descriptor
        self._is_stopping = is_stopping
        self._read = b""                # bytes read and not yet taken
        self._ended = False             # end of file, or terminal gone

    def is_open(self) -> bool:
        """See Source."""
        return not self._ended

    def take(self, most: int) -> bytes:
        """See Source. Waits for a file or pipe, never for keys. Raises OSError if reading fails."""
        if not self._read and not self._ended and (self._is_ready(0) if self.has_keys else self.wait()):
            self._read = self._read_piece()
            self._ended = not self._read
        taken, self._read = self._read[:most], self._read[most:]
        return taken

    def wait(self) -> bool:
        """See Source."""
        while not self._ended and not self._is_stopping():
            if self._read or self._is_ready(WAKE):
                return True
        return False

    def _read_piece(self) -> bytes:
        try:
            return os.read(self._descriptor, PIECE)
        except OSError as error:
            if self.has_keys:               # the terminal has gone
                return b""
            error.filename = "standard input"
            raise

    def _is_ready(self, seconds: float) -> bool:
        return bool(select.select([self._descriptor], [], [], seconds)[0])


class Given:
    """A source that is known from the beginning: the contents of a file."""

    has_keys = False

    def __init__(self, data: bytes) -> None:
        self._left = data

    def is_open(self) -> bool:
        """See Source."""
        return bool(self._left)

    def take(self, most: int) -> bytes:
        """See Source."""
        taken, self._left = self._left[:most], self._left[most:]
        return taken

    def wait(self) -> bool:
        """See Source."""
        return bool(self._left)


class Remembered:
    """A source that gives the same again when a machine goes through its past (`Timeline.repeatable`)."""

    def __init__(self, source: Source, repeatable: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self.has_keys = source.has_keys
        self.is_open = repeatable(source.is_open)
        self.take = repeatable(source.take)
        self.wait = repeatable(source.wait)


class FarEnd(Kept):
    """What is plugged into COM1. It stands between the bus and the UART, so as to see when the guest listens."""

    KEPT = ("listens", "_looks", "_looked_at", "_idle_then")

    def __init__(self, machine: Machine, source: Source) -> None:
        self.machine = machine
        self.uart = machine.uart
        self.source = source
        self.listens = False                # the guest wants input
        self._looks = 0                     # at an idle line status, in a row
        self._looked_at = 0                 # the cycle of the last look at the keyboard
        self._idle_then = 0                 # the machine's idle cycles at that time
        self._poll = machine.clock.event("keyboard of the terminal", self._look_at_keys)
        machine.bus.ports.release(COM1)
        machine.bus.ports.claim(COM1, len(set(Register)), self, "com1")

    def read(self, offset: int, size: int) -> int:
        """The processor reads a register of the UART."""
        value = self.uart.read(offset, size)
        if not self.listens:
            self._notice_read(offset, value)
        self._feed()
        return value

    def write(self, offset: int, value: int, size: int) -> None:
        """The processor writes a register of the UART."""
        self.uart.write(offset, value, size)
        if not self.listens:
            self._notice_write(offset)
        self._feed()

    def _notice_read(self, offset: int, value: int) -> None:
        if offset == Register.LSR and value & LSR.TEMT:
            self._looks += 1
        reads_receiver = offset == Register.RBR and not self.uart.lcr & LCR.DLAB
        if reads_receiver or self._looks == PATIENCE:
            self._listen()

    def _notice_write(self, offset: int) -> None:
        if offset == Register.THR:
            self._looks = 0
        if self.uart.ier & IER.ERBFI:
            self._listen()

    def _listen(self) -> None:
        self.listens = True
        if self.source.has_keys:
            self._look_again()

    @property
    def _room(self) -> int:
        """How many bytes the receiver takes without losing one."""
        uart = self.uart
        return 0 if uart.mcr & MCR.LOOP else (FIFO_SIZE if uart.fcr else 1) - len(uart.rx) - len(uart.line)

    def _feed(self) -> None:
        """Send as much as there is room for."""
        if self.listens and self._room > 0:
            self.uart.receive(self.source.take(self._room))

    def _look_at_keys(self) -> None:
        """Every so often: has a key been pressed? A guest that sleeps until one is lets the host sleep as well."""
        clock, machine = self.machine.clock, self.machine
        slept = machine.idle_cycles - self._idle_then == clock.now - self._looked_at
        if slept and clock.deadline == NEVER and not (self._room > 0 and self._waits()):
            return
        self._feed()
        self._look_again()

    def _waits(self) -> bool:
        """Wait for a key: false if there will be none. One that is to stop may go on later."""
        return self.source.wait() or self.source.is_open()

    def _look_again(self) -> None:
        self._looked_at, self._idle_then = self.machine.clock.now, self.machine.idle_cycles
        self._poll.schedule(self._looked_at + POLL)


def timeline_of(machine: Machine) -> Timeline:
    """The timeline of a machine whose input repeats itself: what came in once comes again on the way through the past.

    To be called once, after the FarEnd has been made if there is one.
    """
    from emu.monitor.travel.timeline import Timeline

    found = machine.bus.ports.find(COM1)
    far_end = found.device if found and isinstance(found.device, FarEnd) else None
    if far_end:
        machine.parts["far end of com1"] = far_end          # before the first snapshot is taken
    timeline = Timeline(machine)
    if far_end:
        far_end.source = Remembered(far_end.source, timeline.repeatable)
    return timeline


def writer(descriptor: int, name: str) -> Callable[[int], None]:
    """A function that writes a byte to a file descriptor at once. It raises OSError, with `name` for the file's."""
    def write(byte: int) -> None:
        data = bytes((byte,))
        while True:
            try:
                os.write(descriptor, data)
                return
            except BlockingIOError:             # somebody has made it non-blocking: wait
                select.select([], [descriptor], [])
            except OSError as error:
                error.filename = name
                raise

    return write
