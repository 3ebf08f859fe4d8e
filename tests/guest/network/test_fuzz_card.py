"""Bad frames through card, driver and kernel: none stops it, none makes it lose a good one."""

from __future__ import annotations

from collections.abc import Callable

import net_frames as net
import pytest
from net_line import ACK, RST, SYN

from loader.image import Image
from tests.guest.net.test_fuzz import Hostile
from tests.guest.network.conftest import BOOT, MS, Guest

BATCH = 50                      # frames at a time, at 1 Gbit/s: the card's memory takes them


class Attacked:
    """A guest that echoes what comes by TCP to port 80, and by UDP to port 7; and who attacks it."""

    def __init__(self, image: Image, seed: int) -> None:
        self.guest = Guest(image, "none", "rate=1G,queue=200")
        self.guest.run(2 * BOOT)
        assert self.guest.network is not None
        self.end = self.guest.network.wire.ends[1]
        self.frames: list[bytes] = []
        self.end.receive = self.frames.append
        self.hear(net.arp(1, net.PEER, net.PEER_MAC, net.OURS))
        self.hostile = Hostile(seed, *self.connect(4000, 0xFFFF_FFF0))

    def hear(self, *frames: bytes, cycles: int = MS // 2) -> list[bytes]:
        """The IP packets that come for some frames."""
        self.frames.clear()
        for frame in frames:
            assert self.end.send(frame)
        self.guest.run(cycles)
        return [frame[:14 + int.from_bytes(frame[16:18], "big")] for frame in self.frames       # the card pads them
                if frame[12:14] == b"\x08\0"]

    def _segment(self, port: int, *frames: bytes) -> net.Segment:
        """The last segment of a connection that comes."""
        heard = [frame for frame in self.hear(*frames) if frame[23] == net.TCP]
        segments = [segment for segment in map(net.parse_tcp, heard) if segment.ports == (80, port)]
        assert segments, f"no answer to port {port}"
        return segments[-1]

    def connect(self, port: int, first: int) -> tuple[int, int]:
        """A connection from a port; the first numbers of both sides."""
        answer = self._segment(port, net.tcp_frame((port, 80), first, 0, SYN, options=b"\x02\x04\x05\xb4"))
        assert answer.flags == SYN | ACK and answer.ack == (first + 1) & 0xFFFF_FFFF
        self.hear(net.tcp_frame((port, 80), first + 1, answer.seq + 1, ACK))
        return first, answer.seq

    def attack(self) -> None:
        """Bad frames come."""
        self.hear(*(self.hostile.frame() for _ in range(BATCH)), cycles=MS)

    def good_ones_arrive(self, number: int) -> None:
        """An echo request, a datagram and a connection are answered as ever."""
        data = number.to_bytes(4, "big")
        self.hear(net.arp(1, net.PEER, net.PEER_MAC, net.OURS))
        answers = [net.parse(frame) for frame in self.hear(net.ethernet(net.ipv4(net.ICMP, net.echo(data))),
                                                           net.udp_frame((9, 7), data))]
        assert net.echo(data, kind=0) in [answer.payload for answer in answers]
        assert data in [answer.data for answer in answers if answer.protocol == net.UDP]
        port = 5000 + number % 50_000
        ours, theirs = self.connect(port, number * 7919)
        answer = self._segment(port, net.tcp_frame((port, 80), ours + 1, theirs + 1, ACK, data))
        assert answer.data == data
        self.hear(net.tcp_frame((port, 80), ours + 1 + len(data), theirs + 1 + len(data), RST | ACK))


@pytest.fixture
def attacked(net_image: Callable[..., Image]) -> Callable[[int], Attacked]:
    """Makes a guest that is attacked, by a seed."""
    image = net_image(["echo", "udp_echo"], arguments="80")
    return lambda seed: Attacked(image, seed)


def test_bad_frames_do_no_harm(attacked: Callable[[int], Attacked]) -> None:
    under = attacked(1)
    for number in range(15):
        under.attack()
        under.good_ones_arrive(number)
    assert under.guest.lines == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_bad_frames_do_no_harm(seed: int, attacked: Callable[[int], Attacked]) -> None:
    under = attacked(100 + seed)
    for number in range(10_000 // BATCH):
        under.attack()
        under.good_ones_arrive(number)
    assert under.guest.lines == []
