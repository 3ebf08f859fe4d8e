"""The tap: frames in both directions, and virtual time that follows the host's. A pair of sockets is the device."""

from __future__ import annotations

import io
import os
import select
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from emu.clock import Clock
from emu.net import tap
from emu.net.pcap import Captured, Writer, read
from emu.net.tap import BURST, LATE, TICK, Tap
from emu.net.wire import Wire

MS = 100_000                    # cycles
FRAME = b"frame".ljust(60)


class Host:
    """A host whose time passes only while the machine waits, or when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5_000_000_000
        self.slept = 0
        self.clock = Clock(1000 * MS)
        self.wire = Wire(self.clock)
        self.arrived: list[tuple[int, bytes]] = []
        self.wire.ends[0].receive = lambda frame: self.arrived.append((self.clock.now, frame))
        device, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for each in (device, self.far):
            each.setblocking(False)
        self.tap = Tap(self.wire, device.detach(), "tap0")
        monkeypatch.setattr("emu.net.tap.time", SimpleNamespace(monotonic_ns=lambda: self.now, sleep=self._sleep))
        monkeypatch.setattr("emu.net.tap.select", SimpleNamespace(select=self._select))

    def _sleep(self, seconds: float) -> None:
        self.slept += round(seconds * 1e9)
        self.now += round(seconds * 1e9)

    def _select(self, readers: list[int], _: list[int], __: list[int], seconds: float) -> None:
        if not select.select(readers, [], [], 0)[0]:            # else something is there, and it returns at once
            self._sleep(seconds)

    def run(self, milliseconds: int, speed: float = 1e9) -> None:
        """Let the machine execute: `speed` times as fast as real time."""
        for _ in range(milliseconds):
            self.now += round(TICK / speed)
            self.clock.advance(MS)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = Host(monkeypatch)
    yield made
    made.tap.close()
    made.far.close()


def test_frames_go_in_both_directions(host: Host) -> None:
    host.far.send(FRAME)
    host.run(2)
    assert host.arrived == [(MS + 576 + 50, FRAME)]             # taken at the tick, then the wire takes its time
    host.wire.ends[0].send(b"answer".ljust(60))
    host.run(1)
    assert host.far.recv(100) == b"answer".ljust(60)
    assert host.tap.describe() == {"from host": 1, "to host": 1, "dropped": 0, "late ns": 0}


def test_a_machine_that_is_fast_takes_as_long_as_real_time(host: Host) -> None:
    before = host.now
    host.run(1000)
    assert host.now - before == pytest.approx(999 * TICK, abs=1000)     # it begins with the first tick
    assert host.slept == pytest.approx(999 * TICK, abs=1000)


def test_a_machine_that_is_slow_does_not_wait_nor_hurry_afterwards(host: Host) -> None:
    before = host.now
    host.run(100, speed=0.5)
    assert host.slept == 0 and host.now - before == 200 * TICK
    late = host.tap.late
    assert 100 * TICK - LATE - TICK <= late <= 100 * TICK
    before = host.now
    host.run(100)
    assert host.now - before >= 100 * TICK - LATE - TICK
    assert host.tap.late == late


def test_who_was_late_a_little_catches_up(host: Host) -> None:
    host.run(10)
    before = host.now
    host.run(5, speed=0.5)
    host.run(5)
    assert host.now - before == pytest.approx(10 * TICK, abs=1000) and host.tap.late == 0


def test_a_frame_is_taken_before_its_time_but_a_flood_makes_nothing_faster(host: Host) -> None:
    host.run(5)
    before = host.now
    host.far.send(FRAME)
    host.run(1)
    assert host.now == before                                   # no waiting
    for _ in range(200):
        host.far.send(FRAME)
        host.run(1)
    assert host.now - before == pytest.approx(200 * TICK, abs=TICK)


def test_a_tick_takes_a_number_of_frames(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [FRAME] * (BURST + 10)

    def receive(device: int, size: int) -> bytes:
        if not frames:
            raise BlockingIOError
        return frames.pop()

    monkeypatch.setattr("emu.net.tap.os", SimpleNamespace(read=receive, close=os.close))
    host.run(1)
    assert len(frames) == 10
    host.run(1)
    assert not frames and host.wire.ends[1].sent == BURST + 10


def test_what_the_host_does_not_take_is_dropped_and_counted(host: Host) -> None:
    for _ in range(2000):
        host.wire.ends[0].send(FRAME)
        host.clock.advance(MS // 100)
    described = host.tap.describe()
    assert described["dropped"] > 0 and described["to host"] > 0
    assert described["dropped"] + described["to host"] == 2000


def test_a_device_that_fails_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(device: int, size: int) -> bytes:
        raise OSError(77, "File descriptor in bad state")

    monkeypatch.setattr("emu.net.tap.os", SimpleNamespace(read=receive, close=os.close))
    with pytest.raises(OSError, match="bad state") as raised:
        host.run(1)
    assert raised.value.filename == "tap0"


def test_what_comes_is_recorded_as_it_is_sent(host: Host) -> None:
    file = io.BytesIO()
    host.tap.record = Writer(host.clock, file)
    host.run(2)
    host.far.send(FRAME)
    host.run(2)
    assert list(read(io.BytesIO(file.getvalue()))) == [Captured(3 * TICK, FRAME)]


def test_it_is_neither_saved_nor_restored(host: Host) -> None:
    for action in (host.tap.save, lambda: host.tap.load({})):
        with pytest.raises(ValueError, match="can neither be saved nor go back in time; record what comes"):
            action()


@pytest.mark.parametrize(("name", "message"), [
    ("none-such", "there is no such device; root can make it: ip tuntap add none-such mode tap user NAME")])
def test_a_device_that_cannot_be_had(name: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        tap.attach(name)
    assert str(raised.value) == message


def test_there_are_taps_on_linux_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emu.net.tap.sys", SimpleNamespace(platform="darwin"))
    with pytest.raises(ValueError, match=r"^only Linux has such devices$"):
        tap.attach("tap0")


def test_who_may_not_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("emu.net.tap.os.open", refuse)
    with pytest.raises(ValueError, match=r"^/dev/net/tun: permission denied$"):
        tap.attach("lo")
