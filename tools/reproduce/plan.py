"""How a table is to be measured: what holds for all of its points, and the way in which they are gone through."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from emu.timing.profile import Profile

P = TypeVar("P", bound=Hashable)        # a point
F = TypeVar("F")                        # what is found there


class Way(Protocol):
    """How points are measured."""

    def map(self, function: Callable[[P], F], points: Sequence[P]) -> Iterator[tuple[int, F]]:
        """What a function finds at each: its place among them, and that, as soon as it is known."""
        ...


class InTurn:
    """One after the other, here."""

    def map(self, function: Callable[[P], F], points: Sequence[P]) -> Iterator[tuple[int, F]]:
        """See Way."""
        return enumerate(map(function, points))


IN_TURN = InTurn()


def _silent(what: str, share: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Plan:
    """How a table is to be measured."""

    cpu: Profile | None = None          # instead of the processors of the table
    quick: bool = False                 # fewer points and rounds
    tell: Callable[[str, float], None] = _silent        # hears what is done, and which share is
    way: Way = IN_TURN                  # in which its points are measured

    def alone(self) -> Plan:
        """The same for one point, wherever that is measured."""
        return Plan(self.cpu, self.quick)
