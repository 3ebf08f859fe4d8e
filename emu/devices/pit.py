"""The 8254 interval timer of a PC, ports 40h-43h, and the system control port 61h that gates its third channel.

Wires: three OUT pins (OUT 0 goes to IRQ 0), three GATE inputs (0 and 1 tied high). Source: Intel 8254 data sheet
(231164), "Mode Definitions" and "Programming the 8254"; port 61h: Intel 82371 (PIIX) data sheet, "NMI Status and
Control Register".

Nothing is stepped. A channel keeps the tick of the CLK pulse that loaded its counting element; count and OUT are
functions of the ticks since. What happens between two ticks is seen by the CLK pulse that begins the next one: a count
written in tick t is loaded at t + 1. Each change of OUT and each load is an event at the first cycle of its tick.

Doubts:
 1. After a control word, until a count is loaded, the counting element keeps what it held. The data sheet shows it as
    undefined; so it does all state before the first control word, here mode 3 without a count, OUT high.
 2. A count of 1 is illegal in modes 2 and 3. Here it works as modulus + 1, as in a counter that compares after it
    decrements.
 3. A BCD digit above 9 counts with its weight (0Fh is 15 pulses), but reads back as a decimal number.
 4. The strobe of mode 4 lasts one CLK even if GATE falls meanwhile ("GATE has no effect on OUT").
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from fractions import Fraction

from emu.bus import Line
from emu.clock import NEVER, Clock, Ticks
from emu.kept import Kept

CRYSTAL = Fraction(14_318_180, 12)      # Hz: CLK of all three channels, a twelfth of the PC's 14.31818 MHz crystal
REFRESH = 18                            # ticks between two DRAM refreshes (15.085 us), what channel 1 is set to on a PC


class Mode(IntEnum):
    """M2-M0 of the control word; 6 and 7 are 2 and 3."""

    TERMINAL_COUNT = 0        # OUT rises when the count ends
    ONE_SHOT = 1              # OUT is low for one count after each trigger
    RATE = 2                  # OUT is low for the last tick of each period
    SQUARE = 3                # OUT is high for half of each period
    SOFTWARE_STROBE = 4       # OUT is low for one tick at the end of the count
    HARDWARE_STROBE = 5       # the same, counted from a trigger


PERIODIC = (Mode.RATE, Mode.SQUARE)                         # reload themselves; GATE low stops them, its rise restarts
TRIGGERED = (Mode.ONE_SHOT, Mode.HARDWARE_STROBE)           # a rise of GATE loads them, its level does not matter


class Access(IntEnum):
    """RW1-RW0 of the control word."""

    LATCH = 0                 # counter latch command: no change of access
    LSB = 1                   # low byte only, the other is 0
    MSB = 2                   # high byte only, the other is 0
    WORD = 3                  # low byte, then high byte


class Control:
    """The other bits of the control word, and of the read-back command."""

    BCD = 0x01                # counts four decades
    READ_BACK = 3             # SC1-SC0 (bits 7-6): not a channel but the read-back command
    NO_COUNT = 0x20           # read-back: do not latch the count
    NO_STATUS = 0x10          # read-back: do not latch the status


class Status:
    """The status byte; below NULL_COUNT are bits 5-0 of the control word."""

    OUT = 0x80                # level of the OUT pin
    NULL_COUNT = 0x40         # the count last written has not been loaded yet


class Counter(Kept):
    """One channel: its OUT pin and the registers behind its port."""

    KEPT = ("out", "gate", "element", "control", "mode", "access", "modulus", "count", "null", "low_byte",
            "second_read", "latch", "status_latch", "start", "loaded", "held", "terminal", "load_at", "reload_at",
            "due")

    def __init__(self, clock: Clock, ticks: Ticks, out: Line, gate: Line, name: str) -> None:
        """`out`: the pin it drives. `gate`: the input it listens to. `name`: that of its event on the clock."""
        self._clock = clock
        self._ticks = ticks
        self.out = out
        self.gate = bool(gate.level)                        # GATE, as far as time has been followed
        self.event = clock.event(name, lambda: self._settle(self.due))     # OUT changes or a count is loaded
        self.reset()
        gate.listeners.append(self._gate_changed)

    def reset(self) -> None:
        """A power-on state (doubt 1)."""
        self.element = 0      # the 16 bits shown until the first load: what the element held last
        self._program(Access.WORD << 4 | Mode.SQUARE << 1)
        self._settle(self._ticks.now)

    def _program(self, control: int) -> None:
        """Take a control word (bits 5-0): stop, forget the count, set OUT as the mode begins."""
        self.control = control  # bits 5-0 of the control word, as written
        mode = control >> 1 & 7
        self.mode = Mode(mode & 3 if mode > 5 else mode)
        self.access = Access(control >> 4)  # which bytes the port transfers
        self.modulus = 10_000 if control & Control.BCD else 0x10000  # what 0 counts as
        self.count = 0        # count register: pulses to count; 0 until the first is written
        self.null = True      # the count register has not been loaded into the counting element
        self.low_byte = -1    # first byte of a two-byte write, -1 if none waits for its second
        self.second_read = False  # the next read of a two-byte count gives the high byte
        self.latch = -1       # latched count as it will be read, -1 if none
        self.status_latch = -1  # latched status, -1 if none
        self.start = NEVER    # tick that loaded the counting element, NEVER before the first load
        self.loaded = 0       # the count that was loaded at `start`
        self.held = -1        # ticks that had been counted when counting stopped, -1 while it goes on
        self.terminal = NEVER  # modes 0, 1, 4, 5: tick at which the count reaches 0
        self.load_at = NEVER  # tick that will load the count register, after a write or a trigger
        self.reload_at = NEVER  # modes 2, 3: tick whose reload takes the count written meanwhile
        self.due = NEVER      # tick of the event

    # The port

    def read(self) -> int:
        """The next byte: of the latched status, else of the latched count, else of the count itself."""
        tick = self._catch_up()
        if self.status_latch >= 0:
            status, self.status_latch = self.status_latch, -1
            return status
        value = self.latch if self.latch >= 0 else self._shown(tick)
        high = self.access == Access.MSB or self.second_read
        if self.access == Access.WORD:
            self.second_read = not self.second_read
        if not self.second_read:
            self.latch = -1
        return value >> 8 if high else value & 0xFF

    def write(self, value: int) -> None:
        """The next byte of a count."""
        tick = self._catch_up()
        if self.access == Access.WORD and self.low_byte < 0:
            self.low_byte = value
            self._first_byte(tick)
        else:
            low, self.low_byte = self.low_byte, -1
            self._count_written(tick, value if self.access == Access.LSB else value << 8 | max(low, 0))
        self._settle(tick)

    def program(self, control: int) -> None:
        """A control word for this channel, or with RW = 0 the counter latch command."""
        tick = self._catch_up()
        if control >> 4 & 3 == Access.LATCH:
            self.latch_count()
        else:
            self.element = self._shown(tick)
            self._program(control & 0x3F)
            self._settle(tick)

    def latch_count(self) -> None:
        """Hold the count for reading, unless one is held already."""
        tick = self._catch_up()
        if self.latch < 0:
            self.latch = self._shown(tick)

    def latch_status(self) -> None:
        """Hold the status for reading, unless one is held already."""
        tick = self._catch_up()
        if self.status_latch < 0:
            out = Status.OUT if self._out(tick) else 0
            self.status_latch = out | (Status.NULL_COUNT if self.null else 0) | self.control

    def _first_byte(self, tick: int) -> None:
        if self.mode == Mode.TERMINAL_COUNT:                # "disables counting. OUT is set low immediately"
            self._hold(tick)
            self.terminal = self.load_at = NEVER

    def _count_written(self, tick: int, written: int) -> None:
        first = self.count == 0
        self.count = self._decode(written)
        self.null = True
        if self.mode in PERIODIC and not first:             # at the end of the cycle, or of the half cycle
            if self.load_at == NEVER and self.held < 0:
                self.reload_at = self._cycle_end(tick)
        elif self.mode not in TRIGGERED:
            self.load_at = tick + 1
            if self.mode == Mode.TERMINAL_COUNT:
                self.terminal = NEVER

    def _decode(self, written: int) -> int:
        """The pulses that a count register stands for."""
        value = written
        if self.modulus == 10_000:
            value = sum((written >> 4 * digit & 15) * 10**digit for digit in range(4))
        shortest = 2 if self.mode in PERIODIC else 1
        return value if value >= shortest else value + self.modulus

    def _shown(self, tick: int) -> int:
        """The 16 bits in the counting element."""
        if self.start == NEVER:
            return self.element
        value = self._value(tick) % self.modulus
        return int(str(value), 16) if self.modulus == 10_000 else value

    # The phase: what crystal and processor have drifted to. No pin does this; it serves those who look what software
    # bears (emu.monitor.explore.explorer).

    def begin_anew(self) -> None:
        """The period under way begins now: its end is as far away as it can be."""
        tick = self._catch_up()
        if self.start != NEVER and self.held < 0:
            self._shift(tick - self.start)
            self._settle(tick)

    def end_now(self) -> bool:
        """Bring forward to now the next rise of OUT, and everything after it; False if none is to come."""
        tick = self._catch_up()
        rise = self._next_change(tick)
        if rise != NEVER and not self._out(rise):
            rise = self._next_change(rise)
        if rise == NEVER:
            return False
        self._shift(tick - rise)
        self.out.set(0)
        self._settle(tick)
        return True

    def _shift(self, ticks: int) -> None:
        self.start += ticks
        if self.terminal != NEVER:
            self.terminal += ticks
        if self.reload_at != NEVER:
            self.reload_at += ticks

    # GATE

    def _gate_changed(self, level: int) -> None:
        tick = self._catch_up()
        self.gate = bool(level)
        if self.mode in PERIODIC or self.mode in TRIGGERED:
            if level and self.count:
                self.load_at = tick + 1
            elif not level and self.mode in PERIODIC:
                self._hold(tick)
                self.reload_at = NEVER
        elif not level:
            self._hold(tick)
        elif self.low_byte < 0 or self.mode != Mode.TERMINAL_COUNT:
            self._resume(tick)
        self._settle(tick)

    def _hold(self, tick: int) -> None:
        """Stop counting after `tick`."""
        if self.start != NEVER and self.held < 0:
            self.held = tick - self.start
            if self.terminal > tick:
                self.terminal = NEVER

    def _resume(self, tick: int) -> None:
        """Count on after `tick` from where counting stopped."""
        if self.held >= 0:
            self.start = tick - self.held
            if self.held < self.loaded:
                self.terminal = self.start + self.loaded
            self.held = -1

    # Time: the pure functions of a tick, valid until `due`

    def _value(self, tick: int) -> int:
        """What the counting element has come to since it was loaded, but for multiples of `modulus`."""
        counted = self.held if self.held >= 0 else tick - self.start
        if self.mode == Mode.RATE:
            return self.loaded - counted % self.loaded
        if self.mode == Mode.SQUARE:                        # two at a time, from an even number, in each half
            high = (self.loaded + 1) // 2
            position = counted % self.loaded
            return (self.loaded & ~1) - 2 * (position if position < high else position - high)
        return self.loaded - counted

    def _out(self, tick: int) -> bool:
        """The level of OUT."""
        match self.mode:
            case Mode.TERMINAL_COUNT:
                return tick >= self.terminal
            case Mode.ONE_SHOT:
                return not self.start <= tick < self.terminal
            case Mode.SOFTWARE_STROBE | Mode.HARDWARE_STROBE:
                return tick != self.terminal
        if self.start == NEVER or self.held >= 0:
            return True
        position = (tick - self.start) % self.loaded
        return position != self.loaded - 1 if self.mode == Mode.RATE else position < (self.loaded + 1) // 2

    def _next_change(self, tick: int) -> int:
        """The first tick after `tick` at which OUT changes if nothing is loaded before, NEVER if it does not."""
        if self.mode not in PERIODIC:
            strobes = self.mode in (Mode.SOFTWARE_STROBE, Mode.HARDWARE_STROBE)
            if tick < self.terminal:
                return self.terminal
            return tick + 1 if strobes and tick == self.terminal else NEVER
        if self.start == NEVER or self.held >= 0:
            return NEVER
        position = (tick - self.start) % self.loaded
        falls = self.loaded - 1 if self.mode == Mode.RATE else (self.loaded + 1) // 2
        return tick - position + (falls if position < falls else self.loaded)

    def _wave(self, tick: int) -> tuple[bool, int]:
        """`_out` and `_next_change` together, at once for the timer of most systems: mode 2, running."""
        if self.mode != Mode.RATE or self.start == NEVER or self.held >= 0:
            return self._out(tick), self._next_change(tick)
        left = self.loaded - (tick - self.start) % self.loaded
        return left > 1, tick + (left - 1 or 1)

    def _cycle_end(self, tick: int) -> int:
        """Modes 2 and 3: the next tick that reloads the counting element."""
        if self.mode == Mode.SQUARE:
            return self._next_change(tick)
        return tick + self.loaded - (tick - self.start) % self.loaded

    def _catch_up(self) -> int:
        """Let everything due by now happen, each at its tick; returns the tick of now."""
        now = self._ticks.now
        while self.due <= now:
            self._settle(self.due)
        return now

    def _settle(self, tick: int) -> None:
        """Load what is due at `tick`, drive OUT and wait for what comes next."""
        if self.load_at <= tick:
            self._load(tick, tick)
        elif self.reload_at <= tick:
            half = (self.count + 1) // 2                    # mode 3, before its low half: as if loaded earlier
            low_next = self.mode == Mode.SQUARE and self._out(tick - 1)
            self._load(tick, tick - half if low_next else tick)
        level, change = self._wave(tick)
        self.due = min(self.load_at, self.reload_at, change)
        if self.due == NEVER:
            self.event.cancel()
        else:
            self.event.schedule(self._ticks.cycle(self.due))
        self.out.set(level)

    def _load(self, tick: int, start: int) -> None:
        """Load the counting element at `tick`; `start` says where in its cycle it begins."""
        self.start = start
        self.loaded = self.count
        self.null = False
        self.load_at = self.reload_at = NEVER
        counts = self.mode in TRIGGERED or self.gate
        self.held = -1 if counts else 0
        self.terminal = tick + self.loaded if counts and self.mode not in PERIODIC else NEVER

    def describe(self) -> dict[str, int | str]:
        """The registers by their data-sheet names, for people; nothing changes."""
        tick = self._ticks.now
        return {"mode": f"{self.mode.value} ({self.mode.name.lower().replace('_', ' ')})", "RW": self.access.name,
                "BCD": self.control & Control.BCD, "CR": self.count % self.modulus, "CE": self._shown(tick),
                "OL": "empty" if self.latch < 0 else self.latch, "null count": self.null, "OUT": self.out.level,
                "GATE": self.gate}


class Pit(Kept):
    """The chip: channels 0-2 at offsets 0-2, the control word at 3."""

    KEPT = ("gate", "counters")

    def __init__(self, clock: Clock, outputs: Sequence[Line]) -> None:
        """`outputs`: OUT 0, OUT 1, OUT 2."""
        ticks = clock.ticks(CRYSTAL)
        self.gate = [Line(f"pit.gate{n}") for n in range(3)]
        self.gate[0].set(1)
        self.gate[1].set(1)
        self.counters = [Counter(clock, ticks, out, gate, f"pit.out{n}")
                         for n, (out, gate) in enumerate(zip(outputs, self.gate, strict=True))]

    def reset(self) -> None:
        """All channels as at power-on; the gates keep their levels."""
        for counter in self.counters:
            counter.reset()

    def read(self, offset: int, size: int = 1) -> int:
        """The next byte of a channel; the control word register cannot be read and gives all ones."""
        return 0xFF if offset & 3 == 3 else self.counters[offset & 3].read()

    def write(self, offset: int, value: int, size: int = 1) -> None:
        """The next byte of a channel's count, or a control word."""
        value &= 0xFF
        if offset & 3 != 3:
            self.counters[offset & 3].write(value)
        elif value >> 6 != Control.READ_BACK:
            self.counters[value >> 6].program(value & 0x3F)
        else:
            self._read_back(value)

    def _read_back(self, command: int) -> None:
        for n, counter in enumerate(self.counters):
            if command & 2 << n:
                if not command & Control.NO_COUNT:
                    counter.latch_count()
                if not command & Control.NO_STATUS:
                    counter.latch_status()

    def describe(self) -> dict[str, int | str]:
        """The registers of all channels by their data-sheet names, for people; nothing changes."""
        return {f"{name} {n}": value for n, counter in enumerate(self.counters)
                for name, value in counter.describe().items()}


class Port61:
    """Bits of the system control port."""

    GATE2 = 0x01              # GATE of channel 2
    SPEAKER = 0x02            # lets OUT 2 through to the speaker
    STORED = 0x0F             # what can be written; bits 2 and 3 disable NMI sources that this machine does not have
    REFRESH = 0x10            # changes with every DRAM refresh
    OUT2 = 0x20               # OUT of channel 2


class SystemControl(Kept):
    """Port 61h: the speaker's switches, and two ways to watch time pass."""

    KEPT = ("stored",)

    def __init__(self, clock: Clock, gate2: Line, out2: Line) -> None:
        self._ticks = clock.ticks(CRYSTAL)
        self._gate2 = gate2
        self._out2 = out2
        self.reset()

    def reset(self) -> None:
        """As after power-on: gate and speaker off."""
        self.stored = 0       # bits 3-0 as written
        self._gate2.set(0)

    def read(self, offset: int, size: int = 1) -> int:
        """Bits 3-0 as written, the refresh toggle, and OUT 2."""
        refresh = Port61.REFRESH if self._ticks.now // REFRESH & 1 else 0
        return self.stored | refresh | (Port61.OUT2 if self._out2.level else 0)

    def write(self, offset: int, value: int, size: int = 1) -> None:
        """Set bits 3-0; bit 0 drives GATE 2."""
        self.stored = value & Port61.STORED
        self._gate2.set(value & Port61.GATE2)

    def describe(self) -> dict[str, int]:
        """The port as it reads, and its bits, for people."""
        value = self.read(0)
        return {"port": value, "GATE 2": value & Port61.GATE2, "speaker": bool(value & Port61.SPEAKER),
                "refresh": bool(value & Port61.REFRESH), "OUT 2": bool(value & Port61.OUT2)}
