"""Where two runs begin to differ, as far as their crossings tell.

Crossings are compared one by one: what they are, from where to where, between which rings, and behind how many
instructions. Cycles and idle times are left out unless asked for; marks always, as they are the recorder's choice. If
the images differ, addresses and instruction counts mean nothing: then the functions are compared by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import Bits, Kind
from emu.monitor.trace.file import Trace
from emu.result import Reason

SPACE = 0xFFFFF000                  # of `space`: CR3
PLAIN = ("kind", "vector", "line", "error")                 # always compared as they are
TIMES = ("cycle", "cost", "waited")                         # compared if asked for
LEFT_OUT = (Kind.BEGIN, Kind.MARK)
OPEN_ENDS = (Reason.CYCLES, Reason.INSTRUCTIONS, Reason.UNTIL, Reason.VECTOR, Reason.STOPPED)


@dataclass(frozen=True)
class Comparison:
    """What two traces have in common."""

    a: Trace
    b: Trace
    by_name: bool                                           # the images differ: compared by names
    numbers: tuple[NDArray[np.int64], NDArray[np.int64]]    # the crossings that were compared, in each
    common: int                                             # so many of these are alike, from the first on
    differing: tuple[str, ...]                              # what differs in the next ones

    @property
    def first(self) -> tuple[int | None, int | None]:
        """The numbers of the first crossings that differ in `crossings` of each trace; None behind the last one."""
        a, b = (int(numbers[self.common]) if self.common < len(numbers) else None for numbers in self.numbers)
        return a, b

    @property
    def differs(self) -> bool:
        """True if there is a difference; where a trace only stops earlier than the other, there is none."""
        return None not in self.first

    @property
    def shorter(self) -> str:
        """"a" or "b": the trace that stops while the other goes on as far as is known; else ""."""
        a, b = self.first
        return "" if (a is None) == (b is None) else "a" if a is None else "b"


def compare(a: Trace, b: Trace, *, cycles: bool = False) -> Comparison:
    """Find the first difference; with `cycles` also one of time. Raises TraceError (for a trace that is cut and was not
    opened `partial`) and OSError.
    """
    by_name = a.head.digest != b.head.digest
    numbers = tuple(_compared(trace, cycles) for trace in (a, b))
    known: dict[str, int] = {}
    one, other = (_columns(trace, chosen, known if by_name else None, cycles)
                  for trace, chosen in zip((a, b), numbers, strict=True))
    length = min(map(len, numbers))
    unlike = np.zeros(length, bool)
    for name in one:
        unlike |= one[name][:length] != other[name][:length]
    common = int(np.argmax(unlike)) if unlike.any() else length
    differing = tuple(name for name in one if common < length and one[name][common] != other[name][common])
    return Comparison(a, b, by_name, (numbers[0], numbers[1]), common, differing)


def is_open(trace: Trace) -> bool:
    """True if the run could have gone on where the trace stops: a limit was reached, or the rest is missing."""
    return bool(trace.flaw) or trace.end.ended.startswith(tuple(map(str, OPEN_ENDS)))


def _compared(trace: Trace, cycles: bool) -> NDArray[np.int64]:
    """The numbers of the crossings that count. The end is one of them if it is the guest's."""
    left_out = [*LEFT_OUT, *(() if cycles else (Kind.IDLE,)), *((Kind.END,) if is_open(trace) else ())]
    return np.flatnonzero(~np.isin(trace.crossings["kind"], left_out))


def _columns(trace: Trace, numbers: NDArray[np.int64], known: dict[str, int] | None,
             cycles: bool) -> dict[str, NDArray[Any]]:
    """What is compared, by names for people. `known` numbers the names of functions; None: take addresses."""
    crossings = trace.crossings
    columns = {name: crossings[name][numbers] for name in (*PLAIN, *(TIMES if cycles else ()))}
    space = crossings["space"][numbers]
    columns["rings"] = space & (Bits.TO | Bits.FROM)
    for name in ("from", "to"):
        columns[name] = crossings[name][numbers]
        if known is not None:
            columns[name] = _functions(trace, columns[name], space & SPACE, known)
    if known is None:
        columns["instructions"] = crossings["instructions"][numbers]
    return columns


def _functions(trace: Trace, addresses: NDArray[Any], spaces: NDArray[Any], known: dict[str, int]) -> NDArray[np.int64]:
    """The number of the function that each address is in."""
    places, which = np.unique(addresses.astype(np.uint64) << np.uint64(32) | spaces, return_inverse=True)
    found = []
    for place in places.tolist():
        program, symbol, _ = trace.names.find(place >> 32, trace.end.spaces.get(place & 0xFFFFFFFF, "")) or ("", "", 0)
        found.append(known.setdefault(f"{program}:{symbol}", len(known)))
    return np.array(found, np.int64)[which.reshape(-1)]
