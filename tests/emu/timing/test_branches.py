"""The branch predictor, against a model in plain Python and by hand."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.timing.branches import (
    CALL,
    CALL_INDIRECT,
    CONDITIONAL,
    CONDITIONAL_BACKWARD,
    INDIRECT,
    JUMP,
    RETURN,
    branch,
)
from emu.timing.figures import Kind
from emu.timing.model import TimingModel, model_at
from emu.timing.profile import Profile, load_profile, profiles

NAMES = [name for name in profiles() if name != "unit"]
GLOBAL = [name for name in NAMES if name.startswith(("k7", "p4", "pd"))]
LOCAL = [name for name in NAMES if name.startswith(("p2", "p3"))]
Branch = tuple[int, int, int, int]      # kind, address, address behind it, where execution went


@cache
def profile(name: str) -> Profile:
    return load_profile(name)


@numba.njit
def perform(record: int, branches: Any, stalls: Any) -> None:
    """Execute rows of (kind, address, address behind it, target)."""
    m = model_at(record)
    for i in range(len(branches)):
        kind, pc, sequential, target = branches[i]
        stalls[i] = branch(m, kind, pc, sequential, target)


def run(model: TimingModel, branches: list[Branch]) -> list[int]:
    rows = np.array(branches, np.int64).reshape(-1, 4)
    stalls = np.zeros(len(rows), np.int64)
    perform(model.address, rows, stalls)
    return [int(stall) for stall in stalls]


def outcomes(pattern: str, pc: int = 0x1000, target: int = 0x2000) -> list[Branch]:
    """A conditional branch of two bytes that is taken at each T."""
    kind = CONDITIONAL if target > pc else CONDITIONAL_BACKWARD
    return [(kind, pc, pc + 2, target if outcome == "T" else pc + 2) for outcome in pattern]


def mispredictions(name: str, branches: list[Branch]) -> str:
    """A line of x where the profile's predictor is wrong and . where it is right."""
    model = TimingModel(profile(name))
    before = 0
    line = ""
    for each in branches:
        run(model, [each])
        line += "x" if model.record.mispredictions > before else "."
        before = model.record.mispredictions
    return line


class Entry:
    """A branch in the BTB."""

    def __init__(self, history: str) -> None:
        self.target = 0
        self.history = history
        self.counters: dict[str, int] = {}


class Oracle:
    """The predictor with strings of T and N for histories and dictionaries for tables."""

    def __init__(self, name: str) -> None:
        timing = profile(name).timing
        assert timing
        figures, kind = timing.branch, profile(name).kind
        self.predictor = figures.predictor.value
        self.bits, self.ways = int(figures.history.typical), int(figures.ways.typical)
        self.sets = int(figures.entries.typical) // self.ways
        self.stack_size = int(figures.return_stack.typical)
        self.penalty = int(figures.mispredict.typical + 0.5)
        self.late = int(figures.misfetch.typical + 0.5) if figures.misfetch else self.penalty
        self.forward_only = kind in (Kind.P5, Kind.K7)
        self.line = 4 if kind is Kind.P5 else 16
        self.held: dict[int, dict[int, Entry]] = {}
        self.stack = [0] * self.stack_size
        self.history = "N" * self.bits
        self.shared: dict[Any, int] = {}

    def find(self, pc: int) -> Entry | None:
        held = self.held.setdefault(pc // self.line % self.sets, {})
        if pc in held:
            held[pc] = held.pop(pc)
        return held.get(pc)

    def enter(self, pc: int) -> Entry:
        held = self.held[pc // self.line % self.sets]
        if len(held) == self.ways:
            held.pop(next(iter(held)))
        held[pc] = Entry("T" * self.bits)
        return held[pc]

    def counters(self, entry: Entry, pc: int) -> tuple[dict[Any, int], Any]:
        """A table of counters, and which of them predicts."""
        if self.predictor == "bimodal":
            return entry.counters, ""
        if self.predictor == "local history":
            return entry.counters, entry.history
        past = int(self.history.replace("T", "1").replace("N", "0"), 2)
        return self.shared, (past, pc % 16) if self.bits < 12 else past ^ pc % (1 << self.bits)

    def execute(self, kind: int, pc: int, sequential: int, target: int) -> int:
        stall = self.decide(kind, pc, sequential, target)
        if kind in (CALL, CALL_INDIRECT) and self.stack_size:
            self.stack = [*self.stack[1:], sequential]
        return stall

    def decide(self, kind: int, pc: int, sequential: int, target: int) -> int:
        if kind == RETURN and self.stack_size:
            predicted = self.stack[-1]
            self.stack = [predicted, *self.stack[:-1]]
            return 0 if predicted == target else self.penalty
        entry = self.find(pc)
        if kind not in (CONDITIONAL, CONDITIONAL_BACKWARD):
            stall = 0 if entry and entry.target == target else self.penalty
            if not entry and kind in (JUMP, CALL):
                stall = self.late
            (entry or self.enter(pc)).target = target
            return stall
        taken, late = target != sequential, False
        if entry:
            table, which = self.counters(entry, pc)
            wrong = (table.get(which, 2) >= 2) != taken or (taken and entry.target != target)
        else:
            backward = kind == CONDITIONAL_BACKWARD or target <= pc
            wrong = taken != (backward and not self.forward_only)
            late = taken
            entry = self.enter(pc) if taken else None
        self.learn(entry, pc, taken, target)
        return self.penalty if wrong else self.late if late else 0

    def learn(self, entry: Entry | None, pc: int, taken: bool, target: int) -> None:
        outcome = "T" if taken else "N"
        if entry:
            table, which = self.counters(entry, pc)
            table[which] = min(max(table.get(which, 2) + (1 if taken else -1), 0), 3)
            entry.history = (entry.history + outcome)[1:] if self.bits else ""
            entry.target = target if taken else entry.target
        self.history = (self.history + outcome)[1:] if self.bits else ""


def histories(name: str) -> st.SearchStrategy[list[Branch]]:
    """Branches that fight for a few sets, with few targets each."""
    oracle = Oracle(name)
    reach = oracle.sets * oracle.line
    places = st.builds(lambda way, offset: 0x10_0000 + way * reach + offset,
                       st.integers(0, 2 * oracle.ways), st.integers(0, 18))
    kinds = st.sampled_from([CONDITIONAL] * 6 + [JUMP, INDIRECT, CALL, CALL_INDIRECT, RETURN, RETURN])
    return st.lists(st.builds(lambda kind, pc, away, taken:
                              (kind, pc, pc + 2, pc + 2 if kind == CONDITIONAL and not taken else pc + away),
                              kinds, places, st.sampled_from([-64, 2, 32]), st.booleans()), min_size=1)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_stalls_are_those_of_a_model_in_plain_python(name: str, data: st.DataObject) -> None:
    branches = data.draw(histories(name))
    oracle = Oracle(name)
    assert run(TimingModel(profile(name)), branches) == [oracle.execute(*each) for each in branches]


@pytest.mark.parametrize("name", NAMES)
def test_a_long_history_of_loops_and_calls_has_the_stalls_of_the_model(name: str) -> None:
    rng, oracle = random.Random(name), Oracle(name)
    branches: list[Branch] = []
    for _ in range(5_000):
        pc = 0x10_0000 + rng.randrange(64) * 6
        taken = rng.random() < (pc % 7) / 6
        kind = (CONDITIONAL, CALL, RETURN, CONDITIONAL_BACKWARD)[pc % 4]
        near = pc + 40 if kind == CONDITIONAL else pc - 40
        branches.append((kind, pc, pc + 2, near if taken or kind in (CALL, RETURN) else pc + 2))
    assert run(TimingModel(profile(name)), branches) == [oracle.execute(*each) for each in branches]


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=20)
@given(st.data())
def test_no_branch_stalls_longer_than_the_bound(name: str, data: st.DataObject) -> None:
    model = TimingModel(profile(name))
    assert max(run(model, data.draw(histories(name)))) <= model.worst_branch


@pytest.mark.parametrize(("pattern", "wrong"), [
    ("TTTT", "x..."),           # enters as strongly taken
    ("NNNT", "...x"),           # never taken: not in the BTB
    ("TNTT", "xx.."),           # one exit of a loop does not turn the counter
    ("TNNT", "xxxx"),           # two do, and then it takes one to turn back
    ("TNNNTT", "xxx.xx"),       # strongly not taken takes two
])
def test_a_pentium_predicts_by_a_two_bit_counter(pattern: str, wrong: str) -> None:
    assert mispredictions("p5-166", outcomes(pattern)) == wrong


@pytest.mark.parametrize("name", [*LOCAL, *GLOBAL])
@pytest.mark.parametrize("period", ["TN", "TTN", "TTNN", "TTTN"])
def test_predictors_with_a_history_learn_a_short_pattern(name: str, period: str) -> None:
    assert "x" not in mispredictions(name, outcomes(period * 30))[-2 * len(period):]


def test_a_pentium_does_not_learn_an_alternating_branch() -> None:
    assert mispredictions("p5-166", outcomes("TN" * 20))[-8:].count("x") >= 4


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_history_of_four_cannot_see_the_end_of_a_longer_loop(name: str) -> None:
    assert mispredictions(name, outcomes("TTTTTTTN" * 20))[-8:] == ".......x"


@pytest.mark.parametrize("name", GLOBAL)
def test_a_global_history_sees_that_two_branches_agree(name: str) -> None:
    rng = random.Random(1)
    branches = []
    for _ in range(3000):
        way = rng.choice("TN")
        branches += outcomes(way, 0x1000) + outcomes(way, 0x1010)
    assert mispredictions(name, branches)[-500:][1::2].count("x") <= 25     # of 250 that follow the other


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_branch_that_is_taken_forward_is_mispredicted(name: str) -> None:
    assert mispredictions(name, outcomes("T")) == "x"


@pytest.mark.parametrize("name", ["p2-450", "p3-500", "p4-1800", "pd-3000"])
def test_an_unknown_branch_that_is_taken_backward_is_only_fetched_late(name: str) -> None:
    model = TimingModel(profile(name))
    assert run(model, outcomes("T", 0x3000, 0x2000)) == [model.record.misfetch]
    assert (model.counters()["mispredictions"], model.counters()["misfetches"]) == (0, 1)


@pytest.mark.parametrize("name", ["p2-450", "p3-500"])
def test_what_p6_only_fetches_late_costs_less_than_a_misprediction(name: str) -> None:
    model = TimingModel(profile(name))
    assert run(model, outcomes("T", 0x3000, 0x2000)) == [6]
    assert run(model, outcomes("T", 0x4000, 0x5000)) == [15]


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_backward_branch_not_taken_is_wrong_where_backward_means_taken(name: str) -> None:
    expected = "." if profile(name).kind in (Kind.P5, Kind.K7) else "x"
    assert mispredictions(name, outcomes("N", 0x3000, 0x2000)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_direct_jumps_and_calls_are_known_after_the_first_time(name: str) -> None:
    model = TimingModel(profile(name))
    for kind, pc in ((JUMP, 0x1000), (CALL, 0x1100)):
        assert run(model, [(kind, pc, pc + 5, 0x9000)] * 3)[1:] == [0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_an_indirect_jump_is_expected_where_it_went_last(name: str) -> None:
    jumps = [(INDIRECT, 0x1000, 0x1002, target) for target in (0x2000, 0x2000, 0x3000, 0x3000, 0x2000)]
    assert mispredictions(name, jumps) == "x.x.x"


@pytest.mark.parametrize(("name", "depth"), [("p2-450", 16), ("k7-550", 12), ("p4-1800", 16)])
def test_the_return_stack_forgets_the_oldest_of_too_many_calls(name: str, depth: int) -> None:
    calls = [(CALL, 0x1000 + i * 0x100, 0x1005 + i * 0x100, 0x1100 + i * 0x100) for i in range(depth + 2)]
    returns = [(RETURN, 0x9000, 0x9001, call[2]) for call in reversed(calls)]
    assert mispredictions(name, [*calls, *returns])[len(calls):] == "." * depth + "xx"


@pytest.mark.parametrize("kind", [CALL, CALL_INDIRECT])
def test_a_return_goes_behind_the_call_direct_or_not(kind: int) -> None:
    assert mispredictions("p2-450", [(kind, 0x1000, 0x1005, 0x9000), (RETURN, 0x9000, 0x9001, 0x1005)])[1] == "."


def test_a_pentium_has_no_return_stack() -> None:
    returns = [(RETURN, 0x9000, 0x9001, target) for target in (0x1005, 0x1005, 0x2005, 0x1005)]
    assert mispredictions("p5-166", returns) == "x.xx"


@pytest.mark.parametrize("name", NAMES)
def test_a_branch_predicted_right_changes_nothing_once_learned(name: str) -> None:
    model = TimingModel(profile(name))
    run(model, outcomes("T" * 40, 0x3000, 0x2000))
    before = model.record.changes, model.record.history
    run(model, outcomes("T" * 5, 0x3000, 0x2000))
    assert (model.record.changes, model.record.history) == before


def test_counters_tell_branches_and_mispredictions() -> None:
    model = TimingModel(profile("p5-166"))
    run(model, outcomes("TTTN"))
    counted = model.counters()
    assert (counted["branches"], counted["mispredictions"], counted["branch_stalls"]) == (4, 2, 8)
