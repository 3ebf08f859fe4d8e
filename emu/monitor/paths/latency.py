"""How long interrupts wait: from a device's assertion to the handler and to the next user instruction, and the longest
times for which interrupts were off.

Both come from crossings. CLI, STI and POPF change IF without one; so that these are seen, a monitor must have marks
behind them: `flag_marks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import Bits, Kind
from emu.monitor.names import Names
from emu.monitor.paths.costs import CHOICES, aligned, ended, spread
from emu.monitor.paths.pairing import CR3, RETURNS
from guest.abi.memory import Memory

if TYPE_CHECKING:
    from loader.image import Image

STAGES = ("accepted", "handler", "user")        # what a latency is measured to
FLAG_INSTRUCTIONS = ("cli", "sti", "popf", "popfd")
APART = (Kind.BEGIN, Kind.END, Kind.LOST)       # what is behind these does not continue what is in front of them
LATENCY = np.dtype([
    ("asserted", "<i8"),            # the clock when the device asserted the line
    ("instructions", "<i8"),        # retired when the interrupt was accepted: where to go to see it
    ("accepted", "<i8"),            # cycles from there to the acknowledge,
    ("handler", "<i8"),             # ... to the first instruction of the handler,
    ("user", "<i8"),                # ... to the next instruction of a program; -1: none before the processor was halted
])                                  #     or the line's next interrupt


@dataclass(frozen=True)
class LineLatency:
    """The interrupts of a line."""

    line: int                       # of the interrupt controllers
    interrupts: NDArray[Any]        # LATENCY

    def spread(self, stage: str) -> dict[str, int]:
        """Minimum, median, 99th percentile and maximum of one of STAGES, cycles; empty without any."""
        values = self.interrupts[stage]
        return spread(values[values >= 0])

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON, with the interrupt that took longest to its handler."""
        worst = self.interrupts[int(np.argmax(self.interrupts["handler"]))]
        return {"line": self.line, "count": len(self.interrupts),
                "cycles_from_asserted_to": {stage: self.spread(stage) for stage in STAGES},
                "worst": {name: int(worst[name]) for name in LATENCY.names or ()}}


@dataclass(frozen=True)
class Window:
    """A time for which interrupts were off."""

    cycles: int                     # how long
    begin: int                      # the clock when they went off: with `instructions`, the witness
    instructions: int               # retired then
    off: int                        # linear address of the instruction that did it, or in front of which an event did
    on: int                         # ... that switched them on again
    space: int                      # CR3 when they went off
    thread: int                     # as in a crossing, then
    exact: bool                     # False: IF changed somewhere in front of the record at which this begins or ends

    def places(self, names: Names, spaces: Mapping[int, str] | None = None) -> tuple[str, str]:
        """`off` and `on` as people read them. `spaces` (CR3 -> program) tells programs at the same addresses apart."""
        program = (spaces or {}).get(self.space, "")
        return names.name(self.off, program), names.name(self.on, program)

    def as_dict(self, names: Names, spaces: Mapping[int, str] | None = None) -> dict[str, Any]:
        """The same for JSON, with places by name."""
        return {**vars(self), **dict(zip(("off_at", "on_at"), self.places(names, spaces), strict=True))}


def latencies(crossings: NDArray[Any]) -> list[LineLatency]:
    """The interrupts of a run, by line."""
    kind = crossings["kind"]
    at = np.flatnonzero(kind == Kind.INTERRUPT)
    records = crossings[at]
    found = np.zeros(len(at), LATENCY)
    waited = records["waited"].astype(np.int64)
    found["asserted"], found["instructions"] = records["cycle"] - waited, records["instructions"]
    found["accepted"], found["handler"] = waited, waited + records["cost"]
    to_user = (crossings["space"] & Bits.TO == 3) & ~np.isin(kind, (Kind.MARK, Kind.IDLE, *APART))
    user = _next(np.flatnonzero(to_user), at, len(crossings))
    halted = _next(np.flatnonzero(np.isin(kind, (Kind.IDLE, *APART))), at, len(crossings))
    lines = []
    for line in np.unique(records["line"]).tolist():
        mine = records["line"] == line
        again = np.append(at[mine][1:], len(crossings))
        reached = user[mine] < np.minimum(halted[mine], again)
        some = found[mine]
        some["user"] = -1
        some["user"][reached] = ended(crossings, user[mine][reached]) - some["asserted"][reached]
        lines.append(LineLatency(line, some))
    return lines


def windows(crossings: NDArray[Any], marked: Mapping[int, int] | None = None, most: int | None = 10) -> list[Window]:
    """The times for which interrupts were off, the longest first; at most `most` of them.

    `marked` is what `flag_marks` gave. One that began before recording did, or ended later, is left out.
    """
    space, marked = crossings["space"], marked or {}
    flags = np.stack([space & Bits.IF_FROM != 0, space & Bits.IF_TO != 0], axis=1).ravel()
    apart = np.repeat(np.isin(crossings["kind"], APART), 2)     # neither side of these joins on to its neighbour
    before = np.concatenate([flags[:1], flags[:-1]])
    off, on = (np.flatnonzero((before != flags) & (flags == state)) for state in (False, True))
    behind = np.cumsum(apart)
    at = np.searchsorted(on, off)
    off, at = off[at < len(on)], at[at < len(on)]
    closed = on[at]
    whole = (behind[off] == behind[closed]) & ~apart[off] & (off // 2 != closed // 2)
    off, closed = off[whole] // 2, closed[whole] // 2
    inside = [(flags[2 * numbers] != flags[2 * numbers + 1]) | _tells(crossings[numbers], marked)
              for numbers in (off, closed)]
    cycles = ended(crossings, closed) - crossings["cycle"][off]
    longest = np.argsort(-cycles, kind="stable")[:most]
    return [_window(crossings[off[n]], crossings[closed[n]], int(cycles[n]), marked, bool(inside[0][n] & inside[1][n]))
            for n in longest.tolist()]


def flag_marks(image: Image) -> dict[int, int]:
    """Where to mark a kernel so that every change of IF is seen: the address behind each CLI, STI and POPF -> its own.

    The instructions come from the line map, so there are none for a kernel that was not linked by Trapline.
    """
    from emu.decoding import decode

    found = {}
    for (start, _, line), (end, _, _) in pairwise(image.lines.entries):
        for each in decode(_code(image, start, end), start) if line else []:
            if each.mnemonic in FLAG_INSTRUCTIONS:
                found[each.address + each.size] = each.address
    return found


def table(lines: Sequence[LineLatency]) -> str:
    """For people: a line for each interrupt line and stage, cycles since the device asserted it."""
    rows = [["line", "count", "cycles to", *CHOICES]]
    for each in lines:
        for stage in STAGES:
            found = each.spread(stage)
            first = stage == STAGES[0]
            rows.append([f"irq {each.line}" if first else "", f"{len(each.interrupts):,}" if first else "", stage,
                         *(f"{found[which]:,}" if found else "-" for which in CHOICES)])
    return aligned(rows)


def window_table(found: Sequence[Window], names: Names, spaces: Mapping[int, str] | None = None) -> str:
    """For people: a line for each window."""
    rows = [["cycles off", "from", "to", "at cycle", "at instruction", ""]]
    rows += [[f"{each.cycles:,}", *each.places(names, spaces), f"{each.begin:,}",
              f"{each.instructions:,}", "" if each.exact else "or a little earlier"] for each in found]
    return aligned(rows)


def _next(events: NDArray[np.int64], numbers: NDArray[np.int64], none: int) -> NDArray[np.int64]:
    """The first event behind each number; `none` if there is none."""
    return np.append(events, none)[np.searchsorted(events, numbers, "right")]


def _tells(records: NDArray[Any], marked: Mapping[int, int]) -> NDArray[np.bool_]:
    """Whether the instruction in front of a record changed IF: a return, which is complete then, or a marked one."""
    is_marked = np.isin(records["to"], np.fromiter(marked, np.int64, len(marked)))
    return np.isin(records["kind"], RETURNS) | (records["kind"] == Kind.MARK) & is_marked


def _window(off: Any, on: Any, cycles: int, marked: Mapping[int, int], exact: bool) -> Window:
    at_off, at_on = (marked.get(int(each["to"]), int(each["from"])) if each["kind"] == Kind.MARK else int(each["from"])
                     for each in (off, on))
    return Window(cycles, int(off["cycle"]), int(off["instructions"]), at_off, at_on, int(off["space"]) & CR3,
                  int(off["thread"]), exact)


def _code(image: Image, start: int, end: int) -> bytes:
    """The bytes of the kernel from one linear address to another, as far as the image has them."""
    physical = start - Memory.KERNEL_BASE if start >= Memory.KERNEL_BASE else start
    for segment in image.segments:
        at = physical - segment.physical
        if 0 <= at < len(segment.data):
            return segment.data[at:at + end - start]
    return b""
