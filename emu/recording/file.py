"""The file of a recording: a container (`emu.container`) of frames in the order in which things happened.

A frame is CODE (blocks that were met: `tap`), EVENTS (`events`), or END: the counters when the recording ended, JSON,
without which a file is not whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from emu import container

CODE, EVENTS, END = 1, 2, 3     # kinds of frames


class RecordingError(container.ContainerError):
    """A file that is no recording, or not a whole one: what, where, what to do."""


FORMAT = container.Format("recording", 2, "trapline boot IMAGE --record FILE", "record the run again", RecordingError)


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
        self._file = container.Writer(path, FORMAT, asdict(head))

    def add(self, kind: int, data: Any) -> None:
        """Append a part, bytes or an array, unless it is empty."""
        if len(data):
            self._file.add(kind, data)

    def finish(self, counters: dict[str, Any]) -> None:
        """End the recording with these counters."""
        self.add(END, json.dumps(counters).encode())
        self._file.finish()

    def close(self) -> None:
        """Leave the recording as it is: unfinished."""
        self._file.close()


class Recording:
    """A recording that can be read."""

    def __init__(self, path: str | Path) -> None:
        """Reads the head. Raises RecordingError and OSError."""
        self._file = container.Reader(path, FORMAT)
        self.path = self._file.path
        self.head = self._head()
        self.counters: dict[str, Any] = {}      # at the end of the run; known when all parts have been read

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """CODE and EVENTS, one part after the other. Raises RecordingError and OSError."""
        for frame in self._file.frames():
            if frame.kind == END:
                self.counters = self._json(frame.data)
            elif frame.kind in (CODE, EVENTS):
                yield frame.kind, frame.data
            else:
                self.refuse("damaged")
        if not self.counters:
            self.refuse("damaged")

    def refuse(self, what: str) -> NoReturn:
        """Raise RecordingError about this file."""
        self._file.refuse(what)

    def _head(self) -> Head:
        try:
            head = Head(**self._file.head)
        except TypeError:
            self.refuse("its head is damaged")
        sound = isinstance(head.profile, str) and all(isinstance(each, int) for each in (head.clock, head.memory))
        if not sound or not 0 < head.clock < 1 << 40 or not 0 < head.memory <= 1 << 30:
            self.refuse("its head is damaged")
        return head

    def _json(self, data: bytes) -> dict[str, Any]:
        try:
            values = json.loads(data)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            self.refuse("damaged")
        return values
