"""The echo server."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from socket_double import OWNED, Network

HOST = int.from_bytes(bytes((10, 0, 0, 1)), "little")


@pytest.fixture
def server() -> Network:
    """One on port 7."""
    return Network("echo").run()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3000), max_size=5), st.integers(0, 3000), st.integers(500, 3000))
def test_what_comes_goes_back_however_slowly_it_is_taken(sizes: list[int], room: int, more: int) -> None:
    server = Network("echo").run()
    client = server.client(7)
    client.room = room
    said = random.Random(1).randbytes(sum(sizes))
    at = 0
    for size in sizes:
        client.say(said[at:at + size])
        at += size
        server.run()
    client.end()
    server.run()
    while not client.closed:
        client.take(more)
        server.run()
    assert client.sent == said and not client.lost


def test_one_who_takes_nothing_does_not_stop_the_others(server: Network) -> None:
    stuck, other = server.client(7), server.client(7)
    stuck.room = 0
    stuck.say(bytes(100_000))
    server.run()
    other.say(b"hello")
    server.run()
    assert other.sent == b"hello" and not stuck.sent


def test_one_who_never_ceases_does_not_stop_the_others(server: Network) -> None:
    busy, other = server.client(7), server.client(7)
    busy.say(bytes(2_000_000))
    other.say(b"hello")
    with pytest.raises(AssertionError, match="on and on"):
        server.run(most=100)
    assert other.sent == b"hello" and len(busy.sent) < 2_000_000


def test_a_connection_that_fails_is_closed(server: Network) -> None:
    client = server.client(7).say(b"hello")
    server.run()
    client.abort()
    server.run()
    assert client.closed and len(server.sockets) == 2


def test_who_says_nothing_makes_room(server: Network) -> None:
    silent = [server.client(7) for _ in range(OWNED)]
    server.run()
    last = server.client(7).say(b"hello")
    server.run()
    assert last.sent == b"hello" and sum(client.closed for client in silent) == 3


@pytest.mark.parametrize("size", [0, 1, 100, 1472])
def test_a_datagram_goes_back_to_where_it_came_from(server: Network, size: int) -> None:
    data = random.Random(2).randbytes(size)
    for source in (1, 5000):
        server.datagram(7, HOST, source, data)
    server.run()
    assert server.datagrams == [(HOST, 1, data), (HOST, 5000, data)]


def test_two_echo_servers_do_not_keep_each_other_busy(server: Network) -> None:
    server.datagram(7, HOST, 7, b"hello")
    server.run()
    assert not server.datagrams


def test_another_port_may_be_given_and_ports_that_are_taken_are_said() -> None:
    server = Network("echo", "77").run()
    assert (list(server.listening), list(server.bound)) == ([77], [77])
    for ports in ("listening", "bound"):
        taken = Network("echo")
        getattr(taken, ports)[7] = 99
        taken.run()
        assert taken.exit_code == 1 and taken.console == "echo: the port is taken\n"
