"""What the guest receives on COM1: nothing before it listens, nothing lost, the same in every run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.devices.uart import FCR, IER, LCR, LSR, MCR, Register
from emu.machine import Machine
from tools.serial import COM1, PATIENCE, Descriptor, FarEnd, writer

Trapline = Callable[..., Any]       # the fixture `trapline`
Guests = Any                        # the fixture `guests`


class Text:
    """A source that is a text, and counts how often it is asked."""

    has_keys = False

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.asked = 0

    def take(self, most: int) -> bytes:
        self.asked += 1
        taken, self.text = self.text[:most], self.text[most:]
        return taken

    def wait(self) -> bool:
        return bool(self.text)

    def is_open(self) -> bool:
        return bool(self.text)


def connected(text: bytes) -> tuple[Machine, Text]:
    """A machine that a text is sent to; its UART at 115200 baud, 8N1."""
    machine, source = Machine(memory=1 << 16), Text(text)
    FarEnd(machine, source)
    for register, value in ((Register.LCR, LCR.DLAB), (Register.DLL, 1), (Register.DLM, 0), (Register.LCR, 3)):
        write(machine, register, value)
    return machine, source


def read(machine: Machine, register: int) -> int:
    return machine.bus.ports.read(COM1 + register, 1)


def write(machine: Machine, register: int, value: int) -> None:
    machine.bus.ports.write(COM1 + register, value, 1)


def receive(machine: Machine, count: int) -> bytes:
    """Poll until so many bytes have come, or none comes any more."""
    received = bytearray()
    silence = 0
    while len(received) < count and silence < 3 * PATIENCE:
        if read(machine, Register.LSR) & LSR.DR:
            received.append(read(machine, Register.RBR))
            silence = 0
        else:
            machine.clock.advance(10_000)
            silence += 1
    return bytes(received)


# Listening

def test_input_is_not_touched_by_a_guest_that_only_prints() -> None:
    machine, source = connected(b"abc")
    for _ in range(100):
        while not read(machine, Register.LSR) & LSR.TEMT:
            machine.clock.advance(1000)
        write(machine, Register.THR, ord("x"))
    assert source.asked == 0


def test_a_guest_that_polls_the_line_status_listens() -> None:
    machine, source = connected(b"abc")
    for _ in range(PATIENCE - 1):
        read(machine, Register.LSR)
    assert source.asked == 0
    read(machine, Register.LSR)
    assert source.text == b"bc"


def test_a_guest_that_reads_the_receiver_listens() -> None:
    machine, source = connected(b"abc")
    read(machine, Register.RBR)
    assert source.text == b"bc"


def test_reading_the_divisor_is_not_listening() -> None:
    machine, source = connected(b"abc")
    write(machine, Register.LCR, LCR.DLAB)
    read(machine, Register.DLL)
    assert source.asked == 0


def test_a_guest_that_enables_the_receive_interrupt_listens() -> None:
    machine, source = connected(b"abc")
    write(machine, Register.FCR, FCR.ENABLE)
    write(machine, Register.IER, IER.ERBFI)
    assert source.text == b""
    machine.clock.advance(100_000)
    assert receive(machine, 3) == b"abc"


def test_nothing_is_sent_into_a_loopback_test() -> None:
    machine, source = connected(b"abc")
    write(machine, Register.MCR, MCR.LOOP)
    for _ in range(2 * PATIENCE):
        read(machine, Register.LSR)
    assert source.text == b"abc"
    write(machine, Register.MCR, 0)
    assert receive(machine, 3) == b"abc"


# Nothing lost

@settings(max_examples=20, deadline=None)
@given(text=st.binary(max_size=100), fifo=st.booleans(), delays=st.lists(st.integers(0, 400_000), min_size=1))
def test_nothing_is_lost_however_slowly_the_guest_takes_it(text: bytes, fifo: bool, delays: list[int]) -> None:
    machine, _ = connected(text)
    write(machine, Register.FCR, FCR.ENABLE if fifo else 0)
    received = b""
    for index in range(len(text)):
        machine.clock.advance(delays[index % len(delays)])
        received += receive(machine, 1)
    assert received == text
    assert not read(machine, Register.LSR) & LSR.OE


@pytest.mark.parametrize("fifo", [False, True])
def test_a_guest_that_polls_gets_every_byte(fifo: bool, trapline: Trapline, guests: Guests) -> None:
    text = b"the quick brown fox jumps over the lazy dog 0123456789 " * 2 + b"q"
    ended = trapline("boot", guests.polling(fifo, 40_000), given=text + b"not for the guest")
    cut = text[:text.index(b"q") + 1]
    assert (ended.status, ended.out.encode()) == (len(cut), b">" + cut)


def test_a_guest_that_sleeps_gets_every_byte(trapline: Trapline, guests: Guests) -> None:
    text = bytes(range(32, 113)) * 3 + b"q"
    ended = trapline("boot", guests.sleeping(), given=text)
    assert ended.out.encode() == text
    assert ended.status == len(text)


def test_a_sleeping_guest_ends_idle_after_the_last_byte(trapline: Trapline, guests: Guests) -> None:
    ended = trapline("boot", guests.sleeping(), given=b"abc")
    assert (ended.status, ended.out) == (112, "abc")
    assert "idle" in ended.err


def test_the_same_input_gives_the_same_run(trapline: Trapline, guests: Guests) -> None:
    guest = guests.sleeping()
    reports = []
    for _ in range(2):
        report = json.loads(trapline("boot", guest, "--json", given=b"some inputq").out)
        reports.append({key: value for key, value in report.items() if not key.startswith("host_")})
    assert reports[0] == reports[1]
    assert reports[0]["console"] == "some inputq"


def test_input_that_comes_slowly_through_a_pipe_gives_the_same_run_as_a_file(
        trapline: Trapline, guests: Guests, command: list[str]) -> None:
    guest = guests.sleeping()
    process = subprocess.Popen([*command, "boot", guest, "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    for byte in b"slowq":
        process.stdin.write(bytes((byte,)))
        process.stdin.flush()
    slow = json.loads(process.communicate(timeout=120)[0])
    quick = json.loads(trapline("boot", guest, "--json", given=b"slowq").out)
    assert (slow["cycles"], slow["console"], slow["status"]) == (quick["cycles"], quick["console"], 5)


def test_a_serial_port_without_an_end_receives_nothing(trapline: Trapline, guests: Guests) -> None:
    ended = trapline("boot", guests.sleeping(), "--serial", "null", given=b"q")
    assert ended.status == 112


# Descriptors

def test_a_descriptor_gives_what_it_holds_piece_by_piece(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcdef")
    with open(tmp_path / "file", "rb") as file:
        source = Descriptor(file.fileno(), False, lambda: False)
        assert [source.take(4), source.take(4), source.take(4)] == [b"abcd", b"ef", b""]


def test_waiting_for_a_pipe_ends_when_the_run_is_to_stop() -> None:
    reading, writing = os.pipe()
    try:
        assert Descriptor(reading, False, lambda: True).take(1) == b""
    finally:
        os.close(reading)
        os.close(writing)


def test_a_descriptor_that_cannot_be_read_is_named() -> None:
    with open("/dev/null", "wb") as file, pytest.raises(OSError) as caught:
        Descriptor(file.fileno(), False, lambda: False).take(1)
    assert caught.value.filename == "standard input"


def test_a_writer_writes_through_a_full_pipe_that_does_not_block() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    count = 0
    try:
        while True:
            count += os.write(writing, b"x" * 4096)
    except BlockingIOError:
        pass
    process = subprocess.Popen(["cat"], stdin=reading, stdout=subprocess.DEVNULL)
    os.close(reading)
    writer(writing, "pipe")(ord("y"))
    os.close(writing)
    assert process.wait(timeout=20) == 0
