"""Virtual time: the event queue against a sorted list, crystals against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.clock import NEVER, Clock, Event


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000)


def recorder(clock: Clock, log: list[tuple[str, int]], name: str) -> Event:
    """An event that notes its name and the cycle at which it runs."""
    return clock.event(name, lambda: log.append((name, clock.now)))


def test_a_new_clock_stands_at_zero_and_expects_nothing(clock: Clock) -> None:
    assert (clock.now, clock.deadline) == (0, NEVER)


@pytest.mark.parametrize("frequency", [0, -1])
def test_a_frequency_that_is_not_positive_is_refused(frequency: int) -> None:
    with pytest.raises(ValueError, match=f"must be positive, not {frequency}"):
        Clock(frequency)


def test_two_events_cannot_share_a_name(clock: Clock) -> None:
    clock.event("tick", lambda: None)
    with pytest.raises(ValueError, match="two events are called 'tick'"):
        clock.event("tick", lambda: None)


def test_every_event_is_found_by_its_name(clock: Clock) -> None:
    tick = clock.event("tick", lambda: None)
    assert clock.events == {"tick": tick}


def test_an_event_runs_once_at_the_cycle_it_was_scheduled_for(clock: Clock) -> None:
    log: list[tuple[str, int]] = []
    recorder(clock, log, "a").schedule(7)
    clock.advance(6)
    assert log == []
    clock.advance(1)
    clock.advance(100)
    assert log == [("a", 7)]


def test_events_of_one_cycle_run_in_the_order_of_scheduling(clock: Clock) -> None:
    log: list[tuple[str, int]] = []
    events = [recorder(clock, log, name) for name in "abc"]
    for at in (2, 0, 1):
        events[at].schedule(5)
    clock.advance(5)
    assert [name for name, _ in log] == ["c", "a", "b"]


def test_scheduling_again_replaces_the_earlier_cycle(clock: Clock) -> None:
    log: list[tuple[str, int]] = []
    event = recorder(clock, log, "a")
    event.schedule(3)
    event.schedule(9)
    assert (clock.deadline, event.cycle) == (9, 9)
    clock.advance(20)
    assert log == [("a", 9)]


def test_a_cancelled_event_does_not_run(clock: Clock) -> None:
    log: list[tuple[str, int]] = []
    event = recorder(clock, log, "a")
    event.schedule(3)
    event.cancel()
    assert (clock.deadline, event.cycle) == (NEVER, NEVER)
    clock.advance(5)
    assert log == []


def test_cancelling_what_is_not_scheduled_does_nothing(clock: Clock) -> None:
    event = clock.event("a", lambda: None)
    event.cancel()
    clock.advance(1)
    event.cancel()
    assert clock.deadline == NEVER


def test_an_event_for_the_past_runs_at_the_next_chance_and_time_stays(clock: Clock) -> None:
    log: list[tuple[str, int]] = []
    clock.advance(10)
    recorder(clock, log, "a").schedule(4)
    clock.run_due()
    assert log == [("a", 10)]


def test_an_event_is_no_longer_scheduled_while_its_action_runs(clock: Clock) -> None:
    seen: list[int] = []
    event = clock.event("a", lambda: seen.append(event.cycle))
    event.schedule(3)
    clock.advance(3)
    assert seen == [NEVER]


def test_an_event_may_schedule_itself_again(clock: Clock) -> None:
    log: list[int] = []

    def tick() -> None:
        log.append(clock.now)
        event.schedule(clock.now + 4)

    event = clock.event("tick", tick)
    event.schedule(4)
    clock.advance(17)
    assert (log, clock.deadline) == ([4, 8, 12, 16], 20)


def test_what_an_action_schedules_for_now_runs_too(clock: Clock) -> None:
    log: list[tuple[str, int]] = []
    second = recorder(clock, log, "second")
    clock.event("first", lambda: second.schedule(clock.now)).schedule(5)
    clock.advance(5)
    assert log == [("second", 5)]


def test_an_action_may_cancel_an_event_of_the_same_cycle(clock: Clock) -> None:
    log: list[tuple[str, int]] = []
    victim = recorder(clock, log, "victim")
    clock.event("first", victim.cancel).schedule(5)
    victim.schedule(5)
    clock.advance(5)
    assert log == []


@given(st.lists(st.tuples(st.sampled_from(["schedule", "cancel", "advance"]), st.integers(0, 4), st.integers(0, 12)),
                max_size=60))
def test_any_history_runs_like_a_sorted_list_of_what_is_pending(steps: list[tuple[str, int, int]]) -> None:
    clock, log = Clock(1), list[tuple[str, int]]()
    events = [recorder(clock, log, str(n)) for n in range(5)]
    pending: dict[int, tuple[int, int]] = {}                 # event -> (cycle, order of scheduling): the model
    expected: list[tuple[str, int]] = []
    now = 0
    for order, (what, which, cycles) in enumerate(steps):
        if what == "schedule":
            pending[which] = (now + cycles, order)
            events[which].schedule(now + cycles)
        elif what == "cancel":
            pending.pop(which, None)
            events[which].cancel()
        else:
            now += cycles
            for each in sorted((each for each in pending if pending[each][0] <= now), key=pending.__getitem__):
                expected.append((str(each), pending.pop(each)[0]))
            clock.advance(cycles)
        assert log == expected
        assert clock.deadline == min((cycle for cycle, _ in pending.values()), default=NEVER)
        assert clock.now == now


FREQUENCIES = st.fractions(min_value=Fraction(1, 1000), max_value=10**10)


@given(st.integers(1, 10**10), FREQUENCIES, st.integers(0, 10**15))
def test_ticks_are_the_whole_periods_that_have_passed(processor: int, crystal: Fraction, now: int) -> None:
    clock = Clock(processor)
    clock.now = now
    assert clock.ticks(crystal).now == now * crystal // processor


@given(st.integers(1, 10**10), FREQUENCIES, st.integers(1, 10**12))
def test_a_tick_begins_at_its_cycle_and_not_before(processor: int, crystal: Fraction, tick: int) -> None:
    clock = Clock(processor)
    ticks = clock.ticks(crystal)
    clock.now = ticks.cycle(tick)
    assert ticks.now >= tick
    clock.now -= 1
    assert ticks.now < tick


def test_a_crystal_does_not_drift_in_a_year() -> None:
    clock = Clock(100_000_000)
    clock.now = 100_000_000 * 86_400 * 365
    assert clock.ticks(Fraction(14_318_180, 12)).now == 14_318_180 * 86_400 * 365 // 12
