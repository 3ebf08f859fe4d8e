"""KIP_BACKLOG: how many wait to send to a thread stands in its UTCB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.result import Reason
from guest.abi.micro import KipFeature
from tests.guest.micro.extensions.programs import image
from tests.guest.micro.puppets import ANY, Puppet, Stage

BACKLOG = int(KipFeature.KIP_BACKLOG)
CLIENTS, SERVICE, REQUESTS = 4, 3000, 300
NOWHERE = 0x3000_0000       # an address where nothing is


@pytest.fixture
def stage(stages: Callable[..., Stage], variant: str) -> Stage:
    """A stage with backlogs, in both variants."""
    return stages(variant, EXTENSIONS=BACKLOG)


def backlog(thread: Puppet) -> int:
    """What the thread itself sees."""
    return thread.utcb("backlog")


@pytest.fixture
def server(stage: Stage) -> Puppet:
    """A thread for which three others wait."""
    server = stage.thread()
    for count in range(3):
        assert backlog(server) == count
        stage.let(stage.thread()).call(server)
    assert backlog(server) == 3
    return server


def test_it_is_less_with_every_message_that_is_fetched(stage: Stage, server: Puppet) -> None:
    for left in (2, 1, 0):
        stage.let(server).receive(ANY)
        assert backlog(server) == left


def test_a_reply_that_fetches_the_next_one_counts_once(stage: Stage, server: Puppet) -> None:
    stage.let(server).receive(ANY)
    server.reply_and_wait(server.got.sender)            # type: ignore[union-attr]
    assert backlog(server) == 1


def test_who_is_cancelled_or_ends_does_not_wait_any_more(stage: Stage, server: Puppet) -> None:
    one, two, _ = server.pending
    stage.direct().cancel(one)
    assert backlog(server) == 2
    stage.direct().delete(two)
    assert backlog(server) == 1


def test_messages_of_the_kernel_count_as_well(stage: Stage, server: Puppet) -> None:
    thread = stage.thread(pager=server)
    stage.let(thread).reads(NOWHERE)
    assert backlog(server) == 4


def test_what_a_program_writes_there_is_put_right_at_the_next_change(stage: Stage, server: Puppet) -> None:
    server.set_utcb("backlog", 1000)
    stage.let(server).receive(ANY)
    assert backlog(server) == 2


def test_without_the_extension_the_word_is_the_programs_own(stages: Callable[..., Stage], variant: str) -> None:
    stage = stages(variant)
    server, client = stage.thread(), stage.thread()
    server.set_utcb("backlog", 1000)
    stage.let(client).call(server)
    assert backlog(server) == 1000


class Load(NamedTuple):
    """What backlog.asm has caused."""

    preemptions: int        # messages
    ticks: int


def load(folder: Path, aware: bool) -> Load:
    """A server with more clients than it can serve at once."""
    machine = Machine.boot(image(folder, "backlog", BACKLOG, CLIENTS=CLIENTS, AWARE=int(aware), SERVICE=SERVICE,
                                 REQUESTS=REQUESTS))
    places = [machine.address(name) for name in ("message_preemption", "message_interrupt")]
    with Monitor(machine, marks=places) as monitor:
        result = machine.run(max_cycles=100_000_000)
    assert (result.reason, result.exit_code) == (Reason.EXIT, 0)
    return Load(*(int((monitor.crossings["to"] == place).sum()) for place in places))


def test_a_loaded_server_that_does_not_look_is_preempted_with_every_request(tmp_path: Path) -> None:
    found = load(tmp_path, aware=False)
    assert found.preemptions > 1.5 * REQUESTS           # the client whom it answers, and then itself


def test_one_that_looks_causes_no_preemption(tmp_path: Path) -> None:
    found = load(tmp_path, aware=True)
    assert found.ticks > 10
    assert found.preemptions <= found.ticks + CLIENTS + 1       # and the beginnings of all threads
