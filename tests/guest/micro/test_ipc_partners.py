"""Partners that are not there, do not come, or go away: every IPC ends, with the code that says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guest.abi.micro import Exreg, ExregResult, IpcError, ThreadId
from tests.guest.micro.puppets import ANY, NIL, ZERO, Failed, Message, Puppet, Stage

TIMEOUT, NO_PARTNER, CANCELED = IpcError.IPC_TIMEOUT, IpcError.IPC_NO_PARTNER, IpcError.IPC_CANCELED
RECEIVE = IpcError.IPC_RECEIVE_PHASE
SEND_BITS, RECEIVE_BITS = Exreg.EXREG_CANCEL_SEND, Exreg.EXREG_CANCEL_RECEIVE


def timeout(us: int) -> int:
    """A finite timeout, at least so long."""
    return 5 << 10 | -(-us >> 5)


@pytest.fixture(params=["never made", "other version", "version 0", "no pager yet", "deleted", "oneself", "any"])
def nobody(request: pytest.FixtureRequest, stage: Stage) -> tuple[Puppet, int]:
    """A thread that has the processor, and an identifier to which nobody can send."""
    thread, other = stage.thread(), stage.thread()
    inactive = (stage.free + 5 << ThreadId.ID_SHIFT) + 1
    root = stage.direct()
    root.control(inactive, root, root, NIL)
    assert root.refused is None
    identifiers = {"never made": (stage.free << ThreadId.ID_SHIFT) + 1, "other version": other.id + 1,
                   "version 0": other.id - 1, "no pager yet": inactive, "deleted": other.id, "oneself": thread.id,
                   "any": ANY}
    if request.param == "deleted":
        root.delete(other)
    return stage.let(thread), identifiers[request.param]


def test_nobody_can_be_sent_to(nobody: tuple[Puppet, int], gate: str) -> None:
    thread, identifier = nobody
    for source in (NIL, ANY, identifier):
        assert thread.ipc(identifier, source, 1, 2, 3, gate=gate) is thread
        assert thread.got == Failed(NO_PARTNER)


def test_nobody_can_be_received_from(nobody: tuple[Puppet, int], gate: str) -> None:
    thread, identifier = nobody
    if identifier != ANY:
        assert thread.receive(identifier, gate=gate) is thread
        assert thread.got == Failed(NO_PARTNER | RECEIVE)


def test_a_message_is_sent_though_the_one_to_receive_from_does_not_exist(stage: Stage, gate: str) -> None:
    stage.gate = gate
    receiver, sender = stage.thread(), stage.thread()
    stage.let(receiver).receive(ANY)
    stage.let(sender).ipc(receiver, receiver.id + 1, 5)
    assert receiver.got == Message(sender, 0, (5,))
    assert sender.got == Failed(NO_PARTNER | RECEIVE)


def test_timeout_zero_ends_what_would_wait(stage: Stage, gate: str) -> None:
    stage.gate = gate
    one, other = stage.thread(), stage.thread()
    stage.let(one)
    assert one.send(other, send=ZERO) is one
    assert one.got == Failed(TIMEOUT)
    assert one.receive(other, receive=ZERO) is one
    assert one.got == Failed(TIMEOUT | RECEIVE)
    assert one.receive(ANY, receive=ZERO) is one
    assert one.got == Failed(TIMEOUT | RECEIVE)
    assert one.call(other, send=ZERO) is one
    assert one.got == Failed(TIMEOUT)


def test_timeout_zero_of_the_receive_phase_ends_a_call_whose_answer_is_not_there(stage: Stage, gate: str) -> None:
    stage.gate = gate
    client, server = stage.thread(), stage.thread()
    stage.let(server).receive(ANY)
    stage.let(client).call(server, 1, receive=ZERO)
    assert client.got == Failed(TIMEOUT | RECEIVE)
    assert server.got == Message(client, 0, (1,))


def test_timeout_zero_is_no_reason_not_to_take_what_is_there(stage: Stage) -> None:
    one, other = stage.thread(), stage.thread()
    stage.let(other).send(one, 4)
    stage.let(one).receive(ANY, receive=ZERO)
    assert one.got == Message(other, 0, (4,))
    stage.let(other).receive(one)
    stage.let(one).send(other, 5, send=ZERO)
    assert one.got == Message(0)
    assert other.got == Message(one, 0, (5,))


def test_where_there_are_no_clocks_any_other_timeout_is_zero(uls: Stage) -> None:
    one, other = uls.thread(), uls.thread()
    for value in (1, timeout(1000), 0x8000, 0xFFFF):
        uls.let(one).send(other, send=value)
        assert one.got == Failed(TIMEOUT)
        uls.let(one).receive(ANY, receive=value)
        assert one.got == Failed(TIMEOUT | RECEIVE)


@pytest.mark.parametrize("phase", ["send", "receive"])
def test_a_finite_timeout_ends_either_phase_in_time(stages: Callable[..., Stage], phase: str) -> None:
    stage = stages("l4", ticks=1000)
    waiter, partner = stage.thread(), stage.thread()
    stage.let(partner).receive(stage.root)
    for us in (1, 2500, 20_000):
        stage.let(waiter)
        begin = stage.microseconds
        if phase == "send":
            waiter.send(partner, send=timeout(us))
        else:
            waiter.receive(ANY, receive=timeout(us))
        assert all_wait(stage) is waiter
        assert waiter.got == Failed(TIMEOUT | (RECEIVE if phase == "receive" else 0))
        assert us <= stage.microseconds - begin <= us + 3000
        waiter.cancel(stage.root)


def all_wait(stage: Stage) -> Puppet | None:
    """The root task waits for ever. Who is the next to run, when time passes?"""
    stage.patient = True
    stage.direct().receive(stage.root.id + (1 << ThreadId.ID_SHIFT))
    stage.patient = False
    return stage.current


@pytest.mark.parametrize("first", ["sender", "receiver"])
def test_a_finite_timeout_that_is_not_needed_does_nothing(stages: Callable[..., Stage], first: str) -> None:
    stage = stages("l4", ticks=1000)
    sleeper, sender, receiver = stage.thread(), stage.thread(), stage.thread()
    if first == "sender":
        stage.let(sender).send(receiver, 1, send=timeout(5000))
        stage.let(receiver).receive(sender, receive=timeout(5000))
    else:
        stage.let(receiver).receive(sender, receive=timeout(5000))
        stage.let(sender).send(receiver, 1, send=timeout(5000))
    assert receiver.got == Message(sender, 0, (1,))
    stage.let(receiver).receive(ANY)
    stage.let(sender).receive(ANY)
    stage.let(sleeper).receive(ANY, receive=timeout(10_000))
    assert all_wait(stage) is sleeper
    assert not sender.can_run and not receiver.can_run


@pytest.mark.parametrize("way", ["deleted", "another version"])
def test_all_who_wait_for_a_thread_that_goes_hear_of_it(stage: Stage, gate: str, way: str) -> None:
    stage.gate = gate
    goes = stage.thread()
    senders = [stage.thread(space=number == 1) for number in range(3)]
    callers, receivers, others = [stage.thread(), stage.thread()], [stage.thread(space=True)], stage.thread()
    for number, sender in enumerate(senders):
        stage.let(sender).send(goes, number)
    for receiver in receivers:
        stage.let(receiver).receive(goes)
    for caller in callers:
        stage.let(goes).receive(caller)
        stage.let(caller).call(goes, 1)
    stage.let(others).receive(ANY)
    root = stage.direct()
    if way == "deleted":
        root.delete(goes)
    else:
        root.control(goes.id + 1, root, NIL, NIL)
    assert root.refused is None
    for sender in senders:
        assert sender.can_run and sender.got == Failed(NO_PARTNER)
    for receiver in receivers + callers:
        assert receiver.can_run and receiver.got == Failed(NO_PARTNER | RECEIVE)
    assert not others.can_run

    # None of them is left behind anywhere.
    for one in [*senders, *receivers, *callers]:
        assert stage.let(one).send(others, 3) is not None
        assert others.got == Message(one, 0, (3,))
        stage.let(others).receive(ANY)


def test_a_thread_that_waits_leaves_no_trace_when_it_is_deleted(stage: Stage) -> None:
    server = stage.thread()
    clients = [stage.thread() for _ in range(5)]
    for number, client in enumerate(clients):
        stage.let(client).send(server, number)
    root = stage.direct()
    for number in (2, 0, 4):
        root.delete(clients[number])
    for number in (1, 3):
        stage.let(server).receive(ANY)
        assert server.got == Message(clients[number], 0, (number,))
    stage.let(server).receive(ANY, receive=ZERO)
    assert server.got == Failed(TIMEOUT | RECEIVE)


def test_a_deleted_receiver_is_nobody_for_the_fast_path(stage: Stage, gate: str) -> None:
    stage.gate = gate
    server, client = stage.thread(), stage.thread()
    stage.let(server).receive(ANY)
    stage.direct().delete(server)
    stage.let(client).call(server, 1)
    assert client.got == Failed(NO_PARTNER)


@pytest.mark.parametrize("source", ["any", "one"])
def test_cancel_ends_a_receive(stage: Stage, source: str) -> None:
    receiver, other = stage.thread(), stage.thread()
    stage.let(receiver).receive(other if source == "one" else ANY)
    stage.let(other).cancel(receiver, SEND_BITS)
    assert not receiver.can_run and other.was == ExregResult.EXREG_WAS_RECEIVING
    stage.let(other).cancel(receiver, RECEIVE_BITS)
    assert receiver.can_run and receiver.got == Failed(CANCELED | RECEIVE)
    stage.let(other).send(receiver, send=ZERO)
    assert other.got == Failed(TIMEOUT)


def test_cancel_ends_a_send(stage: Stage) -> None:
    senders, receiver = [stage.thread() for _ in range(3)], stage.thread()
    for number, sender in enumerate(senders):
        stage.let(sender).send(receiver, number)
    root = stage.direct()
    root.cancel(senders[1], RECEIVE_BITS)
    assert not senders[1].can_run and root.was == ExregResult.EXREG_WAS_SENDING
    root.cancel(senders[1], SEND_BITS)
    assert senders[1].can_run and senders[1].got == Failed(CANCELED)
    for number in (0, 2):
        stage.let(receiver).receive(ANY)
        assert receiver.got == Message(senders[number], 0, (number,))


def test_cancel_of_a_call_ends_the_phase_that_it_is_in(stage: Stage) -> None:
    client, server = stage.thread(), stage.thread()
    stage.let(client).call(server, 1)
    stage.let(server).receive(client)
    stage.let(server).cancel(client, SEND_BITS)
    assert not client.can_run
    server.cancel(client, RECEIVE_BITS)
    assert client.got == Failed(CANCELED | RECEIVE)


def test_cancel_of_a_thread_that_waits_for_nothing_does_nothing(stage: Stage) -> None:
    thread, other = stage.thread(), stage.thread()
    stage.let(thread).goes_on(ecx=0x1234)
    stage.let(other).cancel(thread)
    assert other.refused is None and other.was == 0
    assert stage.let(thread).register("ecx") == 0x1234


def test_a_token_that_has_changed_keeps_the_next_ipc(stage: Stage) -> None:
    waiter, other = stage.thread(), stage.thread()
    waiter.set_utcb("token", 7)
    stage.let(waiter).receive(ANY)
    stage.let(other).cancel(waiter, token=6)
    assert not waiter.can_run and other.was == ExregResult.EXREG_WAS_RECEIVING and other.refused is None
    stage.let(other).cancel(waiter, token=7)
    assert waiter.can_run and waiter.got == Failed(CANCELED | RECEIVE)


def test_a_token_and_a_stack_pointer_exclude_each_other(stage: Stage) -> None:
    waiter, other = stage.thread(), stage.thread()
    stage.let(waiter).receive(ANY)
    stage.let(other).exchange(waiter, Exreg.EXREG_TOKEN | Exreg.EXREG_SP | RECEIVE_BITS, sp=0)
    assert other.refused == 5
    assert not waiter.can_run
