"""ThreadControl: how a thread begins, whatever its pager does; what is refused; and numbers that are used again."""

from __future__ import annotations

from itertools import product

import pytest

from guest.abi.cpu import Flags
from guest.abi.micro import CallError, IpcError, Label, MicroState, ThreadId
from tests.guest.micro.puppets import ANY, NIL, ZERO, Failed, Message, Puppet, Stage

TIMEOUT, RECEIVE = IpcError.IPC_TIMEOUT, IpcError.IPC_RECEIVE_PHASE
MAX_THREADS = 1024


def unborn(stage: Stage, pager: Puppet | int, space: Puppet | None = None) -> Puppet:
    """A new thread that waits for its pager, or has none yet; the director has the processor."""
    root = stage.direct()
    thread = stage.new()
    root.control(thread, space or root, root, pager)
    assert root.refused is None
    return thread


# How a thread begins


def test_a_thread_begins_where_its_pager_says(stage: Stage, gate: str) -> None:
    stage.gate = gate
    pager = stage.thread()
    thread = unborn(stage, pager)
    stage.let(pager).send(thread, stage.place("puppet_stands"), 0x1234)
    assert pager.got == Message(0)
    stage.let(thread)
    assert thread.register("esp") == 0x1234
    assert thread.register("eax") == stage.machine.cpu.read_linear(0xBFFF_E004, 1)[0]        # KIP_FEATURES
    assert thread.register("edi") == thread.field("utcb_user")
    assert {thread.register(name) for name in ("ebx", "ecx", "edx", "esi", "ebp")} == {0}
    assert thread.register("eflags") == Flags.FLAGS_USER
    assert (thread.utcb("id"), thread.utcb("pager"), thread.utcb("handler")) == (thread.id, pager.id, NIL)


@pytest.mark.parametrize("words", [0, 1])
def test_a_message_that_does_not_say_where_is_refused(stage: Stage, words: int) -> None:
    pager = stage.thread()
    thread = unborn(stage, pager)
    stage.let(pager).send(thread, *[stage.place("puppet_stands")] * words)
    assert pager.got == Failed(IpcError.IPC_OVERFLOW)
    assert not thread.can_run
    pager.send(thread, stage.place("puppet_stands"), 0)
    assert pager.got == Message(0)
    stage.let(thread)


def test_nobody_but_the_pager_starts_a_thread(stage: Stage) -> None:
    pager, other = stage.thread(), stage.thread()
    thread = unborn(stage, pager)
    stage.let(other).send(thread, stage.place("puppet_stands"), 0, send=ZERO)
    assert other.got == Failed(TIMEOUT)
    other.receive(thread, receive=ZERO)
    assert other.got == Failed(TIMEOUT | RECEIVE)


def test_a_pager_may_send_before_the_thread_waits_for_it(stage: Stage) -> None:
    pager = stage.thread()
    thread = unborn(stage, NIL)
    stage.let(pager).send(thread, stage.place("puppet_stands"), 0)
    assert pager.got == Failed(IpcError.IPC_NO_PARTNER)     # without a pager it takes no part in IPC
    root = stage.direct()
    root.control(thread, thread, NIL, pager)
    assert root.refused is None
    stage.let(pager).send(thread, stage.place("puppet_stands"), 0)
    stage.let(thread)


def test_another_pager_can_start_a_thread_that_gets_it_before_it_begins(stage: Stage) -> None:
    first, second = stage.thread(), stage.thread()
    thread = unborn(stage, first)
    root = stage.direct()
    root.control(thread, thread, NIL, second)
    assert root.refused is None
    stage.let(first).send(thread, stage.place("puppet_stands"), 0, send=ZERO)
    assert first.got == Failed(TIMEOUT)
    stage.let(second).send(thread, stage.place("puppet_stands"), 0, send=ZERO)
    assert second.got == Message(0)
    stage.let(thread)


def test_a_thread_whose_pager_goes_before_it_begins_can_get_another_one(stage: Stage) -> None:
    first, second = stage.thread(), stage.thread()
    thread = unborn(stage, first)
    root = stage.direct()
    root.delete(first)
    assert thread.state == MicroState.IS_DEAD
    root.control(thread, thread, NIL, second)
    assert root.refused is None
    stage.let(second).send(thread, stage.place("puppet_stands"), 0, send=ZERO)
    stage.let(thread)


def test_a_thread_that_was_never_started_can_be_deleted(stage: Stage) -> None:
    pager = stage.thread()
    for space in (None, "own"):
        root = stage.direct()
        thread = stage.new()
        for _ in range(3):
            root.control(thread, thread if space else root, root, pager)
            assert root.refused is None
            root.delete(thread)
            assert root.refused is None


def test_a_thread_of_another_space_cannot_be_started_where_there_is_nothing(stage: Stage) -> None:
    pager = stage.thread()
    root = stage.direct()
    thread = stage.new()
    root.control(thread, thread, root, pager)
    stage.let(pager).call(thread, 0x1234_5678, 0)
    assert pager.got == Message(thread, Label.LABEL_PAGE_FAULT | 1, (0x1234_5678, 0x1234_5678))


# What is refused. All pairs of wrong arguments, so that none hides another


def number(value: int, version: int = 1) -> int:
    """An identifier."""
    return value << ThreadId.ID_SHIFT | version


NOBODY = number(900)
WRONG = {"thread": [number(16), number(31), number(MAX_THREADS), number(40, 0), 0xFFFF_FFFF],
         "space": [number(5), NOBODY, 0xFFFF_FFFF],
         "scheduler": [number(5), NOBODY, 0xFFFF_FFFF],
         "pager": [number(5), NOBODY, 0xFFFF_FFFF]}
SAYS = {"thread": CallError.CALL_THREAD, "space": CallError.CALL_SPACE, "scheduler": CallError.CALL_SCHEDULER,
        "pager": CallError.CALL_THREAD}


@pytest.mark.parametrize("exists", [False, True], ids=["create", "change"])
def test_every_wrong_argument_is_refused_and_nothing_happens(stage: Stage, exists: bool) -> None:
    root = stage.direct()
    target = stage.thread() if exists else stage.new()
    good = {"thread": target.id, "space": root.id, "scheduler": root.id, "pager": root.id}
    before = stage.machine.ram.read(target.ktcb - 0xC000_0000, 256)
    for count in (1, 2):
        for names in product(WRONG, repeat=count):
            for number in range(3):
                arguments = good | {name: WRONG[name][number % len(WRONG[name])] for name in names}
                root.control(*arguments.values())
                assert root.refused in {SAYS[name] for name in names}, arguments
    assert stage.machine.ram.read(target.ktcb - 0xC000_0000, 256) == before


@pytest.mark.parametrize("thread", [0, 1 << ThreadId.ID_SHIFT, 0xFFFF_FFFF, number(32, 2), number(33, 0)])
def test_what_does_not_exist_cannot_be_deleted(stage: Stage, thread: int) -> None:
    root = stage.direct()
    root.control(thread, NIL)
    assert root.refused is not None


def test_only_the_root_task_may_call_it(stage: Stage) -> None:
    other, victim = stage.thread(space=True), stage.thread()
    stage.let(other)
    for arguments in ((victim, NIL), (stage.new(), other, other, other), (other, other, other, other)):
        other.control(*arguments)
        assert other.refused == CallError.CALL_PRIVILEGE
    assert victim.can_run


def test_every_thread_of_the_root_task_may_call_it(stage: Stage) -> None:
    other = stage.thread()
    thread = stage.new()
    stage.let(other).control(thread, other, other, other)
    assert other.refused is None
    stage.let(other).delete(thread)
    assert other.refused is None


def test_schedulers_form_no_ring(stage: Stage) -> None:
    one = stage.thread()
    two = stage.thread(scheduler=one)
    three = stage.thread(scheduler=two)
    root = stage.direct()
    for thread, scheduler in ((one, one), (one, two), (one, three), (two, three)):
        root.control(thread, thread, scheduler, NIL)
        assert root.refused == CallError.CALL_SCHEDULER
    root.control(three, three, one, NIL)
    assert root.refused is None
    root.control(two, two, three, NIL)
    assert root.refused is None


# What goes on amid something


def test_a_thread_can_delete_itself(stage: Stage) -> None:
    thread, other = stage.thread(), stage.thread()
    stage.let(other).receive(thread)
    stage.let(thread)
    thread.delete(thread)
    assert stage.current is not thread
    assert other.can_run and other.got == Failed(IpcError.IPC_NO_PARTNER | RECEIVE)


def test_a_number_can_be_used_again(stage: Stage, gate: str) -> None:
    stage.gate = gate
    server = stage.thread()
    stage.let(server).receive(ANY)
    thread = stage.thread()
    old = thread.id
    for version in range(2, 6):
        root = stage.direct()
        root.delete(thread)
        thread.id = number(thread.number, version)
        root.control(thread, root, root, root)
        assert root.refused is None
        root.send(thread, stage.place("puppet_stands"), stage.stack(thread), send=ZERO)
        stage.let(thread).call(server, version)
        assert server.got == Message(thread, 0, (version,))
        server.reply_and_wait(old if version > 2 else NIL)
        if version > 2:
            assert server.got == Failed(IpcError.IPC_NO_PARTNER)
            stage.let(server).receive(ANY)
        stage.direct()
