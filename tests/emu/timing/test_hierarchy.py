"""Caches, store buffer and memory, against a model in plain Python and by hand, with each profile's geometry."""

from __future__ import annotations

import random
from typing import Any

import numba
import numpy as np
import pytest
from hierarchy_oracle import (
    EMPTY,
    EMPTY_TRACE,
    FETCH,
    LOAD,
    SNOOP,
    STORE,
    TRACE,
    VARIANTS,
    Oracle,
    profile,
    rounded,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.timing.figures import Kind
from emu.timing.hierarchy import empty, empty_trace, fetch, fetch_trace, load, snoop, store
from emu.timing.model import TimingModel, model_at
from emu.timing.profile import profiles

NAMES = [name for name in profiles() if name != "unit"]


@numba.njit
def perform(record: int, operations: Any, stalls: Any) -> None:
    """Carry out rows of (operation, address, size, now); what each returns goes to `stalls`."""
    m = model_at(record)
    for i in range(len(operations)):
        operation, address, size, now = operations[i]
        stalls[i] = 0
        if operation == LOAD:
            stalls[i] = load(m, address, size)
        elif operation == STORE:
            stalls[i] = store(m, address, size, now)
        elif operation == FETCH:
            stalls[i] = fetch(m, address)
        elif operation == TRACE:
            stalls[i] = fetch_trace(m, address, address, size)
        elif operation == EMPTY:
            stalls[i] = empty(m)
        elif operation == EMPTY_TRACE:
            empty_trace(m)
        else:
            snoop(m, address, size)


def run(model: TimingModel, operations: list[tuple[int, int, int, int]]) -> list[int]:
    rows = np.array(operations, np.int64).reshape(-1, 4)
    stalls = np.zeros(len(rows), np.int64)
    perform(model.address, rows, stalls)
    return [int(stall) for stall in stalls]


def addresses(name: str) -> st.SearchStrategy[int]:
    """Addresses that fight for a few sets of both caches."""
    oracle = Oracle(name)
    level = oracle.l2 or oracle.l1d
    reach = level.sets * level.line
    return st.builds(lambda way, line, offset: 0x10_0000 + way * reach + line * level.line + offset,
                     st.integers(0, 2 * level.ways), st.integers(0, 2), st.integers(0, level.line - 1))


def histories(name: str) -> st.SearchStrategy[list[tuple[int, int, int, int]]]:
    kinds = st.sampled_from([LOAD] * 8 + [STORE] * 8 + [TRACE] * 3 + [SNOOP, EMPTY_TRACE, EMPTY])
    steps = st.lists(st.tuples(kinds, addresses(name), st.sampled_from([1, 2, 4, 4]), st.integers(0, 50)), min_size=1)
    return steps.map(clocked)


def clocked(steps: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Time goes on by the fourth of each step."""
    now, operations = 0, []
    for kind, address, size, passed in steps:
        now += passed
        operations.append((kind, address, size, now))
    return operations


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30)
@given(st.data())
def test_stalls_are_those_of_a_model_in_plain_python(name: str, data: st.DataObject) -> None:
    operations = data.draw(histories(name))
    model, oracle = TimingModel(profile(name)), Oracle(name)
    assert run(model, operations) == [oracle.perform(*operation) for operation in operations]
    assert model.counters()["writebacks"] == oracle.writebacks


@pytest.mark.parametrize("name", [*NAMES, *VARIANTS])
def test_a_long_random_history_has_the_stalls_of_the_model(name: str) -> None:
    rng = random.Random(name)
    steps = [(rng.choice([LOAD, LOAD, STORE, TRACE]), 0x10_0000 + rng.randrange(1 << rng.randrange(8, 22)),
              rng.choice([1, 2, 4]), rng.randrange(20)) for _ in range(5_000)]
    model, oracle = TimingModel(profile(name)), Oracle(name)
    assert run(model, clocked(steps)) == [oracle.perform(*operation) for operation in clocked(steps)]
    assert model.counters()["writebacks"] == oracle.writebacks


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30)
@given(st.data())
def test_no_access_stalls_longer_than_the_bound(name: str, data: st.DataObject) -> None:
    operations = data.draw(histories(name))
    model = TimingModel(profile(name))
    bounds = {LOAD: model.worst_access, STORE: model.worst_access, TRACE: model.worst_fetch}
    stalls = run(model, operations)
    assert all(stall <= bounds[operation[0]] for stall, operation in zip(stalls, operations, strict=True)
               if operation[0] in bounds)


def chase(model: TimingModel, size: int, line: int) -> float:
    """The mean stall of going round `size` bytes in random order, a load for each line."""
    lines = list(range(0, size, line))
    random.Random(0).shuffle(lines)
    rounds = [(LOAD, 0x100_0000 + at, 4, 0) for at in lines]
    run(model, rounds)
    return sum(run(model, rounds)) / len(lines)


@pytest.mark.parametrize("name", NAMES)
def test_a_pointer_chase_steps_up_where_a_cache_ends(name: str) -> None:
    oracle, model = Oracle(name), TimingModel(profile(name))
    first, second = (level.sets * level.ways * level.line for level in (oracle.l1d, oracle.l2))
    line = oracle.l1d.line
    assert chase(model, first, line) == 0
    assert chase(model, 4 * first, line) == pytest.approx(oracle.to_l2, rel=0.1)
    assert chase(model, second, line) <= oracle.to_l2 + 0.5
    far = max(oracle.memory(0x100_0000), oracle.memory(0))
    near_share = 1 / 2 if oracle.unit > line else 0         # half of the lines come with the other of their sector
    assert chase(model, 16 * second, line) >= far * (1 - near_share) * 0.85
    assert chase(model, 16 * second, line) <= far


@pytest.mark.parametrize("name", NAMES)
def test_the_line_next_to_the_last_one_read_comes_in_linear_time(name: str) -> None:
    oracle, model = Oracle(name), TimingModel(profile(name))
    stalls = run(model, [(LOAD, 0x20_0000 + i * oracle.unit, 4, 0) for i in range(20)])
    assert set(stalls[1:]) == {rounded(oracle.timing.memory.linear.typical * oracle.clock / 1e9 - oracle.first)}


def test_netburst_brings_both_lines_of_a_sector() -> None:
    model = TimingModel(profile("p4-1800"))
    stalls = run(model, [(LOAD, 0x20_0000, 4, 0), (LOAD, 0x20_0040, 4, 0)])
    assert stalls == [model.record.random_stall, model.record.l2_stall]


def test_a_pentium_does_not_allocate_on_a_store() -> None:
    model = TimingModel(profile("p5-166"))
    run(model, [(STORE, 0x20_0000, 4, 0)])
    assert run(model, [(LOAD, 0x20_0000, 4, 1000)]) == [model.record.l2_stall]


def test_a_pentium_ii_allocates_on_a_store() -> None:
    model = TimingModel(profile("p2-450"))
    run(model, [(STORE, 0x20_0000, 4, 0)])
    assert run(model, [(LOAD, 0x20_0000, 4, 1000)]) == [0]


@pytest.mark.parametrize("name", NAMES)
def test_stores_wait_only_when_the_buffer_is_full(name: str) -> None:
    oracle, model = Oracle(name), TimingModel(profile(name))
    entries = int(oracle.timing.pipeline.store_buffer.typical)
    stalls = run(model, [(STORE, 0x20_0000 + i * 0x1_0000, 4, 0) for i in range(entries + 3)])
    cost = model.record.l1d_store or model.record.random_stall
    assert stalls == [0] * entries + [cost] * 3


def test_a_pentium_writes_past_its_caches_as_fast_as_the_bus_takes_it() -> None:
    model = TimingModel(profile("p5-166"))
    run(model, [(LOAD, at, 4, 0) for at in (0x20_0000, 0x20_2000, 0x20_4000)])      # the first is in L2 alone
    stalls = run(model, [(STORE, at, 4, 0) for at in (0x20_0000, 0x20_0000, 0x20_0000, 0x70_0000, 0x70_0000)])
    assert stalls == [0, 0, 8, 8, 8]                # 7.58 cycles each, in whole cycles, once both buffers are full


def test_a_pentium_stores_into_its_first_cache_without_the_bus() -> None:
    model = TimingModel(profile("p5-166"))
    assert run(model, [(LOAD, 0x20_0000, 4, 0)] + [(STORE, 0x20_0000, 4, 0)] * 9)[1:] == [0] * 9


@pytest.mark.parametrize("name", NAMES)
def test_a_store_buffer_left_alone_drains(name: str) -> None:
    oracle, model = Oracle(name), TimingModel(profile(name))
    entries = int(oracle.timing.pipeline.store_buffer.typical)
    run(model, [(STORE, 0x20_0000 + i * 0x1_0000, 4, 0) for i in range(entries)])
    assert run(model, [(STORE, 0x80_0000, 4, entries * model.record.random_stall)]) == [0]


@pytest.mark.parametrize("name", NAMES)
def test_an_access_to_two_lines_reads_both_and_costs_more(name: str) -> None:
    oracle, model = Oracle(name), TimingModel(profile(name))
    across = 0x20_0000 + oracle.l1d.line - 2
    run(model, [(LOAD, across, 4, 0)])
    assert run(model, [(LOAD, across, 4, 0), (LOAD, across, 2, 0), (LOAD, across + 2, 2, 0)]) == [
        model.record.misaligned, 0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_device_wrote_is_read_from_memory(name: str) -> None:
    model = TimingModel(profile(name))
    run(model, [(LOAD, 0x20_0000, 4, 0), (LOAD, 0x20_1000, 4, 0), (SNOOP, 0x20_0000, 64, 0)])
    assert run(model, [(LOAD, 0x20_0000, 4, 0), (LOAD, 0x20_1000, 4, 0)]) == [model.record.random_stall, 0]


@pytest.mark.parametrize("name", NAMES)
def test_an_emptied_cache_has_nothing(name: str) -> None:
    model = TimingModel(profile(name))
    code = TRACE if profile(name).kind is Kind.NETBURST else FETCH
    accesses = [(LOAD, 0x20_0000, 4, 0), (code, 0x30_0000, 4, 0)]
    cold = run(model, accesses)
    assert run(model, accesses) == [0, 0]
    run(model, [(EMPTY, 0, 0, 0)])
    assert run(model, accesses) == cold


@pytest.mark.parametrize("name", ["p4-1800", "pd-3000"])
def test_a_line_of_the_trace_cache_is_decoded_once(name: str) -> None:
    model = TimingModel(profile(name))
    decode, far, near = model.record.decode, model.record.random_stall, model.record.l2_stall
    assert run(model, [(TRACE, 0x40_0000, 5, 0), (TRACE, 0x40_0000, 5, 0), (TRACE, 0x40_0010, 3, 0)]) == [
        5 * decode + far, 0, 3 * decode + near]


@pytest.mark.parametrize("name", ["p4-1800", "pd-3000"])
def test_an_emptied_trace_cache_leaves_code_in_l2(name: str) -> None:
    model = TimingModel(profile(name))
    run(model, [(TRACE, 0x40_0000, 5, 0), (EMPTY_TRACE, 0, 0, 0)])
    assert run(model, [(TRACE, 0x40_0000, 5, 0)]) == [5 * model.record.decode + model.record.l2_stall]


def test_counters_tell_what_happened() -> None:
    model = TimingModel(profile("p2-450"))
    run(model, [(LOAD, 0x20_0000, 4, 0), (LOAD, 0x20_0000, 4, 0), (STORE, 0x20_0000, 4, 0), (FETCH, 0x20_0000, 0, 0)])
    counted = model.counters()
    expected = {"loads": 2, "stores": 1, "l1d_misses": 1, "l1i_misses": 1, "l2_misses": 1, "memory_accesses": 1,
                "load_stalls": model.record.random_stall, "fetch_stalls": model.record.l2_stall}
    assert {name: counted[name] for name in expected} == expected
