"""UDP load: the times of a source, what a sink makes of them, and echoes."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.net.packets import BROADCAST, Ethernet, EtherType
from emu.net.udp import MAGIC, STAMP, Echo, Sink, Source
from tests.emu.net.pair import FREQUENCY, GUEST, GUEST_MAC, HOST, HOST_MAC, Pair, catch

OVERHEAD = 8 + 42 + 4               # bytes on the wire before and behind a payload, without the gap
MILLISECOND = 1_000_000             # ns


@pytest.fixture
def pair() -> Pair:
    """Two hosts that know each other, on a wire without delay."""
    return known()


def known(**options: Any) -> Pair:
    pair = Pair(**({"delay": 0} | options))
    pair.host.addresses[GUEST] = GUEST_MAC
    pair.guest.addresses[HOST] = HOST_MAC
    return pair


def stamp(sequence: int, cycle: int = 0) -> bytes:
    return STAMP.pack(MAGIC, sequence, cycle)


# Source

def sent_at(pair: Pair, size: int) -> list[int]:
    """The cycle at which each datagram's first bit leaves, as told by its arrival."""
    cycles: list[int] = []
    pair.guest.listen(9, lambda packet, datagram: cycles.append(pair.clock.now - (OVERHEAD + size) * 8))
    pair.settle()
    return cycles


@given(size=st.integers(18, 1472), rate=st.integers(1_000_000, 90_000_000), start=st.integers(0, 10_000))
def test_datagrams_are_spaced_to_the_cycle(size: int, rate: int, start: int) -> None:
    pair = known(rate=1_000_000_000)
    cycles: list[int] = []
    pair.guest.listen(9, lambda packet, datagram: cycles.append(STAMP.unpack_from(datagram.payload)[2]))
    Source(pair.host, GUEST, rate, size=size, start=start, count=10)
    pair.settle()
    first = ceil(Fraction(start * FREQUENCY, 10**9))
    assert cycles == [first + ceil(Fraction(number * size * 8 * FREQUENCY, rate)) for number in range(10)]


def test_a_rate_may_be_in_frames(pair: Pair) -> None:
    Source(pair.host, GUEST, frames=1000, size=100, count=4)
    assert sent_at(pair, 100) == [0, 100_000, 200_000, 300_000]


def test_a_source_stops_at_its_time(pair: Pair) -> None:
    Source(pair.host, GUEST, frames=1000, start=2 * MILLISECOND, stop=5 * MILLISECOND)
    assert sent_at(pair, 1000) == [200_000, 300_000, 400_000]


def test_a_source_that_is_plugged_in_late_begins_at_once(pair: Pair) -> None:
    pair.clock.advance(250_000)
    Source(pair.host, GUEST, frames=1000, start=MILLISECOND, count=2)
    assert sent_at(pair, 1000) == [250_000, 350_000]


def test_a_source_of_no_datagrams_sends_none(pair: Pair) -> None:
    Source(pair.host, GUEST, frames=1000, count=0)
    assert sent_at(pair, 1000) == []


def test_the_payload_tells_number_and_time(pair: Pair) -> None:
    payloads = catch(pair.guest, 77)
    Source(pair.host, GUEST, frames=1000, size=20, count=2, port=77, source=5)
    pair.settle()
    assert payloads == [stamp(0) + bytes(4), stamp(1, 100_000) + bytes(4)]


def test_a_source_looks_for_its_destination_before_it_begins() -> None:
    pair = Pair()
    payloads = catch(pair.guest, 9)
    source = Source(pair.host, GUEST, frames=1000, count=3)
    pair.settle()
    assert [STAMP.unpack_from(payload)[1:] for payload in payloads] == [
        (0, 100_000), (1, 200_000), (2, 300_000)]
    assert pair.frames[0][:6] == BROADCAST and Ethernet.parse(pair.frames[0]).type == EtherType.ARP
    assert (source.sequence, source.refused, pair.host.unreachable) == (3, 0, 0)


def test_a_source_goes_on_looking_while_the_guest_boots() -> None:
    pair = Pair()
    payloads = catch(pair.guest, 9)
    receive, pair.wire.ends[0].receive = pair.wire.ends[0].receive, None
    Source(pair.host, GUEST, frames=1000, count=3)
    pair.clock.advance(FREQUENCY)
    assert payloads == []
    assert 95 <= len(pair.frames) <= 105                    # ARP requests, a hundred a second
    pair.wire.ends[0].receive = receive
    pair.settle()
    assert len(payloads) == 3


def test_a_source_that_is_told_the_ethernet_address_asks_nobody() -> None:
    pair = Pair()
    payloads = catch(pair.guest, 9)
    Source(pair.host, GUEST, frames=1000, count=1, mac=GUEST_MAC)
    pair.settle()
    assert len(payloads) == len(pair.frames) == 1


def test_a_source_is_not_slowed_down_by_the_wire() -> None:
    pair = known(rate=10_000_000, queue=4)
    sink = Sink(pair.guest)
    source = Source(pair.host, GUEST, 20_000_000, count=100)
    pair.settle()
    assert source.sequence == 100
    assert source.refused == pair.wire.ends[1].dropped == 100 - sink.datagrams
    assert 45 < source.refused < 55
    assert source.describe()["sent"] == sink.datagrams


@pytest.mark.parametrize(("options", "message"), [
    ({}, "a UDP source has a rate or a number of frames a second, one of the two"),
    ({"rate": 1, "frames": 1}, "a UDP source has a rate or a number of frames a second, one of the two"),
    ({"rate": 0}, "a UDP source sends more than nothing a second"),
    ({"frames": 0}, "a UDP source sends more than nothing a second"),
    ({"rate": 1, "size": 15}, "a UDP source sends 16 to 1472 bytes in a datagram, not 15"),
    ({"rate": 1, "size": 1473}, "a UDP source sends 16 to 1472 bytes in a datagram, not 1473"),
    ({"rate": 1, "port": 65_536}, "there is no UDP port 65536"),
    ({"rate": 1, "source": -1}, "there is no UDP port -1"),
])
def test_a_source_that_cannot_be_is_refused(pair: Pair, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Source(pair.host, GUEST, **options)


# Sink

def feed(pair: Pair, *payloads: bytes) -> Sink:
    sink = Sink(pair.host)
    for payload in payloads:
        pair.guest.send_udp(5, HOST, 9, payload)
        pair.settle()
    return sink


def order(sink: Sink) -> tuple[int, int, int]:
    return sink.missing, sink.duplicates, sink.reordered


@pytest.mark.parametrize(("sequence", "expected"), [
    ([], (0, 0, 0)),
    ([0, 1, 2], (0, 0, 0)),
    ([0, 2, 3], (1, 0, 0)),                                 # one is missing
    ([2], (2, 0, 0)),                                       # those before the first, too
    ([0, 2, 1, 3], (0, 0, 1)),                              # it was only late
    ([0, 1, 1, 2, 0], (0, 2, 0)),
    ([0, 2, 1, 1], (0, 1, 1)),
    ([0, 5000, 1, 1], (4997, 0, 2)),                        # too late to know whether it came before
    ([0, 4_000_000_000], (3_999_999_999, 0, 0)),
])
def test_a_sink_tells_the_order(pair: Pair, sequence: list[int], expected: tuple[int, int, int]) -> None:
    sink = feed(pair, *map(stamp, sequence))
    assert order(sink) == expected


@given(st.lists(st.integers(0, 50), max_size=40))
def test_order_against_a_set(sequence: list[int]) -> None:
    sink = feed(known(), *map(stamp, sequence))
    seen: set[int] = set()
    duplicates = reordered = 0
    for number in sequence:
        if number in seen:
            duplicates += 1
        elif seen and number < max(seen):
            reordered += 1
        seen.add(number)
    assert order(sink) == (max(seen, default=-1) + 1 - len(seen), duplicates, reordered)


def test_a_sink_measures_what_a_source_sends(pair: Pair) -> None:
    sink = Sink(pair.guest)
    Source(pair.host, GUEST, 8_000_000, size=1000, count=11)
    pair.settle()
    arrival = (OVERHEAD + 1000) * 8
    assert sink.describe() == {
        "datagrams": 11, "bytes": 11_000, "first": arrival, "last": arrival + 10 * 100_000, "goodput": 8_000_000,
        "missing": 0, "duplicates": 0, "reordered": 0,
        "latency least": arrival, "latency mean": arrival, "latency most": arrival}


def test_a_saturated_wire_gives_what_its_overhead_leaves(pair: Pair) -> None:
    sink = Sink(pair.guest)
    Source(pair.host, GUEST, 200_000_000, size=1472, count=1000)
    pair.settle()
    assert sink.meter.goodput == Fraction(1472 * 100_000_000, 1472 + OVERHEAD + 12)
    assert sink.latency_most > 60 * 1538 * 8 > sink.latency_least          # the queue


def test_a_sink_finds_the_faults_of_the_wire() -> None:
    pair = known(loss=0.1, duplicate=0.1, reorder=0.1, seed=5)
    sink = Sink(pair.guest)
    Source(pair.host, GUEST, 10_000_000, count=1000)
    pair.settle()
    end = pair.wire.ends[1]
    assert sink.datagrams == end.delivered
    assert sink.duplicates == end.duplicated
    assert 0 < sink.reordered <= end.reordered
    assert sink.missing == end.lost - (999 - sink.highest)


def test_what_has_no_stamp_is_counted_alone(pair: Pair) -> None:
    sink = feed(pair, b"short", b"not stamped by any source", stamp(0, 1 << 60))
    assert (sink.datagrams, sink.stamped, sink.latencies) == (3, 1, 0)
    assert sink.meter.bytes == 5 + 25 + 16


def test_a_sink_that_got_nothing_says_so(pair: Pair) -> None:
    assert set(Sink(pair.host).describe().values()) == {0}


# Echo

def test_an_echo_makes_round_trips_that_the_source_measures() -> None:
    pair = known(delay=1000)
    echo = Echo(pair.guest)
    source = Source(pair.host, GUEST, frames=1000, size=100, count=5, port=7)
    pair.settle()
    assert echo.describe() == {"datagrams": 5}
    one_way = (OVERHEAD + 100) * 8 + 100
    described = source.describe()
    assert described["sent"] == described["returned datagrams"] == 5
    assert described["returned latency least"] == described["returned latency most"] == 2 * one_way


# State

def test_load_goes_on_from_where_it_was_saved() -> None:
    def make() -> tuple[Pair, list[Any]]:
        pair = Pair(loss=0.05, reorder=0.2, seed=1)
        return pair, [Source(pair.host, GUEST, 10_000_000, port=7, count=200), Echo(pair.guest)]

    pair, services = make()
    pair.clock.advance(FREQUENCY // 20)
    text = json.dumps([part.save() for part in (*pair.parts, *services)])
    pair.settle()
    other, restored = make()
    other.settle()
    for part, saved in zip((*other.parts, *restored), json.loads(text), strict=True):
        part.load(saved)
    other.settle()
    expected = [part.save() for part in (*pair.parts, *services)]
    assert [part.save() for part in (*other.parts, *restored)] == expected
    assert services[0].sequence == 200
