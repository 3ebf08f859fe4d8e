"""RTC: the Motorola MC146818 with 128 bytes of CMOS RAM, the PC's clock and calendar.

Ports   offset 0 (70h): index, and the NMI mask in bit 7; written only, reads FFh. Offset 1 (71h): data.
Lines   irq: high while an enabled interrupt is pending (IRQ 8; the chip's own IRQ pin is active low).
Sheet   Motorola MC146818, "Address map", "Update cycle", "Interrupts", "Registers"; the RAM above 3Fh is the PC's.

The ten bytes of the time stand in `cmos` as of the update that ended at tick `updated`. Nothing is stepped: whoever
looks first brings them, and the interrupt flags, up to the present (`_catch_up`). Flags that interrupt nobody cost no
event.

Not modelled: daylight saving (DSE is accepted and ignored), square wave output (SQWE likewise).
Choices where the data sheet is silent or the board decides:
  1. Power-on finds the clock running, so that it ends update n exactly n seconds after cycle 0: what is read is the
     epoch plus the whole seconds since. During an update (undefined on the chip) the old time reads.
  2. The century at 32h counts along, in the format of the other bytes, with the Gregorian leap years that follow; the
     chip has no century byte and takes every fourth year as a leap year.
  3. An impossible time (31 February, BCD digits above 9) stays as written until the next update, which carries what
     is too much into the next field. An update that SET or the divider has stopped does not happen later.
  4. Divider settings other than 010 (32.768 kHz) stop the chain like the reset, 11x: the crystal is soldered in.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from emu.bus import Line
from emu.clock import Clock
from emu.kept import Kept

CRYSTAL = 32_768                # Hz, into the divider chain: a tick
HALF_SECOND = CRYSTAL // 2      # ticks from the divider's release to the first UIP ("Divider control")
BEFORE_UPDATE = 8               # ticks, 244 us: UIP announces an update that long ahead ("Update cycle", tBUC)
UPDATE = 65                     # ticks, 1984 us: how long an update takes (tUC)
ANNOUNCED = BEFORE_UPDATE + UPDATE      # ticks that UIP is set, ending with the update
EPOCH = 946_684_800             # 2000-01-01 00:00:00 UTC, a Saturday: the time at cycle 0 if nobody says otherwise
LAST_EPOCH = 253_402_300_799    # 9999-12-31 23:59:59 UTC: the century has two digits
GREGORIAN = 400                 # years after which the calendar repeats
GREGORIAN_DAYS = 146_097        # days in them, a whole number of weeks
DAY = 86_400                    # seconds
ALARM_ANY = 0xC0                # an alarm byte from here to FFh matches anything ("Time, calendar, and alarm")
PM = 0x80                       # bit 7 of the hours, 12-hour mode


class Register(IntEnum):
    """Addresses in the CMOS RAM; what is not named here is memory."""

    SECONDS = 0x00              # 0 to 59
    SECONDS_ALARM = 0x01        # likewise, or any
    MINUTES = 0x02              # 0 to 59
    MINUTES_ALARM = 0x03        # likewise, or any
    HOURS = 0x04                # 0 to 23, or 1 to 12 with PM
    HOURS_ALARM = 0x05          # likewise, or any
    DAY_OF_WEEK = 0x06          # 1 to 7, Sunday is 1; counts from whatever software sets
    DAY_OF_MONTH = 0x07         # 1 to 31
    MONTH = 0x08                # 1 to 12
    YEAR = 0x09                 # 0 to 99
    A = 0x0A                    # divider and rate
    B = 0x0B                    # modes and interrupt enables
    C = 0x0C                    # interrupt flags, cleared by reading
    D = 0x0D                    # power
    BASE_MEMORY = 0x15          # KiB below 640 KiB, two bytes, set by the PC's BIOS as all below
    EXTENDED_MEMORY = 0x17      # KiB above 1 MiB, two bytes
    EXTENDED_MEMORY_2 = 0x30    # the same as the BIOS found it
    CENTURY = 0x32              # 0 to 99
    HIGH_MEMORY = 0x34          # units of 64 KiB above 16 MiB, two bytes


class A(IntEnum):
    """Register A."""

    RS = 0x0F                   # periodic interrupt rate
    DV = 0x70                   # divider
    DV_RUNS = 0x20              # the divider counts a 32.768 kHz crystal
    UIP = 0x80                  # an update is in progress, or less than 244 us away; read only


class B(IntEnum):
    """Register B."""

    DSE = 0x01                  # daylight saving enable; without effect here
    HOURS_24 = 0x02             # "24/12": hours 0 to 23
    DM = 0x04                   # data mode: binary instead of BCD
    SQWE = 0x08                 # square wave enable; without effect here
    UIE = 0x10                  # update-ended interrupt enable
    AIE = 0x20                  # alarm interrupt enable
    PIE = 0x40                  # periodic interrupt enable
    SET = 0x80                  # no updates: software sets the time


class C(IntEnum):
    """Register C; each flag has its enable at the same place in B."""

    UF = 0x10                   # an update has ended
    AF = 0x20                   # the time was the alarm's
    PF = 0x40                   # the divider tap that RS selects has risen
    FLAGS = 0x70                # the three above
    IRQF = 0x80                 # one of them is set and enabled: the interrupt line is high


VRT = 0x80                      # register D: valid RAM and time, the battery is good
RAM_SIZE = 128                  # bytes, registers included
TIME_REGISTERS = frozenset((*range(Register.A), Register.CENTURY))     # times and alarms: who writes them changes both


class Rtc(Kept):
    """Clock, calendar, three interrupts and the CMOS RAM."""

    KEPT = ("cmos", "index", "nmi_masked", "updated", "seen")

    def __init__(self, clock: Clock, irq: Line, epoch: int = EPOCH) -> None:
        """`epoch`: the time of day at cycle 0, seconds since 1970 UTC. Raises ValueError outside 1970 to 9999."""
        if not 0 <= epoch <= LAST_EPOCH:
            raise ValueError(f"RTC epoch {epoch} is not in the years 1970 to 9999: 0 to {LAST_EPOCH} seconds")
        self.clock = clock
        self.irq = irq
        self._crystal = clock.ticks(CRYSTAL)
        self._alert = clock.event("rtc.irq", self._raise)      # the next flag that drives the line high
        self.cmos = bytearray(RAM_SIZE)     # times as of `updated`; A without UIP, B, C without IRQF; memory
        self.index = 0                      # which of them port 71h is
        self.nmi_masked = False             # bit 7 of port 70h
        self.updated = 0                    # tick at which the update that `cmos` shows ended; may lie ahead
        self.seen = 0                       # tick up to which PF is accounted for
        self.cmos[Register.A] = A.DV_RUNS | 6       # as the PC's BIOS leaves it: 1,024 Hz
        self.cmos[Register.B] = B.HOURS_24
        self.cmos[Register.D] = VRT
        self._set_time(datetime.fromtimestamp(epoch, UTC))

    def reset(self) -> None:
        """The RESET pin: disables and clears the interrupts; time, RAM and divider live on the battery."""
        self._catch_up()
        self.cmos[Register.B] &= ~(B.PIE | B.AIE | B.UIE | B.SQWE)
        self.cmos[Register.C] = 0
        self._update()

    def set_memory_size(self, size: int) -> None:
        """Say where software looks for it how many bytes of RAM the machine has, in the fields of a PC's BIOS.

        Raises ValueError if `size` is negative; a field that is too narrow holds its greatest value.
        """
        if size < 0:
            raise ValueError(f"memory size must not be negative, but is {size}")
        extended = max(size - (1 << 20), 0) >> 10
        for register, amount in (
            (Register.BASE_MEMORY, min(size >> 10, 640)),
            (Register.EXTENDED_MEMORY, extended),
            (Register.EXTENDED_MEMORY_2, extended),
            (Register.HIGH_MEMORY, max(size - (16 << 20), 0) >> 16),
        ):
            self.cmos[register : register + 2] = min(amount, 0xFFFF).to_bytes(2, "little")

    # Registers

    def read(self, offset: int, size: int) -> int:
        """Port 70h reads FFh; port 71h the register at the index."""
        if offset == 0:
            return 0xFF
        self._catch_up()
        if self.index == Register.A:
            return self.cmos[Register.A] | (A.UIP if self._update_in_progress() else 0)
        if self.index == Register.C:
            flags = self.cmos[Register.C] | (C.IRQF if self._interrupting() else 0)
            self.cmos[Register.C] = 0
            self._update()
            return flags
        return self.cmos[self.index]

    def write(self, offset: int, value: int, size: int) -> None:
        """Port 70h takes the index and the NMI mask; port 71h the register at the index. C and D are read only."""
        if offset == 0:
            self.index = value & 0x7F
            self.nmi_masked = bool(value & 0x80)
            return
        self._catch_up()
        if self.index == Register.A:
            self._write_a(value & ~A.UIP)
        elif self.index == Register.B:
            self._write_b(value)
        elif self.index not in (Register.C, Register.D):
            self.cmos[self.index] = value
            if self.index in TIME_REGISTERS:
                self._update()

    def _write_a(self, value: int) -> None:
        ran = self._divider_runs()
        self.cmos[Register.A] = value
        if self._divider_runs() and not ran:        # released: the chain counts from zero
            self.updated = self.seen - CRYSTAL + HALF_SECOND + ANNOUNCED
        self._update()

    def _write_b(self, value: int) -> None:
        if self.cmos[Register.B] & B.SET & ~value:
            self._skip_updates()
        if value & B.SET:
            value &= ~B.UIE                         # "Register B", UIE
        self.cmos[Register.B] = value
        self._update()

    # Interrupts

    def _interrupting(self) -> bool:
        return bool(self.cmos[Register.B] & self.cmos[Register.C] & C.FLAGS)

    def _update(self) -> None:
        """Drive the line from flags and enables, and ask for an event at the next flag that raises it, if any does."""
        interrupting = self._interrupting()
        self.irq.set(interrupting)
        tick = None if interrupting else self._next_interrupt()
        if tick is None:
            self._alert.cancel()
        else:
            self._alert.schedule(self._crystal.cycle(tick))

    def _next_interrupt(self) -> int | None:
        """The tick at which the next enabled flag is set, None if none ever is."""
        enables = self.cmos[Register.B]
        ticks = []
        if enables & B.PIE and self._period():
            ticks.append(self._tap_rises_after(self.seen))
        if self._updating():
            if enables & B.UIE:
                ticks.append(self.updated + CRYSTAL)
            seconds = self._until_alarm() if enables & B.AIE else None
            if seconds is not None:
                ticks.append(self.updated + seconds * CRYSTAL)
        return min(ticks, default=None)

    def _raise(self) -> None:
        self._catch_up()
        self._update()

    def _until_alarm(self) -> int | None:
        """Seconds from the time in `cmos` to the next one that matches the alarm bytes, None if no time does."""
        wanted = []
        for register, unit, modulus in (
            (Register.HOURS_ALARM, 3600, 24),
            (Register.MINUTES_ALARM, 60, 60),
            (Register.SECONDS_ALARM, 1, 60),
        ):
            alarm = self.cmos[register]
            if alarm < ALARM_ANY:
                encode = self._encode_hours if modulus == 24 else self._encode
                match = next((value for value in range(modulus) if encode(value) == alarm), None)
                if match is None:
                    return None
                wanted.append((unit, modulus, match))
        start = self._second_of_day()
        second = start + 1
        while True:
            for unit, modulus, match in wanted:
                ahead = (match - second // unit) % modulus
                if ahead:
                    second = (second // unit + ahead) * unit        # where that field first matches: look again
                    break
            else:
                return second - start

    # Time

    def _divider_runs(self) -> bool:
        return self.cmos[Register.A] & A.DV == A.DV_RUNS

    def _updating(self) -> bool:
        """Whether the time moves."""
        return self._divider_runs() and not self.cmos[Register.B] & B.SET

    def _update_in_progress(self) -> bool:
        ticks = self.seen - self.updated
        return self._updating() and ticks >= CRYSTAL - ANNOUNCED

    def _catch_up(self) -> None:
        """Bring times and flags to the present: what every access does first."""
        now = self._crystal.now
        if self._period() and self._tap_rises_after(self.seen) <= now:
            self.cmos[Register.C] |= C.PF
        self.seen = now
        if self._updating() and now - self.updated >= CRYSTAL:
            seconds = (now - self.updated) // CRYSTAL
            alarm = self._until_alarm()
            self.cmos[Register.C] |= C.UF if alarm is None or alarm > seconds else C.UF | C.AF
            self._advance(seconds)
            self.updated += seconds * CRYSTAL

    def _skip_updates(self) -> None:
        """Pass over the updates that began while SET was 1."""
        begun = (self.seen + UPDATE - self.updated) // CRYSTAL
        self.updated += begun * CRYSTAL

    def _period(self) -> int:
        """Ticks between two periodic interrupts, 0 if there are none ("Register A", table of rates)."""
        rate = self.cmos[Register.A] & A.RS
        if not rate or not self._divider_runs():
            return 0
        return 1 << (rate - 1 if rate > 2 else rate + 6)

    def _tap_rises_after(self, tick: int) -> int:
        """The first tick after `tick` at which the divider's tap rises: half a period from any UIP ("Update cycle")."""
        period = self._period()
        first = self.updated - ANNOUNCED + period // 2
        return tick + period - (tick - first) % period

    def _second_of_day(self) -> int:
        hours = self._decode_hours(self.cmos[Register.HOURS])
        return (hours * 60 + self._field(Register.MINUTES)) * 60 + self._field(Register.SECONDS)

    def _advance(self, seconds: int) -> None:
        """Move the time on by as many updates; 400 years at a time change nothing but the year."""
        months = self._field(Register.MONTH) - 1
        year = self._field(Register.CENTURY) * 100 + self._field(Register.YEAR) + months // 12
        days, second = divmod(self._second_of_day() + seconds, DAY)
        eras, days_left = divmod(days, GREGORIAN_DAYS)
        start = datetime(2000 + year % GREGORIAN, months % 12 + 1, 1)
        now = start + timedelta(days_left + self._field(Register.DAY_OF_MONTH) - 1, second)
        weekday = (self._field(Register.DAY_OF_WEEK) - 1 + days) % 7 + 1
        self._set_time(now, year // GREGORIAN * GREGORIAN - 2000 + eras * GREGORIAN, weekday)

    def _set_time(self, time: datetime, more_years: int = 0, weekday: int | None = None) -> None:
        """Store `time`, `more_years` later, as time bytes; its own day of the week unless another is given."""
        year = time.year + more_years
        for register, value in (
            (Register.SECONDS, time.second),
            (Register.MINUTES, time.minute),
            (Register.DAY_OF_WEEK, weekday or time.isoweekday() % 7 + 1),
            (Register.DAY_OF_MONTH, time.day),
            (Register.MONTH, time.month),
            (Register.YEAR, year % 100),
            (Register.CENTURY, year // 100 % 100),
        ):
            self.cmos[register] = self._encode(value)
        self.cmos[Register.HOURS] = self._encode_hours(time.hour)

    # Formats

    def _field(self, register: Register) -> int:
        return self._decode(self.cmos[register])

    def _encode(self, value: int) -> int:
        return value if self.cmos[Register.B] & B.DM else value // 10 << 4 | value % 10

    def _decode(self, byte: int) -> int:
        return byte if self.cmos[Register.B] & B.DM else (byte >> 4) * 10 + (byte & 0x0F)

    def _encode_hours(self, hours: int) -> int:
        if self.cmos[Register.B] & B.HOURS_24:
            return self._encode(hours)
        return self._encode((hours - 1) % 12 + 1) | (PM if hours >= 12 else 0)

    def _decode_hours(self, byte: int) -> int:
        if self.cmos[Register.B] & B.HOURS_24:
            return self._decode(byte)
        return self._decode(byte & ~PM) % 12 + (12 if byte & PM else 0)

    def describe(self) -> dict[str, int | str]:
        """The registers by their data-sheet names as they would read now, for people; nothing changes."""
        twin = copy.copy(self)
        twin.cmos = bytearray(self.cmos)
        twin._catch_up()
        flags = twin.cmos[Register.C] | (C.IRQF if twin._interrupting() else 0)
        values: dict[str, int | str] = {"index": self.index}
        for register in Register:
            values[register.name] = twin.cmos[register]
        values["A"] = twin.cmos[Register.A] | (A.UIP if twin._update_in_progress() else 0)
        return values | {"C": flags, "NMI masked": self.nmi_masked}
