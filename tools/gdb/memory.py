"""Writing guest memory for gdb; reading is `AddressSpace.read`. Addresses are linear."""

from __future__ import annotations

from emu.machine import Machine
from emu.memory import PAGE
from emu.monitor.inspect.pages import AddressSpace

Pieces = list[tuple[int, bytes]]        # physical address, what goes there


def pieces_of(machine: Machine, space: AddressSpace, linear: int, data: bytes) -> Pieces | None:
    """Where bytes for a linear address go, whatever the rights of their pages; None if a page or RAM is missing."""
    pieces: Pieces = []
    while data:
        physical = space.walk(linear).physical
        size = min(len(data), PAGE - linear % PAGE)
        if physical is None or physical + size > machine.ram.size:
            return None
        pieces.append((physical, data[:size]))
        linear, data = linear + size & 0xFFFFFFFF, data[size:]
    return pieces


def write(machine: Machine, pieces: Pieces) -> None:
    """Store them in RAM."""
    for physical, data in pieces:
        machine.ram.write(physical, data)
