"""The wire: its times against exact fractions, its queues, its faults, its link, and its state."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.clock import NEVER, Clock
from emu.net.wire import Wire

FREQUENCY = 100_000_000         # Hz: at 100 Mbit/s, a bit is a cycle
SHORTEST = 84 * 8               # bit times that the shortest frame occupies


class Link:
    """A wire and what has arrived at either end, with the cycle."""

    def __init__(self, frequency: int = FREQUENCY, **options: Any) -> None:
        self.clock = Clock(frequency)
        self.wire = Wire(self.clock, **options)
        self.near, self.far = self.wire.ends
        self.arrived: list[tuple[int, bytes]] = []          # at the far end
        self.returned: list[tuple[int, bytes]] = []         # at the near end
        self.far.receive = lambda frame: self.arrived.append((self.clock.now, frame))
        self.near.receive = lambda frame: self.returned.append((self.clock.now, frame))

    def frames(self) -> list[bytes]:
        return [frame for _, frame in self.arrived]

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            assert self.near.send(frame)

    def settle(self) -> None:
        while self.clock.deadline != NEVER:
            self.clock.advance(self.clock.deadline - self.clock.now)


def frame(number: int, size: int = 60) -> bytes:
    return number.to_bytes(4).ljust(size, b"\xEE")


def test_a_frame_arrives_when_its_last_bit_has() -> None:
    link = Link(delay=500)
    link.send(frame(0, 1514))
    link.clock.advance((8 + 1514 + 4) * 8 + 50 - 1)
    assert link.arrived == []
    link.clock.advance(1)
    assert link.arrived == [((8 + 1514 + 4) * 8 + 50, frame(0, 1514))]


def test_the_wire_is_free_after_the_gap() -> None:
    link = Link()
    assert link.near.free_at == 0
    link.send(frame(0, 1514))
    assert link.near.free_at == (8 + 1514 + 4 + 12) * 8


def test_a_short_frame_takes_the_time_of_the_shortest_and_arrives_as_it_is() -> None:
    link = Link(delay=0)
    link.send(b"short", b"")
    assert link.near.free_at == 2 * SHORTEST
    link.settle()
    assert link.arrived == [(SHORTEST - 96, b"short"), (2 * SHORTEST - 96, b"")]


def test_who_sends_before_the_wire_is_free_queues() -> None:
    link = Link(delay=0)
    link.send(frame(0))
    link.clock.advance(100)
    link.send(frame(1))
    assert (link.near.queued, link.near.in_flight) == (2, 2)
    link.settle()
    assert [cycle for cycle, _ in link.arrived] == [SHORTEST - 96, 2 * SHORTEST - 96]


def test_the_directions_do_not_disturb_each_other() -> None:
    link = Link(delay=0)
    link.send(frame(0))
    link.far.send(frame(1))
    link.settle()
    assert link.arrived == [(SHORTEST - 96, frame(0))]
    assert link.returned == [(SHORTEST - 96, frame(1))]


@pytest.mark.parametrize("rate", [10_000_000, 100_000_000, 155_000_000, 1_000_000_000, 7])
def test_many_frames_take_exactly_as_long_as_their_bits(rate: int) -> None:
    link = Link(frequency=450_000_000, rate=rate, queue=1000)
    link.send(*[frame(number) for number in range(1000)])
    assert link.near.free_at == ceil(Fraction(1000 * SHORTEST * 450_000_000, rate))


@given(frequency=st.integers(1, 4 * 10**9), rate=st.integers(1, 10**10), delay=st.integers(0, 10**6),
       sends=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 1600)), max_size=20))
def test_times_are_those_of_exact_fractions(frequency: int, rate: int, delay: int,
                                            sends: list[tuple[int, int]]) -> None:
    link = Link(frequency, rate=rate, delay=delay, queue=20)
    free, expected = Fraction(0), []
    for gap, size in sends:
        link.clock.advance(gap)
        link.send(bytes(size))
        last_bit = max(free, Fraction(link.clock.now, frequency)) + Fraction((8 + max(size, 60) + 4) * 8, rate)
        free = last_bit + Fraction(12 * 8, rate)
        assert link.near.free_at == ceil(free * frequency)
        expected.append((ceil((last_bit + Fraction(delay, 10**9)) * frequency), bytes(size)))
    link.settle()
    assert link.arrived == expected


def test_what_an_event_sends_leaves_at_the_cycle_it_was_due() -> None:
    link = Link(delay=0)
    event = link.clock.event("sender", lambda: link.send(frame(0)))
    event.schedule(1000)
    link.clock.now = 1100                                   # a processor's instruction was long
    link.clock.run_due()
    assert link.near.free_at == 1000 + SHORTEST


def test_a_full_queue_drops_and_counts() -> None:
    link = Link(queue=3)
    assert [link.near.send(frame(number)) for number in range(5)] == [True, True, True, False, False]
    assert (link.near.sent, link.near.dropped) == (3, 2)
    link.clock.advance(SHORTEST - 1)
    assert not link.near.send(frame(5))
    link.clock.advance(1)                                   # the first has left
    assert link.near.send(frame(6))
    link.settle()
    assert link.frames() == [frame(number) for number in (0, 1, 2, 6)]


def test_a_wire_of_one_frame_takes_one_whenever_it_is_free() -> None:
    link = Link(frequency=33_333_333, queue=1)
    for number in range(50):
        link.send(frame(number))
        link.clock.advance(link.near.free_at - link.clock.now)
    link.settle()
    assert len(link.arrived) == 50


def test_with_nobody_at_the_other_end_frames_go_into_nothing() -> None:
    link = Link()
    link.far.receive = None
    link.send(frame(0))
    link.settle()
    assert link.near.delivered == 1


def test_a_receiver_may_answer_at_once() -> None:
    link = Link(delay=0)

    def answer(data: bytes) -> None:
        link.far.send(data)

    link.far.receive = answer
    link.send(frame(0), frame(1))
    link.settle()
    assert link.returned == [(2 * (SHORTEST - 96), frame(0)), (2 * (SHORTEST - 96) + SHORTEST, frame(1))]


def test_a_listener_hears_both_directions_as_they_arrive() -> None:
    link = Link()
    heard: list[tuple[str, bytes]] = []
    link.wire.listeners.append(lambda end, data: heard.append((end.name, data)))
    link.send(frame(0))
    link.clock.advance(10)
    link.far.send(frame(1))
    link.settle()
    assert heard == [("wire.1", frame(0)), ("wire.0", frame(1))]


# Faults

def test_without_faults_every_frame_comes_once_and_in_order() -> None:
    link = Link(queue=100)
    link.send(*[frame(number) for number in range(100)])
    link.settle()
    assert link.frames() == [frame(number) for number in range(100)]
    link.clock.advance(link.near.free_at - link.clock.now)
    assert link.near.describe() == {"sent": 100, "delivered": 100, "lost": 0, "duplicated": 0, "reordered": 0,
                                    "dropped": 0, "queued": 0, "in flight": 0}


def test_what_is_lost_has_still_occupied_the_wire() -> None:
    link = Link(loss=1)
    link.send(frame(0))
    assert link.near.free_at == SHORTEST
    link.settle()
    assert (link.arrived, link.near.lost) == ([], 1)


def test_a_duplicate_comes_right_behind() -> None:
    link = Link(duplicate=1, delay=0)
    link.send(frame(0), frame(1))
    link.settle()
    assert link.arrived == [(SHORTEST - 96, frame(0))] * 2 + [(2 * SHORTEST - 96, frame(1))] * 2
    assert (link.near.sent, link.near.delivered, link.near.duplicated) == (2, 4, 2)


def test_a_frame_that_is_held_back_comes_right_behind_the_next() -> None:
    link = Link(reorder=1, delay=0)
    link.send(frame(0), frame(1), frame(2), frame(3))
    link.settle()
    assert link.frames() == [frame(1), frame(0), frame(3), frame(2)]
    assert [cycle for cycle, _ in link.arrived] == [2 * SHORTEST - 96] * 2 + [4 * SHORTEST - 96] * 2
    assert link.near.reordered == 2


def test_a_frame_that_waits_for_the_next_in_vain_comes_late() -> None:
    link = Link(reorder=1, delay=0)
    link.send(frame(0))
    assert (link.near.queued, link.near.in_flight) == (1, 1)
    link.settle()
    assert link.arrived == [(SHORTEST - 96 + FREQUENCY // 10, frame(0))]
    assert link.near.reordered == 0


def test_the_next_frame_may_come_too_late_to_overtake() -> None:
    link = Link(reorder=1, delay=0)
    link.send(frame(0))
    link.clock.advance(FREQUENCY // 10 + SHORTEST - 97)
    link.send(frame(1))
    link.settle()
    assert link.frames() == [frame(0), frame(1)]


def test_faults_come_as_often_as_asked() -> None:
    link = Link(queue=10_000, loss=0.1, duplicate=0.2, reorder=0.3)
    link.send(*[frame(number) for number in range(10_000)])
    link.settle()
    near = link.near
    assert 900 < near.lost < 1100
    assert 1650 < near.duplicated < 1950                    # of those that are not lost
    assert near.delivered == len(link.arrived) == 10_000 - near.lost + near.duplicated
    assert near.reordered > 1000


def faulty(seed: int) -> list[tuple[int, bytes]]:
    link = Link(queue=200, loss=0.1, duplicate=0.1, reorder=0.1, seed=seed)
    link.send(*[frame(number) for number in range(200)])
    link.settle()
    return link.arrived


def test_the_seed_decides() -> None:
    assert faulty(1) == faulty(1) != faulty(2)


def test_one_more_kind_of_fault_changes_no_other() -> None:
    some, more = Link(queue=200, loss=0.1), Link(queue=200, loss=0.1, duplicate=0.5)
    for link in (some, more):
        link.send(*[frame(number) for number in range(200)])
        link.settle()
    assert sorted(set(more.frames())) == some.frames()


# The link

def test_pulling_the_plug_loses_what_is_under_way_and_tells_both_ends() -> None:
    link = Link()
    told: list[tuple[str, bool]] = []
    link.near.changed = lambda up: told.append(("near", up))
    link.far.changed = lambda up: told.append(("far", up))
    link.send(frame(0), frame(1))
    link.clock.advance(SHORTEST)
    link.wire.pull()
    link.wire.pull()
    assert told == [("near", False), ("far", False)]
    assert not link.wire.up and not link.near.up and not link.far.up
    assert not link.near.send(frame(2))
    link.settle()
    assert link.frames() == [frame(0)]
    assert (link.near.lost, link.near.dropped, link.near.free_at) == (1, 1, 0)
    link.wire.plug()
    assert told[2:] == [("near", True), ("far", True)]
    link.send(frame(3))
    link.settle()
    assert link.frames() == [frame(0), frame(3)]


def test_a_frame_held_back_is_lost_with_the_link() -> None:
    link = Link(reorder=1)
    link.send(frame(0))
    link.wire.pull()
    link.settle()
    assert (link.arrived, link.near.lost) == ([], 1)


def test_a_receiver_may_pull_the_plug() -> None:
    link = Link(duplicate=1)
    link.far.receive = lambda data: link.wire.pull()
    link.send(frame(0))
    link.settle()
    assert (link.near.delivered, link.near.lost) == (1, 1)


# State

@settings(max_examples=30, deadline=None)
@given(before=st.integers(0, 30), advance=st.integers(0, 30_000), seed=st.integers(0, 3),
       faults=st.sampled_from([{}, {"loss": 0.2, "duplicate": 0.2, "reorder": 0.4}]))
def test_a_wire_goes_on_from_where_it_was_saved(before: int, advance: int, seed: int,
                                                faults: dict[str, Any]) -> None:
    link = Link(rate=155_000_000, delay=2000, queue=20, seed=seed, **faults)

    def run_on(link: Link) -> tuple[list[tuple[int, bytes]], list[tuple[int, bytes]], dict[str, Any]]:
        del link.arrived[:], link.returned[:]
        for number in range(30):
            link.near.send(frame(number, 60 + 10 * number))
            link.far.send(frame(number))
            link.clock.advance(500)
        link.settle()
        return list(link.arrived), list(link.returned), link.wire.describe()

    for number in range(before):
        link.near.send(frame(number))
    link.clock.advance(advance)
    text = json.dumps([link.clock.save(), link.wire.save()])
    other = Link(rate=155_000_000, delay=2000, queue=20, seed=99, **faults)
    for each in (link, other):                              # a wire that has run goes back, too
        if each is other:
            each.near.send(frame(77))
    expected = run_on(link)
    for each in (link, other):
        clock, wire = json.loads(text)
        each.clock.load(clock)
        each.wire.load(wire)
        assert run_on(each) == expected


def test_the_state_of_the_link_is_kept() -> None:
    link = Link()
    link.wire.pull()
    other = Link()
    other.wire.load(json.loads(json.dumps(link.wire.save())))
    assert not other.wire.up and not other.near.send(frame(0))


def test_a_flooded_wire_stays_small() -> None:
    link = Link(queue=64, duplicate=0.5, delay=0)
    for number in range(20_000):
        link.near.send(frame(number))
        link.clock.advance(10)
        assert link.near.in_flight <= 130 and link.near.queued <= 64 and len(link.clock._queue) < 1000


@pytest.mark.parametrize(("options", "message"), [
    ({"rate": 0}, "a wire's rate is at least 1, not 0"),
    ({"delay": -1}, "a wire's delay is at least 0, not -1"),
    ({"queue": 0}, "a wire's queue is at least 1, not 0"),
    ({"loss": 1.5}, "a wire's loss is a chance between 0 and 1, not 1.5"),
    ({"reorder": float("nan")}, "a wire's reorder is a chance between 0 and 1, not nan"),
])
def test_a_wire_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wire(Clock(FREQUENCY), **options)


def test_a_wire_describes_itself_and_changes_nothing() -> None:
    link = Link(rate=10_000_000, delay=1000, loss=0.5, seed=3)
    link.send(frame(0))
    before = link.wire.save()
    described = link.wire.describe()
    assert link.wire.save() == before
    assert described["rate"] == 10_000_000 and described["loss"] == 0.5 and described["up"] is True
    assert described["wire.0 sent"] == 1 and described["wire.1 sent"] == 0
