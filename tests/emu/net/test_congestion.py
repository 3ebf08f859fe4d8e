"""The congestion window: RFC 5681 and RFC 6582, step by step."""

from __future__ import annotations

import json

import pytest

from emu.net.congestion import Congestion

MSS = 1000


def window(segments: int, mss: int = MSS) -> Congestion:
    """In slow start, with so large a window."""
    made = Congestion()
    made.connected(mss, lost=True)
    for at in range(1, segments):
        made.acknowledged(1 + at * mss, mss)
    assert made.window == segments * mss
    return made


def halved() -> Congestion:
    """In congestion avoidance, with ten segments; all up to 20,001 had been sent when a loss was found at 1."""
    made = window(20)
    assert [made.duplicate(1, 20 * MSS) for _ in range(3)] == [False, False, True]
    assert made.recovering and made.window == 10 * MSS
    return made


@pytest.mark.parametrize(("mss", "lost", "first"), [
    (1460, False, 4380), (1000, False, 4000), (536, False, 2144), (2190, False, 4380), (4000, False, 8000),
    (1460, True, 1460)])
def test_the_first_window(mss: int, lost: bool, first: int) -> None:
    made = Congestion()
    made.connected(mss, lost)
    assert made.window == first


def test_slow_start_adds_what_is_acknowledged_but_a_segment_at_most() -> None:
    made = window(1)
    made.acknowledged(101, 100)
    assert made.window == MSS + 100
    made.acknowledged(5101, 5000)
    assert made.window == 2 * MSS + 100


def test_congestion_avoidance_adds_a_segment_each_window() -> None:
    made = halved()
    assert not made.acknowledged(1 + 20 * MSS, 20 * MSS) and not made.recovering
    for at in range(10):
        assert not made.acknowledged(1 + (21 + at) * MSS, MSS)
    assert 10.9 * MSS < made.window <= 11 * MSS


def test_recovery_lasts_until_all_that_was_under_way_is_acknowledged() -> None:
    made = halved()
    assert made.acknowledged(1 + 5 * MSS, 5 * MSS)                      # and what follows is lost, too
    assert not any(made.duplicate(1 + 5 * MSS, 15 * MSS) for _ in range(10))
    assert made.acknowledged(20 * MSS, MSS)
    assert not made.acknowledged(1 + 20 * MSS, 1)
    assert made.window == 10 * MSS and not made.recovering


def test_duplicates_of_different_bytes_do_not_add_up() -> None:
    made = window(10)
    assert not any(made.duplicate(1, 10 * MSS) for _ in range(2))
    made.acknowledged(1 + MSS, MSS)
    assert not any(made.duplicate(1 + MSS, 9 * MSS) for _ in range(2))
    assert made.duplicate(1 + MSS, 9 * MSS)


def test_a_timeout_begins_again_with_one_segment() -> None:
    made = window(20)
    made.timed_out(1, 20 * MSS)
    assert made.window == MSS
    for at in range(9):
        made.acknowledged(1 + (1 + at) * MSS, MSS)
    assert made.window == 10 * MSS                                      # the threshold, half of what was under way
    made.acknowledged(1 + 10 * MSS, MSS)
    assert made.window == 10 * MSS + 100


def test_a_timeout_ends_recovery() -> None:
    made = halved()
    made.timed_out(1, 20 * MSS)
    assert not made.recovering
    assert not made.acknowledged(1 + MSS, MSS)


def test_duplicates_of_what_was_sent_before_the_timeout_mean_nothing() -> None:
    made = window(20)
    made.timed_out(1, 20 * MSS)
    made.acknowledged(1 + 3 * MSS, 3 * MSS)
    assert not any(made.duplicate(1 + 3 * MSS, 5 * MSS) for _ in range(10))
    made.acknowledged(1 + 20 * MSS, 17 * MSS)
    assert [made.duplicate(1 + 20 * MSS, 5 * MSS) for _ in range(3)] == [False, False, True]


def test_the_threshold_is_two_segments_at_least() -> None:
    made = window(3)
    for _ in range(3):
        made.duplicate(1, MSS)
    assert made.window == 2 * MSS


def test_load_goes_back_to_what_was_saved() -> None:
    made, other = halved(), Congestion()
    made.acknowledged(1 + MSS, MSS)
    other.connected(MSS, lost=False)
    other.load(json.loads(json.dumps(made.save())))
    assert other.save() == made.save()
