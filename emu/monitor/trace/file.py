"""A trace: the records of a run with everything that is needed to read them, in memory or in a file.

The file is a container (`emu.container`) of frames, so that a trace can be read a part at a time, or from a cycle on,
whatever its length. It has the names of its image in it.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from emu import container
from emu.crossings import BLOCK, CROSSING
from emu.monitor.arrays import joined
from emu.monitor.names import Names
from emu.monitor.trace import columns
from emu.monitor.trace.frames import CONSOLE, Frame, merge

# Kinds of the container's frames. CROSSINGS begins a Frame: how many block records came before, u64, then records;
# the two others follow unless they are empty.
CROSSINGS, BLOCKS, BYTES = 1, 2, 3
NAMES, END = 4, 5               # Names and TraceEnd, JSON
ENOUGH = 1 << 17                # records that fill a Frame
WAITING = 4                     # Frames that may wait for being packed
_BEFORE = struct.Struct("<Q")


class TraceError(container.ContainerError):
    """A file that is no trace, or not a whole one: what, where, what to do."""


FORMAT = container.Format("trace", 1, "trapline boot IMAGE --trace FILE", "trace the run again", TraceError)


def _version() -> str:
    try:
        return version("trapline")
    except PackageNotFoundError:                            # run from its sources, not installed
        return "unknown"


@dataclass(frozen=True)
class TraceHead:
    """What was traced, known when the run begins."""

    profile: str                                            # name of the profile
    clock: int                                              # Hz
    memory: int                                             # bytes
    image: str | None = None                                # its name
    digest: str | None = None                               # what was booted, as in the report of `trapline boot`
    arguments: tuple[str, ...] = ()                         # of the command that ran it
    filters: tuple[str, ...] = ()                           # what was left out, as the command line says it
    marks: tuple[int, ...] = ()                             # addresses of the MARKs: elsewhere arrivals were not noted
    version: str = field(default_factory=_version)          # of Trapline


@dataclass(frozen=True)
class TraceEnd:
    """What was known when the run had ended."""

    counters: Mapping[str, Any] = field(default_factory=dict)   # Counters.as_dict
    threads: Mapping[int, str] = field(default_factory=dict)    # `thread` of the records -> name
    spaces: Mapping[int, str] = field(default_factory=dict)     # CR3 -> program
    ended: str = ""                                             # why, for people


class TraceWriter:
    """A trace that is being written; packing happens in a thread of its own, unseen by the guest.

    A context manager: the file is left unfinished unless `finish` was called. What goes wrong with the file may be
    raised by a later call.
    """

    def __init__(self, path: str | Path, head: TraceHead, names: Names | None = None) -> None:
        """Raises OSError, as the methods do."""
        self._file = container.Writer(path, FORMAT, asdict(head))
        self._file.add(NAMES, (names or Names()).as_json())
        self._pending: dict[str, list[NDArray[Any]]] = {"crossings": [], "blocks": [], "console": []}
        self._count = 0                                     # of pending records
        self._first_block = 0                               # block records before the pending ones
        self._place: dict[str, int] = {}                    # where the last record in the file is
        self._thread = ThreadPoolExecutor(1)
        self._jobs: deque[Future[None]] = deque()

    def crossings(self, records: NDArray[Any]) -> None:
        """Append crossings; they are copied."""
        self._add("crossings", records)
        if self._count >= ENOUGH and not self._pending["blocks"]:
            self._flush()

    def blocks(self, records: NDArray[Any]) -> None:
        """Append blocks; they are copied. The crossings up to the last of them must have been appended before."""
        self._add("blocks", records)
        if self._count >= ENOUGH:
            self._flush()

    def console(self, data: bytes, cycle: int) -> None:
        """Append what was written to the console at a cycle."""
        records = np.zeros(len(data), CONSOLE)
        records["cycle"], records["byte"] = cycle, np.frombuffer(data, np.uint8)
        self._add("console", records)

    def finish(self, counters: Mapping[str, Any], *, threads: Mapping[int, str] | None = None,
               spaces: Mapping[int, str] | None = None, ended: str = "") -> None:
        """End the trace: see TraceEnd."""
        self._flush()
        self._wait(0)
        end = TraceEnd(counters, threads or {}, spaces or {}, ended)
        self._file.add(END, json.dumps(asdict(end)).encode())
        self._file.finish()
        self.close()

    def close(self) -> None:
        """Leave the trace unfinished, unless it was finished, with what is in full frames."""
        self._thread.shutdown()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _add(self, name: str, records: NDArray[Any]) -> None:
        if len(records):
            self._pending[name].append(joined([records], records.dtype))
            self._count += len(records)

    def _flush(self) -> None:
        """Have written what is pending."""
        if self._count:
            types = {"crossings": CROSSING, "blocks": BLOCK, "console": CONSOLE}
            whole = Frame(**{name: joined(self._pending[name], types[name]) for name in types},
                          first_block=self._first_block)
            self._pending, self._count = {name: [] for name in types}, 0
            self._first_block += len(whole.blocks)
            self._wait(WAITING - 1)
            self._jobs.append(self._thread.submit(self._write, whole))

    def _wait(self, most: int) -> None:
        """Until at most so many jobs are under way. Raises what one of them has raised."""
        while self._jobs and (len(self._jobs) > most or self._jobs[0].done()):
            self._jobs.popleft().result()

    def _write(self, whole: Frame) -> None:
        """In the thread: write a Frame."""
        for part in whole.parts(ENOUGH):
            place = part.place() or self._place
            self._file.add(CROSSINGS, _BEFORE.pack(part.first_block) + columns.pack(part.crossings), **place)
            for kind, records in ((BLOCKS, part.blocks), (BYTES, part.console)):
                if len(records):
                    self._file.add(kind, columns.pack(records), **place)
            self._place = part.place(-1) or place


class Trace:
    """A trace that can be read: `open` a file, or make one `from_arrays`."""

    def __init__(self, head: TraceHead, names: Names, end: TraceEnd, frames: Callable[[int], Iterator[Frame]],
                 starts: NDArray[Any]) -> None:
        """`frames` gives the Frames from a number on; `starts` has `cycle` and `instructions` of each."""
        self.head = head
        self.names = names
        self.end = end                                      # empty if the trace was cut
        self.flaw = ""                                      # why it is not whole, as far as is known; empty if it is
        self._frames, self._starts = frames, starts

    @classmethod
    def open(cls, path: str | Path, *, partial: bool = False) -> Trace:
        """The trace in a file. `partial`: where a cut or damaged file ends, reading ends, too, and `flaw` says why;
        else it raises TraceError there. Raises TraceError and OSError.
        """
        return _File(path, partial).trace

    @classmethod
    def from_arrays(cls, head: TraceHead, crossings: NDArray[Any], blocks: NDArray[Any] | None = None, *,
                    console: NDArray[Any] | None = None, names: Names | None = None, end: TraceEnd | None = None,
                    first_block: int = 0) -> Trace:
        """A trace in memory; `first_block`: how many block records there were before those of `blocks`."""
        whole = Frame(crossings, np.zeros(0, BLOCK) if blocks is None else blocks,
                      np.zeros(0, CONSOLE) if console is None else console, first_block)
        return cls(head, names or Names(), end or TraceEnd(), lambda first: iter([whole][first:]),
                   np.zeros(1, container.HEADER))

    def frames(self) -> Iterator[Frame]:
        """All frames. Raises TraceError behind the last whole one of a cut file, and OSError."""
        return self._frames(0)

    def from_cycle(self, cycle: int) -> Iterator[Frame]:
        """The frames from the last one on that begins before a cycle; from the first if none does."""
        return self._from("cycle", cycle)

    def from_instructions(self, instructions: int) -> Iterator[Frame]:
        """The frames from the last one on that begins before so many retired instructions."""
        return self._from("instructions", instructions)

    @cached_property
    def crossings(self) -> NDArray[Any]:
        """All crossings."""
        return joined((frame.crossings for frame in self.frames()), CROSSING)

    @cached_property
    def blocks(self) -> NDArray[Any]:
        """All blocks."""
        return joined((frame.blocks for frame in self.frames()), BLOCK)

    @cached_property
    def console(self) -> NDArray[Any]:
        """All that was written to the console."""
        return joined((frame.console for frame in self.frames()), CONSOLE)

    @cached_property
    def first_block(self) -> int:
        """How many block records there were before those of `blocks`."""
        return next((frame.first_block for frame in self.frames()), 0)

    def merged(self) -> NDArray[np.int64]:
        """`crossings` and `blocks` in the order in which they happened: n for crossings[n], ~n for blocks[n]."""
        return merge(self.crossings, self.blocks, self.first_block)

    def _from(self, name: str, place: int) -> Iterator[Frame]:
        return self._frames(max(int(np.searchsorted(self._starts[name], place)) - 1, 0))


class _File:
    """The file of a Trace."""

    def __init__(self, path: str | Path, partial: bool) -> None:
        self._file = container.Reader(path, FORMAT)
        self._partial = partial
        self._firsts = np.flatnonzero(self._file.headers["kind"] == CROSSINGS)     # where Frames begin in the container
        head = self._head()
        names = self._json(NAMES, Names.from_json) or Names()
        end = self._json(END, _end) or TraceEnd()
        self.trace = Trace(head, names, end, self._frames, self._file.headers[self._firsts])
        self.trace.flaw = self._file.flaw

    def _head(self) -> TraceHead:
        values = self._file.head
        types = {"profile": str, "clock": int, "memory": int, "image": str | None, "digest": str | None,
                 "arguments": list, "filters": list, "marks": list, "version": str}
        if values.keys() != types.keys() or not all(isinstance(values[name], kind) for name, kind in types.items()):
            self._file.refuse("its head is damaged")
        lists = {"arguments": str, "filters": str, "marks": int}
        if values["clock"] <= 0 or not all(isinstance(each, lists[name]) for name in lists for each in values[name]):
            self._file.refuse("its head is damaged")
        return TraceHead(**values | {name: tuple(values[name]) for name in lists})

    def _json(self, kind: int, read: Callable[[bytes], Any]) -> Any:
        """What the frame of a kind says, None if it is missing."""
        for number in np.flatnonzero(self._file.headers["kind"] == kind).tolist():
            data = self._file.frame(number).data
            try:
                return read(data)
            except ValueError:
                self._damaged()
        return None

    def _frames(self, first: int) -> Iterator[Frame]:
        """Frames from number `first` on; the one at which a cut file ends as far as it is whole."""
        kinds = self._file.headers["kind"]
        start = int(self._firsts[first]) if first < len(self._firsts) else len(kinds)
        frame: Frame | None = None
        try:
            for kind, _, _, data in self._file.frames(start):
                if kind == CROSSINGS:
                    if frame:
                        yield frame
                    frame = self._begin(data)
                elif kind in (BLOCKS, BYTES) and not frame:
                    self._damaged()
                elif kind == BLOCKS and frame:
                    frame = replace(frame, blocks=self._records(data, BLOCK))
                elif kind == BYTES and frame:
                    frame = replace(frame, console=self._records(data, CONSOLE))
        except TraceError as error:
            if frame:
                yield frame
            if not self._partial:
                raise
            self.trace.flaw = self.trace.flaw or str(error)
        else:
            if frame:
                yield frame

    def _begin(self, data: bytes) -> Frame:
        if len(data) < _BEFORE.size:
            self._damaged()
        return Frame(self._records(data[_BEFORE.size:], CROSSING), first_block=_BEFORE.unpack_from(data)[0])

    def _records(self, data: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
        try:
            return columns.unpack(data, dtype)
        except ValueError:
            self._damaged()

    def _damaged(self) -> NoReturn:
        self._file.refuse("damaged")


def _end(data: bytes) -> TraceEnd:
    """From JSON. Raises ValueError."""
    try:
        values = json.loads(data)
        threads, spaces = ({int(key): str(text) for key, text in values[name].items()}
                           for name in ("threads", "spaces"))
        return TraceEnd(dict(values["counters"]), threads, spaces, str(values["ended"]))
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the end of a trace: {error!r}") from None
