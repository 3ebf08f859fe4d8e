"""Sets of words in order of use, against Python lists."""

from __future__ import annotations

import ctypes
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.timing.associative import (
    LARGE,
    MARK,
    SLOT_MASK,
    SLOT_SHIFT,
    clear,
    clear_unmarked,
    drop,
    insert,
    key_of,
    mark,
    promote,
    set_of,
)
from emu.timing.model import Model, model_at

PROMOTE, INSERT, DROP, MARKING, CLEAR, CLEAR_UNMARKED = range(6)


@numba.njit
def perform(record: int, table: int, mask: int, ways: int, operations: Any, results: Any) -> None:
    """Carry out rows of (operation, number, word); what each returns goes to `results`."""
    m = model_at(record)
    for i in range(len(operations)):
        operation, number, word = operations[i]
        first = set_of(table, mask, ways, number)
        key = key_of(number)
        results[i] = 0
        if operation == PROMOTE:
            results[i] = promote(m, first, ways, key)
        elif operation == INSERT:
            results[i] = -1 if promote(m, first, ways, key) else insert(m, first, ways, word)
        elif operation == DROP:
            results[i] = drop(m, first, ways, key)
        elif operation == MARKING:
            if promote(m, first, ways, key):
                mark(m, first)
        elif operation == CLEAR:
            results[i] = clear(m, table, mask, ways)
        else:
            clear_unmarked(m, table, mask, ways)


class Table:
    """A native table in a buffer of its own."""

    def __init__(self, sets: int, ways: int) -> None:
        self.record, self.words = Model(), np.zeros((sets, ways), np.int64)
        self.sets, self.ways = sets, ways

    def run(self, operations: list[tuple[int, int, int]]) -> list[int]:
        rows = np.array([(kind, number, number << 24 | note | 1) for kind, number, note in operations], np.int64)
        results = np.zeros(len(rows), np.int64)
        perform(ctypes.addressof(self.record), int(self.words.ctypes.data), self.sets - 1, self.ways, rows, results)
        return [int(result) for result in results]

    def sets_of_words(self) -> list[list[int]]:
        return [[int(word) for word in each] for each in self.words]


class Oracle:
    """The same with lists: (number, marked, slot) in each set, most recent first."""

    def __init__(self, sets: int, ways: int) -> None:
        self.held: list[list[tuple[int, bool, int]]] = [[] for _ in range(sets)]
        self.ways = ways

    @staticmethod
    def word(entry: tuple[int, bool, int] | None) -> int:
        return entry[0] << 24 | entry[2] << SLOT_SHIFT | (MARK if entry[1] else 0) | 1 if entry else 0

    def find(self, number: int) -> tuple[int, bool, int] | None:
        return next((each for each in self.held[number % len(self.held)] if each[0] == number), None)

    def perform(self, kind: int, number: int, note: int) -> int:
        entries, entry = self.held[number % len(self.held)], self.find(number)
        if kind in (PROMOTE, INSERT, MARKING) and entry:
            entries.remove(entry)
            entries.insert(0, (number, entry[1] or kind == MARKING, entry[2]))
            return {PROMOTE: self.word(entry), INSERT: -1, MARKING: 0}[kind]
        if kind == INSERT:
            entries.insert(0, (number, bool(note & MARK), note >> SLOT_SHIFT))
            return self.word(entries.pop()) if len(entries) > self.ways else 0
        if kind == DROP and entry:
            entries.remove(entry)
            return self.word(entry)
        marked = sum(each[1] for entries in self.held for each in entries)
        if kind in (CLEAR, CLEAR_UNMARKED):
            self.held = [[each for each in entries if kind == CLEAR_UNMARKED and each[1]] for entries in self.held]
        return marked if kind == CLEAR else 0


def notes() -> st.SearchStrategy[int]:
    return st.builds(lambda marked, slot: (MARK if marked else 0) | slot << SLOT_SHIFT,
                     st.booleans(), st.integers(0, SLOT_MASK))


kinds = st.sampled_from([PROMOTE] * 4 + [INSERT] * 6 + [DROP, MARKING] * 2 + [CLEAR, CLEAR_UNMARKED])


@settings(deadline=None)        # the first call compiles
@given(st.sampled_from([1, 2, 8]), st.integers(1, 6), st.data())
def test_a_table_holds_what_lists_in_order_of_use_hold(sets: int, ways: int, data: st.DataObject) -> None:
    operations = data.draw(st.lists(st.tuples(kinds, st.integers(0, 3 * sets * ways), notes()), min_size=1))
    table, oracle = Table(sets, ways), Oracle(sets, ways)
    assert table.run(operations) == [oracle.perform(*operation) for operation in operations]
    assert table.sets_of_words() == [[*map(oracle.word, each), *[0] * (ways - len(each))] for each in oracle.held]


def test_the_word_used_least_recently_leaves() -> None:
    table = Table(1, 2)
    results = table.run([(INSERT, 1, 0), (INSERT, 2, 0), (PROMOTE, 1, 0), (INSERT, 3, 0)])
    assert results[-1] == 2 << 24 | 1


def test_numbers_of_different_sets_do_not_disturb_each_other() -> None:
    table = Table(2, 1)
    table.run([(INSERT, 4, 0), (INSERT, 5, 0)])
    assert table.sets_of_words() == [[4 << 24 | 1], [5 << 24 | 1]]


def test_a_large_page_is_not_the_small_page_of_the_same_number() -> None:
    table = Table(1, 2)
    table.run([(INSERT, 7, LARGE)])
    assert table.run([(PROMOTE, 7, 0)]) == [0]


@pytest.mark.parametrize(("operation", "counts"), [
    ((PROMOTE, 1, 0), 0), ((PROMOTE, 9, 0), 0), ((INSERT, 9, 0), 1), ((DROP, 1, 0), 1), ((DROP, 9, 0), 0),
    ((MARKING, 1, 0), 1), ((MARKING, 2, 0), 0)])
def test_changes_of_contents_count_and_changes_of_order_do_not(operation: tuple[int, int, int], counts: int) -> None:
    table = Table(1, 4)
    table.run([(INSERT, 1, 0), (INSERT, 2, MARK), (INSERT, 3, 0)])
    before = table.record.changes
    table.run([operation])
    assert table.record.changes == before + counts


@settings(deadline=None)        # the first call compiles
@given(st.lists(st.integers(0, 12), min_size=1))
def test_the_same_accesses_again_leave_the_order_as_it_was(numbers: list[int]) -> None:
    table = Table(2, 8)
    uses = [(INSERT, number, 0) for number in numbers]
    table.run(uses)
    before, changes = table.sets_of_words(), table.record.changes
    table.run(uses)
    assert (table.sets_of_words(), table.record.changes) == (before, changes)
