"""Nothing that is state is forgotten in a snapshot: whoever adds a field must say what becomes of it."""

from __future__ import annotations

import random
from collections import deque
from enum import Enum
from typing import Any

import pytest

from emu.bus import Line
from emu.clock import Clock, Event, Ticks
from emu.cpu import saved
from emu.cpu.state import State
from emu.devices.pci import Bar, PciFunction
from emu.kept import Kept
from emu.machine import Machine

# Fields of State that a snapshot does not hold.
OWN = {
    "addresses in this process": (
        "table code_frames env starts costs transitions uop_counts programs code_bytes breakpoints model "
        "records temporaries kept moved string_costs recording note stream tlb frames ram uc cpu "
        "invalid_address emu_start emu_stop reg_read ctl self attend deliver open_block charge_part charge_from touch "
        "flush_model port_callback scratch crossing_ring block_ring note_block ring_full no_thread "
        "front_page from_behind hot hits"),
    "set anew at each run, or before they are looked at": (
        "deadline limit reason examine event_deadline step_slot step_from step_count stepping new_key "
        "new_size breakpoint_count stop_count spin_slot spin_turns spin_cycles spin_instructions spin_uops "
        "spin_transitions spin_loads spin_branches spin_changes spin_history spin_stalls spin_io turn_cycles "
        "turn_instructions turn_uops turn_transitions turn_loads turn_branches kept_count moved_count "
        "dropping fill fill_kind fill_frame fill_error walk_error walk_address stop_vectors irq_line "
        "irq_waited missed missed_set missed_physical missed_kept rights"),
    "of the table and the rings that are there": (
        "tables hot_count stream_count stream_size crossing_next crossing_room crossing_total block_next block_room "
        "block_total thread_epoch thread_tss want_levels want_space want_first want_last"),
    "what the machine was made with": (
        "fast_forward hot_after has_sep cpuid_leaves cpuid_extended cpuid ram_size cost_int_outer cost_int_same "
        "cost_exception cost_interrupt cost_iret_outer cost_iret_same cost_retf_outer cost_retf_same "
        "cost_call_far cost_jmp_far cost_gate_inner cost_gate_same cost_in_bitmap cost_out_bitmap bus_inta "
        "bus_isa_read bus_isa_write bus_pci_read bus_pci_write"),
    "saved in another way": "epoch thread_at",
}
WIRING = (Line, Clock, Event, Ticks, Kept)      # what a part refers to, rather than holds


def test_of_every_field_of_the_processor_it_is_said_whether_it_is_saved() -> None:
    own = [name for names in OWN.values() for name in names.split()]
    known = [*saved.FIELDS, *saved.ARRAYS, *saved.BLOCKS, *own]
    assert sorted(known) == sorted(set(known))
    assert {name for name, _ in State._fields_} == set(known)


def parts(machine: Machine) -> dict[str, Kept]:
    """Every part of a machine and what it is made of."""
    pit = {f"counter {n}": counter for n, counter in enumerate(machine.pit.counters)}
    return machine.parts | {"master": machine.pic.master, "slave": machine.pic.slave} | pit


def is_wiring(value: Any) -> bool:
    if isinstance(value, list | tuple | deque) and value:
        return all(map(is_wiring, value))
    return isinstance(value, WIRING) or callable(value) or hasattr(value, "write") or isinstance(value, dict)


@pytest.mark.parametrize("name", parts(Machine()))
def test_every_attribute_of_a_device_is_kept_or_wiring(name: str) -> None:
    part = parts(Machine())[name]
    forgotten = [attribute for attribute, value in vars(part).items()
                 if attribute not in part.KEPT and not is_wiring(value)]
    assert not forgotten


def shake(machine: Machine, rng: random.Random) -> None:
    """Random accesses to every port of the board, with time between them."""
    ranges = [each for each in machine.bus.ports.ranges if each.name != "debug exit"]
    for _ in range(300):
        some = rng.choice(ranges)
        port = some.start + rng.randrange(some.length)
        if rng.random() < 0.3:
            machine.bus.ports.read(port, 1)
        elif port != 0x64:                                  # which would reset the machine
            machine.bus.ports.write(port, rng.randrange(256), 1)
        if rng.random() < 0.1:
            machine.clock.advance(rng.randrange(100_000))


@pytest.mark.parametrize("seed", range(10))
def test_devices_are_after_loading_what_they_were(seed: int) -> None:
    machine, other, rng = Machine(), Machine(), random.Random(seed)
    shake(machine, rng)
    shake(other, rng)
    clock, states = machine.clock.save(), {name: part.save() for name, part in machine.parts.items()}
    other.clock.load(clock)
    for name, part in other.parts.items():
        part.load(states[name])
    assert {name: part.save() for name, part in other.parts.items()} == states
    rngs = random.Random(seed), random.Random(seed)
    for board, same in zip((machine, other), rngs, strict=True):
        shake(board, same)
    assert other.clock.save() == machine.clock.save()
    assert {name: part.save() for name, part in other.parts.items()} == {
        name: part.save() for name, part in machine.parts.items()}
    assert [line.level for line in machine.pic.irq] == [line.level for line in other.pic.irq]


def test_what_a_function_maps_is_mapped_again() -> None:
    heard = []
    function = PciFunction(0x8086, 0x100E, 0x020000, [Bar(0x20000)], changed=lambda: heard.append(function.base(0)))
    function.write(0x10, 0xF0000000, 4)
    function.write(0x04, 2, 2)
    state = function.save()
    function.reset()
    function.load(state)
    assert heard[-1] == 0xF0000000


class Everything(Kept):
    """One attribute of each kind."""

    class Colour(Enum):
        RED = 1
        BLUE = 2

    KEPT = ("number", "truth", "queue", "memory", "wire", "wires", "_hidden")

    def __init__(self) -> None:
        self.number, self.truth, self.queue, self.memory = 1, True, deque([1, 2]), bytearray(b"ab")
        self.wire, self.wires, self._hidden = Line("one"), [Line("two"), Line("three")], 5


def test_what_was_loaded_has_its_type_and_its_place() -> None:
    one, other, heard = Everything(), Everything(), []
    one.number, one.truth, one._hidden = -7, False, 9
    one.queue.append(3)
    one.memory[0] = 0
    one.wire.set(1)
    one.wires[1].set(1)
    wires = other.wires
    wires[1].listeners.append(heard.append)
    other.load(one.save())
    assert (other.number, other.truth, other._hidden) == (-7, False, 9)
    assert other.queue == deque([1, 2, 3]) and other.memory == bytearray(b"\0b")
    assert other.wires is wires and [line.level for line in (other.wire, *wires)] == [1, 0, 1]
    assert not heard
