"""Spreads against the sorted list of their values."""

from __future__ import annotations

import json
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from emu.net.spread import Spread

values = st.lists(st.one_of(st.integers(0, 100), st.integers(0, 1 << 40)), min_size=1, max_size=60)


def spread(numbers: list[int]) -> Spread:
    made = Spread()
    for number in numbers:
        made.add(number)
    return made


@given(values, st.integers(1, 100))
def test_percentiles_are_those_of_the_list_to_a_sixteenth(numbers: list[int], percent: int) -> None:
    exact = sorted(numbers)[ceil(len(numbers) * percent / 100) - 1]
    found = spread(numbers).percentile(percent)
    assert exact <= found <= exact * 17 / 16
    assert found == exact or exact >= 32


@given(values)
def test_the_rest_is_exact(numbers: list[int]) -> None:
    made = spread(numbers)
    assert (made.least, made.most, made.mean) == (min(numbers), max(numbers), round(sum(numbers) / len(numbers)))


def test_nothing_has_a_spread_of_nothing() -> None:
    assert spread([]).describe() == {"least": 0, "mean": 0, "most": 0, "50%": 0, "90%": 0, "99%": 0}


def test_described() -> None:
    assert spread(list(range(1, 11))).describe() == {
        "least": 1, "mean": 6, "most": 10, "50%": 5, "90%": 9, "99%": 10}


def test_memory_is_bounded() -> None:
    made = spread([1 << at for at in range(63)] + [(1 << 63) - 1])
    assert len(made._counts) < 1000


@given(values)
def test_load_goes_back_to_what_was_saved(numbers: list[int]) -> None:
    made, other = spread(numbers), spread([7, 1 << 50])
    other.load(json.loads(json.dumps(made.save())))
    assert other.describe() == made.describe() and other.save() == made.save()
