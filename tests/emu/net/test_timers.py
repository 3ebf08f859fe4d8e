"""Timers against a dictionary of what is set."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from emu.clock import Clock
from emu.net.timers import SLACK, Timers

calls = st.lists(st.one_of(
    st.tuples(st.just("set"), st.integers(0, 4), st.integers(0, 50)),
    st.tuples(st.just("clear"), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("advance"), st.just(0), st.integers(0, 30))), max_size=60)


class Rings:
    """Timers, and what has rung when."""

    def __init__(self) -> None:
        self.clock = Clock(1000)
        self.rung: list[tuple[int, int]] = []
        self.timers = Timers(self.clock, "timers", lambda number: self.rung.append((self.clock.now, number)))

    def do(self, call: tuple[str, int, int]) -> None:
        word, number, cycles = call
        if word == "set":
            self.timers.set(number, self.clock.now + cycles)
        elif word == "clear":
            self.timers.clear(number)
        else:
            self.clock.advance(cycles)


@given(calls)
def test_each_alarm_rings_once_at_its_cycle(history: list[tuple[str, int, int]]) -> None:
    rings, alarms, expected, now = Rings(), dict[int, int](), list[tuple[int, int]](), 0
    for word, number, cycles in [*history, ("advance", 0, 100)]:
        rings.do((word, number, cycles))
        if word == "set":
            alarms[number] = now + cycles
        elif word == "clear":
            alarms.pop(number, None)
        else:
            for due in range(now, now + cycles + 1):
                expected += [(due, each) for each in sorted(alarms) if alarms[each] == due]
                alarms = {each: cycle for each, cycle in alarms.items() if cycle != due}
            now += cycles
        assert len(rings.timers) == len(alarms) and all(each in rings.timers for each in alarms)
    assert sorted(rings.rung) == sorted(expected)


def test_an_alarm_may_be_set_while_it_rings() -> None:
    clock, rung = Clock(1000), list[int]()

    def ring(number: int) -> None:
        rung.append(clock.now)
        if len(rung) < 4:
            timers.set(number, clock.now + 10 * (len(rung) != 2))

    timers = Timers(clock, "timers", ring)
    timers.set(1, 5)
    clock.advance(100)
    assert rung == [5, 15, 15, 25]


@settings(max_examples=50)
@given(calls, calls)
def test_load_goes_on_from_where_it_was_saved(before: list[tuple[str, int, int]],
                                              after: list[tuple[str, int, int]]) -> None:
    rings, other = Rings(), Rings()
    for call in before:
        rings.do(call)
    text = json.dumps([rings.clock.save(), rings.timers.save()])
    for call in after:
        other.do(call)
    for part, saved in zip((other.clock, other.timers), json.loads(text), strict=True):
        part.load(saved)
    assert [other.clock.save(), other.timers.save()] == json.loads(text)
    rings.rung, other.rung = [], []
    for call in [*after, ("advance", 0, 100)]:
        rings.do(call)
        other.do(call)
    assert other.rung == rings.rung
    assert [other.clock.save(), other.timers.save()] == [rings.clock.save(), rings.timers.save()]


def test_alarms_that_are_put_off_or_brought_forward_for_ever_take_no_more_room() -> None:
    rings = Rings()
    for at in range(5000):
        rings.timers.set(1, 10_000 - at)
        rings.timers.set(2, 10_000 + at)
        rings.timers.set(3 + at, 1 + at)
        rings.timers.clear(3 + at)
        assert len(rings.timers._queue) <= 2 * 3 + SLACK
    rings.clock.advance(20_000)
    assert rings.rung == [(5001, 1), (14_999, 2)]
