"""Costs of paths: exact, by cause, and those that the machine's counters give when it is stopped at both ends."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emu.counters import CAUSES
from emu.crossings import Kind
from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.monitor.names import Names
from emu.monitor.paths import costs, paths
from emu.monitor.paths.costs import CHOICES, OCCURRENCE, PARTS, PathCosts, spread
from emu.monitor.paths.paths import load, marks

sys.path.insert(0, str(Path(__file__).parent))
from crossing_rows import K, U, row, rows


def costs_of(crossings: NDArray[Any], begin: str, end: str, **more: str) -> PathCosts:
    return costs.costs([paths.path("p", {"from": begin, "to": end, **more})], crossings, Names())[0]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300))
def test_a_spread_is_by_nearest_rank(values: list[int]) -> None:
    ordered, count = sorted(values), len(values)
    at = {"min": 0, "median": math.ceil(count / 2) - 1, "p99": math.ceil(count * 99 / 100) - 1, "max": count - 1}
    assert spread(np.array(values)) == {which: ordered[at[which]] for which in CHOICES}


def test_cycles_are_those_between_both_ends_and_causes_add_up_to_them() -> None:
    crossings = rows(
        row(Kind.SYSENTER, 1000, U, K, transition=10, cache=20, tlb=30, branch=40, bus=50),
        row(Kind.IDLE, 1100, cost=200, transition=11, cache=20, tlb=30, branch=40, bus=50),
        row(Kind.SYSEXIT, 1500, K, U, transition=15, cache=26, tlb=37, branch=48, bus=59))
    found = costs_of(crossings, "sysenter", "return")
    (one,) = found.occurrences
    assert (one["begin"], one["end"], one["cycles"], one["instructions"], one["thread"]) == (1000, 1500, 500, 250, 1)
    assert found.causes == {"pipeline": 265, "transition": 5, "cache": 6, "tlb": 7, "branch": 8, "bus": 9, "idle": 200}


def test_counts_that_wrap_around_give_the_same_costs() -> None:
    crossings = rows(*(row(Kind.SYSENTER if n % 2 == 0 else Kind.SYSEXIT, 1000 * n, cache=100 * n) for n in range(6)))
    plain = costs_of(crossings, "sysenter", "sysexit").occurrences
    for cause in CAUSES[1:]:
        crossings[cause] += np.uint32((1 << 32) - 250)
    assert np.array_equal(costs_of(crossings, "sysenter", "sysexit").occurrences, plain)
    assert plain["cache"].tolist() == [100, 100, 100]


@pytest.mark.parametrize(("kind", "cost", "cycles"), [
    (Kind.IRET, 30, 130),                   # complete: it is part of the path
    (Kind.SYSENTER, 30, 130),
    (Kind.INTERRUPT, 30, 100),              # an event comes behind the path
    (Kind.EXCEPTION, 30, 100),
    (Kind.MARK, 0, 100),
    (Kind.IDLE, 30, 100),
])
def test_a_path_ends_behind_an_instruction_and_in_front_of_an_event(kind: Kind, cost: int, cycles: int) -> None:
    crossings = rows(row(Kind.SOFTWARE, 0, U, K, vector=128, cost=70), row(kind, 100, cost=cost, to=0x1234))
    end = {Kind.MARK: "0x1234"}.get(kind, kind.name.lower())
    (one,) = costs_of(crossings, "int 0x80", end).occurrences
    assert one["cycles"] == cycles == sum(int(one[part]) for part in PARTS)
    assert one["transition"] == cycles - 100


def test_the_chosen_occurrence_is_the_first_with_that_many_cycles() -> None:
    crossings = rows(*(each for begin, length in ((0, 30), (100, 10), (200, 50), (300, 10), (400, 50))
                       for each in (row(Kind.SYSENTER, begin), row(Kind.SYSEXIT, begin + length))))
    found = costs_of(crossings, "sysenter", "sysexit")
    assert {which: int(found.choose(which)["begin"]) for which in CHOICES} == {
        "min": 100, "median": 0, "p99": 200, "max": 200}
    with pytest.raises(ValueError, match="'worst': must be one of min, median, p99, max"):
        found.choose("worst")


def test_a_path_that_was_never_taken_has_no_cycles() -> None:
    found = costs_of(rows(row(Kind.SYSENTER, 0)), "sysenter", "sysexit")
    assert found.as_dict()["cycles"] == {} == found.as_dict()["witness"]
    assert sum(found.causes.values()) == found.count == 0
    with pytest.raises(ValueError, match="p: no occurrence: the run never went along it"):
        found.choose("max")
    assert costs.table([found]).splitlines()[1].split() == ["p", "0", *["-"] * (5 + len(PARTS))]


def test_the_table_has_a_line_for_each_path() -> None:
    crossings = rows(row(Kind.SYSENTER, 0), row(Kind.SYSEXIT, 4000, cache=1000))
    head, line = costs.table([costs_of(crossings, "sysenter", "sysexit")]).splitlines()
    assert head.split() == ["path", "count", "instr", "min", "median", "p99", "max", *PARTS]
    assert line.split() == ["p", "1", "2,000", *["4,000"] * 4, "75.0%", "0.0%", "25.0%", *["0.0%"] * 4]


@pytest.mark.parametrize("cpu", ["p3-500", "p5-166", "unit"])
def test_costs_are_the_differences_of_the_counters_at_both_ends(cpu: str) -> None:
    machine = Machine.boot("preempt", cpu=cpu)
    assert machine.image
    names, named = Names.of(machine.image), load(machine.image.path_files)
    monitor = Monitor(machine, marks=marks(named.values(), names))
    with monitor:
        machine.run()
    found = {each.path.name: each for each in costs.costs(named.values(), monitor.crossings, names)}
    for each in found.values():
        assert all((each.occurrences[part] >= 0).all() for part in PARTS)
        assert np.array_equal(sum(each.occurrences[part] for part in PARTS), each.occurrences["cycles"])
        json.dumps(each.as_dict())
    again = Machine.boot("preempt", cpu=cpu)
    checked = found["syscall-work"].occurrences[:3]
    assert len(checked)
    for one in checked:
        again.run(max_instructions=int(one["begin_instructions"]) - again.counters.instructions)
        before = again.counters
        again.run(max_instructions=int(one["end_instructions"]) - before.instructions)
        spent = again.counters - before
        assert {**spent.causes, "idle": spent.idle_cycles} == {part: int(one[part]) for part in PARTS}
        assert (spent.cycles, spent.instructions) == (one["cycles"], one["instructions"])


def test_an_occurrence_has_a_field_for_each_part() -> None:
    assert set(PARTS) <= set(OCCURRENCE.names or ())
