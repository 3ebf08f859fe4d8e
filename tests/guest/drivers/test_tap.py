"""A guest on a TAP device of the host: real programs talk to it, in real time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loader.elf_writer import write_elf
from tests.guest.drivers.namespace import GUEST, TAP, TRAPLINE, Namespace, need
from tests.guest.drivers.test_e1000 import program

NEITHER = "a machine with a tap can neither be saved nor go back in time"
UDP = f"""
import socket
with socket.socket(type=socket.SOCK_DGRAM) as there:
    there.settimeout(1)
    there.connect(({GUEST!r}, 7))
    for number in range(20):
        sent = bytes([number]) * (70 * number)
        for attempt in range(30):           # the guest may not have booted yet
            try:
                there.send(sent)
                while there.recv(2000) != sent:
                    pass                    # an earlier one, twice
                break
            except OSError:
                pass
        else:
            raise SystemExit(f"no answer to datagram {{number}}")
"""


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """A guest that answers ping, and UDP on port 7."""
    path = tmp_path / "echo.elf"
    path.write_bytes(write_elf(program()))
    return path


def test_ping_talks_to_the_guest(echo: Path) -> None:
    need("ping")
    with Namespace() as there, there.machine(echo, "--cpu", "p2-450") as machine:
        ping = there.run("ping", "-c", "5", "-i", "0.2", "-w", "60", GUEST)
    assert ping.returncode == 0, ping.stdout
    assert machine.status == 130 and machine.report["network"]["tap to host"] >= 5, machine


def test_a_socket_exchanges_datagrams_with_the_guest(echo: Path) -> None:
    need()
    with Namespace() as there, there.machine(echo) as machine:
        done = there.run(sys.executable, "-c", UDP)
    assert done.returncode == 0, done.stderr
    network = machine.report["network"]
    assert network["tap from host"] >= 20 and network["tap dropped"] == 0, machine


def test_curl_gets_pages_from_the_guest() -> None:
    need("curl")
    curl = ("curl", "-sS", "--retry", "30", "--retry-all-errors", "--retry-delay", "1",
            "-w", "%{http_code} %{size_download}\n")
    with Namespace() as there, there.machine("web") as machine:
        done = there.run(*curl, "-o", "/dev/null", f"http://{GUEST}/", "-o", "/dev/null", f"http://{GUEST}/16k.html")
    codes, sizes = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert codes == ("200", "200") and int(sizes[1]) == 16384, (done, machine)


def test_virtual_time_follows_the_hosts(echo: Path) -> None:
    need()
    with Namespace() as there, there.machine(echo, "--max-cycles", "200M") as machine:      # of unit: 2 s
        machine.process.wait(timeout=60)
    assert machine.status == 110
    seconds = machine.report["host_seconds"] - machine.report["network"]["tap late ns"] / 1e9
    assert 1.95 < seconds < 4                               # before the first tick it is as slow as it is


def test_what_came_from_the_host_can_be_replayed_as_the_same_run(echo: Path, tmp_path: Path) -> None:
    need()
    record = tmp_path / "came.pcap"
    nic = f"tap:{TAP},record={record}+pcap:{tmp_path / 'first.pcap'}"
    with Namespace() as there, there.machine(echo, "--cpu", "p5-166", nic=nic) as machine:
        assert there.run(sys.executable, "-c", UDP).returncode == 0
    cycles = machine.report["cycles"]
    nic = f"replay:{record},start=recorded+pcap:{tmp_path / 'second.pcap'}"
    command = [*TRAPLINE, "boot", echo, "--cpu", "p5-166", "--nic", nic, "--json", "--max-cycles", str(cycles)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    report = json.loads(done.stdout)
    same = ("cycles", "instructions", "eip", "loads", "stores", "mispredictions", "io_accesses")
    assert {key: report[key] for key in same} == {key: machine.report[key] for key in same}
    assert (tmp_path / "first.pcap").read_bytes() == (tmp_path / "second.pcap").read_bytes()


def test_ctrl_c_ends_it_at_once(echo: Path) -> None:
    need("ping")
    with Namespace() as there:
        with there.machine(echo) as machine:
            assert there.run("ping", "-c", "1", "-w", "60", GUEST).returncode == 0
            before = time.monotonic()
        assert machine.status == 130 and time.monotonic() - before < 5


def test_a_device_that_goes_away_ends_the_run_with_its_name(echo: Path) -> None:
    need()
    with Namespace() as there, there.machine(echo) as machine:
        assert there.run(sys.executable, "-c", UDP).returncode == 0
        there.run("ip", "link", "delete", TAP)
        assert machine.process.wait(timeout=60) == 2
    assert machine.err == f"trapline: {TAP}: file descriptor in bad state\n"


def test_a_device_that_is_down_drops_what_is_sent(echo: Path) -> None:
    need()
    with Namespace() as there:
        there.run("ip", "link", "set", TAP, "down")
        with there.machine(echo, "--max-cycles", "10M") as machine:         # it says who it is
            machine.process.wait(timeout=60)
    network = machine.report["network"]
    assert (network["tap to host"], network["tap dropped"]) == (0, 1)


@pytest.mark.parametrize(("arguments", "message"), [
    (["boot", "--nic", "tap:tap1"],
     "tap:tap1: there is no such device; root can make it: ip tuntap add tap1 mode tap user NAME"),
    (["boot", "--nic", "tap:lo"], "tap:lo: the device is no TAP, or has several queues"),
    (["boot", "--save-snapshot", "x"], f"--save-snapshot: {NEITHER}: leave out one of them (see trapline boot --help)"),
    (["boot", "--gdb", "0"], f"--gdb: {NEITHER}: leave out one of them (see trapline boot --help)"),
    (["step"], f"{NEITHER}; record what comes from the host (tap:...,record=FILE), and replay that"),
])
def test_what_is_not_possible_is_said_in_one_line(echo: Path, arguments: list[str], message: str) -> None:
    need()
    nic = [] if "--nic" in arguments else ["--nic", f"tap:{TAP}"]
    with Namespace() as there:
        done = there.run(*TRAPLINE, *arguments, *nic, echo)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"trapline: {message}\n")


def test_a_device_is_one_machines(echo: Path) -> None:
    need()
    with Namespace() as there, there.machine(echo):
        assert there.run(sys.executable, "-c", UDP).returncode == 0
        done = there.run(*TRAPLINE, "boot", echo, "--nic", f"tap:{TAP}")
    assert done.returncode == 2 and "tap:tap0: the device is in use already" in done.stderr
