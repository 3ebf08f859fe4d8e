"""The snapshots of a run are bounded in number and size, and lie the closer the later they are."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from emu.memory import PAGE
from emu.monitor.travel.history import History, Moment, Position


def moment(count: int, pages: tuple[Any, ...] = ()) -> Moment:
    """One after `count` instructions, of a machine that has done nothing else."""
    processor = SimpleNamespace(model=b"", registers=b"")
    snapshot: Any = SimpleNamespace(pages=pages, processor=processor, console=b"")
    return Moment(Position(count, count), snapshot, 0)


def counts(history: History) -> list[int]:
    return [each.position.instructions for each in history._moments]


def filled(total: int, most: int) -> History:
    history = History(moment(0), 10, most, 1 << 40)
    for count in range(10, total + 1, 10):
        history.add(moment(count))
    return history


def test_no_more_moments_are_kept_than_asked_for() -> None:
    history = filled(10_000, 20)
    assert len(counts(history)) == 20 and history.next_count == 10_010


def test_moments_lie_the_closer_the_later_they_are() -> None:
    found = counts(filled(10_000, 20))
    gaps = [after - before for before, after in pairwise(found)]
    assert found[0] == 0 and found[-1] == 10_000
    assert gaps[-1] <= 20 and gaps[0] >= 500
    assert all(gap <= (10_010 - before) for gap, before in zip(gaps, found, strict=False))


def test_moments_take_no_more_room_than_asked_for() -> None:
    history = History(moment(0), 10, 1000, 5 * PAGE)
    for count in range(10, 1000, 10):
        history.add(moment(count, (object(),)))
    assert sum(each.cost for each in history._moments) <= 5 * PAGE and len(counts(history)) == 7


def test_the_moment_before_a_position_is_the_last_one_not_behind_it() -> None:
    history = filled(100, 50)
    for limit in range(0, 120):
        expected = max(count for count in counts(history) if count <= limit)
        assert history.before(Position(limit, limit), 1 << 62).position.instructions == expected
    assert history.before(Position(95, 95), 42).position.instructions == 40
    assert history.before(Position(-1, 0), 5).position.instructions == 0


def test_what_lies_behind_a_position_is_forgotten_but_never_the_start() -> None:
    history = filled(100, 50)
    history.forget_after(Position(40, 40))
    assert counts(history) == [0, 10, 20, 30, 40]
    history.forget_after(Position(-5, 0))
    assert counts(history) == [0]


@pytest.mark.parametrize(("interval", "most"), [(0, 10), (10, 1)])
def test_a_history_without_room_is_refused(interval: int, most: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        History(moment(0), interval, most, 1)
