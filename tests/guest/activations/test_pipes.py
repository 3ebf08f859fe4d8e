"""Pipes and the console's input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emu.machine import Machine
from guest.abi.activations import ActSize, Receiver
from guest.abi.cpu import Vector
from loader.build import build
from loader.image import Image
from tests.guest.activations.conftest import SELDOM, finish

ImageMaker = Callable[..., Image]      # the fixture `act_image`
Boot = Callable[..., Any]              # the fixture `act`

INPUT = Vector.VECTOR_IRQ0 + Receiver.IRQ_COM1
TEXT = bytes(range(0x20, 0x7F)) * 3


def test_a_buffer_that_is_not_the_programs_is_refused(act_image: ImageMaker, act: Boot) -> None:
    assert act(act_image(["bad_buffers"])).lines == [
        "a pipe with two bytes", "kernel", "into the kernel", "null", "around the end", "last byte unmapped",
        "first byte unmapped", "much too long", "nothing at all", "no such pipe", "-1", "one too many",
        "the console's input", "read-only", "and the two bytes are still there", "as many pipes as there can be",
        "and no more"]


@pytest.mark.parametrize("rate", [1000, 20_000])
def test_bytes_of_several_producers_reach_several_consumers_once(rate: int, act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["producers"], kernel=f"parameters = {{ TICK_HZ = {rate} }}"))
    assert done.lines == ["all of one producer's"] * 3 + ["and nothing else"]


@pytest.mark.parametrize("length", [1, 7, 4096])
def test_a_program_reads_what_the_console_receives(length: int, act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["echo"], parameters={"LENGTH": length}), received=TEXT + b"\n")
    assert done.lines == [TEXT.decode()]


def test_a_program_that_waits_for_input_leaves_the_processor_alone(act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image(["echo"], kernel=SELDOM, parameters={"LENGTH": 100}))
    waits = machine.run(max_cycles=10_000_000)
    assert waits.counters.idle_cycles > 9_000_000
    machine.uart.receive(b"x")
    machine.run(max_cycles=1_000_000)
    assert machine.console.endswith(b"x")
    machine.uart.receive(b"\n")
    assert finish(machine).lines == ["x"]


def test_input_that_nobody_asks_for_interrupts_nobody(act_image: ImageMaker, act: Boot) -> None:
    machine = Machine.boot(act_image(["naps"]))
    machine.uart.receive(TEXT)
    assert INPUT not in finish(machine).result.traps


def test_input_that_came_before_the_first_read_is_there(act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image(["echo"], parameters={"LENGTH": 1}))
    machine.uart.receive(b"hello\n")
    machine.run(until="console_init")
    machine.run(until=machine.image.programs["echo"].address("_start") if machine.image else 0)
    assert finish(machine).lines == ["hello"]


def test_input_beyond_what_is_held_is_lost_and_nothing_else(act_image: ImageMaker) -> None:
    machine = Machine.boot(act_image(["late_reader"]))
    machine.run(until="input_open")
    machine.uart.receive(bytes(n % 256 for n in range(ActSize.PIPE_BYTES + 500)))
    machine.run(max_cycles=machine.clock.frequency // 2)
    says = ["nothing", "as much as it holds", "the first that came"]
    assert machine.console.decode("latin").splitlines()[1:] == says
    machine.uart.receive(b"!")
    assert finish(machine).lines == [*says, "and then what comes now: !"]


def test_two_programs_that_read_the_console_share_what_comes(act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["echo", "echo"], parameters={"LENGTH": 1}), received=TEXT + b"\n\n")
    assert sorted(done.console.split("\n", 1)[1]) == sorted(TEXT.decode() + "\n\n")


def test_the_image_of_a_pipeline_shows_one(act: Boot) -> None:
    assert act(build("threads-pipeline")).lines == ["A PIPE TAKES WHAT FITS,", "AND GIVES WHAT IS THERE"]
