"""The servers and clients on the kernel `network`, as the images have them, with whoever may be at the other end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from emu.machine import Machine
from emu.net.connection import Connection, Failure
from emu.net.host import Host
from emu.net.tcp import Stack
from emu.network import Network
from loader.build import images
from loader.manifest import IMAGES
from tests.guest.drivers.namespace import GUEST, Namespace, need

CPU, MS = "p2-450", 450_000
OURS = bytes((10, 0, 0, 2))
GET = b"GET /4k.html HTTP/1.1\r\nHost: trapline\r\n\r\n"


@dataclass
class Talk:
    """A connection of the host's, and what it hears."""

    connection: Connection
    got: bytearray = field(default_factory=bytearray)
    over: str = ""

    def opened(self) -> None:
        """Accepted."""

    def received(self, data: bytes) -> None:
        """The next bytes."""
        self.got += data

    def ended(self) -> None:
        """No more."""
        self.over = "ended"

    def failed(self, failure: Failure) -> None:
        """No connection any more."""
        self.over = failure.name.lower()


class Guest:
    """A machine with an image, up and serving."""

    def __init__(self, image: str | Path, plug: str = "host:10.0.0.1", wire: str = "rate=1G") -> None:
        self.machine = Machine.boot(image, cpu=CPU)
        self.network = Network(self.machine, plug, wire)
        self.client: Stack | None = None
        self.run(20)

    def run(self, milliseconds: int) -> dict[str, Any]:
        """It runs on; what the network says then."""
        self.machine.run(max_cycles=milliseconds * MS)
        return self.network.describe()

    def connect(self, port: int) -> Talk:
        """The host connects."""
        host = self.network.plug.parts["host"]
        assert isinstance(host, Host)
        self.client = self.client or Stack(host)
        connection = self.client.connect(OURS, port)
        assert connection
        connection.user = talk = Talk(connection)
        return talk


def test_the_images_are_listed() -> None:
    assert {"echo", "web", "ab", "net-stream"} <= {name for name, _ in images()}


def test_echo_sends_datagrams_back() -> None:
    said = Guest("echo", "udp:dst=10.0.0.2,port=7,frames=4000,size=1472,start=20ms,count=200").run(60)
    assert said["udp returned datagrams"] == said["udp sent"] == 200


def test_echo_sends_streams_back_to_many_at_a_time_beside_one_who_never_reads() -> None:
    guest = Guest("echo", wire="rate=1G,loss=0.01,reorder=0.02,duplicate=0.01,seed=5")
    talks = [guest.connect(7) for _ in range(8)]
    data = [bytes([number]) * 30_000 for number in range(8)]
    for talk, said in zip(talks, data, strict=True):
        talk.connection.send(said)
    for _ in range(100):
        guest.run(50)
        if [talk.got for talk in talks] == data:
            break
    assert [bytes(talk.got) for talk in talks] == data


def test_web_answers_clients_who_come_at_a_rate() -> None:
    said = Guest("web", "http:dst=10.0.0.2,rate=2000,count=100,path=/4k.html,start=20ms").run(100)
    assert said["http replies"] == said["http status 2xx"] == 100
    assert said["http body bytes"] == 100 * 4096


def test_web_keeps_connections_and_sends_long_pages_over_a_bad_wire() -> None:
    guest = Guest("web", "http:dst=10.0.0.2,rate=100,count=8,requests=5,path=/16k.html,start=20ms,timeout=9s",
                  "loss=0.02,duplicate=0.01,reorder=0.05,seed=3")
    for _ in range(60):
        said = guest.run(100)
        if said["http replies"] == 40:
            break
    assert said["http replies"] == 40 and said["http body bytes"] == 40 * 16384


def test_web_takes_a_request_byte_by_byte_and_two_at_once() -> None:
    guest = Guest("web")
    talk = guest.connect(80)
    guest.run(1)
    for at in range(len(GET)):
        assert not talk.got
        talk.connection.send(GET[at:at + 1])
        guest.run(1)
    assert talk.got.startswith(b"HTTP/1.1 200 OK\r\n") and talk.got.count(b"Content-Length: 4096") == 1
    talk.connection.send(GET * 3 + b"nonsense\r\n\r\n")
    guest.run(5)
    assert re.findall(b"HTTP/1.1 ([0-9]+)", talk.got) == [b"200"] * 4 + [b"400"] and talk.over == "ended"


def test_web_serves_a_hundred_at_a_time_beside_a_hundred_who_say_nothing() -> None:
    guest = Guest("web")
    silent = [guest.connect(80) for _ in range(100)]
    guest.run(2000)
    talks = [guest.connect(80) for _ in range(100)]
    for talk in talks:
        talk.connection.send(GET)
    for _ in range(50):
        guest.run(100)
        if all(talk.got.endswith(b"other one\n") for talk in talks):
            break
    assert sum(talk.got.count(b"200 OK") for talk in talks) == 100
    assert not any(talk.got for talk in silent)


@pytest.mark.parametrize("when", range(4))
def test_web_goes_on_when_somebody_resets_a_connection(when: int) -> None:
    guest = Guest("web", wire="rate=10M,delay=200us")
    for _ in range(10):
        talk = guest.connect(80)
        talk.connection.send(b"GET /16k.html HTTP/1.1\r\nHost: x\r\n\r\n")
        guest.run(1 + 2 * when)
        talk.connection.abort()
    guest.run(20)
    talk = guest.connect(80)
    talk.connection.send(GET)
    guest.run(20)
    assert talk.got.endswith(b"other one\n")


@pytest.mark.parametrize(("wire", "least", "most"), [
    ("rate=100M", 94_800_000, 1460 / 1538 * 100e6),
    ("rate=1G", 840_000_000, 870_000_000)])                         # as much as the card's bus carries
def test_a_stream_goes_out_as_fast_as_the_hardware_can(wire: str, least: int, most: int) -> None:
    said = Guest("net-stream", "tcpsink", wire).run(20)
    assert least < said["tcpsink goodput"] < most and said["tcpsink connections"] == 1
    assert said["tcp early"] == said["tcp retransmitted"] == said["tcp rejected"] == 0
    assert 0.45 < said["tcp sent"] / said["tcp received"] < 0.55


def test_clients_and_server_talk_on_one_machine() -> None:
    machine = Machine.boot("ab", cpu=CPU)
    machine.run(max_cycles=200 * MS)
    lines = machine.console.decode().splitlines()[2:]
    assert sorted(lines) == [f"client{number}: 25 replies, 0 failed" for number in range(1, 5)]


def test_a_program_that_computes_for_ever_does_not_stop_the_server(tmp_path: Path) -> None:
    busy = tmp_path / "busy.toml"
    busy.write_text((IMAGES / "web.toml").read_text().replace("../", f"{IMAGES.parent}/") + f"""
[[program]]
name = "cpu"
sources = ["{IMAGES.parent}/user/net/cpu.asm", "{IMAGES.parent}/lib/start.asm", "{IMAGES.parent}/lib/syscall.asm"]
""")
    guest = Guest(busy, "http:dst=10.0.0.2,rate=1000,count=50,start=20ms")
    said = guest.run(100)
    assert said["http replies"] == 50
    assert said["http response time most"] < 3 * MS             # nobody waits for many a turn of the other
    assert guest.machine.run(max_cycles=1).idle_cycles < 20 * MS


CURL = ("curl", "--silent", "--show-error", "--max-time", "30", "--retry", "20", "--retry-delay", "1",
        "--retry-all-errors")


def test_curl_gets_pages_by_tap() -> None:
    need("curl")
    with Namespace() as there, there.machine("web", "--cpu", "p2-450") as machine:
        one = there.run(*CURL, f"http://{GUEST}/")
        head = there.run(*CURL, "--head", f"http://{GUEST}/4k.html")
        many = there.run(*CURL, *(f"http://{GUEST}/{page}" for page in ("4k.html", "16k.html", "nothing")),
                         "--write-out", "%{http_code} %{size_download} %{num_connects}\n", "--output", "/dev/null",
                         "--output", "/dev/null", "--output", "/dev/null")
    assert one.returncode == 0 and "<h1>It works</h1>" in one.stdout, one
    assert head.returncode == 0 and "Content-Length: 4096" in head.stdout, head
    assert many.stdout.splitlines() == ["200 4096 1", "200 16384 0", "404 30 0"], many
    assert machine.status == 130 and machine.report["network"]["tap dropped"] == 0

