"""Cycles of a path as a number that can be compared with a budget, and what a failed comparison says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from emu.monitor.paths.costs import PARTS, PathCosts

if TYPE_CHECKING:
    from emu.monitor.paths.ledger import Ledger, Row

LONGEST = 120           # rows of a ledger that are shown; of a longer one the dearest

Spent = Callable[[Any], str]        # the ledger of an occurrence as text


class Cycles(int):
    """Cycles that a path took: the number is those of the worst occurrence; `min`, `median`, `p99` and `worst` are such
    numbers, too. `count` says how often the run went along it, `costs` has everything.
    """

    trapline_path: str                  # the path's name
    which: str                          # one of emu.monitor.paths.costs.CHOICES
    costs: PathCosts

    def __new__(cls, costs: PathCosts, spent: Spent, which: str = "max") -> Self:
        """`spent` is asked for the ledger of an occurrence if a comparison fails."""
        number = super().__new__(cls, costs.spread()[which])
        number.trapline_path, number.which = costs.path.name, which
        number.costs, number._spent = costs, spent
        return number

    _spent: Spent

    @property
    def count(self) -> int:
        """How many occurrences there were."""
        return self.costs.count

    @property
    def min(self) -> Cycles:
        """The least."""
        return Cycles(self.costs, self._spent, "min")

    @property
    def median(self) -> Cycles:
        """Half of the occurrences took no more."""
        return Cycles(self.costs, self._spent, "median")

    @property
    def p99(self) -> Cycles:
        """99 of a hundred took no more."""
        return Cycles(self.costs, self._spent, "p99")

    @property
    def worst(self) -> Cycles:
        """The most: the number itself."""
        return Cycles(self.costs, self._spent)

    def ledger(self) -> str:
        """Of the occurrence that took so long, instruction by instruction, with its causes."""
        return self._spent(self.costs.choose(self.which))

    def summary(self) -> str:
        """One line: how long, how often, on what."""
        spread, occurrence = self.costs.spread(), self.costs.choose(self.which)
        causes = ", ".join(f"{part} {int(occurrence[part])}" for part in PARTS if occurrence[part])
        return (f"{self.trapline_path}: {self.which} {int(self)} cycles of {self.count} times (min {spread['min']}, "
                f"median {spread['median']}, max {spread['max']}), at cycle {int(occurrence['begin']):,}: {causes}")


def explain(op: str, left: object, right: object) -> list[str]:
    """What pytest shows for `left op right` that does not hold; the ledger comes in a section of its own."""
    number = left if isinstance(left, Cycles) else right
    assert isinstance(number, Cycles)
    number.ledger()
    return [f"{int(left) if isinstance(left, Cycles) else left!r} {op} "
            f"{int(right) if isinstance(right, Cycles) else right!r}",
            number.summary(), f"the ledger of {number.trapline_path} follows below"]


def as_text(ledger: Ledger) -> str:
    """A ledger for people: a line for each instruction or event; of a long one the dearest."""
    rows, left_out = ledger.rows, 0
    if len(rows) > LONGEST:
        dearest = sorted(range(len(rows)), key=lambda at: -rows[at].cycles)[:LONGEST]
        rows = [rows[at] for at in sorted(dearest)]
        left_out = len(ledger.rows) - len(rows)
    table = [["cycle", "cycles", "ring", "where", "instruction", "why", "source"],
             *(_cells(row) for row in rows)]
    text = _columns(table)
    return text + (f"\n... and {left_out:,} cheaper rows between these" if left_out else "")


def _cells(row: Row) -> list[str]:
    why = ", ".join(f"{cause} {cycles}" for cause, cycles in row.causes.items() if cycles)
    source = f"{row.file}:{row.line}" if row.file else ""
    return [f"{row.cycle:,}", f"{row.cycles:,}", str(row.cpl), row.where, row.text, why, source]


def _columns(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:{'>' if at < 2 else '<'}{width}}" for at, (cell, width) in enumerate(
        zip(row, widths, strict=True))).rstrip() for row in rows)
