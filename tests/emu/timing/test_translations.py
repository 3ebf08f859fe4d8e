"""TLBs and page walks, against a model in plain Python and by hand, with each profile's geometry."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.timing.hierarchy import fetch_trace, load
from emu.timing.model import TimingModel, model_at
from emu.timing.profile import Profile, load_profile, profiles
from emu.timing.translations import MISS, flush_all, flush_page, load_cr3, lookup_code, lookup_data, walk

NAMES = [name for name in profiles() if name != "unit"]
DATA, CODE, WALK, LOAD_CR3, FLUSH_ALL, FLUSH_PAGE, LOAD, TRACE = range(8)
LARGE, GLOBAL = 1, 2            # in the third of an operation
PAGE_DIRECTORY, PAGE_TABLES = 0x80_0000, 0x81_0000      # physical addresses


@cache
def profile(name: str) -> Profile:
    return load_profile(name)


@numba.njit
def perform(record: int, operations: Any, stalls: Any) -> None:
    """Carry out rows of (operation, address, LARGE and GLOBAL or a second address); results go to `stalls`."""
    m = model_at(record)
    for i in range(len(operations)):
        operation, address, more = operations[i]
        stalls[i] = 0
        if operation == DATA:
            stalls[i] = lookup_data(m, address, more & LARGE, more & GLOBAL)
        elif operation == CODE:
            stalls[i] = lookup_code(m, address, more & LARGE, more & GLOBAL)
        elif operation == WALK:
            stalls[i] = walk(m, address, more)
        elif operation == LOAD_CR3:
            load_cr3(m)
        elif operation == FLUSH_ALL:
            flush_all(m)
        elif operation == FLUSH_PAGE:
            flush_page(m, address)
        elif operation == LOAD:
            stalls[i] = load(m, address, 4)
        else:
            stalls[i] = fetch_trace(m, address, address, 4)


def run(model: TimingModel, operations: list[tuple[int, int, int]]) -> list[int]:
    rows = np.array(operations, np.int64).reshape(-1, 3)
    stalls = np.zeros(len(rows), np.int64)
    perform(model.address, rows, stalls)
    return [int(stall) for stall in stalls]


class Buffer:
    """A TLB: (page, large) to global, the one used most recently last in its set."""

    def __init__(self, figures: Any) -> None:
        self.ways, self.latency = int(figures.ways.typical), figures.latency
        self.sets: list[dict[tuple[int, int], int]] = [{} for _ in range(int(figures.entries.typical) // self.ways)]

    def use(self, page: int, large: int, global_: int) -> bool:
        """True if it holds the page; it does then."""
        held = self.sets[page % len(self.sets)]
        found = held.pop((page, large), None)
        held[page, large] = global_ if found is None else found
        if len(held) > self.ways:
            held.pop(next(iter(held)))
        return found is not None

    def keep(self, kept: Any) -> None:
        self.sets = [{entry: global_ for entry, global_ in held.items() if kept(entry, global_)} for held in self.sets]


class Oracle:
    """What the profile says the TLBs do."""

    def __init__(self, name: str) -> None:
        timing = profile(name).timing
        assert timing
        self.spares = timing.tlbs.cr3_load.value != "all"
        self.tlbs = {key: Buffer(getattr(timing.tlbs, key)) for key in
                     ("data", "data_large", "data_l2", "code", "code_large", "code_l2") if getattr(timing.tlbs, key)}

    def perform(self, kind: int, address: int, more: int) -> int:
        if kind in (DATA, CODE):
            return self.look_up("data" if kind == DATA else "code", address, more & LARGE, more & GLOBAL)
        for tlb in self.tlbs.values():
            if kind == LOAD_CR3:
                tlb.keep(lambda _, global_: self.spares and global_)
            elif kind == FLUSH_ALL:
                tlb.keep(lambda *_: False)
            elif kind == FLUSH_PAGE:
                tlb.keep(lambda entry, _: entry not in ((address >> 12, 0), (address >> 22, 1)))
        return 0

    def look_up(self, name: str, address: int, large: int, global_: int) -> int:
        page = address >> (22 if large else 12)
        first = self.tlbs.get(f"{name}_large", self.tlbs[name]) if large else self.tlbs[name]
        if first.use(page, large, global_):
            return 0
        second = None if large else self.tlbs.get(f"{name}_l2")
        if second and second.use(page, large, global_):
            return int(second.latency.typical + 0.5)
        return MISS


def histories() -> st.SearchStrategy[list[tuple[int, int, int]]]:
    """Pages that fight for a few sets of each TLB."""
    kinds = st.sampled_from([DATA] * 12 + [CODE] * 8 + [LOAD_CR3, FLUSH_ALL, FLUSH_PAGE, FLUSH_PAGE])
    pages = st.builds(lambda near, far: (near + 64 * far) << 12, st.integers(0, 2), st.integers(0, 80))
    large = st.builds(lambda page: page << 22, st.integers(0, 20))
    return st.lists(st.one_of(st.tuples(kinds, pages, st.sampled_from([0, 0, GLOBAL])),
                              st.tuples(kinds, large, st.sampled_from([LARGE, LARGE | GLOBAL]))), min_size=1)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=40)
@given(histories())
def test_lookups_are_those_of_a_model_in_plain_python(name: str, operations: list[tuple[int, int, int]]) -> None:
    oracle = Oracle(name)
    assert run(TimingModel(profile(name)), operations) == [oracle.perform(*each) for each in operations]


@pytest.mark.parametrize("name", NAMES)
def test_a_long_random_history_has_the_lookups_of_the_model(name: str) -> None:
    rng, oracle = random.Random(name), Oracle(name)
    kinds = [DATA] * 40 + [CODE] * 40 + [FLUSH_PAGE] * 3 + [LOAD_CR3]
    operations = [(rng.choice(kinds), rng.randrange(1 << rng.randrange(14, 22)), rng.randrange(4))
                  for _ in range(5_000)]
    assert run(TimingModel(profile(name)), operations) == [oracle.perform(*each) for each in operations]


@pytest.mark.parametrize(("name", "entries"), [("p5-166", 64), ("p2-450", 64), ("p3-500", 64), ("p4-1800", 64),
                                               ("pd-3000", 64), ("k7-550", 256)])
def test_as_many_pages_as_there_are_entries_need_no_walk(name: str, entries: int) -> None:
    model = TimingModel(profile(name))
    lookups = [(DATA, page << 12, 0) for page in range(entries)]
    assert run(model, lookups) == [MISS] * entries
    assert MISS not in run(model, lookups)
    assert MISS in run(model, [(DATA, page << 12, 0) for page in range(2 * entries)])


def test_an_athlon_finds_in_its_second_tlb_what_the_first_lost() -> None:
    model = TimingModel(profile("k7-550"))
    run(model, [(DATA, page << 12, 0) for page in range(25)])
    assert run(model, [(DATA, 0, 0), (DATA, 0, 0)]) == [5, 0]


@pytest.mark.parametrize("kind", [DATA, CODE])
@pytest.mark.parametrize("name", NAMES)
def test_a_load_of_cr3_keeps_global_pages_where_the_processor_has_them(name: str, kind: int) -> None:
    model = TimingModel(profile(name))
    run(model, [(kind, 0x1000, 0), (kind, 0x2000, GLOBAL), (kind, 0x40_0000, LARGE | GLOBAL), (LOAD_CR3, 0, 0)])
    kept = 0 if "PGE" in profile(name).features else MISS
    assert run(model, [(kind, 0x1000, 0), (kind, 0x2000, 0), (kind, 0x40_0000, LARGE)]) == [MISS, kept, kept]


@pytest.mark.parametrize("name", NAMES)
def test_a_change_of_cr4_forgets_global_pages_too(name: str) -> None:
    model = TimingModel(profile(name))
    run(model, [(DATA, 0x2000, GLOBAL), (FLUSH_ALL, 0, 0)])
    assert run(model, [(DATA, 0x2000, GLOBAL)]) == [MISS]


@pytest.mark.parametrize("name", NAMES)
def test_invlpg_forgets_one_page_global_or_not_small_or_large(name: str) -> None:
    model = TimingModel(profile(name))
    lookups = [(DATA, 0x1000, GLOBAL), (CODE, 0x1000, 0), (DATA, 0x2000, 0), (DATA, 0x40_0000, LARGE | GLOBAL)]
    run(model, [*lookups, (FLUSH_PAGE, 0x1FFF, 0)])
    assert run(model, lookups) == [MISS, MISS, 0, 0]
    run(model, [(FLUSH_PAGE, 0x7F_F000, 0)])
    assert run(model, lookups) == [0, 0, 0, MISS]


@pytest.mark.parametrize("name", ["p4-1800", "pd-3000"])
def test_a_load_of_cr3_empties_the_trace_cache_of_netburst(name: str) -> None:
    model = TimingModel(profile(name))
    cold = run(model, [(TRACE, 0x1000, 0)])
    assert run(model, [(TRACE, 0x1000, 0), (LOAD_CR3, 0, 0)]) == [0, 0]
    assert 0 < run(model, [(TRACE, 0x1000, 0)])[0] < cold[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_walk_whose_entries_are_in_the_first_cache_costs_what_the_profile_says(name: str) -> None:
    model = TimingModel(profile(name))
    cold, warm = run(model, [(WALK, PAGE_DIRECTORY, PAGE_TABLES + 0x40)] * 2)
    timing = profile(name).timing
    assert timing and warm == int(timing.tlbs.walk.typical + 0.5)
    assert cold == warm + 2 * model.record.random_stall


@pytest.mark.parametrize("name", NAMES)
def test_a_walk_of_a_large_page_reads_one_entry(name: str) -> None:
    model = TimingModel(profile(name))
    run(model, [(WALK, PAGE_DIRECTORY, -1)])
    assert model.counters()["l1d_misses"] == 1


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.just(WALK), *[st.integers(0, 1 << 24)] * 2), min_size=1))
def test_no_lookup_or_walk_stalls_longer_than_the_bound(name: str, walks: list[tuple[int, int, int]]) -> None:
    model = TimingModel(profile(name))
    lookups = [(kind, address, 0) for _, address, _ in walks for kind in (DATA, CODE)]
    assert max(run(model, [*walks, *lookups])) <= min(model.worst_access, model.worst_fetch)


@pytest.mark.parametrize("name", NAMES)
def test_a_random_chase_through_16_mib_takes_the_published_time(name: str) -> None:
    """The measurement behind `memory.random`: walks and page-table reads included, the first cache's latency too."""
    timing, model = profile(name).timing, TimingModel(profile(name))
    assert timing
    rng = random.Random(name)
    operations = []
    for page in (rng.randrange(4096) for _ in range(20_000)):
        pte = PAGE_TABLES + page * 4
        operations += [(DATA, page << 12, 0), (WALK, PAGE_DIRECTORY + (page >> 10) * 4, pte),
                       (LOAD, 0x100_0000 + (page << 12) + rng.randrange(0, 4096, 4), 0)]
    assert timing.caches.l1d.latency
    measured = timing.caches.l1d.latency.typical + chase(model, operations)
    published = timing.memory.random.typical * profile(name).clock / 1e9
    assert measured == pytest.approx(published, rel=0.1)


def chase(model: TimingModel, operations: list[tuple[int, int, int]]) -> float:
    """The mean stall of (lookup, walk, load) in the second half of a chase; walks only after lookups that miss."""
    total = 0
    for at in range(0, len(operations), 3):
        lookup, walking, loading = operations[at:at + 3]
        stall = run(model, [lookup])[0]
        stall = stall if stall != MISS else run(model, [walking])[0]
        stall += run(model, [loading])[0]
        total += stall if at * 2 >= len(operations) else 0
    return total / (len(operations) / 6)
