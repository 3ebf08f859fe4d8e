"""The driver of the 82540EM on the card itself, with the network above it and a host at the other end of the wire."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.net.host import Host
from emu.net.packets import Arp, Ethernet, EtherType, Icmp, IcmpType, IPv4, Operation, Protocol, ip
from emu.net.udp import Source
from emu.network import MAC, Network
from guest import abi
from guest.abi.e1000 import E1000, E1000Size
from loader.assembler import assemble
from loader.linker import Program, link

GUEST = Path(abi.__file__).parents[1]
SOURCES = [*sorted((GUEST / "net").glob("*.asm")), *sorted((GUEST / "drivers").glob("*.asm")),
           Path(__file__).with_name("echo.asm")]
OURS, THEIRS = ip("10.0.0.2"), ip("10.0.0.1")
PEER = bytes.fromhex("020000000001")
MS = 450_000            # cycles of p2-450


@cache
def program() -> Program:
    """Driver and network, linked with echo.asm."""
    constants = abi.constants()
    objects = [assemble(path, constants=constants, include=[GUEST]) for path in SOURCES]
    return link(objects, base=0x100000, entry="start")


def guest(plug: str, wire: str = "") -> tuple[Machine, Network]:
    """A machine that answers, in its loop."""
    machine = Machine(cpu="p2-450", memory=4 << 20)
    network = Network(machine, plug, wire)
    for segment in program().segments:
        machine.ram.write(segment.physical, segment.data)
    machine.cpu.registers.eip = program().entry
    machine.run(until=program().symbols["poll"], max_cycles=10 * MS)
    return machine, network


def asks(mac: bytes, address: bytes) -> bytes:
    """The frame in which somebody asks for the guest's MAC."""
    return Ethernet(bytes([255] * 6), mac, EtherType.ARP, Arp(Operation.REQUEST, mac, address, bytes(6), OURS).build()
                    ).build()


def word(machine: Machine, symbol: str) -> int:
    return int.from_bytes(machine.ram.read(program().symbols[symbol], 4), "little")


def heard(network: Network) -> list[bytes]:
    """Every frame that comes to the other end from now on."""
    frames: list[bytes] = []
    network.wire.ends[1].receive = frames.append
    return frames


def test_it_knows_the_cards_address_and_says_so() -> None:
    machine, network = guest("none")
    frames = heard(network)
    machine.run(max_cycles=MS)
    assert frames and frames[0][6:12] == MAC and frames[0][:6] == bytes([255] * 6)


def test_ping_is_answered() -> None:
    machine, network = guest("none")
    machine.run(max_cycles=MS)
    frames = heard(network)
    question = Icmp(IcmpType.ECHO_REQUEST, 0, 77, 1, bytes(range(56)))
    network.wire.ends[1].send(asks(PEER, THEIRS))
    machine.run(max_cycles=MS)
    packet = IPv4(THEIRS, OURS, Protocol.ICMP, question.build()).build()
    network.wire.ends[1].send(Ethernet(MAC, PEER, EtherType.IPV4, packet).build())
    machine.run(max_cycles=MS)
    answer = IPv4.parse(Ethernet.parse(frames[-1]).payload)
    assert (answer.source, answer.destination, answer.protocol) == (OURS, THEIRS, Protocol.ICMP)
    assert Icmp.parse(answer.payload) == question._replace(type=IcmpType.ECHO_REPLY)


@pytest.mark.parametrize("size", [18, 64, 512, 1472])
def test_what_comes_by_udp_goes_back(size: int) -> None:
    machine, network = guest(f"udp:dst=10.0.0.2,port=7,frames=2000,size={size},count=150")
    machine.run(max_cycles=100 * MS)
    source = network.plug.parts["udp"]
    assert isinstance(source, Source) and isinstance(network.plug.parts["host"], Host)
    said = source.describe()
    assert said["sent"] == 150 and said["returned datagrams"] == 150, said        # both rings have gone round twice
    assert word(machine, "e1000_full") == word(machine, "e1000_dropped") == 0


def test_more_than_it_can_take_is_lost_and_then_it_goes_on() -> None:
    machine, network = guest("udp:dst=10.0.0.2,port=7,frames=200000,size=18,count=3000", "rate=1G,queue=4000")
    machine.run(max_cycles=60 * MS)
    said = network.plug.parts["udp"].describe()
    assert 64 < said["returned datagrams"] < 3000, said
    late = network.wire.ends[0].sent
    network.wire.ends[1].send(asks(PEER, ip("10.0.0.9")))
    machine.run(max_cycles=MS)
    assert network.wire.ends[0].sent == late + 1


def test_a_transmit_ring_that_has_been_full_goes_on() -> None:
    machine, network = guest("udp:dst=10.0.0.2,port=7,frames=8000,size=1472,count=300", "duplicate=1")
    machine.run(max_cycles=60 * MS)                     # twice as many come as can go
    assert word(machine, "e1000_full") > 0
    late = network.wire.ends[0].sent
    network.wire.ends[1].send(asks(PEER, ip("10.0.0.9")))
    machine.run(max_cycles=MS)
    assert network.wire.ends[0].sent > late


def test_a_frame_longer_than_any_is_dropped_and_its_descriptors_come_back() -> None:
    machine, network = guest("none")
    for _ in range(2 * E1000Size.E1000_RING):
        network.nic.registers[0x100] |= 1 << 5                      # RCTL.LPE: somebody lets them in
        network.wire.ends[1].send(Ethernet(MAC, PEER, EtherType.IPV4, bytes(4000)).build())
        machine.run(max_cycles=MS)
    assert word(machine, "e1000_dropped") == 2 * E1000Size.E1000_RING       # its first part; the last one is too short


def test_the_drivers_memory_is_what_its_layout_says() -> None:
    ring, buffer = int(E1000Size.E1000_RING), int(E1000Size.E1000_BUFFER)
    assert E1000.size == 2 * ring * (16 + buffer)
