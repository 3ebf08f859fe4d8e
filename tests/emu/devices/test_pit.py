"""The 8254 and port 61h, through ports, clock and wires. Twelve cycles of this clock are one tick of the chip's."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.bus import Line, Space
from emu.clock import NEVER, Clock
from emu.devices.pit import CRYSTAL, Pit, SystemControl

TICK = 12                                                    # cycles
CHANNEL, CONTROL, PORT61 = 0x40, 0x43, 0x61
LSB, MSB, WORD = 0x10, 0x20, 0x30                            # RW1-RW0 of the control word


class Board:
    """A timer at its ports; `edges` lists (tick, level) of each change of OUT 0, OUT 1, OUT 2."""

    def __init__(self, frequency: int = 14_318_180) -> None:
        self.clock = Clock(frequency)
        self.out = [Line(f"out{n}") for n in range(3)]
        self.pit = Pit(self.clock, self.out)
        self.ports = Space("port", 1 << 16)
        self.ports.claim(CHANNEL, 4, self.pit, "pit")
        self.ports.claim(PORT61, 1, SystemControl(self.clock, self.pit.gate[2], self.out[2]), "system control")
        self.edges: list[list[tuple[int, int]]] = [[], [], []]
        for line, edges in zip(self.out, self.edges, strict=True):
            line.listeners.append(lambda level, edges=edges: edges.append((self.tick, level)))

    @property
    def tick(self) -> int:
        return self.clock.now // TICK

    def outb(self, port: int, *values: int) -> None:
        for value in values:
            self.ports.write(port, value, 1)

    def inb(self, port: int) -> int:
        return self.ports.read(port, 1)

    def program(self, channel: int, mode: int, *count: int, access: int = WORD, bcd: bool = False) -> None:
        self.outb(CONTROL, channel << 6 | access | mode << 1 | bcd)
        self.outb(CHANNEL + channel, *count)

    def ticks(self, count: int) -> None:
        self.clock.advance(count * TICK)

    def count(self, channel: int) -> int:
        """Latch and read a two-byte count."""
        self.outb(CONTROL, channel << 6)
        return self.inb(CHANNEL + channel) | self.inb(CHANNEL + channel) << 8

    def status(self, channel: int) -> int:
        self.outb(CONTROL, 0xE0 | 2 << channel)
        return self.inb(CHANNEL + channel)

    def counts(self, channel: int, ticks: int) -> list[int]:
        """The count now and after each of `ticks` - 1 ticks."""
        values = []
        for _ in range(ticks):
            values.append(self.count(channel))
            self.ticks(1)
        return values

    def levels(self, channel: int, ticks: int) -> str:
        """OUT from now on, a character a tick."""
        drawing = ""
        for _ in range(ticks):
            drawing += "_-"[self.out[channel].level]
            self.ticks(1)
        return drawing

    def gate2(self, level: int) -> None:
        self.outb(PORT61, level)


@pytest.fixture
def board() -> Board:
    return Board()


# The modes, as the data sheet draws them

def test_mode_0_raises_out_n_plus_1_ticks_after_the_count_is_written(board: Board) -> None:
    board.program(0, 0, 4, 0)
    assert board.levels(0, 8) == "_____---"


def test_mode_0_counts_down_and_wraps(board: Board) -> None:
    board.program(0, 0, 4, 0)
    board.ticks(1)
    assert board.counts(0, 7) == [4, 3, 2, 1, 0, 0xFFFF, 0xFFFE]


def test_mode_0_starts_again_from_a_new_count(board: Board) -> None:
    board.program(0, 0, 3, access=LSB)
    board.ticks(10)
    assert board.out[0].level == 1
    board.outb(CHANNEL, 2)
    assert board.levels(0, 5) == "___--"


def test_mode_0_stops_between_the_two_bytes_of_a_new_count(board: Board) -> None:
    board.program(0, 0, 10, 0)
    board.ticks(20)
    board.outb(CHANNEL, 3)
    assert board.out[0].level == 0
    held = board.counts(0, 5)
    assert len(set(held)) == 1
    board.outb(CHANNEL, 0)
    assert board.levels(0, 6) == "____--"


def test_mode_0_counts_only_while_gate_is_high(board: Board) -> None:
    board.gate2(1)
    board.program(2, 0, 5, 0)
    board.ticks(3)
    board.gate2(0)
    assert board.counts(2, 3) == [3, 3, 3]
    assert board.levels(2, 3) == "___"
    board.gate2(1)
    assert board.levels(2, 5) == "___--"


@pytest.mark.parametrize("low", [0, 3])
def test_mode_0_stays_stopped_between_two_bytes_though_gate_rises(board: Board, low: int) -> None:
    board.gate2(1)
    board.program(2, 0, 10, 0)
    board.ticks(3)
    board.outb(CHANNEL + 2, low)
    board.gate2(0)
    board.gate2(1)
    assert board.counts(2, 3) == [8, 8, 8]
    assert board.levels(2, 10) == "_" * 10


@pytest.mark.parametrize(("bcd", "shown"), [(False, [0x0001, 0x0000, 0xFFFF]), (True, [0x0001, 0x0000, 0x9999])])
def test_mode_0_wraps_again_and_again(board: Board, bcd: bool, shown: list[int]) -> None:
    board.program(0, 0, 4, 0, bcd=bcd)
    board.ticks(1 + 3 + 3 * (10_000 if bcd else 65_536))
    assert board.counts(0, 3) == shown
    assert board.out[0].level == 1


def test_mode_0_loads_a_count_while_gate_is_low(board: Board) -> None:
    board.program(2, 0, 5, 0)
    board.ticks(3)
    assert board.counts(2, 2) == [5, 5]
    board.gate2(1)
    assert board.levels(2, 7) == "_____--"


def test_mode_1_gives_a_low_pulse_of_n_ticks_after_each_trigger(board: Board) -> None:
    board.program(2, 1, 3, 0)
    assert board.levels(2, 3) == "---"
    board.gate2(1)
    assert board.levels(2, 6) == "-___--"
    board.gate2(0)
    board.gate2(1)
    assert board.levels(2, 6) == "-___--"


def test_mode_1_is_retriggered_and_does_not_mind_gate_low(board: Board) -> None:
    board.program(2, 1, 3, 0)
    board.gate2(1)
    board.ticks(2)
    board.gate2(0)
    board.ticks(1)
    board.gate2(1)
    assert board.levels(2, 6) == "____--"


def test_mode_1_takes_a_new_count_at_the_next_trigger(board: Board) -> None:
    board.program(2, 1, 2, 0)
    board.gate2(1)
    board.ticks(1)
    board.outb(CHANNEL + 2, 4, 0)
    assert board.levels(2, 5) == "__---"
    board.gate2(0)
    board.gate2(1)
    assert board.levels(2, 6) == "-____-"


def test_mode_2_pulls_out_low_for_the_last_tick_of_each_period(board: Board) -> None:
    board.program(0, 2, 3, 0)
    assert board.levels(0, 10) == "---_--_--_"
    assert board.counts(0, 4) == [3, 2, 1, 3]


def test_mode_2_takes_a_new_count_at_the_end_of_the_period(board: Board) -> None:
    board.program(0, 2, 4, 0)
    board.ticks(2)
    board.outb(CHANNEL, 2, 0)
    assert board.levels(0, 8) == "--_-_-_-"


def test_mode_2_is_stopped_by_gate_and_restarted_by_its_rise(board: Board) -> None:
    board.gate2(1)
    board.program(2, 2, 3, 0)
    board.ticks(3)
    assert board.out[2].level == 0
    board.gate2(0)
    assert board.levels(2, 4) == "----"                      # at once, without a CLK
    board.gate2(1)
    assert board.levels(2, 7) == "---_--_"


@pytest.mark.parametrize("mode", [2, 3])
def test_a_count_written_while_gate_holds_a_periodic_mode_waits_for_the_trigger(board: Board, mode: int) -> None:
    board.program(2, mode, 6, 0)
    board.ticks(2)
    board.outb(CHANNEL + 2, 8, 0)
    assert board.counts(2, 20) == [6] * 20
    assert board.status(2) & 0x40
    board.gate2(1)
    board.ticks(1)
    assert board.count(2) == 8


@pytest.mark.parametrize(("count", "drawing"), [
    (2, "--_-_-_-_-_"), (3, "---_--_--_-"), (4, "---__--__--"), (5, "----__---__"), (6, "----___---_")])
def test_mode_3_is_a_square_wave_with_the_odd_tick_high(board: Board, count: int, drawing: str) -> None:
    board.program(0, 3, count, 0)
    assert board.levels(0, 11) == drawing


@pytest.mark.parametrize(("count", "values"), [(4, [4, 2, 4, 2, 4]), (5, [4, 2, 0, 4, 2, 4, 2, 0])])
def test_mode_3_counts_by_two_from_an_even_number(board: Board, count: int, values: list[int]) -> None:
    board.program(0, 3, count, 0)
    board.ticks(1)
    assert board.counts(0, len(values)) == values


def test_mode_3_takes_a_new_count_at_the_end_of_the_half_period(board: Board) -> None:
    board.program(0, 3, 8, 0)
    board.ticks(2)
    board.outb(CHANNEL, 5, 0)
    assert board.levels(0, 13) == "---__---__---"


def test_mode_4_strobes_once_for_each_count_written(board: Board) -> None:
    board.program(0, 4, 3, 0)
    assert board.levels(0, 8) == "----_---"
    board.ticks(0x10000)
    assert len(board.edges[0]) == 2
    board.outb(CHANNEL, 1, 0)
    assert board.levels(0, 5) == "--_--"


def test_mode_4_counts_only_while_gate_is_high(board: Board) -> None:
    board.gate2(1)
    board.program(2, 4, 3, 0)
    board.ticks(2)
    board.gate2(0)
    assert board.levels(2, 5) == "-----"
    board.gate2(1)
    assert board.levels(2, 5) == "--_--"


def test_the_first_byte_of_a_new_count_does_not_stop_mode_4(board: Board) -> None:
    board.gate2(1)
    board.program(2, 4, 5, 0)
    board.ticks(2)
    board.outb(CHANNEL + 2, 9)
    board.gate2(0)
    board.gate2(1)
    assert board.levels(2, 6) == "----_-"


def test_mode_4_strobe_lasts_one_tick_though_gate_falls_and_rises(board: Board) -> None:
    board.gate2(1)
    board.program(2, 4, 2, 0)
    board.ticks(3)
    board.gate2(0)
    assert board.levels(2, 3) == "_--"
    board.gate2(1)
    assert board.levels(2, 3) == "---"


def test_mode_5_strobes_n_plus_1_ticks_after_each_trigger(board: Board) -> None:
    board.program(2, 5, 3, 0)
    board.ticks(10)
    board.gate2(1)
    assert board.levels(2, 7) == "----_--"
    board.gate2(0)
    board.ticks(1)
    board.gate2(1)
    board.ticks(2)
    board.gate2(0)
    board.gate2(1)
    assert board.levels(2, 7) == "----_--"


@pytest.mark.parametrize(("alias", "mode"), [(6, 2), (7, 3)])
def test_modes_6_and_7_are_2_and_3(board: Board, alias: int, mode: int) -> None:
    board.program(0, alias, 7, 0)
    board.program(1, mode, 7, 0)
    assert board.levels(0, 20) == Board.levels(_programmed(1, mode, 7), 1, 20)
    assert board.status(0) >> 1 & 7 == alias                 # as written


def _programmed(channel: int, mode: int, count: int) -> Board:
    board = Board()
    board.program(channel, mode, count, 0)
    return board


@pytest.mark.parametrize("mode", [2, 3])
def test_a_trigger_before_the_first_count_does_nothing(board: Board, mode: int) -> None:
    board.program(2, mode)
    board.gate2(1)
    assert board.levels(2, 5) == "-----"


@pytest.mark.parametrize("mode", [2, 3])
def test_a_count_of_1_in_a_periodic_mode_counts_as_one_more_than_the_maximum(board: Board, mode: int) -> None:
    board.program(0, mode, 1, 0)
    board.ticks(1 + 3 * 65537)
    rises = [tick for tick, level in board.edges[0] if level]
    assert [later - earlier for earlier, later in pairwise(rises[-3:])] == [65537, 65537]


# Counts: bytes, BCD, maximum

@pytest.mark.parametrize(("bcd", "maximum"), [(False, 65536), (True, 10000)])
def test_a_count_of_0_is_the_maximum(board: Board, bcd: bool, maximum: int) -> None:
    board.program(0, 0, 0, 0, bcd=bcd)
    board.ticks(maximum)
    assert board.out[0].level == 0
    board.ticks(1)
    assert board.out[0].level == 1


@pytest.mark.parametrize(("access", "count"), [(LSB, 0x12), (MSB, 0x1200)])
def test_a_count_of_one_byte_has_zero_for_the_other(board: Board, access: int, count: int) -> None:
    board.program(0, 0, 0x12, access=access)
    board.ticks(count)
    assert board.out[0].level == 0
    board.ticks(1)
    assert board.out[0].level == 1


def test_bcd_counts_decimal(board: Board) -> None:
    board.program(0, 0, 0x01, 0x10, bcd=True)
    board.ticks(1)
    assert board.counts(0, 3) == [0x1001, 0x1000, 0x0999]
    board.ticks(998)
    assert board.counts(0, 2) == [0x0000, 0x9999]


def test_a_bcd_digit_above_9_counts_with_its_weight(board: Board) -> None:
    board.program(0, 0, 0xFF, 0xFF, bcd=True)
    board.ticks(16665)
    assert board.out[0].level == 0
    board.ticks(1)
    assert board.out[0].level == 1


# Reading

def test_an_unlatched_count_is_read_as_it_is(board: Board) -> None:
    board.program(0, 2, 0x00, 0x02)
    board.ticks(1)
    assert board.inb(CHANNEL) == 0x00
    board.ticks(1)
    assert board.inb(CHANNEL) == 0x01


def test_a_latched_count_stays_until_it_is_read(board: Board) -> None:
    board.program(0, 2, 0x34, 0x12)
    board.ticks(1)
    board.outb(CONTROL, 0x00)
    board.ticks(100)
    board.outb(CONTROL, 0x00)                                # ignored: it is latched already
    assert (board.inb(CHANNEL), board.inb(CHANNEL)) == (0x34, 0x12)
    assert board.count(0) == 0x1234 - 100


def test_a_count_of_zero_is_latched_as_any_other(board: Board) -> None:
    board.program(0, 0, 3, 0)
    board.ticks(4)
    board.outb(CONTROL, 0x00)
    board.ticks(10)
    board.outb(CONTROL, 0x00)
    assert (board.inb(CHANNEL), board.inb(CHANNEL)) == (0, 0)


def test_a_control_word_forgets_what_was_latched(board: Board) -> None:
    board.program(0, 2, 0x34, 0x12)
    board.ticks(1)
    board.outb(CONTROL, 0xC2)                                # latch count and status
    board.program(0, 2, 0x78, 0x56)
    board.ticks(1)
    assert (board.inb(CHANNEL), board.inb(CHANNEL)) == (0x78, 0x56)


def test_reads_and_writes_of_two_bytes_may_be_interleaved(board: Board) -> None:
    board.program(0, 0, 0x34, 0x12)
    board.ticks(1)
    low = board.inb(CHANNEL)
    board.outb(CHANNEL, 0x78)
    high = board.inb(CHANNEL)
    board.outb(CHANNEL, 0x56)
    board.ticks(1)
    assert (low | high << 8, board.count(0)) == (0x1234, 0x5678)


def test_the_latch_command_does_not_disturb_mode_or_access(board: Board) -> None:
    board.program(0, 2, 0x80, access=LSB)
    board.ticks(1)
    board.outb(CONTROL, 0x0F)
    assert board.inb(CHANNEL) == 0x80
    board.ticks(1)
    assert board.inb(CHANNEL) == 0x7F


def test_read_back_latches_count_and_status_of_the_channels_it_names(board: Board) -> None:
    board.program(0, 2, 0x34, 0x12)
    board.program(1, 3, 0x78, access=LSB)
    board.ticks(1)
    board.outb(CONTROL, 0xC0 | 0x02 | 0x04)
    board.ticks(5)
    assert [board.inb(CHANNEL) for _ in range(3)] == [0x80 | WORD | 2 << 1, 0x34, 0x12]
    assert [board.inb(CHANNEL + 1) for _ in range(2)] == [0x80 | LSB | 3 << 1, 0x78]
    assert board.inb(CHANNEL) == 0x1234 - 5 & 0xFF           # unlatched again


@pytest.mark.parametrize("named", [0, 1, 2])
def test_read_back_leaves_the_channels_that_it_does_not_name_alone(board: Board, named: int) -> None:
    board.gate2(1)
    for channel in range(3):
        board.program(channel, 2, 0x80, access=LSB)
    board.ticks(1)
    board.outb(CONTROL, 0xD0 | 2 << named)                   # latch the count
    board.ticks(1)
    assert [board.inb(CHANNEL + n) for n in range(3)] == [0x80 if n == named else 0x7F for n in range(3)]


def test_a_second_status_latch_is_ignored_until_the_first_is_read(board: Board) -> None:
    board.program(0, 0, 2, access=LSB)
    board.outb(CONTROL, 0xE2)
    board.ticks(5)
    board.outb(CONTROL, 0xE2)
    assert board.inb(CHANNEL) == 0x40 | LSB                  # null count, OUT low
    assert board.status(0) == 0x80 | LSB


def test_null_count_is_set_until_the_count_is_loaded(board: Board) -> None:
    board.outb(CONTROL, WORD | 2 << 1)
    assert board.status(0) & 0x40
    board.outb(CHANNEL, 10)
    assert board.status(0) & 0x40
    board.outb(CHANNEL, 0)
    assert board.status(0) & 0x40
    board.ticks(1)
    assert not board.status(0) & 0x40
    board.outb(CHANNEL, 5)
    assert not board.status(0) & 0x40                        # set by the second byte
    board.outb(CHANNEL, 0)
    board.ticks(9)
    assert board.status(0) & 0x40
    board.ticks(1)
    assert not board.status(0) & 0x40


def test_the_control_port_reads_all_ones(board: Board) -> None:
    assert board.inb(CONTROL) == 0xFF


# Time

@pytest.mark.parametrize("frequency", [3, 1_000_000, 75_000_000, 500_000_000])
def test_a_periodic_output_does_not_drift(frequency: int) -> None:
    board = Board(frequency)
    rises: list[int] = []
    board.out[0].listeners.append(lambda level: rises.append(board.clock.now) if level else None)
    period = 11932
    board.program(0, 2, period & 255, period >> 8)
    start = rises[-1] if rises else 0
    rises.clear()
    board.clock.advance(frequency * 2 if frequency > 3 else 60)
    per_tick = Fraction(frequency) / CRYSTAL
    exact = [-(-(1 + n * period) * per_tick.numerator // per_tick.denominator) for n in range(1, len(rises) + 1)]
    assert start == 0
    assert rises == exact
    assert len(rises) > 100


def test_edges_that_run_late_are_all_seen_in_their_order(board: Board) -> None:
    board.program(0, 2, 100, 0)
    board.clock.now += 1000 * TICK
    board.clock.run_due()
    assert [level for _, level in board.edges[0]] == [0, 1] * 9 + [0]


def test_a_register_access_sees_everything_due_before_it(board: Board) -> None:
    board.program(0, 0, 5, 0)
    board.clock.now += 7 * TICK                              # nobody has run the events
    assert board.status(0) & 0xC0 == 0x80
    assert board.out[0].level == 1


def test_a_load_that_is_due_comes_before_a_change_of_gate(board: Board) -> None:
    board.program(2, 0, 5, 0)
    board.clock.now += 10 * TICK                             # loaded in the meantime, and held
    board.gate2(1)
    assert board.counts(2, 3) == [5, 4, 3]


@pytest.mark.parametrize("mode", [1, 5])
def test_a_channel_that_waits_for_a_trigger_has_no_event(board: Board, mode: int) -> None:
    board.program(0, mode, 5, 0)
    assert board.clock.deadline == NEVER


def test_a_channel_that_has_finished_or_stands_still_has_no_event(board: Board) -> None:
    board.program(0, 0, 5, 0)
    board.program(1, 4, 5, 0)
    board.program(2, 3, 5, 0)                                # GATE 2 is low
    board.ticks(10)
    assert board.clock.deadline == NEVER


def test_a_control_word_stops_the_channel(board: Board) -> None:
    board.program(0, 3, 10, 0)
    board.ticks(8)
    assert board.out[0].level == 0
    board.outb(CONTROL, WORD | 2 << 1)
    assert board.out[0].level == 1
    assert board.clock.deadline == NEVER


def test_a_channel_starts_in_mode_3_without_a_count(board: Board) -> None:
    assert board.status(0) == 0x80 | 0x40 | WORD | 3 << 1
    assert [line.level for line in board.out] == [1, 1, 1]
    board.outb(CHANNEL, 4, 0)
    assert board.levels(0, 7) == "---__--"


def test_gates_0_and_1_are_high_and_gate_2_is_low_at_first(board: Board) -> None:
    assert [line.level for line in board.pit.gate] == [1, 1, 0]


def test_reset_stops_all_channels(board: Board) -> None:
    for channel in range(3):
        board.program(channel, 0, 5, 0)
    board.pit.reset()
    assert board.clock.deadline == NEVER
    assert [board.status(channel) & 0x40 for channel in range(3)] == [0x40] * 3


# Port 61h

def test_port_61_drives_gate_2_and_keeps_its_low_bits(board: Board) -> None:
    board.outb(PORT61, 0xFF)
    assert board.inb(PORT61) & 0xCF == 0x0F
    assert board.pit.gate[2].level == 1
    board.outb(PORT61, 0x02)
    assert board.inb(PORT61) & 0xCF == 0x02
    assert board.pit.gate[2].level == 0


def test_port_61_shows_out_2(board: Board) -> None:
    assert board.inb(PORT61) & 0x2F == 0x20
    board.program(2, 0, 5, 0)
    assert board.inb(PORT61) & 0x2F == 0x00
    board.gate2(1)
    board.ticks(5)
    assert not board.inb(PORT61) & 0x20
    board.ticks(1)
    assert board.inb(PORT61) & 0x20


def test_port_61_toggles_with_every_refresh(board: Board) -> None:
    bits = []
    for _ in range(72):
        bits.append(board.inb(PORT61) >> 4 & 1)
        board.ticks(1)
    assert bits == ([0] * 18 + [1] * 18) * 2


# The oracle: each mode stepped CLK by CLK

class Stepped:
    """One channel as the data sheet tells it, a CLK pulse at a time. Counts below 2 in modes 2 and 3 are not for it."""

    def __init__(self) -> None:
        self.element, self.gate = 0, True
        self.bcd = self.loaded = False
        self.idle = 0                                        # what is shown until the first load
        self.program(3, False)

    def program(self, mode: int, bcd: bool) -> None:
        self.idle = self.shown()
        self.mode, self.bcd, self.loaded = mode, bcd, False
        self.modulus = 10_000 if bcd else 65_536
        self.register: int | None = None
        self.out = mode != 0
        self.null = True
        self.loads = self.counts = self.armed = self.odd = False

    def first_byte(self) -> None:
        if self.mode == 0:
            self.counts = self.loads = self.out = False

    def write(self, count: int) -> None:
        if self.mode in (0, 4) or (self.mode in (2, 3) and self.register is None):
            self.loads = True
        if self.mode == 0:
            self.out = False
            self.armed = False
        self.register, self.null = count or self.modulus, True

    def set_gate(self, gate: bool) -> None:
        if gate and not self.gate and self.mode in (1, 2, 3, 5) and self.register is not None:
            self.loads = True
        if not gate and self.mode in (2, 3):
            self.out = True
        self.gate = gate

    def load(self) -> None:
        assert self.register is not None
        self.odd = self.mode == 3 and bool(self.register & 1)
        self.element = self.register - self.odd
        self.null, self.loaded = False, True

    def clk(self) -> None:
        if self.loads:
            self.load()
            self.loads, self.counts, self.armed = False, True, True
            self.out = self.mode not in (0, 1)
            return
        if self.mode in (4, 5):
            self.out = True
        if not self.counts or (not self.gate and self.mode not in (1, 5)):
            return
        if self.mode == 2:
            if self.element == 1:
                self.load()
            else:
                self.element -= 1
            self.out = self.element != 1
        elif self.mode == 3:
            if self.element == (0 if self.odd and self.out else 2):
                self.out = not self.out
                self.load()
            else:
                self.element -= 2
        else:
            self.element = (self.element - 1) % self.modulus
            if self.element == 0 and self.armed:
                self.out = self.mode in (0, 1)
                self.armed = False

    def shown(self) -> int:
        if not self.loaded:
            return self.idle
        value = self.element % self.modulus
        return int(str(value), 16) if self.bcd else value


programs = st.tuples(st.just("program"), st.integers(0, 7), st.booleans())
counts = st.tuples(st.just("write"), st.one_of(st.integers(2, 9), st.just(0), st.integers(2, 400)), st.just(False))
first_bytes = st.tuples(st.just("write slowly"), st.integers(2, 30), st.just(False))
gates = st.tuples(st.just("toggle gate"), st.just(0), st.just(False))
actions = st.one_of(programs, counts, counts, first_bytes, gates, gates, gates)
Action = tuple[str, int, bool]
histories = st.lists(st.tuples(actions, st.integers(0, 3) | st.integers(0, 12 * TICK)), min_size=4, max_size=20)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 7), st.booleans(), histories)
def test_any_history_agrees_with_a_counter_that_is_stepped(mode: int, bcd: bool,
                                                           history: list[tuple[Action, int]]) -> None:
    board, model = Board(), Stepped()
    board.gate2(1)

    def advance(cycles: int) -> None:
        for _ in range(cycles):
            board.clock.advance(1)
            if board.clock.now % TICK == 0:
                model.clk()
                agree()

    def agree() -> None:
        assert board.out[2].level == model.out
        assert board.count(2) == model.shown()
        assert board.status(2) >> 6 == model.out << 1 | model.null

    for (action, value, flag), cycles in [(("program", mode, bcd), 0), (("write", 5, False), 20), *history]:
        match action:
            case "program":
                board.program(2, value, bcd=flag)
                model.program(value - 4 if value > 5 else value, flag)
            case "toggle gate":
                board.gate2(not model.gate)
                model.set_gate(not model.gate)
            case _:
                shown = int(str(value), 16) if model.bcd else value
                board.outb(CHANNEL + 2, shown & 255)
                model.first_byte()
                if action == "write slowly":
                    advance(TICK + 5)
                board.outb(CHANNEL + 2, shown >> 8)
                model.write(value)
        agree()
        advance(cycles)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 7), histories)
def test_late_events_change_nothing_but_when_edges_are_heard(mode: int, history: list[tuple[Action, int]]) -> None:
    boards = exact, late = Board(), Board()
    for (action, value, flag), cycles in [(("program", mode, False), 0), (("write", 5, False), 20), *history]:
        for board in boards:
            match action:
                case "program":
                    board.program(2, value, bcd=flag)
                case "toggle gate":
                    board.gate2(not board.pit.gate[2].level)
                case _:
                    board.outb(CHANNEL + 2, value & 255, 0)
        assert exact.status(2) == late.status(2)
        assert exact.count(2) == late.count(2)
        exact.clock.advance(cycles)
        late.clock.now += cycles
    late.clock.run_due()
    assert [level for _, level in exact.edges[2]] == [level for _, level in late.edges[2]]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0x40, 0x41, 0x42, 0x43, 0x61]), st.integers(0, 255), st.booleans(),
                          st.sampled_from([0, 1, 11, 5000])), max_size=60))
def test_no_accesses_raise_and_reads_are_bytes(history: list[tuple[int, int, bool, int]]) -> None:
    board = Board()
    for port, value, is_write, cycles in history:
        if is_write:
            board.outb(port, value)
        else:
            assert 0 <= board.inb(port) < 256
        board.clock.advance(cycles)
        assert board.clock.deadline > board.clock.now


# The phase

@pytest.mark.parametrize("mode", [2, 3])
def test_the_end_of_a_period_can_be_brought_forward_and_the_periods_after_it_follow(mode: int) -> None:
    board = Board()
    board.program(0, mode, 100, 0)
    board.ticks(131)
    now = board.tick
    assert board.pit.counters[0].end_now()
    board.ticks(250)
    assert [tick for tick, level in board.edges[0] if level and tick >= now] == [now, now + 100, now + 200]


def test_a_single_count_can_be_brought_to_its_end() -> None:
    board = Board()
    board.program(0, 0, 100, 0)
    board.ticks(31)
    assert board.out[0].level == 0 and board.pit.counters[0].end_now() and board.out[0].level == 1
    assert not board.pit.counters[0].end_now()


def test_a_timer_without_a_count_has_no_period_to_end() -> None:
    board = Board()
    assert not board.pit.counters[0].end_now()
    board.pit.counters[0].begin_anew()
    board.ticks(10)
    assert board.edges[0] == []


@given(st.integers(2, 300), st.integers(1, 900))
def test_a_period_that_begins_anew_ends_a_period_later(count: int, passed: int) -> None:
    board = Board()
    board.program(0, 2, count & 0xFF, count >> 8)
    board.ticks(passed + 1)
    now = board.tick
    board.pit.counters[0].begin_anew()
    board.ticks(2 * count)
    assert [tick for tick, level in board.edges[0] if level and tick > now][:2] == [now + count, now + 2 * count]
