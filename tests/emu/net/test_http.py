"""The pool of HTTP clients: when they come, what they measure, and every way to fail."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.net.http import Error, Pool
from emu.net.packets import IPv4, Protocol, Tcp, TcpFlag
from emu.net.tcp import Stack
from emu.net.timers import SLACK
from tests.emu.net.pair import FREQUENCY, GUEST, GUEST_MAC, HOST, HOST_MAC, Pair
from tests.emu.net.tcp_server import Answer, Peer, Server, answer_with

MILLISECOND = FREQUENCY // 1000     # cycles
BODY = bytes(range(256)) * 40
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Site(Pair):
    """A server, a pool, and the wire between."""

    def __init__(self, answer: Answer | None = None, wire: dict[str, Any] | None = None,
                 server: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(**wire or {})
        self.host.addresses[GUEST] = GUEST_MAC
        self.guest.addresses[HOST] = HOST_MAC
        self.server = Server(self.guest, answer or answer_with(REPLY), **server or {})
        self.stack = Stack(self.host)
        self.pool = Pool([self.stack], GUEST, **({"rate": 100, "count": 1} | options))
        self.parts += [self.server, self.stack, self.pool]

    def run(self) -> dict[str, int]:
        self.settle()
        return self.pool.describe()

    @property
    def errors(self) -> dict[str, int]:
        """Those that there are."""
        return {error.words: self.pool.errors[error] for error in Error if self.pool.errors[error]}

    def save(self) -> str:
        return json.dumps([part.save() for part in self.parts])

    def load(self, text: str) -> None:
        for part, saved in zip(self.parts, json.loads(text), strict=True):
            part.load(saved)


def test_a_reply_is_fetched() -> None:
    site = Site()
    values = site.run()
    assert {name: value for name, value in values.items() if value and "time" not in name} == {
        "connections": 1, "concurrent": 1, "requests": 1, "replies": 1, "reply rate": values["reply rate"],
        "bytes": len(REPLY), "body bytes": len(BODY), "status 2xx": 1}
    assert site.server.ended[0].total == b"GET / HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: Trapline\r\n\r\n"
    assert site.errors == {} and not site.stack.connections


def test_path_and_port_are_asked_for() -> None:
    site = Site(path="/a/b?c=d", port=8080, server={"port": 8080})
    site.run()
    assert site.server.ended[0].total.startswith(b"GET /a/b?c=d HTTP/1.1\r\nHost: 10.0.0.2:8080\r\n")


def syns(site: Site) -> list[int]:
    """When each connection's SYN arrives."""
    cycles: list[int] = []

    def see(end: object, frame: bytes) -> None:
        packet = IPv4.parse(frame[14:])
        if Tcp.parse(packet.payload, packet.source, packet.destination).flags == TcpFlag.SYN:
            cycles.append(site.clock.now)

    site.wire.listeners.append(see)
    site.settle()
    return cycles


@pytest.mark.parametrize(("options", "times"), [
    ({"rate": 1000, "count": 4}, [0, 1, 2, 3]),
    ({"rate": 500, "count": 3, "start": 5_000_000}, [5, 7, 9]),
    ({"rate": 1000, "count": None, "stop": 3_000_000}, [0, 1, 2]),
    ({"rate": 1000, "count": 0}, []),
])
def test_connections_come_at_their_times(options: dict[str, Any], times: list[int]) -> None:
    cycles = syns(Site(wire={"delay": 0}, **options))
    syn = 72 * 8
    assert cycles == [syn + time * MILLISECOND for time in times]


@pytest.mark.parametrize("rate", [7, 30_000, 123_457])
def test_intervals_add_up_to_the_cycle(rate: int) -> None:
    site = Site(wire={"rate": 10**13, "delay": 0}, rate=rate, count=10)
    cycles = syns(site)
    assert [cycle - cycles[0] for cycle in cycles] == [ceil(Fraction(at * FREQUENCY, rate)) for at in range(10)]


def test_random_arrivals_have_their_rate_and_depend_on_the_seed_alone() -> None:
    first, again, other = (syns(Site(wire={"delay": 0}, rate=500, count=400, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    for cycles in (first, other):
        between = np.diff(cycles)
        assert between.mean() == pytest.approx(FREQUENCY / 500, rel=0.15)
        assert between.std() == pytest.approx(between.mean(), rel=0.2)          # as exponential ones have it


def test_a_connection_that_asks_for_nothing_stays() -> None:
    site = Site(rate=1000, count=20, requests=0)
    site.clock.advance(100 * MILLISECOND)
    values = site.pool.describe()
    assert (values["open"], values["requests"], site.server.accepted) == (20, 0, 20)
    assert site.errors == {}


def test_a_server_that_does_not_answer_slows_nobody_down() -> None:
    site = Site(lambda peer: None, rate=1000, count=50, timeout=20_000_000)
    cycles = syns(site)
    assert [round((cycle - cycles[0]) / MILLISECOND) for cycle in cycles] == list(range(50))
    assert site.errors == {"client timeout": 50}
    assert site.pool.concurrent in (20, 21)


def test_clients_wait_until_the_server_has_been_found() -> None:
    site = Site(count=2)
    site.host.addresses.clear()
    receive, site.wire.ends[0].receive = site.wire.ends[0].receive, None
    site.clock.advance(30 * MILLISECOND)
    assert site.stack.opened == 0
    site.wire.ends[0].receive = receive
    assert site.run()["replies"] == 2


def test_times_add_up() -> None:
    site = Site(wire={"delay": 1_000_000})          # 1 ms each way
    values = site.run()
    round_trip = 2 * MILLISECOND
    parts = [values[f"{name} time mean"] for name in ("connect", "response", "transfer")]
    assert round_trip < parts[0] < round_trip * 1.01
    assert round_trip < parts[1] < round_trip * 1.1
    assert values["connection time least"] == values["connection time most"] == sum(parts)


def test_a_connection_may_carry_several_requests() -> None:
    site = Site(requests=5, count=3)
    values = site.run()
    assert (values["connections"], values["requests"], values["replies"]) == (3, 15, 15)
    assert (site.server.accepted, values["connect time least"] > 0) == (3, True)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_server_that_closes_gets_one_request(head: bytes) -> None:
    site = Site(answer_with(head + b"Content-Length: 3\r\n\r\nabc", close=True), requests=5)
    values = site.run()
    assert (values["requests"], values["replies"], values["body bytes"]) == (1, 1, 3)
    assert site.errors == {} and not site.stack.connections


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    site = Site(answer_with(b"HTTP/1.0 200 OK\r\n\r\n" + BODY, close=True))
    values = site.run()
    assert (values["replies"], values["body bytes"]) == (1, len(BODY))
    assert site.errors == {}


@pytest.mark.parametrize("status", [200, 301, 404, 503])
def test_replies_are_counted_by_class(status: int) -> None:
    site = Site(answer_with(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 %d \r\nContent-Length: 0\r\n\r\n" % status))
    site.run()
    expected = [1, 0, 0, 0, 0]
    expected[status // 100 - 1] = 1
    assert site.pool.statuses == expected


# Failures

def test_a_port_where_nobody_listens_refuses() -> None:
    site = Site(count=3, server={"port": 81})
    values = site.run()
    assert site.errors == {"refused": 3}
    assert values["requests"] == values["connect time most"] == values["connection time most"] == 0


def test_a_server_that_is_not_there_ends_in_tcps_patience() -> None:
    site = Site()
    site.guest.protocols.clear()
    site.run()
    assert site.errors == {"socket timeout": 1}


def reset_after(count: int) -> Answer:
    """A server that vanishes behind so many bytes of the reply: what comes later is answered by RST."""
    def answer(peer: Peer) -> None:
        peer.out += REPLY[:count]
    return answer


def test_a_reset_in_the_middle_of_a_reply() -> None:
    site = Site(reset_after(5000))
    site.clock.advance(10 * MILLISECOND)
    assert site.pool.bytes == 5000
    (peer,) = site.server.peers.values()
    site.server.send(peer, peer.sent, b"", TcpFlag.RST)
    site.server.peers.clear()
    site.run()
    assert site.errors == {"reset": 1}
    assert not site.stack.connections


def test_a_reply_that_is_cut_short() -> None:
    site = Site(answer_with(REPLY[:-1], close=True))
    values = site.run()
    assert site.errors == {"closed early": 1}
    assert values["replies"] == 0 and values["bytes"] == len(REPLY) - 1


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", REPLY + b"x", b"\0" * 20_000, b"220 mail ready\r\n\r\n"])
def test_a_malformed_reply(reply: bytes) -> None:
    site = Site(answer_with(reply, close=True))
    site.run()
    assert site.errors == {"malformed": 1}
    assert not site.stack.connections


def test_a_timeout_runs_from_the_last_progress() -> None:
    def drip(peer: Peer) -> None:
        peer.out += REPLY[:100]

    site = Site(drip, timeout=50_000_000)
    for _ in range(3):                              # a piece each 40 ms
        site.clock.advance(40 * MILLISECOND)
        (peer,) = site.server.peers.values()
        peer.out += bytes(100)
        site.server.flush(peer)
    site.clock.advance(40 * MILLISECOND)
    assert site.errors == {}
    site.clock.advance(15 * MILLISECOND)
    assert site.errors == {"client timeout": 1}
    site.settle()
    assert not site.stack.connections and site.pool.describe()["open"] == 0


def test_more_than_the_most_connections_fail_at_once() -> None:
    site = Site(lambda peer: None, rate=1000, count=30, most=8, timeout=1_000_000_000)
    site.run()
    assert site.errors == {"client timeout": 8, "fd unavailable": 22}
    assert site.server.accepted == site.pool.concurrent == 8


def test_ports_in_use_are_not_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emu.net.tcp.PORTS", range(50_000, 50_010))
    site = Site(rate=1000, count=12)                # TIME_WAIT is longer than all of it
    site.stack._port = 50_000
    site.run()
    assert site.errors == {"address unavailable": 2}
    assert site.pool.replies == 10


@pytest.mark.parametrize(("options", "message"), [
    ({"rate": 0}, "rate of HTTP clients: at least 1, not 0"),
    ({"requests": -1}, "requests of HTTP clients: at least 0, not -1"),
    ({"most": 0}, "most of HTTP clients: at least 1, not 0"),
    ({"port": 0}, "port of HTTP clients: at least 1, not 0"),
    ({"path": "a"}, "a path is as /index.html, at most 1024 characters, and not 'a'"),
    ({"path": "/a b"}, "a path is as /index.html, at most 1024 characters, and not '/a b'"),
    ({"path": "/" + "a" * 1024}, "a path is as /index.html, at most 1024 characters, and not '/aaaa"),
])
def test_a_pool_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        Site(**options)
    assert str(raised.value).startswith(message)


# Weather

@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), loss=st.sampled_from([0, 0.02, 0.1]), duplicate=st.sampled_from([0, 0.1]),
       reorder=st.sampled_from([0, 0.1, 0.3]), close=st.booleans())
def test_every_reply_comes_whole_in_any_weather(seed: int, loss: float, duplicate: float, reorder: float,
                                                close: bool) -> None:
    site = Site(answer_with(REPLY, close), {"seed": seed, "loss": loss, "duplicate": duplicate, "reorder": reorder},
                rate=200, count=10, requests=1 if close else 2)
    values = site.run()
    assert site.errors == {}
    assert values["replies"] == values["requests"] == (10 if close else 20)
    assert values["body bytes"] == len(BODY) * values["replies"]
    assert not site.stack.connections


# State

BAD = {"seed": 9, "loss": 0.05, "duplicate": 0.05, "reorder": 0.1}


def stormy() -> Site:
    return Site(wire=BAD, rate=500, count=30, requests=3, timeout=400_000_000)


def test_two_runs_are_the_same_run() -> None:
    sites = stormy(), stormy()
    for site in sites:
        site.settle()
    assert sites[0].save() == sites[1].save()
    assert sites[0].frames == sites[1].frames
    assert sites[0].pool.replies > 40


@pytest.mark.parametrize("milliseconds", [1, 7, 30, 61, 200, 500, 1500])
def test_load_goes_on_from_where_it_was_saved(milliseconds: int) -> None:
    site = stormy()
    site.clock.advance(milliseconds * MILLISECOND)
    text = site.save()
    before = len(site.frames)
    site.settle()
    other = stormy()
    other.clock.advance(milliseconds * MILLISECOND // 3)        # it has a state of its own to forget
    other.load(text)
    assert other.save() == text
    other.frames.clear()
    other.settle()
    assert other.frames == site.frames[before:]
    assert other.save() == site.save()


def test_connections_that_are_over_leave_nothing_behind() -> None:
    site = Site(answer_with(b"HTTP/1.0 204 \r\n\r\n", close=True), rate=1000, count=1000, timeout=500_000_000)
    events, queues = len(site.clock.events), (site.stack.resend, site.stack.late, site.pool._timers)
    while site.pool.replies < 1000:
        site.clock.advance(20 * MILLISECOND)
        assert all(len(timers._queue) <= 2 * len(timers) + SLACK for timers in queues)
    site.settle()
    assert not site.stack.connections and not any(map(len, queues))
    assert len(site.clock.events) == events


def test_memory_is_bounded_under_overload() -> None:
    """Nobody answers, and nobody gives up: only the bound holds the pool."""
    site = Site(rate=20_000, count=None, most=64)
    site.guest.protocols[Protocol.TCP] = lambda packet: None
    site.frames = []
    site.wire.listeners.clear()
    sizes = []
    for _ in range(3):
        site.clock.advance(FREQUENCY // 5)
        sizes.append((len(site.stack.connections), len(site.stack.resend._queue), len(site.save()) // 1000))
    assert sizes[0] == sizes[1] == sizes[2]
    assert sizes[0][0] == 64
    assert site.errors["fd unavailable"] > 10_000
