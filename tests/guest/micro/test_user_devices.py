"""Devices of programs: what the root task gives and refuses, and what becomes of it when a program ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("user")))

from rooted import ENOUGH, LIBRARY, Program, image

from emu.devices.pci import Bar, Header, PciFunction, Windows
from emu.machine import Machine
from emu.monitor.invariants.checking import Invariants
from emu.network import Network
from emu.result import Reason
from guest.abi.memory import Memory
from guest.abi.root import DeviceCount
from loader.image import Image
from loader.manifest import GUEST

ANSWERS = """\
memory without a device: 0
a line without a device: 0
nobody: 0
what is not there: 0
ports: 0
64 bits: 0
less than a page: 0
where RAM could be: 0
the card: 0
its line: 11
its address: 302011474
once more: 0
no memory: 0
all memory: 0
more than there are addresses: 0
more than there is: 0
three pages: 131072
of zeros: 0
the next page: 143360
line 0: 0
somebody else's line: 0
no line: 0
nor this: 0
line 11: 1
once more: 1
an interrupt of line 11
an interrupt of line 11
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where manifests go."""
    return tmp_path_factory.mktemp("images")


def boot(booted: Image, plug: str = "none") -> Machine:
    """A machine with a card, and with functions that no program can have."""
    machine = Machine.boot(booted, cpu="p5-166", memory=8 << 20)
    Network(machine, plug)
    for device, (bar, base) in enumerate([(Bar(32, io=True), 0xD001), (Bar(4096), 0xFD00_0004), (Bar(256), 0xFD00_1000),
                                          (Bar(4096), 0x4000_0000)], 4):
        function = PciFunction(0x0002, device - 3, 0, [bar])
        function.config[Header.BARS:Header.BARS + 4] = base.to_bytes(4, "little")
        machine.pci.attach(device, 0, function)
    return machine


def run(machine: Machine) -> list[str]:
    """To the end: the console."""
    result = machine.run(max_cycles=ENOUGH)
    console = machine.console.decode()
    assert result.reason == Reason.EXIT, f"{result}\n{console}"
    return console.splitlines()[1:]


def word(machine: Machine, symbol: str) -> int:
    """A doubleword of the kernel's data."""
    return int.from_bytes(machine.ram.read(machine.address(symbol) - Memory.KERNEL_BASE, 4), "little")


def test_the_root_task_gives_a_device_once_and_checks_every_argument(variant: str, directory: Path) -> None:
    machine = boot(image(directory, variant, "driver"))
    assert run(machine) == ANSWERS.splitlines()


# What comes back

DEVICE = LIBRARY / "device.asm"
CARD = (DEVICE, GUEST / "drivers" / "e1000.asm")
LINE = 11
NO_LINE = 1 << LINE


class Number:
    """A device that says a number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def read(self, offset: int, size: int) -> int:
        """The number, wherever."""
        return self.number

    def write(self, offset: int, value: int, size: int) -> None:
        """Nothing."""


def numbered(machine: Machine, count: int) -> None:
    """Devices 1 to `count`, all on line 5."""
    for number in range(1, count + 1):
        function = PciFunction(0x0002, 0x0005, 0, [Bar(4096)])
        function.write(Header.BARS, 0xFD10_0000 + number * 4096, 4)
        function.write(Header.INTERRUPT_LINE, 5, 1)
        Windows(function, {0: (machine.bus.memory, Number(number), f"number {number}", 4)})
        machine.pci.attach(number + 7, 0, function)


def command(machine: Machine) -> int:
    """What the card may do."""
    assert machine.network
    return machine.network.nic.config.read(Header.COMMAND, 2)


def until(machine: Machine, text: str) -> None:
    """Run until the console says that."""
    while text not in machine.console.decode():
        result = machine.run(max_cycles=100_000)
        assert result.reason == Reason.CYCLES, f"{result}\n{machine.console.decode()}"


def test_what_a_program_had_is_given_back_and_its_memory_left_alone(variant: str, directory: Path) -> None:
    holder = Program("holder", more=CARD)
    booted = image(directory, variant, holder, Program("heir", more=(DEVICE,)))
    machine = boot(booted, "udp:dst=10.0.0.2,mac=52:54:00:12:34:56,frames=20000,size=1000")
    handlers = machine.address("interrupt_handlers") + 4 * LINE - Memory.KERNEL_BASE
    root = booted.programs["root"]
    machine.run(until=root.address("device_attach"), max_cycles=ENOUGH)
    machine.run(max_cycles=10_000)
    assert machine.ram.read(handlers, 4) != bytes(4)
    machine.run(until=root.address("devices_end"), max_cycles=ENOUGH)       # its threads have ended
    assert command(machine) & 7 == 7
    machine.run(until=root.address("leases_end"), max_cycles=ENOUGH)
    assert command(machine) & 7 == 0
    assert word(machine, "lines_masked") & NO_LINE
    assert machine.ram.read(handlers, 4) == bytes(4)
    until(machine, "heir: has it")
    assert command(machine) & 7 == 2
    assert run(machine)[-1] == "heir: nothing is spoilt"
    Invariants(machine).check()


def test_devices_that_are_the_same_go_to_who_comes_first_and_so_does_their_line(directory: Path) -> None:
    more = (DEVICE, GUEST / "lib" / "arguments.asm")
    takers = [Program("taker", arguments="2", more=more), Program("other", "taker", arguments="2", more=more)]
    machine = boot(image(directory, "uls", *takers))
    numbered(machine, 3)
    assert sorted(run(machine)) == ["device 1", "device 2", "device 3", "line: 0", "line: 1", "refused"]


def test_there_is_an_end_to_the_devices_that_programs_can_have(directory: Path) -> None:
    count = int(DeviceCount.DEVICE_COUNT) + 1
    taker = Program("taker", arguments=str(count), more=(DEVICE, GUEST / "lib" / "arguments.asm"))
    machine = boot(image(directory, "uls", taker))
    numbered(machine, count)
    assert run(machine) == [*(f"device {number}" for number in range(1, count)), "refused", "line: 1"]
