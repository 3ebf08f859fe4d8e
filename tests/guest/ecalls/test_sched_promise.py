"""What DWCS promises, by search: every way in which processes can wait and come back, and every choice between equal
deadlines. The kernel decides as the model does (test_sched_dwcs.py), which is one of these ways.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import pytest

Task = tuple[int, int]                          # period T and runtime C
State = tuple[tuple[bool, int, int], ...]       # of each: it can run, slots to get, slots until its period is over


def total(tasks: tuple[Task, ...]) -> Fraction:
    """What they want of the processor."""
    return sum((Fraction(runtime, period) for period, runtime in tasks), Fraction(0))


def sets(count: int, longest: int) -> Iterator[tuple[Task, ...]]:
    """All sets of so many tasks."""
    tasks = [(period, runtime) for period in range(1, longest + 1) for runtime in range(1, period + 1)]
    return itertools.combinations_with_replacement(tasks, count)


def misses(tasks: tuple[Task, ...], *, rule: bool = True) -> bool:
    """Whether any of them can ever miss a period; `rule`: who comes back may get a new one (window_wake)."""
    first: State = tuple((True, runtime, period) for period, runtime in tasks)
    known, todo = {first}, [first]
    while todo:
        for state in following(todo.pop(), tasks, rule):
            if state is None:
                return True
            if state not in known:
                known.add(state)
                todo.append(state)
    return False


def following(state: State, tasks: tuple[Task, ...], rule: bool) -> Iterator[State | None]:
    """What can be when the next slot begins; None: a period has been missed."""
    for ready in itertools.product((True, False), repeat=len(tasks)):
        now = [woken(each, task, rule) if can and not each[0] else (can, *each[1:])
               for each, task, can in zip(state, tasks, ready, strict=True)]
        wanting = [at for at, (can, left, _) in enumerate(now) if can and left]
        earliest = min((now[at][2] for at in wanting), default=0)
        for at in [at for at in wanting if now[at][2] == earliest] or [None]:
            yield later(now, tasks, at)


def woken(each: tuple[bool, int, int], task: Task, rule: bool) -> tuple[bool, int, int]:
    """A process that comes back."""
    _, left, time = each
    period, runtime = task
    if time == 0 or (rule and left * period > time * runtime):
        return True, runtime, period
    return True, left, time


def later(now: list[tuple[bool, int, int]], tasks: tuple[Task, ...], runs: int | None) -> State | None:
    """The same behind a slot that one of them had."""
    then = []
    for at, ((can, left, time), (period, runtime)) in enumerate(zip(now, tasks, strict=True)):
        left, time = left - (at == runs), max(time - 1, 0)
        if can and not time:
            if left:
                return None
            left, time = runtime, period
        then.append((can, left, time))
    return tuple(then)


@pytest.mark.parametrize(("count", "longest"), [(2, 5), (3, 3)])
def test_shares_up_to_one_never_miss_and_more_always_can(count: int, longest: int) -> None:
    for tasks in sets(count, longest):
        assert misses(tasks) == (total(tasks) > 1), tasks


@pytest.mark.long
@pytest.mark.parametrize(("count", "longest"), [(2, 8), (3, 4), (4, 3)])
def test_nor_do_larger_ones(count: int, longest: int) -> None:
    for tasks in sets(count, longest):
        assert misses(tasks) == (total(tasks) > 1), tasks


def test_without_the_rule_for_those_who_come_back_one_who_has_waited_makes_another_one_miss() -> None:
    assert misses(((4, 2), (2, 1)), rule=False) and not misses(((4, 2), (2, 1)))
