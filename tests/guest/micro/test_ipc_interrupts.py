"""Interrupt threads and exceptions: the kernel's messages, and the replies to them."""

from __future__ import annotations

import pytest

from guest.abi.cpu import Flags, Vector
from guest.abi.micro import IpcError, Label, MicroSize, ThreadId
from tests.guest.micro.puppets import ANY, GENERAL, NIL, ZERO, Failed, Message, Puppet, Stage

TIMEOUT, RECEIVE = IpcError.IPC_TIMEOUT, IpcError.IPC_RECEIVE_PHASE
LINES = (3, 5, 9, 15)


def irq(line: int) -> int:
    """The interrupt thread of a line."""
    return line << ThreadId.ID_SHIFT | 1


def fired(line: int) -> Message:
    """Its message."""
    return Message(irq(line), Label.LABEL_INTERRUPT)


@pytest.fixture
def handler(stage: Stage) -> Puppet:
    """A thread that runs before all others, in `l4`."""
    thread = stage.thread()
    stage.prefer(thread)
    return thread


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("source", ["one", "any"])
def test_an_interrupt_reaches_its_handler(stage: Stage, handler: Puppet, line: int, source: str) -> None:
    stage.attach(line, handler)
    other = stage.thread()
    stage.let(handler).receive(ANY if source == "any" else irq(line))
    stage.let(other)
    stage.interrupt(line)
    assert handler.can_run and handler.got == fired(line)
    assert other.can_run


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_masked_until_its_handler_replies(stage: Stage, handler: Puppet, line: int) -> None:
    stage.attach(line, handler)
    stage.let(handler).receive(irq(line))
    stage.interrupt(line)
    stage.let(handler)
    for _ in range(3):
        assert stage.interrupt(line) is handler             # the chip remembers one
    handler.receive(ANY, receive=ZERO)
    assert handler.got == Failed(TIMEOUT | RECEIVE)
    handler.send(irq(line))
    assert stage.run() is handler
    handler.receive(ANY, receive=ZERO)
    assert handler.got == fired(line)
    handler.call(irq(line), receive=ZERO)
    assert handler.got == Failed(TIMEOUT | RECEIVE)
    assert handler.receive(irq(line)) is not handler
    stage.interrupt(line)
    assert stage.let(handler).got == fired(line)


def test_an_interrupt_waits_for_a_handler_that_is_busy(stage: Stage, handler: Puppet) -> None:
    for line in (9, 3):
        stage.attach(line, handler)
        stage.let(handler)
        assert stage.interrupt(line) is handler
    for line in (9, 3):
        handler.receive(ANY)
        assert handler.got == fired(line)


def test_a_reply_that_nobody_waits_for_waits(stage: Stage, handler: Puppet) -> None:
    stage.attach(5, handler)
    stage.let(handler).send(irq(5), send=ZERO)
    assert handler.got == Failed(TIMEOUT)


def test_nobody_but_the_handler_can_open_a_line(stage: Stage, handler: Puppet) -> None:
    other = stage.thread()
    stage.attach(5, handler)
    stage.let(handler).receive(irq(5))
    stage.interrupt(5)
    stage.let(other).send(irq(5), send=ZERO)
    assert other.got == Failed(TIMEOUT)
    stage.interrupt(5)
    stage.let(handler).receive(ANY, receive=ZERO)
    assert handler.got == Failed(TIMEOUT | RECEIVE)


@pytest.mark.parametrize("when", ["quiet", "pending", "delivered"])
@pytest.mark.parametrize("way", ["detached", "deleted"])
def test_a_line_without_a_handler_is_masked(stage: Stage, handler: Puppet, when: str, way: str) -> None:
    heir = stage.thread()
    stage.attach(5, handler)
    if when != "quiet":
        stage.let(handler)
        stage.interrupt(5)
    if when == "delivered":
        stage.let(handler).receive(ANY)
    if way == "deleted":
        stage.direct().delete(handler)
    else:
        stage.attach(5, NIL)
    stage.let(heir)
    assert stage.interrupt(5) is heir
    # The chip has kept it for the next handler.
    stage.attach(5, heir)
    stage.let(heir).receive(ANY)
    assert heir.got == fired(5)
    if way == "detached":
        stage.let(handler).receive(ANY, receive=ZERO)
        assert handler.got == Failed(TIMEOUT | RECEIVE)


def test_a_line_moves_to_another_handler_amid_an_interrupt(stage: Stage, handler: Puppet) -> None:
    heir = stage.thread()
    stage.attach(5, handler)
    stage.let(handler)
    stage.interrupt(5)
    handler.receive(ANY)
    stage.attach(5, heir)
    stage.let(handler).send(irq(5), send=ZERO)              # too late
    assert handler.got == Failed(TIMEOUT)
    stage.let(heir)
    stage.interrupt(5)
    heir.receive(ANY)
    assert heir.got == fired(5)


def test_a_handler_that_gets_another_version_keeps_its_lines(stage: Stage, handler: Puppet) -> None:
    stage.attach(5, handler)
    root = stage.direct()
    root.control(handler.id + 1, root, NIL, NIL)
    assert root.refused is None
    handler.id += 1
    stage.let(handler)
    stage.interrupt(5)
    handler.receive(ANY)
    assert handler.got == fired(5)


@pytest.mark.parametrize("line", [7, 15])
def test_an_interrupt_that_goes_away_again_is_nothing(stage: Stage, handler: Puppet, line: int) -> None:
    stage.attach(line, handler)
    stage.let(handler)
    wire = stage.machine.pic.irq[line]
    wire.set(1)
    wire.set(0)
    assert stage.run() is handler
    handler.receive(ANY, receive=ZERO)
    assert handler.got == Failed(TIMEOUT | RECEIVE)
    stage.interrupt(line)
    handler.receive(ANY)
    assert handler.got == fired(line)


# Exceptions

RF = 0x1_0000                   # in the flags of a fault: the instruction is to be tried again (volume 3B, 17.3.1.1)
STATE = ("eip", "eflags", "vector", "error", "edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax")
DISTINCT = {name: 0x1010_1010 * (number + 1) for number, name in enumerate(GENERAL)}


@pytest.fixture(params=[False, True], ids=["same space", "other space"])
def raiser(request: pytest.FixtureRequest, stage: Stage, handler: Puppet) -> Puppet:
    """A thread whose exceptions go to `handler`, which waits for them."""
    thread = stage.thread(space=request.param)
    thread.set_utcb("handler", handler.id)
    stage.let(handler).receive(ANY)
    return stage.let(thread)


def test_an_exception_carries_the_whole_state_and_the_reply_changes_it(stage: Stage, handler: Puppet, raiser: Puppet
                                                                       ) -> None:
    assert raiser.goes_on("puppet_undefined", **DISTINCT, eflags=Flags.FLAGS_USER | 1) is handler
    got = handler.got
    assert isinstance(got, Message) and (got.sender, got.label) == (raiser, Label.LABEL_EXCEPTION)
    assert len(got.words) == MicroSize.STATE_WORDS
    state = dict(zip(STATE, got.words, strict=True))
    assert state == {**DISTINCT, "eip": stage.place("puppet_undefined"), "eflags": Flags.FLAGS_USER | 1 | RF,
                     "vector": Vector.EXC_UD, "error": 0}
    changed = {name: value ^ 0xFFFF_FFFF for name, value in state.items()} | {
        "eip": stage.place("puppet_stands"), "eflags": 0xFFFF_FFFF & ~Flags.FLAGS_TF}
    assert handler.reply_and_wait(raiser, *changed.values()) is raiser
    assert {name: raiser.register(name) for name in GENERAL} == {name: changed[name] for name in GENERAL}
    assert raiser.register("eflags") == Flags.FLAGS_USER | Flags.FLAGS_PROGRAM & ~Flags.FLAGS_TF


def test_a_reply_without_a_state_tries_the_instruction_again(stage: Stage, handler: Puppet, raiser: Puppet) -> None:
    raiser.goes_on("puppet_undefined", **DISTINCT)
    for count in (0, 5, 11):
        first = handler.got
        assert handler.reply_and_wait(raiser, *range(count)) is handler
        assert handler.got == first


def test_an_exception_needs_no_processor_of_its_own(stage: Stage, handler: Puppet, raiser: Puppet) -> None:
    raiser.goes_on("puppet_halts")
    got = handler.got
    assert handler.is_current and isinstance(got, Message)
    assert got.words[2:4] == (Vector.EXC_GP, 0)
    assert not stage.root.pending


@pytest.mark.parametrize("which", ["nil", "never made", "oneself"])
def test_without_a_handler_the_thread_stops_with_a_line(stage: Stage, which: str) -> None:
    thread = stage.thread(space=True)
    nobody = {"nil": NIL, "never made": thread.id + (1 << ThreadId.ID_SHIFT), "oneself": thread.id}[which]
    thread.set_utcb("handler", nobody)
    stage.let(thread).goes_on("puppet_undefined")
    assert not thread.can_run
    place = stage.place("puppet_undefined")
    assert stage.console == [f"thread {thread.number}.1: invalid opcode (#UD), at {place:#x}: no exception handler"]


def test_a_handler_that_is_deleted_while_it_is_asked_leaves_the_thread_stopped(stage: Stage, handler: Puppet,
                                                                              raiser: Puppet) -> None:
    helper = stage.thread(space=raiser)
    stage.let(raiser).goes_on("puppet_undefined")
    stage.direct().delete(handler)
    assert not raiser.can_run
    stage.let(helper).exchange(raiser, 1 << 4 | 1 << 8, ip=stage.place("puppet_stands"))
    assert stage.let(raiser)


def test_an_exception_waits_for_a_handler_that_is_busy(stage: Stage, handler: Puppet, raiser: Puppet) -> None:
    other = stage.thread()
    stage.let(other).send(handler, 1)
    stage.let(raiser).goes_on("puppet_undefined")
    assert not raiser.can_run and handler.pending == [raiser]
    stage.let(handler).receive(ANY)
    got = handler.got
    assert isinstance(got, Message) and got.sender is raiser
