"""The file of a recording.

    TRAPLINE-REC 1\\n                        what it is, and its version
    {"profile": ..., ...}\\n                 the run: see `Head`, JSON
    <kind><packed><length> ...              parts: u8 kind, u32 bytes in the file, u32 bytes unpacked; packed by zlib

A part is CODE (blocks that were met: `tap`), EVENTS (`events`), or END: the counters when the recording ended, JSON,
without which a file is not whole. A part has a megabyte or a few, so that memory is bounded however long the run was.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

MAGIC = b"TRAPLINE-REC "
VERSION = 1
CODE, EVENTS, END = 1, 2, 3
LEVEL = 1                   # of zlib: the guest waits
LONGEST = 1 << 27           # bytes of a part
LONGEST_HEAD = 1 << 16      # bytes of the two lines
_PART = struct.Struct("<BII")


class RecordingError(ValueError):
    """A file that is no recording, or not a whole one: what, where, what to do."""


@dataclass(frozen=True)
class Head:
    """What was recorded."""

    profile: str                # the name of the profile
    clock: int                  # Hz
    memory: int                 # bytes
    image: str | None           # its name
    digest: str | None          # what was booted, as in the report of `trapline boot`


class Writer:
    """A recording that is being written."""

    def __init__(self, path: Path, head: Head) -> None:
        """Raises OSError, as the methods do."""
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._put(MAGIC + b"%d\n" % VERSION + json.dumps(asdict(head)).encode() + b"\n")

    def add(self, kind: int, data: bytes) -> None:
        """Append a part, unless it is empty."""
        if data:
            packed = zlib.compress(data, LEVEL)
            self._put(_PART.pack(kind, len(packed), len(data)) + packed)

    def finish(self, counters: dict[str, Any]) -> None:
        """End the recording with these counters."""
        self.add(END, json.dumps(counters).encode())
        self.close()

    def close(self) -> None:
        """Leave the recording as it is: unfinished."""
        self._file.close()

    def _put(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._file.write(data):]
        except OSError as error:
            self._file.close()
            error.filename = str(self._path)
            raise


class Recording:
    """A recording that can be read."""

    def __init__(self, path: str | Path) -> None:
        """Reads the head. Raises RecordingError and OSError."""
        self.path = Path(path)
        with open(self.path, "rb") as file:
            self.head = self._head(file)
            self._start = file.tell()
        self.counters: dict[str, Any] = {}      # at the end of the run; known when all parts have been read

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """CODE and EVENTS, one part after the other. Raises RecordingError and OSError."""
        with open(self.path, "rb") as file:
            file.seek(self._start)
            while True:
                kind, data = self._part(file)
                if kind == END:
                    if file.read(1):
                        self.refuse("something stands behind its end")
                    self.counters = self._json(data)
                    return
                yield kind, data

    def refuse(self, what: str) -> NoReturn:
        """Raise RecordingError about this file."""
        raise RecordingError(f"{self.path}: {what}; record the run again")

    def _head(self, file: BinaryIO) -> Head:
        line = file.readline(LONGEST_HEAD)
        if not line.startswith(MAGIC):
            raise RecordingError(f"{self.path}: no recording; make one with trapline boot IMAGE --record FILE")
        if line != MAGIC + b"%d\n" % VERSION:
            self.refuse(f"made by another version of Trapline (format {line[len(MAGIC):].strip().decode('latin-1')}, "
                        f"here {VERSION})")
        values = self._json(file.readline(LONGEST_HEAD))
        try:
            head = Head(**values)
        except TypeError:
            self.refuse("its head is damaged")
        sound = isinstance(head.profile, str) and all(isinstance(each, int) for each in (head.clock, head.memory))
        if not sound or not 0 < head.clock < 1 << 40 or not 0 < head.memory <= 1 << 30:
            self.refuse("its head is damaged")
        return head

    def _part(self, file: BinaryIO) -> tuple[int, bytes]:
        head = file.read(_PART.size)
        if len(head) < _PART.size:
            self.refuse("cut short: the recording was not finished")
        kind, packed, size = _PART.unpack(head)
        if kind not in (CODE, EVENTS, END) or packed > LONGEST or size > LONGEST:
            self.refuse("damaged")
        data = file.read(packed)
        if len(data) < packed:
            self.refuse("cut short: the recording was not finished")
        try:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(data, size + 1)      # no more, however much a damaged part would give
        except zlib.error:
            self.refuse("damaged")
        if len(unpacked) != size or not unpacker.eof:
            self.refuse("damaged")
        return kind, unpacked

    def _json(self, data: bytes) -> dict[str, Any]:
        try:
            values = json.loads(data)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            self.refuse("damaged")
        return values
