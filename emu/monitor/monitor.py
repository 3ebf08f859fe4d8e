"""Watching a machine run: what crosses, and every block if asked for, as arrays of records.

A `Monitor` lends the machine its rings while it listens, and takes the records out of them. The run is the same with
it and without it: same cycles, same counters, same final state.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emu.cpu import rings
from emu.crossings import BLOCK, CROSSING, Kind
from emu.monitor.arrays import joined

if TYPE_CHECKING:
    from emu.machine import Machine

_DRAIN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64)
ROOM = {"crossing": 1 << 10, "block": 1 << 13}      # records of a ring that is emptied when full: they stay in caches
LARGEST = 1 << 26           # records that somebody may keep
EVERYWHERE = range(1 << 32)

Records = NDArray[Any]      # of CROSSING or BLOCK


class Sink(Protocol):
    """Where records go as they come, crossings before the blocks that ran behind them. The arrays are the rings
    themselves: who wants to keep records copies them.
    """

    def crossings(self, records: Records) -> None:
        """Take some crossings."""
        ...

    def blocks(self, records: Records) -> None:
        """Take some blocks."""
        ...


class Collector:
    """A sink that keeps all records in memory."""

    def __init__(self) -> None:
        self._crossings: list[Records] = []
        self._blocks: list[Records] = []

    def crossings(self, records: Records) -> None:
        """Append some crossings."""
        self._crossings.append(joined([records], CROSSING))

    def blocks(self, records: Records) -> None:
        """Append some blocks."""
        self._blocks.append(joined([records], BLOCK))

    def all(self) -> tuple[Records, Records]:
        """(crossings, blocks), all of them."""
        self._crossings, self._blocks = [joined(self._crossings, CROSSING)], [joined(self._blocks, BLOCK)]
        return self._crossings[0], self._blocks[0]


class Monitor:
    """Listens to a machine, from `start` or the beginning of a `with` block to `stop` or its end.

    `marks` are linear addresses at which a MARK is written whenever execution arrives there. `levels` (CPLs), `space`
    (the CR3 of an address space) and `within` (a range of linear addresses; a crossing counts if it comes from there or
    leads there) leave out the rest. With `keep` the last so many crossings, and as many blocks, are at hand at any
    time, and nothing else; without it all records go to `sink`, or are kept.
    """

    def __init__(self, machine: Machine, *, blocks: bool = False, marks: Iterable[int] = (),
                 levels: Iterable[int] = (0, 1, 2, 3), space: int | None = None, within: range = EVERYWHERE,
                 keep: int | None = None, sink: Sink | None = None) -> None:
        """Raises ValueError for a `keep` that is not from 1 to LARGEST, or together with a `sink`."""
        if keep is not None and (sink or not 1 <= keep <= LARGEST):
            raise ValueError(f"keep={keep}: from 1 to {LARGEST} records, and without a sink")
        self._machine = machine
        self._keep = keep
        self._sink = sink or Collector()
        self._marks = frozenset(marks)
        self._levels = sum(1 << level for level in set(levels))
        self._space = -1 if space is None else space & 0xFFFFF000
        self._within = within
        self._rings = {"crossing": np.zeros(keep or ROOM["crossing"], CROSSING)}
        if blocks:
            self._rings["block"] = np.zeros(keep or ROOM["block"], BLOCK)
        self._counts = {"crossing": (0, 0), "block": (0, 0)}
        self._drain_entry = _DRAIN(self._drain)             # kept alive: native code holds its address
        self._listening = False

    def start(self) -> None:
        """Listen from now on. Raises ValueError if somebody else listens to the machine."""
        state = self._machine.cpu.state
        if state.crossing_ring:
            raise ValueError("the machine is being watched already: stop that first")
        for name, ring in self._rings.items():
            setattr(state, f"{name}_ring", ring.ctypes.data)
            setattr(state, f"{name}_room", len(ring))
            setattr(state, f"{name}_next", 0)
            setattr(state, f"{name}_total", 0)
        state.ring_full = 0 if self._keep else ctypes.cast(self._drain_entry, ctypes.c_void_p).value
        state.want_levels, state.want_space = self._levels, self._space
        state.want_first, state.want_last = self._within.start, self._within.stop - 1
        self._machine.cpu.set_marks(self._marks)
        self._listening = True
        self._note_edge(Kind.BEGIN)

    def stop(self) -> None:
        """Listen no longer; what has been heard stays at hand. Without effect if it does not listen."""
        if not self._listening:
            return
        state = self._machine.cpu.state
        try:
            self._note_edge(Kind.END)
            self._empty()
        finally:                                            # even if the sink fails, the machine is free
            self._listening = False
            state.crossing_ring = state.block_ring = state.ring_full = state.returning = 0
            self._machine.cpu.set_marks(())

    def __enter__(self) -> Monitor:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    @property
    def crossings(self) -> Records:
        """The crossings heard so far (dtype CROSSING), oldest first; with `keep` the last of them.

        Raises ValueError if they went to a sink.
        """
        return self._records()[0]

    @property
    def blocks(self) -> Records:
        """Likewise the blocks (dtype BLOCK)."""
        return self._records()[1]

    @property
    def first_block(self) -> int:
        """How many blocks were heard before the first in `blocks`: what `blocks` in a crossing counts from."""
        return self._state("block")[0] - len(self.blocks)

    def _records(self) -> tuple[Records, Records]:
        if self._keep:
            return self._last("crossing", CROSSING), self._last("block", BLOCK)
        if not isinstance(self._sink, Collector):
            raise ValueError("the records went to the sink")
        if self._listening:
            self._empty()
        return self._sink.all()

    def _last(self, name: str, dtype: np.dtype[Any]) -> Records:
        """The last records of a ring that is never emptied."""
        ring = self._rings.get(name, np.zeros(0, dtype))
        total, next_ = self._state(name)
        return ring[:total].copy() if total < len(ring) else np.roll(ring, -next_)

    def _state(self, name: str) -> tuple[int, int]:
        """(how many records have been written, where the next one goes) of a ring."""
        state = self._machine.cpu.state
        if self._listening:
            self._counts[name] = getattr(state, f"{name}_total"), getattr(state, f"{name}_next")
        return self._counts[name]

    def _note_edge(self, kind: Kind) -> None:
        rings.note_edge.ctypes(ctypes.c_void_p(self._machine.cpu.state.self), int(kind))

    def _empty(self) -> None:
        """Take out what has come since a ring was full last, and remember how many there were."""
        for name, ring in self._rings.items():
            count = self._state(name)[1]
            if not self._keep:
                self._take(name, ring[:count])
                setattr(self._machine.cpu.state, f"{name}_next", 0)

    def _take(self, name: str, records: Records) -> None:
        if len(records):
            (self._sink.crossings if name == "crossing" else self._sink.blocks)(records)

    def _drain(self, which: int) -> int:
        """A ring is full. Native code calls this, so `Machine.run` raises what goes wrong."""
        try:
            name = ("crossing", "block")[which]
            if name == "block":                         # first what crossed before them: so parts of a trace are whole
                state = self._machine.cpu.state
                self._take("crossing", self._rings["crossing"][:state.crossing_next])
                state.crossing_next = 0
            self._take(name, self._rings[name])
        except BaseException as error:
            self._machine.cpu.fail(error)
        return 0
