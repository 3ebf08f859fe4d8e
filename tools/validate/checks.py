"""A figure of ours beside a published value or range that is no row of a table."""

from __future__ import annotations

from dataclasses import dataclass

from emu.timing.figures import Certainty


@dataclass(frozen=True)
class Published:
    """What is known of a figure: the least and the most that sources give."""

    least: float
    most: float
    source: str
    certainty: Certainty


@dataclass(frozen=True)
class Check:
    """A figure of a profile's machine, in cycles, and what is published of it."""

    profile: str
    what: str
    ours: float
    published: Published | None         # None: no source gives a number
    tolerance: float = 0.0              # deviation that still counts as agreement
    rounding: float = 0.0               # the same in cycles
    ours_range: tuple[float, float] | None = None       # with the profile's least and largest figures

    @property
    def deviation(self) -> float | None:
        """How far ours lies outside what is published, as a fraction of the nearer end; 0 within."""
        if self.published is None:
            return None
        for end, outside in ((self.published.least, self.ours < self.published.least),
                             (self.published.most, self.ours > self.published.most)):
            if outside:
                return (self.ours - end) / end
        return 0.0

    @property
    def holds(self) -> bool | None:
        """Whether ours agrees; None if there is nothing to agree with."""
        if self.published is None or self.deviation is None:
            return None
        outside = max(self.published.least - self.ours, self.ours - self.published.most)
        return abs(self.deviation) <= self.tolerance or outside <= self.rounding
