"""A flooded wire: frames as short as they get, as fast as 1 Gbit/s carries them, and memory that does not grow."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from emu.clock import Clock
from emu.devices.e1000.registers import Rctl, Register
from emu.machine import Machine
from emu.net.host import MOST_ADDRESSES, MOST_ASKED, MOST_WAITING, Host
from emu.net.incoming import WINDOW
from emu.net.packets import Arp, Ethernet, EtherType, IPv4, Operation, Protocol, Tcp, TcpFlag
from emu.net.pcap import Recorder
from emu.net.reassembly import MOST as MOST_EARLY
from emu.net.tcp import MOST_HALF_OPEN, Stack
from emu.net.tcpsink import Sink
from emu.net.wire import Wire
from emu.network import MAC, Network
from tests.emu.net.pair import GUEST, GUEST_MAC, HOST, HOST_MAC

PER_SECOND = 10**9 // (84 * 8)          # frames of 60 bytes, with FCS, preamble and gap
PLUG = f"udp:dst=10.0.0.2,mac={MAC.hex(':')},port=7,size=18,frames={PER_SECOND}+sink+tcpsink"
CPU, MS = "p2-450", 450_000
GROWTH = 32 << 10                       # bytes that a run may take for good, however long it is
RECORDED = 9                            # ... and a recorder for each frame: where it ends in the file, with some room


def grown(before: Callable[[], object], run: Callable[[], object]) -> int:
    """Bytes of Python's memory that a run has taken for good; `before` has filled everything that can be full."""
    tracemalloc.start()
    try:
        before()
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        run()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - taken
    finally:
        tracemalloc.stop()


# Guests

def idle(network: Network) -> None:
    """The card is as reset has left it: it takes nothing."""


def forgetful(network: Network) -> None:
    """The card is on, and has eight buffers that nobody ever gives back."""
    nic = network.nic
    nic.config.write(4, 6, 2)
    for register, value in ((Register.RDBAL, 0x20000), (Register.RDLEN, 128), (Register.RDT, 7),
                            (Register.RCTL, Rctl.EN | Rctl.UPE)):
        nic.write(register, value, 4)


def bare(driver: Callable[[Network], None]) -> Callable[[str], tuple[Machine, Network]]:
    """A machine whose processor looks at nothing; `driver` has set up the card, and is gone."""
    def make(plug: str) -> tuple[Machine, Network]:
        machine = Machine(cpu=CPU)
        machine.ram.write(0x1000, b"\xEB\xFE")                      # JMP to itself
        machine.cpu.registers.eip = 0x1000
        network = Network(machine, plug, "rate=1G")
        driver(network)
        return machine, network
    return make


def echo(plug: str) -> tuple[Machine, Network]:
    """A kernel with a driver, and a server that answers as much as it can."""
    machine = Machine.boot("echo", cpu=CPU)
    return machine, Network(machine, plug, "rate=1G")


def flood(guest: Callable[[str], tuple[Machine, Network]], ms: int) -> None:
    """Flood a guest; what holds frames is looked at each ms."""
    machine, network = guest(PLUG)
    machine.run(max_cycles=10 * MS)                                 # until it is up
    near, far = network.wire.ends
    host = network.plug.parts["host"]
    assert isinstance(host, Host)
    arrived = far.delivered

    def run(ms: int) -> None:
        for _ in range(ms):
            machine.run(max_cycles=MS)
            for end in (near, far):
                assert len(end._leaving) <= network.wire.queue and end.in_flight <= network.wire.queue + 1
            fifos = network.nic.receiver.fifo, network.nic.transmitter.fifo
            assert all(len(fifo.data) <= fifo.used <= 64 << 10 for fifo in fifos)
            assert not host._waiting and len(host.addresses) <= 1
            assert len(machine.clock._queue) < 1000

    assert grown(lambda: run(2), lambda: run(ms)) < GROWTH           # the second still meets code that is new
    assert far.delivered - arrived >= PER_SECOND * (2 + ms) // 1000 - 1


GUESTS = {"idle": bare(idle), "forgetful": bare(forgetful), "echo": echo}


@pytest.mark.parametrize("guest", GUESTS)
def test_a_flood_does_not_grow(guest: str) -> None:
    flood(GUESTS[guest], 2)


@pytest.mark.long
@pytest.mark.parametrize(("guest", "ms"), [("idle", 1000), ("forgetful", 1000), ("echo", 100)])
def test_a_long_flood_does_not_grow(guest: str, ms: int) -> None:
    flood(GUESTS[guest], ms)


# The host at the other end

class Victim:
    """A host with a TCP sink, and somebody who may send it whatever he likes."""

    def __init__(self) -> None:
        self.clock = Clock(450_000_000)
        self.wire = Wire(self.clock, rate=10**9)
        self.host = Host(self.clock, self.wire.ends[1], HOST_MAC, HOST)
        self.stack = Stack(self.host)
        Sink(self.stack)

    def flood(self, frames: Iterator[bytes], number: int) -> None:
        """So many frames arrive, one behind the other; then what holds anything is within its bounds."""
        near = self.wire.ends[0]
        for frame, _ in zip(frames, range(number), strict=False):
            assert near.send(frame)
            self.clock.advance(near.free_at - self.clock.now)
        self.clock.advance(MS)
        host = self.host
        assert len(host.addresses) <= MOST_ADDRESSES and len(host._asked) <= MOST_ASKED
        assert all(len(waiting) <= MOST_WAITING for waiting in host._waiting.values())
        assert host._waiting.keys() <= host._asked.keys()
        assert len(self.stack.connections) <= MOST_HALF_OPEN
        for connection in self.stack.connections.values():
            early = connection.incoming.early
            assert len(early) <= MOST_EARLY and early.size <= WINDOW
        assert all(len(timers._queue) <= 3 * MOST_HALF_OPEN for timers in (self.stack.resend, self.stack.late))
        assert len(self.clock._queue) < 1000


def segment(source: bytes, port: int, sequence: int, flags: int, data: bytes = b"", ack: int = 0) -> bytes:
    """A frame with a TCP segment for the sink."""
    tcp = Tcp(port, 9, sequence % (1 << 32), ack, flags, 8192, data).build(source, HOST)
    return Ethernet(HOST_MAC, GUEST_MAC, EtherType.IPV4, IPv4(source, HOST, Protocol.TCP, tcp).build()).build()


def arp(source: bytes) -> bytes:
    """A frame that asks for the host's address."""
    question = Arp(Operation.REQUEST, GUEST_MAC, source, bytes(6), HOST)
    return Ethernet(HOST_MAC, GUEST_MAC, EtherType.ARP, question.build()).build()


def syns() -> Iterator[bytes]:
    """Connections that begin: each from somebody else, or each from another port."""
    for number in count():
        source = GUEST if number % 2 else bytes((10, 1, number >> 9 & 255, number >> 1 & 255))
        yield segment(source, number % 60_000 + 1, number, TcpFlag.SYN)


def arps() -> Iterator[bytes]:
    """Questions of ever more hosts."""
    for number in count():
        yield arp(bytes((10, 2, number >> 8 & 255, number & 255)))


def early(ours: int) -> Iterator[bytes]:
    """Data of one connection, of which the first byte never comes; in any order."""
    for number in count():
        yield segment(GUEST, 5000, 3 + number * 7919 % (WINDOW - 8), TcpFlag.ACK, b"data!", ours)


@pytest.mark.parametrize("what", ["SYN", "ARP", "early"])
def test_a_host_that_is_flooded_does_not_grow(what: str) -> None:
    victim = Victim()
    victim.flood(iter([arp(GUEST)]), 1)
    frames = syns() if what == "SYN" else arps()
    if what == "early":
        victim.flood(iter([segment(GUEST, 5000, 0, TcpFlag.SYN)]), 1)
        (connection,) = victim.stack.connections.values()
        ours = connection.outgoing.first + 1
        victim.flood(iter([segment(GUEST, 5000, 1, TcpFlag.ACK, b"", ours)]), 1)
        frames = early(ours)
    assert grown(lambda: victim.flood(frames, 2000), lambda: victim.flood(frames, 2000)) < GROWTH
    if what == "SYN":
        assert len(victim.stack.connections) == MOST_HALF_OPEN and victim.stack.overflowed > 3000
    elif what == "ARP":
        assert len(victim.host.addresses) == MOST_ADDRESSES
    else:
        assert len(connection.incoming.early) == MOST_EARLY


def test_a_recorder_keeps_no_frames(tmp_path: Path) -> None:
    victim = Victim()
    with open(tmp_path / "flood.pcap", "wb") as file:
        recorder = Recorder(victim.wire, file)
        growth = grown(lambda: victim.flood(arps(), 1500), lambda: victim.flood(arps(), 3000))
        assert recorder.frames > 4500 and growth < GROWTH + RECORDED * 2 * 3000
