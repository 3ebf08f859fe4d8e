"""What the chips say of themselves, and that saying it changes nothing."""

from __future__ import annotations

import pytest

from emu.machine import Machine
from emu.monitor.inspect import chips


@pytest.fixture
def machine() -> Machine:
    """`preempt` in the middle of its work, with a clock chip that has seconds behind it."""
    machine = Machine.boot("preempt")
    machine.run(max_cycles=3_000_000)
    return machine


def test_the_chips_are_those_on_the_bus(machine: Machine) -> None:
    assert [each.name for each in chips.chips(machine)] == [
        "pic1", "pit", "keyboard data", "system control", "keyboard command", "rtc", "post", "pic2", "debug console",
        "debug exit", "com1", "elcr", "pci"]


def test_the_interrupt_controller_shows_its_registers(machine: Machine) -> None:
    registers = chips.chip(machine, "pic1").registers
    assert (registers["ICW2"], registers["IMR"] & 1, registers["ICW4"] & 1) == (0x20, 0, 1)


def test_the_timer_shows_the_count_that_software_would_read(machine: Machine) -> None:
    registers = chips.chip(machine, "pit").registers
    assert registers["mode 0"] == "2 (rate)"
    assert registers["CR 0"] == 1193
    ports = machine.bus.ports
    ports.write(0x43, 0, 1)                                 # latch channel 0
    assert registers["CE 0"] == ports.read(0x40, 1) | ports.read(0x40, 1) << 8


def test_the_clock_chip_shows_the_time_that_software_would_read() -> None:
    machine = Machine(epoch=1_000_000_000)
    machine.clock.now = machine.clock.frequency * 75
    registers = chips.chip(machine, "rtc").registers
    for name, index in (("SECONDS", 0), ("MINUTES", 2), ("HOURS", 4), ("YEAR", 9), ("C", 0xC)):
        machine.bus.ports.write(0x70, index, 1)
        assert registers[name] == machine.bus.ports.read(0x71, 1), name
    assert registers["SECONDS"] == 0x55


def test_the_serial_port_shows_the_status_that_software_would_read(machine: Machine) -> None:
    registers = chips.chip(machine, "com1").registers
    assert registers["LSR"] == machine.bus.ports.read(0x3FD, 1)
    assert registers["LCR"] == machine.bus.ports.read(0x3FB, 1)


def test_looking_changes_nothing(machine: Machine) -> None:
    machine.clock.now += 1_000
    before = {name: part.save() for name, part in machine.parts.items()}
    events = machine.clock.save()
    chips.chips(machine)
    assert {name: part.save() for name, part in machine.parts.items()} == before
    assert machine.clock.save() == events


def test_a_chip_that_is_not_there_is_named_with_those_that_are(machine: Machine) -> None:
    with pytest.raises(KeyError, match="no chip 'nic': there are pic1, pit"):
        chips.chip(machine, "nic")
