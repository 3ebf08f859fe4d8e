"""Captures: what is recorded, what is read and what is refused, and frames sent again at their times."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.clock import NEVER, Clock
from emu.net.pcap import Captured, PcapError, Recorder, Replay, Writer, load, read
from emu.net.wire import Wire

FREQUENCY = 450_000_000
FRAME = b"a frame of the test".ljust(60, b".")
HEAD = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
RECORD = struct.pack("<IIII", 5, 6, 4, 4) + b"data"


class Files:
    """A wire with a recorder, and what was recorded."""

    def __init__(self, epoch: int = 0, delay: int = 0) -> None:
        self.clock = Clock(FREQUENCY)
        self.wire = Wire(self.clock, delay=delay)
        self.file = io.BytesIO()
        self.recorder = Recorder(self.wire, self.file, epoch)

    def captured(self) -> list[Captured]:
        return list(read(io.BytesIO(self.file.getvalue())))


def settle(clock: Clock) -> None:
    while clock.deadline != NEVER:
        clock.advance(clock.deadline - clock.now)


def test_the_bytes_of_a_recording() -> None:
    files = Files(epoch=1_000_000_000)
    files.clock.advance(3 * FREQUENCY)
    files.wire.ends[0].send(FRAME)
    settle(files.clock)
    assert files.file.getvalue() == (
        struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
        + struct.pack("<IIII", 1_000_000_003, 72 * 8 * 10, 60, 60) + FRAME)
    assert files.recorder.describe() == {"frames": 1}


def test_a_recorder_hears_both_directions_in_the_order_of_arrival() -> None:
    files = Files()
    files.wire.ends[1].send(b"first")
    files.clock.advance(1)
    files.wire.ends[0].send(b"second")
    settle(files.clock)
    assert files.captured() == [Captured(5760, b"first"), Captured(5762, b"second")]


def test_recording_changes_nothing() -> None:
    def run(recorded: bool) -> tuple[list[tuple[int, bytes]], dict[str, object]]:
        clock = Clock(FREQUENCY)
        wire = Wire(clock, loss=0.1, reorder=0.1)
        arrived: list[tuple[int, bytes]] = []
        wire.ends[1].receive = lambda frame: arrived.append((clock.now, frame))
        if recorded:
            Recorder(wire, io.BytesIO())
        for number in range(60):
            wire.ends[0].send(bytes([number]))
        settle(clock)
        return arrived, wire.save()

    assert run(True) == run(False)


def test_what_is_lost_is_not_recorded() -> None:
    clock, file = Clock(FREQUENCY), io.BytesIO()
    wire = Wire(clock, loss=1)
    Recorder(wire, file)
    wire.ends[0].send(FRAME)
    settle(clock)
    assert list(read(io.BytesIO(file.getvalue()))) == []


def test_a_recorder_writes_as_frames_arrive() -> None:
    files = Files()
    lengths = []
    for _ in range(3):
        files.wire.ends[0].send(FRAME)
        settle(files.clock)
        lengths.append(len(files.file.getvalue()))
    assert lengths == [24 + 76, 24 + 2 * 76, 24 + 3 * 76]


# Reading

@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 999_999), st.binary(max_size=40))),
       st.sampled_from("<>"), st.booleans())
def test_both_byte_orders_and_resolutions_are_read(frames: list[tuple[int, int, bytes]], order: str,
                                                   nanoseconds: bool) -> None:
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    file = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1) + b"".join(
        struct.pack(order + "IIII", seconds, fraction, len(data), len(data) + 7) + data
        for seconds, fraction, data in frames)
    unit = 1 if nanoseconds else 1000
    assert list(read(io.BytesIO(file))) == [
        Captured(seconds * 10**9 + fraction * unit, data) for seconds, fraction, data in frames]


@pytest.mark.parametrize(("file", "message"), [
    (b"", "bad.pcap: 0 bytes are too few for a capture file"),
    (HEAD[:23], "bad.pcap: 23 bytes are too few for a capture file"),
    (b"GIF89a".ljust(24), "bad.pcap: no capture file: it begins with 47494638"),
    (b"\x0A\x0D\x0D\x0A" + bytes(24), "bad.pcap: pcapng is not read; convert it with: editcap -F nsecpcap"),
    (HEAD[:4] + b"\1\0" + HEAD[6:], "bad.pcap: version 1.4 of pcap is not read, only 2.4"),
    (HEAD[:20] + b"\x71\0\0\0", r"bad.pcap: its link type is 0x71, not Ethernet \(1\)"),
    (HEAD + RECORD[:15], "bad.pcap: the file ends inside frame 1"),
    (HEAD + RECORD + RECORD[:-1], "bad.pcap: the file ends inside frame 2"),
    (HEAD + struct.pack("<IIII", 0, 0, 262_145, 1), "bad.pcap: frame 1 is damaged: 262145 bytes"),
    (HEAD + struct.pack("<IIII", 0, 10**9, 0, 0), "bad.pcap: frame 1 is damaged: 0 bytes, 1000000000 ns"),
])
def test_a_bad_file_is_refused_in_one_line(file: bytes, message: str) -> None:
    with pytest.raises(PcapError, match=message) as raised:
        list(read(io.BytesIO(file), "bad.pcap"))
    assert "\n" not in str(raised.value)


@given(st.binary(max_size=120))
def test_noise_is_read_or_refused_and_nothing_else(data: bytes) -> None:
    def exhaust(file: BinaryIO) -> None:
        try:
            list(read(file))
        except PcapError as error:
            assert "\n" not in str(error)

    exhaust(io.BytesIO(data))
    exhaust(io.BytesIO(HEAD + data))


def test_a_file_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(HEAD + RECORD)
    assert load(path) == [Captured(5_000_000_006, b"data")]
    path.write_bytes(HEAD[:5])
    with pytest.raises(PcapError, match=r"x\.pcap: 5 bytes are too few"):
        load(path)


# Replay

def replayed(frames: list[Captured], start: int = 0) -> list[tuple[int, bytes]]:
    """What arrives, and at which ns its first bit must have left the sender."""
    clock = Clock(10**9)
    wire = Wire(clock, rate=10**9, delay=0)
    arrived: list[tuple[int, bytes]] = []
    wire.ends[0].receive = lambda frame: arrived.append((clock.now - (8 + max(len(frame), 60) + 4) * 8, frame))
    Replay(clock, wire.ends[1], frames, start)
    settle(clock)
    return arrived


def test_frames_are_sent_at_their_times_from_the_first_on() -> None:
    frames = [Captured(10**18 + at, bytes([number])) for number, at in enumerate((0, 5000, 5001, 90_000))]
    assert replayed(frames) == [(0, b"\0"), (5000, b"\1"), (5672, b"\2"), (90_000, b"\3")]
    assert replayed(frames, 700) == [(700, b"\0"), (5700, b"\1"), (6372, b"\2"), (90_700, b"\3")]


def test_a_frame_that_is_out_of_order_is_sent_at_once() -> None:
    frames = [Captured(1000, b"a"), Captured(9000, b"b"), Captured(0, b"c"), Captured(20_000, b"d")]
    assert replayed(frames) == [(0, b"a"), (8000, b"b"), (8672, b"c"), (19_000, b"d")]


def test_a_replay_that_is_plugged_in_late_begins_at_once() -> None:
    clock = Clock(10**9)
    wire = Wire(clock, rate=10**9, delay=0)
    arrived: list[int] = []
    wire.ends[0].receive = lambda frame: arrived.append(clock.now - 72 * 8)
    clock.advance(5000)
    Replay(clock, wire.ends[1], [Captured(0, b"a"), Captured(1000, b"b")])
    settle(clock)
    assert arrived == [5000, 6000]


def test_an_empty_capture_sends_nothing() -> None:
    assert replayed([]) == []


def test_what_was_recorded_is_sent_again_at_the_same_distances() -> None:
    files = Files()
    for gap in (0, 1000, 40_000, 77):
        files.clock.advance(gap)
        files.wire.ends[0].send(FRAME)
    settle(files.clock)
    recorded = files.captured()
    again = Files()
    Replay(again.clock, again.wire.ends[1], recorded)
    settle(again.clock)
    first = again.captured()[0].time - recorded[0].time
    assert all(abs(after.time - before.time - first) <= 3          # ns: a cycle is 2.2
               for after, before in zip(again.captured(), recorded, strict=True))


def test_a_file_that_cannot_be_written_is_named() -> None:
    wire = Wire(Clock(FREQUENCY))
    with open("/dev/full", "wb") as file:
        recorder = Recorder(wire, file)
        wire.ends[0].send(bytes(10_000))
        with pytest.raises(OSError, match="No space left") as raised:
            settle(wire.clock)
        assert raised.value.filename == "/dev/full"
        with pytest.raises(OSError, match="No space left") as raised:
            recorder.close()
        assert raised.value.filename == "/dev/full"
    assert wire.listeners == []


def test_a_file_is_cut_back_to_a_number_of_frames() -> None:
    files = Files()
    for frame in (b"one", b"two", b"three"):
        files.wire.ends[0].send(frame)
    settle(files.clock)
    files.recorder.cut(3)
    files.recorder.cut(5)
    assert [data for _, data in files.captured()] == [b"one", b"two", b"three"]
    files.recorder.cut(1)
    files.wire.ends[0].send(b"four")
    settle(files.clock)
    assert [data for _, data in files.captured()] == [b"one", b"four"] and files.recorder.frames == 2


@pytest.mark.parametrize("frequency", [100_000_000, 166_666_667, 450_000_000])
def test_a_replay_at_the_recorded_times_is_exact_to_the_cycle(frequency: int) -> None:
    clock, file, cycles = Clock(frequency), io.BytesIO(), []
    writer = Writer(clock, file)
    for step in (1, 17, 123_457, 7_000_001, 3):
        clock.advance(step)
        cycles.append(clock.now)
        writer.write(FRAME)
    frames = list(read(io.BytesIO(file.getvalue())))
    again = Clock(frequency)
    wire = Wire(again, delay=0)
    sent: list[int] = []
    send = wire.ends[1].send
    wire.ends[1].send = lambda frame: sent.append(again.now) or send(frame)     # type: ignore[method-assign,func-returns-value]
    Replay(again, wire.ends[1], frames, frames[0].time)
    settle(again)
    assert sent == cycles


def test_a_replay_goes_on_from_where_it_was_saved() -> None:
    def make() -> tuple[Files, Replay]:
        files = Files()
        frames = [Captured(number * 10_000, bytes([number])) for number in range(10)]
        return files, Replay(files.clock, files.wire.ends[1], frames)

    files, replay = make()
    files.clock.advance(20_000)
    text = json.dumps([files.clock.save(), files.wire.save(), replay.save()])
    assert replay.describe() == {"frames": 10, "sent": 5}
    settle(files.clock)
    other, restored = make()
    settle(other.clock)
    clock, wire, state = json.loads(text)
    other.clock.load(clock)
    other.wire.load(wire)
    restored.load(state)
    count = len(other.captured())
    settle(other.clock)
    assert other.captured()[count:] == files.captured()[4:]         # the fifth was under way
    assert restored.sent == 10
