"""Which ends belong to which begins: crossings of a run paired up, by their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import Bits, Kind

ENTRIES = (Kind.EXCEPTION, Kind.SOFTWARE, Kind.INTERRUPT, Kind.SYSENTER, Kind.CALL_GATE)
RETURNS = (Kind.SYSEXIT, Kind.IRET, Kind.RETF)
Mask = NDArray[np.bool_]
Pairs = NDArray[np.int64]       # rows of two numbers, begin and end, in order of the begins
CR3 = 0xFFFFF000                # of `space`


def pair(begins: Mask, ends: Mask, threads: NDArray[Any], nesting: str) -> Pairs:
    """Pairs of which begin and end have the same thread; begins and ends tell which records could be one.

    `nesting`: "latest", a pair begins as late as it can; "first", as early as it can, but behind the end before;
    "nested", as brackets do. A record that could be both ends a pair first.
    """
    if nesting == "nested":
        return _nested(begins, ends, threads)
    begin, end = (np.sort(_by_thread(threads, np.flatnonzero(mask))) for mask in (begins, ends))
    if not len(begin) or not len(end):
        return _rows(begin[:0], begin[:0])
    start = end // len(begins) * len(begins)                            # from where on this end may find its begin:
    start[1:] = np.maximum(start[1:], end[:-1])                         # the end before, if it is of the same thread
    at = np.searchsorted(begin, start) if nesting == "first" else np.searchsorted(begin, end) - 1
    found = begin[np.clip(at, 0, len(begin) - 1)]
    good = (found >= start) & (found < end)
    return _rows(found[good] % len(begins), end[good] % len(begins))


def _nested(begins: Mask, ends: Mask, threads: NDArray[Any]) -> Pairs:
    open_ones: dict[int, list[int]] = {}
    found: list[tuple[int, int]] = []
    numbers = np.flatnonzero(begins | ends)
    for number, thread, begin, end in zip(numbers.tolist(), threads[numbers].tolist(), begins[numbers].tolist(),
                                          ends[numbers].tolist(), strict=True):
        stack = open_ones.setdefault(thread, [])
        if end and stack:
            found.append((stack.pop(), number))
        if begin:
            stack.append(number)
    return _rows(*np.array(found, np.int64).reshape(-1, 2).T)


class Returns:
    """Which return leads back from where.

    Threads have a stack of entries each. A return undoes the latest entry of its thread that came from the ring to
    which it leads; an entry from ring 3 finds the kernel's stack empty. A return to ring 3 with another CR3 than the
    entry had begins a new program on the stack of one that never returned.
    """

    def __init__(self, crossings: NDArray[Any]) -> None:
        """Of these crossings."""
        entries, returns = np.isin(crossings["kind"], ENTRIES), np.isin(crossings["kind"], RETURNS)
        self._numbers = np.flatnonzero(entries | returns)
        self._threads = crossings["thread"]
        self._undone, self._inside = self._match(entries[self._numbers], crossings["space"][self._numbers])

    def pair(self, begins: Mask, ends: Mask) -> Pairs:
        """Pairs of a begin and the return from the entry in which it is, or which it is, if that is one of `ends`."""
        begin = np.flatnonzero(begins)
        if not len(begin) or not len(self._numbers):
            return _rows(begin[:0], begin[:0])
        known = _by_thread(self._threads, self._numbers)
        order = np.argsort(known)
        last = np.searchsorted(known, _by_thread(self._threads, begin), "right", sorter=order) - 1
        at = order[np.maximum(last, 0)]                                 # the entry or return before, or itself
        is_same = (last >= 0) & (self._threads[self._numbers[at]] == self._threads[begin])
        entry = np.where(is_same, self._inside[at], -1)
        back = np.where(entry >= 0, self._undone[entry], -1)
        good = (back >= 0) & ends[back]
        return _rows(begin[good], back[good])

    def _match(self, entries: Mask, space: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each entry or return: the number of the crossing that undoes it, and the innermost entry behind it, by
        its place among them; -1 if there is none.
        """
        undone, inside = [-1] * len(entries), [-1] * len(entries)
        stacks: dict[int, list[tuple[int, int, int]]] = {}              # (place, ring before, CR3) of entries
        levels, before, directories = space & Bits.TO, space >> 2 & Bits.TO, space & CR3
        rows = zip(self._numbers.tolist(), self._threads[self._numbers].tolist(), entries.tolist(), levels.tolist(),
                   before.tolist(), directories.tolist(), strict=True)
        for place, (number, thread, enters, to, origin, cr3) in enumerate(rows):
            stack = stacks.get(thread)
            if stack is None:
                stack = stacks[thread] = []
            if enters:
                if origin == 3:
                    stack.clear()
                stack.append((place, origin, cr3))
            else:
                at = len(stack) - 1
                while at >= 0 and stack[at][1] != to:
                    at -= 1
                if at >= 0:
                    entry, _, entered = stack[at]
                    if to != 3 or cr3 == entered:
                        undone[entry] = number
                    del stack[at:]
            if stack:
                inside[place] = stack[-1][0]
        return np.array(undone, np.int64), np.array(inside, np.int64)


def _by_thread(threads: NDArray[Any], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of records such that those of a thread follow each other; there are less than 2^31 records."""
    return threads[numbers].astype(np.int64) * len(threads) + numbers


def _rows(begins: NDArray[Any], ends: NDArray[Any]) -> Pairs:
    order = np.argsort(begins, kind="stable")
    return np.stack([begins[order], ends[order]], axis=1)
