"""Capture files: what passes over a wire recorded as nanosecond pcap, and a capture sent again at its times.

Format: classic pcap 2.4, Ethernet. Written with nanoseconds, little endian; read with either resolution and byte order.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from emu.clock import Clock
from emu.kept import Kept
from emu.net.wire import SECOND, End, Wire

MICROSECONDS = 0xA1B2C3D4       # the first word of a file, by the resolution of its times
NANOSECONDS = 0xA1B23C4D
NEXT_GENERATION = 0x0A0D0D0A    # the first word of another format
VERSION = (2, 4)
ETHERNET = 1                    # link type
LONGEST = 262_144               # bytes of a frame in a file, as everybody has it
HEAD = "IHHiIII"                # magic, version, zone, accuracy, longest frame, link type
RECORD = "IIII"                 # of each frame: seconds, fraction, bytes in the file, bytes of the frame


class PcapError(ValueError):
    """A file that is no capture of Ethernet frames, or not whole: one line."""


class Captured(NamedTuple):
    """A frame of a capture."""

    time: int                   # ns since 1970
    data: bytes                 # as much of it as was captured


class Writer:
    """Writes frames to a file, each at the time that the virtual clock says. Close it when the run is over."""

    def __init__(self, clock: Clock, file: BinaryIO, epoch: int = 0) -> None:
        """`epoch`: seconds since 1970 at cycle 0. Here and later, raises OSError with the file's name."""
        self._clock = clock
        self._file = file
        self._epoch = epoch
        self._ends = array("Q", [struct.calcsize("<" + HEAD)])      # where each frame ends in the file; first: the head
        self._put(struct.pack("<" + HEAD, NANOSECONDS, *VERSION, 0, 0, LONGEST, ETHERNET))

    @property
    def frames(self) -> int:
        """How many frames are in the file."""
        return len(self._ends) - 1

    def write(self, frame: bytes) -> None:
        """Put a frame behind the others."""
        seconds, fraction = divmod(self._clock.moment * SECOND // self._clock.frequency, SECOND)
        data = frame[:LONGEST]
        seconds = self._epoch + seconds & 0xFFFFFFFF
        self._put(struct.pack("<" + RECORD, seconds, fraction, len(data), len(frame)) + data)
        self._ends.append(self._ends[-1] + struct.calcsize("<" + RECORD) + len(data))

    def cut(self, frames: int) -> None:
        """Forget all but so many frames, if there are more."""
        if frames < self.frames:
            del self._ends[frames + 1:]
            with self._named():
                self._file.seek(self._ends[-1])
                self._file.truncate()

    def describe(self) -> dict[str, int]:
        """What was recorded, for people."""
        return {"frames": self.frames}

    def close(self) -> None:
        """Finish the file."""
        with self._named():
            self._file.close()

    def _put(self, data: bytes) -> None:
        with self._named():
            self._file.write(data)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """The system does not say which file cannot be written."""
        try:
            yield
        except OSError as error:
            error.filename = getattr(self._file, "name", "the capture")
            raise


class Recorder(Writer):
    """Writes every frame that arrives at either end of a wire, in the order and at the time of arrival.

    Recording changes nothing of the run. In a machine that goes back in time the file is cut back, too.
    """

    def __init__(self, wire: Wire, file: BinaryIO, epoch: int = 0) -> None:
        """As Writer's."""
        super().__init__(wire.clock, file, epoch)
        self._listeners = wire.listeners
        self._listeners.append(self._record)

    def close(self) -> None:
        """Record no more, and finish the file."""
        self._listeners.remove(self._record)
        super().close()

    def _record(self, end: End, frame: bytes) -> None:
        self.write(frame)


def read(file: BinaryIO, name: str = "the capture") -> Iterator[Captured]:
    """The frames of a capture file, one after the other. Raises PcapError, which begins with `name`."""
    head = file.read(struct.calcsize(HEAD))
    order = ">" if head[:1] == b"\xA1" else "<"
    if len(head) < struct.calcsize(HEAD):
        raise PcapError(f"{name}: {len(head)} bytes are too few for a capture file")
    magic, major, minor, _, _, _, link = struct.unpack(order + HEAD, head)
    if magic == NEXT_GENERATION:
        raise PcapError(f"{name}: pcapng is not read; convert it with: editcap -F nsecpcap")
    if magic not in (MICROSECONDS, NANOSECONDS):
        raise PcapError(f"{name}: no capture file: it begins with {head[:4].hex()}")
    if (major, minor) != VERSION:
        raise PcapError(f"{name}: version {major}.{minor} of pcap is not read, only {VERSION[0]}.{VERSION[1]}")
    if link != ETHERNET:
        raise PcapError(f"{name}: its link type is {link:#x}, not Ethernet ({ETHERNET})")
    unit = 1 if magic == NANOSECONDS else 1000          # ns
    number = 0
    while record := file.read(struct.calcsize(RECORD)):
        number += 1
        if len(record) < struct.calcsize(RECORD):
            raise PcapError(f"{name}: the file ends inside frame {number}")
        seconds, fraction, size, _ = struct.unpack(order + RECORD, record)
        if size > LONGEST or fraction * unit >= SECOND:
            raise PcapError(f"{name}: frame {number} is damaged: {size} bytes, {fraction * unit} ns behind the second")
        data = file.read(size)
        if len(data) < size:
            raise PcapError(f"{name}: the file ends inside frame {number}")
        yield Captured(seconds * SECOND + fraction * unit, data)


def load(path: str | Path) -> list[Captured]:
    """All frames of the capture file at `path`. Raises PcapError and OSError."""
    with open(path, "rb") as file:
        return list(read(file, str(path)))


class Replay(Kept):
    """Sends the frames of a capture into an end of a wire, as far apart as they were; what arrives there is ignored.

    A frame that is earlier than the one before it is sent at once. A frame of which only a part was captured is that
    part. What finds the wire's queue full is dropped: the times of a capture are kept, not its every frame.
    """

    KEPT = ("sent", "_start")

    def __init__(self, clock: Clock, end: End, frames: Sequence[Captured], start: int = 0) -> None:
        """The first frame leaves at `start`, in ns since cycle 0, or now if that is past."""
        self._clock = clock
        self._end = end
        self._frames = frames
        self._event = clock.event(f"{end.name}.replay", self._send)
        self._start = max(start, clock.moment * SECOND // clock.frequency)      # of the first frame, ns since cycle 0
        self.sent = 0                                   # frames given to the wire
        self._await()

    def _await(self) -> None:
        if self.sent < len(self._frames):
            time = self._start + self._frames[self.sent].time - self._frames[0].time
            cycle = -(-time * self._clock.frequency // SECOND)
            self._event.schedule(max(cycle, self._clock.moment))

    def _send(self) -> None:
        self._end.send(self._frames[self.sent].data)
        self.sent += 1
        self._await()

    def describe(self) -> dict[str, int]:
        """How far it has come, for people."""
        return {"frames": len(self._frames), "sent": self.sent}
