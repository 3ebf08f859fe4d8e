"""Video servers: what a stream is made of, when it comes, and that each is its own."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from emu.clock import NEVER, Clock
from emu.net import plug
from emu.net.host import Host
from emu.net.hub import Hub
from emu.net.packets import IPv4, Udp, ip
from emu.net.video import ENDS, GROUP, KINDS, MAGIC, PART, PIECE, PORT, REQUEST, Servers
from emu.net.wire import Wire

FREQUENCY = 100_000_000
GUEST = ip("10.0.0.2")
RATE = 15
Parts = list[tuple[int, tuple[int, int, int, int], int]]        # cycle, PART, bytes of the frame


class Player:
    """Asks for streams, and keeps what comes."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock(FREQUENCY)
        self.wire = Wire(self.clock, delay=0, queue=256)
        self.host = Host(self.clock, self.wire.ends[0], bytes.fromhex("020000000002"), GUEST)
        self.servers = Servers(self.clock, Hub(self.wire.ends[1]), **options)
        self.parts: dict[int, Parts] = {}       # by the player's port: of frames,
        self.ends: dict[int, Parts] = {}        # and behind them
        self.came_from: set[tuple[bytes, int]] = set()

    def listen(self, port: int) -> None:
        def receive(packet: IPv4, datagram: Udp) -> None:
            self.came_from.add((packet.source, datagram.source))
            head, rest = PART.unpack_from(datagram.payload), datagram.payload[PART.size:]
            into = self.parts if head[3] else self.ends
            into[port].append((self.clock.now, head, len(rest)))

        self.parts[port], self.ends[port] = [], []
        self.host.listen(port, receive)

    def ask(self, port: int, server: str = "10.0.0.11", rate: int = RATE, frames: int = 24) -> None:
        self.host.send_udp(port, ip(server), PORT, REQUEST.pack(MAGIC, rate, frames))

    def settle(self) -> None:
        while self.clock.deadline != NEVER:
            self.clock.advance(self.clock.deadline - self.clock.now)

    def stream(self, port: int = 6000, **wanted: Any) -> Parts:
        """All of a stream."""
        self.listen(port)
        self.ask(port, **wanted)
        self.settle()
        return self.parts[port]


def lengths(parts: Parts) -> dict[int, int]:
    """Bytes of each frame."""
    found = Counter[int]()
    for _, head, bytes_ in parts:
        found[head[0]] += bytes_
    return dict(found)


def test_every_part_of_every_frame_comes_in_order() -> None:
    player = Player()
    heads = [head for _, head, _ in player.stream()]
    assert [head[0] for head in heads] == sorted(head[0] for head in heads)
    frames = {number: [head for head in heads if head[0] == number] for number in range(24)}
    for number, parts in frames.items():
        assert [head[2] for head in parts] == list(range(len(parts)))
        assert {head[1:2] + head[3:] for head in parts} == {(KINDS.index((GROUP * 2)[number]), len(parts))}
    assert player.came_from == {(ip("10.0.0.11"), PORT)}


def test_frames_come_at_the_rate_to_the_cycle() -> None:
    parts = Player(spread=0).stream()
    firsts = [cycle for cycle, head, _ in parts if head[2] == 0]
    for number in range(0, 24, len(GROUP)):     # those of one kind are equally long on the wire
        assert firsts[number] - firsts[0] == -(-number * FREQUENCY // RATE)


def test_behind_the_last_frame_it_is_said_that_there_are_no_more() -> None:
    player = Player(spread=0, gop="I", i=1000)
    parts = player.stream(frames=3)
    ends = player.ends[6000]
    assert [(head, bytes_) for _, head, bytes_ in ends] == [((3, 0, 0, 0), 0)] * ENDS
    assert (ends[0][0] - parts[0][0]) / FREQUENCY == pytest.approx(3 / RATE, abs=0.001)
    assert (ends[-1][0] - ends[0][0]) / FREQUENCY == pytest.approx((ENDS - 1) / RATE, abs=0.001)


def test_a_frame_is_as_long_as_its_kind_says() -> None:
    found = lengths(Player(spread=0, i=3000, p=1400, b=1, gop="IPB").stream(frames=6))
    assert list(found.values()) == [3000, 1400, 1, 3000, 1400, 1]


def test_chance_is_within_its_spread() -> None:
    found = lengths(Player(spread=0.5, gop="I", i=10_000).stream(frames=200))
    assert 5000 <= min(found.values()) < 5500 < 14_500 < max(found.values()) <= 15_000


def test_a_datagram_has_a_piece_of_a_frame() -> None:
    assert [bytes_ for _, _, bytes_ in Player(spread=0, gop="I", i=3000).stream(frames=1)] == [PIECE, PIECE, 200]


def test_a_stream_does_not_depend_on_the_others() -> None:
    alone = Player().stream()
    player = Player()
    for port in range(6001, 6010):
        player.listen(port)
        player.ask(port, f"10.0.0.{11 + port % 5}")
    among = player.stream()
    assert lengths(among) == lengths(alone)
    assert lengths(player.parts[6005]) != lengths(alone)


def test_the_seed_makes_another_stream() -> None:
    one, other = Player(seed=1).stream(), Player(seed=2).stream()
    assert lengths(one) != lengths(other)
    assert one[0][0] != other[0][0]             # it begins at another moment, within a group
    assert max(one[0][0], other[0][0]) < FREQUENCY * len(GROUP) / RATE + FREQUENCY // 100


def test_who_asks_again_gets_one_stream() -> None:
    player = Player()
    player.ask(6000, frames=2)
    parts = player.stream(frames=2)
    assert len(lengths(parts)) == 2
    values = player.servers.describe()
    assert (values["requests"], values["streams"], values["frames"]) == (2, 1, 2)
    assert (values["datagrams"], values["bytes"]) == (len(parts) + ENDS, sum(lengths(parts).values()))


@pytest.mark.parametrize("request_", [
    b"", b"PLAY", REQUEST.pack(b"STOP", 15, 1), REQUEST.pack(MAGIC, 0, 1), REQUEST.pack(MAGIC, 1001, 1),
    REQUEST.pack(MAGIC, 15, 0), REQUEST.pack(MAGIC, 15, 1) + b"x"])
def test_what_is_no_request_is_dropped(request_: bytes) -> None:
    player = Player()
    player.host.send_udp(6000, ip("10.0.0.11"), PORT, request_)
    player.settle()
    assert set(player.servers.describe().values()) == {0}


def test_what_the_wire_has_no_room_for_is_counted() -> None:
    player = Player(i=100_000, gop="I", spread=0)
    player.wire.queue = 10
    parts = player.stream(frames=1)
    assert len(parts) == 10
    assert player.servers.describe()["refused"] == 62


@pytest.mark.parametrize(("options", "message"), [
    ({"servers": 0}, "there are 1 to 200 video servers, not 0"),
    ({"servers": 201}, "there are 1 to 200 video servers, not 201"),
    ({"gop": "BBP"}, "a group of pictures is as IBBPBBPBBPBB, at most 256 long, not 'BBP'"),
    ({"b": 0}, "a frame B has 1 to 1048576 bytes, not 0"),
])
def test_servers_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Player(**options)


def test_load_goes_on_from_where_it_was_saved() -> None:
    def make() -> tuple[Player, list[Any]]:
        player = Player(servers=2)
        return player, [player.clock, player.wire, player.host, player.servers]

    player, parts = make()
    player.ask(6000)
    player.ask(6001, "10.0.0.12")
    player.clock.advance(FREQUENCY)
    text = json.dumps([part.save() for part in parts])
    player.settle()
    other, restored = make()
    other.settle()
    for part, saved in zip(restored, json.loads(text), strict=True):
        part.load(saved)
    other.settle()
    assert [part.save() for part in restored] == [part.save() for part in parts]
    assert player.servers.describe()["frames"] == 48


def test_servers_stand_beside_a_host() -> None:
    wire = Wire(Clock(FREQUENCY))
    guest = Host(wire.clock, wire.ends[0], bytes.fromhex("020000000002"), GUEST)
    plugged = plug.connect("video:servers=2,seed=3+echo", wire)
    for address in ("10.0.0.1", "10.0.0.11", "10.0.0.12", "10.0.0.13"):
        guest.find(ip(address))
    wire.clock.advance(FREQUENCY // 100)
    assert sorted(guest.addresses) == [ip("10.0.0.1"), ip("10.0.0.11"), ip("10.0.0.12")]
    assert plugged.describe()["video streams"] == 0
