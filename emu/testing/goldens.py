"""Golden traces: what happened, as lines, compared with the lines of a file.

A golden is the text form of a trace (emu.monitor.formats.text) without what changes when nothing important does: the
clock, unless costs are to be compared, and the distance of addresses from their symbols. With `cycles` the clock counts
from the first line on, and idle time has lines, too. Lines that begin with # do not count.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import Kind
from emu.monitor.formats import text
from emu.monitor.trace.file import Trace, TraceEnd, TraceHead
from emu.testing.guest import Guest

NOT_COMPARED = (Kind.BEGIN, Kind.END)                   # are where somebody looks, not what happens
SHOWN = 3                       # lines of each from the first difference on
BEFORE = 3                      # lines that are shown in front of the first difference
_CLOCK = re.compile(r"^\s*\d+\s+(?:\d+|-)?  ")      # the first two columns
_COSTS = re.compile(r" \((?:waited|cost) [^)]*\)")
_OFFSET = re.compile(r"(?<=[\w.@])\+0x[0-9a-f]+")


def trace_of(guest: Guest, crossings: NDArray[Any], ended: str = "") -> Trace:
    """Crossings of a guest as a trace."""
    machine, roster = guest.machine, guest.roster
    image = machine.image
    head = TraceHead(machine.profile.name, machine.clock.frequency, machine.ram.size, image.name if image else None,
                     image.digest if image else None, (guest.booted.wanted.image,))
    end = TraceEnd(machine.counters.as_dict(), roster.threads, roster.spaces, ended)
    return Trace.from_arrays(head, crossings, names=guest.names, end=end)


def compared(crossings: NDArray[Any], cycles: bool, marks: bool) -> NDArray[Any]:
    """Those that have a line."""
    left_out = [*NOT_COMPARED, *(() if cycles else (Kind.IDLE,)), *(() if marks else (Kind.MARK,))]
    found: NDArray[Any] = crossings[~np.isin(crossings["kind"], left_out)]
    return found


def lines_of(guest: Guest, crossings: NDArray[Any], cycles: bool) -> list[str]:
    """The lines that are compared, of `compared` crossings."""
    if cycles and len(crossings):
        crossings = crossings.copy()
        crossings["cycle"] -= crossings["cycle"][0]
    lines = [line for line in text.crossings(trace_of(guest, crossings)) if not line.startswith("#")]
    if cycles:
        return lines
    return [_OFFSET.sub("", _COSTS.sub("", _CLOCK.sub("", line))) for line in lines]


def write(path: Path, title: str, lines: list[str]) -> None:
    """Write a golden file. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"# {title}: pytest --trace-update writes this file", *lines]) + "\n")


def difference(path: Path, lines: list[str]) -> tuple[int, str] | None:
    """The first difference from the golden file: the number of its line in `lines`, from 0 on, and the text that shows
    it in its context; None if there is none. Raises OSError.
    """
    wanted = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    if wanted == lines:
        return None
    at = next((number for number, (one, other) in enumerate(zip(wanted, lines, strict=False)) if one != other),
              min(len(wanted), len(lines)))
    shown = [f"    {line}" for line in lines[max(at - BEFORE, 0):at]]
    shown += [f"  - {line}" for line in wanted[at:at + SHOWN]] or ["  - (the golden ends here)"]
    shown += [f"  + {line}" for line in lines[at:at + SHOWN]] or ["  + (the run ends here)"]
    return at, f"line {at + 1} of {len(wanted)} differs; - is the golden, + is what happened:\n" + "\n".join(shown)


def first_crossings(crossings: NDArray[Any], pairs: NDArray[np.int64]) -> NDArray[Any]:
    """The crossings of the first occurrence of a path."""
    begin, end = pairs[0].tolist()
    found: NDArray[Any] = crossings[begin:end + 1]
    return found
