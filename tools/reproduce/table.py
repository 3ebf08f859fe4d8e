"""A table of a paper: what it is called, how it is measured here, and its rows, ours beside theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tools.reproduce.plan import Plan

Range = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One figure: theirs, ours, or why there is none of ours."""

    row: str                            # of the paper's table, or the point of its chart
    metric: str                         # what was measured
    unit: str
    cpu: str = ""                       # the profile that ours is measured on
    paper: float | Range | None = None  # theirs; None: they print none
    ours: float | None = None           # None: open
    at_most: float | None = None        # a bar that we set ourselves
    open: str = ""                      # why there is none of ours
    notes: tuple[str, ...] = ()
    is_detail: bool = False             # for programs alone: a chart shows it, or it would be too much to read

    @property
    def ratio(self) -> float | None:
        """Ours over theirs; None without either, and for a range."""
        if self.ours is None or not self.paper or isinstance(self.paper, tuple):
            return None
        return self.ours / self.paper

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is met; None if there is none, or nothing of ours."""
        return None if self.at_most is None or self.ours is None else self.ours <= self.at_most

    def as_dict(self, table: str) -> dict[str, Any]:
        """The same for JSON."""
        bar = None if self.at_most is None else {"at_most": self.at_most, "is_met": self.is_met}
        return {"table": table, "row": self.row, "metric": self.metric, "unit": self.unit, "cpu": self.cpu or None,
                "paper": self.paper, "ours": self.ours, "ratio": self.ratio, "bar": bar, "open": self.open or None,
                "notes": list(self.notes)}


@dataclass(frozen=True)
class Line:
    """A line of a chart."""

    name: str
    points: tuple[tuple[float, float], ...]     # (x, y) from left to right
    colour: int = 0                     # which of the report's colours
    is_dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis."""

    title: str
    x: str                              # what the axes show, with the unit
    y: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Findings:
    """What measuring a table brought."""

    rows: list[Row]
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)      # what holds for all rows: choices that the paper left open


@dataclass(frozen=True)
class Table:
    """A table or figure of a paper that can be measured here."""

    name: str                           # PAPER.TABLE; the figures of the paper are in papers/PAPER.toml
    title: str                          # one line, for lists
    images: tuple[str, ...]             # of guest/images
    profiles: tuple[str, ...]           # processors that it is about
    measure: Callable[[Plan], Findings]
