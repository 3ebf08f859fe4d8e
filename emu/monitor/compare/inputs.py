"""What reaches a machine from its devices: what it reads from ports and device memory, and the interrupts it accepts.

A machine is deterministic, so of two runs of an image that differ, the first input that differs is the cause; unless
they were started differently, or software looked at the processor or the time (CPUID, RDTSC).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from enum import IntEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from emu.bus import Space
from emu.crossings import Kind

if TYPE_CHECKING:
    from emu.machine import Machine


class Source(IntEnum):
    """What kind of input it is."""

    INTERRUPT = 0
    PORT = 1
    MEMORY = 2


INPUT = np.dtype([
    ("cycle", "<i8"),               # when the instruction began that read it, or the interrupt was accepted
    ("instructions", "<i8"),        # retired before an INTERRUPT; -1 for others
    ("at", "<i8"),                  # linear address of that instruction, or of the one that was interrupted
    ("space", "<i8"),               # CR3
    ("source", "<i8"),              # Source
    ("address", "<i8"),             # port, physical address, or the line of an INTERRUPT
    ("size", "<i8"),                # bytes that were read; 0 for an INTERRUPT
    ("value", "<i8"),               # what was read, or the vector
])
COMPARED = ("instructions", "at", "source", "address", "size", "value")


class _Heard:
    """A space of devices of which every read is noted."""

    def __init__(self, space: Space, note: Callable[[int, int, int], None]) -> None:
        self._space, self._note = space, note

    def read(self, address: int, size: int) -> int:
        """See Space."""
        value = self._space.read(address, size)
        self._note(address, size, value)
        return value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)


class Inputs:
    """Notes what a machine reads from its devices, while it is open: a context manager. The run stays the same."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._spaces = machine.bus.ports, machine.bus.memory
        self._log = array("q")

    def __enter__(self) -> Inputs:
        bus = self._machine.bus
        bus.ports, bus.memory = (cast(Space, _Heard(space, self._noter(source))) for space, source in zip(
            self._spaces, (Source.PORT, Source.MEMORY), strict=True))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._machine.bus.ports, self._machine.bus.memory = self._spaces

    @property
    def reads(self) -> NDArray[Any]:
        """What has been read so far (dtype INPUT), in order."""
        return np.array(self._log, np.int64).view(INPUT)

    def device(self, source: int, address: int) -> str:
        """The name of the device at a port or physical address; "" if there is none."""
        space = self._spaces[source == Source.MEMORY]
        found = space.find(address)
        return found.name if found else ""

    def _noter(self, source: Source) -> Callable[[int, int, int], None]:
        clock, cpu, log = self._machine.clock, self._machine.cpu, self._log

        def note(address: int, size: int, value: int) -> None:
            log.extend((clock.now, -1, cpu.linear_eip, cpu.registers.cr3, source, address, size, value))

        return note


def with_interrupts(reads: NDArray[Any], crossings: NDArray[Any]) -> NDArray[Any]:
    """Those reads of a run and the interrupts among its crossings (dtype CROSSING), as INPUT, in order."""
    accepted = crossings[crossings["kind"] == Kind.INTERRUPT]
    interrupts = np.zeros(len(accepted), INPUT)
    interrupts["source"] = Source.INTERRUPT
    interrupts["space"] = accepted["space"] & 0xFFFFF000
    for name, field in (("cycle", "cycle"), ("instructions", "instructions"), ("at", "from"), ("address", "line"),
                        ("value", "vector")):
        interrupts[name] = accepted[field]
    every = np.concatenate([interrupts, reads])
    return every[np.argsort(every["cycle"], kind="stable")]     # an interrupt goes before what its handler reads


def first_difference(a: NDArray[Any], b: NDArray[Any], ends: Sequence[tuple[int, int]]) -> tuple[Any, Any] | None:
    """The first input that two runs do not share, of each of them, before the runs have come to their `ends` (cycle,
    instructions); None if they share all of these. If one accepts an interrupt, the other's is its next one of that
    line, whenever that comes; None in place of one that never does.
    """
    length = min(len(a), len(b))
    unlike = np.zeros(length, bool)
    for name in COMPARED:
        unlike |= a[name][:length] != b[name][:length]
    first = int(np.argmax(unlike)) if unlike.any() else length
    pair = [each[first] if first < len(each) else None for each in (a, b)]
    if not any(one is not None and _is_before(one, end) for one, end in zip(pair, ends, strict=True)):
        return None
    accepted = [one for one in pair if one is not None and one["source"] == Source.INTERRUPT]
    if not accepted:
        return pair[0], pair[1]
    line = min(accepted, key=lambda one: int(one["instructions"]))["address"]
    return _next(a[first:], line), _next(b[first:], line)


def _is_before(one: Any, end: tuple[int, int]) -> bool:
    cycle, instructions = end
    return bool(one["instructions"] <= instructions if one["source"] == Source.INTERRUPT else one["cycle"] <= cycle)


def _next(inputs: NDArray[Any], line: int) -> Any:
    """The next interrupt of a line, None if there is none."""
    found = np.flatnonzero((inputs["source"] == Source.INTERRUPT) & (inputs["address"] == line))
    return inputs[found[0]] if len(found) else None
