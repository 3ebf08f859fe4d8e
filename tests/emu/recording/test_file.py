"""Files of recordings: what is refused, and how that is said."""

from __future__ import annotations

import errno
import json
import random
from pathlib import Path

import pytest

from emu import container
from emu.machine import Machine
from emu.recording.file import EVENTS, Head, Recording, RecordingError, Writer
from emu.recording.prices import price
from emu.recording.recorder import Recorder

HEAD = Head("p3-500", 500_000_000, 1 << 20, None, None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The recording of the beginning of a run."""
    path = tmp_path_factory.mktemp("recording") / "run.rec"
    machine = Machine.boot("hello", cpu="p3-500")
    with Recorder(machine, path):
        machine.run(max_cycles=20_000)
    return path.read_bytes()


def read(path: Path, data: bytes) -> None:
    """Price a file with this content."""
    path.write_bytes(data)
    recording = Recording(path)
    price(recording, Machine(cpu="p3-500", memory=1 << 20).profile)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "run.rec", HEAD)
    writer.add(EVENTS, b"12345678")
    writer.add(EVENTS, b"")
    writer.finish({"cycles": 7})
    recording = Recording(tmp_path / "run.rec")
    assert recording.head == HEAD
    assert list(recording.parts()) == [(EVENTS, b"12345678")]
    assert recording.counters == {"cycles": 7}


def test_a_run_that_failed_leaves_an_unfinished_recording(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    with pytest.raises(KeyError), Recorder(Machine(cpu="p3-500", memory=1 << 20), path):
        raise KeyError
    with pytest.raises(RecordingError, match=r"run.rec: cut short: the recording was not finished; "):
        list(Recording(path).parts())


def test_a_full_disk_ends_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine.boot("hello", cpu="p3-500")
    recorder = Recorder(machine, tmp_path / "run.rec")
    monkeypatch.setattr(container.Writer, "_put", _full)
    with pytest.raises(OSError, match="No space left"), recorder:
        machine.run()
    assert 0 < machine.counters.instructions < 2_000_000


def _full(writer: container.Writer, data: bytes) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"TRAPLINE", b"\n" * 100])
def test_another_file_is_no_recording(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"run.rec: no recording; make one with trapline boot IMAGE --record FILE"):
        read(tmp_path / "run.rec", data)


def test_another_version_is_named(whole: bytes, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"another version of Trapline \(format 99, here 2\)"):
        read(tmp_path / "run.rec", whole.replace(b"recording 2\n", b"recording 99\n", 1))


@pytest.mark.parametrize("change", [{"clock": 0}, {"memory": -1}, {"memory": 1 << 40}, {"profile": 3}, {"more": 1}])
def test_a_head_that_makes_no_sense_is_refused(change: dict[str, object], whole: bytes, tmp_path: Path) -> None:
    first, head, rest = whole.split(b"\n", 2)
    with pytest.raises(RecordingError, match="its head is damaged"):
        read(tmp_path / "run.rec", b"\n".join((first, json.dumps(json.loads(head) | change).encode(), rest)))


@pytest.mark.parametrize("seed", range(30))
def test_a_file_that_is_cut_is_refused(seed: int, whole: bytes, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"run.rec: .*; (record the run again|make one with .*)$"):
        read(tmp_path / "run.rec", whole[:random.Random(seed).randrange(len(whole))])


@pytest.mark.parametrize("seed", range(60))
def test_a_file_with_a_wrong_byte_is_refused(seed: int, whole: bytes, tmp_path: Path) -> None:
    rng = random.Random(seed)
    at = rng.randrange(whole.index(b"\n", 20) + 1, len(whole))
    with pytest.raises(RecordingError, match=r"run.rec: .*; record the run again$"):
        read(tmp_path / "run.rec", whole[:at] + bytes([whole[at] ^ rng.randrange(1, 256)]) + whole[at + 1:])


@pytest.mark.parametrize("seed", range(60))
def test_events_that_make_no_sense_are_refused_or_charged(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    writer = Writer(tmp_path / "run.rec", HEAD)
    writer.add(1, bytes.fromhex("01000000 00100000 0400 2000 9090ebfc"))
    words = [1 | 1 << 4 | 3 << 32, 2 | 3 << 16]                     # the block begins, and runs
    words += [rng.choice((rng.getrandbits(64), rng.randrange(16) | rng.randrange(4) << 4 | rng.randrange(4) << 16))
              for _ in range(200)]
    for word in words:
        writer.add(EVENTS, word.to_bytes(8, "little"))
    writer.finish({"traps": {}, "irqs": {}})
    try:
        price(Recording(tmp_path / "run.rec"), Machine(cpu="p3-500", memory=1 << 20).profile)
    except RecordingError as error:
        assert str(error).endswith("record the run again")
