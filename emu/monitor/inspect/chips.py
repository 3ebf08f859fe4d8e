"""The chips on the bus and what their registers hold, each by its own account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emu.machine import Machine
from emu.monitor.inspect.plain import Plain


@dataclass(frozen=True)
class Chip(Plain):
    """Something that answers on the bus."""

    name: str                       # as it was attached: "pic1", "com1", ...
    kind: str                       # "port" or "address": what the range counts
    start: int                      # first port or physical address
    length: int                     # ports, or bytes
    registers: dict[str, Any]       # by data-sheet name; empty if the device has no `describe`


def chips(machine: Machine) -> list[Chip]:
    """Everything on the bus: ports first, each by address. Reading registers so has no side effects."""
    found = []
    for space in (machine.bus.ports, machine.bus.memory):
        for each in space.ranges:
            describe = getattr(each.device, "describe", None)
            found.append(Chip(each.name, space.kind, each.start, each.length, describe() if describe else {}))
    return found


def chip(machine: Machine, name: str) -> Chip:
    """The chip of that name. Raises KeyError with the names that there are."""
    found = {each.name: each for each in chips(machine)}
    if name not in found:
        raise KeyError(f"no chip {name!r}: there are {', '.join(found)}")
    return found[name]
