"""The spread of many values in little memory: least, mean, most, and percentiles to within a sixteenth.

As in an HDR histogram, values below 32 are counted one by one, and every power of two above in sixteen equal parts.
"""

from __future__ import annotations

from emu.kept import Kept

BITS = 4                        # of a value, behind its first one, that tell where it is counted
PERCENTILES = (50, 90, 99)      # that are described


class Spread(Kept):
    """Counts values that are 0 or more."""

    KEPT = ("count", "least", "most", "sum", "_counts")

    def __init__(self) -> None:
        self.count = 0
        self.least = 0                      # once there is one
        self.most = 0
        self.sum = 0
        self._counts: list[int] = []        # of values, by `_place`

    @property
    def mean(self) -> int:
        """Rounded; 0 of nothing."""
        return round(self.sum / self.count) if self.count else 0

    def add(self, value: int) -> None:
        """Count a value."""
        self.least = min(self.least, value) if self.count else value
        self.most = max(self.most, value)
        self.count += 1
        self.sum += value
        place = _place(value)
        if place >= len(self._counts):
            self._counts += [0] * (place + 1 - len(self._counts))
        self._counts[place] += 1

    def percentile(self, percent: int) -> int:
        """What so many of a hundred values do not exceed, by less than a sixteenth too much; 0 of nothing."""
        wanted = -(-self.count * percent // 100)
        for place, count in enumerate(self._counts):
            wanted -= count
            if wanted <= 0:
                return max(self.least, min(_greatest(place), self.most))
        return 0

    def describe(self) -> dict[str, int]:
        """For people."""
        return {"least": self.least, "mean": self.mean, "most": self.most} | {
            f"{percent}%": self.percentile(percent) for percent in PERCENTILES}


def _place(value: int) -> int:
    """Where a value is counted: 0, 1, ... 31; then sixteen places for each power of two."""
    shift = max(value.bit_length() - BITS - 1, 0)
    return (shift << BITS) + (value >> shift)


def _greatest(place: int) -> int:
    """The greatest value that is counted at a place."""
    shift = max((place >> BITS) - 1, 0)
    return (place - (shift << BITS) + 1 << shift) - 1
