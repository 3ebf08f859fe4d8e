"""TCP through a network that loses, doubles and reorders: every byte arrives once, in order."""

from __future__ import annotations

import random

import pytest
from net_peer import Peer, Weather, converse
from net_stack import Stack

from guest.abi.net import Count

WEATHERS = {
    "fair": Weather(),
    "far": Weather(delay=400),
    "losing": Weather(loss=0.1),
    "doubling": Weather(duplicate=0.3),
    "reordering": Weather(reorder=0.2),
    "foul": Weather(loss=0.15, duplicate=0.1, reorder=0.15, delay=30),
}


def converse_by(seed: int, weather: Weather, size: int) -> Stack:
    """A conversation of one to three peers whose habits follow from the seed; the stack afterwards."""
    chance = random.Random(seed)
    stack = Stack()
    listener = stack.listen(80)
    peers = [Peer(chance.randbytes(chance.randrange(size)), mss=chance.choice((200, 536, 1460)),
                  window=chance.choice((500, 3000, 8192, 65535)), keep=chance.random() < 0.5,
                  first=chance.randrange(1 << 32), source=4000 + n, waits=chance.random() < 0.5)
             for n in range(chance.randrange(1, 4))]
    converse(stack, listener, peers, weather, seed)
    for peer in peers:
        assert bytes(peer.got) == peer.data
    stack.wait(70_000, step=1000)
    assert not stack.conns() and not stack.count(Count.COUNT_TCP_TIMEOUT)
    return stack


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", WEATHERS)
def test_streams_arrive_whole(name: str, seed: int) -> None:
    stack = converse_by(seed, WEATHERS[name], 20_000)
    if name == "fair":
        assert not stack.count(Count.COUNT_TCP_AGAIN) and not stack.count(Count.COUNT_TCP_ORDER)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_streams_arrive_whole_in_any_weather(seed: int) -> None:
    chance = random.Random(seed)
    weather = Weather(chance.random() * 0.3, chance.random() * 0.3, chance.random() * 0.3, chance.randrange(300))
    converse_by(seed, weather, 40_000)
