"""The MC146818, through ports 70h and 71h, its interrupt line and the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.bus import Line, Space
from emu.clock import NEVER, Clock
from emu.devices.rtc import EPOCH, A, B, C, Register, Rtc

TICK = 10                           # cycles per tick of the crystal
SECOND = 32_768 * TICK              # cycles per second
FORMATS = [0, B.DM, B.HOURS_24, B.DM | B.HOURS_24]
RUN, RESET = 0x20, 0x70             # register A: the divider counts, or is held


def bcd(value: int) -> int:
    return value // 10 * 16 + value % 10


class Board:
    """The chip at its ports, and what software does with it."""

    def __init__(self, epoch: int = EPOCH, frequency: int = SECOND) -> None:
        self.clock = Clock(frequency)
        self.irq = Line("irq8")
        self.rtc = Rtc(self.clock, self.irq, epoch)
        self.ports = Space("port", 1 << 16)
        self.ports.claim(0x70, 2, self.rtc, "rtc")

    def get(self, register: int) -> int:
        self.ports.write(0x70, register, 1)
        return self.ports.read(0x71, 1)

    def put(self, register: int, value: int) -> None:
        self.ports.write(0x70, register, 1)
        self.ports.write(0x71, value, 1)

    def set_time(self, time: datetime, mode: int) -> None:
        """As the data sheet says: SET, the ten bytes in the format `mode`, then let go."""
        form = (lambda value: value) if mode & B.DM else bcd
        hours = form(time.hour)
        if not mode & B.HOURS_24:
            hours = form((time.hour + 11) % 12 + 1) + (0x80 if time.hour >= 12 else 0)
        self.put(Register.B, B.SET | mode)
        self.put(Register.SECONDS, form(time.second))
        self.put(Register.MINUTES, form(time.minute))
        self.put(Register.HOURS, hours)
        self.put(Register.DAY_OF_WEEK, form(time.isoweekday() % 7 + 1))
        self.put(Register.DAY_OF_MONTH, form(time.day))
        self.put(Register.MONTH, form(time.month))
        self.put(Register.YEAR, form(time.year % 100))
        self.put(Register.CENTURY, form(time.year // 100))
        self.put(Register.B, mode)

    def time(self) -> tuple[datetime, int]:
        """The time and the day of the week (Sunday is 1), by whatever format register B says."""
        mode = self.get(Register.B)

        def number(byte: int) -> int:
            assert mode & B.DM or (byte >> 4 < 10 and byte & 15 < 10), f"{byte:#x} is not BCD"
            return byte if mode & B.DM else (byte >> 4) * 10 + (byte & 15)

        hours = self.get(Register.HOURS)
        if mode & B.HOURS_24:
            hours = number(hours)
        else:
            assert 1 <= number(hours & 0x7F) <= 12
            hours = number(hours & 0x7F) % 12 + (12 if hours & 0x80 else 0)
        year = number(self.get(Register.CENTURY)) * 100 + number(self.get(Register.YEAR))
        month, day = number(self.get(Register.MONTH)), number(self.get(Register.DAY_OF_MONTH))
        minutes, seconds = number(self.get(Register.MINUTES)), number(self.get(Register.SECONDS))
        return datetime(year, month, day, hours, minutes, seconds), number(self.get(Register.DAY_OF_WEEK))


@pytest.fixture
def board() -> Board:
    return Board()


def oracle(time: datetime) -> tuple[datetime, int]:
    return time, time.isoweekday() % 7 + 1


# The time


def test_the_default_epoch_is_the_first_of_january_2000(board: Board) -> None:
    assert board.time() == (datetime(2000, 1, 1), 7)


@settings(max_examples=60, deadline=None)
@given(epoch=st.integers(0, 4_000_000_000), frequency=st.integers(32_768, 4 * 10**9),
       advances=st.lists(st.integers(0, 1 << 55), max_size=6))
def test_the_time_is_the_epoch_and_the_whole_seconds_since(epoch: int, frequency: int, advances: list[int]) -> None:
    board = Board(epoch, frequency)
    for cycles in advances:
        board.clock.advance(cycles % (frequency * 10**9))
        seconds = board.clock.now // frequency
        assert board.time() == oracle(datetime.fromtimestamp(epoch + seconds, UTC).replace(tzinfo=None))


@pytest.mark.parametrize("mode", FORMATS)
@settings(max_examples=40, deadline=None)
@given(start=st.datetimes(datetime(1, 1, 1), datetime(9000, 1, 1)),
       before=st.integers(0, 10**6), advances=st.lists(st.integers(0, 10**9), max_size=5))
def test_the_time_runs_on_from_what_software_sets(mode: int, start: datetime, before: int,
                                                   advances: list[int]) -> None:
    board = Board()
    start = start.replace(microsecond=0)
    board.clock.advance(before * SECOND + SECOND // 2)
    board.set_time(start, mode)
    passed = 0
    assert board.time() == oracle(start)
    for seconds in advances:
        board.clock.advance(seconds * SECOND)
        passed += seconds
        assert board.time() == oracle(start + timedelta(seconds=passed))


@pytest.mark.parametrize("start, leap", [
    ("1999-02-28", False), ("2000-02-28", True), ("2023-02-28", False), ("2024-02-28", True), ("2100-02-28", False),
])
def test_february_has_29_days_in_leap_years(board: Board, start: str, leap: bool) -> None:
    board.set_time(datetime.fromisoformat(start + "T23:59:59"), B.HOURS_24)
    board.clock.advance(SECOND)
    assert (board.get(Register.MONTH), board.get(Register.DAY_OF_MONTH)) == ((2, 0x29) if leap else (3, 1))


def test_a_new_century_carries_into_the_century_byte(board: Board) -> None:
    board.set_time(datetime(1999, 12, 31, 23, 59, 59), B.HOURS_24)
    board.clock.advance(SECOND)
    assert (board.get(Register.CENTURY), board.get(Register.YEAR)) == (0x20, 0x00)


@pytest.mark.parametrize("hour, byte", [(0, 0x12), (1, 0x01), (11, 0x11), (12, 0x92), (13, 0x81), (23, 0x91)])
def test_twelve_hour_mode_has_noon_and_midnight_at_twelve(board: Board, hour: int, byte: int) -> None:
    board.set_time(datetime(2000, 1, 1, hour) - timedelta(seconds=1), 0)
    board.clock.advance(SECOND)
    assert board.get(Register.HOURS) == byte


def test_the_day_of_the_week_counts_from_what_software_sets(board: Board) -> None:
    board.put(Register.DAY_OF_WEEK, 3)
    seen = []
    for _ in range(7):
        board.clock.advance(86_400 * SECOND)
        seen.append(board.get(Register.DAY_OF_WEEK))
    assert seen == [4, 5, 6, 7, 1, 2, 3]


def test_a_time_byte_written_on_its_own_reads_back_until_the_next_update(board: Board) -> None:
    board.set_time(datetime(2001, 1, 31, 12), B.HOURS_24)
    board.put(Register.MONTH, 2)                        # 31 February, for a moment
    board.put(Register.DAY_OF_MONTH, 15)
    board.clock.advance(SECOND)
    assert board.time()[0] == datetime(2001, 2, 15, 12, 0, 1)


def test_an_impossible_date_is_carried_at_the_next_update(board: Board) -> None:
    board.put(Register.MONTH, 2)
    board.put(Register.DAY_OF_MONTH, 0x31)
    assert board.get(Register.DAY_OF_MONTH) == 0x31
    board.clock.advance(SECOND)
    assert board.time()[0] == datetime(2000, 3, 2, 0, 0, 1)


def test_an_impossible_month_carries_into_the_year(board: Board) -> None:
    board.put(Register.MONTH, 0x14)
    board.clock.advance(SECOND)
    assert board.time()[0] == datetime(2001, 2, 1, 0, 0, 1)


def test_a_thousand_years_pass_in_one_look(board: Board) -> None:
    passed = datetime(3000, 1, 1) - datetime(2000, 1, 1)
    board.clock.advance(passed.days * 86_400 * SECOND)
    assert board.time() == oracle(datetime(3000, 1, 1))


def test_set_freezes_the_time_and_its_updates_are_lost(board: Board) -> None:
    board.put(Register.B, B.SET | B.HOURS_24)
    board.clock.advance(10 * SECOND + SECOND // 2)
    assert board.get(Register.SECONDS) == 0
    board.put(Register.B, B.HOURS_24)
    assert board.get(Register.SECONDS) == 0
    board.clock.advance(SECOND // 2)                    # the divider has kept its phase
    assert board.get(Register.SECONDS) == 1


def test_the_first_update_comes_half_a_second_after_the_divider_is_released(board: Board) -> None:
    board.clock.advance(12_345 * TICK)
    board.put(Register.A, RESET)
    board.clock.advance(100 * SECOND + 678 * TICK)
    assert board.get(Register.SECONDS) == 0
    board.put(Register.A, RUN)
    board.clock.advance(16_384 * TICK - 1)
    assert not board.get(Register.A) & A.UIP
    board.clock.advance(1)
    assert board.get(Register.A) & A.UIP
    board.clock.advance(73 * TICK)
    assert board.get(Register.SECONDS) == 1


def test_uip_announces_an_update_244_us_ahead_and_ends_with_it(board: Board) -> None:
    board.clock.advance(SECOND - (8 + 65) * TICK - 1)
    assert not board.get(Register.A) & A.UIP
    board.clock.advance(1)
    assert board.get(Register.A) & A.UIP
    board.clock.advance((8 + 65) * TICK - 1)
    assert (board.get(Register.A) & A.UIP, board.get(Register.SECONDS)) == (A.UIP, 0)
    board.clock.advance(1)
    assert (board.get(Register.A) & A.UIP, board.get(Register.SECONDS)) == (0, 1)


def test_set_aborts_an_update_in_progress(board: Board) -> None:
    board.clock.advance(SECOND - 10 * TICK)
    board.put(Register.B, B.SET | B.HOURS_24)
    assert not board.get(Register.A) & A.UIP
    board.put(Register.B, B.HOURS_24)
    board.clock.advance(20 * TICK)
    assert board.get(Register.SECONDS) == 0
    board.clock.advance(SECOND)
    assert board.get(Register.SECONDS) == 1


def test_an_epoch_outside_the_calendar_is_refused_in_one_line() -> None:
    for epoch in (-1, 253_402_300_800):
        with pytest.raises(ValueError, match=r"^RTC epoch .* 1970 to 9999"):
            Rtc(Clock(SECOND), Line(), epoch)


# Registers and RAM


def test_memory_keeps_what_is_written_and_the_index_ignores_the_nmi_mask(board: Board) -> None:
    addresses = [n for n in range(0x0E, 0x80) if n != Register.CENTURY]
    for n in addresses:
        board.put(n | 0x80, n ^ 0x5A)
    assert board.rtc.nmi_masked
    assert [board.get(n) for n in addresses] == [n ^ 0x5A for n in addresses]
    assert not board.rtc.nmi_masked


def test_the_index_port_cannot_be_read(board: Board) -> None:
    board.ports.write(0x70, 0x0A, 1)
    assert board.ports.read(0x70, 1) == 0xFF


def test_register_d_says_that_the_battery_is_good_whatever_is_written(board: Board) -> None:
    board.put(Register.D, 0)
    assert board.get(Register.D) == 0x80


def test_uip_and_the_flags_cannot_be_written(board: Board) -> None:
    board.put(Register.A, 0xFF)
    board.put(Register.C, 0xFF)
    assert (board.get(Register.A), board.get(Register.C)) == (0x7F, 0)


@pytest.mark.parametrize("size, base, extended, high", [
    (512 << 10, 512, 0, 0), (1 << 20, 640, 0, 0), (16 << 20, 640, 15 << 10, 0),
    (64 << 20, 640, 63 << 10, 48 << 4), (256 << 20, 640, 0xFFFF, 240 << 4), (1 << 40, 640, 0xFFFF, 0xFFFF),
])
def test_the_memory_size_stands_where_a_bios_puts_it(board: Board, size: int, base: int, extended: int,
                                                     high: int) -> None:
    board.rtc.set_memory_size(size)

    def word(address: int) -> int:
        return board.get(address) | board.get(address + 1) << 8

    assert (word(0x15), word(0x17), word(0x30), word(0x34)) == (base, extended, extended, high)


def test_a_negative_memory_size_is_refused(board: Board) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        board.rtc.set_memory_size(-1)


def test_reset_disables_and_clears_the_interrupts_and_keeps_the_time(board: Board) -> None:
    board.put(Register.B, B.HOURS_24 | B.PIE | B.AIE | B.UIE)
    board.clock.advance(5 * SECOND + SECOND // 2)
    assert board.irq.level == 1
    board.rtc.reset()
    assert (board.irq.level, board.get(Register.C), board.get(Register.B)) == (0, 0, B.HOURS_24)
    assert board.get(Register.SECONDS) == 5


# Interrupts


RATES = {1: 256, 2: 128, 3: 8192, 4: 4096, 5: 2048, 6: 1024, 7: 512, 8: 256, 9: 128, 10: 64, 11: 32, 12: 16, 13: 8,
         14: 4, 15: 2}                  # Hz ("Register A", table of rates, 32.768 kHz)


@pytest.mark.parametrize("rate, hertz", RATES.items())
def test_the_periodic_interrupt_comes_at_the_rate_of_the_table(board: Board, rate: int, hertz: int) -> None:
    board.put(Register.A, RUN | rate)
    board.put(Register.B, B.HOURS_24 | B.PIE)
    times: list[int] = []
    while len(times) < 4:
        board.clock.advance(board.clock.deadline - board.clock.now)
        times.append(board.clock.now)
        assert board.irq.level == 1
        assert board.get(Register.C) & (C.IRQF | C.PF) == C.IRQF | C.PF
        assert board.irq.level == 0
    assert {after - before for before, after in pairwise(times)} == {SECOND // hertz}


def test_rate_zero_has_no_periodic_interrupt(board: Board) -> None:
    board.put(Register.A, RUN)
    board.put(Register.B, B.HOURS_24 | B.PIE)
    board.clock.advance(3 * SECOND // 4)
    assert (board.get(Register.C), board.clock.deadline) == (0, NEVER)


def test_the_periodic_interrupt_does_not_drift_from_the_crystal() -> None:
    frequency = 133_333_333
    board = Board(frequency=frequency)
    board.put(Register.B, B.HOURS_24 | B.PIE)
    times = []
    for _ in range(1000):
        board.clock.advance(board.clock.deadline - board.clock.now)
        times.append(board.clock.now)
        board.get(Register.C)
    first = round(Fraction(times[0] * 32_768, frequency))           # in ticks
    assert times == [-(-Fraction((first + 32 * n) * frequency, 32_768) // 1) for n in range(1000)]


def test_the_update_ended_interrupt_comes_when_uip_falls(board: Board) -> None:
    board.put(Register.B, B.HOURS_24 | B.UIE)
    board.get(Register.C)
    board.clock.advance(SECOND - 1)
    assert (board.irq.level, board.get(Register.A) & A.UIP) == (0, A.UIP)
    board.clock.advance(1)
    assert (board.irq.level, board.get(Register.A) & A.UIP) == (1, 0)
    assert board.get(Register.C) & ~C.PF == C.IRQF | C.UF
    assert board.irq.level == 0


def test_setting_set_disables_the_update_ended_interrupt(board: Board) -> None:
    board.put(Register.B, B.HOURS_24 | B.UIE)
    board.put(Register.B, B.HOURS_24 | B.UIE | B.SET)
    assert board.get(Register.B) == B.HOURS_24 | B.SET


def test_flags_are_set_without_their_enables_and_without_events(board: Board) -> None:
    board.put(Register.SECONDS_ALARM, 0xFF)
    board.put(Register.MINUTES_ALARM, 0xC0)
    board.put(Register.HOURS_ALARM, 0xE5)
    assert board.clock.deadline == NEVER
    board.clock.advance(SECOND)
    assert board.get(Register.C) == C.PF | C.AF | C.UF
    assert board.get(Register.C) == 0
    assert board.irq.level == 0


def test_enabling_a_flag_already_set_raises_the_line(board: Board) -> None:
    board.clock.advance(SECOND)
    board.put(Register.B, B.HOURS_24 | B.UIE)
    assert board.irq.level == 1


def test_no_event_is_scheduled_while_the_line_is_high(board: Board) -> None:
    board.put(Register.B, B.HOURS_24 | B.PIE)
    board.clock.advance(SECOND)
    assert (board.irq.level, board.clock.deadline) == (1, NEVER)


@pytest.mark.parametrize("mode", FORMATS)
@pytest.mark.parametrize("alarm", ["07:08:09", "00:00:00", "12:30:00", "23:59:59"])
def test_the_alarm_comes_at_its_time_every_day(mode: int, alarm: str) -> None:
    board = Board()
    board.clock.advance(SECOND // 2)
    time = datetime.fromisoformat(f"2010-05-05T{alarm}")
    board.set_time(time, mode)                          # let the chip's own format be the alarm's
    for register in (Register.HOURS, Register.MINUTES, Register.SECONDS):
        board.put(register + 1, board.get(register))
    board.set_time(datetime(2010, 5, 4, 20, 15), mode)
    board.put(Register.B, mode | B.AIE)
    times = []
    for _ in range(3):
        board.clock.advance(board.clock.deadline - board.clock.now)
        assert board.irq.level == 1
        assert board.time()[0].time() == time.time()
        assert board.get(Register.C) & (C.AF | C.IRQF) == C.AF | C.IRQF
        times.append(board.clock.now)
    assert {after - before for before, after in pairwise(times)} == {86_400 * SECOND}


@pytest.mark.parametrize("alarm, seconds", [
    ((0xFF, 0xFF, 0xFF), [1, 2, 3]), ((0xFF, 0xFF, 0x10), [10, 70, 130]), ((0xFF, 0x05, 0x10), [310, 3910, 7510]),
    ((0xC0, 0x00, 0xFF), [1, 2, 3]), ((0x01, 0xFF, 0x00), [3600, 3660, 3720]), ((0x00, 0x00, 0x00), [86400, 172800]),
])
def test_alarm_bytes_from_c0_match_anything(board: Board, alarm: tuple[int, int, int], seconds: list[int]) -> None:
    for register, byte in zip((Register.HOURS_ALARM, Register.MINUTES_ALARM, Register.SECONDS_ALARM), alarm,
                              strict=True):
        board.put(register, byte)
    board.put(Register.B, B.HOURS_24 | B.AIE)
    for second in seconds:
        board.clock.advance(board.clock.deadline - board.clock.now)
        assert board.clock.now == second * SECOND
        board.get(Register.C)


def test_an_alarm_that_no_time_matches_never_comes(board: Board) -> None:
    board.put(Register.HOURS_ALARM, 0x24)
    board.put(Register.B, B.HOURS_24 | B.AIE)
    assert board.clock.deadline == NEVER
    board.clock.advance(10 * 86_400 * SECOND)
    assert not board.get(Register.C) & C.AF


# The same chip, stepped one tick at a time


class SteppedChip:
    """A trivially right model: a divider chain that counts, time in binary and 24 hours, flags set as they come."""

    def __init__(self) -> None:
        self.chain = 16_384 + 73            # an update has just ended
        self.a, self.b, self.flags = RUN | 6, B.HOURS_24 | B.DM, 0
        self.time = datetime(2000, 1, 1)
        self.alarm = [0, 0, 0]
        self.in_update = False
        self.risen: list[int] = []          # ticks at which the line has gone high
        self.ticks = 0
        self.high = False

    def running(self) -> bool:
        return self.a & 0x70 == RUN

    def settle(self) -> None:
        high = bool(self.flags & self.b & 0x70)
        if high and not self.high:
            self.risen.append(self.ticks)
        self.high = high

    def step(self) -> None:
        self.ticks += 1
        if not self.running():
            return
        self.chain += 1
        rate = self.a & 15
        period = {0: 0, 1: 128, 2: 256}.get(rate, 1 << max(rate - 1, 0))
        if period and self.chain % period == period // 2:           # the tap's bit has become 1
            self.flags |= C.PF
        phase = (self.chain - 16_384) % 32_768
        if phase == 8 and not self.b & B.SET:
            self.in_update = True
        if phase == 73 and self.in_update:
            self.in_update = False
            self.time += timedelta(seconds=1)
            self.flags |= C.UF
            now = (self.time.hour, self.time.minute, self.time.second)
            if all(alarm >= 0xC0 or alarm == field for alarm, field in zip(self.alarm, now, strict=True)):
                self.flags |= C.AF
        self.settle()

    def uip(self) -> bool:
        announced = (self.chain - 16_384) % 32_768 < 8 and self.running() and not self.b & B.SET
        return self.in_update or announced

    def write_a(self, value: int) -> None:
        if value & 0x70 == RUN and not self.running():
            self.chain = 0
        self.a = value
        if not self.running():
            self.in_update = False

    def write_b(self, value: int) -> None:
        if value & B.SET:
            self.in_update = False
            value &= ~B.UIE
        self.b = value
        self.settle()

    def read_c(self) -> int:
        flags = self.flags | (0x80 if self.high else 0)
        self.flags = 0
        self.settle()
        return flags


delays = st.one_of(st.integers(0, 300), st.integers(0, 40_000),
                   st.sampled_from([32_768 - 73, 32_768 - 65, 32_768, 16_384, 8, 65]))
actions = st.one_of(
    st.tuples(st.just("a"), st.sampled_from([RUN, RUN, RESET, 0]), st.integers(0, 15)),
    st.tuples(st.just("b"), st.sampled_from([0, 0, B.SET]), st.sampled_from([0, B.PIE, B.AIE, B.UIE, 0x70])),
    st.tuples(st.just("c"), st.just(0), st.just(0)),
    st.tuples(st.just("alarm"), st.integers(0, 2), st.sampled_from([0, 1, 2, 3, 0xC0, 0xFF])),
)


@settings(max_examples=25, deadline=None)
@given(history=st.lists(st.tuples(delays, actions), max_size=12))
def test_nothing_tells_the_chip_from_one_that_is_stepped(history: list[tuple[int, tuple[str, int, int]]]) -> None:
    board, model = Board(), SteppedChip()
    risen: list[int] = []
    board.irq.listeners.append(lambda level: risen.append(board.clock.now // TICK) if level else None)
    board.put(Register.B, B.SET | B.DM | B.HOURS_24)
    board.put(Register.CENTURY, 20)
    board.put(Register.B, B.DM | B.HOURS_24)
    for delay, (what, first, second) in history:
        board.clock.advance(delay * TICK)
        for _ in range(delay):
            model.step()
        if what == "a":
            board.put(Register.A, first | second)
            model.write_a(first | second)
        elif what == "b":
            board.put(Register.B, first | second | B.DM | B.HOURS_24)
            model.write_b(first | second | B.DM | B.HOURS_24)
        elif what == "c":
            assert board.get(Register.C) == model.read_c()
        else:
            board.put((Register.HOURS_ALARM, Register.MINUTES_ALARM, Register.SECONDS_ALARM)[first], second)
            model.alarm[first] = second
        assert board.time()[0] == model.time
        assert bool(board.get(Register.A) & A.UIP) == model.uip()
        assert board.irq.level == model.high
    assert risen == model.risen


# Whatever software does


@settings(max_examples=150, deadline=None)
@given(history=st.lists(st.tuples(st.integers(0, 0x35), st.integers(0, 255), st.sampled_from([0, 1, SECOND, 1 << 45]),
                                  st.booleans()), max_size=40))
def test_no_sequence_of_accesses_fails_and_the_line_is_irqf(history: list[tuple[int, int, int, bool]]) -> None:
    board = Board()
    for register, value, cycles, writes in history:
        if writes:
            board.put(register, value)
        else:
            board.get(register)
        board.clock.advance(cycles + value)
        level = board.irq.level
        assert level == board.get(Register.C) >> 7
        assert board.irq.level == 0


def test_a_slow_processor_left_alone_for_ages_still_reads_a_time() -> None:
    board = Board(frequency=1_000_000)
    board.clock.now = NEVER - 1
    assert 1 <= board.get(Register.MONTH) <= 0x12
