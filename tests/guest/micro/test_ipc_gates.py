"""The ways into an IPC: what a program's registers and flags are behind it, and that others find nothing of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emu.machine import Machine
from emu.result import Reason
from guest.abi.cpu import Flags
from loader.image import Image
from tests.guest.micro.conftest import ENOUGH
from tests.guest.micro.conftest import PROGRAMS as CASES
from tests.guest.micro.puppets import ANY, Message, Stage

DF, NT, ID, AC = (int(flag) for flag in (Flags.FLAGS_DF, Flags.FLAGS_NT, Flags.FLAGS_ID, 0x4_0000))
USER = int(Flags.FLAGS_USER)
ARITHMETIC = 0x8D5
HARMLESS = NT | ID | AC | ARITHMETIC            # of what SYSEXIT leaves as it was: other threads may find these
PROGRAMS = ("ipc_registers", "ipc_segments", "ipc_flags")


@pytest.mark.parametrize("count", [0, 2, 3, 63])
@pytest.mark.parametrize("flags", [0, DF, NT | AC | ID | ARITHMETIC])
@pytest.mark.parametrize("there", ["int", "stub"])
@pytest.mark.parametrize("waits", ["int", "stub"])
def test_a_partner_does_not_find_the_senders_flags(stage: Stage, waits: str, there: str, flags: int, count: int
                                                   ) -> None:
    server, client = stage.thread(), stage.thread(space=True)
    stage.let(server).receive(ANY, gate=waits)
    words = tuple(range(count))
    stage.let(client).set_register("eflags", USER | flags)
    assert client.call(server, *words, gate=there) is server
    assert server.got == Message(client, 0, words)
    found = server.register("eflags")
    assert found == USER if waits == "int" else found & ~HARMLESS == USER


@pytest.mark.parametrize("flags", [DF, NT | AC | ID | ARITHMETIC])
def test_int_keeps_the_programs_own_flags(stage: Stage, gate: str, flags: int) -> None:
    server, client = stage.thread(), stage.thread(space=True)
    stage.let(server).receive(ANY, gate=gate)
    stage.let(client).set_register("eflags", USER | flags)
    client.call(server, 1, 2, 3, gate="int")
    server.reply_and_wait(client, 4, 5, 6, gate=gate)
    assert client.register("eflags") == USER | flags
    client.set_register("eflags", USER | flags)
    client.send(client, gate="int")             # the long way, which fails
    assert client.register("eflags") == USER | flags


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_finds_what_it_left(program: str, micro_image: Callable[..., Image]) -> None:
    image = micro_image(program)
    for cpu in ("unit", "p5-166", "p3-500"):
        machine = Machine.boot(image, cpu=cpu)
        result = machine.run(max_cycles=ENOUGH)
        console = machine.console.decode()
        assert (result.reason, result.exit_code) == (Reason.EXIT, 0), f"check {result.exit_code} on {cpu}\n{console}"
        assert len(console.splitlines()) == 1, console
        assert ("and SYSENTER" in console) == (cpu != "p5-166")


def test_every_program_is_in_a_test() -> None:
    assert {path.stem for path in CASES.glob("ipc_*.asm")} == set(PROGRAMS)


@pytest.mark.parametrize("cpu", ["p5-166", "p3-500"])
def test_words_arrive_on_other_processors_too(stages: Callable[..., Stage], variant: str, cpu: str, gate: str) -> None:
    stage = stages(variant, cpu=cpu)
    stage.gate = gate
    server, client = stage.thread(space=True), stage.thread()
    stage.let(server).receive(ANY)
    stage.let(client)
    for count in range(0, 64, 9):
        assert client.call(server, *range(count)) is server
        assert server.got == Message(client, 0, tuple(range(count)))
        assert server.reply_and_wait(client, *range(63 - count)) is client
        assert client.got == Message(server, 0, tuple(range(63 - count)))
