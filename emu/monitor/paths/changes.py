"""What a path costs in one run and in another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emu.monitor.paths.costs import PARTS, PathCosts, aligned


@dataclass(frozen=True)
class CostChange:
    """A path in two runs."""

    a: PathCosts
    b: PathCosts

    @property
    def difference(self) -> int:
        """Cycles that B spent on it, all occurrences together, beyond those of A."""
        return _total(self.b) - _total(self.a)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what each run has, and B's beyond A's."""
        sides = [{"count": side.count, "median_cycles": side.spread().get("median"), "total_cycles": _total(side),
                  "causes": side.causes} for side in (self.a, self.b)]
        causes = {part: self.b.causes[part] - self.a.causes[part] for part in PARTS}
        return {"path": self.a.path.name, "description": self.a.path.description, "a": sides[0], "b": sides[1],
                "difference": {"count": self.b.count - self.a.count, "total_cycles": self.difference,
                               "causes": causes}}


def changes(a: Iterable[PathCosts], b: Iterable[PathCosts]) -> list[CostChange]:
    """The paths that both know and at least one took, the largest difference of all cycles first."""
    known = {each.path.name: each for each in b}
    found = [CostChange(each, known[each.path.name]) for each in a if each.path.name in known]
    return sorted((each for each in found if each.a.count or each.b.count), key=lambda each: -abs(each.difference))


def table(found: Sequence[CostChange]) -> str:
    """For people: a line for each path; the causes are those of the difference."""
    rows = [["path", "count A", "count B", "median A", "median B", "all A", "all B", "B - A", *PARTS]]
    for each in found:
        medians = [f"{side.spread()['median']:,}" if side.count else "-" for side in (each.a, each.b)]
        rows.append([each.a.path.name, f"{each.a.count:,}", f"{each.b.count:,}", *medians, f"{_total(each.a):,}",
                     f"{_total(each.b):,}", f"{each.difference:+,}",
                     *(f"{each.b.causes[part] - each.a.causes[part]:+,}" for part in PARTS)])
    return aligned(rows)


def _total(costs: PathCosts) -> int:
    return int(costs.occurrences["cycles"].sum())
