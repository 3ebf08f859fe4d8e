"""What paths cost: cycles of each time that a run went along a path, by cause, and what they come to.

Cycles are differences of the clock at both ends, causes differences of the counts that records carry; so they are exact
integers, and the causes of an occurrence add up to its cycles. A path begins when its first crossing begins. It ends
behind the instruction that returns or crosses; if an event ends it, when that begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.counters import CAUSES
from emu.crossings import Kind
from emu.monitor.arrays import unwrapped
from emu.monitor.names import Names
from emu.monitor.paths.pairing import Returns
from emu.monitor.paths.paths import EVENTS, NamedPath

PARTS = (*CAUSES, "idle")       # what the cycles of an occurrence are made of: busy by cause, and halted
COUNTED = CAUSES[1:]            # causes of which records have counts; the pipeline has the rest
OCCURRENCE = np.dtype([
    ("begin", "<i8"),               # the clock where it begins
    ("end", "<i8"),                 # ... and where it ends
    ("begin_instructions", "<i8"),  # retired before it begins: where to go to see it
    ("end_instructions", "<i8"),    # ... before it ends
    ("thread", "<u4"),              # in which it begins
    ("reserved", "<u4"),
    ("cycles", "<i8"),              # end - begin
    ("instructions", "<i8"),
    *((part, "<i8") for part in PARTS),
])
CHOICES = ("min", "median", "p99", "max")


@dataclass(frozen=True)
class PathCosts:
    """What a path cost each time."""

    path: NamedPath
    occurrences: NDArray[Any]       # OCCURRENCE, in order of their begins

    @property
    def count(self) -> int:
        """How often the run went along it."""
        return len(self.occurrences)

    def spread(self, field: str = "cycles") -> dict[str, int]:
        """Minimum, median, 99th percentile and maximum of a field; each is of an occurrence. Empty without any."""
        return spread(self.occurrences[field])

    def choose(self, which: str) -> Any:
        """The occurrence whose cycles are one of CHOICES, the first of several. Raises ValueError if there is none."""
        if not self.count or which not in CHOICES:
            raise ValueError(f"{self.path.name}: no occurrence: the run never went along it" if which in CHOICES else
                             f"{which!r}: must be one of {', '.join(CHOICES)}")
        return self.occurrences[int(np.argmax(self.occurrences["cycles"] == self.spread()[which]))]

    @property
    def causes(self) -> dict[str, int]:
        """Cycles of all occurrences by PARTS; together they are all cycles."""
        return {part: int(self.occurrences[part].sum()) for part in PARTS}

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; `witness` says where the cheapest, a typical and the dearest occurrence are."""
        witness = {which: {name: int(self.choose(which)[name]) for name in OCCURRENCE.names or () if name != "reserved"}
                   for which in CHOICES if self.count}
        return {"path": self.path.name, "description": self.path.description, "count": self.count,
                "instructions": self.spread("instructions"), "cycles": self.spread(),
                "total_cycles": int(self.occurrences["cycles"].sum()), "causes": self.causes, "witness": witness}


def costs(paths: Iterable[NamedPath], crossings: NDArray[Any], names: Names,
          spaces: Mapping[int, str] | None = None) -> list[PathCosts]:
    """What each path cost in a run with these crossings (a Monitor's, with the `marks` of the paths).

    `spaces` (CR3 -> program) tells programs at the same addresses apart. Raises PathError.
    """
    counts = {cause: unwrapped(crossings[cause]) for cause in COUNTED}
    halted = np.where(crossings["kind"] == Kind.IDLE, crossings["cost"], 0).astype(np.int64)
    counts["idle"] = np.cumsum(halted) - halted
    returns = Returns(crossings)
    return [PathCosts(path, _measure(path.occurrences(crossings, names, spaces, returns), crossings, counts))
            for path in paths]


def table(found: Sequence[PathCosts]) -> str:
    """For people: a line for each path, cycles and the share of each cause."""
    rows = [["path", "count", "instr", "min", "median", "p99", "max", *PARTS]]
    for each in found:
        cycles, total = each.spread(), sum(each.causes.values())
        rows.append([each.path.name, f"{each.count:,}", *(
            [f"{each.spread('instructions')['median']:,}", *(f"{cycles[which]:,}" for which in CHOICES)]
            if each.count else ["-"] * 5),
            *(f"{share / total:.1%}" if total else "-" for share in each.causes.values())])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text, in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:{'<' if at == 0 else '>'}{width}}" for at, (cell, width) in enumerate(
        zip(row, widths, strict=True))).rstrip() for row in rows)


def spread(values: NDArray[Any]) -> dict[str, int]:
    """CHOICES of some numbers, by nearest rank: each is one of them. Empty if there are none."""
    if not len(values):
        return {}
    ordered, last = np.sort(values), len(values) - 1
    ranks = {"min": 0, "median": last // 2, "p99": -(-len(values) * 99 // 100) - 1, "max": last}
    return {which: int(ordered[ranks[which]]) for which in CHOICES}


def ended(crossings: NDArray[Any], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The clock where a path has ended that the crossings of these numbers end."""
    by_instruction = ~np.isin(crossings["kind"][numbers], (*EVENTS, Kind.MARK, Kind.IDLE))
    return crossings["cycle"][numbers] + np.where(by_instruction, crossings["cost"][numbers], 0)


def _measure(pairs: NDArray[np.int64], crossings: NDArray[Any],
             counts: Mapping[str, NDArray[np.int64]]) -> NDArray[Any]:
    """The occurrences of a path, given the numbers of the crossings that begin and end them."""
    first, last = pairs.T
    found = np.zeros(len(pairs), OCCURRENCE)
    found["begin"], found["end"] = crossings["cycle"][first], ended(crossings, last)
    found["begin_instructions"], found["end_instructions"] = (crossings["instructions"][each] for each in (first, last))
    found["thread"] = crossings["thread"][first]
    found["cycles"] = found["end"] - found["begin"]
    found["instructions"] = found["end_instructions"] - found["begin_instructions"]
    for part, count in counts.items():
        found[part] = count[last] - count[first]
    found["transition"] += found["end"] - crossings["cycle"][last]      # what its last crossing says that it took
    found["pipeline"] = found["cycles"] - sum(found[part] for part in PARTS[1:])
    return found
