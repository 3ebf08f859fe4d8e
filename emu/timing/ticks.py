"""Time within a block: whole ticks, small enough that thirds of a cycle and published hundredths are exact."""

from __future__ import annotations

from emu.timing.figures import Number

TICKS = 600                         # in a cycle


def ticks(cycles: Number | float | None) -> int:
    """A figure's typical value, or a number of cycles, in ticks; None is none."""
    value = cycles.typical if isinstance(cycles, Number) else cycles or 0
    return round(value * TICKS)
