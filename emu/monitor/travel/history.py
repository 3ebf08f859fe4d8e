"""The snapshots of a run: dense near its end, sparse far back."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import attrgetter, is_not
from typing import NamedTuple

from emu.memory import PAGE
from emu.snapshot.snapshot import Snapshot


class Position(NamedTuple):
    """Where in a run: no two places at which the machine can stand have the same. The later, the greater.

    The clock comes first: an exception delivered takes time but retires nothing, and an interrupted REP string
    instruction, counted when it began, counts again when it goes on.
    """

    cycles: int             # the clock
    instructions: int       # retired


@dataclass(eq=False)
class Moment:
    """A snapshot, and what belongs to it outside the machine."""

    position: Position
    snapshot: Snapshot
    done: int                                               # deeds done before it
    tapes: list[int] = field(default_factory=list)          # where each tape stands
    cost: int = 0                                           # bytes that it does not share with the moment before it


class History:
    """Moments by position; the first one stays."""

    def __init__(self, first: Moment, interval: int, most: int, room: int) -> None:
        """`interval`: instructions between new moments; `most`: how many moments; `room`: bytes for what they do not
        share, besides the first one. Raises ValueError if there is no interval, or no room for two moments.
        """
        if interval < 1 or most < 2:
            raise ValueError(f"snapshots every {interval} instructions, at most {most}: must be at least 1 and 2")
        self._interval, self._most, self._room = interval, most, room
        self._moments = [first]

    @property
    def first(self) -> Moment:
        """The beginning."""
        return self._moments[0]

    @property
    def last(self) -> Moment:
        """The latest."""
        return self._moments[-1]

    @property
    def next_count(self) -> int:
        """How many instructions will have been retired when the next moment is due."""
        return self.last.position.instructions + self._interval

    def add(self, moment: Moment) -> None:
        """Append a moment later than all others, and thin out."""
        self._moments.append(moment)
        self._price(len(self._moments) - 1)
        while len(self._moments) > 2 and (len(self._moments) > self._most
                                          or sum(each.cost for each in self._moments) > self._room):
            self._drop()

    def before(self, limit: Position, instructions: int) -> Moment:
        """The last moment not behind `limit` with at most `instructions` retired; the first if there is none."""
        at = bisect_right(self._moments, limit, key=attrgetter("position")) - 1
        while at > 0 and self._moments[at].position.instructions > instructions:
            at -= 1
        return self._moments[max(at, 0)]

    def forget_after(self, position: Position) -> None:
        """Forget the moments behind a position."""
        del self._moments[max(bisect_right(self._moments, position, key=attrgetter("position")), 1):]

    def _drop(self) -> None:
        """Drop the moment whose gap, once it is gone, is the smallest for its age."""
        counts = [each.position.instructions for each in self._moments]
        now = counts[-1] + self._interval
        at = min(range(1, len(counts) - 1), key=lambda i: (counts[i + 1] - counts[i - 1]) / (now - counts[i]))
        del self._moments[at]
        self._price(at)

    def _price(self, at: int) -> None:
        moment, before = self._moments[at].snapshot, self._moments[at - 1].snapshot
        self._moments[at].cost = (sum(map(is_not, moment.pages, before.pages)) * PAGE + len(moment.processor.model)
                                  + len(moment.processor.registers) + len(moment.console))
