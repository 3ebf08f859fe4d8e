"""What port accesses cost: the processor's part by how they were allowed, and the bus."""

from __future__ import annotations

import pytest
from machine_code import BareMachine

from emu.counters import Counters
from emu.timing.profile import load_profile


def accessed(source: str, ring: int, flags: int, profile: str) -> Counters:
    """What is counted from the label `here` to the end, in ring 3 or 0; IOPL by `flags`."""
    bare = BareMachine(f"mov dx, 0x80; xor eax, eax; jmp here; here: {source}", ring=ring, flags=flags, cpu=profile)
    bare.allow_port(0x80)
    bare.machine.run(until=bare.address("here"))
    before = bare.machine.counters
    bare.machine.run(until=bare.address("end"))
    return bare.machine.counters - before


@pytest.mark.parametrize("profile", ["p5-166", "p3-500", "p4-1800"])
@pytest.mark.parametrize(("source", "name"), [("in al, dx", "in"), ("out dx, al", "out")])
def test_the_bitmap_costs_what_the_profile_says(source: str, name: str, profile: str) -> None:
    timing = load_profile(profile).timing
    assert timing is not None
    by_bitmap, by_iopl = (accessed(source, 3, flags, profile) for flags in (0, 0x3000))
    extra = round(timing.transitions[f"{name}_bitmap"].typical - timing.transitions[name].typical)
    assert by_bitmap.transition_cycles - by_iopl.transition_cycles == extra > 0
    assert by_bitmap.bus_cycles == by_iopl.bus_cycles == round(
        getattr(timing.ports, f"isa_{'read' if name == 'in' else 'write'}").typical * load_profile(profile).clock / 1e9)


def test_a_unit_profile_takes_no_time_for_the_bus() -> None:
    assert accessed("in al, dx", 3, 0, "unit").bus_cycles == 0
