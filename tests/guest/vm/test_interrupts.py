"""Interrupts of a virtual machine: who loses the processor, and that none is late, wherever it comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from virtual import image, networked

from emu.devices.e1000.registers import Register
from emu.machine import Machine
from emu.net.packets import Ethernet, EtherType, IPv4, Protocol, Udp, ip
from emu.network import MAC, Network
from emu.testing.guest import Guest
from guest.abi.e1000 import E1000Cause

US = 450                            # cycles of p2-450
TICK = 2000 * US
OURS, THEIRS = ip("10.0.0.2"), ip("10.0.0.1")
PEER = bytes.fromhex("020000000001")
PORT = 7
TIMER = 0x20                        # its vector
PLUG = f"udp:dst=10.0.0.2,port={PORT},frames=937,size=100,start=60ms,count="     # no multiple of the tick


def question(number: int) -> bytes:
    """A frame that the echo server answers."""
    datagram = Udp(50_000, PORT, number.to_bytes(4, "big")).build(THEIRS, OURS)
    return Ethernet(MAC, PEER, EtherType.IPV4, IPv4(THEIRS, OURS, Protocol.UDP, datagram).build()).build()


def beside_a_busy_program(directory: Path, variant: str, plug: str, arguments: str = "1 5") -> tuple[Machine, Network]:
    """An echo server, and a program that wants all of the processor."""
    return networked(image(directory, variant, "echo", "cpu", arguments=arguments), plug)


@pytest.mark.parametrize("variant", ["uls", "l4"])
def test_the_server_does_not_wait_for_a_busy_program(variant: str, tmp_path: Path) -> None:
    """Main gives the processor to who has waited. In `l4` it answers that one last, and so does the same."""
    machine, network = beside_a_busy_program(tmp_path, variant, PLUG + "60")
    machine.run(max_cycles=150_000 * US)
    said = network.plug.describe()
    assert said["udp sent"] == said["udp returned datagrams"] == 60
    assert said["udp returned latency most"] < TICK // 4


def test_an_interrupt_is_not_late_wherever_it_comes(tmp_path: Path) -> None:
    """Main's sequence from the look at VMINFO_PENDING to the IPC, instruction by instruction: also behind the look, the
    answer does not wait for the next tick.
    """
    machine, network = beside_a_busy_program(tmp_path, "uls", PLUG + "1")
    machine.run(max_cycles=70_000 * US)
    assert network.plug.describe()["udp returned datagrams"] == 1       # so everybody's address is known
    answers: list[int] = []
    network.wire.ends[1].receive = lambda frame: answers.append(machine.clock.now)
    system = machine.image.programs["os"]
    look, restart = (system.address(name) for name in ("main_check", "monitor_again"))
    machine.run(vectors=[TIMER], max_cycles=2 * TICK)
    network.nic.write(Register.IMC, 0xFFFF_FFFF, 4)                     # a frame comes, but no interrupt yet
    network.nic.receive(question(1))
    assert machine.run(until=look, max_cycles=TICK).eip == look
    before, restarts = machine.snapshot(), []
    for steps in range(16):
        machine.restore(before)
        answers.clear()
        if steps:
            machine.step(steps)
        asked = machine.clock.now
        network.nic.write(Register.IMS, E1000Cause.CAUSES_WANTED, 4)
        if machine.run(until=restart, max_cycles=20 * US).eip == restart:
            restarts.append(steps)
        machine.run(max_cycles=TICK // 4)
        assert len(answers) == 1 and answers[0] - asked < TICK // 4, steps
    assert restarts == list(range(12)), restarts                        # up to the SYSENTER, and not behind it


@pytest.mark.long
def test_none_of_many_is_late(tmp_path: Path) -> None:
    machine, network = beside_a_busy_program(tmp_path, "uls", PLUG + "5000")
    machine.run(max_cycles=5_500_000 * US)
    said = network.plug.describe()
    assert said["udp sent"] == said["udp returned datagrams"] == 5000
    assert said["udp returned latency most"] < TICK // 4


def test_a_virtual_machine_that_is_idle_wakes_at_once(tmp_path: Path) -> None:
    machine, network = networked(image(tmp_path, "uls", "echo"), PLUG + "30")
    result = machine.run(max_cycles=120_000 * US)
    said = network.plug.describe()
    assert said["udp returned datagrams"] == 30 and said["udp returned latency most"] < 200 * US
    assert result.counters.idle_cycles > 60_000 * US


def test_only_the_first_has_the_card(tmp_path: Path) -> None:
    machine, network = networked(image(tmp_path, "uls", "echo", arguments="2 5"), PLUG.replace("60ms", "120ms") + "10")
    machine.run(max_cycles=150_000 * US)
    assert network.plug.describe()["udp returned datagrams"] == 10


TICK_PATH = {"tick": {"description": "from the timer's interrupt until the interrupted program goes on",
                      "from": "irq 0 from user", "to": "return to user"}}


def test_a_tick_goes_up_the_three_tiers_and_down_again(tmp_path: Path, machine: Callable[..., Guest],
                                                       assert_trace: Callable[..., None]) -> None:
    """The paper's example of section 4.2, in a trace that one can read."""
    image(tmp_path, "uls", "cpu")
    guest = machine(str(tmp_path / "test.toml"), cpu="unit", paths=TICK_PATH)
    guest.run(until="cpu:main")
    guest.run(max_cycles=100_000)
    guest.restore(guest.machine.snapshot())                 # what led there is forgotten
    while guest.machine.cpu.linear_eip != guest.address("resource:resource_turn"):
        guest.run(until=["resume_user", "resource:resource_turn"])
    for _ in range(12):
        guest.run(until="resume_user")
        guest.roster.look()                                 # names every thread that gets the processor
    assert_trace("tick", "goldens/tick.txt")
