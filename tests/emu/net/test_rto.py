"""The retransmission timeout against RFC 6298 in fractions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from emu.net.rto import Timeout

FREQUENCY = 1_000_000
MILLISECOND = FREQUENCY // 1000


@given(st.lists(st.integers(0, 30 * FREQUENCY), min_size=1, max_size=30))
def test_it_follows_the_round_trips(round_trips: list[int]) -> None:
    timeout = Timeout(FREQUENCY)
    smoothed = variation = Fraction(-1)
    for cycles in round_trips:
        timeout.measured(cycles)
        if smoothed < 0:
            smoothed, variation = Fraction(cycles), Fraction(cycles, 2)
        else:
            variation = Fraction(3, 4) * variation + abs(smoothed - cycles) / 4
            smoothed = Fraction(7, 8) * smoothed + Fraction(cycles, 8)
        expected = min(max(smoothed + 4 * variation, 200 * MILLISECOND), 60_000 * MILLISECOND)
        assert abs(timeout.cycles - expected) < 50          # rounding


def test_it_begins_with_a_second_and_doubles_up_to_a_minute() -> None:
    timeout = Timeout(FREQUENCY)
    seconds = []
    for _ in range(8):
        seconds.append(timeout.cycles // FREQUENCY)
        timeout.passed()
    assert seconds == [1, 2, 4, 8, 16, 32, 60, 60] and timeout.expiries == 8


def test_only_a_measurement_undoes_the_doubling() -> None:
    timeout = Timeout(FREQUENCY)
    timeout.measured(100)
    timeout.passed()
    timeout.acknowledged()
    assert (timeout.cycles, timeout.expiries) == (400 * MILLISECOND, 0)
    timeout.measured(100)
    assert timeout.cycles == 200 * MILLISECOND
