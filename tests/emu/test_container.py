"""The file format of recordings, traces and snapshots: what is read is what was written, or one line says why not."""

from __future__ import annotations

import errno
import random
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from emu import container
from emu.container import HEADER, INDEX, LONGEST, ContainerError, Format, Reader, Writer

FORMAT = Format("thing", 3, "trapline make", "make it again")
FRAMES = [(1, b"one" * 100), (2, b""), (1, bytes(range(256)) * 40), (7, b"last")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.thing"


def write(path: Path, frames: list[tuple[int, bytes]], *, finish: bool = True) -> bytes:
    writer = Writer(path, FORMAT, {"of": "test"})
    for number, (kind, data) in enumerate(frames):
        writer.add(kind, data, cycle=100 * number, instructions=10 * number)
    if finish:
        writer.finish()
    writer.close()
    return path.read_bytes()


def read(path: Path, data: bytes) -> tuple[list[tuple[int, bytes]], str]:
    """The frames of a file with this content, and what was said in the end."""
    path.write_bytes(data)
    found: list[tuple[int, bytes]] = []
    try:
        found.extend((frame.kind, frame.data) for frame in Reader(path, FORMAT).frames())
    except ContainerError as error:
        assert "\n" not in str(error)
        return found, str(error)
    return found, ""


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 254), st.binary(max_size=200), st.integers(0, 2**63 - 1))))
def test_what_is_read_is_what_was_written(frames: list[tuple[int, bytes, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Writer(Path(folder, "f"), FORMAT, {"a": 1}) as writer:
            for kind, data, place in frames:
                writer.add(kind, data, cycle=place, instructions=place // 2)
        reader = Reader(Path(folder, "f"), FORMAT)
        assert (reader.head, reader.flaw) == ({"a": 1}, "")
        assert list(reader.frames()) == [(kind, place, place // 2, data) for kind, data, place in frames]


def test_a_frame_is_read_without_those_before_it(path: Path) -> None:
    write(path, FRAMES)
    reader = Reader(path, FORMAT)
    assert reader.frame(2).data == FRAMES[2][1]
    assert [frame.kind for frame in reader.frames(2)] == [1, 7]
    assert reader.headers["cycle"].tolist() == [0, 100, 200, 300]
    assert reader.headers["size"].tolist() == [len(data) for _, data in FRAMES]


def test_an_array_is_written_as_its_bytes(path: Path) -> None:
    with Writer(path, FORMAT, {}) as writer:
        writer.add(1, np.arange(5, dtype="<u4"))
    assert Reader(path, FORMAT).frame(0).data == np.arange(5, dtype="<u4").tobytes()


@pytest.mark.parametrize("seed", range(40))
def test_what_is_whole_of_a_cut_file_is_read_and_then_it_is_said(seed: int, path: Path) -> None:
    whole = write(path, FRAMES)
    reader = Reader(path, FORMAT)
    ends = reader._offsets.astype(int) + HEADER.itemsize + reader.headers["packed"]
    length = random.Random(seed).randrange(int(reader._offsets[0]), len(whole))
    assert read(path, whole[:length]) == (
        FRAMES[:np.count_nonzero(ends <= length)], f"{path}: cut short: the thing was not finished; make it again")


def test_a_file_that_was_not_finished_has_all_its_frames(path: Path) -> None:
    frames, message = read(path, write(path, FRAMES, finish=False))
    assert frames == FRAMES
    assert "was not finished" in message


def test_an_exception_leaves_the_file_unfinished(path: Path) -> None:
    with pytest.raises(KeyError), Writer(path, FORMAT, {}) as writer:
        writer.add(1, b"x")
        raise KeyError
    assert "was not finished" in Reader(path, FORMAT).flaw


@pytest.mark.parametrize("seed", range(200))
def test_a_wrong_byte_is_found(seed: int, path: Path) -> None:
    whole, rng = write(path, FRAMES), random.Random(seed)
    at = rng.randrange(len(whole))
    frames, message = read(path, whole[:at] + bytes([whole[at] ^ rng.randrange(1, 256)]) + whole[at + 1:])
    assert frames == FRAMES[:len(frames)]
    assert message.startswith(f"{path}: ")


def test_a_frame_of_another_file_is_damaged(path: Path) -> None:
    first = write(path, FRAMES)
    with Writer(path, FORMAT, {"of": "rest"}) as writer:
        for number, (kind, data) in enumerate(FRAMES):
            writer.add(kind, data, cycle=100 * number, instructions=10 * number)
    head = path.read_bytes().index(b"\n", 20)
    assert read(path, path.read_bytes()[:head] + first[head:]) == ([], f"{path}: damaged; make it again")


@pytest.mark.parametrize("data", [b"", b"\x7fELF" * 99, b"TRAPLINE", b"TRAPLINE thing 3", b"\n" * 100, b"\xff" * 99])
def test_another_file_is_none_of_ours(data: bytes, path: Path) -> None:
    assert read(path, data) == ([], f"{path}: no thing; make one with trapline make")


def test_another_kind_of_ours_is_named(path: Path) -> None:
    whole = write(path, FRAMES)
    assert read(path, whole.replace(b"thing", b"trace", 1)) == (
        [], f"{path}: a 'trace' of Trapline, no thing; make one with trapline make")


def test_another_version_is_named(path: Path) -> None:
    whole = write(path, FRAMES)
    assert read(path, whole.replace(b"thing 3", b"thing 4", 1)) == (
        [], f"{path}: made by another version of Trapline (format 4, here 3); make it again")


@pytest.mark.parametrize("head", [b"", b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_a_head_that_makes_no_sense_is_refused(head: bytes, path: Path) -> None:
    assert read(path, b"TRAPLINE thing 3\n" + head + b"\n") == ([], f"{path}: its head is damaged; make it again")


def test_what_stands_behind_the_end_is_reported_behind_the_frames(path: Path) -> None:
    frames, message = read(path, write(path, FRAMES) + b"more")
    assert frames == FRAMES
    assert "its end is damaged, or something stands behind it" in message


@pytest.mark.parametrize(("packed", "size", "content"), [
    (5, 5, 1 << 40),                    # Zstandard is told of a terabyte
    (5, LONGEST, LONGEST),              # the most that may be, of which nothing is there
    (LONGEST, 5, 5),
    ((1 << 32) - 1, (1 << 32) - 1, 5),
])
def test_a_hostile_length_takes_no_memory(packed: int, size: int, content: int, path: Path) -> None:
    whole = write(path, [], finish=False)
    frame = np.zeros((), HEADER)
    frame["packed"], frame["size"], frame["kind"] = packed, size, 1
    data = b"\x28\xb5\x2f\xfd\xe0" + content.to_bytes(8, "little") + b"\x01\x00\x00"
    if packed == 5:
        frame["packed"] = len(data)
    frame["checksum"] = container._checksum(zlib.crc32(whole), frame, data)
    path.write_bytes(whole + frame.tobytes() + data)
    tracemalloc.start()
    with pytest.raises(ContainerError, match=r"a.thing: (damaged|cut short.*); make it again"):
        list(Reader(path, FORMAT).frames())
    assert tracemalloc.get_traced_memory()[1] < 1 << 20 or size == content == LONGEST
    tracemalloc.stop()
    assert zstandard.frame_content_size(data) == content


@pytest.mark.parametrize("offset", [0, 5, 1 << 40, (1 << 64) - 1])
def test_an_index_that_points_elsewhere_is_not_believed(offset: int, path: Path) -> None:
    writer = Writer(path, FORMAT, {})
    writer.add(1, b"x")
    writer._entries[0] = offset.to_bytes(8, "little") + writer._entries[0][8:]
    writer.finish()
    with pytest.raises(ContainerError, match="damaged; make it again"):
        Reader(path, FORMAT).frame(0)


def test_a_frame_that_is_too_long_is_not_written(path: Path) -> None:
    writer = Writer(path, FORMAT, {})
    with pytest.raises(ValueError, match="the longest has"):
        writer.add(1, np.zeros(LONGEST + 1, np.uint8))
    writer.finish()
    assert not list(Reader(path, FORMAT).frames())


def test_a_full_disk_names_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(path, FORMAT, {})

    class Full:
        closed = False

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            self.closed = True

    writer._file.close()
    monkeypatch.setattr(writer, "_file", Full())
    with pytest.raises(OSError, match="No space left") as caught:
        writer.add(1, b"x")
    assert caught.value.filename == str(path)


def test_the_index_is_no_frame(path: Path) -> None:
    write(path, FRAMES)
    assert INDEX not in Reader(path, FORMAT).headers["kind"]
