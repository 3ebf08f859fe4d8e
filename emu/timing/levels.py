"""One value for every figure: the least, the typical or the most that its sources allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from emu.timing.figures import CYCLES, NS, Number, Word, terms
from emu.timing.timing import Timing

Level = Literal["minimum", "typical", "maximum"]
LEVELS: tuple[Level, ...] = get_args(Level)


def at_level(timing: Timing, level: Level) -> Timing:
    """`timing` with every Number collapsed to one value.

    What costs (cycles, nanoseconds, micro-ops) takes its value of `level`, so that "maximum" is slow. What does not
    (widths, capacities, geometry, the bus clock) takes its typical value at every level: a cache of another size would
    be another processor.
    """
    return replace(timing, **{each.name: _at(getattr(timing, each.name), level) for each in fields(timing)})


def _at(part: Any, level: Level) -> Any:
    """A section, or what is within one."""
    if isinstance(part, Number):
        value = getattr(part, level)
        return replace(part, minimum=value, typical=value, maximum=value)
    if isinstance(part, Mapping):                   # by a vocabulary: all of it costs
        return MappingProxyType({key: _at(value, level) for key, value in part.items()})
    if part is None or isinstance(part, Word):
        return part
    return replace(part, **{name: _at(getattr(part, name), level if term.unit in (CYCLES, NS) else "typical")
                            for name, term in terms(type(part)).items()})
