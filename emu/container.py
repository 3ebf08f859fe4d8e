"""The one file format of everything that Trapline writes: recordings, traces, snapshots.

    TRAPLINE trace 1\\n                  what it is, and the version of that
    {"profile": ..., ...}\\n             its head, JSON
    <HEADER><data> ...                  frames: see HEADER; data packed by Zstandard
    <HEADER><data>                      the index, a frame of kind INDEX: where each of the others is
    <MARK>                              the end: where the index is, and a word that says so

A frame has a megabyte or a few, so that memory is bounded however long a file is. The end makes it seekable; where that
is missing, the file was cut, and what frames are whole can be read one after the other. Checksums begin with that of
both lines, so a frame is good in its own file only. Nothing in a file is believed: no length makes a reader take more
than LONGEST bytes at once.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, NoReturn, Self

import numpy as np
import zstandard
from numpy.typing import NDArray

LEVEL = 1                       # of Zstandard, unless a writer asks for another: somebody waits
LONGEST = 1 << 27               # bytes of a frame, packed or not
LONGEST_LINE = 1 << 20          # bytes of each of the two lines
INDEX = 255                     # kind of the frame that is the index; others are for the format to choose
HEADER = np.dtype([
    ("kind", "u1"),             # what it is, as the format says
    ("packed", "<u4"),          # bytes of its data in the file
    ("size", "<u4"),            # ... and unpacked
    ("checksum", "<u4"),        # CRC-32 of both lines, what of this header stands around here, and the packed data
    ("cycle", "<i8"),           # where in a run it begins, 0 if it has no place there: the clock,
    ("instructions", "<i8"),    # and how many instructions had been retired
])
_ENTRY = np.dtype([("offset", "<u8"), ("header", HEADER)])      # of the index: where a frame begins in the file
_MARK = struct.Struct("<Q8s")   # offset of the index, then END
_END = b"TRAPEND\n"
_MAGIC = b"TRAPLINE "
_CHECKED = ("kind", "packed", "size", "cycle", "instructions")


class ContainerError(ValueError):
    """A file that is not what it should be, or not whole: one line that says what, where and what to do."""


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    kind: str                                       # one word, for the first line and for messages
    version: int                                    # of its head and frames
    make: str                                       # how such a file is made, for messages
    again: str                                      # what to do when one is of no use, for messages
    error: type[ContainerError] = ContainerError    # what is raised about one


class Frame(NamedTuple):
    """A frame that was read."""

    kind: int
    cycle: int
    instructions: int
    data: bytes


class Writer:
    """A file that is being written. A context manager: finished at the end of the block, cut after an exception."""

    def __init__(self, path: str | Path, format: Format, head: dict[str, Any], level: int = LEVEL) -> None:
        """`head` is whatever JSON can hold. Raises OSError, as the methods do."""
        self._path = Path(path)
        self._compressor = zstandard.ZstdCompressor(level=level)
        self._file = self._path.open("wb", buffering=0)
        self._offset = 0
        self._entries: list[bytes] = []
        lines = b"%s%s %d\n%s\n" % (_MAGIC, format.kind.encode(), format.version, json.dumps(head).encode())
        self._seed = zlib.crc32(lines)
        self._put(lines)

    def add(self, kind: int, data: Any, *, cycle: int = 0, instructions: int = 0) -> None:
        """Append a frame: `data` is bytes, or anything else with a contiguous buffer, at most LONGEST bytes."""
        size = memoryview(data).nbytes
        packed = self._compressor.compress(data)
        if max(size, len(packed)) > LONGEST:
            raise ValueError(f"a frame of {size} bytes: the longest has {LONGEST}")
        header = np.zeros((), HEADER)
        header["kind"], header["packed"], header["size"] = kind, len(packed), size
        header["cycle"], header["instructions"] = cycle, instructions
        header["checksum"] = _checksum(self._seed, header, packed)
        self._entries.append(struct.pack("<Q", self._offset) + header.tobytes())
        self._put(header.tobytes() + packed)

    def finish(self) -> None:
        """Write the index and the end; nothing can be added any more."""
        index = self._offset
        self.add(INDEX, b"".join(self._entries))
        self._put(_MARK.pack(index, _END))
        self.close()

    def close(self) -> None:
        """Leave the file as it is, without an end unless it was finished."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None and not self._file.closed:
            self.finish()
        self.close()

    def _put(self, data: bytes) -> None:
        self._offset += len(data)
        try:
            while data:
                data = data[self._file.write(data):]
        except OSError as error:
            self._file.close()
            error.filename = str(self._path)
            raise


class Reader:
    """A file that can be read, from the front or anywhere. Only a frame is in memory at a time, and the index."""

    def __init__(self, path: str | Path, format: Format) -> None:
        """Reads head and index. Raises `format.error` for another file, and OSError."""
        self.path = Path(path)
        self.format = format
        self._decompressor = zstandard.ZstdDecompressor()
        self.flaw = ""                                  # why the file is not whole; empty if it is
        with open(self.path, "rb") as file:
            self.head = self._head(file)                # as it was given to the writer
            start = file.tell()
            self._offsets, self.headers = self._index(file) or self._scan(file, start)

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """The frames from number `first` on. Raises `format.error` behind the last whole one of a cut file, or at a
        damaged one; and OSError.
        """
        with open(self.path, "rb") as file:
            for offset, header in zip(self._offsets[first:].tolist(), self.headers[first:], strict=True):
                yield self._frame(file, offset, header)
        if self.flaw:
            self.refuse(self.flaw)

    def frame(self, number: int) -> Frame:
        """One frame. Raises IndexError, `format.error` if it is damaged, and OSError."""
        with open(self.path, "rb") as file:
            return self._frame(file, int(self._offsets[number]), self.headers[number])

    def refuse(self, what: str) -> NoReturn:
        """Raise `format.error` about this file."""
        raise self.format.error(f"{self.path}: {what}; {self.format.again}")

    def _head(self, file: BinaryIO) -> dict[str, Any]:
        kind, version = self.format.kind, self.format.version
        line = file.readline(LONGEST_LINE)
        words = line.decode("latin-1").split()
        if not line.startswith(_MAGIC) or not line.endswith(b"\n") or len(words) != 3:
            raise self.format.error(f"{self.path}: no {kind}; make one with {self.format.make}")
        if words[1] != kind:
            raise self.format.error(f"{self.path}: a {words[1]!r} of Trapline, no {kind}; make one with "
                                    f"{self.format.make}")
        if words[2] != str(version):
            self.refuse(f"made by another version of Trapline (format {words[2]}, here {version})")
        head = file.readline(LONGEST_LINE)
        if not head.endswith(b"\n"):
            self.refuse(self._cut)
        self._seed = zlib.crc32(line + head)
        try:
            values = json.loads(head)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            self.refuse("its head is damaged")
        return values

    @property
    def _cut(self) -> str:
        return f"cut short: the {self.format.kind} was not finished"

    def _index(self, file: BinaryIO) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Offsets and headers of all frames, by the index; None if there is none that can be used."""
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _MARK.size, 0))
        mark = file.read(_MARK.size)
        if len(mark) < _MARK.size or not mark.endswith(_END):
            return None
        offset, _ = _MARK.unpack(mark)
        file.seek(min(offset, size))
        header = _header(file)
        if header is None or header["kind"] != INDEX or offset + HEADER.itemsize + int(header["packed"]) != (
                size - _MARK.size):
            return None
        try:
            entries = np.frombuffer(self._frame(file, offset, header).data, _ENTRY)
        except ValueError:                              # damaged: the frames may still be whole
            return None
        return entries["offset"], entries["header"]

    def _scan(self, file: BinaryIO, start: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The same for a file without an end: of those frames that are all there; and why not more."""
        size = file.seek(0, os.SEEK_END)
        entries, offset = [], start
        self.flaw = self._cut
        while True:
            file.seek(offset)
            header = _header(file)
            if header is None:
                break
            if max(int(header["packed"]), int(header["size"])) > LONGEST:
                self.flaw = "damaged"
                break
            end = offset + HEADER.itemsize + int(header["packed"])
            if end > size:
                break
            if header["kind"] == INDEX:
                if size >= end + _MARK.size:
                    self.flaw = "its end is damaged, or something stands behind it"
                break
            entries.append(struct.pack("<Q", offset) + header.tobytes())
            offset = end
        found = np.frombuffer(b"".join(entries), _ENTRY)
        return found["offset"], found["header"]

    def _frame(self, file: BinaryIO, offset: int, header: Any) -> Frame:
        """The frame at `offset`, which has this header."""
        kind, packed, size = int(header["kind"]), int(header["packed"]), int(header["size"])
        if offset >= 1 << 63 or max(packed, size) > LONGEST:
            self.refuse("damaged")
        file.seek(offset)
        if file.read(HEADER.itemsize) != header.tobytes():
            self.refuse("damaged")
        data = file.read(packed)
        if len(data) < packed or _checksum(self._seed, header, data) != header["checksum"]:
            self.refuse("damaged")
        try:                                            # the size first: it says how much memory will be taken
            unpacked = self._decompressor.decompress(data) if zstandard.frame_content_size(data) == size else b""
        except zstandard.ZstdError:
            self.refuse("damaged")
        if len(unpacked) != size:
            self.refuse("damaged")
        return Frame(kind, int(header["cycle"]), int(header["instructions"]), unpacked)


def _header(file: BinaryIO) -> Any:
    """The header that stands here; None at the end of the file."""
    data = file.read(HEADER.itemsize)
    return np.frombuffer(data, HEADER)[0] if len(data) == HEADER.itemsize else None


def _checksum(seed: int, header: Any, packed: bytes) -> int:
    around = struct.pack("<BIIqq", *(int(header[name]) for name in _CHECKED))
    return zlib.crc32(packed, zlib.crc32(around, seed))
