"""The web server of the kernel `ecalls` with each of its fronts, as the images have them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guest.abi.memory import Memory
from guest.abi.net import LISTENER
from guest.abi.readiness import IoParameter
from guest.abi.sockets import SocketSize
from loader.manifest import GUEST as SOURCES
from loader.manifest import IMAGES
from tests.guest.servers.test_images import GET, MS, Guest

FRONTS = ("select", "ready", "rings", "io")


def listed(front: str) -> tuple[list[Path], list[Path]]:
    """Sources and parts of a program with this front, but for the server."""
    library = SOURCES / "lib"
    own = [SOURCES / "user" / "ecalls" / f"front_{front}.asm"]
    if front != "rings":
        return own, [library / "ecalls" / "program.toml"]
    return [*own, library / "start.asm", library / "syscall.asm", library / "ecalls" / "readiness.asm",
            library / "arguments.asm", library / "print.asm"], []


@pytest.mark.parametrize("front", FRONTS)
def test_every_client_is_answered(front: str) -> None:
    said = Guest(f"ecalls-web-{front}", "http:dst=10.0.0.2,rate=3000,count=60,path=/1k.html,start=20ms").run(30)
    assert said["http replies"] == said["http status 2xx"] == 60
    assert said["http body bytes"] == 60 * 1024


@pytest.mark.long
@pytest.mark.parametrize("front", FRONTS)
def test_connections_stay_and_long_pages_go_over_a_bad_wire(front: str) -> None:
    load = "http:dst=10.0.0.2,rate=100,count=8,requests=4,path=/16k.html,start=20ms,timeout=9s"
    guest = Guest(f"ecalls-web-{front}", load, "loss=0.02,duplicate=0.01,reorder=0.05,seed=3")
    for _ in range(60):
        said = guest.run(100)
        if said["http replies"] == 32:
            break
    assert said["http replies"] == 32 and said["http body bytes"] == 32 * 16384


@pytest.mark.long
@pytest.mark.parametrize("front", FRONTS)
def test_a_request_comes_byte_by_byte_and_two_at_once(front: str) -> None:
    guest = Guest(f"ecalls-web-{front}")
    talk = guest.connect(80)
    guest.run(1)
    for at in range(len(GET)):
        assert not talk.got
        talk.connection.send(GET[at:at + 1])
        guest.run(1)
    assert talk.got.startswith(b"HTTP/1.1 200 OK\r\n")
    talk.connection.send(GET * 3 + b"nonsense\r\n\r\n")
    guest.run(8)
    assert re.findall(b"HTTP/1.1 ([0-9]+)", talk.got) == [b"200"] * 4 + [b"400"] and talk.over == "ended"


def with_arguments(tmp_path: Path, arguments: str, front: str = "io") -> Path:
    """An image with arguments of the server, and the usual number of sockets."""
    text = (IMAGES / f"ecalls-web-{front}.toml").read_text().replace('"../', f'"{SOURCES}/')
    manifest = tmp_path / f"ecalls-web-{front}.toml"
    manifest.write_text(re.sub("parameters = .*\n", "", text).replace(
        'name = "web"', f'name = "web"\narguments = "{arguments}"'))
    return manifest


@pytest.mark.parametrize("front", FRONTS)
def test_who_says_nothing_makes_room(front: str, tmp_path: Path) -> None:
    guest = Guest(with_arguments(tmp_path, "", front))
    silent = [guest.connect(80) for _ in range(100)]
    guest.run(2000)
    talks = [guest.connect(80) for _ in range(60)]
    for talk in talks:
        talk.connection.send(GET)
    for _ in range(50):
        guest.run(100)
        if all(talk.got.endswith(b"other one\n") for talk in talks):
            break
    assert sum(talk.got.count(b"200 OK") for talk in talks) == 60
    assert not any(talk.got for talk in silent)


@pytest.mark.long
@pytest.mark.parametrize("front", FRONTS)
def test_it_goes_on_when_somebody_resets_a_connection(front: str) -> None:
    guest = Guest(f"ecalls-web-{front}", wire="rate=10M,delay=200us")
    for when in range(6):
        talk = guest.connect(80)
        talk.connection.send(b"GET /16k.html HTTP/1.1\r\nHost: x\r\n\r\n")
        guest.run(1 + when)
        talk.connection.abort()
    guest.run(20)
    talk = guest.connect(80)
    talk.connection.send(GET)
    guest.run(20)
    assert talk.got.endswith(b"other one\n")


def test_a_signal_may_tell(tmp_path: Path) -> None:
    load = "http:dst=10.0.0.2,rate=3000,count=60,path=/1k.html,start=20ms"
    guest = Guest(with_arguments(tmp_path, "0 0 0 0 40"), load)
    assert guest.run(30)["http replies"] == 60
    assert guest.machine.run(max_cycles=1).idle_cycles > 5 * MS


def test_overload_control_lets_fewer_in_until_the_flood_is_over(tmp_path: Path) -> None:
    flood = "http:dst=10.0.0.2,rate=8000,count=400,path=/1k.html,start=20ms"
    guest = Guest(with_arguments(tmp_path, "0 400 20 8"), flood, "rate=100M")
    limits = []
    for _ in range(40):
        said = guest.run(5)
        limits.append(LISTENER.decode(bytes(guest.machine.ram.read(
            guest.machine.address("listeners") - Memory.KERNEL_BASE, LISTENER.size))).half_limit)
    assert limits[0] == limits[-1] == SocketSize.SOCKETS_HALF
    assert min(limits) == IoParameter.IO_HALF_LEAST
    assert said["http replies"] > 150 and said["http error reset"] == 0
