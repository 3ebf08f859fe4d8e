"""The model's record: made from a profile, saved and loaded, bounded."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.timing.branches import CONDITIONAL, branch
from emu.timing.errors import ProfileError
from emu.timing.figures import Number, Source
from emu.timing.hierarchy import fetch, fetch_trace, load, store
from emu.timing.levels import LEVELS
from emu.timing.model import COUNTERS, DTYPE, STATE, Model, TimingModel, model_at
from emu.timing.profile import Profile, load_profile, profiles
from emu.timing.timing import Timing
from emu.timing.translations import load_cr3, lookup_code, lookup_data, walk

NAMES = [name for name in profiles() if name != "unit"]


@cache
def profile(name: str) -> Profile:
    return load_profile(name)


@numba.njit
def translated(m: Any, linear: int, code: bool) -> int:
    """The stall of translating an address: page tables at 8 MiB, in which every page has its entries."""
    stall = lookup_code(m, linear, 0, 0) if code else lookup_data(m, linear, 0, 0)
    return stall if stall >= 0 else walk(m, 0x80_0000 + (linear >> 22) * 4, 0x90_0000 + (linear >> 12) * 4)


@numba.njit
def access(m: Any, linear: int, write: bool, now: int) -> int:
    """The stall of four bytes, the last two on another page if the page ends there."""
    stall = translated(m, linear, False)
    if linear & 0xFFF <= 0xFFC:
        return stall + (store(m, linear, 4, now) if write else load(m, linear, 4))
    stall += translated(m, linear + 3, False) + m.misaligned
    if write:
        stall += store(m, linear, 2, now)
        return stall + store(m, linear + 2, 2, now)
    return stall + load(m, linear, 2) + load(m, linear + 2, 2)


@numba.njit
def perform(record: int, operations: Any, stalls: Any) -> None:
    """Carry out rows of (operation, address, now)."""
    m = model_at(record)
    for i in range(len(operations)):
        operation, linear, now = operations[i]
        stalls[i] = 0
        if operation == 0:
            stalls[i] = access(m, linear, False, now)
        elif operation == 1:
            stalls[i] = access(m, linear, True, now)
        elif operation == 2:
            stalls[i] = translated(m, linear, True) + (fetch_trace(m, linear, linear, 6) if m.trace else
                                                       fetch(m, linear))
        elif operation == 3:
            stalls[i] = branch(m, CONDITIONAL, linear, linear + 2, linear + 2 * (now & 1) + 2)
        else:
            load_cr3(m)


def run(model: TimingModel, operations: list[tuple[int, int, int]]) -> list[int]:
    rows = np.array(operations, np.int64).reshape(-1, 3)
    stalls = np.zeros(len(rows), np.int64)
    perform(model.address, rows, stalls)
    return [int(stall) for stall in stalls]


def changed(name: str, change: Callable[[Timing], Timing]) -> Profile:
    """A profile with other figures."""
    timing = profile(name).timing
    assert timing
    return replace(profile(name), timing=change(timing))


def exactly(value: float) -> Number:
    return Number(value, value, value, next(iter(profile("p2-450").sources.values())))


addresses = st.builds(lambda page, offset: 0x10_0000 + page * 0x1_0000 + offset,
                      st.integers(0, 40), st.sampled_from([0, 4, 30, 0xFFE, 0xFFE, 0x1FFE]))
histories = st.lists(st.tuples(st.sampled_from([0, 1, 1, 1, 2, 3, 4]), addresses, st.integers(0, 3)), min_size=1)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=15)
@given(histories)
def test_nothing_stalls_longer_than_the_bounds(name: str, level: Any, operations: list[tuple[int, int, int]]) -> None:
    model = TimingModel(profile(name).at(level))
    bounds = [model.worst_access, model.worst_access, model.worst_fetch, model.worst_branch, 0]
    for (kind, _, _), stall in zip(operations, run(model, operations), strict=True):
        assert 0 <= stall <= bounds[kind]


@pytest.mark.parametrize("name", NAMES)
def test_a_read_of_two_lines_on_two_pages_that_nothing_holds_takes_the_bound(name: str) -> None:
    model = TimingModel(profile(name))
    nearer = model.record.random_stall - model.record.linear_stall      # the second line is next to the first
    assert run(model, [(0, 0x7FF_FFFE, 0)]) == [model.worst_access - nearer]


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=10)
@given(histories, histories)
def test_a_loaded_model_goes_on_as_the_saved_one_did(name: str, before: list[Any], after: list[Any]) -> None:
    first, second = TimingModel(profile(name)), TimingModel(profile(name))
    run(first, before)
    saved = first.save()
    stalls = run(first, after)
    run(second, after)
    second.load(saved)
    assert run(second, after) == stalls
    assert second.counters() == first.counters()
    assert second.save() == first.save()


def test_saving_changes_nothing() -> None:
    model = TimingModel(profile("p2-450"))
    run(model, [(0, 0x1000, 0), (3, 0x2000, 1)])
    assert model.save() == model.save()


@pytest.mark.parametrize(("damage", "message"), [
    (lambda saved: saved[:-8], "cut short"),
    (lambda saved: saved[:5], "another version"),
    (lambda saved: b"", "another version"),
    (lambda saved: saved[:4] + b"\xff" + saved[5:], "another version"),
    (lambda saved: saved[:8] + bytes(32) + saved[40:], "other figures than those of p2-450"),
])
def test_a_damaged_save_is_refused_and_changes_nothing(damage: Callable[[bytes], bytes], message: str) -> None:
    model = TimingModel(profile("p2-450"))
    run(model, [(0, 0x1000, 0)])
    saved = model.save()
    with pytest.raises(ValueError, match=message):
        model.load(damage(saved))
    assert model.save() == saved


def test_a_save_of_another_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="other figures than those of p3-500"):
        TimingModel(profile("p3-500")).load(TimingModel(profile("p2-450")).save())


def test_every_field_of_the_record_is_a_signed_word() -> None:
    names = tuple(field[0] for field in Model._fields_)
    assert np.dtype([(name, np.int64) for name in names]) == DTYPE
    assert ctypes.sizeof(Model) == 8 * len(names)


def test_a_new_model_has_counted_nothing() -> None:
    assert TimingModel(profile("k7-550")).counters() == dict.fromkeys(COUNTERS, 0)


def test_counters_and_state_stand_first_in_the_record() -> None:
    assert tuple(field[0] for field in Model._fields_)[:len(COUNTERS + STATE)] == COUNTERS + STATE


@pytest.mark.parametrize(("name", "table", "words"), [
    ("p5-166", "l1d", 256), ("p2-450", "l1d", 512), ("k7-550", "l1i", 1024), ("p4-1800", "l2", 4096),
    ("pd-3000", "trace", 2048), ("k7-550", "data_l2", 256), ("p2-450", "code_large", 2), ("p5-166", "btb", 256)])
def test_tables_have_the_profile_s_size(name: str, table: str, words: int) -> None:
    record = TimingModel(profile(name)).record
    assert (getattr(record, f"{table}_mask") + 1) * getattr(record, f"{table}_ways") == words


@pytest.mark.parametrize(("name", "missing"), [("p5-166", "trace"), ("p4-1800", "l1i"), ("p4-1800", "data_large"),
                                               ("p2-450", "data_l2")])
def test_a_table_that_the_processor_lacks_has_no_address(name: str, missing: str) -> None:
    assert getattr(TimingModel(profile(name)).record, missing) == 0


def test_figures_are_rounded_to_the_nearest_cycle() -> None:
    record = TimingModel(profile("p3-500")).record
    assert (record.l2_stall, record.linear_stall, record.walk) == (19, 78, 8)   # 21.5 - 3, 81 - 3, 7.5


@pytest.mark.parametrize("name", NAMES)
def test_no_miss_is_faster_than_the_one_before_it(name: str) -> None:
    record = TimingModel(profile(name)).record
    assert 0 < record.l2_stall <= record.linear_stall <= record.random_stall


def test_the_random_latency_is_taken_without_the_walk_that_was_measured_with_it() -> None:
    record = TimingModel(profile("p2-450")).record
    assert record.random_stall == 110           # 316 ns are 142 cycles, less L1's 3, the walk's 4, its entry's 25 in L2


def test_a_processor_without_l2_goes_to_memory() -> None:
    bare = changed("p5-166", lambda timing: replace(timing, caches=replace(timing.caches, l2=None)))
    model = TimingModel(bare)
    loads = [(0, 0x10_0000, 0), (0, 0x10_1000, 0), (0, 0x10_2000, 0), (0, 0x10_0000, 0)]
    assert min(run(model, loads)) >= model.record.random_stall      # three lines of one set of two ways
    assert model.counters()["l2_misses"] == 0


def test_a_unit_profile_has_no_model() -> None:
    with pytest.raises(ProfileError, match=r"unit: pipeline.kind: 'unit': has no memory system"):
        TimingModel(load_profile("unit"))


def cache_figures(cache: str, **figures: Any) -> Callable[[Timing], Timing]:
    return lambda timing: replace(timing, caches=replace(timing.caches, **{
        cache: replace(getattr(timing.caches, cache), **figures)}))


@pytest.mark.parametrize(("change", "message"), [
    (cache_figures("l2", line=exactly(16)), r"caches.l2.line: 16: must be at least that of l1d"),
    (cache_figures("l2", sector=exactly(96)), r"caches.l2.sector: 96: must be 32 times a power of two"),
    (cache_figures("l2", sector=exactly(16)), r"caches.l2.sector: 16: must be 32 times a power of two"),
    (cache_figures("l1d", latency=None), r"caches.l1d.latency: missing: a cache of data has one"),
    (cache_figures("l2", latency=None), r"caches.l2.latency: missing: a cache of data has one"),
    (lambda timing: replace(timing, branch=replace(timing.branch, history=exactly(17))),
     r"branch.history: 17: this model looks back on at most 16 branches"),
    (lambda timing: replace(timing, branch=replace(timing.branch, history=exactly(16))),
     r"branch.history: 16: 512 entries of so long a history make more than 4194304 counters"),
])
def test_figures_that_cannot_be_modelled_are_refused(change: Callable[[Timing], Timing], message: str) -> None:
    with pytest.raises(ProfileError, match=f"^p2-450: {message}$"):
        TimingModel(changed("p2-450", change))


def test_the_source_of_a_figure_does_not_matter() -> None:
    timing = profile("p2-450").timing
    assert timing
    cited = replace(timing.tlbs.walk, source=Source("elsewhere", timing.tlbs.walk.source.certainty))
    other = changed("p2-450", lambda timing: replace(timing, tlbs=replace(timing.tlbs, walk=cited)))
    TimingModel(other).load(TimingModel(profile("p2-450")).save())
