"""A program with the network in it: what it does for its peers, and what can come in between.

What does not depend on the kernel's variant is tested with one of the two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("user")))

from rooted import ENOUGH, NETWORK, Program, image, late_network

from emu.machine import Machine
from emu.monitor.invariants.checking import Invariants
from emu.net.connection import Failure
from emu.net.host import Host
from emu.net.packets import ip
from emu.net.tcp import Stack
from emu.network import Network
from emu.result import Reason
from emu.testing.guest import Guest
from loader.image import Image

CPU, MS = "p5-166", 166_000     # and its cycles in a millisecond
MEMORY = 6 << 20
ECHO = Program("echo", more=("serve", "seats"), parts=NETWORK)
CARD = "network: 10.0.0.2, 82540EM"
GUEST = ip("10.0.0.2")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where manifests go: one place, so that programs are assembled once."""
    return tmp_path_factory.mktemp("images")


@dataclass
class Site:
    """A machine on the network, and who is there besides."""

    machine: Machine
    network: Network

    @property
    def lines(self) -> list[str]:
        """The console, without the kernel's banner."""
        return self.machine.console.decode().splitlines()[1:]

    @property
    def host(self) -> Host:
        """The plug's host."""
        host = self.network.plug.parts["host"]
        assert isinstance(host, Host)
        return host

    def said(self, part: str) -> dict[str, int]:
        """What a part of the plug says of itself."""
        found: dict[str, int] = self.network.plug.parts[part].describe()
        return found

    def run(self, milliseconds: int) -> Site:
        """Let time pass."""
        result = self.machine.run(max_cycles=milliseconds * MS)
        assert result.reason == Reason.CYCLES, f"{result}\n{self.lines}"
        return self


def site(booted: Image | str, plug: str) -> Site:
    """A machine that is plugged in."""
    machine = Machine.boot(booted, cpu=CPU, memory=MEMORY)
    return Site(machine, Network(machine, plug))


@pytest.fixture
def up(variant: str, directory: Path) -> Callable[..., Site]:
    """Boots programs in each variant."""

    def boot(*programs: Program, plug: str = "host:10.0.0.1") -> Site:
        return site(image(directory, variant, *programs), plug)

    return boot


@dataclass
class Talker:
    """Who has made a TCP connection from outside."""

    heard: bytearray = field(default_factory=bytearray)
    is_over: bool = False
    failure: Failure | None = None

    def opened(self) -> None:
        """Not of interest."""

    def received(self, data: bytes) -> None:
        """More."""
        self.heard += data

    def ended(self) -> None:
        """All."""
        self.is_over = True

    def failed(self, failure: Failure) -> None:
        """None."""
        self.failure = failure


def datagrams(count: int, *, frames: int = 1000, size: int = 64, start: str = "20ms") -> str:
    """A plug that sends datagrams to the echo port."""
    return f"udp:dst=10.0.0.2,port=7,frames={frames},size={size},count={count},start={start}"


def test_datagrams_come_back(up: Callable[..., Site]) -> None:
    place = up(ECHO, plug=datagrams(70, frames=2500, size=1472)).run(55)
    assert place.lines == [CARD]
    assert place.said("udp")["returned datagrams"] == 70             # both rings have gone round
    assert place.said("udp")["returned missing"] == 0
    Invariants(place.machine).check()


def test_streams_come_back(up: Callable[..., Site]) -> None:
    place = up(ECHO).run(30)
    client = Stack(place.host)
    talkers = [Talker() for _ in range(5)]
    texts = [bytes([number]) * 3000 + bytes(range(256)) * (10 * number) for number in range(5)]
    connections = []
    for talker, text in zip(talkers, texts, strict=True):
        connection = client.connect(GUEST, 7)
        assert connection
        connection.user = talker
        connection.send(text)
        connections.append(connection)
    place.run(100)
    assert [bytes(talker.heard) for talker in talkers] == texts
    for connection in connections:
        connection.close()
    place.run(30)
    again = client.connect(GUEST, 7)
    assert again
    again.user = talker = Talker()
    again.send(b"and again")
    place.run(50)
    assert talker.heard == b"and again"


@pytest.mark.parametrize("variant", ["l4"])
def test_a_connection_to_a_port_that_nobody_has_is_refused(up: Callable[..., Site]) -> None:
    place = up(ECHO).run(30)
    connection = Stack(place.host).connect(GUEST, 9)
    assert connection
    connection.user = talker = Talker()
    place.run(20)
    assert talker.failure == Failure.REFUSED


def test_a_program_that_needs_all_of_the_processor_does_not_stop_it(up: Callable[..., Site]) -> None:
    place = up(ECHO, Program("cpu"), plug=datagrams(30, frames=300, start="70ms")).run(200)
    said = place.said("udp")
    assert said["returned datagrams"] == 30
    assert said["returned latency most"] < 12_000_000               # nanoseconds: a time slice, and some


@pytest.mark.parametrize("variant", ["l4"])
def test_pages_are_served_beside_one(up: Callable[..., Site]) -> None:
    sources = ("serve", "seats", "http_request", "http_fields", "http_reply", "http_pages", "http_text")
    web = Program("web", more=sources, parts=NETWORK)
    place = up(web, Program("cpu"), plug="http:dst=10.0.0.2,rate=100,count=8,start=100ms,path=/4k.html").run(250)
    said = place.said("http")
    assert (said["replies"], said["status 2xx"]) == (8, 8), said


@pytest.mark.parametrize("variant", ["uls"])
def test_the_second_one_has_no_card_and_goes_on_without(up: Callable[..., Site]) -> None:
    other = Program("other", "echo", more=("serve", "seats"), parts=NETWORK)
    place = up(ECHO, other, plug=datagrams(20, start="30ms")).run(60)
    assert sorted(place.lines) == sorted([CARD, "network: 10.0.0.2, no card"])
    assert place.said("udp")["returned datagrams"] == 20


@pytest.mark.parametrize("variant", ["uls"])
def test_without_a_card_there_are_packets_to_oneself(variant: str, directory: Path) -> None:
    machine = Machine.boot(image(directory, variant, Program("oneself", parts=NETWORK)), cpu=CPU, memory=MEMORY)
    result = machine.run(max_cycles=ENOUGH)
    assert machine.console.decode().splitlines()[1:] == ["network: 10.0.0.2, no card", "heard: 5", "heard: 5"]
    assert result.exit_code == 0


def test_when_a_program_ends_the_next_one_has_the_card(up: Callable[..., Site]) -> None:
    place = up(Program("mortal", parts=NETWORK), Program("late_echo", more=late_network(), parts=()),
               plug=datagrams(900, frames=10_000, start="10ms")).run(110)
    first, fault, second = place.lines
    assert first == second == CARD and fault.startswith("mortal: page fault, read of 0x0, at ")
    assert place.said("udp")["returned datagrams"] > 300            # those that come behind that
    Invariants(place.machine).check()


@pytest.mark.parametrize("variant", ["l4"])
def test_bad_calls_get_an_error_and_a_bad_pointer_ends_the_program_alone(variant: str, directory: Path) -> None:
    place = site(image(directory, variant, Program("bad_socket_calls", parts=NETWORK), Program("witness")), "none")
    place.machine.run(max_cycles=ENOUGH)
    lines = [line for line in place.lines if line != "witness: still here"]
    assert len(lines) == len(place.lines) - 1
    assert lines[1:-1] == ["a number below: 1", "one above: 1", "no socket: 9", "nothing has come: 10",
                           "an address that is nobody's: 2", "the last addresses of all: 2"]
    assert lines[-1].startswith("bad_socket_calls: page fault, read of 0x7000000")


@pytest.mark.parametrize("variant", ["uls"])
def test_strangers_get_no_answer_and_do_no_harm(up: Callable[..., Site]) -> None:
    place = up(ECHO, Program("stranger"), plug=datagrams(50, frames=2000, start="40ms")).run(80)
    assert sorted(place.lines) == [CARD, "stranger: heard nothing"]
    assert place.said("udp")["returned datagrams"] == 50


@pytest.mark.parametrize("variant", ["uls"])
def test_many_threads_wait_for_the_same_socket_and_there_is_an_end_to_that(variant: str, directory: Path) -> None:
    machine = Machine.boot(image(directory, variant, Program("many_calls", parts=NETWORK)), cpu=CPU, memory=MEMORY)
    result = machine.run(max_cycles=ENOUGH)
    assert machine.console.decode().splitlines()[2:] == ["heard: 20", "one too many: 12"]
    assert result.exit_code == 0


@pytest.mark.parametrize("name", ["uls-echo", "l4-echo"])
def test_the_images_echo(name: str) -> None:
    place = site(name, datagrams(5)).run(30)
    assert place.said("udp")["returned datagrams"] == 5


@pytest.mark.parametrize("name", ["uls-web", "l4-web"])
def test_the_images_serve(name: str) -> None:
    place = site(name, "http:dst=10.0.0.2,rate=1000,count=5,start=20ms").run(40)
    assert place.said("http")["status 2xx"] == 5


@pytest.mark.parametrize("name", ["uls-echo", "l4-echo"])
def test_an_interrupt_is_a_message_as_in_the_golden_trace(name: str, machine: Callable[..., Guest],
                                                          assert_trace: Callable[..., None]) -> None:
    guest = machine(name, nic=datagrams(2), memory=MEMORY)
    for place in "echo:main", "echo:e1000_interrupt", "echo:call_send":
        guest.run(until=place)
        guest.roster.look()                                         # names who has the processor
    guest.run(max_instructions=10)
    assert_trace("echo", f"goldens/{name}.txt", marks=True)
